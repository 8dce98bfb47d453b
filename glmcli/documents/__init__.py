"""YAML and JSON text as validated values, or an error that names file, line and column.

Only this folder imports yaml and jsonschema, and loads them when they are needed: yaml for a file that is not JSON,
jsonschema to find the faults of a file that is not valid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.documents.document import Document, SourceText, decode
from glmcli.documents.fast_validator import is_valid, load_lazily, load_schema
from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from glmcli.documents.template import Template

__all__ = ["Document", "check", "faults", "load_schema", "parse", "parse_lines", "parse_value", "template_of"]


def parse(text: bytes, name: str, first: int = 1) -> Document:
    """Parse a file: as JSON if it is JSON, else as YAML 1.2 with the core schema.

    `first` is the number of the first line, for one document of a file that holds several.

    Plain scalars follow YAML 1.2, not 1.1: only `true` and `false` (also `True`, `TRUE`, …) are booleans; `null`, `~`
    and nothing are null; `010` is ten, `0o10` and `0x8` are eight, `1e3` is a thousand; `NO`, `on`, `1:30`, dates, `=`
    and `<<` are strings. U+0085, U+2028 and U+2029 are ordinary characters and break no line.

    Refused, if well-formed: duplicate and non-string keys, anchors, aliases, merge keys, tags, a second
    document, numbers that JSON cannot carry or 64 bits cannot hold, lone surrogates, control characters, nesting over
    64, more than 1 MiB, and any encoding but UTF-8 (a byte order mark is dropped).

    Raises:
        UsageError: one line, "request.yaml:12:3: …".
    """
    return _document(decode(text, name, first))


def parse_lines(text: bytes, name: str) -> Document:
    """Parse JSON lines as a list of their values; what is refused in `parse` is refused here.

    Raises:
        UsageError: one line, "tools.jsonl:12:3: …".
    """
    from glmcli.documents import json_reader

    return json_reader.read_lines(decode(text, name))


def parse_value(text: str, name: str) -> Any:  # noqa: ANN401 - any value of JSON
    """One YAML 1.2 value, as `-o KEY=VALUE` takes it; the same rules as for a file.

    Raises:
        UsageError: one line, "-o top_k: …".
    """
    return _document(SourceText.of_flag(text, name)).value


def _document(source: SourceText) -> Document:
    if source.text.lstrip(" \t\n\r").startswith(('"', "[", "{")):  # it may be JSON
        from glmcli.documents import json_reader

        document = json_reader.read(source)
        if document is not None:
            return document
    from glmcli.documents import yaml_reader

    return yaml_reader.read(source)


def check(document: Document, schema: str, *, names_all: bool = False) -> None:
    """Require that the document satisfies our schema of that name ("request", "config", …).

    Raises:
        UsageError: the first fault in the order of the file, and the number of the others, which are in `why` with
            `names_all`.
    """
    first, *others = faults(document, schema) or [""]
    if first:
        more = f" (and {len(others)} more)" if others else ""
        raise UsageError(message=first + more, why="; ".join(others) or None if names_all else None)


def faults(document: Document, schema: str, part: str | None = None) -> list[str]:
    """Every fault by a schema, or by one of its `$defs`; each "file:line:col: text", in the order of the file."""
    if is_valid(document.value, _part(load_lazily(schema), part)):
        return []
    from glmcli.documents import validator

    return validator.faults(document, schema, _part(load_schema(schema), part))


def _part(rules: Mapping[str, Any], part: str | None) -> Mapping[str, Any]:
    return {"$ref": f"#/$defs/{part}", "$defs": rules["$defs"]} if part else rules


def template_of(document: Document, keys: Collection[str], variables: Mapping[str, str]) -> Template:
    r"""The document as a template: `{{NAME}}` is replaced in every string value; keys stay, and so do the positions.

    Names in the parts `keys` may be without a value yet; rows fill them.

    A name is letters, digits and `_` of any script (and the joiners inside words), or any text in quotes, as in
    `{{"First Name"}}`; names are compared in NFC. A mapping `vars` at the top of the document gives defaults, which may
    stay unused and are not filled themselves. Values that were filled in are not expanded again; `\{{` means `{{`, and
    so do braces that nothing closes. Any other `{{…}}` is an error, for it would reach the model as it stands.

    Raises:
        UsageError: a name has no value, braces hold no name, a variable is used nowhere or is not UTF-8, or the result
            is huge.
    """
    from glmcli.documents.template import Template

    return Template(document, keys, variables)
