"""PDF: where it says that it begins and ends. Source: PDF Reference 1.7, appendix H.3, notes 13 and 18."""

from __future__ import annotations

from glmcli.media.looks import Looks

_NEAR = 1024  # bytes at either end in which Acrobat looks: it allows some of anything around the document


def look(data: bytes) -> Looks | None:
    """A document, and whether its end is there; None: it has no header."""
    if b"%PDF-" not in data[:_NEAR]:
        return None
    whole = b"%%EOF" in data[-_NEAR:]
    return Looks("application/pdf", "a PDF document", fault="" if whole else "it has no end (%%EOF)")
