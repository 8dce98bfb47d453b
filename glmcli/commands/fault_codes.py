"""What `glm sandbox --fault` takes beside the sandbox's own words: every code and status that our providers map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.errors import BusyError, CredentialsError, QuotaError
from glmcli.providers.codes import BY_STATUS, BY_TYPE, OPENAI
from glmcli.providers.table import PROVIDERS
from glmcli.sandbox.faults import KINDS
from glmcli.sandbox.providers.table import status_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.providers.row import ErrorMeaning


def mapped_codes() -> Mapping[str, Mapping[str, int]]:
    """The codes and types of each provider, with the status of each: the sandbox's, else one of that meaning."""
    found: dict[str, dict[str, int]] = {}
    for name, row in PROVIDERS.items():
        # OpenAI's types are answered as such where the others of its form are at home; elsewhere by their status.
        types = BY_TYPE if row.codes is OPENAI else row.codes.by_type
        meanings = {**types, **row.codes.by_type, **row.codes.by_code}
        statuses = {code: status_of(code, {}) or _status(meaning) for code, meaning in meanings.items()}
        # A code that means something by its words only is a refusal of its family without them.
        by_words = {code: status_of(code.rpartition(".")[0], {}) or 400 for code in row.codes.by_text}
        found[name] = by_words | statuses
    return found


def _status(meaning: ErrorMeaning) -> int:
    """A status with which an error of this meaning may come."""
    same = [status for status, each in BY_STATUS.items() if each is meaning]
    if issubclass(meaning.error, QuotaError | BusyError):
        return 429 if 429 in same or not same else same[0]  # noqa: PLR2004 - the usual one
    if issubclass(meaning.error, CredentialsError):
        return same[0] if same else 401
    return 404 if meaning.model_missing else 400


def fault_list(codes: Mapping[str, Mapping[str, int]]) -> str:
    """A line for each fault: its name, what it does or its status, and the providers that have it."""
    lines = [f"{name}\t{kind.description}" for name, kind in KINDS.items()]
    lines += [f"{status}\tHTTP {status}\tall" for status in sorted(BY_STATUS)]
    owners: dict[str, list[str]] = {}
    for provider, own in codes.items():
        for code in own:
            owners.setdefault(code, []).append(provider)
    for code, names in sorted(owners.items()):
        status = status_of(code, codes)
        if not (code.isdecimal() and int(code) in BY_STATUS):
            lines.append(f"{code}\tHTTP {status}\t{'all' if len(names) == len(codes) else ' '.join(names)}")
    return "".join(f"{line}\n" for line in lines)
