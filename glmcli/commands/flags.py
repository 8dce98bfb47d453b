"""The flags of all commands that ask a model: one table that yields the parser, the help and the completions.

Typer passes every value on as text. Values are converted and checked here, with messages of our own, so that the
libraries that do this for Typer (200 M instructions of imports) are not loaded.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from glmcli.errors import UsageError
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from glmcli.chat.messages import MediaKind
    from glmcli.config.options import MediaArgument

# The type of a flag's value: `media` is a PATH or URL, `typed media` a PATH and its media type; both are repeatable.
Kind = Literal["text", "list", "media", "typed media", "switch", "choice", "integer", "number", "seconds"]
_REPEATABLE = ("list", "media", "typed media")


class Flag(Record):
    """One flag: the field of Options that it sets, how it is written, the type of its value, and its help.

    Attributes:
        names: separated by blanks, the short one first; `--on/--off` for a switch with a negative form.
        group: the heading under which the help lists it.
        minimum: the smallest number allowed.
    """

    field: str
    names: str
    kind: Kind
    group: str
    help: str
    metavar: str = "TEXT"
    minimum: float | None = None

    def parameter(self) -> inspect.Parameter:
        """The flag as a parameter of a function that Typer reads."""
        metavar = None if self.kind in ("switch", "choice") else self.metavar
        info = typer.Option(*self.names.split(), help=self.help, metavar=metavar, show_default=False)
        annotation: Any = {"switch": bool, "choice": bool | None}.get(self.kind, str | None)
        if self.kind in _REPEATABLE:
            annotation = list[str] | None
        default = False if self.kind == "switch" else None
        return inspect.Parameter(
            self.field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, info]
        )

    def is_given(self, parsed: Any) -> bool:  # noqa: ANN401 - what the parser gives
        """Whether the user wrote this flag."""
        return bool(parsed) if self.kind == "switch" or self.kind in _REPEATABLE else parsed is not None

    def value(self, parsed: Any) -> Any:  # noqa: ANN401 - what the parser gives
        """The value converted from the text on the command line.

        Raises:
            UsageError: the text is not valid.
        """
        match self.kind:
            case "switch" | "choice":
                return parsed
            case "text":
                return self._text(parsed)
            case "integer":
                return self._number(parsed, int, "a whole number")
            case "number" | "seconds":
                return self._number(parsed, float, "a number" if self.kind == "number" else "a number of seconds")
        return tuple(self._element(each) for each in parsed)

    def _element(self, parsed: Any) -> str | MediaArgument:  # noqa: ANN401 - as above
        """One of the values of a repeatable flag."""
        if self.kind == "typed media":
            path, mime = parsed
            return self._media(self._text(path), self._text(mime))
        return self._media(self._text(parsed)) if self.kind == "media" else self._text(parsed)

    def _text(self, text: str) -> str:
        # An empty value is an unset variable of the shell: to continue without it would send the question elsewhere.
        if not text and self.field != "system":
            raise UsageError(message=f"{self.names.split()[-1]}: the value is empty")
        if self.metavar.endswith("|-") and text.startswith(("/dev/", "/proc/")):
            from glmcli.console.stdin import normal_path

            return normal_path(text)
        return text

    def _number(self, text: str, convert: Callable[[str], float], what: str) -> float:
        name = self.names.split()[-1]
        try:
            value = convert(_digits(text))
        except ValueError as error:
            raise UsageError(message=f"{name}: {text!r} is not {what}") from error
        if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN is not itself
            raise UsageError(message=f"{name}: {text!r} is not {what}")
        if self.minimum is not None and value < self.minimum:
            raise UsageError(message=f"{name}: {text} is less than {self.minimum:g}")
        if self.kind == "seconds" and self.minimum is None and value <= 0:
            raise UsageError(message=f"{name}: {text} is not more than 0")
        return value

    def _media(self, place: str, mime: str | None = None) -> MediaArgument:
        from glmcli.config.options import MediaArgument
        from glmcli.http.urls import is_url

        source = self.names.split()[-1]
        if mime is not None:
            return MediaArgument(source, None, path=place, type=mime)
        kind: MediaKind = self.field  # type: ignore[assignment]  # the fields of these flags are named by kind
        if kind == "image" and not is_url(place):
            return MediaArgument(source, kind, path=place)
        return MediaArgument(source, kind, url=place)


def argument(
    name: str, text: str, metavar: str | None = None, *, required: bool = True, repeatable: bool = False
) -> inspect.Parameter:
    """An argument without a flag, with `text` as its help, as a parameter of a function that Typer reads."""
    kind: Any = list[str] if repeatable else str if required else str | None
    return inspect.Parameter(
        name,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=inspect.Parameter.empty if required else None,
        annotation=Annotated[kind, typer.Argument(help=text, metavar=metavar)],
    )


def _digits(text: str) -> str:
    """The text, unless only Python accepts it as a number: `1_0`, or digits of another script."""
    if "_" in text or not text.isascii():
        raise ValueError
    return text


_MODEL, _INPUT, _THINK, _SAMPLE = "Model", "Input", "Thinking", "Sampling"
_MEDIA, _TOOLS, _OUTPUT, _TIME = "Media", "Tools", "Output", "Time and retries"

FLAGS: tuple[Flag, ...] = (
    Flag("model", "-m --model", "text", _MODEL, "The model, as [PROVIDER/]MODEL.", "MODEL"),
    Flag("provider", "-P --provider", "text", _MODEL, "The provider; -m is then its model id, verbatim.", "NAME"),
    Flag("base_url", "--base-url", "text", _MODEL, "Base URL of the first provider.", "URL"),
    Flag("key_file", "--key-file", "text", _MODEL, "Read the first provider's key from this file.", "FILE|-"),
    Flag(
        "fallback",
        "--fallback",
        "list",
        _MODEL,
        "Ask this model if the one before fails (repeatable).",
        "[PROVIDER/]MODEL",
    ),
    Flag("force", "--force", "switch", _MODEL, "Send what the provider is known to refuse."),
    Flag("request", "-f --request", "text", _INPUT, "A request file, YAML or JSON; flags override it.", "FILE|-"),
    Flag("var", "--var", "list", _INPUT, "Fill {{NAME}} in the request file (repeatable).", "NAME=VALUE"),
    Flag("system", "-s --system", "text", _INPUT, "The system message.", "TEXT|@FILE"),
    Flag("attach", "-a --attach", "list", _INPUT, "Add a text file or a picture (repeatable).", "FILE|-"),
    Flag("session", "--session", "text", _INPUT, "Keep the conversation in this JSONL file.", "FILE"),
    Flag("no_stdin", "--no-stdin", "switch", _INPUT, "Do not read stdin, as in a loop over its lines."),
    Flag("need_stdin", "--need-stdin", "switch", _INPUT, "Fail if stdin is empty."),
    Flag("think", "--think/--no-think", "choice", _THINK, "Switch thinking on or off."),
    Flag("effort", "--effort", "text", _THINK, "How hard to think: none to max, by model (glm models).", "WORD"),
    Flag("think_budget", "--think-budget", "integer", _THINK, "Maximum tokens of thinking.", "N", 1),
    Flag(
        "keep_thinking",
        "--keep-thinking/--no-keep-thinking",
        "choice",
        _THINK,
        "Let the model read what it thought in earlier turns, or not.",
    ),
    Flag("temperature", "--temperature", "number", _SAMPLE, "Randomness; 0 is the least.", "X", 0),
    Flag("top_p", "--top-p", "number", _SAMPLE, "Nucleus sampling.", "X"),
    Flag("top_k", "--top-k", "integer", _SAMPLE, "Sample among the best K tokens.", "K", 0),
    Flag("repetition_penalty", "--repetition-penalty", "number", _SAMPLE, "1 is no penalty; higher repeats less.", "X"),
    Flag("max_tokens", "--max-tokens", "integer", _SAMPLE, "Maximum tokens of the reply.", "N", 1),
    Flag("seed", "--seed", "integer", _SAMPLE, "Ask for a repeatable reply.", "N"),
    Flag("stop", "--stop", "list", _SAMPLE, "Stop before this text (repeatable).", "TEXT"),
    Flag("option", "-o --option", "list", _SAMPLE, "Any other field of the provider (repeatable).", "KEY=VALUE"),
    Flag("no_stream", "--no-stream", "switch", _OUTPUT, "Request the answer in one piece, not as a stream."),
    Flag("no_reasoning", "-R --no-reasoning", "switch", _OUTPUT, "Do not show the reasoning."),
    Flag("reasoning", "--reasoning", "text", _OUTPUT, "Write the reasoning here.", "stderr|stdout|none|FILE|fd:N"),
    Flag(
        "sources",
        "--sources",
        "text",
        _OUTPUT,
        "List the pages that a web search found here (stderr).",
        "stderr|stdout|none|FILE|fd:N",
    ),
    Flag("json", "--json", "switch", _OUTPUT, "Print one JSON object, also on failure."),
    Flag("jsonl", "--jsonl", "switch", _OUTPUT, "Print one event a line, live."),
    Flag("usage", "-u --usage", "switch", _OUTPUT, "One line of token counts and cost on stderr."),
    Flag(
        "meta",
        "--meta",
        "text",
        _OUTPUT,
        "Write the --json object without its texts here.",
        "stderr|stdout|none|FILE|fd:N",
    ),
    Flag("output", "-O --output", "text", _OUTPUT, "Write the answer here, if it is complete.", "FILE"),
    Flag("keep_partial", "--keep-partial", "switch", _OUTPUT, "Print an incomplete answer too; the exit code stays."),
    Flag("allow_empty", "--allow-empty", "switch", _OUTPUT, "An empty answer is complete."),
    Flag("exact", "--exact", "switch", _OUTPUT, "Add and drop no newline."),
    Flag("plain", "--plain", "switch", _OUTPUT, "No colours and no live rendering."),
    Flag("raw", "--raw", "switch", _OUTPUT, "Let control characters through to a terminal."),
    Flag("dry_run", "-n --dry-run", "switch", _OUTPUT, "Print the request as JSON; send nothing."),
    Flag("curl", "--curl", "switch", _OUTPUT, "Print the request as a curl command; send nothing."),
    Flag("quiet", "-q --quiet", "switch", _OUTPUT, "Errors only."),
    Flag("verbose", "-v --verbose", "switch", _OUTPUT, "Say what is chosen, and why."),
    Flag("retries", "--retries", "integer", _TIME, "Maximum retries (3).", "N", 0),
    Flag("retry_max_time", "--retry-max-time", "seconds", _TIME, "Retry no longer than this (180).", "S", 0),
    Flag("connect_timeout", "--connect-timeout", "seconds", _TIME, "Limit on connecting (10).", "S"),
    Flag("first_timeout", "--first-timeout", "seconds", _TIME, "From the connection to the first data (300).", "S"),
    Flag(
        "idle_timeout", "--idle-timeout", "seconds", _TIME, "Between two pieces of data (300), keep-alives aside.", "S"
    ),
    Flag("deadline", "--deadline", "seconds", _TIME, "Limit on the whole run, stdin included (none).", "S"),
)

TOOL_FILES = Flag("tools", "--tools", "list", _TOOLS, "A file of tools, YAML or JSON (repeatable).", "FILE|-")

# Flags of `tools run` in addition to FLAGS.
TOOL_FLAGS: tuple[Flag, ...] = (
    TOOL_FILES,
    Flag("max_steps", "--max-steps", "integer", _TOOLS, "Maximum requests to the model (10).", "N", 1),
    Flag("yes", "--yes", "switch", _TOOLS, "Approve every call, except of tools with approve: deny."),
    Flag("approve", "--approve", "list", _TOOLS, "Approve the calls of this tool (repeatable).", "NAME"),
    Flag("plan", "--plan", "switch", _TOOLS, "Print the model's first calls as JSON; run nothing."),
    Flag(
        "tool_choice",
        "--tool-choice",
        "text",
        _TOOLS,
        "Which tool the first step calls: auto, none, required or a name.",
        "auto|none|required|NAME",
    ),
    Flag(
        "tool_stream",
        "--tool-stream/--no-tool-stream",
        "choice",
        _TOOLS,
        "Stream the arguments of calls, or get them whole.",
    ),
    Flag("live", "--stream", "switch", _OUTPUT, "Print text as it comes, also what precedes a call."),
)

# Flags of `vision` in addition to FLAGS.
VISION_FLAGS: tuple[Flag, ...] = (
    Flag("image", "--image", "media", _MEDIA, "A picture (repeatable); - is stdin.", "PATH|URL|-"),
    Flag("video", "--video", "media", _MEDIA, "A video that the provider fetches (repeatable).", "URL"),
    Flag("file", "--file", "media", _MEDIA, "A document that the provider fetches (repeatable).", "URL"),
    Flag(
        "at",
        "--at",
        "typed media",
        _MEDIA,
        "A file or --image of this media type, whatever its bytes say (repeatable).",
        "PATH MIME",
    ),
    Flag("detail", "--detail", "text", _MEDIA, "Detail in which the model sees pictures (TokenHub).", "auto|low|high"),
    Flag("resize", "--resize", "switch", _MEDIA, "Make pictures upright and what the model takes."),
    Flag("live", "--stream", "switch", _OUTPUT, "Print the answer as it arrives."),
)

PAIRS = frozenset(flag.field for flag in VISION_FLAGS if flag.kind == "typed media")  # flags with two values
PROMPT = argument("prompt", "The question; with stdin, what to do with it.", required=False)


def values_of(parsed: Mapping[str, Any], flags: Mapping[str, Flag], order: Iterable[str]) -> dict[str, Any]:
    """The converted values of the flags that were given, by field.

    Pictures, videos and files are one list, `media`, in the `order` in which their flags were written: the parser has
    a list for each flag.

    Raises:
        UsageError: a value is wrong.
    """
    values: dict[str, Any] = {}
    for name, text in parsed.items():
        if name not in flags:
            values |= {name: text} if text is not None else {}
        elif flags[name].is_given(text):
            values[name] = flags[name].value(text)
    if "option" in values:
        values["option"] = dict(_option(text) for text in values["option"])
    media = {name: iter(values.pop(name)) for name in tuple(values) if name in flags and "media" in flags[name].kind}
    if media:
        values["media"] = tuple(next(media[name]) for name in order if name in media)
    return values


def _option(text: str) -> tuple[str, Any]:
    from glmcli import documents

    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(message=f"--option {text}: not KEY=VALUE")
    return name, documents.parse_value(value, f"--option {name}")
