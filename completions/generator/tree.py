"""The command tree as the scripts need it: places, flags, and what may stand after a flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from glmcli.commands.tree import root
from glmcli.providers.table import PROVIDERS
from glmcli.sandbox.faults import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Files = Literal["none", "files", "folders", "after @"]
Models = Literal["none", "verbatim after -P", "always split"]


class Value(NamedTuple):
    """What may follow a flag or be an argument; the defaults mean free text.

    Attributes:
        shown: the name of the value in the help.
        words: words that are offered, with what they mean.
        files: which files are offered.
        models: whether models are offered, and whether --provider decides whose.
    """

    shown: str
    words: Mapping[str, str] = {}
    files: Files = "none"
    models: Models = "none"


class Flag(NamedTuple):
    """One flag: all its names, its help, and its value unless it is a switch."""

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeatable: bool

    @property
    def name(self) -> str:
        """Its longest name, as a part of a function's name."""
        return self.names[-1].lstrip("-").replace("-", "_")

    @property
    def is_last(self) -> bool:
        """Whether nothing else may be given with it."""
        return bool({"--help", "--version"} & set(self.names))


class Place(NamedTuple):
    """A node of the tree: `/` is the program itself, `/ask` a command of it."""

    path: str
    commands: Mapping[str, str]
    flags: tuple[Flag, ...]
    arguments: tuple[Value, ...]
    more: bool  # the last argument may be repeated


def places() -> tuple[Place, ...]:
    """Every place of the tree, the program first."""
    return tuple(_walk(root(), ""))


def _walk(command: Any, path: str) -> Iterator[Place]:  # noqa: ANN401 - click's own types are private
    context = command.make_context("glm", [], resilient_parsing=True)
    parameters = command.get_params(context)
    options = [each for each in parameters if each.param_type_name == "option" and not each.hidden]
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    below = {name: command.get_command(context, name) for name in names}
    flags = tuple(_flag(option) for option in options)
    if below and any(flag.value for flag in flags):
        raise ValueError(f"glm{path}: a flag with a value before a subcommand is more than the scripts can follow")
    helps = {name: _line(child.help) for name, child in below.items()}
    helps |= getattr(command, "helps", {})
    shown = tuple(_value(each.name, each.metavar or each.name.upper()) for each in arguments)
    yield Place(path or "/", helps, flags, shown, more=bool(arguments and arguments[-1].nargs == -1))
    for name, child in below.items():
        yield from _walk(child, f"{path}/{name}")


def _line(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _flag(option: Any) -> Flag:  # noqa: ANN401 - click's own types are private
    # Short names first: Typer gives those of --help in any order.
    names = tuple(sorted((*option.opts, *option.secondary_opts), key=lambda name: name.startswith("--")))
    value = None if option.is_flag or option.count else _value(option.name, option.metavar or "TEXT")
    return Flag(names, _line(option.help), value, option.multiple)


def _value(name: str, shown: str) -> Value:
    """What the parameter takes: by its name where that says more, else by the words of its metavar."""
    match name:
        case "model":
            return Value(shown, models="verbatim after -P")
        case "fallback":
            return Value(shown, models="always split")
        case "provider":
            return Value(shown, words={row.name: row.base_url for row in PROVIDERS.values()})
        case "effort":
            return Value(shown, words=dict.fromkeys(_efforts(), ""))
        case "fault":
            words = {name: kind.description for name, kind in KINDS.items()}
            return Value(shown, words={**words, "list": "print every fault, and start nothing"})
    return _by_metavar(shown)


def _by_metavar(shown: str) -> Value:
    words = shown.strip("[].").replace(" ", "|").split("|")
    literal = {word: "" for word in words if word.isalpha() and word.islower()}
    if "@FILE" in words:
        return Value(shown, words=literal, files="after @")
    if {"FILE", "PATH", "INPUT"} & {word.strip("[].") for word in words}:
        return Value(shown, words=literal, files="files")
    return Value(shown, words=literal, files="folders" if "DIR" in words else "none")


def _efforts() -> list[str]:
    """Every word of effort that some row knows; those that models honour first."""
    models = [row.model(model) for row in PROVIDERS.values() for model in ids(row.name)]
    known = [word for model in models if model for word in model.efforts or ()]
    known += [word for row in PROVIDERS.values() for word in row.api.effort_words or ()]
    return list(dict.fromkeys(known))


def ids(provider: str) -> tuple[str, ...]:
    """The models that are known at this provider."""
    return PROVIDERS[provider].model_names


def all_ids() -> tuple[str, ...]:
    """The models that are known at any provider, each once."""
    return tuple(dict.fromkeys(model for name in PROVIDERS for model in ids(name)))


def worded(tree: Sequence[Place]) -> dict[str, Value]:
    """The values that have words, by the name of their flag.

    Raises:
        ValueError: one name means different words at different places.
    """
    found: dict[str, Value] = {}
    for flag in (flag for place in tree for flag in place.flags):
        if flag.value and flag.value.words and found.setdefault(flag.name, flag.value) != flag.value:
            raise ValueError(f"--{flag.name} takes different words at different places")
    return found
