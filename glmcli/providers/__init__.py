"""Who serves GLM and how each is spoken to: the table of providers, the dialects, and what their bytes mean. Pure."""

from __future__ import annotations
