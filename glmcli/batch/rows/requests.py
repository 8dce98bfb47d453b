"""What each row asks: the flags and the request file, with the row's own words in their place."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from glmcli.batch.rows.openai_lines import asked
from glmcli.batch.rows.placeholders import Placeholders, said
from glmcli.chat.messages import Message, Request
from glmcli.config import prompt as words
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.batch.rows.row import Row
    from glmcli.config.options import Options
    from glmcli.config.request_file import RequestTemplate
    from glmcli.console.stdin import Stdin
    from glmcli.console.terminal import Terminal

HASH = 32  # hexadecimal digits: 128 bits


class RequestBuilder:
    """Makes requests of rows.

    Attributes:
        wanted: what rows fill in.
    """

    def __init__(
        self, options: Options, flags: Mapping[str, Any], form: RequestTemplate | None, stdin: Stdin, terminal: Terminal
    ) -> None:
        """`options` are flags and request file together; `form` is the file, if there is one."""
        self._stdin = stdin
        self._terminal = terminal
        self._flags = flags
        self._form = form
        self._options = options.replace(prompt=None) if form and "prompt" in form.open else options
        self.placeholders = Placeholders(
            {name: names for name, names in (form.open if form else {}).items() if name not in flags}
        )
        if not (self.is_complete or options.attach):
            self.placeholders = self.placeholders.replace(question=True)
        self._names = {name: names for name, names in (form.names if form else {}).items() if name not in flags}
        self._base: Request | None = None
        self._fit: Callable[[Request], Request] | None = None
        self._plain = self._plain_turns()

    @property
    def is_complete(self) -> bool:
        """Whether there is a question without a row's own words."""
        options = self._options
        return bool(options.prompt or options.messages or self.placeholders.open.keys() & {"prompt", "messages"})

    def base(self, request: Request) -> None:
        """Everything but the conversation is as in this request."""
        self._base = request
        self._rest = request.fields()
        self._around = _around(self._rest)

    def fit(self, made_to_fit: Callable[[Request], Request]) -> None:
        """Pass every request that holds media through this, as --resize wants it."""
        self._fit = made_to_fit

    def digest(self, request: Request) -> str:
        """As the function of that name, and quickly where only the conversation differs from the base."""
        rest = self._rest
        if all(value is rest[name] for name, value in request.fields().items() if name != "messages"):
            return _hashed(self._around[0] + _JSON.encode(request.messages) + self._around[1])
        return digest(request)

    def _plain_turns(self) -> tuple[tuple[Message, ...], str] | None:
        """The turns before the user message, and what follows a prompt, where both are the same for all rows."""
        options = self._options
        if self._names or options.messages or options.media:
            return None
        system = words.system_message(options, self._stdin)
        return (system,) if system else (), "".join(f"\n\n{text}" for text in self._attachments(options))

    def _attachments(self, options: Options) -> list[str]:
        return words.attachments(options.attach, self._stdin)

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The conversation that this row asks.

        Raises:
            UsageError: a value is missing, a file cannot be read, or nothing is asked.
        """
        if self._plain and row.messages is None:
            said = self._options.prompt if row.prompt is None else row.prompt
            text = (said or "") + self._plain[1] + (f"\n\n{row.text}" if row.text else "")
            if text.strip():
                return (*self._plain[0], Message("user", text.removeprefix("\n\n") if not said else text))
        options = self._filled(row)
        system = words.system_message(options, self._stdin)
        new = words.messages_of(options, self._stdin, self._terminal, lambda: self._said(options, row))
        return words.conversation(system, (), new)

    def _said(self, options: Options, row: Row) -> str:
        parts = [options.prompt, *self._attachments(options), row.text]
        return "\n\n".join(part for part in parts if part)

    def _filled(self, row: Row) -> Options:
        """The options as this row has them."""
        own = said(row)
        options = self._options
        if missing := self.placeholders.missing_of(row):
            raise UsageError(f"the row has no {', '.join(missing)}, which the request file wants")
        parts = [
            part
            for part, names in self._names.items()
            if part not in own and (part in self.placeholders.open or not names.isdisjoint(row.vars))
        ]
        if self._form and parts:
            options = options.replace(**self._form.fill(parts, row.vars))
        return options.replace(**own) if own else options

    def request(self, row: Row) -> Request:
        """The whole request.

        Raises:
            UsageError: as `messages`.
        """
        assert self._base is not None  # noqa: S101 - the order of calls, not the user's doing
        if row.body is not None:
            request = asked(row.body, self._base, self._flags)
        else:
            request = self._base.replace(messages=self.messages(row))
        has_media = self._fit and any(turn.parts for turn in request.messages)
        return self._fit(request) if self._fit and has_media else request


def digest(request: Request) -> str:
    """What is asked, whoever is asked and however the answer travels: 32 hexadecimal digits."""
    return _hashed(_JSON.encode(_said(request.fields())))


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "stream" and value not in (None, ())}


def _around(fields: Mapping[str, Any]) -> tuple[str, str]:
    """What stands before and behind the messages where a request of these fields is hashed."""
    said = _said(fields)
    before = _JSON.encode({name: said[name] for name in said if name < "messages"})
    behind = _JSON.encode({name: said[name] for name in said if name > "messages"})
    return f'{before[:-1]}{"," if before != "{}" else ""}"messages":', f"{',' if behind != '{}' else ''}{behind[1:]}"


def _hashed(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:HASH]


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a request holds
    """A part of a request as JSON; of media, where they are or what they hold."""
    hidden = getattr(value, "_hidden", ())
    skipped = (*hidden, "info", "name", "path")
    return {name: item for name, item in value.fields().items() if item and name not in skipped}


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=_plain, separators=(",", ":"))
