"""An MCP server over stdio without any library, so that it can also say what no library would.

argv: the folder where it leaves traces (`pids`, `called`), and how it behaves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import odd_lists
import spy

TRACES, MODE = Path(sys.argv[1]), sys.argv[2]
OPEN = {"type": "object", "properties": {"text": {"type": "string"}}}
ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2Jdone\r"


def trace(name, line):
    with (TRACES / name).open("a") as file:
        file.write(f"{line}\n")


def say(**message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tool(name, schema=OPEN, description="Does it."):
    return {"name": name, "description": description, "inputSchema": schema}


def text(said, **more):
    return {"content": [{"type": "text", "text": said}], **more}


SECRET = "x" * 8180 + os.environ.get("WANTED", "") + "y" * 9000
TOOLS = {
    "names": [tool("good"), tool("bad name"), tool("x" * 65), tool("new\nline\x1b[2J"), tool("good"), tool("")],
    "schemas": [
        tool("good"),
        tool("remote", {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}),
        tool("slow", {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}),
        tool("wrong", {"type": "object", "properties": {"a": {"type": "strin"}}}),
    ],
    "lists": [tool("good"), tool("none", {"type": "object", "properties": 3})],
    "keyed": [
        tool("good", {"type": "object", "properties": {"text": {"description": os.environ.get("WANTED", "")}}}, SECRET),
        tool(f"say_{os.environ.get('WANTED', '')}"),
    ],
    "bombs": [tool(f"t{at}", {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}}) for at in range(64)],
    "odd": odd_lists.TOOLS,
    "half a character": [tool("good", description="Half \ud83d."), tool("other")],
    "describes": [tool("good", description="One \x1b[31mred\x1b[0m line.\nAnother.")],
}
CONTENT = [
    {"type": "text", "text": "before"},
    {"type": "image", "data": "AAECAw==", "mimeType": "image/png"},
    {"type": "audio", "data": "AAEC", "mimeType": "audio/wav"},
    {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "its text"}},
    {"type": "resource", "resource": {"uri": "file:///a.bin", "blob": "AAE=", "mimeType": "x/y]\nz"}},
    {"type": "resource_link", "uri": "file:///b.txt", "name": "b"},
    {"type": "text", "text": "after"},
]
RESULTS = {
    "escapes": text(ESCAPES),
    "huge": text("A" * 400_000 + "Z" * 400_000),
    "fails": text("no such thing", isError=True),
    "content": {"content": CONTENT, "structuredContent": {"ignored": True}},
    "structured": {"content": [], "structuredContent": {"degrees": 3, "where": "München"}},
    "empty": {"content": []},
    "nan": {"content": [], "structuredContent": {"a": float("nan")}},
    "parts": {"content": [{"type": "text", "text": ""}] * 500_000},
    "keyed": text("x" * 131060 + os.environ.get("WANTED", "") + "y" * 200_000),
    "parts of all kinds": {"content": odd_lists.CONTENT},
    "odd around it": text("fine", structuredContent=[1], _meta=3),
    "structured alone": {"structuredContent": [1, "two"]},
    "asks": {"resultType": "input_required"},
    "malformed": {"content": "no list"},
    "environment": text(json.dumps(dict(os.environ))),
    "where": text(str(Path.cwd())),
    "spies": text(spy.seen() if MODE == "spies" else ""),
}
ODD_SELVES = {
    "no version": {"capabilities": {"tools": True}, "serverInfo": {"name": "plain"}},
    "odd icons": {"capabilities": {}, "serverInfo": {"name": 5, "version": 1, "icons": [{"src": 1}]}},
    "no words": {"capabilities": None, "instructions": ["a", "list"]},
}


def listed(cursor):
    """Pages of one tool each, or all at once."""
    if MODE == "pages":
        page = int(cursor or 0)
        return {"tools": [tool(f"tool_{page}")], **({"nextCursor": str(page + 1)} if page < 2 else {})}
    if MODE == "odd pages":
        page, after = int(cursor or 0), int(cursor or 0) + 5
        more = {"nextCursor": str(after)} if after < len(odd_lists.TOOLS) else {"nextCursor": None}
        return {"tools": odd_lists.TOOLS[page:after], **more}
    if MODE == "endless":
        return {"tools": [tool(f"t{cursor or 0}")], "nextCursor": str(int(cursor or 0) + 1)}
    return {"tools": TOOLS.get(MODE, [tool("good"), tool("other")])}


def called(identity, params):
    trace("called", f"{params['name']} {json.dumps(params.get('arguments'))}")
    if MODE in ("hang", "stubborn", "ignores"):
        time.sleep(600)
    if MODE == "pings":
        while True:
            say(id=f"{time.monotonic()}", method="ping")
    before = (params.get("arguments") or {}).get("text")
    if MODE == "keyed" and before:
        words = "x" * int(before) + os.environ["WANTED"]
        say(id=identity, error={"code": -32001, "message": words})
        return
    if MODE == "dies":
        sys.stderr.write("out of \x1b[31mmemory\n")
        sys.stderr.flush()
        os._exit(7)
    if MODE == "garbage":
        sys.stdout.write("Debug: \x1b[2Jhello\n")
        sys.stdout.flush()
        return
    if MODE == "errors in words":
        say(id=identity, error={"code": "E_BUSY", "message": None})
        return
    if MODE == "refuses":
        say(id=identity, error={"code": -32602, "message": "Unknown \x1b[31mtool\nreally"})
        return
    default = text(f"{params['name']} {json.dumps(params.get('arguments'))}")
    say(id=identity, result=RESULTS.get(MODE, default))


def answer(message):
    method, identity = message["method"], message.get("id")
    if method == "initialize":
        version = "1999-01-01" if MODE == "ancient" else message["params"]["protocolVersion"]
        info = {"name": "plain", "version": "1"}
        about = ODD_SELVES.get(MODE, {"capabilities": {"tools": {}}, "serverInfo": info})
        say(id=identity, result={"protocolVersion": version, **about})
    elif method == "tools/list":
        identity = str(identity) if MODE == "ids in words" else identity
        say(id=identity, result=listed((message.get("params") or {}).get("cursor")))
    elif method == "tools/call":
        called(identity, message["params"])
    elif identity is not None:
        say(id=identity, error={"code": -32601, "message": "Method not found"})


def children():
    """A process of the same group and one that left it; both would stay for ever."""
    asleep = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
    for apart in (False, True):
        trace("pids", subprocess.Popen(asleep, start_new_session=apart, stdin=subprocess.DEVNULL).pid)


def daemon():
    """A worker that has left us: its parent is gone, and its session is its own."""
    if not os.fork():
        os.setsid()
        if not os.fork():
            trace("pids", os.getpid())
            null = os.open(os.devnull, os.O_RDWR)
            for fd in range(3):
                os.dup2(null, fd)
            time.sleep(600)
        os._exit(0)
    os.wait()


def main():
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        children()
    if MODE == "daemon":
        daemon()
    if MODE == "ignores":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    trace("pids", os.getpid())
    if MODE == "silent":
        sys.stderr.write("waiting for a licence\n")
        sys.stderr.flush()
        time.sleep(600)
    if MODE == "crashes":
        sys.stderr.write("old\n" * 1000 + "no \x1b[31mconfiguration\nfound")
        sys.exit(3)
    if MODE == "banner":
        sys.stdout.write("Welcome to \x1b[2Jme!\n")
        sys.stdout.flush()
    if MODE == "floods":
        for _ in range(200):
            sys.stderr.write("noise \x1b[2J " * 1000 + "\n")
        sys.stderr.flush()
    for line in sys.stdin:
        answer(json.loads(line))
    if MODE == "ignores":
        time.sleep(600)


main()
