"""The types of the provider table: what can differ between those who serve GLM."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal

from glmcli.catalogue import find
from glmcli.record import EMPTY, Record

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    from glmcli.errors import GlmError, Retry
    from glmcli.providers.batch_form import BatchForm


class Thinking(Enum):
    """The form of the switch that turns thinking on and off."""

    TYPE = "thinking"  # {"thinking": {"type": "enabled"}}
    ENABLE = "enable_thinking"  # {"enable_thinking": true}
    TEMPLATE = "chat_template_kwargs"  # {"chat_template_kwargs": {"enable_thinking": true}}
    EFFORT = "reasoning_effort"  # {"reasoning_effort": "none"} turns it off
    NONE = ""


class Range(Record):
    """The values that a parameter takes; None is unbounded, `open_low` and `open_high` exclude the bound itself."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: float) -> bool:
        """Whether the provider takes this value."""
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        below = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return above and below

    def __str__(self) -> str:
        """The interval, as mathematicians write it; a missing bound is left out."""
        low = "" if self.low is None else f"{self.low:g}"
        high = "" if self.high is None else f"{self.high:g}"
        return f"{'(' if self.open_low or not low else '['}{low}, {high}{')' if self.open_high or not high else ']'}"


class Verdict(Record):
    """What one of a provider's codes means for a script."""

    error: type[GlmError]
    what: str
    retry: Retry | None = None
    fix: str | None = None
    model_missing: bool = False


class Codes(Record):
    """How a provider says no: its codes, and the few whose text decides.

    `by_text` maps a code or type to patterns that are searched in the message before the code itself counts.
    `by_type` counts where the code says nothing; providers whose `type` cannot be trusted leave it empty.
    """

    by_code: Mapping[str, Verdict] = EMPTY
    by_text: Mapping[str, tuple[tuple[re.Pattern[str], Verdict], ...]] = EMPTY
    by_type: Mapping[str, Verdict] = EMPTY


class Wire(Record):
    """What differs inside a dialect.

    Attributes:
        thinking: the form of the thinking switch.
        thinking_explicit: send the switch for models that can think, even when the user said nothing.
        effort_words: what --effort takes where the catalogue says nothing of the model; None: any word.
        usage_on_request: `stream_options.include_usage` must be sent to learn the usage of a stream.
        accept_language: header that selects the language of error messages.
        text_frames: whether each frame holds new text only, or all text so far.
        think_tags: whether thinking comes as `<think>` tags inside the answer.
        leading_newlines: answers may begin with newlines that mean nothing.
        reasoning_back: where earlier reasoning is sent back to the model.
        tool_stream: the provider takes `tool_stream`, by which the arguments of calls come in pieces.
        tool_choices: the words that `tool_choice` takes, `NAME` for the name of a function; None: all.
        forces_thinking: a call can be demanded while the model thinks.
        most_tools: how many functions the provider takes; None: no known limit.
        forbidden_tools: names that a function may not have.
        caps_thinking: `max_tokens` counts thinking too.
        thinking_budget: the provider takes `thinking_budget`.
        parameters: known ranges; a parameter that maps to None is not accepted.
        most_stops: how many stop strings the provider takes; None: no known limit.
        few_stops: the sources disagree on whether more than one stop string is taken.
        json_without_thinking: structured output is refused while the model thinks; the catalogue knows better.
        json_must_be_named: structured output is refused unless the conversation names JSON.
        json_schema: `response_format` takes a schema, or nothing is known against it; the catalogue knows better.
        limits: what the provider counts when it refuses.
        media: how it takes pictures, videos and files, and in which order: a form of the catalogue.
        box_tags: this answer may hold `<|begin_of_box|>` and `<|end_of_box|>`, and begin with think tags.
    """

    thinking: Thinking
    thinking_explicit: bool = False
    effort_words: tuple[str, ...] | None = None
    usage_on_request: bool = True
    accept_language: str | None = None
    text_frames: Literal["deltas", "cumulative"] = "deltas"
    think_tags: Literal["none", "open", "bare"] = "none"
    leading_newlines: bool = False
    reasoning_back: Literal["never", "tool_turn"] = "never"
    tool_stream: bool = False
    tool_choices: tuple[str, ...] | None = None
    forces_thinking: bool = True
    most_tools: int | None = None
    forbidden_tools: tuple[str, ...] = ()
    caps_thinking: bool = True
    thinking_budget: bool = False
    parameters: Mapping[str, Range | None] = EMPTY
    most_stops: int | None = None
    few_stops: bool = False
    json_without_thinking: bool = False
    json_must_be_named: bool = False
    json_schema: bool = True
    limits: Literal["in_flight", "per_minute"] | None = None
    media: Literal["openai", "zhipu", "tokenhub", "ollama"] | None = "openai"
    box_tags: bool = False

    @property
    def sends_leading_newlines(self) -> bool:
        """Answers may begin with newlines that mean nothing: by habit, or because a think tag stood before them."""
        return self.leading_newlines or self.think_tags != "none"


class Provider(Record):
    """A row: who serves the model, at which address, with whose key, in which dialect.

    Attributes:
        catalogue: whose list of models holds here (a row of the configuration file keeps that of the row it is like).
        hosted: may be chosen silently when its key is set.
        embedded: the server is part of glm, and is started when it is asked.
        default_model: what an unset --model means; None: --model is needed.
        vision_model: the same for `glm vision`.
        base_url_variable: the variable that may hold the address.
        allow_http: the user allows the key over plain http:// to this host.
        key_file: where the configuration file says the key stands.
        key_command: the command whose output the configuration file names as the key.
        batch: how its Files and Batches APIs want to be used; None: it has none, and `no_batch` says
            what to do.
    """

    name: str
    base_url: str
    catalogue: str
    wire: Wire
    key_variables: tuple[str, ...] = ()
    dialect: Literal["openai", "dashscope"] = "openai"
    codes: Codes = Codes()
    hosted: bool = False
    embedded: bool = False
    default_model: str | None = None
    vision_model: str | None = None
    base_url_variable: str | None = None
    allow_http: bool = False
    key_file: str | None = None
    key_command: tuple[str, ...] = ()
    batch: BatchForm | None = None
    no_batch: str | None = None

    @property
    def needs_key(self) -> bool:
        """A request without a key cannot succeed here."""
        return bool(self.key_variables or self.key_file or self.key_command)

    def serving(self, model: str) -> Provider:
        """The row as it is for this model."""
        known = find(self.catalogue, model)
        if known is None or not known.box_tags:
            return self
        return self.replace(wire=self.wire.replace(box_tags=True, think_tags="open"))
