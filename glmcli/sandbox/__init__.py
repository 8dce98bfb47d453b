"""The embedded providers: a real HTTP server on loopback that speaks every dialect, quirks included.

It needs no network and keeps no secrets: hosted providers take any key but `bad-key`, the others need none. Any model
that begins with `glm` answers with an echo (answer.py has the words and the rule by which tokens are counted), a model
`recorded-NAME` replays a recording (recordings.py), tools are called with arguments made from their schema
(schema_examples.py), requests are refused as the real provider refuses them (providers/), faults are injected on demand
(faults.py), and replies that the user wrote take the place of the echo (replies.py). Four providers take files and run
batches (batches.py), two have answers that are fetched later (async_tasks.py).

It is written from recordings and documents, and imports nothing of the code that it tests.
"""

from __future__ import annotations

from glmcli.sandbox.providers.table import PREFIXES
from glmcli.sandbox.server import Sandbox

__all__ = ["PREFIXES", "Sandbox"]
