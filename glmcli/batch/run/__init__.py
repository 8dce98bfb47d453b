"""One run of a batch: the scheduler, retries, failover to another provider, shutdown, progress and budget."""

from __future__ import annotations
