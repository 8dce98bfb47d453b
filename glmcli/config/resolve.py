"""From what the user set to what is sent. Every error of input is found here, before a byte leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.chat.messages import Function, Message, Request
from glmcli.config import checks, provider_choice
from glmcli.config.keys import has_key, key_name
from glmcli.config.plan import Candidate, Endpoint, Plan
from glmcli.console.redaction import Key, Redactor
from glmcli.errors import UsageError
from glmcli.http.proxies import choose_proxy
from glmcli.http.timeouts import Limits
from glmcli.http.urls import normal_base_url, origin
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from glmcli.config.app import App
    from glmcli.config.options import Options
    from glmcli.config.provider_choice import Layer
    from glmcli.http.call import HttpCall
    from glmcli.http.urls import Origin
    from glmcli.providers.row import Provider

_MOST_BODY = 100_000_000  # bytes
_SAME = (
    "think",
    "effort",
    "think_budget",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "max_tokens",
    "seed",
    "stop",
    "server_tools",
    "tool_choice",
    "tool_stream",
)


class Resolver:
    """Makes of the options who is asked, where, and with which key."""

    def __init__(self, app: App, options: Options, layers: tuple[Layer, ...], *, dry: bool = False) -> None:
        """`layers` say model and provider, as `provider_choice.layers` gives them; `dry`: nothing is sent."""
        self._app = app
        self._options = options
        self._layers = layers
        self._environment = app.environment
        self._rows = app.config.providers
        self._terminal = app.terminal
        self._dry = dry or options.is_dry

    def candidates(
        self, messages: tuple[Message, ...], tools: tuple[Function, ...] = (), *, vision: bool = False
    ) -> tuple[Candidate, ...]:
        """The provider that is asked first, then the fallbacks; all are checked before the first is asked.

        Raises:
            UsageError: a choice, a value or an address is wrong, or known to be refused.
            CredentialsError: a key is missing or no key.
        """
        first = provider_choice.choose(self._layers, self._rows, self._environment, dry=self._dry, vision=vision)
        self._own_key()
        if self._app.config.source:
            self._terminal.detail(f"configuration: {self._app.config.source}")
        self._terminal.detail(f"first choice: {first.provider.name}/{first.model} ({first.why})")
        chosen = [self._first(first.provider)]
        models = [first.model]
        for text in self._options.fallback:
            row, model = provider_choice.split(text, self._rows)
            if not model:
                raise UsageError(message=f"--fallback {text}: no model", fix="--fallback [PROVIDER/]MODEL")
            chosen.append(self._addressed(row or first.provider))
            models.append(model)
        requests = [self._request(model, messages, tools) for model in models]
        if self._options.resize:
            from glmcli.config.resizing import resized

            requests = [resized(request, row, self._terminal) for request, row in zip(requests, chosen, strict=True)]
        for provider, request in zip(chosen, requests, strict=True):
            self._check(request, provider)
        return tuple(
            self._candidate(provider, request, first=number == 0)
            for number, (provider, request) in enumerate(zip(chosen, requests, strict=True))
        )

    def provider(self, what: str, *, may_be_embedded: bool) -> Provider:
        """The provider that would be asked first, with its address, for `what`, which is not a question of a model.

        An embedded provider has an address only where it `may_be_embedded`.

        Raises:
            UsageError: a choice or an address is wrong.
            CredentialsError: nobody was named, and no provider has a key.
        """
        any_model = provider_choice.Layer(what, None, "any")  # a row without a default model lists its own
        layers = (*self._layers, any_model)
        first = provider_choice.choose(layers, self._rows, self._environment, dry=False)
        self._own_key()
        self._terminal.detail(f"first choice: {first.provider.name}")
        return self._first(first.provider, may_be_embedded=may_be_embedded)

    def _own_key(self) -> None:
        if self._options.key_file and not self._names_provider():
            raise UsageError(
                message="--key-file: whose key is it?", fix="name the provider with -P or -m PROVIDER/MODEL"
            )

    def _names_provider(self) -> bool:
        return any(
            layer.provider or (layer.model and provider_choice.split(layer.model, self._rows)[0])
            for layer in self._layers
        )

    def _first(self, provider: Provider, *, may_be_embedded: bool = True) -> Provider:
        """Only the first provider listens to --base-url and its variables."""
        environment = self._environment
        sources = (("--base-url", self._options.base_url), ("GLM_BASE_URL", environment.get("GLM_BASE_URL")))
        for source, url in sources:
            if url and not (provider.embedded and source != "--base-url"):
                return provider.replace(base_url=normal_base_url(url, source), embedded=False)
        return self._addressed(provider) if may_be_embedded or not provider.embedded else provider

    def _addressed(self, provider: Provider) -> Provider:
        """The row with the address that it has without a flag."""
        if provider.embedded:
            return provider.replace(base_url=self._app.sandbox_url(provider, starts=not self._dry))
        variable = provider.base_url_variable
        if variable and (url := self._environment.get(variable)):
            return provider.replace(base_url=normal_base_url(url, variable))
        if not provider.base_url:
            raise UsageError(message=f"{provider.name} has no address", fix=f"set --base-url or {variable}")
        return provider

    def _request(self, model: str, messages: tuple[Message, ...], tools: tuple[Function, ...]) -> Request:
        options = self._options
        if options.effort is not None and options.think is None:
            options = options.replace(think=True)
        fields = {name: getattr(options, name) for name in _SAME}
        extra, stream = dict(options.option), not options.no_stream
        return Request(model=model, messages=messages, extra=extra, stream=stream, tools=tools, **fields)

    def _check(self, request: Request, provider: Provider) -> None:
        for contradiction in checks.contradictions(request, provider):
            raise contradiction
        for objection in checks.objections(request, provider):
            if not self._options.force:
                raise UsageError(message=objection.message, fix=f"{objection.fix} (--force sends it anyway)")
            self._terminal.note(f"{objection.message}: sent all the same")
        for remark in checks.remarks(request, provider, _today()):
            self._terminal.note(remark)
        for detail in checks.details(request, provider):
            self._terminal.detail(detail)

    def _candidate(self, provider: Provider, request: Request, *, first: bool) -> Candidate:
        provider = provider.serving(request.model)
        call = dialect_of(provider).encode(request, provider)
        _bound(call)
        endpoint = self.endpoint(provider, call, self._options.key_file if first else None, request.model)
        return Candidate(provider, request.model, endpoint.call, request, endpoint.proxy)

    def endpoint(self, provider: Provider, call: HttpCall, key_file: str | None, what: str) -> Endpoint:
        """The call with its key and its proxy; `what` it is for, for --verbose.

        Raises:
            UsageError: the key may not go there.
            CredentialsError: the key is missing or no key.
        """
        where = origin(call.url)
        key = self._key(provider, key_file)
        if key and not self._dry:
            refuse_plain_http(provider, where)
        proxy = choose_proxy(where.scheme, where.host, where.port, self._environment)
        _remember(self._terminal.redactor, key, proxy.password if proxy else None)
        by = f" through the proxy {proxy}" if proxy else ""
        holder = ", with a key" if key else ", without a key"
        self._terminal.detail(f"{provider.name}/{what}: {call.url}{by}{holder}")
        return Endpoint(provider, call.replace(key=key), proxy)

    def _key(self, provider: Provider, key_file: str | None) -> Key | None:
        if not self._dry:
            return self._app.keys.find(provider, key_file)
        if key_file or provider.needs_key or has_key(provider, self._environment):
            return Key("", key_name(provider, self._environment))
        return None


def refuse_plain_http(provider: Provider, where: Origin) -> None:
    """Let a key go only where nobody on the way can read it, or where its owner allows it.

    Raises:
        UsageError: it may not go there.
    """
    if not where.is_secure and not provider.allow_http:
        raise UsageError(
            message=f"refusing to send a key over plain http:// to {where.host}",
            fix="use https://, or allow_http in a row of the configuration file",
        )


def _today() -> str:
    """The day in UTC, as the catalogue writes days."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _bound(call: HttpCall) -> None:
    """Refuse a body that no server takes, before anybody is asked to."""
    if call.has_data and (size := len(call.content())) > _MOST_BODY:
        raise UsageError(
            message=f"the request has {size} bytes, with its files as base64; at most {_MOST_BODY} are sent",
            fix="--resize, smaller files, or URLs",
        )


def _remember(redactor: Redactor, key: Key | None, password: bytes | None) -> None:
    redactor.add(key.value if key else "")
    redactor.add((password or b"").decode(errors="surrogateescape"))


def make_plan(
    app: App, options: Options, candidates: tuple[Candidate, ...] = (), *, live: bool = False, runs_tools: bool = False
) -> Plan:
    """All that is decided before the first byte is sent; without candidates, for requests that ask no model."""
    return Plan(
        candidates=candidates,
        started=app.started,
        limits=Limits(
            retries=options.retries,
            retry_max_time=options.retry_max_time,
            connect=options.connect_timeout,
            first=options.first_timeout,
            idle=options.idle_timeout,
            deadline=options.deadline,
        ),
        live=live,
        exact=options.exact,
        allow_empty=options.allow_empty,
        runs_tools=runs_tools,
    )
