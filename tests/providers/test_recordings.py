# ruff: noqa: RUF001 - some of the words are Chinese
"""What providers really sent, read: the events of every recording, the same however its bytes are cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from glmcli.chat.events import Answer, Done, Finish, Reasoning, RequestId, Source, Sources, ToolCallPart, Usage
from glmcli.chat.reply import Fold
from glmcli.errors import GlmError
from glmcli.providers.reader import ReplyReader
from glmcli.providers.refusals import error_of_response
from glmcli.providers.table import PROVIDERS
from glmcli.sandbox import recordings

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = recordings.FOLDER
INDEX = json.loads((FOLDER / "index.json").read_text("utf-8"))
BOM = b"\xef\xbb\xbf"


def body(name: str) -> bytes:
    return (FOLDER / INDEX[name]["file"]).read_bytes()


def read(name: str, chunks: Iterable[bytes], provider=None) -> list:
    """The events of these bytes; the last one says which error ended them."""
    entry = INDEX[name]
    provider = provider or PROVIDERS[entry["provider"]]
    events: list = []
    try:
        reader = ReplyReader(provider, entry["content_type"] or "")
        for chunk in chunks:
            events.extend(iterated(reader.feed(chunk), events))
            if reader.done:
                break
        events.extend(iterated(reader.close(), events))
    except GlmError as error:
        events.append((type(error).__name__, error.provider_code, error.exit_code))
    return events


def iterated(new, events):
    """All of `new`; what came before an error is kept in `events`."""
    while True:
        try:
            event = next(new)
        except StopIteration:
            return ()
        events.append(event)


def call(index, identity, name, arguments):
    return ToolCallPart(index=index, id=identity, name=name, arguments=arguments)


def usage(i, o, reasoning, cached, total):
    return Usage(input_tokens=i, output_tokens=o, reasoning_tokens=reasoning, cached_tokens=cached, total_tokens=total)


def each(identity, *events):
    """The events of chunks that name their request; a tuple is a chunk with several events."""
    found = [RequestId(identity)]
    for event in events:
        found += event if isinstance(event, tuple) else [event]
    return found


NOTHING = ()  # a chunk that says nothing but its id

EVENTS = {
    "bigmodel-text": [
        *each(
            "20251115201538e5bd49e905784dd2",
            Reasoning("\n"),
            Answer("\n"),
            Answer("Hi"),
            (Finish("stop"), usage(3859, 14, None, 43, 3873)),
        ),
        Done(),
    ],
    "bigmodel-thinking": [
        *each(
            "20260903141522d9b0c4e8f1a23b57",
            Reasoning("\n"),
            Reasoning("用户"),
            Reasoning("问我是谁，"),
            Reasoning("简单回答即可。"),
            Answer("\n"),
            Answer("我是"),
            Answer("智谱的 GLM"),
            Answer("，很高兴认识你 😊"),
            (Finish("stop"), usage(9, 31, None, 0, 40)),
        ),
        Done(),
    ],
    "bigmodel-tool-call": [
        *each(
            "20260924170643c06bcfffa5d44648",
            Reasoning("The user"),
            call(0, "call_6a61d9153a764ee7a01bdcef", "wiki_search", '{"q":"智谱清言"}'),
            Finish("tool_calls"),
        ),
        Done(),
    ],
    "bigmodel-web-search": [
        *each(
            "20260812093114a4c1e0b7d25f4e68",
            Reasoning("\n"),
            Answer("\n"),
            Answer("根据搜索结果[ref_1]，"),
            Answer("GLM-5 已发布。"),
            (
                Finish("stop"),
                Sources(
                    (
                        Source(
                            ref="ref_1",
                            title="GLM-5 发布",
                            link="https://docs.bigmodel.cn/cn/guide/models/text/glm-5",
                            text="GLM-5 是智谱的基座模型。",
                        ),
                        Source(ref="ref_2", title="Z.AI", link="https://docs.z.ai/", text="Developer documentation."),
                    )
                ),
                usage(353, 1389, None, 0, 1742),
            ),
        ),
        Done(),
    ],
    "bigmodel-late-error": [
        *each(
            "20260522083049b6f7a1d3c0e94f52",
            call(0, "call_5d0c7f1b2e3a49869c8b7a6f", "read_file", '{"path":"说明.md"}'),
        ),
        ("BusyError", "500", 5),
    ],
    "bigmodel-event-error": [("BusyError", "1302", 5)],
    "bigmodel-fused-frame": [
        *each("20260701031255c7e1a90d4b2f8365", Reasoning("\n"), Answer("\n"), Answer("前一半")),
        ("ProtocolError", None, 13),
    ],
    "zai-thinking": [
        *each(
            "20260903061644f2a7c90b31d84e6a",
            Reasoning("\n"),
            Reasoning("The user"),
            Reasoning(" asks for a greeting"),
            Reasoning(" in Chinese."),
            Answer("\n"),
            Answer("你好"),
            Answer("，世界"),
            Answer("！"),
            (Finish("stop"), usage(14, 22, None, 2, 36)),
        ),
        Done(),
    ],
    "zai-context-window": [
        *each(
            "20260701031255c7e1a90d4b2f8365",
            Reasoning("\n"),
            Reasoning("This is"),
            Answer("\n"),
            Answer("The first part"),
            (Finish("model_context_window_exceeded"), usage(204711, 89, None, 0, 204800)),
        ),
        Done(),
    ],
    "modelstudio-thinking": [
        *each(
            "chatcmpl-9f61858b-7204-4b9b-98cd-66ada377fe7d",
            NOTHING,
            Reasoning("好的，用户"),
            Reasoning("问我是谁，"),
            Reasoning("我来介绍自己。"),
            Answer("你好！我是通"),
            Answer("义千问，"),
            Answer("很高兴见到你。"),
            Finish("stop"),
            usage(22, 382, 210, 0, 404),
        ),
        Done(),
    ],
    "modelstudio-tool-tail": [
        *each(
            "chatcmpl-e2079cf9-940a-4508-988a-b29e8b36fd93",
            call(0, "call_0c5f3d6a9b2e4718a6d4c1", "redis_command", ""),
            call(0, "", "", '{"command":'),
            call(0, "", "", ' "KEYS *'),
            call(0, "", "", '用户*"}'),
            call(0, "", "", ""),
            Finish("tool_calls"),
        ),
        Done(),
    ],
    "modelstudio-whole": each(
        "chatcmpl-xxx",
        (
            Reasoning("用户想知道我是谁。"),
            Answer("我是 GLM，由智谱训练的大语言模型。"),
            Finish("stop"),
            usage(14, 137, 127, 0, 151),
        ),
    ),
    "modelstudio-stream-error": [
        *each("chatcmpl-e2079cf9-940a-4508-988a-b29e8b36fd93", NOTHING),
        ("BusyError", "InternalError", 5),
    ],
    "modelstudio-wrapped-throttle": [("BusyError", "Throttling.AllocationQuota", 5)],
    "dashscope-thinking": each(
        "ab9f3446-9bbf-963e-9754-2d6543343d7e",
        (Reasoning("嗯"), usage(16, 3, 1, None, 19)),
        (Reasoning("，用户问"), usage(16, 7, 4, None, 23)),
        (Reasoning("的是"), usage(16, 9, 6, None, 25)),
        (Reasoning("1"), usage(16, 10, 7, None, 26)),
        (Reasoning("+1是多少"), usage(16, 15, 10, None, 31)),
        (Answer("1+1"), usage(16, 19, 10, None, 35)),
        (Answer(" 等于 **2"), usage(16, 24, 10, None, 40)),
        (Answer("**。这是最基本的加法，在十进制里总是如此"), usage(16, 49, 10, None, 65)),
        (Answer("。"), usage(16, 53, 10, None, 69)),
        (Finish("stop"), usage(16, 53, 10, None, 69)),
    ),
    "dashscope-parallel-tools": each(
        "98b76af4-4c9f-9397-af42-500425556f95",
        (
            call(0, "call_29a870e7106f45deb8add3", "get_current_weather", '{"location": "'),
            usage(250, 16, None, 0, 266),
        ),
        (call(0, "", "", '杭州市"}'), usage(250, 21, None, 0, 271)),
        (call(1, "call_7c1e5b09d24a4f3686f0b5", "get_current_weather", '{"location":'), usage(250, 33, None, 0, 283)),
        (call(1, "", "", ' "上海市"}'), Finish("tool_calls", beside_text=True), usage(250, 37, None, 0, 287)),
    ),
    "dashscope-error-frame": [("UsageError", "InvalidParameter", 2)],
    "dashscope-throttle-frame": [("BusyError", "Throttling.AllocationQuota", 5)],
    "dashscope-length": each(
        "7c8beccf-3e76-9034-95c1-db1f1ab9d6e0",
        (
            Reasoning("我们被问到：1+1等于几？这是一个简单的算术问题，"),
            Finish("length"),
            usage(12, 21, 20, 0, 33),
        ),
    ),
    "tokenhub-thinking": [
        *each(
            "chatcmpl-4f0e2b7c-91d3-4a58-8c6b-2d7f90a1e345",
            NOTHING,
            NOTHING,
            Reasoning("用户在"),
            Reasoning("打招呼。"),
            Answer("你好"),
            Answer("！有什么可以帮你？"),
            Finish("stop"),
            usage(20, 16, None, 0, 36),
        ),
        Done(),
    ],
    "vllm-thinking": [
        *each(
            "chatcmpl-92c7d0b1e5f84a63b7a2c9d4e6f01835",
            NOTHING,
            Reasoning("The"),
            Reasoning(" user"),
            Reasoning(" greets."),
            Answer("Hello"),
            Answer(", 世界"),
            Answer("!"),
            Finish("stop"),
            usage(6, 26, 11, 0, 32),
        ),
        Done(),
    ],
    "vllm-tool-call": [
        *each(
            "chatcmpl-92c7d0b1e5f84a63b7a2c9d4e6f01835",
            NOTHING,
            call(0, "chatcmpl-tool-afb7306d1c2e4b5f9a8d7c6b5a403f2e", "get_weather", ""),
            call(0, "", "", '{"city": "'),
            call(0, "", "", "北京"),
            call(0, "", "", '"}'),
            Finish("tool_calls"),
            usage(6, 26, 11, 0, 32),
        ),
        Done(),
    ],
    "vllm-death": [
        *each("chatcmpl-92c7d0b1e5f84a63b7a2c9d4e6f01835", NOTHING, Answer("Hello"), Answer(", 世")),
        ("BusyError", "500", 5),
    ],
    "vllm-bare-think": [
        *each(
            "chatcmpl-92c7d0b1e5f84a63b7a2c9d4e6f01835",
            NOTHING,
            Answer("The user"),
            Answer(" greets me"),
            Answer("."),
            Answer("</think>"),
            Answer("你好"),
            Answer("！"),
            Finish("stop"),
        ),
        Done(),
    ],
    "sglang-thinking": [
        *each(
            "fea45bfa7bbd4209b1e71bdcdcc6c667",
            NOTHING,
            Reasoning("2"),
            Reasoning("="),
            Reasoning("4"),
            Reasoning("."),
            Answer("二加二"),
            Answer("等于四。"),
            Finish("stop"),
            usage(9, 12, 4, None, 21),
        ),
        Done(),
    ],
    "llamacpp-thinking": [
        *each(
            "chatcmpl-Yx3bQ0Zk7mN1vJ5cT8rF2sL6wD4gH9pA",
            NOTHING,
            Reasoning("Say"),
            Reasoning(" hello."),
            Answer("你好"),
            Answer("，世界"),
            Finish("stop"),
            usage(6, 11, None, 0, 17),
        ),
        Done(),
    ],
    "llamacpp-tool-call": [
        *each(
            "chatcmpl-Yx3bQ0Zk7mN1vJ5cT8rF2sL6wD4gH9pA",
            NOTHING,
            call(0, "kQ7vW2xN9bT4mR6s", "get_weather", "{"),
            call(0, "", "", '"city":"'),
            call(0, "", "", '北京"}'),
            Finish("tool_calls"),
        ),
        Done(),
    ],
    "ollama-thinking": [
        *each(
            "chatcmpl-417",
            Reasoning("The user"),
            Reasoning(" greets."),
            Answer("你"),
            Answer("好！"),
            Finish("stop"),
            usage(8, 9, None, None, 17),
        ),
        Done(),
    ],
    "transformers-bare-think": each(
        "0cb1f5d8-2a67-4e3b-9c01-7d5e8f9a6b24",
        NOTHING,
        Answer("The user"),
        Answer(" greets."),
        Answer("</think>"),
        Answer("你好"),
        Answer("，世界"),
        (Finish("stop"), usage(6, 26, None, None, 32)),
    ),
}

REFUSALS = {
    "bigmodel-401": ("CredentialsError", "401", 3, None),
    "bigmodel-1113": ("QuotaError", "1113", 4, None),
    "bigmodel-1301": ("FilteredError", "1301", 8, None),
    "bigmodel-1210-image": ("UsageError", "1210", 2, None),
    "bigmodel-1210-thinking": ("UsageError", "1210", 2, None),
    "zai-1302": ("BusyError", "1302", 5, None),
    "zai-1308": ("QuotaError", "1308", 4, None),
    "modelstudio-400-stream-only": (
        "UsageError",
        "invalid_parameter_error",
        2,
        "ee9c9c10-29f5-9ebb-9eff-34a1460af146",
    ),
    "modelstudio-401": ("CredentialsError", "invalid_api_key", 3, "b02e047c-ca07-98df-ae99-d211d0990216"),
    "modelstudio-429-tokens": ("BusyError", "insufficient_quota", 5, "5d1f6a0e-33a8-9b0c-8f0e-6f1f3f0c2b7a"),
    "dashscope-401": ("CredentialsError", "InvalidApiKey", 3, "a1c0561c-1dfe-98a6-a62f-983577b8bc5e"),
    "tokenhub-401": ("CredentialsError", "401002", 3, None),
    "vllm-401": ("CredentialsError", None, 3, None),
    "vllm-404-model": ("UsageError", "404", 2, None),
    "vllm-400-context": ("IncompleteError", "400", 7, None),
    "sglang-400": ("UsageError", "400", 2, None),
    "llamacpp-401": ("CredentialsError", "401", 3, None),
    "llamacpp-400-context": ("IncompleteError", "400", 7, None),
    "ollama-404-model": ("UsageError", "not_found_error", 2, None),
    "transformers-422": ("UsageError", None, 2, None),
    "litellm-429": ("BusyError", "429", 5, None),
}

STREAMS = sorted(name for name in EVENTS if INDEX[name]["file"].endswith(".sse"))
SHORT = sorted(name for name in EVENTS if len(body(name)) < 300)


def test_every_recording_has_its_events() -> None:
    assert sorted([*EVENTS, *REFUSALS]) == sorted(INDEX)
    assert SHORT == [
        "bigmodel-event-error",
        "dashscope-error-frame",
        "dashscope-throttle-frame",
        "modelstudio-wrapped-throttle",
    ]


@pytest.mark.parametrize("name", EVENTS)
def test_events(name) -> None:
    assert read(name, [body(name)]) == EVENTS[name]


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal(name) -> None:
    entry = INDEX[name]
    error = error_of_response(entry["status"], {}, body(name), PROVIDERS[entry["provider"]], 0.0)
    assert (type(error).__name__, error.provider_code, error.exit_code, error.request_id) == REFUSALS[name]
    assert error.http_status == entry["status"]


def test_the_malformed_event_is_named() -> None:
    reader = ReplyReader(PROVIDERS["bigmodel"], "text/event-stream")
    with pytest.raises(GlmError, match=r"^bigmodel: malformed event 4 at byte 585$"):
        list(reader.feed(body("bigmodel-fused-frame")))
    assert body("bigmodel-fused-frame")[585:].startswith(b'data: {"id":"2026051004data: ')


# --- however the bytes are cut ---

VARIANTS = [(end, bom) for end in (b"\n", b"\r\n", b"\r") for bom in (b"", BOM)]


def dressed(name, end, bom):
    return bom + body(name).replace(b"\n", end)


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", EVENTS)
def test_cut_at_every_byte(name) -> None:
    whole = body(name)
    for position in range(1, len(whole)):
        assert read(name, [whole[:position], whole[position:]]) == EVENTS[name], position


def near(data):
    """Where a cut could matter to a parser of lines: the beginning, the end, and around every end of a line.

    All other positions are tried by `test_cut_at_every_byte`, with the bytes as they were recorded.
    """
    lines = [position for position, byte in enumerate(data) if byte in b"\r\n:"]
    around = {position + step for position in lines for step in (-1, 0, 1, 2)}
    ends = [*range(1, 30), *range(len(data) - 30, len(data))]
    texts = [p for p, byte in enumerate(data) if byte >= 0x80][:60]
    return sorted({position for position in [*around, *ends, *texts] if 0 < position < len(data)})


@pytest.mark.parametrize(("end", "bom"), VARIANTS)
@pytest.mark.parametrize("name", STREAMS)
def test_every_line_end_with_and_without_bom(name, end, bom) -> None:
    data = dressed(name, end, bom)
    assert read(name, [data]) == EVENTS[name]
    assert read(name, (data[i : i + 1] for i in range(len(data)))) == EVENTS[name]
    for position in near(data)[:: 1 if len(data) < 1000 else 5]:
        assert read(name, [data[:position], data[position:]]) == EVENTS[name], position


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_cut_at_every_pair_of_positions(name) -> None:
    data = body(name)
    for first in range(1, len(data)):
        for second in range(first + 1, len(data)):
            assert read(name, [data[:first], data[first:second], data[second:]]) == EVENTS[name], (first, second)


@pytest.mark.parametrize("name", ["modelstudio-whole", "dashscope-length"])
def test_a_whole_answer_with_a_bom_or_without_a_type(name) -> None:
    data = BOM + b"\n " + body(name)
    reader = ReplyReader(PROVIDERS[INDEX[name]["provider"]], "")
    events = [event for i in range(len(data)) for event in reader.feed(data[i : i + 1])]
    assert [*events, *reader.close()] == EVENTS[name]


# --- tags instead of fields ---

BARE = {
    "vllm-bare-think": ("The user greets me.", "你好！"),
    "transformers-bare-think": ("The user greets.", "你好，世界"),
}


@pytest.mark.parametrize("name", BARE)
def test_bare_tags(name) -> None:
    row = PROVIDERS[INDEX[name]["provider"]]
    row = row.replace(api=row.api.replace(think_tags="bare"))
    data = body(name)
    for position in range(len(data)):
        reply = folded(read(name, [data[:position], data[position:]], row))
        assert (reply.reasoning, reply.answer) == BARE[name], position


# --- a stream and a whole answer are the same reply ---


def folded(events):
    fold = Fold()
    for event in events:
        fold.add(event)
    return fold.reply()


WHOLE = {
    "zai-thinking": {
        "id": "20260903061644f2a7c90b31d84e6a",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "reasoning_content": "\nThe user asks for a greeting in Chinese.",
                    "content": "\n你好，世界！",
                },
            }
        ],
        "usage": {
            "prompt_tokens": 14,
            "completion_tokens": 22,
            "total_tokens": 36,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
    },
    "bigmodel-tool-call": {
        "request_id": "20260924170643c06bcfffa5d44648",
        "id": "another",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "content": None,
                    "reasoning_content": "The user",
                    "tool_calls": [
                        {
                            "id": "call_6a61d9153a764ee7a01bdcef",
                            "type": "function",
                            "function": {"name": "wiki_search", "arguments": {"q": "智谱清言"}},
                        }
                    ],
                },
            }
        ],
    },
    "dashscope-thinking": {
        "request_id": "ab9f3446-9bbf-963e-9754-2d6543343d7e",
        "output": {
            "choices": [
                {
                    "finish_reason": "stop",
                    "message": {
                        "reasoning_content": "嗯，用户问的是1+1是多少",
                        "content": "1+1 等于 **2**。这是最基本的加法，在十进制里总是如此。",
                    },
                }
            ]
        },
        "usage": {
            "total_tokens": 69,
            "output_tokens": 53,
            "input_tokens": 16,
            "output_tokens_details": {"reasoning_tokens": 10},
        },
    },
    "dashscope-parallel-tools": {
        "request_id": "98b76af4-4c9f-9397-af42-500425556f95",
        "output": {
            "choices": [
                {
                    "finish_reason": "tool_calls",
                    "message": {
                        "content": "",
                        "tool_calls": [
                            {
                                "index": 0,
                                "id": "call_29a870e7106f45deb8add3",
                                "function": {"name": "get_current_weather", "arguments": '{"location": "杭州市"}'},
                            },
                            {
                                "index": 1,
                                "id": "call_7c1e5b09d24a4f3686f0b5",
                                "function": {"name": "get_current_weather", "arguments": '{"location": "上海市"}'},
                            },
                        ],
                    },
                }
            ]
        },
        "usage": {
            "input_tokens": 250,
            "output_tokens": 37,
            "total_tokens": 287,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
    },
    "vllm-thinking": {
        "id": "chatcmpl-92c7d0b1e5f84a63b7a2c9d4e6f01835",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"reasoning": "The user greets.", "reasoning_content": None, "content": "Hello, 世界!"},
            }
        ],
        "usage": {
            "prompt_tokens": 6,
            "total_tokens": 32,
            "completion_tokens": 26,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 11},
        },
    },
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_and_a_whole_answer_fold_to_the_same_reply(name) -> None:
    streamed = folded(EVENTS[name]).replace(done=False)
    reader = ReplyReader(PROVIDERS[INDEX[name]["provider"]], "application/json")
    list(reader.feed(json.dumps(WHOLE[name]).encode()))
    assert folded(reader.close()) == streamed
