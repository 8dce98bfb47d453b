"""From what was typed to what will be sent: options, files, keys, the choice of a provider, and the plan."""

from __future__ import annotations
