r"""Fills `{{NAME}}` in the strings of a document: see `glmcli.documents.template_of`."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from glmcli.documents.document import has_surrogate
from glmcli.documents.quoting import listed, visible
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from glmcli.documents.document import Document, Node, SourceText

# A small file that uses a large default many times must not fill the memory.
_MAX_FILLED = 64 << 20

_BLANKS = " \t\r\n"
# An escape; a name in quotes; whatever else stands between two pairs of braces.
_BRACES = re.compile(r'\\\{\{|\{\{[ \t\r\n]*+"([^"]++)"[ \t\r\n]*+\}\}|\{\{(.*?)\}\}', re.DOTALL)
_RUN = re.compile(r"\{\{+")
# `{name}` and `${name}`, as Python, JavaScript and shells have it; the wide braces are those of Chinese keyboards.
_SINGLE = re.compile(r"[{\uff5b][ ]?([^\W\d][^{}\uff5b\uff5d\s\"]{0,80})[ ]?[}\uff5d]")
_OBJECT = re.compile(r"""["'][^"']*["']\s*:""")
# What a path of Windows or LaTeX has before a placeholder makes it text.
_ESCAPED = re.compile(r"\\\{\{[ \t]*([^\W\d]\w*)[ \t]*\}\}")
# Joiners, which words of Persian and of Indian scripts have inside: unicode.org/reports/tr31, section 2.3 (2026).
_JOINERS = str.maketrans("", "", "\u200c\u200d")
_LITERAL = r"\{{ stands for literal braces"


class Template:
    """A document of which some parts are filled repeatedly, with other values each time.

    Attributes:
        sample: the filled document, with `x` for each missing value, so that it can be validated.
        open: the names without a value yet, by part.
        names: the names that a row may fill in (open, or with a default), by part.
    """

    def __init__(self, document: Document, keys: Collection[str], variables: Mapping[str, str]) -> None:
        """`keys`: the top-level parts whose names may be open; `variables` override the values of every `fill`.

        Raises:
            UsageError: a name has no value in another part, braces hold no name, or a variable is used nowhere or is
                not UTF-8.
        """
        for name, text in variables.items():
            if has_surrogate(text):
                raise UsageError(message=f"--var {visible(name)}: not UTF-8")
        self._document = document
        self._defaults = _defaults(document)
        self._variables = {compared(name): text for name, text in variables.items()}
        self.open: dict[str, frozenset[str]] = {}
        self.names: dict[str, frozenset[str]] = {}
        self._used: set[str] = set()
        filler = _Filler(document, {**self._defaults, **self._variables})
        filler.hint = f"rows fill {listed(keys, 'and')} only; " if keys else ""
        if isinstance(document.value, dict):
            value: object = {key: self._first(filler, key, keys) for key in document.value}
        else:
            value, self._used = filler.walk(document.value, document.root), filler.used
        for name in variables:
            if compared(name) not in self._used:
                raise self._unused(name)
        self.sample = document.replace(value=value)

    def _first(self, filler: _Filler, key: str, keys: Collection[str]) -> object:
        """A part of the sample; adds the names that have a value to those that are used."""
        value = self._document.value[key]
        if key == "vars":
            return value
        filler.used, filler.open = set(), set() if key in keys else None
        filled = filler.walk(value, self._document.node([key]))
        if filler.open:
            self.open[key] = frozenset(filler.open)
        if key in keys and (names := filler.used.union(filler.open or ()).difference(self._variables)):
            self.names[key] = frozenset(names)
        self._used |= filler.used
        return filled

    def _unused(self, name: str) -> UsageError:
        """The error for a variable that fills nothing."""
        written = self.single_braced().get(compared(name))
        fix = f"{visible(written)} is text there; {braced(name)} is filled" if written else None
        return UsageError(message=f"--var {visible(name)} is used nowhere in {self._document.name}", fix=fix)

    def single_braced(self) -> dict[str, str]:
        r"""The names that stand in single braces, as in `{NAME}`, or in `\{{NAME}}`, and how that is written.

        Both are text. Names that stand in a placeholder, too, are left out.
        """
        value = self._document.value
        whole = {key: value[key] for key in value if key != "vars"} if isinstance(value, dict) else value
        used = self._used.union(*self.open.values())
        found: dict[str, str] = {}
        for text in _strings(whole):
            single = ((name, f"{{{name}}}") for name in _SINGLE.findall(_BRACES.sub("", text)))
            escaped = ((name, rf"\{{{{{name}}}}}") for name in _ESCAPED.findall(text))
            found |= {compared(name): written for name, written in chain(single, escaped)}
        return {name: written for name, written in found.items() if name not in used}

    def mistaken(self) -> dict[str, str]:
        """Those of `single_braced` for which the document itself has a value."""
        if not self._defaults:
            return {}
        return {name: written for name, written in self.single_braced().items() if name in self._defaults}

    def fill(self, keys: Iterable[str], variables: Mapping[str, str]) -> Document:
        """A document of these parts only, filled with these values, which override defaults; see `compared`.

        Raises:
            UsageError: a name has no value, or the result is huge.
        """
        whole, filler = self._document, _Filler(self._document, {**self._defaults, **variables, **self._variables})
        return whole.replace(value={key: filler.walk(whole.value[key], whole.node([key])) for key in keys})


def compared(name: str) -> str:
    """A name in the form in which names are compared: NFC, for keyboards and files differ in how they write an é."""
    if name.isascii():
        return name
    from unicodedata import normalize

    return normalize("NFC", name)


def is_name(text: str) -> bool:
    """Whether this needs no quotes between braces: letters, digits and `_` of any script."""
    return bool(text) and f"_{text}".translate(_JOINERS).isidentifier()


def braced(name: str) -> str:
    """The placeholder of a name, as a message shows it."""
    return f"{{{{{visible(name)}}}}}" if is_name(name) else f'{{{{"{visible(name)}"}}}}'


def _strings(value: object) -> Iterable[str]:
    """The strings of a value that may hold braces; keys are none."""
    match value:
        case str():
            yield from (value,) if "{" in value or "\uff5b" in value else ()
        case dict():
            for item in value.values():
                yield from _strings(item)
        case list():
            for item in value:
                yield from _strings(item)


def _defaults(document: Document) -> dict[str, str]:
    """The strings of `vars`, with `x` for other values, which the schema refuses.

    Raises:
        UsageError: one holds a placeholder, which would not be filled.
    """
    given = document.value.get("vars") if isinstance(document.value, dict) else None
    if not isinstance(given, dict):
        return {}
    texts = {name: text if isinstance(text, str) else "x" for name, text in given.items()}
    return {
        compared(name): _with_braces_filled(text, lambda found, name=name: _of_default(document, found, name))  # type: ignore[misc]
        for name, text in texts.items()
    }


def _of_default(document: Document, found: re.Match[str], name: str) -> str:
    if found[0] == r"\{{":
        return "{{"
    at = _index(document.source, document.node(["vars", name]), found)
    why = f"{document.source.place(at)}: {visible(found[0])} in vars, whose values are not filled themselves"
    raise UsageError(message=why, fix=_LITERAL)


def _with_braces_filled(text: str, value: Callable[[re.Match[str]], str]) -> str:
    """The text with whatever `_BRACES` finds replaced; braces that nothing closes are text."""
    if "{{" not in text:
        return text
    before, end, after = text.rpartition("}}")  # looking for an end behind the last one would take quadratic time
    return _BRACES.sub(value, before + end) + after.replace(r"\{{", "{{")


def _index(source: SourceText, node: Node, found: re.Match[str]) -> int:
    """The place in the file of braces in a string; that of the string if the file writes its braces otherwise."""
    there = [run.span() for run in _RUN.finditer(found.string)]
    written = [run.span() for run in _RUN.finditer(source.text, node.at, node.end)][: len(there)]
    if [end - at for at, end in there] != [end - at for at, end in written]:
        return node.at
    number = next(number for number, (at, end) in enumerate(there) if at <= found.start() < end)
    return written[number][0] + found.start() - there[number][0]


class _Filler:
    """Fills strings, and records the names that occur.

    Attributes:
        used: the names that had a value.
        open: the names that had none; None if that is an error.
        hint: what the fix of that error begins with.
    """

    def __init__(self, document: Document, variables: Mapping[str, str]) -> None:
        self._document = document
        self._variables = variables
        self._size = 0
        self.used: set[str] = set()
        self.open: set[str] | None = None
        self.hint = ""

    def walk(self, value: object, node: Node) -> object:
        """The value with its strings filled; `parse` limits the depth of the recursion."""
        below = node.below
        match value:
            case str():
                return _with_braces_filled(value, lambda found: self._value(found, node))
            case dict() if isinstance(below, dict):
                return {key: self.walk(item, below[key]) for key, item in value.items()}
            case list() if isinstance(below, list):
                return [self.walk(item, there) for item, there in zip(value, below, strict=True)]
        return value

    def _value(self, found: re.Match[str], node: Node) -> str:
        """The text that replaces a placeholder or an escape."""
        quoted, inner = found.groups()
        if quoted is None and inner is None:
            return "{{"
        name = compared(inner.strip(_BLANKS) if quoted is None else quoted)
        if quoted is None and not is_name(name):
            raise self._no_name(found, node)
        if name not in self._variables:
            if self.open is None:
                raise self._missing(name, found, node)
            self.open.add(name)
            return "x"
        self.used.add(name)
        self._size += len(self._variables[name])
        if self._size > _MAX_FILLED:
            raise self._document.source.error(node.at, "filled in, the strings are larger than 64 MiB")
        return self._variables[name]

    def _missing(self, name: str, found: re.Match[str], node: Node) -> UsageError:
        source = self._document.source
        given = visible(name) if is_name(name) else f"'{visible(name)}'"
        why = f"{source.place(_index(source, node, found))}: {braced(name)} has no value; give one with --var {given}=…"
        return UsageError(message=why, fix=self.hint + _LITERAL)

    def _no_name(self, found: re.Match[str], node: Node) -> UsageError:
        source = self._document.source
        after = found.string[found.end() :]
        whole = found[0] + after[: len(after) - len(after.lstrip("}"))]
        why = f"{source.place(_index(source, node, found))}: {visible(whole)} is no {{{{NAME}}}}"
        return UsageError(message=why, fix=f"{_advice(found[2].strip())}; {_LITERAL}")


def _advice(inner: str) -> str:
    """What to write instead of braces around this.

    Templates of others are Jinja's (`{{ a | trim }}`, `{{ row.a }}`, `{{- a }}`), Mustache's (`{{{a}}}`, `{{#a}}`) and
    Go's (`{{ .A }}`): jinja.palletsprojects.com, mustache.github.io, pkg.go.dev/text/template (2026).
    """
    if _OBJECT.match(inner):  # as templates of Python's str.format write a literal brace
        return "write single braces, which are text and need no doubling"
    bare = inner.strip("{}-~&.$# \t\r\n")
    if is_name(bare):
        return f"write {braced(bare)}"
    first = bare.partition("|")[0].strip()
    if "|" in bare and is_name(first):
        return f"write {braced(first)}, for nothing is computed in a template"
    if re.search(r"[^\s\w][.\['\"]|[.\[]", bare) and (words := re.findall(r"[^\W\d]\w*", bare.partition("|")[0])):
        plain = braced(words[-1])
        return f"write {plain}" + ("" if re.search(r'["{}|]', inner) else f", or {braced(inner)} if it is called so")
    if bare and not re.search(r'["{}]', inner) and inner[0] not in "#/>!^&":
        return f"write {braced(inner)} if a value is called so"
    return "a name is letters, digits and _, and nothing is computed in a template"
