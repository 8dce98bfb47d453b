"""What `glm batch report` and `sample` say: a batch recounted from its ledger, and what the rest will take."""

from __future__ import annotations
