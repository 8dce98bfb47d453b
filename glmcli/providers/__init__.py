"""The providers of GLM: their table, the dialects of their APIs, the decoding of replies and errors. Pure."""

from __future__ import annotations
