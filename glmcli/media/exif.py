"""Which way up a picture is, by its EXIF data. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

UPRIGHT = 1  # the orientation of pixels that are stored as they are seen; 2 to 8 are turned, mirrored or both

# EXIF data are a TIFF file. Source: CIPA DC-008-2019 (Exif 2.32), 4.5.2 and 4.6.2, and TIFF 6.0, section 2.
_PREFIX = b"Exif\0\0"  # of the data in a JPEG, and by mistake in other files
_ORDERS: Mapping[bytes, Literal["big", "little"]] = {b"II*\0": "little", b"MM\0*": "big"}
_ORIENTATION = 0x0112
_ENTRY, _VALUE = 12, 8  # bytes of an entry of a directory, and the place of the value in it
_LAST = 8


def orientation(data: bytes) -> int:
    """The orientation that these EXIF data state, 1 to 8; 1 too where they state none that is known."""
    data = data.removeprefix(_PREFIX)
    order = _ORDERS.get(data[:4])
    if order is None:
        return UPRIGHT
    begin = int.from_bytes(data[4:8], order)
    tag = _ORIENTATION.to_bytes(2, order)
    for at in range(begin + 2, begin + 2 + _ENTRY * int.from_bytes(data[begin : begin + 2], order), _ENTRY):
        if at >= len(data):
            break
        if data[at : at + 2] == tag:
            value = int.from_bytes(data[at + _VALUE : at + _VALUE + 2], order)
            return value if UPRIGHT <= value <= _LAST else UPRIGHT
    return UPRIGHT
