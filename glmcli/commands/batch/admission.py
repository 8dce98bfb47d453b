"""What a provider's Batch API takes, judged before a line is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.catalogue import find
from glmcli.commands.batch.reach import check
from glmcli.errors import InternalError, UsageError
from glmcli.http.urls import checked_media_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.commands.batch.preparing import BatchPlan
    from glmcli.config.app import App
    from glmcli.providers.row import BatchApi


def agreed(prepared: BatchPlan, lines: str | None, address: str | None) -> BatchApi:
    """How the provider wants its batches; `lines` and `address` are --lines and --input-url.

    Raises:
        UsageError: it has none, or the flags do not fit it.
    """
    provider, sends = prepared.candidates[0].provider, not (lines or prepared.options.dry_run)
    check(provider if sends else provider.replace(embedded=False))
    form = provider.batch
    if form is None:
        raise InternalError("a provider without batches was let pass")
    if sends and prepared.options.output in (None, "-"):
        raise UsageError("a job is remembered beside its output, and there is none", fix="add -O FILE")
    if address and form.uploads:
        raise UsageError(f"--input-url: {provider.name} takes an upload", fix="leave it out")
    if address:
        checked_media_url(address, "--input-url")
    elif sends and not form.uploads:
        fix = "--lines FILE writes the lines; put that file where it can be read, and name the place with --input-url"
        raise UsageError(f"{provider.name} reads the lines at an address", fix=fix)
    return form


def admission(app: App, prepared: BatchPlan) -> Callable[[str], None]:
    """A judge of models: it raises UsageError for one that is known not to be served, and says what is not checked."""
    provider = prepared.candidates[0].provider
    own = provider.batch.models if provider.batch else {}

    def admit(model: str) -> None:
        if not provider.catalogue or model in own:
            return
        known = find(provider.catalogue, model)
        serves = known.batch if known else None
        if serves is False and not prepared.options.force:
            raise UsageError(
                f"the Batch API of {provider.name} does not serve {model}",
                fix="glm batch run asks for every row itself (--force submits it anyway)",
                model_missing=True,
            )
        if serves is None:
            app.terminal.note(f"no source says whether the Batch API of {provider.name} serves {model}: not checked")

    return admit
