"""The Files and Batches APIs: their HTTP requests, and their responses in one form for all providers. Pure.

Sources: platform.openai.com/docs/api-reference/batch (2026); docs.bigmodel.cn, create batch, and the tests of zai-sdk
0.2.3 on PyPI: times in milliseconds where the page says seconds, empty strings for missing ids, counts that are null at
first; github.com/cnblogs/dashscope-sdk@7afccbd, RawHttpData: `data: null` in an empty list, `errors.data[]`
with code, message and line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from glmcli.errors import ProtocolError
from glmcli.http.call import HttpCall
from glmcli.providers.dialect import get_headers, headers
from glmcli.providers.json_values import as_int, as_list, as_object
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.http.call import Content
    from glmcli.providers.row import BatchApi, Provider

ENDED = frozenset(("completed", "failed", "expired", "cancelled"))
_RUNNING = frozenset(("validating", "in_progress", "finalizing", "cancelling"))
_PAGE = 100  # batches; the maximum of BigModel and Model Studio
_MILLISECONDS = 10**11  # as seconds this is the year 5138


class LineFault(Record):
    """Why a batch was refused: `line` is that of the uploaded file, from 1; None where no line is at fault."""

    code: str
    message: str
    line: int | None


class BatchState(Record):
    """The state of a batch; None: not stated.

    Attributes:
        state: one of the API's words, in lower case; see ENDED.
        completed: the number of requests that were answered.
        failed: the number of requests that failed.
        created: seconds since the epoch.
        faults: why it was refused.
    """

    id: str
    state: str
    total: int | None = None
    completed: int | None = None
    failed: int | None = None
    input_file: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    created: float | None = None
    faults: tuple[LineFault, ...] = ()

    @property
    def has_ended(self) -> bool:
        """Whether it has ended, with or without results."""
        return self.state in ENDED

    @property
    def is_foreign(self) -> bool:
        """Whether the API does not document this state, so that it is unknown whether the batch has ended."""
        return self.state not in ENDED | _RUNNING


# Requests


def upload(provider: Provider, content: Content, content_type: str) -> HttpCall:
    """Upload a file; `content` is a multipart body with `purpose` and `file`."""
    pairs = [pair for pair in headers(provider, stream=False) if pair[0] != "Content-Type"]
    return HttpCall(_url(provider, "files"), (("Content-Type", content_type), *pairs), None, upload=content)


def create(provider: Provider, api: BatchApi, file: str) -> HttpCall:
    """Create a batch from the id of an uploaded file, or from the address of a file."""
    body: dict[str, Any] = {"input_file_id": file, "endpoint": api.url, "completion_window": api.window}
    if api.auto_delete:
        body["auto_delete_input_file"] = True
    return HttpCall(_url(provider, "batches"), tuple(headers(provider, stream=False)), body)


def status(provider: Provider, batch: str) -> HttpCall:
    """Get the state of a batch."""
    return _get(provider, f"batches/{quote(batch, safe='')}")


def cancel(provider: Provider, batch: str) -> HttpCall:
    """Cancel a batch."""
    url = _url(provider, f"batches/{quote(batch, safe='')}/cancel")
    return HttpCall(url, tuple(headers(provider, stream=False)), {})


def listing(provider: Provider, after: str | None = None) -> HttpCall:
    """Get a page of the account's batches, the newest first; `after` is the id of the last one of the page before."""
    more = f"&after={quote(after, safe='')}" if after else ""
    return _get(provider, f"batches?limit={_PAGE}{more}")


def content(provider: Provider, file: str) -> HttpCall:
    """Download a file by its id."""
    return _get(provider, f"files/{quote(file, safe='')}/content")


def _get(provider: Provider, path: str) -> HttpCall:
    return HttpCall(_url(provider, path), get_headers(provider), None, method="GET")


def _url(provider: Provider, path: str) -> str:
    return f"{provider.base_url}/{path}"


# Responses


def file_of(value: Any) -> str:  # noqa: ANN401 - any JSON may come
    """The id of an uploaded file.

    Raises:
        ProtocolError: the response holds none.
    """
    return _id(value, "an uploaded file")


def state_of(value: Any) -> BatchState:  # noqa: ANN401 - any JSON may come
    """The state of a batch.

    Raises:
        ProtocolError: the response is no batch.
    """
    batch = as_object(value)
    state = batch.get("status")
    if not isinstance(state, str) or not state:
        raise _bad_response("a batch", value)
    counts = as_object(batch.get("request_counts"))
    return BatchState(
        id=_id(value, "a batch"),
        state=state.lower(),
        total=as_int(counts.get("total")),
        completed=as_int(counts.get("completed")),
        failed=as_int(counts.get("failed")),
        input_file=_text(batch.get("input_file_id")),
        output_file=_text(batch.get("output_file_id")),
        error_file=_text(batch.get("error_file_id")),
        created=_seconds(batch.get("created_at")),
        faults=tuple(_fault(each) for each in map(as_object, as_list(as_object(batch.get("errors")).get("data")))),
    )


def page_of(value: Any) -> tuple[tuple[BatchState, ...], bool]:  # noqa: ANN401 - any JSON may come
    """The batches of a page, and whether there is another.

    Raises:
        ProtocolError: the response is no list of batches.
    """
    page = as_object(value)
    if "data" not in page:
        raise _bad_response("a list of batches", value)
    batches = tuple(state_of(each) for each in as_list(page["data"]))
    return batches, bool(batches) and page.get("has_more") is not False  # without has_more another page is requested


def _fault(fault: Mapping[str, Any]) -> LineFault:
    return LineFault(str(fault.get("code") or ""), str(fault.get("message") or ""), as_int(fault.get("line")))


def _id(value: Any, what: str) -> str:  # noqa: ANN401 - any JSON may come
    found = as_object(value).get("id")
    if not isinstance(found, str) or not found:
        raise _bad_response(what, value)
    return found


def _bad_response(what: str, value: Any) -> ProtocolError:  # noqa: ANN401 - any JSON may come
    return ProtocolError(message=f"the reply is not {what}", why=str(value), fix="check the base URL")


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON may come
    return value if isinstance(value, str) and value else None


def _seconds(value: Any) -> float | None:  # noqa: ANN401 - any JSON may come
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return value / 1000 if value >= _MILLISECONDS else float(value)
