"""httpx without its command line, which imports click, rich and pygments where they are installed: 200 M instructions.

It is optional: httpx does without it where it cannot be imported.
"""

from __future__ import annotations

import sys

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

import httpx  # noqa: E402 - only now

__all__ = ["httpx"]
