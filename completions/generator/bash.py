"""The script for bash. It needs nothing but bash, not even the package bash-completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.providers.table import PROVIDERS

from .tree import Place, Value, all_ids, ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HEAD = """\
# Completions of glm for bash, written by completions/generator: edit that.
# Use: save as ~/.local/share/bash-completion/completions/glm, or source it in ~/.bashrc.

# Add what compgen finds for the word at the cursor.
_glm_add() {
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$@" -- "$cur")
}

_glm_files() {
  compopt -o filenames 2>/dev/null
  _glm_add -f
}

_glm_folders() {
  compopt -o filenames 2>/dev/null
  _glm_add -d
}

# Free text, or the text of a file after an @.
_glm_after_at() {
  [[ $cur == @* ]] || return
  compopt -o filenames 2>/dev/null
  cur=${cur#@}
  _glm_add -f -P @
}

# What stands after -P, or nothing.
_glm_provider() {
  local number word
  for ((number = 1; number < COMP_CWORD; number++)); do
    word=${COMP_WORDS[number]}
    [[ $word == -P || $word == --provider ]] || continue
    word=${COMP_WORDS[number + 1]}
    [[ $word == "=" ]] && word=${COMP_WORDS[number + 2]}
    printf %s "$word"
    return
  done
}
"""

_MODELS = """\
# Models of the provider $1; of all, with the providers, while there is none.
_glm_models() {
  local provider=$1 id words=""
  if [[ $provider ]]; then
    _glm_add -W "$(_glm_ids "$provider")"
  elif [[ $cur == */* ]]; then
    provider=${cur%%/*}
    for id in $(_glm_ids "$provider"); do words+=" $provider/$id"; done
    _glm_add -W "$words"
  else
    _glm_add -W "PROVIDERS IDS"
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
  fi
}
"""

_MAIN = """\
_glm() {
  local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD - 1]} place="" word number only_arguments=""
  COMPREPLY=()
  # bash cuts --model=x into three words.
  if [[ $cur == "=" ]]; then
    cur=""
  elif [[ $flag == "=" ]]; then
    flag=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((number = 1; number < COMP_CWORD; number++)); do
    word=${COMP_WORDS[number]}
    [[ $word == -- ]] && only_arguments=yes
    case $place/$word in
      PATHS) place+=/$word ;;
    esac
  done
"""


def script(tree: Sequence[Place]) -> str:
    """The whole script."""
    return "\n".join([_HEAD, *_ids(), _models(), *_main(tree), "complete -F _glm glm", ""])


def _ids() -> Iterator[str]:
    yield "_glm_ids() {\n  case $1 in"
    by_ids: dict[tuple[str, ...], list[str]] = {}
    for name in PROVIDERS:
        by_ids.setdefault(ids(name), []).append(name)
    yield from (f'    {"|".join(names)}) echo "{" ".join(models)}" ;;' for models, names in by_ids.items() if models)
    yield "  esac\n}\n"


def _models() -> str:
    providers = " ".join(f"{name}/" for name in PROVIDERS)
    return _MODELS.replace("PROVIDERS", providers).replace("IDS", " ".join(all_ids()))


def _main(tree: Sequence[Place]) -> Iterator[str]:
    yield _MAIN.replace("PATHS", "|".join(place.path for place in tree if place.path != "/")).rstrip("\n")
    yield from _values(tree)
    yield from _places(tree)
    yield "}\n"


def _values(tree: Sequence[Place]) -> Iterator[str]:
    """One line for each kind of value, with the flags that take it."""
    patterns: dict[str, list[str]] = {}
    for pattern, action in _patterns(tree).items():
        patterns.setdefault(action, []).append(pattern)
    yield "  [[ $only_arguments ]] || case $place:$flag in"
    for action, flags in patterns.items():
        yield f"    {'|'.join(flags)})"
        yield from (f"      {line}" for line in action.splitlines())
        yield "      return\n      ;;"
    yield "  esac"


def _patterns(tree: Sequence[Place]) -> dict[str, str]:
    """The action after each flag; a flag that means the same everywhere is named once."""
    found: dict[str, dict[str, str]] = {}
    for place in tree:
        for flag in place.flags:
            for name in flag.names:
                found.setdefault(name, {})[place.path] = _action(flag.value) if flag.value else "switch"
    patterns: dict[str, str] = {}
    for name, actions in found.items():
        if len(set(actions.values())) == 1:
            patterns[f"*:{name}"] = next(iter(actions.values()))
        else:
            patterns |= {f"{path}:{name}": action for path, action in actions.items()}
    return {pattern: action for pattern, action in patterns.items() if action != "switch"}


def _action(value: Value) -> str:
    """The commands that complete this value; empty for free text."""
    lines = [f'_glm_add -W "{" ".join(value.words)}"'] if value.words else []
    if value.models != "none":
        lines.append('_glm_models "$(_glm_provider)"' if value.models == "verbatim after -P" else "_glm_models")
    if value.files != "none":
        lines.append("_glm_" + {"files": "files", "folders": "folders", "after @": "after_at"}[value.files])
    return "\n".join(lines)


def _places(tree: Sequence[Place]) -> Iterator[str]:
    """The completions of words that are not the value of a flag."""
    yield "  case $place in"
    for place in tree:
        flags = " ".join(name for flag in place.flags for name in flag.names)
        lines = [f'_glm_add -W "{" ".join(place.commands)}"'] if place.commands else []
        lines += [_action(place.arguments[-1])] if place.arguments else []
        yield f"    {place.path.rstrip('/') or chr(34) * 2})"
        yield f'      if [[ $cur == -* && ! $only_arguments ]]; then\n        _glm_add -W "{flags}"'
        if any(lines):
            yield "      else"
            yield from (f"        {line}" for line in "\n".join(lines).splitlines())
        yield "      fi\n      ;;"
    yield "  esac"
