# ruff: noqa: RUF001 - some of the words are Chinese
"""The sandbox over real sockets: what it answers, refuses and breaks, byte by byte where the bytes are the point."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
import time
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from provider_rows import WITH_KEY

from glmcli import catalogue
from glmcli.errors import UsageError
from glmcli.sandbox import PREFIXES, Sandbox, recordings
from glmcli.sandbox.chat_request import RequestIds
from glmcli.sandbox.faults import parse
from glmcli.sandbox.providers.table import PROVIDERS
from glmcli.sandbox.recordings import index
from glmcli.sandbox.schema_examples import example

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REASONING = "The sandbox does not think. It repeats the last message."
ECHO = 'This is the glm sandbox, not a model. You asked glm-5: "谁是 you"'
QUESTION = [{"role": "user", "content": "谁是 you"}]
OFF: dict[str, dict[str, Any]] = {
    "bigmodel": {"thinking": {"type": "disabled"}},
    "zai": {"thinking": {"type": "disabled"}},
    "sandbox": {"thinking": {"type": "disabled"}},
    "tokenhub": {"thinking": {"type": "disabled"}},
    "modelstudio": {"enable_thinking": False},
    "dashscope": {"enable_thinking": False},
    "vllm": {"chat_template_kwargs": {"enable_thinking": False}},
    "sglang": {"chat_template_kwargs": {"enable_thinking": False}},
    "llamacpp": {"chat_template_kwargs": {"enable_thinking": False}},
    "ollama": {"reasoning_effort": "none"},
    "openai": {},
}
RECORDINGS = recordings.FOLDER
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"enum": ["c", "f"]}, "days": {"type": "integer"}},
            "required": ["city", "unit"],
        },
    },
}
# In how many fragments a call comes where it is not streamed: Model Studio sends null arguments after it.
WHOLE_CALLS = {"bigmodel": 1, "zai": 1, "sandbox": 1, "modelstudio": 2, "dashscope": 1, "ollama": 1}
ARGUMENTS = '{"city": "sandbox", "unit": "c"}'


class Answer:
    """A response, read to its end or to where it broke."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def frames(self) -> list[Any]:
        lines = [line for line in self.body.split(b"\n") if line.startswith(b"data:")]
        return [json.loads(line[5:]) for line in lines if line != b"data: [DONE]"]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def connect(box: Sandbox) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", box.port, timeout=10)


