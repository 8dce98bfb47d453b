"""Where a provider's key comes from: a variable, a file, stdin, a command. Never the command line."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from glmcli.console.redaction import Key, illegal_character
from glmcli.errors import CredentialsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from glmcli.console.stdin import Stdin
    from glmcli.http.proxies import Proxy
    from glmcli.http.urls import Origin
    from glmcli.providers.row import Provider

GENERAL = "GLM_API_KEY"  # the key of the provider in GLM_PROVIDER only
_MAX_SIZE = 64 * 1024  # bytes of a key file
_COMMAND_TIME = 60.0  # seconds; a password manager may ask its user
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
_LINE_ENDS = "\r\n"  # after a key they are no part of it: files end in one, and variables are set from files
# What is copied along with a key, and how it is mended. A key in base64 may end in =, so a NAME= counts only if it is
# like the name of a variable and something follows.
_COPIED = (
    (
        r"\s*(?i:(?:authorization|x-api-key)\s*:.*|bearer(?:[\s:].*)?)",
        "begins with words of its header",
        "leave out those words: glm adds Bearer itself",
    ),
    (
        r"\s*(?:(?i:(?:export|setx?)\s|\$env:|\w*(?:key|token)\s*=)|[A-Z][A-Z0-9_]*\s*=|\w+:\s)\s*[^=\s].*",
        "is a whole line NAME=VALUE",
        "leave out all but the value",
    ),
    (r"\s.*", "begins with white space", "leave out the white space"),
    (r".*\s", "ends with white space", "leave out the white space"),
    (r"[\"'`].*|.*[\"'`]", "is in quotes", "leave out the quotes"),
)
_SIGNS = str.maketrans("", "", "-._")
_ALONE = "a key has neither white space nor quotation marks, only what ASCII prints"


class _MissingKeyError(CredentialsError):
    """There is no key, which does not matter where nothing is sent."""


def has_key(provider: Provider, environment: Mapping[str, str]) -> bool:
    """Whether a key of this provider is configured; no file is read and no command run."""
    return bool(_variable(provider, environment) or provider.key_file or provider.key_command)


def key_name(provider: Provider, environment: Mapping[str, str]) -> str:
    """The variable that a printed command names."""
    return _variable(provider, environment) or next(iter(provider.key_variables), GENERAL)


def _variable(provider: Provider, environment: Mapping[str, str]) -> str | None:
    variables = provider.key_variables
    if environment.get("GLM_PROVIDER") == provider.name:
        variables = (GENERAL, *variables)
    return next((name for name in variables if environment.get(name, "").strip()), None)


def bound(key: Key, provider: Provider, where: Origin, proxy: Proxy | None) -> Key:
    """The key for this origin. In the clear it goes to this machine only, or to a host for which its row allows that.

    Raises:
        UsageError: it may not be sent there, or a proxy on another machine would read it.
    """
    if where.scheme == "https":
        return key
    if not where.is_secure and not provider.allow_http:
        raise UsageError(
            message=f"refusing to send a key over plain http:// to {where.host}",
            fix="use https://, or allow_http in a row of the configuration file",
        )
    if proxy and not proxy.is_local:
        raise UsageError(
            message=f"refusing to send a key over plain http:// through the proxy {proxy}",
            fix=f"use https://, or name {where.host} in NO_PROXY",
        )
    return key.replace(loopback_only=bool(proxy) or not provider.allow_http)


class KeyRing:
    """Finds keys, and warns of files that others can read."""

    def __init__(self, environment: Mapping[str, str], stdin: Stdin, warn: Callable[[str], None]) -> None:
        """`warn` prints one line."""
        self._environment = environment
        self._stdin = stdin
        self._warn = warn

    def shown(self, provider: Provider, key_file: str | None) -> Key | None:
        """The key as a printed request names it: it may be missing, and no command is run for it.

        Raises:
            CredentialsError: it is malformed.
        """
        found = None
        with suppress(_MissingKeyError):
            found = self.find(provider.replace(key_command=()), key_file)
        is_shown = key_file or provider.needs_key
        return found or (Key("", key_name(provider, self._environment)) if is_shown else None)

    def find(self, provider: Provider, key_file: str | None = None) -> Key | None:
        """This provider's key, or None where it needs none.

        Raises:
            CredentialsError: it needs one and has none, or its key is malformed.
        """
        name = key_name(provider, self._environment)
        if key_file:
            text = self._from_file(key_file, "--key-file")
            return _checked(text, name, f"the key in {'stdin' if key_file == '-' else key_file}")
        if variable := _variable(provider, self._environment):
            return _checked(self._environment[variable], variable, f"the key in {variable}")
        if provider.key_file:
            return _checked(self._from_file(provider.key_file, "key_file"), name, f"the key in {provider.key_file}")
        if provider.key_command:
            return _checked(_from_command(provider.key_command), name, f"the key from {provider.key_command[0]}")
        if provider.needs_key:
            raise _MissingKeyError(message=f"no key for {provider.name}", fix=_how_to_set(provider, self._environment))
        return None

    def _from_file(self, path: str, flag: str) -> str:
        if path == "-":
            return self._stdin.read(f"{flag} -").decode("latin-1")
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - one open, whose descriptor is the one that is checked
                self._check_permissions(os.fstat(file.fileno()), path)
                return file.read(_MAX_SIZE).decode("latin-1")
        except OSError as error:
            # A user may have passed the key itself instead of a file name: it must not be logged.
            what = "the file that it names" if flag == "--key-file" else path
            kind = _MissingKeyError if isinstance(error, FileNotFoundError) else CredentialsError
            raise kind(message=f"{flag}: cannot read {what}: {error.strerror}") from error

    def _check_permissions(self, status: os.stat_result, path: str) -> None:
        if not stat.S_ISREG(status.st_mode):
            return  # a pipe such as <(pass show glm) belongs to this process
        if status.st_mode & _OTHERS_WRITE:
            fix = f"chmod 600 {path}"
            raise CredentialsError(message=f"the key file {path} can be written by others", fix=fix)
        if status.st_mode & _OTHERS_READ:
            self._warn(f"the key file {path} can be read by others (chmod 600 {path})")


def _from_command(command: tuple[str, ...]) -> str:
    import subprocess

    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=_COMMAND_TIME, check=False)  # noqa: S603 - argv of the user's own configuration
    except OSError as error:
        raise CredentialsError(message=f"key_command: cannot run {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise CredentialsError(message=f"key_command: {command[0]} took more than {_COMMAND_TIME:g} s") from error
    if done.returncode:
        raise CredentialsError(message=f"key_command: {command[0]} failed (exit {done.returncode})")
    return done.stdout.decode("latin-1")


def _checked(text: str, name: str, what: str) -> Key:
    """The key that `what` holds, and the variable that a printed command names for it.

    Raises:
        CredentialsError: it is empty, or no key alone; none of it is printed.
    """
    text = text.rstrip(_LINE_ENDS)
    if not text.strip():
        raise _MissingKeyError(message=f"{what} is empty")
    # Most keys are letters and digits with a few signs between: for them nothing is compiled.
    for pattern, wrong, fix in () if text.translate(_SIGNS).isalnum() else _COPIED:
        if re.fullmatch(pattern, text, re.DOTALL):
            raise CredentialsError(message=f"{what} {wrong}", fix=fix)
    if position := illegal_character(text):
        raise CredentialsError(message=f"{what} has an invalid character at position {position}", fix=_ALONE)
    return Key(text, name)


def _how_to_set(provider: Provider, environment: Mapping[str, str]) -> str:
    variables = " or ".join(provider.key_variables) or "key_env in the configuration file"
    blank = [name for name in provider.key_variables if name in environment]
    note = f" ({blank[0]} is set, but empty)" if blank else ""
    general = f"; {GENERAL} counts only for the provider in GLM_PROVIDER" if GENERAL in environment else ""
    return f"set {variables}{note}, or name a file with --key-file{general}"
