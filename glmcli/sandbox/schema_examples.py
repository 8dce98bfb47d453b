"""Example values for a JSON Schema: the arguments of the sandbox's tool calls. A schema always has the same example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from glmcli.sandbox.chat_request import object_or_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# A value for each `format` that a plain word would violate.
_FORMATS = {
    "date": "2026-11-22",
    "date-time": "2026-11-22T10:00:00Z",
    "time": "10:00:00Z",
    "duration": "PT1H",
    "email": "sandbox@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_WORD = "sandbox"
# A schema that refers to itself, or wants much, is not followed further than this.
_MAX_DEPTH = 32
_MAX_VALUES = 10_000
_MAX_ITEMS = 1000
_MAX_TEXT = 10_000
_LARGEST, _FINEST = 1e15, 1e-9  # of the numbers that are reckoned with


class _Root:
    """The whole schema, to which its references point, and how many values may still be made."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema
        self.left = _MAX_VALUES


def example(schema: object, root: _Root | None = None, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """A value that the schema accepts: `const`, first `enum`, `default`, first example, else the least of its type.

    Of an object's properties only the required ones are filled.
    """
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return {}
    root = _Root(schema) if root is None else root
    root.left -= 1
    if root.left < 0:
        return {}
    found, value = _given(schema)
    if found:
        return value
    chosen = _resolved(schema, root)
    if chosen is not schema or "$ref" in schema:
        return example(chosen, root, depth + 1)
    return _BY_TYPE[_type_of(schema)](schema, root, depth)


def _given(schema: Mapping[str, Any]) -> tuple[bool, Any]:
    """Whether the schema itself names a value, and which."""
    for keyword in ("const", "enum", "default", "examples"):
        value = schema.get(keyword)
        if keyword in {"enum", "examples"}:
            if isinstance(value, list) and value:
                return True, value[0]
        elif keyword in schema:
            return True, value
    return False, None


def _resolved(schema: dict[str, Any], root: _Root) -> dict[str, Any]:
    """The schema behind a local `$ref`, with the first of `anyOf` or `oneOf`, with all of `allOf`; else itself."""
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        here: Any = root.schema
        for step in reference.split("/")[1:]:
            here = here.get(step, {}) if isinstance(here, dict) else {}
        return here if isinstance(here, dict) else {}
    for keyword in ("anyOf", "oneOf", "allOf"):
        options = schema.get(keyword)
        chosen = [each for each in options if isinstance(each, dict)] if isinstance(options, list) else []
        if chosen:
            rest = {key: each for key, each in schema.items() if key != keyword}
            return _merged(rest, chosen if keyword == "allOf" else chosen[:1], root)
    return schema


def _merged(schema: dict[str, Any], others: list[dict[str, Any]], root: _Root) -> dict[str, Any]:
    """One schema for all of them: properties and required names add up, of other keywords the last one wins."""
    for other in others:
        more = _resolved(other, root) if "$ref" in other else other
        joined = {**schema, **more}
        joined["properties"] = {**object_or_empty(schema.get("properties")), **object_or_empty(more.get("properties"))}
        joined["required"] = [*_list(schema.get("required")), *_list(more.get("required"))]
        if not joined["properties"] and not joined["required"]:
            del joined["properties"], joined["required"]
        schema = joined
    return schema


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _bound(schema: Mapping[str, Any], keyword: str) -> float | None:
    """The number that a keyword sets, or None, also for one that is too large to reckon with."""
    value = schema.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -_LARGEST < value < _LARGEST else None


def _type_of(schema: Mapping[str, Any]) -> str:
    """The type of the example: of a list of types the first; without a type, the one that other keywords imply."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str) and kind in _BY_TYPE:
        return kind
    if "items" in schema:
        return "array"
    return "object" if "properties" in schema or "required" in schema else "string"


def _text(schema: Mapping[str, Any], _root: _Root, _depth: int) -> str:
    text = _FORMATS.get(str(schema.get("format")), _WORD)
    least, most = int(_bound(schema, "minLength") or 0), _bound(schema, "maxLength")
    if len(text) < least:
        text = (text * (min(least, _MAX_TEXT) // len(text) + 1))[:least]
    return text if most is None else text[: int(max(most, 0))]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float:
    """The least multiple that is allowed: `minimum`, or just above `exclusiveMinimum`; else 0 or the greatest below."""
    given = _bound(schema, "multipleOf")
    step = given if given is not None and given > _FINEST else (1 if whole else 0.5)
    least, above = _bound(schema, "minimum"), _bound(schema, "exclusiveMinimum")
    most, below = _bound(schema, "maximum"), _bound(schema, "exclusiveMaximum")
    if least is None and above is not None:
        least = (above // step + 1) * step
    if least is None:
        top = most if most is not None else below - step if below is not None else 0
        least = min(0, top // step * step)
    value = -(-least // step) * step if whole or "multipleOf" in schema else least
    return int(value) if whole else value


def _array(schema: Mapping[str, Any], root: _Root, depth: int) -> list[Any]:
    size = min(int(_bound(schema, "minItems") or 1), _MAX_ITEMS)
    return [example(schema.get("items", {"type": "string"}), root, depth + 1) for _ in range(size)]


def _object(schema: Mapping[str, Any], root: _Root, depth: int) -> dict[str, Any]:
    known = object_or_empty(schema.get("properties"))
    names = [name for name in _list(schema.get("required")) if isinstance(name, str)]
    return {name: example(known.get(name, {"type": "string"}), root, depth + 1) for name in names}


_BY_TYPE: Mapping[str, Callable[[Mapping[str, Any], _Root, int], Any]] = {
    "string": _text,
    "integer": lambda schema, _root, _depth: _number(schema, whole=True),
    "number": lambda schema, _root, _depth: _number(schema, whole=False),
    "boolean": lambda _schema, _root, _depth: True,
    "null": lambda _schema, _root, _depth: None,
    "array": _array,
    "object": _object,
}