def get(box: Sandbox, path: str, key: str | None = "k") -> Answer:
    with closing(connect(box)) as connection:
        connection.request("GET", path, headers={} if key is None else {"Authorization": f"Bearer {key}"})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def build(provider: str, stream: bool, fields: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    fields = dict(fields)
    base = {"model": fields.pop("model", "glm-5")}
    messages = fields.pop("messages", QUESTION)
    if provider == "dashscope":
        parameters = {"result_format": "message", "incremental_output": True, **fields}
        path = f"{PREFIXES[provider]}/services/aigc/text-generation/generation"
        headers = {"X-DashScope-SSE": "enable"} if stream else {}
        return path, {**base, "input": {"messages": messages}, "parameters": parameters}, headers
    body = {**base, "messages": messages, **fields}
    if stream:
        body["stream"] = True
    return f"{PREFIXES[provider]}/chat/completions", body, {}


def ask(
    box: Sandbox,
    provider: str,
    *,
    stream: bool = True,
    key: str | None = "k",
    raw: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Answer:
    path, body, own = build(provider, stream, fields)
    sent = {**own, **(headers or {})}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    with closing(connect(box)) as connection:
        connection.request("POST", path, json.dumps(body).encode() if raw is None else raw, sent)
        response = connection.getresponse()
        try:
            return Answer(response.status, response.headers, response.read())
        except http.client.IncompleteRead as cut:
            return Answer(response.status, response.headers, cut.partial)


def choices_of(answer: Answer) -> list[dict[str, Any]]:
    """The choices of all frames, in either grammar."""
    return [choice for frame in answer.frames for choice in (frame.get("output") or frame)["choices"]]


def deltas_of(answer: Answer) -> list[dict[str, Any]]:
    return [choice["delta"] if "delta" in choice else choice["message"] for choice in choices_of(answer)]


def fold(answer: Answer) -> tuple[str, str]:
    """Reasoning and answer of a stream of deltas, read by nothing of glmcli."""
    deltas = deltas_of(answer)
    reasoning = "".join(delta.get("reasoning") or delta.get("reasoning_content") or "" for delta in deltas)
    return reasoning, "".join(delta.get("content") or "" for delta in deltas)


# -- answers


@pytest.mark.parametrize("provider", PREFIXES)
def test_a_stream_says_that_it_is_no_model_and_echoes_the_question(box: Sandbox, provider: str) -> None:
    answer = ask(box, provider)
    newline = "\n" if provider in {"bigmodel", "zai", "sandbox"} else ""
    assert answer.status == 200
    assert fold(answer) == (newline + REASONING if provider != "openai" else "", newline + ECHO)


@pytest.mark.parametrize("provider", PREFIXES)
def test_a_whole_reply_says_the_same_as_a_stream(box: Sandbox, provider: str) -> None:
    body = ask(box, provider, stream=False).json
    message = (body.get("output") or body)["choices"][0]["message"]
    reasoning = message.get("reasoning") or message.get("reasoning_content") or ""
    assert (reasoning, message["content"]) == fold(ask(box, provider))


@pytest.mark.parametrize("provider", PREFIXES)
def test_thinking_is_switched_off_by_the_providers_own_switch(box: Sandbox, provider: str) -> None:
    assert fold(ask(box, provider, **OFF[provider]))[0] == ""


@pytest.mark.parametrize(
    ("provider", "first", "last"),
    [
        (
            "bigmodel",
            (
                b'data: {"id":"202611221000000000000000000001","created":1795312800,"object":"chat.completion.chunk",'
                b'"model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":"\\n"}}]}'
            ),
            (
                b'data: {"id":"202611221000000000000000000001","created":1795312800,"object":"chat.completion.chunk",'
                b'"model":"glm-5","choices":[{"index":0,"finish_reason":"stop","delta":{"role":"assistant","content":""}}],'
                b'"usage":{"prompt_tokens":2,"completion_tokens":23,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":0}}}'
            ),
        ),
        (
            "modelstudio",
            (
                b'data: {"choices":[{"delta":{"content":null,"role":"assistant","reasoning_content":""},"index":0,'
                b'"logprobs":null,"finish_reason":null}],"object":"chat.completion.chunk","usage":null,"created":1795312800,'
                b'"system_fingerprint":null,"model":"glm-5","id":"chatcmpl-00000001-7204-4b9b-98cd-000000000001"}'
            ),
            (
                b'data: {"choices":[],"object":"chat.completion.chunk","usage":{"prompt_tokens":2,'
                b'"completion_tokens":23,"total_tokens":25,"completion_tokens_details":{"reasoning_tokens":10},"prompt_tokens_details":'
                b'{"cached_tokens":0}},"created":1795312800,"system_fingerprint":null,"model":"glm-5",'
                b'"id":"chatcmpl-00000001-7204-4b9b-98cd-000000000001"}'
            ),
        ),
        (
            "tokenhub",
            (
                b'data: {"id":"chatcmpl-00000001-7204-4b9b-98cd-000000000001","object":"chat.completion.chunk",'
                b'"created":1795312800,"model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","content":""},'
                b'"finish_reason":null}]}'
            ),
            (
                b'data: {"id":"chatcmpl-00000001-7204-4b9b-98cd-000000000001","object":"chat.completion.chunk",'
                b'"created":1795312800,"model":"glm-5","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":23,'
                b'"total_tokens":25,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":'
                b'{"reasoning_tokens":null},"prompt_cache_hit_tokens":0}}'
            ),
        ),
        (
            "vllm",
            (
                b'data: {"id":"chatcmpl-00000000000000000000000000000001","object":"chat.completion.chunk",'
                b'"created":1795312800,"model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","content":""},'
                b'"logprobs":null,"finish_reason":null}],"prompt_token_ids":null,"prompt_text":null}'
            ),
            (
                b'data: {"id":"chatcmpl-00000000000000000000000000000001","object":"chat.completion.chunk",'
                b'"created":1795312800,"model":"glm-5","choices":[],"usage":{"prompt_tokens":2,"total_tokens":25,'
                b'"completion_tokens":23,"prompt_tokens_details":{"cached_tokens":0,"created_cache_tokens":0},'
                b'"completion_tokens_details":{"reasoning_tokens":10}},"system_fingerprint":"vllm-0.32.0-c6486161"}'
            ),
        ),
        (
            "sglang",
            (
                b'data: {"id":"00000000000000000000000000000001","object":"chat.completion.chunk","created":1795312800,'
                b'"model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":null,'
                b'"tool_calls":null},"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}'
            ),
            (
                b'data: {"id":"00000000000000000000000000000001","object":"chat.completion.chunk","created":1795312800,'
                b'"model":"glm-5","choices":[],"usage":{"prompt_tokens":2,"total_tokens":25,"completion_tokens":23,'
                b'"prompt_tokens_details":null,"reasoning_tokens":10}}'
            ),
        ),
        (
            "llamacpp",
            (
                b'data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],'
                b'"created":1795312800,"id":"chatcmpl-00000000000000000000000000000001","model":"glm-5",'
                b'"system_fingerprint":"b9120-4f1c8a2e","object":"chat.completion.chunk"}'
            ),
            (
                b'data: {"choices":[],"created":1795312800,"id":"chatcmpl-00000000000000000000000000000001",'
                b'"model":"glm-5","system_fingerprint":"b9120-4f1c8a2e","object":"chat.completion.chunk",'
                b'"usage":{"completion_tokens":23,"prompt_tokens":2,"total_tokens":25,"prompt_tokens_details":{"cached_tokens":0}},"timings":{"cache_n":0,'
                b'"prompt_n":2,"prompt_ms":20.0,"prompt_per_token_ms":10.0,"prompt_per_second":100.0,"predicted_n":23,'
                b'"predicted_ms":230.0,"predicted_per_token_ms":10.0,"predicted_per_second":100.0}}'
            ),
        ),
        (
            "ollama",
            (
                b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795312800,"model":"glm-5",'
                b'"system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":""},'
                b'"finish_reason":null}]}'
            ),
            (
                b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795312800,"model":"glm-5",'
                b'"system_fingerprint":"fp_ollama","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":23,'
                b'"total_tokens":25}}'
            ),
        ),
    ],
)
def test_the_first_and_the_last_chunk_to_the_byte(provider: str, first: bytes, last: bytes) -> None:
    options = {} if provider == "bigmodel" else {"stream_options": {"include_usage": True}}
    with Sandbox() as box:
        body = ask(box, provider, **options).body
    assert body.split(b"\n\n")[0] == first
    assert body.split(b"\n\n")[-3:] == [last, b"data: [DONE]", b""]


def test_native_frames_have_no_space_no_blank_line_and_no_done() -> None:
    with Sandbox() as box:
        answer = ask(box, "dashscope")
    lines = answer.body.decode().split("\n")
    assert lines[:4] == [
        "id:1",
        "event:result",
        ":HTTP_STATUS/200",
        (
            'data:{"output":{"choices":[{"message":{"content":"","reasoning_content":"","role":"assistant"},"index":0,'
            '"finish_reason":"null"}]},"usage":{"total_tokens":2,"output_tokens":0,"input_tokens":2,"output_tokens_details":'
            '{"reasoning_tokens":0},"prompt_tokens_details":{"cached_tokens":0}},'
            '"request_id":"00000001-7204-4b9b-98cd-000000000001"}'
        ),
    ]
    assert "" not in lines[:-1]
    assert '"finish_reason":"stop"}]},"usage":{"total_tokens":25,"output_tokens":23,"input_tokens":2,' in lines[-2]
    assert answer.headers["x-request-id"] == "00000001-7204-4b9b-98cd-000000000001"


def test_native_text_is_cumulative_unless_told_otherwise(box: Sandbox) -> None:
    frames = ask(box, "dashscope", incremental_output=False, enable_thinking=False).frames
    texts = [frame["output"]["choices"][0]["message"]["content"] for frame in frames]
    assert texts[-1] == texts[-2] == ECHO
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_native_text_format(box: Sandbox) -> None:
    body = ask(box, "dashscope", stream=False, result_format="text", enable_thinking=False).json
    assert body["output"] == {"finish_reason": "stop", "text": ECHO}


def test_usage_is_not_sent_unasked_where_the_provider_waits_to_be_asked(box: Sandbox) -> None:
    for provider in ("tokenhub", "vllm", "sglang", "llamacpp", "ollama", "openai"):
        assert all(frame["choices"] for frame in ask(box, provider).frames), provider
    assert all(frame["usage"] is None for frame in ask(box, "modelstudio").frames)


def test_bigmodel_repeats_the_role_and_has_no_finish_reason_before_the_end(box: Sandbox) -> None:
    answer = ask(box, "bigmodel")
    choices = [frame["choices"][0] for frame in answer.frames]
    assert all(choice["delta"]["role"] == "assistant" for choice in choices)
    assert [list(choice) for choice in choices[:-1]] == [["index", "delta"]] * (len(choices) - 1)
    assert list(choices[-1]) == ["index", "finish_reason", "delta"]
    assert answer.headers["x-log-id"] == answer.frames[0]["id"]
    assert answer.headers["Retry-After"] is None


def test_text_is_cut_into_small_pieces_also_inside_words(box: Sandbox) -> None:
    said = [frame["choices"][0]["delta"].get("content") for frame in ask(box, "zai").frames]
    assert [piece for piece in said if piece][:6] == ["\n", "This ", "is ", "the glm", " s", "andbo"]


def test_a_long_prompt_is_echoed_whole_in_a_bounded_number_of_frames(box: Sandbox) -> None:
    prompt = "第一行\nsecond \u2028 line\r\n" * 20_000
    answer = ask(box, "vllm", messages=[{"role": "user", "content": prompt}], **OFF["vllm"])
    assert fold(answer)[1] == f'This is the glm sandbox, not a model. You asked glm-5: "{prompt}"'
    assert len(answer.frames) < 1000


def test_a_lone_surrogate_does_not_break_it(box: Sandbox) -> None:
    raw = b'{"model":"glm-5","messages":[{"role":"user","content":"\\ud83d"}]}'
    assert ask(box, "sandbox", raw=raw).json["choices"][0]["message"]["content"].endswith('"?"')


def test_the_last_user_message_is_echoed_and_pictures_are_named(box: Sandbox) -> None:
    parts = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "text", "text": "What?"},
    ]
    answer = ask(box, "zai", model="glm-4.6v", messages=[*QUESTION, {"role": "user", "content": parts}])
    words = '\nThis is the glm sandbox, not a model. You asked glm-4.6v: "What?" With it came: image_url'
    assert fold(answer)[1] == words


