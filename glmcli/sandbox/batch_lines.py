"""What becomes of the lines of a batch: answers and refusals in one file, failures in another, or nothing at all."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glmcli.sandbox.answer import answer
from glmcli.sandbox.codes import on_demand
from glmcli.sandbox.damage import spoiled
from glmcli.sandbox.failures import WRITERS, Failure
from glmcli.sandbox.faults import KINDS
from glmcli.sandbox.frames import compact
from glmcli.sandbox.ids import Ids
from glmcli.sandbox.providers import PROVIDERS
from glmcli.sandbox.question import read
from glmcli.sandbox.refusals import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.sandbox.batch_forms import BatchForm
    from glmcli.sandbox.faults import FaultPlan
    from glmcli.sandbox.frames import Json

_CONTENT = frozenset(("length", "sensitive", "empty"))
_NEVER = frozenset(("hang", "stall"))  # faults that keep a line from ever being done: the batch expires
_SERVER_ERROR = 500
_TEST = {"choices": [{"finish_reason": "stop", "index": 0, "message": {"content": "This is a test result."}}]}


@dataclass
class Done:
    """What a batch has made: lines of its two files, and how many lines it could not do in time."""

    output: list[bytes] = field(default_factory=list)
    errors: list[bytes] = field(default_factory=list)
    undone: int = 0

    @property
    def failed(self) -> int:
        """Lines of failures."""
        return len(self.errors)


def faults(data: bytes, form: BatchForm, endpoint: str) -> list[Json]:
    """Why a file is refused, as `errors.data` says it; nothing if it is not.

    Source of the codes: help.aliyun.com, batch-interfaces-compatible-with-openai (2025); the first as recorded.
    """
    seen: set[str] = set()
    found: list[Json] = []
    models: set[str] = set()

    def fault(line: int, code: str, param: str, message: str) -> None:
        found.append({"code": code, "message": message, "param": param, "line": line})

    for number, request in enumerate(_requests(data), 1):
        model = str(request.get("body", {}).get("model"))
        models.add(model)
        url, name = str(request.get("url")), str(request.get("custom_id"))
        if url != endpoint or url != form.endpoint_of(model):
            fault(number, "url_not_found", "url", f"The provided url '{url}' is not supported by the Batch API.")
        if name in seen:
            fault(number, "duplicate_custom_id", "custom_id", f"The custom_id '{name}' is not unique.")
        if len(models) > 1:
            fault(number, "mismatched_model", "model", "All requests of a file must use the same model.")
        seen.add(name)
    if len(seen) > form.most_lines:
        fault(form.most_lines + 1, "too_many_requests", "input_file_id", f"At most {form.most_lines} lines are taken.")
    return found


def models(data: bytes) -> set[str]:
    """The models of a file."""
    return {str(request.get("body", {}).get("model")) for request in _requests(data)}


def run(name: str, form: BatchForm, data: bytes, plan: FaultPlan, serial: Callable[[], int]) -> Done:
    """Do all lines; answers come in another order than they were asked."""
    done = Done()
    for request in _requests(data):
        _line(name, form, request, plan.next(), Ids(serial()), done)
    done.output.reverse()
    return done


def _requests(data: bytes) -> list[dict[str, Any]]:
    found = []
    for line in data.split(b"\n"):
        try:
            value = json.loads(line) if line.strip() else None
        except ValueError:
            value = {}
        if isinstance(value, dict):
            found.append(value)
    return found


def _line(  # noqa: PLR0913, PLR0917 - each is a side of it
    name: str, form: BatchForm, request: dict[str, Any], kind: str | None, ids: Ids, done: Done
) -> None:
    provider, said = PROVIDERS[name], {"id": ids.uuid, "custom_id": request.get("custom_id")}

    def answered(body: Json, status: int = 200) -> None:
        response = {"status_code": status, "request_id": ids.uuid, "body": body}
        done.output.append(compact({**said, "response": response, "error": None}))

    body = request.get("body", {})
    question = read(name, body, {"accept-language": "en"}, ids)
    if kind in _NEVER:
        done.undone += 1
    elif kind is not None and kind not in KINDS:
        _failed(name, on_demand(name, kind, chinese=False), ids, said, done)
    elif kind == "error":
        failure = on_demand(name, "500", chinese=False)
        answered(WRITERS[name](failure, ids))
    elif kind is not None and kind not in _CONTENT:
        pass  # lost on the way: it stands in no file
    elif question.model == form.test_model:
        answered(dict(_TEST))
    elif (refused := refusal(question)) is not None:
        answered(WRITERS[name](refused, ids), refused.status)
    else:
        answered(provider.whole(question, spoiled(kind, answer(question), provider.filtered or "content_filter")))


def _failed(name: str, failure: Failure, ids: Ids, said: Json, done: Done) -> None:
    """A refusal inside the answers, or a failure in the file of errors.

    help.aliyun.com, batch-interfaces-compatible-with-openai (2025): the text has `error: {code, message}`, the program
    beside it `error_code` and `error_message`. So every other line has the one, and the rest the other.
    """
    if failure.status < _SERVER_ERROR:
        response = {"status_code": failure.status, "request_id": ids.uuid, "body": WRITERS[name](failure, ids)}
        done.output.append(compact({**said, "response": response, "error": None}))
        return
    response = {"status_code": failure.status, "request_id": ids.uuid, "body": None}
    if done.failed % 2:
        error: Json = {"error": None, "error_code": failure.code, "error_message": failure.message}
    else:
        error = {"error": {"code": failure.code, "message": failure.message}}
    done.errors.append(compact({**said, "response": response, **error}))
