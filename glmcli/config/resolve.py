"""From options to a plan: providers, requests, addresses and keys. Every input error is found here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.catalogue import is_no_thinking
from glmcli.chat.messages import Function, Message, Request
from glmcli.config import checks, provider_choice
from glmcli.config.keys import bound
from glmcli.config.options import Options
from glmcli.config.plan import Candidate, Endpoint, Plan
from glmcli.errors import UsageError
from glmcli.http.proxies import choose_proxy
from glmcli.http.timeouts import Limits
from glmcli.http.urls import normal_base_url, origin
from glmcli.providers.table import dialect_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from glmcli.config.app import App
    from glmcli.config.provider_choice import Layer
    from glmcli.console.redaction import Key
    from glmcli.http.call import HttpCall
    from glmcli.providers.abilities import Objection
    from glmcli.providers.row import Provider

_MAX_BODY = 100_000_000  # bytes
# Fields that a request copies from the options; `model`, `messages` and `tools` are resolved first.
_COPIED = {*Request.__match_args__} & {*Options.__match_args__} - {"model", "messages", "tools"}


class ProviderResolver:
    """Chooses the providers, with address and key, and builds their requests."""

    def __init__(self, app: App, options: Options, layers: tuple[Layer, ...], *, dry: bool = False) -> None:
        """`layers` say model and provider, as `provider_choice.layers` returns them; `dry`: nothing is sent."""
        self._app = app
        self._options = options
        self._layers = layers
        self._environment = app.environment
        self._rows = app.config.providers
        self._terminal = app.terminal
        self._dry = dry or options.is_dry
        self._unnamed: Provider | None = None

    def candidates(
        self, messages: tuple[Message, ...], tools: tuple[Function, ...] = (), *, vision: bool = False
    ) -> tuple[Candidate, ...]:
        """The provider that is asked first, then the fallbacks; all are checked before the first is asked.

        Raises:
            UsageError: a choice, a value or an address is wrong, or known to be refused.
            CredentialsError: a key is missing or malformed.
        """
        first = provider_choice.choose(self._app, self._layers, self._object, dry=self._dry, vision=vision)
        self._unnamed = None if first.named else first.provider
        self._check_key_file()
        if self._app.config.source:
            self._terminal.detail(f"configuration: {self._app.config.source}")
        self._terminal.detail(f"first choice: {first.provider.name}/{first.model} ({first.why})")
        chosen = [(self._first(first.provider), first.model), *self._fallbacks(first.provider)]
        requests = [
            (provider, self._request(provider, model, messages, tools, is_fallback=number > 0))
            for number, (provider, model) in enumerate(chosen)
        ]
        key_files = (self._options.key_file, *(None for _ in self._options.fallback))
        return tuple(
            self._candidate(provider, request, key_file)
            for (provider, request), key_file in zip(requests, key_files, strict=True)
        )

    def _fallbacks(self, first: Provider) -> Iterator[tuple[Provider, str]]:
        for text in self._options.fallback:
            row, model = provider_choice.split(text, self._rows)
            if not model:
                raise provider_choice.without_model("--fallback", text)
            if row is None and (objection := self._objection_to(model, "--fallback", first)):
                self._object(objection)
            yield self._addressed(row or first), model

    def objection_to_model(self, model: str, source: str) -> Objection | None:
        """Why a row's own model is not sent to the first candidate, if that is only the default provider.

        `source` says where the model was named.
        """
        return self._objection_to(model, source, self._unnamed) if self._unnamed else None

    def _objection_to(self, model: str, source: str, provider: Provider) -> Objection | None:
        from glmcli.config.model_names import objection_to

        return objection_to(model, source, provider, self._rows)

    def provider(self, what: str, *, may_be_embedded: bool) -> Provider:
        """The provider that would be asked first, with its address, for `what`: a use of its API without a model.

        An embedded provider has an address only where it `may_be_embedded`.

        Raises:
            UsageError: a choice or an address is wrong.
            CredentialsError: no provider was named, and none has a key.
        """
        any_model = provider_choice.Layer(what, None, "any")  # a row without a default model lists its own
        first = provider_choice.choose(self._app, (*self._layers, any_model), self._object, dry=False)
        self._check_key_file()
        self._terminal.detail(f"first choice: {first.provider.name}")
        return self._first(first.provider, may_be_embedded=may_be_embedded)

    def _check_key_file(self) -> None:
        """Refuse --key-file where no provider was named: the key would go to whoever is the default."""
        named = (
            layer.provider or (layer.model and provider_choice.split(layer.model, self._rows)[0])
            for layer in self._layers
        )
        if self._options.key_file and not any(named):
            raise UsageError(
                message="--key-file: whose key is it?", fix="name the provider with -P or -m PROVIDER/MODEL"
            )

    def _first(self, provider: Provider, *, may_be_embedded: bool = True) -> Provider:
        """The row with its address; --base-url and GLM_BASE_URL apply to the first provider only."""
        sources = (("--base-url", self._options.base_url), ("GLM_BASE_URL", self._environment.get("GLM_BASE_URL")))
        for source, url in sources:
            if url and not (provider.embedded and source != "--base-url"):
                return provider.replace(base_url=normal_base_url(url, source), embedded=False)
        return self._addressed(provider) if may_be_embedded or not provider.embedded else provider

    def _addressed(self, provider: Provider) -> Provider:
        """The row with its own address: of the sandbox, of its variable, or of the row."""
        if provider.embedded:
            return provider.replace(base_url=self._app.sandbox_url(provider, starts=not self._dry))
        variable = provider.base_url_variable
        if variable and (url := self._environment.get(variable)):
            return provider.replace(base_url=normal_base_url(url, variable))
        if not provider.base_url:
            raise UsageError(message=f"{provider.name} has no address", fix=f"set --base-url or {variable}")
        return provider

    def _request(
        self,
        provider: Provider,
        model: str,
        messages: tuple[Message, ...],
        tools: tuple[Function, ...],
        *,
        is_fallback: bool,
    ) -> Request:
        """The request for this provider, checked against what it is known to refuse."""
        options = self._options
        fields = {name: getattr(options, name) for name in _COPIED}
        if options.effort is not None and options.think is None:
            # One that is no thinking stands alone.
            fields["think"] = None if is_no_thinking(options.effort, provider.model(model)) else True
        drops = is_fallback and options.keep_thinking and not checks.can_keep_thinking(model, provider)
        if drops:
            # The question is the same without it, and who names a fallback wants an answer.
            fields["keep_thinking"] = None
            self._terminal.note(f"--keep-thinking: the fallback {provider.name}/{model} is sent no earlier reasoning")
        extra, stream = dict(options.option), not options.no_stream
        request = Request(model=model, messages=messages, extra=extra, stream=stream, tools=tools, **fields)
        if options.resize:
            from glmcli.config.media_files import resized

            request = resized(request, provider, self._terminal)
        self._check(request, provider)
        if not drops and (remark := checks.reasoning_remark(request, provider)):
            # Whoever wrote it by hand means it to be read; a session has it after every answer, and says it with -v.
            by_hand = any(message.get("reasoning") for message in options.messages)
            (self._terminal.note if by_hand else self._terminal.detail)(remark)
        return request

    def _check(self, request: Request, provider: Provider) -> None:
        for contradiction in checks.contradictions(request, provider):
            raise contradiction
        for objection in checks.objections(request, provider):
            self._object(objection)
        for remark in checks.remarks(request, provider, checks.today()):
            self._terminal.note(remark)
        who = f"{provider.name}/{request.model}: " if self._options.fallback else ""
        for detail in checks.details(request, provider):
            self._terminal.detail(who + detail)

    def _object(self, objection: Objection) -> None:
        """Refuse what is objected to, unless --force sends it."""
        if not self._options.force:
            raise UsageError(message=objection.message, fix=f"{objection.fix} (--force sends it anyway)")
        self._terminal.note(f"{objection.message}: sent all the same")

    def _candidate(self, provider: Provider, request: Request, key_file: str | None) -> Candidate:
        provider = provider.serving(request.model)
        call = dialect_of(provider).encode(request, provider)
        if call.has_data and (size := len(call.content())) > _MAX_BODY:
            raise UsageError(
                message=f"the request has {size} bytes, with its files as base64; at most {_MAX_BODY} are sent",
                fix="--resize, smaller files, or URLs",
            )
        endpoint = self.endpoint(provider, call, key_file, request.model)
        return Candidate(provider, request.model, endpoint.call, request, endpoint.proxy)

    def endpoint(self, provider: Provider, call: HttpCall, key_file: str | None, what: str) -> Endpoint:
        """The call with its key and its proxy; `what` it is for, for --verbose.

        Raises:
            UsageError: the key may not be sent there.
            CredentialsError: the key is missing or malformed.
        """
        where = origin(call.url)
        key = self._key(provider, key_file)
        proxy = choose_proxy(where.scheme, where.host, where.port, self._environment)
        redactor = self._terminal.redactor
        redactor.add(key.value if key else "")
        redactor.add(((proxy and proxy.password) or b"").decode(errors="surrogateescape"))
        key = key and bound(key, provider, where, proxy)
        by = f" through the proxy {proxy}" if proxy else ""
        holder = ", with a key" if key else ", without a key"
        self._terminal.detail(f"{provider.name}/{what}: {call.url}{by}{holder}")
        return Endpoint(provider, call.replace(key=key), proxy)

    def _key(self, provider: Provider, key_file: str | None) -> Key | None:
        if not self._dry:
            return self._app.keys.find(provider, key_file)
        # Where no request is printed either, it is lines that somebody else will send.
        return self._app.keys.shown(provider, key_file) if self._options.is_dry else None


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