def test_max_tokens_cuts_by_words_and_says_so(box: Sandbox) -> None:
    body = ask(box, "zai", stream=False, max_tokens=13).json
    assert body["choices"][0]["message"]["content"] == "\nThis is the"
    assert body["choices"][0]["finish_reason"] == "length"
    spared = ask(box, "modelstudio", stream=False, max_tokens=3).json["choices"][0]
    assert (spared["message"]["reasoning_content"], spared["message"]["content"]) == (REASONING, "This is the")


def test_json_mode_answers_json(box: Sandbox) -> None:
    asked = [{"role": "user", "content": "json please"}]
    body = ask(
        box, "modelstudio", stream=False, enable_thinking=False, messages=asked, response_format={"type": "json_object"}
    )
    content = body.json["choices"][0]["message"]["content"]
    assert json.loads(content) == {"sandbox": True, "model": "glm-5", "asked": "json please"}


@pytest.mark.parametrize("provider", PREFIXES)
def test_models_are_listed(box: Sandbox, provider: str) -> None:
    answer = get(box, f"{PREFIXES[provider]}/models")
    listed = answer.json["output"]["models"] if provider == "dashscope" else answer.json["data"]
    assert answer.status == 200
    assert listed


def test_what_the_lists_are_known_for(box: Sandbox) -> None:
    assert get(box, f"{PREFIXES['tokenhub']}/models").json["data"][0]["status"] == "online"
    ids = [item["id"] for item in get(box, f"{PREFIXES['zai']}/models").json["data"]]
    assert len(ids) == 9
    assert not any("flash" in each for each in ids)


# -- refusals


