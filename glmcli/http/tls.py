"""Certificates, loaded in a thread while the program does other things: it costs as much as all imports together."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tls:
    """A TLS context on its way."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Begin to load.

        Raises:
            UsageError: SSL_CERT_FILE or SSL_CERT_DIR points to nothing.
        """
        self._file, self._directory = _authorities(environment)
        self._context: ssl.SSLContext | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            self._context = ssl.create_default_context(cafile=self._file, capath=self._directory)
        except OSError as error:  # ssl.SSLError is one
            self._error = error

    def context(self) -> ssl.SSLContext:
        """The loaded context.

        Raises:
            UsageError: the file holds no certificates.
        """
        self._thread.join()
        if self._context is None:
            raise self._failure()
        return self._context

    def _failure(self) -> UsageError:
        if self._error and self._error.filename:  # Python names no file but that of the session keys
            what = f"SSLKEYLOGFILE names {self._error.filename}, which cannot be written: {self._error.strerror}"
            return UsageError(message=what, fix="correct or unset SSLKEYLOGFILE")
        return UsageError(message=f"cannot read certificates from {self._file or self._directory}: {self._error}")


def _authorities(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    for variable, path, is_folder in (("SSL_CERT_FILE", file, False), ("SSL_CERT_DIR", directory, True)):
        if path and (wrong := _wrong(path, is_folder=is_folder)):
            raise UsageError(message=f"{variable} names {path}, which {wrong}", fix=f"correct or unset {variable}")
    if file or directory:
        return file or None, directory or None
    import certifi

    return certifi.where(), None


def _wrong(path: str, *, is_folder: bool) -> str | None:
    place = Path(path)
    if not place.exists():
        return "is not there"
    if place.is_dir() is not is_folder:
        return "is no folder" if is_folder else "is a folder"
    return None
