"""The Batch APIs: uploaded files, and batches that advance one state with each poll."""

from __future__ import annotations

import itertools
import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from glmcli.sandbox.batch_lines import BatchOutput, input_errors, models_in, run_lines
from glmcli.sandbox.chat_request import CREATED, RequestIds
from glmcli.sandbox.http_messages import Json, ServerRequest, ServerResponse, json_response
from glmcli.sandbox.providers.row import SandboxBatchApi, SandboxError, SandboxProvider

if TYPE_CHECKING:
    from glmcli.sandbox.faults import FaultPlan

_PAGE_SIZE = 20
_STATES = ("validating", "in_progress", "finalizing", "completed")
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_FIELD_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILE_NAME = re.compile(rb'filename="([^"]*)"')


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

    def __init__(self, faults: FaultPlan) -> None:
        """`faults` hit the lines of batches as they hit requests."""
        self._faults = faults
        self._lock = threading.Lock()
        self._serials = itertools.count(1)
        self._files: dict[tuple[str, str], bytes] = {}
        self._batches: dict[tuple[str, str], _Batch] = {}

    def respond(
        self, provider: SandboxProvider, api: SandboxBatchApi, request: ServerRequest, ids: RequestIds
    ) -> ServerResponse | None:
        """The response to a request under /files or /batches, whose target begins there; None if no method fits."""
        with self._lock:
            match request.method, request.path.strip("/").split("/"):
                case "POST", ["files"]:
                    return self._upload(provider, api, request, ids)
                case "POST", ["batches"]:
                    return self._create(provider, api, request, ids)
                case "GET", ["batches"]:
                    return json_response(self._page(provider, api, request.query))
                case "GET", ["files", file_id, "content"] if (provider.name, file_id) in self._files:
                    return ServerResponse(200, "application/octet-stream", (self._files[provider.name, file_id],))
                case method, ["batches", batch_id, *action] if batch := self._batches.get((provider.name, batch_id)):
                    return self._batch_response(provider, batch, (method, *action))
        return _error_response(provider, SandboxError(404, "404", f"No such thing: {request.path}"), ids)

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
        file = fields.get("file")
        if file is None or fields.get("purpose", ("", b""))[1] != b"batch":
            return _error_response(provider, SandboxError(400, "1210", "file and purpose are needed"), ids)
        name, data = file
        file_id = self._new_id(api.file_prefix)
        self._files[provider.name, file_id] = data
        head = {"id": file_id, "object": "file", "bytes": len(data), "created_at": CREATED, "purpose": "batch"}
        return json_response({**head, **api.file_fields(name)})

    def _create(
        self, provider: SandboxProvider, api: SandboxBatchApi, request: ServerRequest, ids: RequestIds
    ) -> ServerResponse:
        body: Any = json.loads(request.body)
        file_id, endpoint = str(body.get("input_file_id")), str(body.get("endpoint"))
        data = self._files.get((provider.name, file_id))
        if data is None:
            return _error_response(provider, SandboxError(400, "1210", f"The file {file_id} does not exist."), ids)
        for model in sorted(models_in(data)):
            if api.refuses_glm and model.lower().startswith(("glm", "zhipu/")):
                words = f"The provided model {model} is not supported by the Batch API."
                return _error_response(provider, SandboxError(404, "model_not_found", words), ids)
        fields = {key: body.get(key) for key in ("completion_window", "metadata")}
        batch = _Batch(self._new_id(api.batch_prefix), api, endpoint, file_id, data, fields)
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
            batch.output = run_lines(provider, batch.api, batch.data, self._faults, new_ids)
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
                file_id = self._new_id(batch.api.output_prefix)
                self._files[provider.name, file_id] = b"".join(line + b"\n" for line in lines)
                batch.files[kind] = file_id

    def _page(self, provider: SandboxProvider, api: SandboxBatchApi, query: str) -> Json:
        """One page of the batches, the newest first."""
        parameters = parse_qs(query)
        size = min(int(parameters.get("limit", [str(_PAGE_SIZE)])[0]), 100)
        own = [batch for (owner, _), batch in self._batches.items() if owner == provider.name][::-1]
        if after := parameters.get("after", [""])[0]:
            own = own[next((place for place, batch in enumerate(own, 1) if batch.id == after), len(own)) :]
        page = [batch.as_json() for batch in own[:size]]
        data = None if api.null_lists and not page else page
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return {"object": "list", "data": data, **ends, "has_more": len(own) > size}


def read_form(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form (RFC 7578) by name: the name of its file, or an empty text, and its bytes."""
    boundary = _BOUNDARY.search(content_type)
    if not content_type.startswith("multipart/form-data") or boundary is None:
        return {}
    fields = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        if name := _FIELD_NAME.search(head):
            file = _FILE_NAME.search(head)
            fields[name[1].decode()] = (file[1].decode() if file else "", data)
    return fields


def _error_response(provider: SandboxProvider, error: SandboxError, ids: RequestIds) -> ServerResponse:
    return json_response(provider.error_body(error, ids), error.status)
