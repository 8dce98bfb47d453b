"""The rows of a batch: where they come from, how each format is read, their ids, and the request of each."""

from __future__ import annotations
