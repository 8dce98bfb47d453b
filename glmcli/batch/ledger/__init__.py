"""The output of a batch, which is its ledger: written a line at a time, read to resume, merged and exported."""

from __future__ import annotations