@pytest.mark.parametrize(
    ("provider", "body"),
    [
        ("bigmodel", {"error": {"code": "401", "message": "令牌已过期或验证不正确"}}),
        ("zai", {"error": {"code": "401", "message": "token expired or incorrect"}}),
        ("sandbox", {"error": {"code": "401", "message": "token expired or incorrect"}}),
        (
            "modelstudio",
            {
                "error": {
                    "message": "Incorrect API key provided. For details, see: "
                    "https://help.aliyun.com/zh/model-studio/error-code#apikey-error",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": "invalid_api_key",
                },
                "request_id": "00000001-7204-4b9b-98cd-000000000001",
            },
        ),
        (
            "dashscope",
            {
                "code": "InvalidApiKey",
                "message": "Invalid API-key provided.",
                "request_id": "00000001-7204-4b9b-98cd-000000000001",
            },
        ),
        (
            "tokenhub",
            {
                "error": {
                    "type": "gateway_error",
                    "code": "401002",
                    "message": "The API Key does not exist or signature verification failed. Please check whether the "
                    "API Key is correct. See: https://console.cloud.tencent.com/tokenhub/apikey",
                }
            },
        ),
        ("vllm", {"error": "Unauthorized"}),
        ("sglang", {"error": "Unauthorized"}),
        ("llamacpp", {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}}),
        ("ollama", {"error": {"message": "unauthorized", "type": "api_error", "param": None, "code": None}}),
    ],
)
def test_a_bad_key_is_refused_in_the_providers_own_words(provider: str, body: dict[str, Any]) -> None:
    with Sandbox() as box:
        answer = ask(box, provider, key="bad-key")
    assert (answer.status, answer.json) == (401, body)
    assert json.dumps(answer.json) == json.dumps(body)  # the order of the keys, too
    assert (answer.headers["Content-Type"] is None) == (provider == "dashscope")


def test_hosted_providers_want_a_key_and_the_others_do_not(box: Sandbox) -> None:
    statuses = {provider: ask(box, provider, key=None).status for provider in PREFIXES}
    assert statuses == {provider: 401 if provider in WITH_KEY else 200 for provider in PREFIXES}
    assert get(box, f"{PREFIXES['tokenhub']}/models", key=None).status == 401


def zhipu(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


PARTS = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
SYSTEM = [{"role": "system", "content": "hi"}]
EMPTY = [{"role": "user", "content": ""}]
MUST_THINK = zhipu("1210", "This model always engages in thinking and cannot be disabled; please use low, high, or max")


@pytest.mark.parametrize(
    ("provider", "fields", "status", "words"),
    [
        ("bigmodel", {"model": "gpt-4"}, 400, zhipu("1211", "模型不存在，请检查模型代码。")),
        ("sandbox", {"model": "gpt-4"}, 400, zhipu("1211", "Unknown Model, please check the model code.")),
        ("zai", {"model": "gpt-4"}, 400, zhipu("1214", "modelCode: does not exist")),
        ("bigmodel", {"messages": SYSTEM}, 400, zhipu("1214", "messages 参数非法。请检查文档。")),
        ("bigmodel", {"messages": EMPTY}, 400, zhipu("1213", "未正常接收到prompt参数。")),
        ("bigmodel", {"messages": PARTS}, 400, zhipu("1210", "API 调用参数有误，请检查文档。")),
        ("zai", {"temperature": 1.1}, 400, zhipu("1210", "The temperature parameter must be in [0,1]")),
        ("zai", {"top_p": 0}, 400, zhipu("1210", "The top_p parameter must be in [0.01,1]")),
        ("zai", {"max_tokens": 131073}, 400, zhipu("1210", "The max_tokens parameter must be in [1,131072]")),
        (
            "zai",
            {"model": "glm-4.5-air", "max_tokens": 98305},
            400,
            zhipu("1210", "The max_tokens parameter must be in [1,98304]"),
        ),
        ("zai", {"model": "glm-5.3", "thinking": {"type": "disabled"}}, 400, MUST_THINK),
        ("zai", {"model": "glm-5.3-flash", "reasoning_effort": "medium"}, 400, MUST_THINK),
        (
            "modelstudio",
            {"model": "ZHIPU/GLM-5.3", "enable_thinking": False},
            400,
            "This model always engages in thinking and cannot be disabled; please use low, high, or max",
        ),
        (
            "modelstudio",
            {"model": "glm-5.1", "reasoning_effort": "max"},
            400,
            "reasoning_effort should be one of none, minimal, low, medium, high, xhigh",
        ),
        (
            "modelstudio",
            {"messages": [*QUESTION, {"role": "assistant", "content": "It", "partial": True}]},
            400,
            "This model does not support partial mode.",
        ),
        (
            "modelstudio",
            {"thinking_budget": 9, "max_completion_tokens": 9},
            400,
            "max_completion_tokens must be greater than thinking_budget",
        ),
        ("modelstudio", {"model": "gpt-4"}, 404, "The model `gpt-4` does not exist or you do not have access to it."),
        ("modelstudio", {"messages": PARTS}, 400, "input content must be a string."),
        ("modelstudio", {"messages": []}, 400, "[] is too short - 'messages'"),
        (
            "modelstudio",
            {"response_format": {"type": "json_object"}},
            400,
            "Json mode response is not supported when enable_thinking is true",
        ),
        ("modelstudio", {"temperature": 2}, 400, "Temperature should be in [0.0, 2.0)"),
        ("modelstudio", {"enable_search": True}, 400, "This model does not support enable_search."),
        (
            "modelstudio",
            {"tool_choice": "required"},
            400,
            'tool_choice is one of the strings that should be ["none", "auto"]',
        ),
        ("tokenhub", {"model": "gpt-4"}, 400, "model or service id does not exist"),
        (
            "tokenhub",
            {"reasoning_effort": "off"},
            400,
            'unknown variant "off", expected one of none, minimal, low, medium, high, xhigh, max',
        ),
        ("vllm", {"model": "nope"}, 404, "The model `nope` does not exist. Valid aliases: glm-5.1."),
        ("ollama", {"model": "nope"}, 404, "model 'nope' not found"),
        ("openai", {"model": "nope"}, 404, "The model `nope` does not exist or you do not have access to it."),
        ("sglang", {"messages": []}, 400, "Messages cannot be empty."),
    ],
)
def test_what_the_providers_refuse(
    box: Sandbox, provider: str, fields: dict[str, Any], status: int, words: dict[str, Any] | str
) -> None:
    answer = ask(box, provider, **fields)
    assert answer.status == status
    said = answer.json if isinstance(words, dict) else answer.json.get("error", answer.json)["message"]
    assert said == words


def test_a_request_to_stop_that_is_ignored(box: Sandbox) -> None:
    message = ask(box, "modelstudio", stream=False, model="glm-5.3", enable_thinking=False).json["choices"][0][
        "message"
    ]
    assert message["reasoning_content"] == REASONING


def test_the_language_of_a_refusal_follows_the_header(box: Sandbox) -> None:
    english = ask(box, "bigmodel", model="x", headers={"Accept-Language": "en-US,en"})
    assert english.json["error"]["message"] == "Unknown Model, please check the model code."


def test_glm_4_5_is_stream_only_on_modelstudio(box: Sandbox) -> None:
    body = ask(box, "modelstudio", stream=False, model="glm-4.5").json
    assert list(body) == ["error", "id", "request_id"]
    assert body["error"] == {
        "code": "invalid_parameter_error",
        "param": None,
        "message": "This model only support stream mode, please enable the stream parameter to access the model. ",
        "type": "invalid_request_error",
    }
    assert ask(box, "modelstudio", model="glm-4.5").status == 200


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"incremental_output": False}, 'The incremental_output parameter must be "true" when enable_thinking is true'),
        ({"result_format": "text"}, 'The result_format parameter must be "message" when enable_thinking is true'),
    ],
)
def test_native_thinking_needs_its_two_parameters_and_the_refusal_is_a_frame(
    fields: dict[str, Any], message: str
) -> None:
    with Sandbox() as box:
        answer = ask(box, "dashscope", **fields)
    value = {"code": "InvalidParameter", "message": message, "request_id": "00000001-7204-4b9b-98cd-000000000001"}
    assert answer.status == 200
    assert answer.body.decode().split("\n")[:3] == ["id:1", "event:error", ":HTTP_STATUS/400"]
    assert answer.frames == [value]


