"""The configuration file: a default model, the user's own provider rows, and facts about models."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcli.errors import UsageError
from glmcli.http.urls import normal_base_url
from glmcli.providers.table import PROVIDERS
from glmcli.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.documents import Document
    from glmcli.providers.row import Provider


class Config(Record):
    """The contents of the configuration file; its provider rows are added to the built-in ones."""

    model: str | None = None
    provider: str | None = None
    providers: Mapping[str, Provider] = PROVIDERS
    source: str | None = None


def load(environment: Mapping[str, str]) -> Config:
    """The configuration, or an empty one where there is no file.

    Raises:
        UsageError: the file that GLM_CONFIG names is missing, or the file is wrong.
    """
    named = environment.get("GLM_CONFIG")
    path = Path(named) if named else _default_path(environment)
    if path is None or not (named or _is_there(path)):
        return Config()
    source = "GLM_CONFIG: " if named else ""  # how an error begins
    try:
        text = _read(path, source)
    except OSError as error:
        raise UsageError(message=f"{source}cannot read {path}: {error.strerror}") from error
    from glmcli import documents

    document = documents.parse(text, str(path))
    if document.value is not None:  # an empty file is an empty configuration
        documents.check(document, "config")
    value: Mapping[str, Any] = document.value or {}
    rows = {name: _row(name, row, document, path.parent) for name, row in value.get("providers", {}).items()}
    providers = {**PROVIDERS, **rows}
    if "models" in value:
        providers = _with_models(providers, value["models"], document)
    return Config(value.get("model"), value.get("provider"), providers, str(path))


def _is_there(path: Path) -> bool:
    """Whether there is a file; in a home that we may not look into, as HOME=/root of another user, there is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read(path: Path, source: str) -> bytes:
    from glmcli.documents.document import MAX_SIZE

    with path.open("rb") as file:
        text = file.read(MAX_SIZE + 1)
    if len(text) > MAX_SIZE:
        raise UsageError(message=f"{source}{path} is larger than {MAX_SIZE >> 20} MiB")
    return text


def _default_path(environment: Mapping[str, str]) -> Path | None:
    """Where the file is by default; None where there is no home. A relative one would be in the working directory."""
    home = environment.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):  # noqa: PTH117 - strings
        home = os.path.join(os.path.expanduser("~"), ".config")  # noqa: PTH111, PTH118
    return Path(home) / "glm" / "config.yaml" if os.path.isabs(home) else None  # noqa: PTH117


def _with_models(
    providers: Mapping[str, Provider], models: Mapping[str, Mapping[str, Any]], document: Document
) -> dict[str, Provider]:
    """The providers with these facts about models, each at the provider that the key names before its first slash."""
    from glmcli.console.suggestions import did_you_mean
    from glmcli.providers.configured_models import idle_tier, with_models

    stated: dict[str, dict[str, Mapping[str, Any]]] = {}
    for key, facts in models.items():
        name, _, model = key.partition("/")
        if name not in providers:
            place = document.place(["models", key], key=True)
            what = f"{place}: models: {key!r} is at no provider that is known{did_you_mean(name, providers)}"
            raise UsageError(message=what, fix="write PROVIDER/MODEL, where providers: may add the provider")
        if "prices" in facts and (at := idle_tier(facts["prices"]["tiers"])) is not None:
            place = document.place(["models", key, "prices", "tiers", at])
            what = f"{place}: this price never counts: no question is of that length, or an earlier tier has them all"
            raise UsageError(what, fix="write the shortest first, each with its input_up_to")
        stated.setdefault(name, {})[model] = facts
    return {**providers, **{name: with_models(providers[name], facts) for name, facts in stated.items()}}


def _row(name: str, row: Mapping[str, Any], document: Document, folder: Path) -> Provider:
    like = PROVIDERS[row["like"]]
    place = document.place(["providers", name])
    names_key = bool(row.keys() & {"key_env", "key_file", "key_command"})
    if like.needs_key and "base_url" in row and not names_key:
        # A key must not be sent to another address than its own unless the row says so.
        raise UsageError(
            message=f"{place}: {name} has an address of its own, but no key of its own",
            fix="add key_env, key_file or key_command (key_env: [] for none)",
        )
    variables = like.key_variables if not names_key else tuple(row.get("key_env", ()))
    key_file = row.get("key_file")
    if any("\0" in word for word in (key_file or "", *row.get("key_command", ()))):
        raise UsageError(message=f"{place}: {name} names a file or command that holds a NUL")
    return like.replace(
        name=name,
        base_url=normal_base_url(row["base_url"], place) if "base_url" in row else like.base_url,
        base_url_variable=None if "base_url" in row else like.base_url_variable,
        key_variables=variables,
        key_file=str(folder / os.path.expanduser(key_file)) if key_file else None,  # noqa: PTH111 - raises nothing
        key_command=tuple(row.get("key_command", ())),
        allow_http=row.get("allow_http", False),
        api=like.api.replace(**{name: row[name] for name in ("think_tags", "text_frames", "box_tags") if name in row}),
    )
