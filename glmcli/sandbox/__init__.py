"""The embedded providers: a real HTTP server on loopback that speaks every dialect, quirks included.

It needs no network and tells no secrets: hosted providers take any key but `bad-key`, the others none at all. Any model
that begins with `glm` answers with an echo (answer.py has the words and the rule by which tokens are counted), a model
`recorded-NAME` replays a recording (recordings.py), tools are called with made-up arguments (tool_filling.py), requests
are refused as the real provider refuses them (refusals.py), and faults come on demand (faults.py). Three of them take
files and run batches (batches.py, batch_forms.py).
"""

from __future__ import annotations

from glmcli.sandbox.providers import PREFIXES
from glmcli.sandbox.server import Sandbox

__all__ = ["PREFIXES", "Sandbox"]
