# ruff: noqa: RUF001 - some of the words are Chinese
"""What the sandbox serves beside chat: files, answers that are fetched later, and keys in other forms."""

from __future__ import annotations

import base64
import http.client
import json
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from glmcli.sandbox import PREFIXES, Sandbox
from glmcli.sandbox.answer import SandboxToolCall
from glmcli.sandbox.replies import ScriptedReply

if TYPE_CHECKING:
    from collections.abc import Iterator

FORM = (
    '--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n{}\r\n'
    '--b\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\n{}\r\n--b--\r\n'
)
QUESTION = {"model": "glm-5", "messages": [{"role": "user", "content": "hi"}]}
BAD_KEY = {"error": {"code": "401", "message": "令牌已过期或验证不正确"}}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def send(
    box: Sandbox, method: str, place: str, body: Any = None, *, authorization: str = "Bearer k", form: str = ""
) -> tuple[int, Any]:
    """The status and the JSON of a response; `place` begins with the provider."""
    provider, _, path = place.partition("/")
    headers = {"Authorization": authorization} | ({"Content-Type": "multipart/form-data; boundary=b"} if form else {})
    with closing(http.client.HTTPConnection("127.0.0.1", box.port, timeout=30)) as made:
        made.request(method, f"{PREFIXES[provider]}/{path}", form or (json.dumps(body) if body else None), headers)
        response = made.getresponse()
        data = response.read()
        return response.status, json.loads(data) if data.startswith(b"{") else data


def upload(box: Sandbox, provider: str, name: str = "a.jsonl", purpose: str = "batch") -> str:
    status, file = send(box, "POST", f"{provider}/files", form=FORM.format(purpose, name, "one\n"))
    assert status == 200
    return file["id"]


# -- files


@pytest.mark.parametrize(
    ("provider", "file"),
    [
        (
            "openai",
            {
                "id": "file-000000000000000000000001",
                "object": "file",
                "bytes": 4,
                "created_at": 1795312800,
                "purpose": "batch",
                "filename": "a.jsonl",
            },
        ),
        (
            "bigmodel",
            {
                "id": "file_000000000000000000000001",
                "object": "file",
                "bytes": 4,
                "created_at": 1795312800,
                "purpose": "batch",
                "filename": None,
                "fileName": "a.jsonl",
            },
        ),
        (
            "modelstudio",
            {
                "id": "file-batch-000000000000000000000001",
                "object": "file",
                "bytes": 4,
                "created_at": 1795312800,
                "purpose": "batch",
                "filename": "a.jsonl",
                "status": "processed",
                "status_details": None,
            },
        ),
    ],
)
def test_a_file_is_found_read_and_deleted(box: Sandbox, provider: str, file: dict[str, Any]) -> None:
    name = upload(box, provider)
    assert send(box, "GET", f"{provider}/files/{name}") == (200, file)
    assert send(box, "GET", f"{provider}/files")[1]["data"] == [file]
    assert send(box, "GET", f"{provider}/files/{name}/content") == (200, b"one\n")
    assert send(box, "DELETE", f"{provider}/files/{name}") == (200, {"id": name, "object": "file", "deleted": True})
    for method, more in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert send(box, method, f"{provider}/files/{name}{more}")[0] == 404
    assert send(box, "GET", f"{provider}/files")[1]["data"] == []


def test_what_is_missing_is_named(box: Sandbox) -> None:
    error = {"message": "No such File object: x", "type": "invalid_request_error", "param": "id", "code": "404"}
    assert send(box, "GET", "openai/files/x") == (404, {"error": error})


def test_pages_of_files(box: Sandbox) -> None:
    names = [upload(box, "openai", f"{number}.jsonl") for number in range(3)]
    extra = upload(box, "openai", "notes.txt", "user_data")
    upload(box, "bigmodel")

    def page(query: str) -> tuple[list[str], bool]:
        listed = send(box, "GET", f"openai/files?{query}")[1]
        found = [file["id"] for file in listed["data"]]
        assert (listed["object"], listed["first_id"], listed["last_id"]) == (
            "list",
            found[0] if found else None,
            found[-1] if found else None,
        )
        return found, listed["has_more"]

    assert page("") == ([extra, *names[::-1]], False)
    assert page("order=asc&limit=2") == (names[:2], True)
    assert page(f"order=asc&limit=2&after={names[1]}") == ([names[2], extra], False)
    assert page("purpose=user_data") == ([extra], False)
    assert page("after=nothing") == ([], False)
    assert page("limit=x") == page("limit=-1") == page("limit=1000") == page("")
    assert "first_id" not in send(box, "GET", "bigmodel/files")[1]


@pytest.mark.parametrize(
    ("method", "place"), [("PUT", "openai/files"), ("POST", "openai/files/{}"), ("DELETE", "openai/files/{}/content")]
)
def test_methods_that_files_do_not_have(box: Sandbox, method: str, place: str) -> None:
    assert send(box, method, place.format(upload(box, "openai"))) == (404, b"")


