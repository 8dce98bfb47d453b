"""An exchange under its time limits, and a refusal as the error that is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from glmcli.errors import GlmError, NetworkError, OutputError, ProtocolError, Retry
from glmcli.patience import TICK
from glmcli.providers.refusals import MAX_BODY, from_body
from glmcli.transport.exchange import End, Exchange, Happening, Sent

if TYPE_CHECKING:
    from collections.abc import Callable

    from glmcli.plan import Plan
    from glmcli.providers.row import Provider
    from glmcli.secrets import Redactor
    from glmcli.transport.message import Head

_LINGER = 5.0  # seconds for which usage and an error may still follow a finish, and a body the head of a refusal
_LONGEST_WHY = 500  # characters of the provider's words
_EXCERPT = 200  # characters of what is no API answer


class TransportError(Exception):
    """The connection failed, or a time limit passed: not the provider's word, so a finish that came before stands."""

    def __init__(self, error: GlmError) -> None:
        """`error` says which."""
        super().__init__(error)
        self.error = error


class Watch:
    """What happens in an exchange, under the time limits of the plan."""

    def __init__(self, exchange: Exchange, plan: Plan, name: str, tick: Callable[[], None]) -> None:
        """`name` is the provider's; `tick` is called several times a second and may raise to end everything."""
        self._exchange = exchange
        self._limits = plan.limits
        self._deadline = plan.deadline
        self._name = name
        self._tick = tick
        self._sent = False
        self._began = False
        self._lingers = False
        self._expect(plan.limits.connect, f"cannot connect within {plan.limits.connect:g} s")
        self.close = exchange.close

    def _expect(self, seconds: float, otherwise: str) -> None:
        self._due = time.monotonic() + seconds
        self._otherwise = otherwise

    def saw_data(self, *, finished: bool) -> None:
        """Data came: comments and keep-alives do not count."""
        self._began = True
        if finished:
            self.linger()
        else:
            self._expect(self._limits.idle, f"nothing came for {self._limits.idle:g} s")

    def linger(self) -> None:
        """The end is known: wait only a little for what may follow, however much does."""
        if not self._lingers:
            self._lingers = True
            self._expect(min(self._limits.idle, _LINGER), f"nothing came for {self._limits.idle:g} s")

    def __iter__(self) -> Watch:
        """Itself."""
        return self

    def __next__(self) -> Happening:
        """What happens next.

        Raises:
            TransportError: the connection failed, or nothing came in time.
        """
        while True:
            self._tick()
            left = min(self._due, self._deadline) - time.monotonic()
            happening = self._exchange.next(min(left, TICK))
            if isinstance(happening, GlmError):
                happening.message = f"{self._name}: {happening.message}"
                raise TransportError(happening)
            if isinstance(happening, Sent):
                self._sent = True
                self._expect(self._limits.first, f"no response within {self._limits.first:g} s")
            if happening is not None:
                return happening
            if left <= 0:
                raise TransportError(self._late())

    def _late(self) -> NetworkError:
        over = time.monotonic() >= self._deadline
        what = f"the deadline of {self._limits.deadline or 0:g} s has passed" if over else self._otherwise
        retry = None if over else Retry.NETWORK
        return NetworkError(message=f"{self._name}: {what}", retry=retry, sent=self._sent, broken=self._began)


class Refusal:
    """A response whose status is no success, read to its end."""

    def __init__(self, head: Head, watch: Watch, provider: Provider) -> None:
        """Read what is left of it."""
        body = bytearray()
        watch.linger()
        try:
            for happening in watch:
                if isinstance(happening, bytes):
                    body += happening
                if isinstance(happening, End) or len(body) > MAX_BODY:
                    break
        except TransportError:
            pass  # the status is known, and what came of the body
        self.error = from_body(head.status, head.headers, bytes(body[:MAX_BODY]), provider, time.time())
        self.remark = f"(only the first {MAX_BODY >> 20} MiB of the body was read)" if len(body) > MAX_BODY else ""


def named(error: GlmError, provider: Provider, redactor: Redactor, remark: str = "") -> GlmError:
    """The error as it is told: with the provider's name, without keys, and with words of a bearable length."""
    if not isinstance(error, OutputError):
        name = f"{provider.name}: "
        error.message = name + error.message.removeprefix(name)
    error.message = _clean(error.message, redactor)
    # Cut only now: a key that is cut in two would not be found.
    why = _clean(error.why or "", redactor)
    longest = _EXCERPT if isinstance(error, ProtocolError) else _LONGEST_WHY
    why = why if len(why) <= longest else why[:longest] + "…"
    error.why = f"{why} {remark}".strip() or None
    return error


def _clean(text: str, redactor: Redactor) -> str:
    """Foreign words without keys, and without the pictures that were sent."""
    from glmcli.providers.media_echo import masked

    return masked(redactor.text(text))
