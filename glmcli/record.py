"""Immutable values without the start-up cost of dataclasses.

`@dataclass(frozen=True)` generates and compiles source for every class when its module is imported: 5 million
instructions a class, 29 million for one of 60 fields, on every start of the program (Python 3.11, callgrind). A Record
is the same to a reader and to a type checker (PEP 681), and costs a tenth.
"""

from __future__ import annotations

from inspect import get_annotations
from typing import TYPE_CHECKING, Any, ClassVar, Self, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Mapping

_set = object.__setattr__


@dataclass_transform(frozen_default=True)
class Record:
    """A value of named fields: the annotations of the class, with its attributes as defaults.

    It takes fields by position or name, compares by value, and matches by position in `match`. Defaults are shared, so
    they must be immutable too; a Record is not subclassed further.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()
    _required: ClassVar[frozenset[str]] = frozenset()
    _min_positional: ClassVar[int] = 0  # the fewest values by position that set all required fields
    _defaults: ClassVar[dict[str, Any]] = {}  # of all fields, in order; None for a required one
    _hidden: ClassVar[tuple[str, ...]] = ()  # fields that the repr leaves out

    def __init_subclass__(cls) -> None:
        """Collect the fields of the new class."""
        names = tuple(name for name in get_annotations(cls) if name[0] != "_")
        cls.__match_args__ = names  # type: ignore[misc]
        cls._names = frozenset(names)
        cls._required = frozenset(name for name in names if not hasattr(cls, name))
        cls._min_positional = max((at for at, name in enumerate(names, 1) if name in cls._required), default=0)
        cls._defaults = {name: getattr(cls, name, None) for name in names}

    def __init__(self, *values: Any, **named: Any) -> None:  # noqa: ANN401 - each class types its own fields
        """Set the fields.

        Raises:
            TypeError: a field is missing, or there is no field of that name.
        """
        # Every event is a Record: the two usual ways to make one come first.
        names = self.__match_args__
        if not named and self._min_positional <= len(values) <= len(names):
            for name, value in zip(names, values):  # noqa: B905 - `strict=` would cost as much as a field
                _set(self, name, value)
        elif not values and named.keys() <= self._names and (len(named) == len(names) or self._has_required(named)):
            self.__dict__.update(named)
        else:
            self.__dict__.update(self._checked(values, named))

    def _has_required(self, given: Mapping[str, Any]) -> bool:
        return self._required <= given.keys()

    def _checked(self, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        given = {**dict(zip(self.__match_args__, values, strict=False)), **named}
        if not self._has_required(given) or len(given) != len(values) + len(named):
            raise TypeError(f"{type(self).__name__} needs {sorted(self._required)}, got {sorted(given)}")
        if not given.keys() <= self._names:
            raise self._unknown(given)
        return given

    def _unknown(self, given: Mapping[str, Any]) -> TypeError:
        return TypeError(f"{type(self).__name__} has no {sorted(given.keys() - self._names)}")

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: a Record never changes."""
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set")

    def __eq__(self, other: object) -> bool:
        """Whether the other is a Record of the same class with equal fields."""
        return isinstance(other, Record) and type(self) is type(other) and self.fields() == other.fields()

    def __hash__(self) -> int:
        """The hash of all fields, which must be hashable."""
        return hash((type(self), *self.fields().values()))

    def __repr__(self) -> str:
        """The constructor call that would make it, without hidden fields."""
        shown = [f"{name}={value!r}" for name, value in self.fields().items() if name not in self._hidden]
        return f"{type(self).__name__}({', '.join(shown)})"

    def fields(self) -> dict[str, Any]:
        """All fields by name, in order."""
        return {**self._defaults, **self.__dict__}

    @classmethod
    def pop_from(cls, values: dict[str, Any]) -> Self:
        """The record of those values that are its fields, which are removed from `values`."""
        return cls(**{name: values.pop(name) for name in cls.__match_args__ if name in values})

    def given(self) -> dict[str, Any]:
        """The fields that were set when it was made, by name: not those that were left at their defaults."""
        return dict(self.__dict__)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - as above
        """A copy with other values for these fields.

        Raises:
            TypeError: there is no field of that name.
        """
        if not changes.keys() <= self._names:
            raise self._unknown(changes)
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, **changes)
        return other


EMPTY: Mapping[str, Any] = {}  # a shared default, never written to
