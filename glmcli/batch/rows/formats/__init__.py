"""The formats of rows, a module each; `glmcli.batch.rows.source` opens an input and picks one.

Bytes come in pieces, as the system gives them; `lines` cuts them, and a format's `rows` makes rows of them. Nothing is
sought, or held beyond one row, so that a FIFO, a file that grows and a file of a terabyte are all the same. A row that
is wrong is a BadRow among the others; what is wrong with the input as a whole is a UsageError.
"""

from __future__ import annotations
