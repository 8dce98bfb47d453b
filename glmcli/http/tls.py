"""The TLS context with its certificates, loaded in a thread: that costs as much as all imports together."""

from __future__ import annotations

import os
import re
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from glmcli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


_HASHED = r"[0-9a-f]{8}\.\d+"


class Tls:
    """A TLS context that is being loaded."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Start to load.

        Raises:
            UsageError: SSL_CERT_FILE or SSL_CERT_DIR names nothing that exists.
        """
        self._file, self._directory = _certificates(environment)
        self._context: ssl.SSLContext | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._load, daemon=True)
        self._thread.start()

    def _load(self) -> None:
        try:
            context = ssl.create_default_context(cafile=self._file, capath=self._directory)
            if context.cert_store_stats()["x509"] or _has_hashed(self._directory):
                self._context = context
            else:
                self._error = OSError("it holds no certificate under the name of its hash (openssl rehash)")
        except OSError as error:  # ssl.SSLError is one
            self._error = error

    def context(self) -> ssl.SSLContext:
        """Wait until the context is loaded, and return it.

        Raises:
            UsageError: the certificates cannot be read, or SSLKEYLOGFILE cannot be written.
        """
        self._thread.join()
        if self._context is not None:
            return self._context
        if self._error and self._error.filename:  # the only file that Python names is that of the session keys
            raise no_key_log(self._error)
        variable, place = ("SSL_CERT_FILE", self._file) if self._file else ("SSL_CERT_DIR", self._directory)
        what = f"cannot read certificates from {place}: {self._error}"
        raise UsageError(message=what, fix=f"correct or unset {variable}", concerns_all=True)


def no_key_log(error: OSError) -> UsageError:
    """The exception for a file of session keys that cannot be written."""
    what = f"SSLKEYLOGFILE names {error.filename}, which cannot be written: {error.strerror}"
    return UsageError(message=what, fix="correct or unset SSLKEYLOGFILE", concerns_all=True)


def _certificates(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The file and the directory with the certificates of authorities; one of them may be None."""
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    for variable, path, is_directory in (("SSL_CERT_FILE", file, False), ("SSL_CERT_DIR", directory, True)):
        if path and (wrong := _wrong(path, is_directory=is_directory)):
            raise UsageError(message=f"{variable} names {path}, which {wrong}", fix=f"correct or unset {variable}")
    if file or directory:
        return file or None, directory or None
    import certifi

    return certifi.where(), None


def _directories(value: str | None) -> list[Path]:
    """The directories of SSL_CERT_DIR, which may name several: docs.openssl.org, openssl-env(7) (2026)."""
    return [Path(place) for place in value.split(os.pathsep)] if value else []


def _has_hashed(value: str | None) -> bool:
    """Whether one has names by which OpenSSL finds certificates: docs.openssl.org, "openssl-rehash" (2026)."""
    for directory in _directories(value):
        with suppress(OSError):  # it may not be there, or may not be read
            if any(re.fullmatch(_HASHED, path.name) for path in directory.iterdir()):
                return True
    return False


def _wrong(value: str, *, is_directory: bool) -> str | None:
    paths = _directories(value) if is_directory else [Path(value)]
    if not any(path.exists() for path in paths):
        return "does not exist"
    if not any(path.is_dir() is is_directory for path in paths):
        return "is not a directory" if is_directory else "is a directory"
    return None
