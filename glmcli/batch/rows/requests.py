"""The request of each row: flags and request file, overridden by the fields of the row."""

from __future__ import annotations

import json
from copy import copy
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from glmcli.batch.rows.formats.lines import InputContext
from glmcli.batch.rows.openai_lines import THINKING_FIELDS, request_of_body
from glmcli.batch.rows.placeholders import NO_PLACEHOLDERS, Placeholders
from glmcli.chat.messages import Message, Request
from glmcli.config import attachments, checks
from glmcli.config import prompt as prompts
from glmcli.config.request_file import single_braces
from glmcli.documents.quoting import listed, visible
from glmcli.documents.template import compared
from glmcli.errors import UsageError
from glmcli.providers.abilities import Objection
from glmcli.providers.request_fields import field_names
from glmcli.record import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from glmcli.batch.rows.row import Row
    from glmcli.chat.messages import Media
    from glmcli.config.attachments import Attached
    from glmcli.config.options import Options
    from glmcli.config.request_file import RequestTemplate
    from glmcli.console.stdin import Stdin
    from glmcli.console.terminal import Terminal
    from glmcli.providers.row import Provider

# Fields of a row that are nothing here but columns, and that whoever writes them means to be sent. In a table, whose
# columns are about anything, these are the media alone.
_MEDIA_FIELDS = frozenset({"attach", "attachments", "image", "images", "image_url", "videos"})
_SETTINGS = ("temperature", "top_p", "max_tokens", "stop", "keep_thinking")
_REQUEST_FIELDS = frozenset({"model", "provider", "system", "schema", "response_format", "tools", *_SETTINGS})

DIGEST_LENGTH = 32  # hexadecimal digits: 128 bits


