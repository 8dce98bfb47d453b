"""A request that is shown instead of sent: --dry-run and --curl."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, cast

from glmcli.errors import UsageError
from glmcli.http.bodies import compact_json

if TYPE_CHECKING:
    from glmcli.chat.messages import Media
    from glmcli.config.plan import Candidate
    from glmcli.http.bodies import JsonBody

_MAX_ARGUMENT = 100_000  # bytes; Linux refuses an argument of 128 KiB


def as_json(candidate: Candidate) -> str:
    """The exact request as JSON; the key is shown as the variable that holds it."""
    call = candidate.call
    headers = dict(call.headers)
    if call.key:
        headers["Authorization"] = f"Bearer ${call.key.variable}"
    shown = {"method": call.method, "url": call.url, "headers": headers, "body": call.body}
    return json.dumps(shown, ensure_ascii=False, indent=2, default=lambda media: media.shown()) + "\n"


def as_curl(candidate: Candidate) -> str:
    """The same request as a curl command that can be pasted into a shell.

    Raises:
        UsageError: a medium is in no file from which the command could read it.
    """
    call = candidate.call
    words = ["curl", "--no-progress-meter", "--http1.1", "--no-buffer", "--request", call.method, shlex.quote(call.url)]
    lines = [" ".join(words)]
    if call.key:
        lines.append(f'--header "Authorization: Bearer ${call.key.variable}"')
    lines += [f"--header {shlex.quote(f'{name}: {value}')}" for name, value in call.headers]
    content = call.content()
    if not isinstance(content, bytes):
        # curl would ask first whether it may send a large body, which ours does not.
        command = " \\\n  ".join([*lines, "--header Expect:", "--data-binary @-"])
        return f"{_printing(cast('JsonBody', content))} | {command}\n"
    body = compact_json(call.body)
    if len(body.encode()) <= _MAX_ARGUMENT:
        return " \\\n  ".join([*lines, f"--data-raw {shlex.quote(body)}"]) + "\n"
    # JSON on one line cannot contain the line that ends the here-document, and ignores the newline after it.
    return " \\\n  ".join([*lines, "--data-binary @- <<'END-OF-BODY'"]) + f"\n{body}\nEND-OF-BODY\n"


def _printing(body: JsonBody) -> str:
    """A group of shell commands that prints the body, with the base64 of each file in its place."""
    pieces = [
        f"printf %s {shlex.quote(piece.decode())}" if isinstance(piece, bytes) else _encoding(piece)
        for piece in body.pieces()
        if piece
    ]
    return "{ " + "; ".join(pieces) + "; }"


def _encoding(media: Media) -> str:
    if media.path is None:
        raise UsageError(
            message=f"--curl: {media.name} cannot be read a second time by a command",
            fix="write it to a file, without --resize, and name that",
        )
    return f"base64 < {shlex.quote(media.path)} | tr -d '\\n'"
