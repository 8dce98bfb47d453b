"""An MCP server over streamable HTTP, made with the SDK. argv: a file to which every Authorization header is added.

Prints its port. With `--token` it refuses whoever does not know the right one.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

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


listener = socket.create_server(("127.0.0.1", 0))
sys.stdout.write(f"{listener.getsockname()[1]}\n")
sys.stdout.flush()
config = uvicorn.Config(Watched(server.streamable_http_app()), log_level="critical")
uvicorn.Server(config).run(sockets=[listener])
