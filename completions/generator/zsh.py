"""The script for zsh: one function a place, in the words of _arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.providers.table import PROVIDERS

from .tree import Flag, Place, Value, all_ids, ids, worded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PREFIX = "_glm_word_"

_HEAD = """\
#compdef glm
# Completions of glm for zsh, written by completions/generator: edit that.
# Use: save as _glm in a folder of $fpath.
"""

_MODELS = """\
# Models of the provider $1; of all, with the providers, while there is none.
_glm_models_at() {
  local provider=$1
  if [[ -z $provider ]] && compset -P 1 '*/'; then
    provider=${${IPREFIX##*=}%/}
  fi
  if [[ -n $provider ]]; then
    compadd -- ${=_glm_ids[$provider]}
  else
    compadd -q -S / -- PROVIDERS
    compadd -- IDS
  fi
}

_glm_given_model() {
  _glm_models_at "${opt_args[-P]:-$opt_args[--provider]}"
}

_glm_given_fallback() {
  _glm_models_at ''
}

# Free text, or the text of a file after an @.
_glm_after_at() {
  if compset -P @; then
    _files
  else
    _message 'TEXT or @FILE'
  fi
}
"""


def script(tree: Sequence[Place]) -> str:
    """The whole script."""
    lines = [_HEAD, *_ids(), _models(), *_words(tree), *(_function(place) for place in tree), '_glm "$@"', ""]
    return "\n".join(lines)


def _ids() -> Iterator[str]:
    yield "typeset -gA _glm_ids=("
    yield from (f"  {name} {_quote(' '.join(ids(name)))}" for name in PROVIDERS if ids(name))
    yield ")\n"


def _models() -> str:
    return _MODELS.replace("PROVIDERS", " ".join(PROVIDERS)).replace("IDS", " ".join(all_ids()))


def _words(tree: Sequence[Place]) -> Iterator[str]:
    """A function for each list of words that something takes."""
    for name, value in worded(tree).items():
        yield f"{_PREFIX}{name}() {{"
        yield from _described(value.words, value.shown)
        yield "  _files" if value.files == "files" else "  :" if value.files == "none" else "  _files -/"
        yield "}\n"


def _described(words: Mapping[str, str], shown: str) -> Iterator[str]:
    yield "  local -a offered=("
    for word, meaning in words.items():
        yield f"    {_quote(_escape(word) + (':' + meaning if meaning else ''))}"
    yield f"  )\n  _describe {_quote(shown)} offered"


def _function(place: Place) -> str:
    specs = [_flag(flag) for flag in place.flags]
    if place.commands:
        return _group(place, specs)
    specs += [_argument(value, place) for value in place.arguments]
    return "\n".join([f"{_function_name(place)}() {{", f"  _arguments -s -S : {_joined(specs)}", "}\n"])


def _group(place: Place, specs: Sequence[str]) -> str:
    specs = [*specs, "'1: :->command'", "'*:: :->rest'"]
    lines = [f"{_function_name(place)}() {{", "  local curcontext=$curcontext state line", "  typeset -A opt_args"]
    lines += [f"  _arguments -C -s -S : {_joined(specs)}", "  case $state in", "    command)"]
    lines += [f"    {line}" for line in "\n".join(_described(place.commands, "command")).splitlines()]
    lines += ["      ;;", "    rest)", "      case $words[1] in"]
    path = place.path.rstrip("/")
    lines += [f"        {name}) _glm{f'{path}/{name}'.replace('/', '_')} ;;" for name in place.commands]
    return "\n".join([*lines, "      esac\n      ;;\n  esac\n}\n"])


def _function_name(place: Place) -> str:
    return "_glm" + place.path.rstrip("/").replace("/", "_")


def _joined(specs: Sequence[str]) -> str:
    return " \\\n    ".join(["", *specs]).lstrip(" ")


def _flag(flag: Flag) -> str:
    """A flag in the words of _arguments: what it excludes, its names, its help, its value."""
    names = [name + _joint(name) if flag.value else name for name in flag.names]
    excluded = "(- *)" if flag.is_last else "*" if flag.repeatable else f"({' '.join(flag.names)})"
    value = f":{_escape(flag.value.shown)}:{_action(flag)}" if flag.value else ""
    tail = _quote(f"[{_escape(flag.help)}]{value}")
    spelled = "{" + ",".join(names) + "}" if len(names) > 1 else names[0]
    return f"{_quote(excluded)}{spelled}{tail}"


def _joint(name: str) -> str:
    """How a name is tied to its value: `--name=value` or `-nvalue`; a word of its own always works."""
    return "=" if name.startswith("--") else "+"


def _action(flag: Flag) -> str:
    if flag.value and flag.value.words:
        return _PREFIX + flag.name
    return _taken(flag.value) if flag.value else ""


def _taken(value: Value) -> str:
    if value.models != "none":
        return "_glm_given_model" if value.models == "verbatim after -P" else "_glm_given_fallback"
    return {"files": "_files", "folders": "_files -/", "after @": "_glm_after_at", "none": " "}[value.files]


def _argument(value: Value, place: Place) -> str:
    return _quote(f"{'*' if place.more else ':'}:{_escape(value.shown)}:{_taken(value)}")


def _escape(text: str) -> str:
    return "".join("\\" + letter if letter in "\\:[]" else letter for letter in text)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
