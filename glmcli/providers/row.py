"""The types of the provider table: everything that can differ between the services that offer GLM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from glmcli import catalogue
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.catalogue import Model
    from glmcli.errors import GlmError, Retry

_CHAT_PATHS = {"openai": "/chat/completions", "dashscope": "/services/aigc/text-generation/generation"}


class ThinkingSwitch(Record):
    """The fields of a request body that turn thinking on and off.

    Attributes:
        on: the fields that turn it on.
        off: the fields that turn it off.
        is_shared: the fields are objects with other keys too, which the user may set with --option; else --option may
            not name these fields at all.
        keep: what is added to them so that the model reads the reasoning of earlier turns; None: no way is known.
        clear: the opposite of `keep`.
    """

    on: Mapping[str, Any]
    off: Mapping[str, Any]
    is_shared: bool = False
    keep: Mapping[str, Any] | None = None
    clear: Mapping[str, Any] | None = None


class Range(Record):
    """The values that a parameter takes.

    None is unbounded, `open_low` and `open_high` exclude the bound itself; `off` is a value beside the range.
    """

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    off: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the provider takes this value."""
        if value == self.off:
            return True
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        below = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return above and below

    def __str__(self) -> str:
        """The interval in mathematical notation; a missing bound is left out."""
        low = "" if self.low is None else f"{self.low:g}"
        high = "" if self.high is None else f"{self.high:g}"
        begins, ends = "(" if self.open_low or not low else "[", ")" if self.open_high or not high else "]"
        return f"{begins}{low}, {high}{ends}" + ("" if self.off is None else f" or {self.off:g}")


class ErrorMeaning(Record):
    """What one of a provider's error codes means: the exception, its message, and whether a retry may help."""

    error: type[GlmError]
    what: str
    retry: Retry | None = None
    fix: str | None = None
    model_missing: bool = False


class ErrorCodes(Record):
    """The error codes of a provider.

    Attributes:
        by_code: code -> meaning.
        by_text: code or type -> patterns that are searched in the message, and what a match means; they are tried
            before `by_code`.
        by_type: type -> meaning, where the code is unknown; empty where the provider's `type` cannot be trusted.
    """

    by_code: Mapping[str, ErrorMeaning] = EMPTY
    by_text: Mapping[str, tuple[tuple[str, ErrorMeaning], ...]] = EMPTY
    by_type: Mapping[str, ErrorMeaning] = EMPTY


class BatchApi(Record):
    """How a provider's Files and Batches APIs differ from those of OpenAI.

    Attributes:
        url: the path in each line, and the endpoint of the batch: a name, not an address.
        uploads: there is a Files API; without it the lines must stand at an address that the provider can read.
        auto_delete: the provider deletes the input file afterwards by default, and the request says so explicitly.
        window: the time within which the batch must be done.
        max_lines: lines of a file; None: no known limit.
        max_bytes: bytes of a file.
        max_line_bytes: bytes of a line.
        models: models with an endpoint and limits of their own.
    """

    url: str = "/v1/chat/completions"
    uploads: bool = True
    auto_delete: bool = False
    window: str = "24h"
    max_lines: int | None = None
    max_bytes: int | None = None
    max_line_bytes: int | None = None
    models: Mapping[str, BatchApi] = EMPTY

    def of(self, model: str) -> BatchApi:
        """The endpoint and limits that hold for this model."""
        return self.models.get(model, self)


