"""Which requests come with a key that is good enough: any but `bad-key`, or a token in the form of BigModel."""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING

from glmcli.sandbox.http_messages import json_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from glmcli.sandbox.providers.row import SandboxProvider

_BAD_KEY = "bad-key"
_TOKEN = re.compile(r"(eyJ[\w-]+)\.([\w-]+)\.([\w-]{43})")  # a signature of 32 bytes


def has_bad_key(provider: SandboxProvider, headers: Mapping[str, str]) -> bool:
    """The key `bad-key` is bad everywhere; hosted providers need one, and BigModel takes a token without `Bearer`.

    Source: `_get_jwt_token` of langchain-community 0.4.2 on PyPI, `core/_jwt_token.py` of zai-sdk 0.2.3 (2026-11).
    """
    authorization = headers.get("authorization", "").strip()
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    if key == _BAD_KEY:
        return True
    if provider.takes_tokens and (token := _TOKEN.fullmatch(key if scheme.lower() == "bearer" else authorization)):
        return not _is_valid(*token.groups()[:2])
    return provider.needs_key and (scheme.lower() != "bearer" or not key)


def _is_valid(head: str, payload: str) -> bool:
    """Whether a token has the header and the fields of BigModel's, in milliseconds, and has not expired.

    Its signature is not verified: that needs the secret half of a key, and the sandbox knows no keys.
    """
    match _decoded(head), _decoded(payload):
        case (
            {"alg": "HS256", "sign_type": "SIGN"},
            {"api_key": str(name), "exp": int() | float() as end, "timestamp": int() | float()},
        ):
            return name not in {"", _BAD_KEY} and end > time.time() * 1000
    return False


def _decoded(part: str) -> Mapping[str, object]:
    """The object in a part of a token; empty if there is none."""
    try:
        return json_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) or {}
    except ValueError:
        return {}
