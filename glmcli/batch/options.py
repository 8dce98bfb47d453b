"""What a user set of a batch, beside what all who ask a model take."""

from __future__ import annotations

from glmcli.record import Record


class BatchOptions(Record):
    """The flags of `glm batch run`. None and empty mean: not set.

    Units: `rpm` requests a minute, `tpm` tokens a minute, `max_cost` the money of the provider's price list.
    """

    input: str | None = None
    jobs: int = 32
    rpm: float | None = None
    tpm: float | None = None
    max_failures: int | None = None
    max_cost: float | None = None
    ordered: bool = False
    retry_failed: bool | None = None
    redo_changed: bool = False
    keep_changed: bool = False
    shard: str | None = None
    engine: str | None = None
    address: str | None = None
    format: str | None = None
    files0: str | None = None
    text: str | None = None
    csv: str | None = None
