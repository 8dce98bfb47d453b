"""Files and batches: what was uploaded, and batches that go one state further whenever somebody looks at them."""

from __future__ import annotations

import itertools
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from glmcli.sandbox import batch_lines
from glmcli.sandbox.batch_forms import FORMS, BatchForm
from glmcli.sandbox.failures import WRITERS, Failure
from glmcli.sandbox.frames import Json, compact
from glmcli.sandbox.ids import CREATED, Ids
from glmcli.sandbox.multipart import read_form
from glmcli.sandbox.response import Response

if TYPE_CHECKING:
    from glmcli.sandbox.batch_lines import Done
    from glmcli.sandbox.faults import FaultPlan
    from glmcli.sandbox.replies import Incoming

_PAGE = 20
_WAY = ("validating", "in_progress", "finalizing", "completed")


@dataclass
class _Batch:
    id: str
    endpoint: str
    input: str
    data: bytes
    more: Json
    state: str = "validating"
    done: Done | None = None
    total: int = 0
    files: dict[str, str] = field(default_factory=dict)
    faults: list[Json] = field(default_factory=list)


class Batches:
    """The files and batches of all providers; safe between threads."""

    def __init__(self, plan: FaultPlan) -> None:
        """Lines meet the faults of this plan, as requests do."""
        self._plan = plan
        self._lock = threading.Lock()
        self._serials = itertools.count(1)
        self._files: dict[tuple[str, str], bytes] = {}
        self._batches: dict[tuple[str, str], _Batch] = {}

    def respond(self, name: str, incoming: Incoming, path: str, ids: Ids) -> Response | None:
        """The response to a request under /files or /batches; None where there is nothing of that name."""
        with self._lock:
            return self._respond(name, FORMS[name], incoming, path, ids)

    def _respond(self, name: str, form: BatchForm, incoming: Incoming, path: str, ids: Ids) -> Response | None:
        match incoming.method, path.strip("/").split("/"):
            case "POST", ["files"]:
                return self._upload(name, form, incoming, ids)
            case "POST", ["batches"]:
                return self._create(name, form, incoming, ids)
            case "GET", ["batches"]:
                return _json(self._page(name, form, incoming.target.partition("?")[2]))
            case "GET", ["files", identity, "content"] if (name, identity) in self._files:
                return Response(200, "application/octet-stream", (self._files[name, identity],))
            case method, ["batches", identity, *more] if batch := self._batches.get((name, identity)):
                return self._look(name, form, batch, (method, *more))
        return _refused(name, Failure(404, "404", f"No such thing: {path}"), ids)

    def _look(self, name: str, form: BatchForm, batch: _Batch, how: tuple[str, ...]) -> Response | None:
        if how == ("POST", "cancel"):
            batch.state = "cancelling" if batch.state in _WAY[:-1] else batch.state
        elif how == ("GET",):
            self._go_on(name, form, batch)
        else:
            return None
        return _json(_shown(form, batch))

    def _new(self, start: str) -> str:
        return f"{start}{next(self._serials):024x}"

    def _upload(self, name: str, form: BatchForm, incoming: Incoming, ids: Ids) -> Response:
        fields = read_form(incoming.headers.get("content-type", ""), incoming.body)
        file = fields.get("file")
        if file is None or fields.get("purpose", ("", b""))[1] != b"batch":
            return _refused(name, Failure(400, "1210", "file and purpose are needed"), ids)
        identity = self._new(form.file)
        self._files[name, identity] = file[1]
        return _json(form.uploaded(identity, file[0], len(file[1])))

    def _create(self, name: str, form: BatchForm, incoming: Incoming, ids: Ids) -> Response:
        wanted: Any = json.loads(incoming.body)
        file, endpoint = str(wanted.get("input_file_id")), str(wanted.get("endpoint"))
        data = self._files.get((name, file))
        if data is None:
            return _refused(name, Failure(400, "1210", f"The file {file} does not exist."), ids)
        for model in sorted(batch_lines.models(data)):
            if form.refuses_glm and model.lower().startswith(("glm", "zhipu/")):
                words = f"The provided model {model} is not supported by the Batch API."
                return _refused(name, Failure(404, "model_not_found", words), ids)
        more = {key: wanted.get(key) for key in ("completion_window", "metadata")}
        batch = _Batch(self._new(form.batch), endpoint, file, data, more)
        self._batches[name, batch.id] = batch
        return _json(_shown(form, batch))

    def _go_on(self, name: str, form: BatchForm, batch: _Batch) -> None:
        """One state further."""
        if batch.state == "validating":
            batch.faults = batch_lines.faults(batch.data, form, batch.endpoint)
            batch.total = len([line for line in batch.data.split(b"\n") if line])
        if batch.state not in (*_WAY[:-1], "cancelling"):
            return
        if batch.faults:
            batch.state = "failed"
            return
        if batch.done is None:
            batch.done = batch_lines.run(name, form, batch.data, self._plan, lambda: next(self._serials))
        if batch.state == "cancelling":
            batch.done.output = batch.done.output[: len(batch.done.output) // 2]
        batch.state = "cancelled" if batch.state == "cancelling" else _WAY[_WAY.index(batch.state) + 1]
        if batch.state in ("completed", "cancelled"):
            if batch.state == "completed" and batch.done.undone:
                batch.state = "expired"
            self._finish(name, form, batch, batch.done)

    def _finish(self, name: str, form: BatchForm, batch: _Batch, done: Done) -> None:
        for kind, lines in (("output_file_id", done.output), ("error_file_id", done.errors)):
            # A cancelled batch has a file of errors all the same: help.aliyun.com (2025).
            if lines or (batch.state == "cancelled" and kind == "error_file_id" and form.null_lists):
                identity = self._new(form.output)
                self._files[name, identity] = b"".join(line + b"\n" for line in lines)
                batch.files[kind] = identity

    def _page(self, name: str, form: BatchForm, query: str) -> Json:
        """Some of the batches, the newest first."""
        asked = parse_qs(query)
        size = min(int(asked.get("limit", [str(_PAGE)])[0]), 100)
        own = [batch for (owner, _), batch in self._batches.items() if owner == name][::-1]
        if after := asked.get("after", [""])[0]:
            own = own[next((place for place, batch in enumerate(own, 1) if batch.id == after), len(own)) :]
        page = [_shown(form, batch) for batch in own[:size]]
        data = None if form.null_lists and not page else page
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return {"object": "list", "data": data, **ends, "has_more": len(own) > size}


def _shown(form: BatchForm, batch: _Batch) -> Json:
    counts = _counts(batch)
    if form.null_counts and batch.state == "validating":
        counts = dict.fromkeys(counts)
    errors = {"object": "list", "data": batch.faults} if batch.state == "failed" else None
    files = {kind: batch.files.get(kind, form.absent) for kind in ("output_file_id", "error_file_id")}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": errors,
        "input_file_id": batch.input,
        **batch.more,
        "status": batch.state,
        **files,
        "created_at": CREATED * form.ticks,
        "request_counts": counts,
    }


def _counts(batch: _Batch) -> Json:
    done = batch.done
    if done is None:
        return {"total": 0, "completed": 0, "failed": 0}
    completed = len(done.output) // (2 if batch.state == "in_progress" else 1)
    return {"total": batch.total, "completed": completed, "failed": done.failed}


def _json(value: Json) -> Response:
    return Response(200, "application/json", (compact(value),))


def _refused(name: str, failure: Failure, ids: Ids) -> Response:
    return Response(failure.status, "application/json", (compact(WRITERS[name](failure, ids)),))
