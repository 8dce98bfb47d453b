"""The rows of `glm batch run INPUT`: one small module for each form, and `source`, which opens them.

Bytes come in pieces, as the system gives them (`pieces`); `lines` cuts them, and a form's `rows` makes rows of them.
Nothing is sought, or held beyond one row, so that a FIFO, a file that grows and a file of a terabyte are all the same.
A row that is wrong is a BadRow among the others; what is wrong with the input as a whole is a UsageError.
"""

from __future__ import annotations

from glmcli.batch.readers.source import FORMS, Source, open_rows

__all__ = ["FORMS", "Source", "open_rows"]
