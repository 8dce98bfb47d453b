"""Uploaded files: how they are read from a form, written as JSON, and listed in pages.

**Source**: https://platform.openai.com/docs/api-reference/files and https://docs.bigmodel.cn/api-reference, the
pages of the Files API (2026); `types/files` of zai-sdk 0.2.3 on PyPI.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import parse_qs

from glmcli.sandbox.chat_request import CREATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from glmcli.sandbox.http_messages import Json
    from glmcli.sandbox.providers.row import SandboxBatchApi

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_FIELD_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILE_NAME = re.compile(rb'filename="([^"]*)"')
_MAX_PAGE = 100
_DIGITS = re.compile("[0-9]{1,9}")


@dataclass(frozen=True)
class StoredFile:
    """A file of one provider; `fields` are those that it writes in its own way."""

    id: str
    purpose: str
    data: bytes
    fields: Mapping[str, object]

    def as_json(self) -> Json:
        """The file as its provider writes it."""
        head = {"id": self.id, "object": "file", "bytes": len(self.data), "created_at": CREATED}
        return {**head, "purpose": self.purpose, **self.fields}


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Identified)


def file_page(files: Sequence[StoredFile], api: SandboxBatchApi, query: str) -> Json:
    """One page of the files, the newest first unless `order=asc`; `purpose` selects."""
    parameters = parse_qs(query)
    ordered = files[::-1] if parameters.get("order") == ["asc"] else files
    wanted = [file for file in ordered if parameters.get("purpose", [file.purpose]) == [file.purpose]]
    found, has_more = page_of(wanted, query, _MAX_PAGE)
    page = [file.as_json() for file in found]
    return {"object": "list", "data": page, **(ends_of(page) if api.lists_ends else {}), "has_more": has_more}


def page_of(held: Sequence[_T], query: str, size: int) -> tuple[Sequence[_T], bool]:
    """Those that come after the one that `after` names, at most `limit`, and whether there are more."""
    parameters = parse_qs(query)
    limit = parameters.get("limit", [""])[0]
    size = min(max(int(limit), 1), _MAX_PAGE) if _DIGITS.fullmatch(limit) else size
    after = parameters.get("after", [""])[0]
    start = next((place for place, each in enumerate(held, 1) if each.id == after), len(held) if after else 0)
    return held[start : start + size], len(held) > start + size


def ends_of(page: Sequence[Json]) -> Json:
    """The ids of the first and the last one."""
    return {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}


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
            fields[name[1].decode(errors="replace")] = (file[1].decode(errors="replace") if file else "", data)
    return fields