class RequestBuilder:
    """Makes a request of each row.

    Attributes:
        placeholders: those that rows fill in.
        objection_to_model: why a model that a row names, at this place, is not sent to the provider.
    """

    def __init__(
        self,
        options: Options,
        flags: Mapping[str, Any],
        template: RequestTemplate | None,
        stdin: Stdin,
        terminal: Terminal,
    ) -> None:
        """`options` are flags and request file together; `template` is the file, if there is one."""
        self._stdin = stdin
        self._terminal = terminal
        self._flags = flags
        self._template = template
        self._has_prompt = bool(options.prompt)
        self._options = options.replace(prompt=None) if template and "prompt" in template.open else options
        self.placeholders = _placeholders(template, flags)
        asks = self._is_complete or bool(options.attach)
        self.placeholders = self.placeholders.replace(question=not asks, repeats=asks)
        self._remarks: set[str] = set()
        self._unsent = (_MEDIA_FIELDS | _REQUEST_FIELDS).difference(*self.placeholders.names.values())
        self.objection_to_model: Callable[[str, str], Objection | None] = lambda _model, _place: None
        self._base: Request | None = None
        # None: rows may fill in which files they are.
        self._attached = (
            None if "attach" in self.placeholders.names else attachments.read(options.attach, stdin, terminal)
        )
        self._same = self._same_for_all()

    @property
    def context(self) -> InputContext:
        """The context for reading the input: what the request file leaves to rows."""
        return InputContext(complete=self._is_complete, placeholders=self.placeholders)

    @property
    def _is_complete(self) -> bool:
        """Whether the flags and the request file have a question, so that a row needs none."""
        options = self._options
        return bool(options.prompt or options.messages or self.placeholders.open.keys() & {"prompt", "messages"})

    def set_base(self, request: Request, provider: Provider) -> None:
        """Take all but the conversation from this request, and validate rows by what this provider accepts."""
        self._base = request
        self._provider = provider
        self._today = checks.today()
        # Those were made before the first row.
        self._remarks.update(checks.remarks(request, provider, self._today), checks.details(request, provider))
        self._rest = request.fields()
        self._around = _around(self._rest)

    def digest(self, request: Request) -> str:
        """The digest of a request (see the function `digest`); faster if only its messages differ from the base."""
        rest = self._rest
        if all(value is rest[name] for name, value in request.fields().items() if name != "messages"):
            return _hashed(self._around[0] + _JSON.encode(request.messages) + self._around[1])
        return digest(request)

    def _same_for_all(self) -> tuple[tuple[Message, ...], str] | None:
        """The messages before the user's, and the text after a prompt, if both are the same for all rows."""
        options = self._options
        names = self.placeholders.names
        if names or options.messages or options.media or self._attached is None or self._attached.pictures:
            return None
        system = prompts.system_message(options, self._stdin)
        return (system,) if system else (), "".join(f"\n\n{text}" for text in self._attached.texts)

    def _attachments(self, options: Options) -> Attached:
        """The files of --attach, which are read again only where a row may name others."""
        return (
            attachments.read(options.attach, self._stdin, self._terminal) if self._attached is None else self._attached
        )

    @property
    def pictures(self) -> tuple[Media, ...]:
        """The pictures that are attached to all rows."""
        return self._attached.pictures if self._attached else ()

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The messages of this row, which is no OpenAI batch line.

        Raises:
            UsageError: a value is missing, a file cannot be read, or there is no question.
        """
        if self._same and row.messages is None:
            before, after = self._same
            prompt = self._options.prompt if row.prompt is None else row.prompt
            text = (prompt or "") + after + (f"\n\n{row.text}" if row.text else "")
            if text.strip():
                return (*before, Message("user", text if prompt else text.removeprefix("\n\n")))
        options = self._filled(row)
        system = prompts.system_message(options, self._stdin)
        new = prompts.messages_of(options, self._stdin, self._terminal, lambda: self._content(options, row))
        return prompts.conversation(system, (), new)

    def _content(self, options: Options, row: Row) -> tuple[str, tuple[Media, ...]]:
        """The text of the user message, and the pictures that are attached."""
        attached = self._attachments(options)
        return "\n\n".join(part for part in (options.prompt, *attached.texts, row.text) if part), attached.pictures

    def _around_body(self, row: Row, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The messages of an OpenAI batch line with what flags and request file add to them, as to any row's own."""
        if self._same == ((), ""):
            return messages
        options = self._filled(row)
        system = prompts.system_message(options, self._stdin)
        content = self._content(options, row)
        new = prompts.with_question(messages, options, self._stdin, self._terminal, content)
        return prompts.conversation(system, (), new)

    def _filled(self, row: Row) -> Options:
        """The options of this row: its values in the request file, and its parts in place of the file's."""
        placeholders, options = self.placeholders, self._options
        own, values = placeholders.own_parts(row), placeholders.values(row)
        if missing := placeholders.missing(values, own):
            names = ", ".join(map(visible, missing))
            raise UsageError(f"the row has no {names}, which the request file wants")
        parts = [
            part
            for part, names in placeholders.names.items()
            if part not in own and (part in placeholders.open or not names.isdisjoint(values))
        ]
        if self._template and parts:
            options = options.replace(**self._template.fill(parts, values))
        return options.replace(**own) if own else options

    def request(self, row: Row) -> Request:
        """The whole request.

        Raises:
            UsageError: as `messages`.
        """
        self._remark(row)
        request = self._request(row)
        if remark := checks.reasoning_remark(request, self._provider):
            self._say_once(remark)
        return request

    def _request(self, row: Row) -> Request:
        assert self._base is not None  # noqa: S101 - the order of calls, not the user's doing
        if row.body is not None:
            model = row.body.get("model") or self._base.model
            names = field_names(self._provider, model if isinstance(model, str) else "")
            request = request_of_body(row.body, self._base, self._flags, names, _as_written(self._provider))
            request = request.replace(messages=self._around_body(row, request.messages))
        else:
            request = self._base.replace(messages=self.messages(row))
        if self._options.resize and any(message.parts for message in request.messages):
            from glmcli.config.media_files import resized

            return resized(request, self._provider, self._terminal)
        return request

    def _remark(self, row: Row) -> None:
        """Say once what of the request file the rows replace, or name without using it."""
        given = {"prompt": self._has_prompt, "messages": bool(self._options.messages)}
        replaced = [part for part in self.placeholders.own_parts(row) if given[part]] if any(given.values()) else []
        if replaced:
            where = (
                "where a row has its own" if row.body is None else "in OpenAI batch lines, which say all that is asked"
            )
            verb = "is" if replaced == ["prompt"] else "are"
            self._say_once(f"the {' and '.join(replaced)} of the request file {verb} left out {where}")
        if not self._unsent.isdisjoint(row.columns):
            self._remark_unsent(row)
        single = self.placeholders.single_braced
        if single and (found := single.keys() & map(compared, (*row.vars, *row.columns))):
            self._say_once(f"{self._options.request}: {single_braces({name: single[name] for name in found})}")

    def _remark_unsent(self, row: Row) -> None:
        """Say once which fields of a row look like parts of a request, and are only copied."""
        is_table = "prompt" in row.columns or (row.prompt is None and row.messages is None)
        found = [name for name in row.columns if name in self._unsent and (name in _MEDIA_FIELDS or not is_table)]
        if found and row.body is None:
            unless = f"unless the request file (-f) names it, as {{{{{found[0]}}}}}"
            self._say_once(f"{listed(found, 'and')} of a row: only copied into the output, and not sent, {unless}")

    def former_digest(self, row: Row) -> str | None:
        """The digest of what 0.1.0 asked for this row; None where that is the same for all rows of this batch, or none.

        There a line of text and a prompt in JSON took the place of the prompt of the request file, which took the place
        of a table's, and fields of JSON filled nothing.
        """
        if not (self._has_prompt or self._options.attach or self.placeholders.names):
            return None
        former = copy(self)
        former.placeholders = self.placeholders.replace(prompts_replace=True)
        if row.text is not None:
            row = row.replace(prompt=row.text, text=None)
        elif "prompt" not in row.columns:
            row = row.replace(columns=EMPTY)
        elif self._has_prompt:
            row = row.replace(prompt=None)
        try:
            return self.digest(former._request(row))  # noqa: SLF001 - a copy of this
        except UsageError:
            return None

    def _say_once(self, remark: str, say: Callable[[str], None] | None = None) -> None:
        if remark not in self._remarks:
            self._remarks.add(remark)
            (say or self._terminal.note)(remark)

    def validated(self, row: Row) -> Request:
        """The whole request, if the provider is not known to refuse what the row itself sets.

        Raises:
            UsageError: the provider is known to refuse it; or as `messages`.
        """
        request = self.request(row)
        has_own_fields = (
            row.body is not None
            or "response_format" in request.extra
            or any(message.media or message.partial for message in request.messages)
        )
        if has_own_fields:
            for contradiction in checks.contradictions(request, self._provider):
                raise contradiction
        if (has_own_fields or request.messages[-1].role != "user") and not self._options.force:
            for objection in self._objections(row, request):
                raise UsageError(objection.message, fix=objection.fix)
        if row.body is not None or request.messages[-1].partial:
            for remark in checks.remarks(request, self._provider, self._today):
                self._say_once(remark)
            for detail in checks.details_of_settings(request, self._provider):
                self._say_once(detail, self._terminal.detail)
        return request

    def _objections(self, row: Row, request: Request) -> Iterator[Objection]:
        if row.body and request.model == row.body.get("model"):
            objection = self.objection_to_model(request.model, "body.model")
            if objection:
                yield Objection(objection.message, "name the provider with -P, which gets the model of a body as it is")
        yield from checks.objections(request, self._provider)