class Api(Record):
    """How a provider's chat API differs from others of its dialect.

    Attributes:
        thinking: how thinking is switched, from the table of switches in `table.py`; None: no way is known.
        thinking_explicit: send the switch for models that can think, even when the user did not choose.
        thinking_without_stream: what becomes of thinking without a stream, as the end of a sentence; None: nothing.
        effort_words: the values of --effort where the catalogue knows nothing of the model; None: any word.
        usage_on_request: a stream reports its usage only with `stream_options.include_usage`.
        accept_language: the header that selects the language of error messages.
        text_frames: whether each frame holds new text only, or all text so far.
        think_tags: whether thinking comes as `<think>` tags inside the answer, see `glmcli.providers.text_filter`.
        leading_newlines: answers may begin with newlines that mean nothing.
        reasoning_back: where earlier reasoning is sent back to the model unasked; all of it, if it is to keep it.
        tool_stream: the provider takes `tool_stream`, which makes the arguments of calls come in pieces.
        search_parameter: the parameter that asks for its web search; None: a tool of the type `web_search` does.
        partial: a last message of the assistant may say `partial: true`, and the model goes on with it.
        tool_choices: the values that `tool_choice` takes, `NAME` for the name of a function; None: all.
        forces_thinking: a tool call can be demanded while the model thinks.
        max_tools: how many functions the provider takes; None: no known limit.
        forbidden_tools: names that a function may not have.
        caps_thinking: `max_tokens` counts thinking too.
        total_cap: the field that caps thinking and answer together, of models that take `max_completion_tokens`.
        field_names: the names of body fields that differ from those of a Request; without `think_budget` among them,
            the provider has no thinking budget.
        parameters: known ranges; a parameter that maps to None is not accepted, or dropped silently.
        max_stops: how many stop strings the provider takes; None: no known limit.
        few_stops: the sources disagree on whether more than one stop string is taken.
        doubtful: the parameters of which the sources disagree on whether they are taken.
        json_without_thinking: structured output is refused while the model thinks; the catalogue's facts come first.
        json_must_be_named: structured output is refused unless the conversation contains the word JSON.
        json_schema: `response_format` takes a schema, or may take one; the catalogue's facts come first.
        limits: what the provider counts when it limits the rate of requests.
        media: how it takes pictures, videos and files: a name under `media` in the catalogue.
        box_tags: answers may contain `<|begin_of_box|>` and `<|end_of_box|>`; None: the model decides, see
            `Provider.serving`.
    """

    thinking: ThinkingSwitch | None
    thinking_explicit: bool = False
    thinking_without_stream: str | None = None
    effort_words: tuple[str, ...] | None = None
    usage_on_request: bool = True
    accept_language: str | None = None
    text_frames: Literal["deltas", "cumulative"] = "deltas"
    think_tags: Literal["none", "open", "bare"] = "none"
    leading_newlines: bool = False
    reasoning_back: Literal["never", "tool_turn"] = "never"
    tool_stream: bool = False
    search_parameter: str | None = None
    partial: bool = False
    tool_choices: tuple[str, ...] | None = None
    forces_thinking: bool = True
    max_tools: int | None = None
    forbidden_tools: tuple[str, ...] = ()
    caps_thinking: bool = True
    total_cap: str | None = None
    field_names: Mapping[str, str] = EMPTY
    parameters: Mapping[str, Range | None] = EMPTY
    max_stops: int | None = None
    few_stops: bool = False
    doubtful: tuple[str, ...] = ()
    json_without_thinking: bool = False
    json_must_be_named: bool = False
    json_schema: bool = True
    limits: Literal["in_flight", "per_minute"] | None = None
    media: Literal["openai", "zhipu", "tokenhub", "ollama"] | None = "openai"
    box_tags: bool | None = None

    @property
    def keeps_thinking(self) -> bool:
        """The model can be asked to read the reasoning of earlier turns."""
        return self.thinking is not None and self.thinking.keep is not None

    @property
    def sends_leading_newlines(self) -> bool:
        """Answers may begin with newlines that mean nothing: as a rule, or because a think tag stood before them."""
        return self.leading_newlines or self.think_tags != "none"


class ConfiguredModel(Record):
    """A model of which the user's configuration states facts.

    Attributes:
        stated: those facts, in the form of schemas/config.schema.json.
        facts: the same with those of the catalogue.
        model: what of it is checked before a request is sent.
    """

    stated: Mapping[str, Any]
    facts: Mapping[str, Any]
    model: Model


