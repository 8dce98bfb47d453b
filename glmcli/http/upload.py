"""An answer that comes before the request is out: a refusal ends the upload, whoever still sends."""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

_SOME = 1 << 14  # bytes of a TLS record
_FIRST = len(b"HTTP/1.1 ")  # the place of the first digit of the status


def _is_final(answer: bytes) -> bool:
    """Whether these first bytes refuse the request; empty bytes are the end of the connection.

    An informational answer says: go on. A success may come early, from a server that still reads.
    """
    if not answer:
        return True
    while answer[_FIRST : _FIRST + 1] == b"1" and b"\r\n\r\n" in answer:
        answer = answer.partition(b"\r\n\r\n")[2]
    is_http = b"HTTP/".startswith(answer[:5]) or answer.startswith(b"HTTP/")
    return not is_http or answer[_FIRST : _FIRST + 1] in {b"3", b"4", b"5"}


def is_answered(connection: socket.socket) -> bool:
    """Whether an answer, or the end, can be read from a connection without TLS."""
    try:
        return _is_final(connection.recv(_SOME, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False
    except OSError:
        return True


class UploadSocket(ssl.SSLSocket):
    """A TLS connection that aborts a write when a refusal has arrived, if `is_watched`.

    Only by reading can an answer be told from what TLS itself sends, so what was read too early is kept for `recv`.
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
        timeout, poll = self.gettimeout(), select.poll()
        poll.register(self, select.POLLIN | select.POLLOUT)
        self.settimeout(0)
        try:
            while True:
                self._poll_answer()
                try:
                    return super().send(data, flags)
                except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                    poll.poll()
        finally:
            self.settimeout(timeout)

    def _poll_answer(self) -> None:
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
