"""Every model of the catalogue and every kind of media: taken or refused as its pages say, and the whole request.

Typed out from docs.z.ai/openapi.json (2026-09), the chat reference and the model pages of docs.bigmodel.cn (2025-12 to
2026-11-22), alibabacloud.com/help/en/model-studio/glm (2026-03-15) and TokenHub's GLM guide (1300/80634). The same for
some of them with the real program, and for servers without a catalogue: test_vision.py.
"""

from __future__ import annotations

from typing import Any

import pytest
import samples

from glmcli import catalogue
from glmcli.chat.messages import Media, Message, Request
from glmcli.config import checks
from glmcli.media.sniffing import sniff
from glmcli.providers.table import PROVIDERS, dialect_of

# D a picture as data, U a picture by URL, V a video by URL, F a file by URL; W and G a video and a file as data.
# `+`: the request asks the model to think.
#
# What both of Zhipu's rows take alike.
ZHIPU = {
    "glm-5.3": "+",
    "glm-5.3-highspeed": "+",
    "glm-5.2": "+",
    "glm-5.2-highspeed": "+",
    "glm-5.1": "+",
    "glm-5": "+",
    "glm-5-turbo": "+",
    "glm-5-code": "+",
    "glm-5v-turbo": "DUVF+",
    "glm-4.7": "+",
    "glm-4.7-flashx": "+",
    "glm-4.7-flash": "+",
    "glm-4.6": "+",
    "glm-4.6v": "DUVF+",
    "glm-4.6v-flashx": "DUVF+",
    "glm-4.6v-flash": "DUVF+",
    "glm-4.5": "+",
    "glm-4.5-x": "+",
    "glm-4.5-air": "+",
    "glm-4.5-airx": "+",
    "glm-4.5-flash": "+",
    "glm-4.5v": "DUV+",
}
ALIBABA = {
    "glm-5.3": "",
    "glm-5.2": "",
    "glm-5.2-fast-preview": "",
    "glm-5.1": "",
    "glm-5": "",
    "glm-4.7": "",
    "glm-4.6": "",
    "glm-4.5": "",
    "glm-4.5-air": "",
    "ZHIPU/GLM-5.3": "",
    "ZHIPU/GLM-5.2": "",
    "ZHIPU/GLM-5.1": "",
    "ZHIPU/GLM-5": "",
}
UNSAID = ("glm-5.3-flash", "glm-5.2-us", "ZHIPU/GLM-5.3-Flash")
TAKES = {
    "bigmodel": ZHIPU
    | {
        "glm-5.3-flash": "DUVF+",
        "glm-5.3-flashx": "DU+",
        "glm-4-flash-250414": "",
        "glm-4-flashx-250414": "",
        "glm-z1-air": "+",
        "glm-z1-airx": "+",
        "glm-z1-flashx": "+",
        "glm-z1-flash": "+",
        "glm-4.1v-thinking-flashx": "DUV+",
        "glm-4.1v-thinking-flash": "DUVF+",
        "glm-4v-flash": "U",
        "glm-4v-plus-0111": "DUV",
        "glm-4-voice": "",
        # Of these nothing is known, so the form of the server holds.
        "glm-4-plus": "DUVF",
        "glm-4-air-250414": "DUVF",
        "glm-4-airx": "DUVF",
        "glm-4-flash": "DUVF",
        "glm-4-long": "DUVF",
    },
    "zai": ZHIPU
    | {
        "glm-5.3-flash": "DUVF+",
        "glm-5.3-flashx": "DUVF+",
        "glm-4-32b-0414-128k": "",
        "autoglm-phone-multilingual": "DUVF",
    },
    # A list of text models; of these it says nothing, and what is not known is sent.
    "modelstudio": ALIBABA | dict.fromkeys(UNSAID, "DUVFWG"),
    # The native form is documented for other models only.
    "dashscope": ALIBABA | dict.fromkeys(UNSAID, ""),
    "tokenhub": {
        "glm-5.2": "+",
        "glm-5.1": "+",
        "glm-5": "+",
        "glm-5-turbo": "+",
        "glm-5v-turbo": "DUVF+",
        "glm-5.3": "+",
        "glm-5.3-flash": "DUV+",
        "glm-5.3-flashx": "DUV+",
    },
}
CASES = [(row, model) for row, models in TAKES.items() for model in models]

