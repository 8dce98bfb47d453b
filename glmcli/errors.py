"""The errors: one class for each decision that a script can make.

An error carries what is printed for a person (`message`, `why`, `fix`) and what a program needs (`exit_code`, `type`,
the provider's status, code and request id). `retry` says whether waiting may help, and how long to wait.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar


class Retry(Enum):
    """Why the same request may succeed later; decides how long to wait."""

    RATE = "rate"
    IN_FLIGHT = "in_flight"
    MINUTE = "minute"
    OVERLOAD = "overload"
    SERVER = "server"
    NETWORK = "network"

    def delay(self, retry: int) -> float:
        """Seconds before retry number `retry` (from 0); the last delay repeats."""
        delays = _DELAYS[self]
        return delays[min(retry, len(delays) - 1)]


_DELAYS = {
    Retry.RATE: (1.0, 2.0, 4.0, 8.0),
    Retry.IN_FLIGHT: (1.0, 2.0, 4.0, 8.0),
    Retry.MINUTE: (60.0,),
    Retry.OVERLOAD: (15.0, 30.0, 60.0),
    Retry.SERVER: (1.0, 2.0, 4.0, 8.0),
    Retry.NETWORK: (1.0, 2.0, 4.0),
}


class GlmError(Exception):
    """Why there is no complete answer.

    Attributes:
        message: one line: what went wrong, and where.
        why: the provider's own words.
        fix: what the user can do.
        http_status: the status of the response, or one that the provider wrote into its body.
        provider_code: the provider's own code, as text.
        request_id: what the provider calls this request.
        retry: why a later request may succeed; None if waiting cannot help.
        retry_after: seconds that the server asked to wait.
        sent: the request may have reached the provider, and may be billed.
        broken: the reply had begun and was cut off.
        model_missing: the provider does not know the model, so another may serve it.
        concerns_all: a setting of this machine or the address is wrong, so every other request would fail likewise.
    """

    exit_code: ClassVar[int] = 70
    type: ClassVar[str] = "internal"
    retry_advice: ClassVar[str] = "report it"

    def __init__(  # noqa: PLR0913 - all but the message are optional, and named
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
        concerns_all: bool = False,
    ) -> None:
        """`retry_after` is set by whoever reads the headers of the response."""
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
        self.concerns_all = concerns_all

    def __str__(self) -> str:
        """The message alone; whoever prints the error prints the other fields."""
        return self.message


class UsageError(GlmError):
    """A flag, file, schema or template is wrong, or the provider refused the request as malformed."""

    exit_code = 2
    type = "usage"
    retry_advice = "fix it"


class CredentialsError(GlmError):
    """No key, a malformed or bad key, no permission."""

    exit_code = 3
    type = "credentials"
    retry_advice = "no"


class QuotaError(GlmError):
    """Balance, plan or daily quota is used up."""

    exit_code = 4
    type = "quota"
    retry_advice = "later, or pay"


class BusyError(GlmError):
    """Rate limited, overloaded or 5xx, after the retries."""

    exit_code = 5
    type = "busy"
    retry_advice = "yes"


class NetworkError(GlmError):
    """Cannot resolve, connect or finish TLS; reset; time-out; deadline."""

    exit_code = 6
    type = "network"
    retry_advice = "yes"


class IncompleteError(GlmError):
    """No finish, token limit, full context window, empty answer."""

    exit_code = 7
    type = "incomplete"
    retry_advice = "maybe"


class FilteredError(GlmError):
    """The provider's content filter stopped the request or the answer."""

    exit_code = 8
    type = "filtered"
    retry_advice = "no"


class ToolError(GlmError):
    """A tool was denied or cannot run, the step limit was reached, or the model called tools that nobody runs."""

    exit_code = 10
    type = "tool"
    retry_advice = "no"


class PartialError(GlmError):
    """A batch ended, some rows may still succeed."""

    exit_code = 11
    type = "partial"
    retry_advice = "the same command again"


class BudgetError(GlmError):
    """The cost ceiling would be crossed, or the price is unknown under a ceiling."""

    exit_code = 12
    type = "budget"
    retry_advice = "no"


class ProtocolError(GlmError):
    """Not an API answer: HTML, broken JSON, a redirect, an unknown finish."""

    exit_code = 13
    type = "protocol"
    retry_advice = "look"


def no_memory() -> ProtocolError:
    """The error for a reply that does not fit into memory, be it too long or the machine too small."""
    return ProtocolError(message="the reply needs more memory than there is", sent=True)


class OutputError(GlmError):
    """The answer cannot be written (disk full, closed stdout)."""

    exit_code = 14
    type = "output"
    retry_advice = "fix it"


class FailedRowsError(GlmError):
    """A batch ended, only final failures remain."""

    exit_code = 15
    type = "failed_rows"
    retry_advice = "no"


class InternalError(GlmError):
    """A bug in glm, or a broken installation."""


class Interrupted(BaseException):
    """A signal asked the program to end; raised in the main thread by the handler."""

    def __init__(self, signal_number: int) -> None:
        """`signal_number`: the program ends by the same signal."""
        super().__init__(signal_number)
        self.signal_number = signal_number


class ReaderGoneError(Exception):
    """The reader of our stdout has closed its end of the pipe."""
