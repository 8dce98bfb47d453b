"""Everything that is sent and received over HTTP: `client` (httpx) for one question, `bulk` (aiohttp) for a batch.

Both send an `HttpCall` and pass the same events to a `Receiver`. Nothing of ours is imported here: `ask` must not pay
for the event loop that only a batch needs.
"""

from __future__ import annotations

import sys

# httpx imports its command line where it can, with click, rich and pygments: 200 M instructions. It works without.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
