"""The providers that the sandbox stands in for: the table of their rows, and their error codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from glmcli.sandbox.providers.alibaba import DASHSCOPE, MODELSTUDIO
from glmcli.sandbox.providers.local import LLAMACPP, OLLAMA
from glmcli.sandbox.providers.openai import OPENAI
from glmcli.sandbox.providers.tokenhub import TOKENHUB
from glmcli.sandbox.providers.vllm import SGLANG, VLLM
from glmcli.sandbox.providers.zhipu import BIGMODEL, SANDBOX, ZAI

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.providers.row import SandboxError, SandboxProvider

_ROWS = (BIGMODEL, ZAI, MODELSTUDIO, DASHSCOPE, TOKENHUB, VLLM, SGLANG, OLLAMA, LLAMACPP, OPENAI, SANDBOX)

PROVIDERS: Mapping[str, SandboxProvider] = {row.name: row for row in _ROWS}
PREFIXES: Mapping[str, str] = {row.name: row.prefix for row in _ROWS}


def status_of(code: str) -> int | None:
    """The HTTP status of a provider's error code, whichever provider it is of; of a status, that status."""
    statuses = (row.codes[code] for row in _ROWS if code in row.codes)
    is_status = code.isdecimal() and 400 <= int(code) <= 599  # noqa: PLR2004 - the statuses of errors
    return next(statuses, int(code) if is_status else None)


def injected_error(provider: SandboxProvider, code: str, *, chinese: bool) -> SandboxError:
    """The error for a code of any provider, or a status: another provider's code is answered by its status.

    Raises:
        ValueError: there is no such code.
    """
    status = status_of(code)
    if status is None:
        raise ValueError(code)
    if code not in provider.codes and status == provider.bad_key.status:
        return provider.bad_key
    return provider.error(code, status, chinese)
