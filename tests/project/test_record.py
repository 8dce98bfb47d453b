"""What a Record is to its readers: fields by position or name, immutable, compared by value."""

from __future__ import annotations

import pickle

import pytest

from glmcli.console.redaction import Key
from glmcli.record import Record


class Point(Record):
    x: int
    y: int
    name: str = "origin"


class Flag(Record):
    on: bool = False


class Nothing(Record):
    pass


@pytest.mark.parametrize(
    "point",
    [
        Point(1, 2),
        Point(1, y=2),
        Point(x=1, y=2),
        Point(y=2, x=1),
        Point(1, 2, "origin"),
        Point(x=1, y=2, name="origin"),
        Point(5, 2).replace(x=1),
        pickle.loads(pickle.dumps(Point(1, 2))),
    ],
)
def test_all_ways_to_make_one_are_equal(point) -> None:
    assert (point.x, point.y, point.name) == (1, 2, "origin")
    assert point == Point(1, 2)
    assert hash(point) == hash(Point(1, 2))
    assert point.fields() == {"x": 1, "y": 2, "name": "origin"}
    assert repr(point) == "Point(x=1, y=2, name='origin')"
    match point:
        case Point(x, y):
            assert (x, y) == (1, 2)


@pytest.mark.parametrize(
    ("values", "named", "message"),
    [
        ((), {}, "Point needs ['x', 'y'], got []"),
        ((1,), {}, "Point needs ['x', 'y'], got ['x']"),
        ((), {"x": 1}, "Point needs ['x', 'y'], got ['x']"),
        ((), {"x": 1, "name": "a"}, "Point needs ['x', 'y'], got ['name', 'x']"),
        ((1, 2, "a", 4), {}, "Point needs ['x', 'y'], got ['name', 'x', 'y']"),
        ((1, 2), {"x": 1}, "Point needs ['x', 'y'], got ['x', 'y']"),
        ((1, 2), {"z": 1}, "Point has no ['z']"),
        ((), {"x": 1, "y": 2, "z": 1}, "Point has no ['z']"),
        ((), {"x": 1, "y": 2, "z": 1, "name": "a"}, "Point has no ['z']"),
        ((), {"x": 1, "name": "a", "z": 1}, "Point needs ['x', 'y'], got ['name', 'x', 'z']"),
    ],
)
def test_what_is_missing_or_unknown_is_said(values, named, message) -> None:
    with pytest.raises(TypeError) as raised:
        Point(*values, **named)
    assert str(raised.value) == message


def test_defaults_and_no_fields() -> None:
    assert (Flag().on, Flag(1).on, Flag(on=True).on) == (False, 1, True)
    assert Nothing() == Nothing()
    assert repr(Nothing()) == "Nothing()"
    with pytest.raises(TypeError, match=r"Nothing needs \[\], got \[\]"):
        Nothing(1)


def test_it_never_changes_and_hides_what_is_secret() -> None:
    with pytest.raises(AttributeError, match=r"Point\.x cannot be set"):
        Point(1, 2).x = 3
    assert repr(Key("abcdefgh", "ZAI_API_KEY")) == "Key(variable='ZAI_API_KEY', loopback_only=False)"
    assert Point(1, 2) != Point(1, 3)
    assert Flag() != Nothing()
