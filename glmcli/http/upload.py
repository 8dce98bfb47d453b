"""An answer that comes before the request is out: a refusal ends the upload, whoever still sends."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

_STATUS = len(b"HTTP/1.1 1")
_SOME = 1 << 14  # bytes of a TLS record


def _is_final(answer: bytes) -> bool:
    """Whether this begins an answer, and not only an informational one, which says: go on. Nothing is the end."""
    return not answer or (len(answer) >= _STATUS and answer[_STATUS - 1 : _STATUS] != b"1")


def is_answered(connection: socket.socket) -> bool:
    """Whether an answer, or the end, can be read from a connection without TLS."""
    try:
        return _is_final(connection.recv(_STATUS, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
    except OSError:
        return True


class UploadSocket(ssl.SSLSocket):
    """A TLS connection that breaks a write off when the answer has come, if `is_watched`.

    Only who reads can tell an answer from what TLS itself sends, so what is read too early is kept for `recv`.
    """

    is_watched = False
    _early = b""

    def send(self, data: Any, flags: int = 0) -> int:  # noqa: ANN401 - whatever the socket takes
        """As a socket does.

        Raises:
            BrokenPipeError: the answer has come.
        """
        if not self.is_watched:
            return super().send(data, flags)
        timeout = self.gettimeout()
        self.settimeout(0)
        try:
            while True:
                self._hear()
                try:
                    return super().send(data, flags)
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    select.select([self], [self], [])
        finally:
            self.settimeout(timeout)

    def _hear(self) -> None:
        try:
            more = super().recv(_SOME)
        except ssl.SSLWantReadError:
            return
        self._early += more
        if _is_final(self._early if more else b""):
            self.is_watched = False
            raise BrokenPipeError

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As a socket does."""
        early, self._early = self._early[:buflen], self._early[buflen:]
        return early or super().recv(buflen, flags)