PICTURE, VIDEO, DOCUMENT = "https://x.example/a.png", "https://x.example/a.mp4", "https://x.example/a.pdf"
SENT = {
    "D": Media("image", data=samples.PNG, type="image/png", name="a.png", info=sniff(samples.PNG)),
    "U": Media("image", url=PICTURE, name=PICTURE),
    "V": Media("video", url=VIDEO, name=VIDEO),
    "F": Media("file", url=DOCUMENT, name=DOCUMENT),
    "W": Media("video", data=samples.MP4, type="video/mp4", name="a.mp4", info=sniff(samples.MP4)),
    "G": Media("file", data=samples.PDF, type="application/pdf", name="a.pdf", info=sniff(samples.PDF)),
}
# What stands in the body; bytes stand as their Media until they are sent.
PARTS: dict[str, dict[str, Any]] = {
    "D": {"type": "image_url", "image_url": {"url": SENT["D"]}},
    "U": {"type": "image_url", "image_url": {"url": PICTURE}},
    "V": {"type": "video_url", "video_url": {"url": VIDEO}},
    "F": {"type": "file_url", "file_url": {"url": DOCUMENT}},
    "W": {"type": "video_url", "video_url": {"url": SENT["W"]}},
    "G": {"type": "file_url", "file_url": {"url": SENT["G"]}},
}
TEXT = {"type": "text", "text": "What is this?"}
ORDER = {
    "bigmodel": lambda part: [part, TEXT],
    "zai": lambda part: [part, TEXT],
    "modelstudio": lambda part: [TEXT, part],
    "tokenhub": lambda part: [TEXT, part],
}
FIELDS: dict[str, dict[str, Any]] = {
    "bigmodel": {"stream": True},
    "zai": {"stream": True},
    "modelstudio": {"stream": True, "stream_options": {"include_usage": True}},
    "tokenhub": {"stream": True, "stream_options": {"include_usage": True}},
}
THINKING = {"thinking": {"type": "enabled"}}
NATIVE = "how dashscope takes media is documented only in part, and not known here"
NOT_AS_DATA = {
    "D": "{who} takes pictures by URL only",
    "W": "a.mp4: video_url takes a URL, not a local file",
    "G": "a.pdf: file_url takes a URL, not a local file",
}
KINDS = {"D": "pictures", "U": "pictures", "V": "videos", "W": "videos", "F": "files", "G": "files"}


def reasons(row: str, model: str, media: Media) -> list[str]:
    """Why it is refused; nothing where it is sent."""
    request, provider = asked(model, media), PROVIDERS[row]
    found = [error.message for error in checks.contradictions(request, provider)]
    return found or [objection.message for objection in checks.objections(request, provider)]


def asked(model: str, media: Media) -> Request:
    return Request(model, (Message("user", "What is this?", parts=(media,)),), stream=True)


def test_the_table_has_every_model() -> None:
    for row, models in TAKES.items():
        assert set(models) == set(catalogue.names(PROVIDERS[row].catalogue)), row
    hosted = {name for name, provider in PROVIDERS.items() if provider.catalogue and not provider.embedded}
    assert set(TAKES) == hosted


@pytest.mark.parametrize(("row", "model"), CASES)
def test_what_is_taken_is_sent_whole(row, model) -> None:
    takes = TAKES[row][model]
    for letter in takes.removesuffix("+"):
        assert reasons(row, model, SENT[letter]) == [], letter
        body = dialect_of(PROVIDERS[row]).encode(asked(model, SENT[letter]), PROVIDERS[row]).body
        message = {"role": "user", "content": ORDER[row](PARTS[letter])}
        thinking = THINKING if takes.endswith("+") else {}
        assert body == {"model": model, "messages": [message]} | FIELDS[row] | thinking, letter


@pytest.mark.parametrize(("row", "model"), CASES)
def test_what_is_not_taken_is_refused_with_its_reason(row, model) -> None:
    takes, who = TAKES[row][model].removesuffix("+"), f"{model} at {row}"
    for letter in set(SENT) - set(takes):
        first, *_ = reasons(row, model, SENT[letter])
        if row == "dashscope":
            assert first == NATIVE
        elif not takes:
            reads = "text and audio" if model == "glm-4-voice" else "text"
            assert first == f"{who} reads {reads} only"
        elif KINDS[letter] in {KINDS[each] for each in takes}:
            assert first == NOT_AS_DATA[letter].format(who=who)
        else:
            assert first == f"{who} takes no {KINDS[letter]}"
