"""How a question ended: what the writers and the session file are told when it is over."""

from dataclasses import dataclass, field

from glmcli.errors import GlmError
from glmcli.events import Reply


@dataclass
class Timing:
    """Seconds since the program began to ask; None where it did not happen."""

    first_event: float | None = None
    first_answer: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The end of a question; `error` is None only for a complete answer. `attempts` counts the requests sent."""

    provider: str | None = None
    model: str | None = None
    reply: Reply = field(default_factory=Reply)
    error: GlmError | None = None
    attempts: int = 0
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class Again:
    """Another attempt follows.

    Attributes:
        error: why.
        wait: seconds until then.
        attempt: the number of the coming request; the first was 1.
        elsewhere: the next provider and model, when the question goes on to another.
    """

    error: GlmError
    wait: float
    attempt: int
    elsewhere: str | None = None
