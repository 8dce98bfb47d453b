"""From what the user set to what is sent. Every error of input is found here, before a byte leaves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.chat.messages import Function, Message, Request
from glmcli.config import checks, provider_choice
from glmcli.config.keys import KeyRing, has_key, key_name
from glmcli.config.plan import Candidate
from glmcli.console.redaction import Key, Redactor
from glmcli.errors import UsageError
from glmcli.http.proxies import choose as choose_proxy
from glmcli.http.timeouts import Limits
from glmcli.http.urls import base_url, place
from glmcli.providers.table import dialect_of
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.config.config_file import Config
    from glmcli.config.options import Options
    from glmcli.console.terminal import Terminal
    from glmcli.http.call import HttpCall
    from glmcli.http.proxies import Proxy
    from glmcli.http.urls import Place
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


class Layers(Record):
    """The sources of model and provider, strongest first."""

    flags: Options
    file: Mapping[str, str]
    environment: Mapping[str, str]
    config: Config

    def __iter__(self) -> Iterator[provider_choice.Layer]:
        """Flags, request file, environment, configuration."""
        yield provider_choice.Layer(
            "--provider" if self.flags.provider else "--model", self.flags.provider, self.flags.model, verbatim=True
        )
        yield provider_choice.Layer("the request file", self.file.get("provider"), self.file.get("model"))
        yield provider_choice.Layer(
            "GLM_PROVIDER and GLM_MODEL", self.environment.get("GLM_PROVIDER"), _text("GLM_MODEL", self.environment)
        )
        yield provider_choice.Layer(self.config.source or "the configuration", self.config.provider, self.config.model)


class Reached(Record):
    """A provider at the address where it is asked, with its key and its proxy."""

    provider: Provider
    call: HttpCall
    proxy: Proxy | None = None


class Resolver:
    """Makes candidates of options."""

    def __init__(  # noqa: PLR0913 - each is told by another
        self,
        options: Options,
        layers: Layers,
        terminal: Terminal,
        keys: KeyRing,
        embedded: Callable[[Provider], str],
        *,
        dry: bool = False,
    ) -> None:
        """`embedded` gives the address of the provider that is part of the program; `dry`: nothing is sent."""
        self._options = options
        self._layers = layers
        self._terminal = terminal
        self._keys = keys
        self._embedded = embedded
        self._dry = dry or options.dry_run or options.curl

    def candidates(
        self, messages: tuple[Message, ...], tools: tuple[Function, ...] = (), *, stream: bool, vision: bool = False
    ) -> tuple[Candidate, ...]:
        """The provider that is asked first, then the fallbacks; all are checked before the first is asked.

        Raises:
            UsageError: a choice, a value or an address is wrong, or known to be refused.
            CredentialsError: a key is missing or no key.
        """
        first = provider_choice.choose(
            tuple(self._layers),
            self._layers.config.providers,
            self._layers.environment,
            dry=self._dry,
            vision=vision,
        )
        self._own_key()
        if self._layers.config.source:
            self._terminal.detail(f"configuration: {self._layers.config.source}")
        self._terminal.detail(f"first choice: {first.provider.name}/{first.model} ({first.why})")
        chosen = [self._first(first.provider)]
        models = [first.model]
        for text in self._options.fallback:
            row, model = provider_choice.split(text, self._layers.config.providers)
            if not model:
                raise UsageError(message=f"--fallback {text}: no model", fix="--fallback [PROVIDER/]MODEL")
            chosen.append(self._reached(row or first.provider))
            models.append(model)
        requests = [self._request(model, messages, stream=stream).replace(tools=tools) for model in models]
        if self._options.resize:
            from glmcli.config.resizing import resized

            requests = [resized(request, row, self._terminal) for request, row in zip(requests, chosen, strict=True)]
        for provider, request in zip(chosen, requests, strict=True):
            self._check(request, provider)
        return tuple(
            self._candidate(provider, request, first=number == 0)
            for number, (provider, request) in enumerate(zip(chosen, requests, strict=True))
        )

    def alone(self, first_call: Callable[[Provider], HttpCall], what: str) -> Reached:
        """The provider that would be asked first, for `what` is no question of a model, and the first request for it.

        Raises:
            UsageError: a choice or an address is wrong.
            CredentialsError: its key is missing or no key.
        """
        any_model = provider_choice.Layer(what, None, "any")  # a row without a default model lists its own
        layers = (*self._layers, any_model)
        first = provider_choice.choose(layers, self._layers.config.providers, self._layers.environment, dry=False)
        self._own_key()
        self._terminal.detail(f"first choice: {first.provider.name}")
        provider = self._first(first.provider)
        return self._reach(provider, first_call(provider), self._options.key_file, what)

    def _own_key(self) -> None:
        if self._options.key_file and not self._names_provider():
            raise UsageError(
                message="--key-file: whose key is it?", fix="name the provider with -P or -m PROVIDER/MODEL"
            )

    def _names_provider(self) -> bool:
        return any(
            layer.provider or (layer.model and provider_choice.split(layer.model, self._layers.config.providers)[0])
            for layer in self._layers
        )

    def _first(self, provider: Provider) -> Provider:
        """Only the first provider listens to --base-url and its variables."""
        environment = self._layers.environment
        sources = (("--base-url", self._options.base_url), ("GLM_BASE_URL", environment.get("GLM_BASE_URL")))
        for source, url in sources:
            if url and not (provider.embedded and source != "--base-url"):
                return provider.replace(base_url=base_url(url, source), embedded=False)
        return self._reached(provider)

    def _reached(self, provider: Provider) -> Provider:
        """The row with the address that it has without a flag."""
        if provider.embedded:
            return provider.replace(base_url=self._embedded(provider))
        variable = provider.base_url_variable
        if variable and (url := self._layers.environment.get(variable)):
            return provider.replace(base_url=base_url(url, variable))
        if not provider.base_url:
            raise UsageError(message=f"{provider.name} has no address", fix=f"set --base-url or {variable}")
        return provider

    def _request(self, model: str, messages: tuple[Message, ...], *, stream: bool) -> Request:
        options = self._options
        if options.effort is not None and options.think is None:
            options = options.replace(think=True)
        fields = {name: getattr(options, name) for name in _SAME}
        return Request(model=model, messages=messages, extra=dict(options.option), stream=stream, **fields)

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
        reached = self._reach(provider, call, self._options.key_file if first else None, request.model)
        return Candidate(provider, request.model, reached.call, request, reached.proxy)

    def _reach(self, provider: Provider, call: HttpCall, key_file: str | None, what: str) -> Reached:
        """The call with its key and its way, if the key may go there."""
        where = place(call.url)
        key = self._key(provider, key_file)
        if key and not self._dry:
            refuse_plain_http(provider, where)
        proxy = choose_proxy(where.scheme, where.host, where.port, self._layers.environment)
        _remember(self._terminal.redactor, key, proxy.password if proxy else None)
        by = f" through the proxy {proxy}" if proxy else ""
        holder = ", with a key" if key else ", without a key"
        self._terminal.detail(f"{provider.name}/{what}: {call.url}{by}{holder}")
        return Reached(provider, call.replace(key=key), proxy)

    def _key(self, provider: Provider, key_file: str | None) -> Key | None:
        if not self._dry:
            return self._keys.find(provider, key_file)
        if key_file or provider.needs_key or has_key(provider, self._layers.environment):
            return Key("", key_name(provider, self._layers.environment))
        return None


def refuse_plain_http(provider: Provider, where: Place) -> None:
    """Let a key go only where nobody on the way can read it, or where its owner allows it.

    Raises:
        UsageError: it may not go there.
    """
    if not where.is_private and not provider.allow_http:
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


def _text(variable: str, environment: Mapping[str, str]) -> str | None:
    """The variable's value, which is going to be sent."""
    value = environment.get(variable)
    if value and any("\ud800" <= character <= "\udfff" for character in value):
        raise UsageError(message=f"{variable} is not UTF-8")
    return value


def _remember(redactor: Redactor, key: Key | None, password: bytes | None) -> None:
    redactor.add(key.value if key else "")
    redactor.add((password or b"").decode(errors="surrogateescape"))


def limits(options: Options) -> Limits:
    """The time limits and retries."""
    return Limits(
        retries=options.retries,
        retry_max_time=options.retry_max_time,
        connect=options.connect_timeout,
        first=options.first_timeout,
        idle=options.idle_timeout,
        deadline=options.deadline,
    )
