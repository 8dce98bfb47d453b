"""The provider of a job: its address and its key, found as for a question, never in a file that is only data."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from glmcli.batch.jobs import job_file as jobs
from glmcli.batch.jobs.service import Service
from glmcli.commands.flags import FLAGS, Flag
from glmcli.config import resolve
from glmcli.config.app import check_caller
from glmcli.config.options import Options
from glmcli.config.provider_choice import layers
from glmcli.engine.api_calls import ApiClient
from glmcli.errors import UsageError
from glmcli.providers import batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.batch.jobs.job_file import Job
    from glmcli.config.app import App
    from glmcli.config.plan import Endpoint
    from glmcli.providers.row import Provider

_TIME = ("retries", "retry_max_time", "connect_timeout", "first_timeout", "idle_timeout", "deadline")
_REACHING = ("base_url", "key_file", *_TIME, "quiet", "verbose")


def flags(*more: str) -> tuple[Flag, ...]:
    """The flags of those who talk to a provider about batches, and these of those who ask a model."""
    return tuple(flag for flag in FLAGS if flag.field in (*_REACHING, *more))


def options_of(given: Mapping[str, Any], own: Iterable[str]) -> Options:
    """What was given, without what is a command's own."""
    skipped = frozenset(own)
    return Options(**{name: value for name, value in given.items() if name not in skipped})


def service(app: App, options: Options) -> Service:
    """The provider that these options name.

    Raises:
        UsageError: it has no Batch API.
        CredentialsError: its key is missing or no key.
    """
    resolver = resolve.ProviderResolver(app, options, layers(app, options.fields()))
    provider = resolver.provider("batches", may_be_embedded=False)
    check(provider)
    return service_at(app, resolver.endpoint(provider, batches.listing(provider), options.key_file, "batches"), options)


def check(provider: Provider) -> None:
    """Return if the provider runs batches.

    Raises:
        UsageError: it does not, and what to do instead.
    """
    if provider.batch is None:
        fix = provider.no_batch or "glm batch run asks for every row itself"
        raise UsageError(f"{provider.name} has no Batch API", fix=fix)
    if provider.embedded:
        raise UsageError(
            "the sandbox inside glm ends with this command, and its batches with it",
            fix="start glm sandbox, and name its address with --base-url",
        )


def service_at(app: App, endpoint: Endpoint, options: Options) -> Service:
    """The provider that was found."""
    plan, tick = resolve.make_plan(app, options), partial(check_caller, app.terminal.stdout)
    return Service(ApiClient(endpoint, plan, app.terminal, app.tls([endpoint.call]), tick))


def same_place(job: Job, provider: Provider, output: str) -> None:
    """Return if a job is at the place that would be asked.

    A job file is data, and may come from anywhere: it never decides where a key goes.

    Raises:
        UsageError: it is elsewhere.
    """
    if job.provider != provider.name:
        message = f"{output} was submitted to {job.provider}, not to {provider.name}"
        raise UsageError(message, fix=jobs.anew(output) if job.is_idle else "another -O FILE, or that provider")
    if job.base_url != provider.base_url:
        message = f"{output} was submitted at {job.base_url}, and {provider.name} is at {provider.base_url}"
        fix = f"--base-url {job.base_url}, if that is where the key may go"
        raise UsageError(message, fix=f"{fix}; {jobs.anew(output)}" if job.is_idle else fix)
