"""The script for fish: one line a flag, shared by all the places where it means the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.providers.table import PROVIDERS

from .tree import Flag, Place, Value, all_ids, ids, worded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PREFIX = "__glm_word_"

_HEAD = """\
# Completions of glm for fish, written by completions/generator: edit that.
# Use: save as ~/.config/fish/completions/glm.fish.

# Whether the words before the cursor lead to one of these places.
function __glm_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l place ''
    for word in $words
        if contains -- $place/$word PATHS
            set place $place/$word
        end
    end
    test -z "$place"; and set place /
    contains -- $place $argv
end

# What stands after -P, or nothing.
function __glm_provider
    set -l words (commandline -opc)
    while set -q words[1]
        switch $words[1]
            case -P --provider
                echo $words[2]
            case '--provider=*'
                string replace -- --provider= '' $words[1]
        end
        set -e words[1]
    end
end

# Models of the provider in the first argument; of all, with the providers, while there is none.
function __glm_models
    set -l provider $argv[1]
    if test -n "$provider"
        __glm_ids $provider
        return
    end
    printf '%s\\n' PROVIDERS IDS
    set provider (commandline -ct | string replace -r -- '^--\\w+=' '' | string match -r -- '^[^/]+(?=/)')
    test -n "$provider"; and string replace -r -- '^' $provider/ (__glm_ids $provider)
end

# Free text, or the text of a file after an @.
function __glm_after_at
    set -l file (commandline -ct | string replace -r -- '^--\\w+=' '' | string match -r -- '(?<=^@).*')
    and string replace -r -- '^' @ (__fish_complete_path $file)
end
"""


def script(tree: Sequence[Place]) -> str:
    """The whole script."""
    paths = " ".join(place.path for place in tree if place.path != "/")
    providers = " ".join(f"{name}/" for name in PROVIDERS)
    head = _HEAD.replace("PATHS", paths).replace("PROVIDERS", providers).replace("IDS", " ".join(all_ids()))
    parts = [
        head,
        *_ids(),
        *_words(tree),
        "complete -c glm -f\n",
        *_commands(tree),
        "",
        *_flags(tree),
        *_arguments(tree),
    ]
    return "\n".join([*parts, ""])


def _ids() -> Iterator[str]:
    yield "function __glm_ids\n    switch $argv[1]"
    for name in PROVIDERS:
        if ids(name):
            yield f"        case {name}\n            printf '%s\\n' {' '.join(ids(name))}"
    yield "    end\nend\n"


def _words(tree: Sequence[Place]) -> Iterator[str]:
    """A function for each list of words that something takes."""
    for name, value in worded(tree).items():
        yield f"function {_PREFIX}{name}"
        yield from _printed(value.words)
        yield "end\n"


def _printed(words: Mapping[str, str]) -> Iterator[str]:
    if not any(words.values()):
        yield f"    printf '%s\\n' {' '.join(words)}"
        return
    yield "    printf '%s\\t%s\\n' \\"
    yield " \\\n".join(f"        {word} {_quote(meaning)}" for word, meaning in words.items())


def _commands(tree: Sequence[Place]) -> Iterator[str]:
    for place in tree:
        for name, text in place.commands.items():
            yield f"complete -c glm -n '__glm_at {place.path}' -a {name} -d {_quote(text)}"


def _flags(tree: Sequence[Place]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for place in tree:
        for flag in place.flags:
            for line in _lines(flag):
                found.setdefault(line, []).append(place.path)
    for line, paths in found.items():
        yield f"complete -c glm -n '__glm_at {' '.join(paths)}' {line}"


def _lines(flag: Flag) -> Iterator[str]:
    """The flag's own words; the two sides of a switch are a line each."""
    long = [name for name in flag.names if name.startswith("--")]
    short = "".join(f"-s {name[1:]} " for name in flag.names if not name.startswith("--"))
    for name in long:
        yield f"{short}-l {name[2:]} {_taken(flag)}-d {_quote(flag.help)}"


def _taken(flag: Flag) -> str:
    if flag.value is None:
        return ""
    offered = _PREFIX + flag.name if flag.value.words else _source(flag.value)
    files = "-r -F " if flag.value.files == "files" else "-x "
    return files + (f"-a '({offered})' " if offered else "")


def _source(value: Value) -> str:
    if value.models != "none":
        return "__glm_models (__glm_provider)" if value.models == "verbatim after -P" else "__glm_models"
    return {"after @": "__glm_after_at", "folders": "__fish_complete_directories"}.get(value.files, "")


def _arguments(tree: Sequence[Place]) -> Iterator[str]:
    paths = [place.path for place in tree if place.arguments and place.arguments[-1].files == "files"]
    if paths:
        yield f"complete -c glm -n '__glm_at {' '.join(paths)}' -F"
    for place in tree:
        for value in place.arguments:
            if value.models != "none":
                yield f"complete -c glm -n '__glm_at {place.path}' -x -a '({_source(value)})'"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
