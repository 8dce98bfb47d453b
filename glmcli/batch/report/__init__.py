"""The figures of `glm batch report` and `sample`: a batch, counted from its ledger, and an estimate of the rest."""

from __future__ import annotations
