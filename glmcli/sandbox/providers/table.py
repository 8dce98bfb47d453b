"""The providers that the sandbox stands in for: the table of their rows, and their error codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from glmcli.sandbox.http_messages import reason_phrase
from glmcli.sandbox.providers.alibaba import DASHSCOPE, MODELSTUDIO
from glmcli.sandbox.providers.local import LLAMACPP, OLLAMA
from glmcli.sandbox.providers.openai import OPENAI
from glmcli.sandbox.providers.row import SandboxError
from glmcli.sandbox.providers.tokenhub import TOKENHUB
from glmcli.sandbox.providers.vllm import SGLANG, VLLM
from glmcli.sandbox.providers.zhipu import BIGMODEL, SANDBOX, ZAI

if TYPE_CHECKING:
    from glmcli.sandbox.providers.row import SandboxProvider

_ROWS = (BIGMODEL, ZAI, MODELSTUDIO, DASHSCOPE, TOKENHUB, VLLM, SGLANG, OLLAMA, LLAMACPP, OPENAI, SANDBOX)

PROVIDERS: Mapping[str, SandboxProvider] = {row.name: row for row in _ROWS}
PREFIXES: Mapping[str, str] = {row.name: row.prefix for row in _ROWS}


# Further codes by provider, with the status of each: those that are known to whoever starts the sandbox.
MoreCodes = Mapping[str, Mapping[str, int]]


def status_of(code: str, more: MoreCodes) -> int | None:
    """The HTTP status of a provider's error code, whichever provider it is of; of a status, that status."""
    statuses = (codes[code] for codes in (*(row.codes for row in _ROWS), *more.values()) if code in codes)
    return next(statuses, int(code) if _is_status(code) else None)


def _is_status(code: str) -> bool:
    return code.isdecimal() and code.isascii() and 400 <= int(code) <= 599  # noqa: PLR2004 - the statuses of errors


def injected_error(provider: SandboxProvider, code: str, more: MoreCodes, *, chinese: bool) -> SandboxError:
    """The error for a code of any provider, or a status: another provider's code is answered by its status.

    A gateway passes the codes of others on, as far as they are known to come from it.

    Raises:
        ValueError: there is no such code.
    """
    status = status_of(code, more)
    if status is None:
        raise ValueError(code)
    if code in provider.codes:
        return provider.error(code, provider.codes[code], chinese)
    owner = next((row for row in _ROWS if code in row.codes), None)
    if code in more.get(provider.name, ()) and not _is_status(code) and (owner is None or provider.relays):
        return owner.error(code, status, chinese) if owner else SandboxError(status, code, reason_phrase(status), code)
    return provider.bad_key if status == provider.bad_key.status else provider.error(code, status, chinese)