def test_vllm_refuses_stream_options_without_a_stream(box: Sandbox) -> None:
    answer = ask(box, "vllm", stream=False, stream_options={"include_usage": True})
    assert answer.json == {
        "error": {
            "message": "Stream options can only be defined when `stream=True`.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        }
    }


@pytest.mark.parametrize(
    ("provider", "status"),
    [("bigmodel", 400), ("modelstudio", 400), ("tokenhub", 400), ("vllm", 400), ("sglang", 400), ("llamacpp", 500)],
)
def test_broken_json_is_refused(box: Sandbox, provider: str, status: int) -> None:
    for raw in (b"{", b"[]", b"\xff", b"[" * 100_000):
        assert ask(box, provider, raw=raw).status == status


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "x",
        [],
        {},
        [[]],
        [{}],
        [{"role": [], "content": {}}],
        [{"role": "user", "content": [1, {}, {"type": {}}]}],
    ],
)
@pytest.mark.parametrize("provider", PREFIXES)
def test_no_shape_of_a_request_breaks_the_server(box: Sandbox, provider: str, value: object) -> None:
    fields = (
        "messages",
        "tools",
        "tool_choice",
        "reasoning_effort",
        "response_format",
        "stop",
        "thinking",
        "max_tokens",
        "stream_options",
    )
    for field in fields:
        assert ask(box, provider, **{field: value}).status in {200, 400, 404, 500}
    assert ask(box, provider, model=value).status in {200, 400, 404}


def test_models_that_are_known_by_other_names(box: Sandbox) -> None:
    assert ask(box, "modelstudio", model="ZHIPU/GLM-5.2").status == 200
    assert ask(box, "tokenhub", model="ep-12345678").status == 200
    assert ask(box, "llamacpp", model="anything").status == 200


@pytest.mark.parametrize(
    ("provider", "status", "body"),
    [
        ("vllm", 404, b'{"detail":"Not Found"}'),
        ("sglang", 404, b'{"detail":"Not Found"}'),
        ("ollama", 404, b"404 page not found"),
        ("modelstudio", 404, b""),
        (
            "bigmodel",
            404,
            b'{"timestamp":"2026-11-22T02:00:00.000+00:00","status":404,"error":"Not Found","path":"/v4/nowhere"}',
        ),
    ],
)
def test_paths_that_do_not_exist(box: Sandbox, provider: str, status: int, body: bytes) -> None:
    answer = get(box, f"{PREFIXES[provider]}/nowhere")
    assert (answer.status, answer.body) == (status, body)


def test_a_path_outside_all_providers_and_a_wrong_method(box: Sandbox) -> None:
    assert get(box, "/").status == 404
    answer = get(box, f"{PREFIXES['vllm']}/chat/completions")
    assert (answer.status, answer.body) == (405, b'{"detail":"Method Not Allowed"}')


# -- tools


def calls_of(answer: Answer) -> list[dict[str, Any]]:
    return [call for delta in deltas_of(answer) for call in delta.get("tool_calls") or ()]


@pytest.mark.parametrize("provider", PREFIXES)
@pytest.mark.parametrize("tool_stream", [False, True])
def test_the_arguments_of_a_call_add_up(box: Sandbox, provider: str, tool_stream: bool) -> None:
    answer = ask(box, provider, tools=[WEATHER], tool_stream=tool_stream)
    fragments = calls_of(answer)
    assert fragments[0]["function"]["name"] == "get_weather"
    assert "".join(each["function"].get("arguments") or "" for each in fragments) == ARGUMENTS
    assert choices_of(answer)[-1]["finish_reason"] == "tool_calls"
    whole = {"ollama": 1} if tool_stream else WHOLE_CALLS
    assert len(fragments) == whole.get(provider, len(fragments))
    assert provider in whole or len(fragments) > 2


