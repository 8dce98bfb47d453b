"""A few of many, spread over all of them, however many they will turn out to be. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Generic, TypeVar

_T = TypeVar("_T")
_FINE = 8  # parts that are told apart, for each that is wanted in the end


class Sampler(Generic[_T]):
    """Cuts what it is offered into equal parts, and takes one of each: that whose name has the least digest.

    A digest and not a place decides, so that rows which repeat every so often (a question in five languages) do not
    all come from the same place of the pattern. The same names in the same order yield the same few.
    """

    def __init__(self, wanted: int) -> None:
        """Take so many in the end."""
        self._wanted = wanted
        self._most = wanted * _FINE
        self._length = 1  # of a part
        self._offered = 0
        self._parts: list[tuple[bytes, int, _T]] = []

    def offer(self, name: str, thing: _T) -> None:
        """One more."""
        digest = blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()
        offered = (digest, self._offered, thing)
        if self._offered % self._length:
            self._parts[-1] = _least(self._parts[-1], offered)
        else:
            self._parts.append(offered)
        self._offered += 1
        if len(self._parts) > self._most and self._offered % (2 * self._length) == 0:
            self._length *= 2
            self._parts = [_least(*pair) for pair in zip(self._parts[::2], self._parts[1::2], strict=True)]

    @property
    def chosen(self) -> list[_T]:
        """Those that were taken, in the order in which they were offered; fewer if there are no more."""
        count = len(self._parts)
        wanted = min(self._wanted, count)
        groups = (self._parts[count * part // wanted : count * (part + 1) // wanted] for part in range(wanted))
        return [min(group, key=lambda each: each[:2])[2] for group in groups]


def _least(first: tuple[bytes, int, _T], second: tuple[bytes, int, _T]) -> tuple[bytes, int, _T]:
    return min(first, second, key=lambda each: each[:2])
