"""Certificates, loaded in a thread while the program does other things: it costs as much as all imports together."""

from __future__ import annotations

import os
import ssl
import threading
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
            raise UsageError(message=f"cannot read certificates from {self._file or self._directory}: {self._error}")
        return self._context


def _authorities(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    for variable, path, there in (
        ("SSL_CERT_FILE", file, os.path.isfile),
        ("SSL_CERT_DIR", directory, os.path.isdir),
    ):
        if path and not there(path):
            raise UsageError(message=f"{variable} names {path}, which is not there", fix=f"correct or unset {variable}")
    if file or directory:
        return file or None, directory or None
    import certifi

    return certifi.where(), None
