"""An MCP server over streamable HTTP, made with the SDK. argv: a file to which every Authorization header is added.

Prints its port. With `--token` it refuses whoever does not know the right one. With `--odd` it is one without the SDK,
which lists and answers what no library would.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import odd_lists
import uvicorn
from mcp.server.mcpserver import MCPServer

TOKEN = "tok+EN/0987654321=&"

server = MCPServer("over-http")


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return f"the sum is {a + b}"


def write_down(said):
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"{said}\n")


class Watched:
    """The application, behind a door that writes down who came."""

    def __init__(self, application):
        self._application = application

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            said = dict(scope["headers"]).get(b"authorization", b"nothing").decode()
            write_down(said)
            if "--token" in sys.argv and said != f"Bearer {TOKEN}":
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return
        await self._application(scope, receive, send)


async def answer_oddly(_scope, receive, send):
    """One JSON body for each request, none for what is no request, and no stream."""
    data = b""
    while not data.endswith(b"}"):
        event = await receive()
        data += event.get("body", b"")
        if not event.get("more_body"):
            break
    asked = json.loads(data or b"{}")
    identity, params = asked.get("id"), asked.get("params") or {}
    results = {
        "initialize": {
            "protocolVersion": params.get("protocolVersion"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "odd", "version": "1"},
        },
        "tools/list": {"tools": odd_lists.TOOLS},
        "tools/call": {"content": odd_lists.CONTENT},
    }
    said = {"jsonrpc": "2.0", "id": identity, "result": results.get(asked.get("method"), {})}
    status, body = (405, b"") if not asked else (202, b"") if identity is None else (200, json.dumps(said).encode())
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Odd:
    """The same door before the odd server, which needs no beginning and no end."""

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            await answer_oddly(scope, receive, send)


listener = socket.create_server(("127.0.0.1", 0))
sys.stdout.write(f"{listener.getsockname()[1]}\n")
sys.stdout.flush()
application = Odd() if "--odd" in sys.argv else Watched(server.streamable_http_app())
config = uvicorn.Config(application, log_level="critical", lifespan="off" if "--odd" in sys.argv else "auto")
uvicorn.Server(config).run(sockets=[listener])
