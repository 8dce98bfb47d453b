"""Minimal scripts that print a streamed answer with other libraries, and other programs that do the same."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, NamedTuple

import frames
import places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REFERENCE = "bare httpx loop"

_ASKED = """
import json, sys
url, key = sys.argv[1] + "/chat/completions", sys.argv[2]
body = {"model": "glm-5", "messages": [{"role": "user", "content": "hi"}], "stream": True}
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
"""
_SAID = """
def said(pieces):
    buffer = b""
    for piece in pieces:
        *events, buffer = (buffer + piece).split(b"\\n\\n")
        for event in events:
            if event.startswith(b"data: {"):
                for choice in json.loads(event[6:])["choices"]:
                    yield choice["delta"].get("content") or ""
"""
# verify=False: httpx would load the certificates for http:// as well, which glm does for https:// only.
_ASK_HTTPX = """
import httpx
with httpx.stream("POST", url, headers=headers, json=body, verify=False, timeout=600) as response:
"""
_HTTPX = f"{_ASKED}{_SAID}{_ASK_HTTPX}    for text in said(response.iter_bytes()):\n        sys.stdout.write(text)\n"
HTTPX_FLUSHED = f"{_HTTPX}        sys.stdout.flush()\n"
_HTTPX_UNREAD = f"""{_ASKED}{_ASK_HTTPX}
    for piece in response.iter_bytes():
        sys.stdout.buffer.write(piece)
"""
_HTTPCORE = f"""{_ASKED}{_SAID}
import httpcore
with httpcore.ConnectionPool() as pool:
    with pool.stream("POST", url, headers=headers, content=json.dumps(body).encode()) as response:
        for text in said(response.iter_stream()):
            sys.stdout.write(text)
"""
_OPENAI = f"""{_ASKED}
import openai
client = openai.OpenAI(base_url=sys.argv[1], api_key=key, max_retries=0)
for frame in client.chat.completions.create(**body):
    for choice in frame.choices:
        sys.stdout.write(choice.delta.content or "")
"""
_LLM_MODEL = "- model_id: bench\n  model_name: glm-5\n  api_base: {url}\n"
_BODY = json.dumps({"model": "glm-5", "messages": [{"role": "user", "content": "hi"}], "stream": True})
# $1 is the address, $2 the body.
_PIPE = (
    'curl -sSN -H "Authorization: Bearer $ZAI_API_KEY" -H "Content-Type: application/json"'
    ' -d "$2" "$1/chat/completions"'
    " | sed -n 's/^data: {/{/p' | jq -j '.choices[].delta.content // empty'"
)


class Case(NamedTuple):
    """A process that prints the answer; `text` finds it in what was printed, `limit` in times the bare httpx loop."""

    name: str
    command: list[str]
    text: Callable[[bytes], str]
    limit: float | None = None


def plain(out: bytes) -> str:
    """The answer is all that was printed."""
    return out.decode()


def cases(url: str, key: str, home: Path, peers: Path | None) -> Iterator[Case]:
    """Whoever is installed here, or among the peers: the folder of their programs."""
    for name, module, script in _SCRIPTS:
        if python := places.python_with(module, peers):
            text = frames.texts if script is _HTTPX_UNREAD else plain
            yield Case(name, [python, "-c", script, url, key], text)
        else:
            print(f"{module} is not installed: --peers installs it for this run", file=sys.stderr)
    if missing := [program for program in ("curl", "sed", "jq") if not shutil.which(program)]:
        print(f"{', '.join(missing)}: not installed", file=sys.stderr)
    else:
        yield Case("`curl \\| sed \\| jq`", ["sh", "-c", _PIPE, "sh", url, _BODY], plain)
    if peers and (llm := peers / "llm").exists():
        (home / "extra-openai-models.yaml").write_text(_LLM_MODEL.format(url=url))
        yield Case("`llm --no-log`", [str(llm), "--no-log", "-m", "bench", "hi"], _without_its_newline)


_SCRIPTS = (
    (REFERENCE, "httpx", _HTTPX),
    ("bare httpx loop, events not read", "httpx", _HTTPX_UNREAD),
    ("bare httpcore loop", "httpcore", _HTTPCORE),
    ("openai", "openai", _OPENAI),
)


def _without_its_newline(out: bytes) -> str:
    """`llm` adds one to every answer."""
    return out.decode().removesuffix("\n")
