"""What every command needs to run: terminal, stdin, configuration, keys, certificates, embedded sandbox.

Each part is created when it is first used: `--help` loads none of them.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, Self

from glmcli.console import signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from glmcli.config.config_file import Config
    from glmcli.config.keys import KeyRing
    from glmcli.config.options import Options
    from glmcli.console.stdin import Stdin
    from glmcli.console.terminal import Terminal
    from glmcli.http.call import HttpCall
    from glmcli.http.tls import Tls
    from glmcli.providers.row import Provider
    from glmcli.sandbox import Sandbox


class App:
    """The context of one run of the program; its `with` block ends what was started for it.

    Attributes:
        terminal: stdout, stderr, and the redactor of both.
        environment: the environment variables.
        started: the monotonic time at which the program began; --deadline counts from it.
        arguments: the command line, without the name of the program.
    """

    def __init__(
        self, terminal: Terminal, environment: Mapping[str, str], closed: frozenset[int], started: float
    ) -> None:
        """`closed` are the standard descriptors that were closed before the program began."""
        self.terminal = terminal
        self.environment = environment
        self.started = started
        self.arguments: tuple[str, ...] = ()
        self._closed = closed
        self._deadline: float | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """The app itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the sandbox, if it runs."""
        self._stack.close()

    def apply(self, options: Options) -> None:
        """Set up the terminal (quiet, verbose, plain, raw) and the deadline of stdin."""
        terminal = self.terminal
        terminal.quiet = options.quiet
        terminal.verbose = options.verbose and not options.quiet
        terminal.plain |= options.plain
        if options.raw:
            terminal.stdout.show_raw()
            terminal.stderr.show_raw()
        self._deadline = options.deadline

    @cached_property
    def stdin(self) -> Stdin:
        """Standard input, which is waited for until the deadline that was set before its first use."""
        from glmcli.console.stdin import Stdin
        from glmcli.console.terminal import STDIN

        until = self.started + self._deadline if self._deadline else float("inf")
        return Stdin(is_closed=STDIN in self._closed, deadline=until, say=self.terminal.warn)

    @cached_property
    def config(self) -> Config:
        """The configuration; loading it lets the terminal redact the keys in the variables that its rows name.

        Raises:
            UsageError: its file is missing or wrong.
        """
        from glmcli.config.config_file import load

        config = load(self.environment)
        for row in config.providers.values():
            self.terminal.redactor.add_variables(row.key_variables, self.environment)
        return config

    @cached_property
    def keys(self) -> KeyRing:
        """Finds the keys of providers."""
        from glmcli.config.keys import KeyRing

        return KeyRing(self.environment, self.stdin, self.terminal.note)

    @cached_property
    def _sandbox(self) -> Sandbox:
        from glmcli.sandbox import Sandbox

        return self._stack.enter_context(Sandbox())

    def sandbox_url(self, provider: Provider, *, starts: bool) -> str:
        """The base URL of an embedded provider, which is started if `starts`; else the URL is for display only."""
        if starts:
            return self._sandbox.base_url(provider.name)
        from glmcli.sandbox import PREFIXES

        return f"http://127.0.0.1:0{PREFIXES[provider.name]}"

    def tls(self, calls: Iterable[HttpCall]) -> Tls | None:
        """The certificates, which load in a thread; None where no call uses https.

        Raises:
            UsageError: SSL_CERT_FILE or SSL_CERT_DIR does not exist.
        """
        if not any(call.url.startswith("https:") for call in calls):
            return None
        from glmcli.http.tls import Tls

        return Tls(self.environment)


class _Readable(Protocol):
    def check_reader(self) -> None: ...


def check_caller(out: _Readable) -> None:
    """Check for signals and for the reader of `out`; called repeatedly while the program waits.

    Raises:
        Interrupted: a signal was received.
        ReaderGoneError: `out` has no reader any more.
    """
    signals.raise_pending()
    out.check_reader()