class Provider(Record):
    """A row of the table: a service, its address, its keys, its dialect, and how its API differs.

    Attributes:
        base_url: the address, up to where the dialect appends a path.
        key_variables: the environment variables that may hold the key; the first that is set counts.
        codes: what its error codes mean, from `codes.py`; without them the HTTP status decides, then OpenAI's `type`.
        catalogue: the name in the catalogue whose models are served here; empty: none is known. A row of the
            configuration file keeps that of the row that it is like.
        hosted: may be chosen silently when its key is set, in the order of the table.
        embedded: the server is part of glm, and is started when it is needed.
        base_url_variable: the environment variable that may hold the address.
        allow_http: the user allows the key over plain http:// to this host.
        key_file: the file that holds the key, from the configuration file.
        key_command: the command whose output is the key, from the configuration file.
        models: the models of which the configuration file states something.
        batch: how its Files and Batches APIs are used; None: it has none, and `no_batch` says what to do.
    """

    name: str
    base_url: str
    catalogue: str
    api: Api
    key_variables: tuple[str, ...] = ()
    dialect: Literal["openai", "dashscope"] = "openai"
    codes: ErrorCodes = ErrorCodes()
    hosted: bool = False
    embedded: bool = False
    base_url_variable: str | None = None
    allow_http: bool = False
    key_file: str | None = None
    key_command: tuple[str, ...] = ()
    models: Mapping[str, ConfiguredModel] = EMPTY
    batch: BatchApi | None = None
    no_batch: str | None = None

    @property
    def chat_url(self) -> str:
        """Where questions are sent."""
        return self.base_url + _CHAT_PATHS[self.dialect]

    @property
    def needs_key(self) -> bool:
        """A request without a key cannot succeed here."""
        return bool(self.key_variables or self.key_file or self.key_command)

    @property
    def default_model(self) -> str | None:
        """The model when --model is not set; None: --model is needed."""
        return (self.default("ask") or EMPTY).get("model")

    @property
    def vision_model(self) -> str | None:
        """The same for `glm vision`."""
        return (self.default("vision") or EMPTY).get("model")

    def default(self, use: Literal["ask", "vision"]) -> Mapping[str, str] | None:
        """The `model` that is asked where none is named, the `reason`, and its `source`; None: one must be named."""
        return catalogue.default_model(self.catalogue, use)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The models of which something is known here."""
        listed = catalogue.names(self.catalogue)
        return (*listed, *(name for name in self.models if name not in listed)) if self.models else listed

    def facts(self, model: str) -> Mapping[str, Any] | None:
        """All that is known of this model here, in the form of schemas/models.schema.json; None: nothing."""
        configured = self.models.get(model)
        return configured.facts if configured else catalogue.facts(self.catalogue, model)

    def stated(self, model: str) -> Mapping[str, Any]:
        """What the user's configuration states of this model here, in the form of schemas/config.schema.json."""
        configured = self.models.get(model)
        return configured.stated if configured else EMPTY

    def model(self, model: str) -> Model | None:
        """Those facts that are checked before a request is sent; None: nothing is known of the model."""
        configured = self.models.get(model)
        return configured.model if configured else catalogue.find(self.catalogue, model)

    def models_where(self, condition: Callable[[Mapping[str, Any]], bool]) -> tuple[str, ...]:
        """The models whose facts satisfy `condition`, the newest first, without those that may be gone."""
        known = {name: self.facts(name) or EMPTY for name in self.model_names}
        return tuple(name for name, facts in known.items() if not catalogue.is_gone(facts) and condition(facts))

    def serving(self, model: str) -> Provider:
        """The row, adapted to the form of this model's answers, as the catalogue has it.

        The marks around an answer come from the model, wherever it is served. Whether think tags come through depends
        on the server: a provider whose own catalogue has the model sends them, of others the row says it.
        """
        form = catalogue.boxed(model)
        if form is None:
            return self
        api = self.api if self.api.box_tags is not None else self.api.replace(box_tags=True)
        if form.get("think_tags") and self.facts(model) is not None:
            api = api.replace(think_tags="open")
        return self.replace(api=api)
