"""The TLS context with its certificates, loaded in a thread: that costs as much as all imports together."""

from __future__ import annotations

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
            what = f"SSLKEYLOGFILE names {self._error.filename}, which cannot be written: {self._error.strerror}"
            raise UsageError(message=what, fix="correct or unset SSLKEYLOGFILE", concerns_all=True)
        variable, place = ("SSL_CERT_FILE", self._file) if self._file else ("SSL_CERT_DIR", self._directory)
        what = f"cannot read certificates from {place}: {self._error}"
        raise UsageError(message=what, fix=f"correct or unset {variable}", concerns_all=True)


def _certificates(environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The file and the directory with the certificates of authorities; one of them may be None."""
    file, directory = environment.get("SSL_CERT_FILE"), environment.get("SSL_CERT_DIR")
    for variable, path, is_directory in (("SSL_CERT_FILE", file, False), ("SSL_CERT_DIR", directory, True)):
        if path and (wrong := _wrong(Path(path), is_directory=is_directory)):
            raise UsageError(message=f"{variable} names {path}, which {wrong}", fix=f"correct or unset {variable}")
    if file or directory:
        return file or None, directory or None
    import certifi

    return certifi.where(), None


def _has_hashed(directory: str | None) -> bool:
    """Whether it has names by which OpenSSL finds certificates: docs.openssl.org, "openssl-rehash" (2026)."""
    with suppress(OSError):  # it may not be read
        return directory is not None and any(re.fullmatch(_HASHED, path.name) for path in Path(directory).iterdir())
    return False


def _wrong(path: Path, *, is_directory: bool) -> str | None:
    if not path.exists():
        return "does not exist"
    if path.is_dir() is not is_directory:
        return "is not a directory" if is_directory else "is a directory"
    return None
