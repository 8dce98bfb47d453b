"""Forms with files: RFC 7578."""

from __future__ import annotations

import re

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILE = re.compile(rb'filename="([^"]*)"')


def read_form(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """Each field by its name: what its file is called, or nothing, and its bytes."""
    boundary = _BOUNDARY.search(content_type)
    if not content_type.startswith("multipart/form-data") or boundary is None:
        return {}
    fields = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        if name := _NAME.search(head):
            file = _FILE.search(head)
            fields[name[1].decode()] = (file[1].decode() if file else "", data)
    return fields