def test_how_each_provider_opens_and_continues_a_call() -> None:
    def first_two(provider: str, **fields: object) -> list[dict[str, Any]]:
        with Sandbox() as box:
            return calls_of(ask(box, provider, tools=[WEATHER], **fields))[:2]

    name = "call_000000000000000100000000"
    assert first_two("bigmodel", tool_stream=True) == [
        {"id": name, "index": 0, "type": "function", "function": {"name": "get_weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"cit'}},
    ]
    assert first_two("vllm") == [
        {
            "id": "chatcmpl-tool-000000000000000100000000",
            "type": "function",
            "index": 0,
            "function": {"name": "get_weather"},
        },
        {"index": 0, "function": {"arguments": '{"cit'}},
    ]
    assert first_two("llamacpp") == [
        {"index": 0, "id": name, "type": "function", "function": {"name": "get_weather", "arguments": "{"}},
        {"index": 0, "function": {"arguments": '"city'}},
    ]
    assert first_two("modelstudio") == [
        {"index": 0, "id": name, "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}},
        {"function": {"arguments": None}, "index": 0, "id": "", "type": "function"},
    ]
    assert first_two("dashscope", tool_stream=True)[1] == {
        "index": 0,
        "id": "",
        "type": "function",
        "function": {"arguments": '{"cit'},
    }


def test_a_tool_is_chosen_by_tool_choice_then_by_the_prompt_then_by_place(box: Sandbox) -> None:
    other = {"type": "function", "function": {"name": "get_time", "parameters": {}}}

    def called(prompt: str, **fields: object) -> list[str]:
        asked = [{"role": "user", "content": prompt}]
        body = ask(box, "vllm", stream=False, tools=[WEATHER, other], messages=asked, **fields).json
        return [call["function"]["name"] for call in body["choices"][0]["message"]["tool_calls"]]

    assert called("hi") == ["get_weather"]
    assert called("use get_time now") == ["get_time"]
    assert called("use get_time and get_weather") == ["get_weather", "get_time"]
    assert called("use get_time and get_weather", parallel_tool_calls=False) == ["get_weather"]
    assert called("get_weather", tool_choice={"type": "function", "function": {"name": "get_time"}}) == ["get_time"]
    assert called("get_weather", tool_choice="none") == []


def test_vllm_finishes_a_forced_call_with_stop(box: Sandbox) -> None:
    forced = {"type": "function", "function": {"name": "get_weather"}}
    assert ask(box, "vllm", tools=[WEATHER], tool_choice=forced).frames[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_tool_result_is_echoed(box: Sandbox) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        *QUESTION,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "晴 21°"},
    ]
    answer = ask(box, "tokenhub", tools=[WEATHER], messages=messages)
    assert fold(answer)[1] == 'This is the glm sandbox, not a model. The tool answered: "晴 21°"'


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "sandbox"),
        ({"enum": ["b", "a"], "default": "a"}, "b"),
        ({"const": 3, "enum": [1]}, 3),
        ({"type": "integer", "default": 7, "minimum": 9}, 7),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "integer", "minimum": 3, "multipleOf": 5}, 5),
        ({"type": "integer", "maximum": -4}, -4),
        ({"type": "number", "exclusiveMinimum": 0}, 0.5),
        ({"type": "string", "minLength": 10}, "sandboxsan"),
        ({"type": "string", "maxLength": 3}, "san"),
        ({"type": "string", "format": "date"}, "2026-11-22"),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [0, 0]),
        ({"type": "object", "properties": {"a": {"type": "null"}, "b": {}}, "required": ["a"]}, {"a": None}),
        ({"type": "object"}, {}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 0),
        ({"allOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"}, {"a": "sandbox", "b": "sandbox"}),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"type": "boolean"}}}, True),
        ({"type": {}, "minimum": "x"}, "sandbox"),
    ],
)
def test_what_a_schema_is_filled_with(schema: dict[str, Any], value: object) -> None:
    assert example(schema) == value