def test_the_output_of_a_batch_is_a_file_too(box: Sandbox) -> None:
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": QUESTION}
    form = FORM.format("batch", "in.jsonl", json.dumps(line))
    name = send(box, "POST", "openai/files", form=form)[1]["id"]
    made = send(box, "POST", "openai/batches", {"input_file_id": name, "endpoint": "/v1/chat/completions"})[1]
    send(box, "DELETE", f"openai/files/{name}")  # the batch has read it
    for _ in range(3):
        batch = send(box, "GET", f"openai/batches/{made['id']}")[1]
    assert batch["status"] == "completed"
    output = send(box, "GET", f"openai/files/{batch['output_file_id']}")[1]
    assert (output["purpose"], output["filename"]) == ("batch_output", f"{output['id']}.jsonl")


@pytest.mark.parametrize("line", ["[]", "7", '{"body": []}', '{"body": {"model": {}}}', '{"custom_id": {}}', "{"])
def test_no_line_of_a_file_breaks_a_batch(box: Sandbox, line: str) -> None:
    name = send(box, "POST", "openai/files", form=FORM.format("batch", "in.jsonl", line))[1]["id"]
    made = send(box, "POST", "openai/batches", {"input_file_id": name, "endpoint": "/v1/chat/completions"})[1]
    assert send(box, "GET", f"openai/batches/{made['id']}")[1]["status"] == "failed"


def test_replies_are_the_answers_of_a_batch_too() -> None:
    with Sandbox(replies=(ScriptedReply(text="one"), ScriptedReply(fault="500"), ScriptedReply(text="two"))) as box:
        lines = [
            {"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": QUESTION} for n in "123"
        ]
        form = FORM.format("batch", "in.jsonl", "\n".join(map(json.dumps, lines)))
        name = send(box, "POST", "openai/files", form=form)[1]["id"]
        made = send(box, "POST", "openai/batches", {"input_file_id": name, "endpoint": "/v1/chat/completions"})[1]
        for _ in range(3):
            batch = send(box, "GET", f"openai/batches/{made['id']}")[1]
        with closing(http.client.HTTPConnection("127.0.0.1", box.port, timeout=30)) as connection:
            path = f"{PREFIXES['openai']}/files/{batch['output_file_id']}/content"
            connection.request("GET", path, headers={"Authorization": "Bearer k"})
            answers = [json.loads(line) for line in connection.getresponse().read().splitlines()]
    said = {each["custom_id"]: each["response"]["body"]["choices"][0]["message"]["content"] for each in answers}
    assert said == {"1": "one", "3": "two"}
    assert batch["error_file_id"]


# -- answers that are fetched later


def test_a_task_is_under_way_and_then_has_its_answer(box: Sandbox) -> None:
    status, task = send(box, "POST", "bigmodel/async/chat/completions", {**QUESTION, "request_id": "mine"})
    head = {"id": "202611221000000000000000000001", "request_id": "mine", "model": "glm-5"}
    assert (status, task) == (200, {**head, "task_status": "PROCESSING"})
    assert send(box, "GET", f"bigmodel/async-result/{task['id']}") == (200, task)
    ended = send(box, "GET", f"bigmodel/async-result/{task['id']}")[1]
    assert send(box, "GET", f"bigmodel/async-result/{task['id']}")[1] == ended
    assert {key: ended[key] for key in (*head, "task_status")} == {**head, "task_status": "SUCCESS"}
    [choice] = ended["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == '\nThis is the glm sandbox, not a model. You asked glm-5: "hi"'
    assert ended["usage"]["total_tokens"] == 23


def test_a_task_is_refused_and_fails_as_an_answer_does() -> None:
    with Sandbox(faults=("1302:0.5",), replies=(ScriptedReply(fault="error"),)) as box:
        refused = send(box, "POST", "bigmodel/async/chat/completions", {**QUESTION, "model": "x"})
        assert refused == (400, {"error": {"code": "1211", "message": "模型不存在，请检查模型代码。"}})
        assert send(box, "POST", "bigmodel/async/chat/completions", QUESTION)[0] == 429
        task = send(box, "POST", "bigmodel/async/chat/completions", QUESTION)[1]
        states = [send(box, "GET", f"bigmodel/async-result/{task['id']}")[1]["task_status"] for _ in range(3)]
    assert states == ["PROCESSING", "FAIL", "FAIL"]


def test_tasks_that_do_not_exist(box: Sandbox) -> None:
    assert send(box, "GET", "bigmodel/async-result/1")[1]["error"]["code"] == "1222"
    assert send(box, "POST", "zai/async/chat/completions", QUESTION)[0] == 404
    assert send(box, "GET", "bigmodel/async/chat/completions")[0] == 404


# -- keys


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def token(head: dict[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time() * 1000)
    header = {"alg": "HS256", "sign_type": "SIGN", "typ": "JWT"} | (head or {})
    return f"{part(header)}.{part({'api_key': 'id', 'exp': now + 210_000, 'timestamp': now} | changes)}.{'s' * 43}"


@pytest.mark.parametrize("scheme", ["", "Bearer "])
def test_bigmodel_takes_a_token_for_a_key(box: Sandbox, scheme: str) -> None:
    assert send(box, "POST", "bigmodel/chat/completions", QUESTION, authorization=scheme + token())[0] == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "id.secret",
        token(exp=1),
        token(exp=time.time() + 210),  # seconds are in the year 1970
        token(exp="soon"),
        token(exp=True),
        token(timestamp=None),
        token(api_key="bad-key"),
        token(api_key=""),
        token(api_key=5),
        token({"sign_type": "NONE"}),
        token({"alg": "none"}),
        token().rpartition(".")[0] + ".short",
        "eyJ.eyJ." + "s" * 43,
        "eyJ_-.___." + "s" * 43,
        f"Bearer {token(exp=1)}",
    ],
)
def test_a_token_of_another_form_is_refused(box: Sandbox, authorization: str) -> None:
    answered = send(box, "POST", "bigmodel/chat/completions", QUESTION, authorization=authorization)
    assert answered == (401, BAD_KEY)


