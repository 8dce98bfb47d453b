"""The lines of a batch: answers and refusals go into one file, failures into another, some into none."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.chat_request import object_or_empty
from glmcli.sandbox.faults import KINDS, damaged_answer
from glmcli.sandbox.http_messages import json_bytes, json_object
from glmcli.sandbox.providers.row import SandboxError
from glmcli.sandbox.replies import OWN_ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.sandbox.chat_request import ChatRequest, RequestIds
    from glmcli.sandbox.faults import FaultPlan
    from glmcli.sandbox.http_messages import Json
    from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxProvider
    from glmcli.sandbox.replies import ReplyScript, ScriptedReply

_UNFINISHED_FAULTS = frozenset(("hang", "stall"))  # the line is never finished, and the batch expires
_TEST_ANSWER = {"choices": [{"finish_reason": "stop", "index": 0, "message": {"content": "This is a test result."}}]}


@dataclass
class BatchOutput:
    """The output of a batch: the lines of its two files, and how many requests it could not finish in time."""

    answers: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    unfinished: int = 0


def input_errors(data: bytes, api: SandboxBatchApi, endpoint: str) -> list[Json]:
    """The errors for which a file is refused, in the form of `errors.data`.

    Source of the codes: help.aliyun.com, batch-interfaces-compatible-with-openai (2025); the first as recorded.
    """
    seen: set[str] = set()
    found: list[Json] = []
    models: set[str] = set()

    def add(line: int, code: str, param: str, message: str) -> None:
        found.append({"code": code, "message": message, "param": param, "line": line})

    for number, request in enumerate(_requests(data), 1):
        model = _model(request)
        models.add(model)
        url, name = str(request.get("url")), str(request.get("custom_id"))
        if url != endpoint or url != api.endpoint_of(model):
            add(number, "url_not_found", "url", f"The provided url '{url}' is not supported by the Batch API.")
        if name in seen:
            add(number, "duplicate_custom_id", "custom_id", f"The custom_id '{name}' is not unique.")
        if len(models) > 1:
            add(number, "mismatched_model", "model", "All requests of a file must use the same model.")
        seen.add(name)
    if len(seen) > api.max_lines:
        add(api.max_lines + 1, "too_many_requests", "input_file_id", f"At most {api.max_lines} lines are taken.")
    return found


def models_in(data: bytes) -> set[str]:
    """The models of a file."""
    return {_model(request) for request in _requests(data)}


def run_lines(
    provider: SandboxProvider, data: bytes, faults: FaultPlan, replies: ReplyScript, ids: Iterator[RequestIds]
) -> BatchOutput:
    """Run all lines, each with the next ids; the answers come in another order than the requests."""
    output = BatchOutput()
    for request in _requests(data):
        line_ids = next(ids)
        head = {"id": line_ids.uuid, "custom_id": request.get("custom_id")}
        chat = provider.read(object_or_empty(request.get("body")), {"accept-language": "en"}, line_ids)
        fault = faults.next()
        is_answered = fault is None or (fault in KINDS and KINDS[fault].answer is not None)
        reply = replies.next() if is_answered and provider.refusal(chat) is None else OWN_ANSWER
        fault = fault or reply.fault
        if fault in _UNFINISHED_FAULTS:
            output.unfinished += 1
            continue
        match _result(provider, chat, fault, reply, faults):
            case SandboxError() as error:
                output.errors.append(_failed_line(error, head, line_ids, number=len(output.errors)))
            case (body, status):
                response = {"status_code": status, "request_id": line_ids.uuid, "body": body}
                output.answers.append(json_bytes({**head, "response": response, "error": None}))
            case None:
                pass  # the line is lost: it stands in no file
    output.answers.reverse()
    return output


def _result(
    provider: SandboxProvider, chat: ChatRequest, fault: str | None, reply: ScriptedReply, faults: FaultPlan
) -> tuple[Json, int] | SandboxError | None:
    """The body and the status of an answer or a refusal, the error of a line that failed, or None for a lost line."""
    if (error := faults.error(provider, fault, chinese=False)) is not None:
        is_refusal = error.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return (provider.error_body(error, chat.ids), error.status) if is_refusal else error
    if fault == "error":
        return provider.error_body(provider.error("500", 500, chat.chinese), chat.ids), 200
    if fault is not None and KINDS[fault].answer is None:
        return None
    if provider.batch_api and chat.model == provider.batch_api.test_model:
        return dict(_TEST_ANSWER), 200
    if (refusal := provider.refusal(chat)) is not None:
        return provider.error_body(refusal, chat.ids), refusal.status
    answer = damaged_answer(fault, provider.answer(chat, reply), provider.filtered or "content_filter")
    return provider.whole(chat, answer), 200


def _requests(data: bytes) -> list[dict[str, Any]]:
    return [json_object(line) or {} for line in data.split(b"\n") if line.strip()]


def _model(request: dict[str, Any]) -> str:
    return str(object_or_empty(request.get("body")).get("model"))


def _failed_line(error: SandboxError, head: Json, ids: RequestIds, *, number: int) -> bytes:
    """A line of the file of errors.

    help.aliyun.com, batch-interfaces-compatible-with-openai (2025): the text documents `error: {code, message}`, the
    sample program reads `error_code` and `error_message`. So the lines alternate between the two forms.
    """
    response = {"status_code": error.status, "request_id": ids.uuid, "body": None}
    fields: Json = {"error": {"code": error.code, "message": error.message}}
    if number % 2:
        fields = {"error": None, "error_code": error.code, "error_message": error.message}
    return json_bytes({**head, "response": response, **fields})
