"""What providers and models take beside text. One table, each fact with its source and date. Pure.

A form says how a server takes media, whatever the model; rules say what one model takes. None is: no source says it.

Sources:
    bigmodel, zai: the chat completion OpenAPI of docs.z.ai and docs.bigmodel.cn (2025-12 to 2026-09): parts, kinds,
        5 MB and 6000x6000 pixels and jpg, jpeg, png for a picture, 150 pictures (GLM-5V, GLM-4.6V) or 50 (GLM-4.5V),
        50 files, videos and files by URL only, no file beside a picture or video, no `detail`
        (additionalProperties: false), media before text in every example; glm-4v-flash: one picture, no base64;
        the boxes of GLM-4.5V and GLM-4.1V. glm-5.3-flash takes pictures and (one source) videos (2026-08).
    tokenhub: tencentcloud.com/document/product/1300/80634, GLM guide (2026): glm-5v-turbo alone takes media, one kind
        a request, files by URL only, text before media in every example; …/1823/136957 and …/1823/135872 (2026):
        videos by URL only, `detail`; …/1823/130988 (2026): jpg, jpeg, png, webp, 10 MB and 20 pictures, written for
        other models of the same endpoint.
    modelstudio: alibabacloud.com/help/en/model-studio/glm (2026-03-15, 2026-09-02) lists GLM as text models; of
        glm-5.3-flash it says nothing.
    dashscope: the native protocol has parts of its own form on a path of its own (`multimodal-generation`), and is
        documented for other models only: docs.qwencloud.com/api-reference/chat/dashscope (2026).
    ollama: github.com/ollama/ollama@fb30760, openai/openai.go (2026-11-21): data URIs of jpeg, jpg, png, webp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.chat import MediaKind

_ALL: tuple[MediaKind, ...] = ("image", "video", "file")
_JPEG_PNG = ("image/jpeg", "image/png")
_AND_WEBP = (*_JPEG_PNG, "image/webp")
MIB = 1024 * 1024  # where a page says MB, the larger reading: what is refused here is refused there


class Form(Record):
    """How a server takes media.

    Attributes:
        known: the form of its parts is documented.
        text_first: the text stands before the media.
        detail: a picture's part may say how closely the model looks.
        kinds: what it takes at all.
        by_url: what it fetches itself.
        by_data: what may be sent as bytes.
        together: what may stand in one request; `file_apart` keeps files from pictures and videos.
        types: the types of pictures that it reads, whatever the model.
    """

    known: bool = True
    text_first: bool = False
    detail: bool = False
    kinds: tuple[MediaKind, ...] = _ALL
    by_url: tuple[MediaKind, ...] = _ALL
    by_data: tuple[MediaKind, ...] = _ALL
    together: Literal["any", "file_apart", "one_kind"] = "any"
    types: tuple[str, ...] | None = None


class Rules(Record):
    """What a model takes.

    Attributes:
        kinds: none of them: it is a text model.
        most: how many of a kind in one request.
        most_bytes: of one picture.
        most_pixels: of the width, and of the height, of one picture.
        types: of pictures.
        data: pictures may be sent as bytes.
    """

    kinds: tuple[MediaKind, ...] = ()
    most: Mapping[MediaKind, int] = EMPTY  # type: ignore[assignment]
    most_bytes: int | None = None
    most_pixels: int | None = None
    types: tuple[str, ...] | None = None
    data: bool = True


FORMS: Mapping[str, Form] = {
    "zhipu": Form(by_data=("image",), together="file_apart"),
    "tokenhub": Form(text_first=True, detail=True, by_data=("image",), together="one_kind"),
    "ollama": Form(text_first=True, kinds=("image",), by_url=(), by_data=("image",), types=_AND_WEBP),
    "openai": Form(text_first=True),
    "dashscope": Form(known=False),
}


def _zhipu(kinds: tuple[MediaKind, ...], images: int | None = None, *, data: bool = True) -> Rules:
    most: dict[MediaKind, int] = {"image": images} if images else {}
    if "file" in kinds:
        most["file"] = 50
    return Rules(kinds, most, most_bytes=5 * MIB, most_pixels=6000, types=_JPEG_PNG, data=data)


_ZHIPU: Mapping[str, Rules] = {
    "glm-5v-turbo": _zhipu(_ALL, 150),
    "glm-5.3-flash": _zhipu(("image", "video")),
    "glm-5.3-flashx": _zhipu(("image",)),
    "glm-4.6v": _zhipu(_ALL, 150),
    "glm-4.6v-flash": _zhipu(_ALL, 150),
    "glm-4.6v-flashx": _zhipu(_ALL, 150),
    "glm-4.5v": _zhipu(("image", "video"), 50),
    "glm-4.1v-thinking-flash": _zhipu(("image", "video")),
    "glm-4.1v-thinking-flashx": _zhipu(("image", "video")),
}
_MODELS: Mapping[str, Mapping[str, Rules]] = {
    "bigmodel": {**_ZHIPU, "glm-4v-flash": _zhipu(("image",), 1, data=False)},
    "zai": _ZHIPU,
    "modelstudio": {},
    "tokenhub": {"glm-5v-turbo": Rules(_ALL, {"image": 20}, most_bytes=10 * MIB, types=_AND_WEBP)},
}
# Listed models of which no source says whether they take more than text.
_UNSAID: Mapping[str, tuple[str, ...]] = {"modelstudio": ("glm-5.3-flash",)}
TEXT_ONLY = Rules()


def find(catalogue: str, model: str, *, listed: bool) -> Rules | None:
    """What this model takes, or None where nothing is known; `listed`: the catalogue has it, so it reads text."""
    if rules := _MODELS.get(catalogue, {}).get(model):
        return rules
    return TEXT_ONLY if listed and model not in _UNSAID.get(catalogue, ()) else None


def takers(catalogue: str, kind: MediaKind) -> tuple[str, ...]:
    """The models there that take this kind."""
    return tuple(name for name, rules in _MODELS.get(catalogue, {}).items() if kind in rules.kinds)