def test_others_want_the_word_bearer(box: Sandbox) -> None:
    for provider in ("zai", "modelstudio", "openai"):
        assert send(box, "POST", f"{provider}/chat/completions", QUESTION, authorization=token())[0] == 401


# -- DashScope's prompt


def test_dashscope_takes_a_prompt_in_place_of_messages(box: Sandbox) -> None:
    place = "dashscope/services/aigc/text-generation/generation"
    body = {"model": "glm-5", "input": {"prompt": "谁是 you"}, "parameters": {"enable_thinking": False}}
    answered = send(box, "POST", place, body)[1]
    text = 'This is the glm sandbox, not a model. You asked glm-5: "谁是 you"'
    assert answered["output"] == {"finish_reason": "stop", "text": text}
    assert answered["usage"]["input_tokens"] == 2
    for nothing in ({}, {"prompt": 7}, {"prompt": ["hi"]}, {"prompt": None}):
        refused = send(box, "POST", place, {**body, "input": nothing})
        assert (refused[0], refused[1]["message"]) == (400, "[] is too short - 'messages'")


# -- replies, as they stand on the wire


def test_a_reply_looks_like_the_providers() -> None:
    call = SandboxToolCall("", "look_up", '{"city": "Rom"}')
    reply = ScriptedReply(reasoning="Hm.", text="Wait", calls=(call,), usage={"cached_tokens": 3})
    with Sandbox(replies=(reply,)) as box:
        bigmodel = send(box, "POST", "bigmodel/chat/completions", QUESTION)[1]
        native = {**QUESTION, "input": {"prompt": "hi"}, "parameters": {"result_format": "message"}}
        dashscope = send(box, "POST", "dashscope/services/aigc/text-generation/generation", native)[1]
    assert bigmodel == {
        "id": "202611221000000000000000000001",
        "request_id": "202611221000000000000000000001",
        "created": 1795312800,
        "model": "glm-5",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": "Wait",
                    "reasoning_content": "Hm.",
                    "tool_calls": [
                        {
                            "id": "call_000000000000000100000000",
                            "index": 0,
                            "type": "function",
                            "function": {"name": "look_up", "arguments": '{"city": "Rom"}'},
                        }
                    ],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 5,
            "total_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 3},
        },
    }
    message = dashscope["output"]["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Wait", "Hm.")
    assert message["tool_calls"][0]["id"] == "call_000000000000000200000000"
    assert dashscope["usage"]["prompt_tokens_details"] == {"cached_tokens": 3}


def test_latency_and_pace_of_a_reply() -> None:
    slow = ScriptedReply(text="abcd", latency=0.2, pace=0.05, piece_size=1)
    with Sandbox(replies=(slow, ScriptedReply(text="abcd"))) as box:
        began = time.monotonic()
        send(box, "POST", "openai/chat/completions", {**QUESTION, "stream": True})
        assert time.monotonic() - began >= 0.2 + 6 * 0.05  # opening, four pieces, finish, [DONE]


def test_a_reply_that_says_nothing_of_the_answer_is_our_own_with_its_changes() -> None:
    with Sandbox(replies=(ScriptedReply(finish="length", usage={"output_tokens": 9}),)) as box:
        answered = send(box, "POST", "openai/chat/completions", QUESTION)[1]
    assert answered["choices"][0]["message"]["content"].startswith("This is the glm sandbox, not a model.")
    assert answered["choices"][0]["finish_reason"] == "length"
    assert answered["usage"]["completion_tokens"] == 9
