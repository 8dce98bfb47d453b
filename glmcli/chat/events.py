"""The events that a reply consists of: a closed union. Pure.

A dialect decodes bytes to events; whoever reads a reply (the writers, the engine, the session file) sees only these.
`glmcli.chat.reply` folds them into a `Reply`.
"""

from __future__ import annotations

from glmcli.record import Record


class Reasoning(Record):
    """A piece of the model's thinking."""

    text: str


class Answer(Record):
    """A piece of the answer."""

    text: str


class Refusal(Record):
    """A piece of the model's words why it does not answer, where they stand apart from the answer."""

    text: str


class ToolCallPart(Record):
    """A fragment of a tool call; empty strings and None where the fragment has no such field.

    Attributes:
        starts: it is known to be the first of its call.
    """

    index: int | None
    id: str
    name: str
    arguments: str
    starts: bool = False


class Usage(Record):
    """Tokens counted by the provider. What it does not state is None, never 0; output includes reasoning."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    total_tokens: int | None = None


class Source(Record):
    """A page that the provider found when it searched the web; None is what it does not say.

    Attributes:
        ref: the answer's word for it, as `ref_1` in `[ref_1]`.
        site: the name of the site that it is on.
        date: when it was published, as the provider writes it.
        text: what the provider read of it.
    """

    ref: str | None = None
    title: str | None = None
    link: str | None = None
    site: str | None = None
    date: str | None = None
    text: str | None = None

    @property
    def identity(self) -> tuple[str | None, ...]:
        """Equal for one page that is told of twice, in several frames of a reply."""
        return self.ref, self.page

    @property
    def page(self) -> str | None:
        """Equal for one page that was found twice."""
        return self.link or self.title or self.text


class Sources(Record):
    """Pages that the provider found when it searched the web; none: it says that it found none."""

    found: tuple[Source, ...]


class Finish(Record):
    """The model stopped, for this reason, in the provider's own word.

    Attributes:
        reason: the provider's word.
        beside_text: it came in a frame with text or a tool call, as some gateways stamp one on every frame.
    """

    reason: str
    beside_text: bool = False


class Resumed(Record):
    """More of the reply follows a finish, which is void: the model had not stopped."""


class RequestId(Record):
    """The provider's id of this request."""

    value: str


class Remark(Record):
    """Something about the reply that a person should know, and that does not make it less complete."""

    text: str


class Done(Record):
    """The provider said that nothing follows.

    Attributes:
        is_finish: this may stand for a finish reason; not where a frame before it could not be read.
    """

    is_finish: bool = True


Event = Reasoning | Answer | Refusal | ToolCallPart | Usage | Sources | Finish | Resumed | RequestId | Remark | Done


def coalesce(events: list[Event]) -> list[Event]:
    """The same events with adjacent pieces of text merged into one.

    A request id, a usage and sources count wherever they stand, so text on both sides of one is merged too.
    """
    if len(events) == 1:
        return events
    merged: list[Event] = []
    kind: type[Reasoning | Answer] = Answer
    texts: list[str] = []
    for event in events:
        if type(event) is kind:
            texts.append(event.text)
        elif isinstance(event, RequestId | Usage | Sources):
            merged.append(event)
        else:
            if texts:
                merged.append(kind("".join(texts)))
                texts = []
            if isinstance(event, Reasoning | Answer):
                kind = type(event)
                texts.append(event.text)
            else:
                merged.append(event)
    return [*merged, kind("".join(texts))] if texts else merged
