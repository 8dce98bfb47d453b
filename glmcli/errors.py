"""The error tree: one class for each decision that a script can take.

An error carries what is said to a person (`message`, `why`, `fix`) and what a program needs (`exit_code`, `type`, the
provider's status, code and request id). `retry` says whether waiting may cure it, and how long a wait makes sense.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Retry(Enum):
    """Why the same request may succeed later."""

    RATE = "rate"
    IN_FLIGHT = "in_flight"
    MINUTE = "minute"
    OVERLOAD = "overload"
    SERVER = "server"
    NETWORK = "network"

    def delay(self, attempt: int) -> float:
        """Seconds before retry number `attempt` (from 0); the last rung repeats."""
        ladder = _LADDERS[self]
        return ladder[min(attempt, len(ladder) - 1)]


_LADDERS = {
    Retry.RATE: (1.0, 2.0, 4.0, 8.0),
    Retry.IN_FLIGHT: (1.0, 2.0, 4.0, 8.0),
    Retry.MINUTE: (60.0,),
    Retry.OVERLOAD: (15.0, 30.0, 60.0),
    Retry.SERVER: (1.0, 2.0, 4.0, 8.0),
    Retry.NETWORK: (1.0, 2.0, 4.0),
}


class GlmError(Exception):
    """An end that is not a complete answer.

    Attributes:
        message: one line: what went wrong, where.
        why: the provider's own words.
        fix: what the user can do.
        http_status: the status of the response, or the one that the provider wrote into it.
        provider_code: the provider's own code, as text.
        request_id: what the provider calls this request.
        retry: the kind of wait that may cure it; None when waiting cannot.
        retry_after: seconds that the server asked for.
        sent: the request may have reached the provider, and may be billed.
        broken: the reply began and was cut off.
        model_missing: the provider does not know the model, so another may serve it.
    """

    exit_code: ClassVar[int] = 70
    type: ClassVar[str] = "internal"
    meaning: ClassVar[str] = "a bug in glm, or a broken installation"
    again: ClassVar[str] = "report it"

    def __init__(  # noqa: PLR0913 - an error has many sides, each named
        self,
        message: str,
        *,
        why: str | None = None,
        fix: str | None = None,
        http_status: int | None = None,
        provider_code: str | None = None,
        request_id: str | None = None,
        retry: Retry | None = None,
        sent: bool = False,
        broken: bool = False,
        model_missing: bool = False,
    ) -> None:
        """Take what is known; `retry_after` is set by whoever reads the response's headers."""
        super().__init__(message)
        self.message = message
        self.why = why
        self.fix = fix
        self.http_status = http_status
        self.provider_code = provider_code
        self.request_id = request_id
        self.retry = retry
        self.retry_after: float | None = None
        self.sent = sent
        self.broken = broken
        self.model_missing = model_missing

    def __str__(self) -> str:
        """The message alone: the other fields are printed by whoever reports the error."""
        return self.message


class UsageError(GlmError):
    """A flag, file, schema or template is wrong, or the provider refused the request as malformed."""

    exit_code = 2
    type = "usage"
    meaning = "a flag, file, schema or template is wrong, or the provider refused the request as malformed"
    again = "fix it"


class CredentialsError(GlmError):
    """No key, a malformed or bad key, no permission."""

    exit_code = 3
    type = "credentials"
    meaning = "no key, a malformed or bad key, no permission"
    again = "no"


class QuotaError(GlmError):
    """Balance, plan or daily quota is used up."""

    exit_code = 4
    type = "quota"
    meaning = "balance, plan or daily quota is used up"
    again = "later, or pay"


class BusyError(GlmError):
    """Rate limited, overloaded, or a server error, after the retries."""

    exit_code = 5
    type = "busy"
    meaning = "rate limited, overloaded or 5xx, after the retries"
    again = "yes"


class NetworkError(GlmError):
    """Cannot resolve, connect or finish TLS; reset; time-out; deadline."""

    exit_code = 6
    type = "network"
    meaning = "cannot resolve, connect or finish TLS; reset; time-out; deadline"
    again = "yes"


class IncompleteError(GlmError):
    """No finish, token limit, full context window, empty answer."""

    exit_code = 7
    type = "incomplete"
    meaning = "no finish, token limit, context window, empty answer"
    again = "maybe"


class FilteredError(GlmError):
    """The provider's content filter spoke."""

    exit_code = 8
    type = "filtered"
    meaning = "the provider's content filter"
    again = "no"


class ToolError(GlmError):
    """A tool was denied or cannot run, the step limit was reached, or the model called tools that nobody runs."""

    exit_code = 10
    type = "tool"
    meaning = "a tool was denied or cannot run, the step limit, tool calls nobody runs"
    again = "no"


class PartialError(GlmError):
    """A batch ended, and rows that have no answer yet may still get one."""

    exit_code = 11
    type = "partial"
    meaning = "a batch ended, some rows may still succeed"
    again = "the same command again"


class BudgetError(GlmError):
    """The cost ceiling would be crossed, or the price is unknown under a ceiling."""

    exit_code = 12
    type = "budget"
    meaning = "the cost ceiling would be crossed, or the price is unknown under a ceiling"
    again = "no"


class ProtocolError(GlmError):
    """Not an API answer: HTML, broken JSON, a redirect, an unknown finish."""

    exit_code = 13
    type = "protocol"
    meaning = "not an API answer: HTML, broken JSON, a redirect, an unknown finish"
    again = "look"


def no_memory() -> ProtocolError:
    """The error for a reply that does not fit, be it too long or the machine too small."""
    return ProtocolError(message="the reply needs more memory than there is", sent=True)


class OutputError(GlmError):
    """The answer cannot be written."""

    exit_code = 14
    type = "output"
    meaning = "the answer cannot be written (disk full, closed stdout)"
    again = "fix it"


class FailedRowsError(GlmError):
    """A batch ended, and the rows without an answer would only fail again."""

    exit_code = 15
    type = "failed_rows"
    meaning = "a batch ended, only final failures remain"
    again = "no"


class InternalError(GlmError):
    """A bug in glm, or a broken installation."""


class Interrupted(BaseException):
    """A signal asked the program to end; raised in the main thread by the handler."""

    def __init__(self, signal_number: int) -> None:
        """Remember which signal: the program ends by the same one."""
        super().__init__(signal_number)
        self.signal_number = signal_number


class ReaderGoneError(Exception):
    """Nobody reads our stdout any more."""