def _as_written(provider: Provider) -> frozenset[str]:
    """The fields of a body that no field of the provider's own is known for: the server behind it may take them."""
    thinking = frozenset() if provider.api.thinking else THINKING_FIELDS
    return thinking if provider.api.tool_stream else thinking | {"tool_stream"}


def _placeholders(template: RequestTemplate | None, flags: Mapping[str, Any]) -> Placeholders:
    """What the request file leaves to rows, in the parts that no flag replaces."""
    if template is None:
        return NO_PLACEHOLDERS
    open_names = {part: names for part, names in template.open.items() if part not in flags}
    all_names = {part: names for part, names in template.names.items() if part not in flags}
    return Placeholders(open_names, all_names, single_braced=template.single_braced)


def digest(request: Request) -> str:
    """A digest of the request, without its provider and streaming: 32 hexadecimal digits."""
    return _hashed(_JSON.encode(_set_fields(request.fields())))


def _set_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are set, without those that do not change the answer."""
    return {name: value for name, value in fields.items() if name != "stream" and value not in (None, ())}


def _around(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The text before and after the messages in the JSON that is hashed for a request of these fields."""
    hashed = _set_fields(fields)
    before = _JSON.encode({name: hashed[name] for name in hashed if name < "messages"})
    after = _JSON.encode({name: hashed[name] for name in hashed if name > "messages"})
    return f'{before[:-1]}{"," if before != "{}" else ""}"messages":', f"{',' if after != '{}' else ''}{after[1:]}"


def _hashed(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:DIGEST_LENGTH]


def _to_json(value: Any) -> Any:  # noqa: ANN401 - what a request holds
    """A part of a request as JSON; for media, the place or the content."""
    hidden = getattr(value, "_hidden", ())
    skipped = (*hidden, "info", "name", "path")
    return {name: item for name, item in value.fields().items() if item and name not in skipped}


_JSON = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=_to_json, separators=(",", ":"))
