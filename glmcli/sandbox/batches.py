"""The Batch APIs: uploaded files, and batches that advance one state with each poll."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from glmcli.sandbox.batch_lines import BatchOutput, input_errors, models_in, run_lines
from glmcli.sandbox.chat_request import CREATED, RequestIds
from glmcli.sandbox.files import StoredFile, ends_of, file_page, page_of, read_form
from glmcli.sandbox.http_messages import Json, ServerRequest, ServerResponse, json_object, json_response
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxError, SandboxProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.faults import FaultPlan
    from glmcli.sandbox.replies import ReplyScript

_PAGE_SIZE = 20
_STATES = ("validating", "in_progress", "finalizing", "completed")
_T = TypeVar("_T")


@dataclass
class _Batch:
    """A batch of one provider; `errors` are those of its input file."""

    id: str
    api: SandboxBatchApi
    endpoint: str
    input_id: str
    data: bytes
    fields: Json
    state: str = "validating"
    output: BatchOutput | None = None
    total: int = 0
    files: dict[str, str] = field(default_factory=dict)
    errors: list[Json] = field(default_factory=list)

    def as_json(self) -> Json:
        """The batch as its provider writes it."""
        counts = self._counts()
        if self.api.null_counts and self.state == "validating":
            counts = dict.fromkeys(counts)
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.errors} if self.state == "failed" else None,
            "input_file_id": self.input_id,
            **self.fields,
            "status": self.state,
            **{kind: self.files.get(kind, self.api.absent_id) for kind in ("output_file_id", "error_file_id")},
            "created_at": CREATED * self.api.ticks,
            "request_counts": counts,
        }

    def _counts(self) -> Json:
        if self.output is None:
            return {"total": 0, "completed": 0, "failed": 0}
        completed = len(self.output.answers) // (2 if self.state == "in_progress" else 1)
        return {"total": self.total, "completed": completed, "failed": len(self.output.errors)}


class Batches:
    """The files and batches of all providers; safe between threads."""

    def __init__(self, faults: FaultPlan, replies: ReplyScript) -> None:
        """`faults` hit the lines of batches as they hit requests, and `replies` answer them."""
        self._faults, self._replies = faults, replies
        self._lock = threading.Lock()
        self._serials = itertools.count(1)
        self._files: dict[tuple[str, str], StoredFile] = {}
        self._batches: dict[tuple[str, str], _Batch] = {}

    def respond(self, provider: SandboxProvider, request: ServerRequest, ids: RequestIds) -> ServerResponse | None:
        """The response to a request under /files or /batches, whose target begins there; None if no method fits."""
        api = provider.batch_api
        if api is None:
            return None
        kind, *rest = request.path.strip("/").split("/")
        with self._lock:
            if kind == "files":
                return self._on_files(provider, api, request, ids, *rest)
            return self._on_batches(provider, api, request, ids, *rest)

    def _on_files(
        self, provider: SandboxProvider, api: SandboxBatchApi, request: ServerRequest, ids: RequestIds, *rest: str
    ) -> ServerResponse | None:
        match request.method, *rest:
            case ("POST",):
                return self._upload(provider, api, request, ids)
            case ("GET",):
                return json_response(file_page(self._own(provider, self._files), api, request.query))
            case method, file_id, *action if file := self._files.get((provider.name, file_id)):
                return self._file_response(provider, file, (method, *action))
        missing = SandboxError(404, "404", f"No such File object: {'/'.join(rest)}", param="id")
        return _error_response(provider, missing, ids) if rest else None

    def _on_batches(
        self, provider: SandboxProvider, api: SandboxBatchApi, request: ServerRequest, ids: RequestIds, *rest: str
    ) -> ServerResponse | None:
        match request.method, *rest:
            case ("POST",):
                return self._create(provider, api, request, ids)
            case ("GET",):
                return json_response(self._page(provider, api, request.query))
            case method, batch_id, *action if batch := self._batches.get((provider.name, batch_id)):
                return self._batch_response(provider, batch, (method, *action))
        missing = SandboxError(404, "404", f"No such thing: {request.path}")
        return _error_response(provider, missing, ids) if rest else None

    @staticmethod
    def _own(provider: SandboxProvider, held: Mapping[tuple[str, str], _T]) -> list[_T]:
        """What belongs to this provider, the newest first."""
        return [each for (owner, _), each in held.items() if owner == provider.name][::-1]

    def _file_response(
        self, provider: SandboxProvider, file: StoredFile, action: tuple[str, ...]
    ) -> ServerResponse | None:
        match action:
            case ("GET",):
                return json_response(file.as_json())
            case ("GET", "content"):
                return ServerResponse(200, "application/octet-stream", (file.data,))
            case ("DELETE",):
                del self._files[provider.name, file.id]
                return json_response({"id": file.id, "object": "file", "deleted": True})
        return None

    def _batch_response(
        self, provider: SandboxProvider, batch: _Batch, action: tuple[str, ...]
    ) -> ServerResponse | None:
        if action == ("POST", "cancel"):
            batch.state = "cancelling" if batch.state in _STATES[:-1] else batch.state
        elif action == ("GET",):
            self._advance(provider, batch)
        else:
            return None
        return json_response(batch.as_json())

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._serials):024x}"

    def _upload(
        self, provider: SandboxProvider, api: SandboxBatchApi, request: ServerRequest, ids: RequestIds
    ) -> ServerResponse:
        fields = read_form(request.headers.get("content-type", ""), request.body)
        file, purpose = fields.get("file"), fields.get("purpose", ("", b""))[1].decode(errors="replace")
        if file is None or not purpose:
            return _error_response(provider, SandboxError(400, "1210", "file and purpose are needed"), ids)
        name, data = file
        stored = StoredFile(self._new_id(api.file_prefix), purpose, data, api.file_fields(name))
        self._files[provider.name, stored.id] = stored
        return json_response(stored.as_json())

    def _create(
        self, provider: SandboxProvider, api: SandboxBatchApi, request: ServerRequest, ids: RequestIds
    ) -> ServerResponse:
        body = json_object(request.body)
        if body is None:
            malformed = provider.malformed(provider.wants_chinese(request.headers))
            return _error_response(provider, malformed, ids)
        file_id, endpoint = str(body.get("input_file_id")), str(body.get("endpoint"))
        file = self._files.get((provider.name, file_id))
        if file is None:
            return _error_response(provider, SandboxError(400, "1210", f"The file {file_id} does not exist."), ids)
        for model in sorted(models_in(file.data)):
            if api.refuses_glm and model.lower().startswith(("glm", "zhipu/")):
                words = f"The provided model {model} is not supported by the Batch API."
                return _error_response(provider, SandboxError(404, "model_not_found", words), ids)
        fields = {key: body.get(key) for key in ("completion_window", "metadata")}
        batch = _Batch(self._new_id(api.batch_prefix), api, endpoint, file_id, file.data, fields)
        self._batches[provider.name, batch.id] = batch
        return json_response(batch.as_json())

    def _advance(self, provider: SandboxProvider, batch: _Batch) -> None:
        """Advance a batch by one state."""
        if batch.state == "validating":
            batch.errors = input_errors(batch.data, batch.api, batch.endpoint)
            batch.total = len([line for line in batch.data.split(b"\n") if line])
        if batch.state not in (*_STATES[:-1], "cancelling"):
            return
        if batch.errors:
            batch.state = "failed"
            return
        if batch.output is None:
            new_ids = (RequestIds(serial) for serial in self._serials)
            batch.output = run_lines(provider, batch.data, self._faults, self._replies, new_ids)
        if batch.state == "cancelling":
            batch.output.answers = batch.output.answers[: len(batch.output.answers) // 2]
            batch.state = "cancelled"
        else:
            batch.state = _STATES[_STATES.index(batch.state) + 1]
        if batch.state in ("completed", "cancelled"):
            if batch.state == "completed" and batch.output.unfinished:
                batch.state = "expired"
            self._write_files(provider, batch, batch.output)

    def _write_files(self, provider: SandboxProvider, batch: _Batch, output: BatchOutput) -> None:
        for kind, lines in (("output_file_id", output.answers), ("error_file_id", output.errors)):
            # A cancelled batch has a file of errors all the same: help.aliyun.com (2025).
            if lines or (batch.state == "cancelled" and kind == "error_file_id" and batch.api.null_lists):
                data = b"".join(line + b"\n" for line in lines)
                file_id = self._new_id(batch.api.output_prefix)
                fields = batch.api.file_fields(f"{file_id}.jsonl")
                self._files[provider.name, file_id] = StoredFile(file_id, "batch_output", data, fields)
                batch.files[kind] = file_id

    def _page(self, provider: SandboxProvider, api: SandboxBatchApi, query: str) -> Json:
        """One page of the batches, the newest first."""
        own, has_more = page_of(self._own(provider, self._batches), query, _PAGE_SIZE)
        page = [batch.as_json() for batch in own]
        return {
            "object": "list",
            "data": None if api.null_lists and not page else page,
            **ends_of(page),
            "has_more": has_more,
        }


def _error_response(provider: SandboxProvider, error: SandboxError, ids: RequestIds) -> ServerResponse:
    return json_response(provider.error_body(error, ids), error.status)