def test_a_schema_that_refers_to_itself_ends() -> None:
    assert example({"$ref": "#"}) == {}
    assert example({"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}, "required": ["a"]}) == {"a": {}}


# -- faults


def faulty(*specs: str, provider: str = "zai", **fields: object) -> Answer:
    with Sandbox(faults=specs) as box:
        return ask(box, provider, **fields)


@pytest.mark.parametrize("spec", ["nonsense", "399", "600", "429:2", "429:-1", "429:x", "429:1/0", "", "9999999"])
def test_a_wrong_spec_is_a_usage_error(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        Sandbox(faults=(spec,))
    known = f"{caught.value.message} {caught.value.fix}"
    assert "share" in known or "cut, reset, hang, stall, drip, error" in known


def test_a_share_hits_exactly_each_fifth_request() -> None:
    with Sandbox(faults=("429:0.2",)) as box:
        statuses = [ask(box, "zai").status for _ in range(10)]
    assert statuses == [200, 200, 200, 200, 429, 200, 200, 200, 200, 429]


@pytest.mark.parametrize("share", ["0.1", "0.3", "0.29", "0.7", "1", "0"])
def test_over_a_hundred_requests_every_share_is_exact(share: str) -> None:
    fault = parse(f"cut:{share}")
    assert sum(fault.hits(number) for number in range(1, 101)) == round(float(share) * 100)


def test_the_first_of_several_faults_wins() -> None:
    with Sandbox(faults=("500:0.5", "429")) as box:
        assert [ask(box, "zai").status for _ in range(4)] == [429, 500, 429, 500]


@pytest.mark.parametrize(
    ("kind", "provider", "status", "code"),
    [
        ("429", "bigmodel", 429, "1302"),
        ("429", "modelstudio", 429, "limit_requests"),
        ("429", "tokenhub", 429, "429001"),
        ("402", "tokenhub", 402, "401008"),
        ("451", "tokenhub", 451, "451001"),
        ("502", "tokenhub", 502, "502001"),
        ("429", "vllm", 429, 429),
        ("503", "llamacpp", 503, 503),
        ("1302", "zai", 429, "1302"),
        ("1305", "zai", 429, "1305"),
        ("1113", "bigmodel", 429, "1113"),
        ("1301", "bigmodel", 400, "1301"),
        ("1308", "sandbox", 429, "1308"),
        ("1234", "zai", 500, "1234"),
        ("Arrearage", "modelstudio", 400, "Arrearage"),
        ("insufficient_quota", "modelstudio", 429, "insufficient_quota"),
        ("401006", "tokenhub", 400, "401006"),
        ("1302", "tokenhub", 429, "429001"),  # a code of somebody else: its status, in this one's words
        ("504", "zai", 504, "504"),
    ],
)
def test_a_status_or_a_code_on_demand(kind: str, provider: str, status: int, code: object) -> None:
    answer = faulty(kind, provider=provider)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.headers["Retry-After"] is None


def test_moderation_says_who_was_at_fault() -> None:
    assert list(faulty("1301").json) == ["contentFilter", "error"]


def test_a_streamed_native_refusal_is_an_event_under_its_own_status() -> None:
    answer = faulty("429", provider="dashscope")
    assert (answer.status, answer.headers["Content-Type"]) == (429, "text/event-stream;charset=UTF-8")
    assert answer.body.decode().split("\n")[1:3] == ["event:error", ":HTTP_STATUS/429"]
    assert faulty("429", provider="dashscope", stream=False).json["code"] == "Throttling.RateQuota"


@pytest.mark.parametrize("provider", PREFIXES)
def test_cut_ends_cleanly_before_the_finish(provider: str) -> None:
    answer = faulty("cut", provider=provider)
    assert answer.status == 200
    assert b"[DONE]" not in answer.body
    choices = choices_of(answer)
    assert choices
    assert all(choice.get("finish_reason") in (None, "null") for choice in choices)


def test_a_whole_reply_is_cut_before_its_announced_length() -> None:
    answer = faulty("cut", stream=False)
    assert len(answer.body) < int(answer.headers["Content-Length"])


@pytest.mark.parametrize("stream", [True, False])
def test_reset(stream: bool) -> None:
    with Sandbox(faults=("reset",)) as box, pytest.raises(ConnectionResetError):
        ask(box, "zai", stream=stream)


def test_hang_takes_the_request_and_says_nothing() -> None:
    with Sandbox(faults=("hang",)) as box:
        connection = connect(box)
        path, body, _ = build("sandbox", stream=True, fields={})
        connection.request("POST", path, json.dumps(body))
        connection.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.sock.recv(1)
        connection.sock.settimeout(5)
        box.close()
        assert connection.sock.recv(1) == b""
        connection.close()


def test_stall_sends_a_few_deltas_and_falls_silent() -> None:
    with Sandbox(faults=("stall",)) as box:
        path, body, _ = build("sandbox", stream=True, fields={})
        connection = connect(box)
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        assert response.read1().startswith(b"data: {")
        connection.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            response.read()
        connection.close()


def test_drip_sends_the_head_byte_by_byte() -> None:
    with Sandbox(faults=("drip",)) as box, socket.create_connection(("127.0.0.1", box.port), timeout=5) as raw:
        path, body, _ = build("sandbox", stream=True, fields={})
        content = json.dumps(body).encode()
        raw.sendall(f"POST {path} HTTP/1.1\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
        assert raw.recv(4096) == b"H"
        assert raw.recv(4096) == b"T"


@pytest.mark.parametrize(
    ("provider", "tail"),
    [
        ("bigmodel", b'\n\n{"error":{"code":"500","message":"\xe5\x86\x85\xe9\x83\xa8\xe9\x94\x99\xe8\xaf\xaf"}}\n'),
        (
            "zai",
            (
                b'data: {"error":{"code":"1234","message":"Network error, error id: 202611221000000000000000000001, '
                b'please contact customer service"}}\n\n'
            ),
        ),
        (
            "modelstudio",
            (
                b'data: {"request_id":"00000001-7204-4b9b-98cd-000000000001","code":"InternalError","message":'
                b"\"Streaming error: 'str' object has no attribute 'get'\"}\n\ndata: [DONE]\n\n"
            ),
        ),
        (
            "dashscope",
            (
                b'event:error\n:HTTP_STATUS/429\ndata:{"request_id":"00000001-7204-4b9b-98cd-000000000001","code":'
                b'"Throttling.AllocationQuota","message":"Allocated quota exceeded, please increase your quota '
                b'limit."}\n'
            ),
        ),
        (
            "vllm",
            (
                b'data: {"error": {"message": "EngineCore encountered an issue. See stack trace (above) for the root '
                b'cause.", "type": "InternalServerError", "param": null, "code": 500}}\n\ndata: [DONE]\n\n'
            ),
        ),
        ("openai", b'data: {"error": "CUDA out of memory"}\n\n'),
        ("ollama", b'"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'),
    ],
)
def test_an_error_inside_a_good_stream(provider: str, tail: bytes) -> None:
    answer = faulty("error", provider=provider)
    assert answer.status == 200
    assert answer.body.endswith(tail)


def test_an_error_as_a_whole_reply_under_200() -> None:
    answer = faulty("error", stream=False)
    assert (answer.status, answer.json) == (200, {"error": {"code": "500", "message": "Internal error"}})


def test_html() -> None:
    answer = faulty("html")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!doctypehtml>")


@pytest.mark.parametrize("provider", PREFIXES)
def test_garbage_is_one_broken_frame_among_good_ones(provider: str) -> None:
    body = faulty("garbage", provider=provider).body
    lines = [line[5:] for line in body.split(b"\n") if line.startswith(b"data:") and b"[DONE]" not in line]
    broken = 0
    for line in lines:
        try:
            json.loads(line)
        except ValueError:
            broken += 1
    assert broken == 1
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        assert faulty("garbage", provider=provider, stream=False).json


@pytest.mark.parametrize(
    ("kind", "finish", "text"),
    [
        ("length", "length", "\nThis is the glm sandbox, not"),
        ("sensitive", "sensitive", "\nThis is the glm sandbox, not"),
        ("empty", "stop", ""),
    ],
)
def test_faults_of_the_content(kind: str, finish: str, text: str) -> None:
    answer = faulty(kind)
    assert fold(answer) == (f"\n{REASONING}", text)
    assert answer.frames[-1]["choices"][0]["finish_reason"] == finish


def test_the_filter_of_the_others() -> None:
    assert faulty("sensitive", provider="vllm").frames[-1]["choices"][0]["finish_reason"] == "content_filter"
    assert faulty("sensitive", provider="tokenhub").status == 451
    assert faulty("sensitive", provider="modelstudio").frames[-1]["error"]["code"] == "data_inspection_failed"
    assert faulty("sensitive", provider="dashscope").frames[-1]["code"] == "DataInspectionFailed"
    assert faulty("sensitive", provider="dashscope", stream=False).status == 400


def test_nodone() -> None:
    body = faulty("nodone").body
    assert b'"finish_reason":"stop"' in body
    assert b"[DONE]" not in body


def test_redirect() -> None:
    answer = faulty("redirect")
    assert (answer.status, answer.headers["Location"]) == (307, "/zai/api/paas/v4/elsewhere")


# -- recordings


@pytest.mark.parametrize("name", index())
def test_a_recording_is_replayed_byte_for_byte(box: Sandbox, name: str) -> None:
    entry = index()[name]
    answer = ask(box, entry["provider"], model=f"recorded-{name}")
    assert answer.body == (RECORDINGS / entry["file"]).read_bytes()
    assert (answer.status, answer.headers["Content-Type"]) == (entry["status"], entry["content_type"])


def test_a_recording_belongs_to_its_provider(box: Sandbox) -> None:
    assert ask(box, "tokenhub", model="recorded-zai-1302").json["error"]["code"] == "400004"
    assert ask(box, "sandbox", model="recorded-zai-1302").status == 429
    assert ask(box, "sandbox", model="recorded-nothing").json["error"]["code"] == "1211"


# -- the server


def test_a_connection_serves_many_requests(box: Sandbox) -> None:
    connection = connect(box)
    path, body, _ = build("sandbox", stream=True, fields={})
    for _ in range(3):
        connection.request("POST", path, json.dumps(body))
        assert connection.getresponse().read().endswith(b"data: [DONE]\n\n")
    port = connection.sock.getsockname()[1]
    connection.request("GET", f"{PREFIXES['sandbox']}/models")
    connection.getresponse().read()
    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_a_chunked_body_and_an_expectation_are_understood(box: Sandbox) -> None:
    path, body, _ = build("sandbox", stream=False, fields={})
    connection = connect(box)
    connection.request("POST", path, iter([json.dumps(body).encode()]), {"Expect": "100-continue"}, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_a_port_in_use_is_one_clear_line() -> None:
    with Sandbox() as box, pytest.raises(UsageError) as caught:
        Sandbox(port=box.port)
    assert caught.value.message == f"the sandbox cannot listen on 127.0.0.1:{box.port}: Address already in use"


def test_base_url_names_the_port() -> None:
    with Sandbox() as box:
        assert box.base_url("zai") == f"http://127.0.0.1:{box.port}/zai/api/paas/v4"


def test_wait_ends_when_it_is_closed() -> None:
    with Sandbox() as box:
        waiter = threading.Thread(target=box.wait)
        waiter.start()
        box.close()
        waiter.join(5)
        assert not waiter.is_alive()


def test_wait_lets_a_signal_handler_raise() -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with Sandbox() as box, pytest.raises(InterruptedError):
            box.wait()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_closing_is_quick_and_cuts_open_connections() -> None:
    with Sandbox(faults=("hang",)) as box:
        connections = [connect(box) for _ in range(20)]
        path, body, _ = build("sandbox", stream=True, fields={})
        for connection in connections:
            connection.request("POST", path, json.dumps(body))
        before = time.monotonic()
    assert time.monotonic() - before < 20
    for connection in connections:
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            connection.getresponse()
        connection.close()


def test_latency_and_pace_delay_and_closing_does_not_wait_for_them() -> None:
    with Sandbox(latency=0.05, pace=0.001) as box:
        before = time.monotonic()
        frames = len(ask(box, "sandbox").frames)
        assert time.monotonic() - before >= 0.05 + frames * 0.001
    with Sandbox(latency=60) as box:
        connection = connect(box)
        connection.request("GET", f"{PREFIXES['sandbox']}/models")
        before = time.monotonic()
    assert time.monotonic() - before < 20
    connection.close()


def test_many_at_once_are_all_answered(box: Sandbox) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(ask(box, "sandbox").status)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [200] * 50


def test_it_sees_what_the_catalogue_says() -> None:
    """Two lists that were made apart: of what is known, they say the same."""
    for who in ("bigmodel", "zai", "modelstudio", "tokenhub"):
        for name in catalogue.names(who):
            taken = (catalogue.facts(who, name) or {}).get("input")
            if taken is not None:
                assert PROVIDERS[who].read({"model": name}, {}, RequestIds(1)).takes_images == ("image" in taken), (
                    f"{who}/{name}"
                )
    assert PROVIDERS["zai"].read({"model": "autoglm-phone-multilingual"}, {}, RequestIds(1)).takes_images
