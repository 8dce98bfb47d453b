"""An MCP server at a URL, over streamable HTTP: with our proxies and certificates, and limits on its answers.

The SDK follows a redirect only to the same scheme, host and port, so the token reaches nobody else.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx2
from mcp.client.streamable_http import streamable_http_client

from glmcli.console.redaction import illegal_character
from glmcli.errors import ToolError
from glmcli.http import proxies
from glmcli.http.tls import Tls
from glmcli.http.urls import origin

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp.client._transport import TransportStreams

    from glmcli.console.terminal import Terminal
    from glmcli.tools.tool_file import McpServer

_MAX_MESSAGE = 2 * 1024 * 1024  # bytes of a message
_CONNECT_TIMEOUT = 10.0  # seconds; calls have time limits of their own
_FIRST_ERROR_STATUS = 400
_SECRET = re.compile("auth|token|key|secret|cookie", re.IGNORECASE)


class HttpTransport:
    """The connection to a server at a URL."""

    def __init__(self, server: McpServer, terminal: Terminal) -> None:
        """Read the proxy and the certificates from the environment; nothing is sent yet.

        Raises:
            UsageError: the proxy or the certificates of the environment cannot be used.
            ToolError: the token cannot be sent in a header.
        """
        self._url = server.url
        self._headers = {"Accept-Encoding": "identity"}
        if server.token is not None:
            terminal.redactor.add(server.token)
            if illegal_character(server.token):
                what = f"the token of the MCP server {server.name} ({server.place})"
                raise ToolError(message=f"{what} is empty, or no header can carry it")
            self._headers["Authorization"] = f"Bearer {server.token}"
        for name, value in server.headers.items():
            if _SECRET.search(name):
                terminal.redactor.add(value)
                terminal.redactor.add(value.rpartition(" ")[2])  # without `Bearer`
            self._headers[name] = value
        scheme, host, port = origin(server.url)
        self._proxy = proxies.choose_proxy(scheme, host, port, terminal.environment)
        self._tls = Tls(terminal.environment).context()
        self._transport: _BoundedTransport | None = None

    def stderr(self) -> str:
        """Empty: a remote server has none."""
        return ""

    def refusal(self) -> str:
        """The HTTP status of an error, in words that follow the server's name; empty if there was none."""
        status = self._transport.status if self._transport else 0
        return f"answered HTTP {status}" if status >= _FIRST_ERROR_STATUS else ""

    def ending(self) -> str:
        """How the connection ended."""
        return self.refusal() or "hung up"

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[TransportStreams]:
        """What a session reads from and writes to."""
        self._transport = _BoundedTransport(verify=self._tls, trust_env=False, proxy=self._httpx_proxy())
        client = httpx2.AsyncClient(
            transport=self._transport,
            headers=self._headers,
            timeout=httpx2.Timeout(None, connect=_CONNECT_TIMEOUT),
            trust_env=False,
        )
        async with (
            client,
            streamable_http_client(self._url, http_client=client, max_sse_event_size=_MAX_MESSAGE) as streams,
        ):
            yield streams

    def _httpx_proxy(self) -> httpx2.Proxy | None:
        if self._proxy is None:
            return None
        user, password = self._proxy.user, self._proxy.password or b""
        # The library encodes them as UTF-8 again.
        auth = (user.decode(errors="replace"), password.decode(errors="replace")) if user else None
        return httpx2.Proxy(str(self._proxy), auth=auth)


class _BoundedTransport(httpx2.AsyncHTTPTransport):
    """Keeps the last status, and limits the size of bodies."""

    status = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        if request.method == "POST":  # other methods are optional, and may be refused
            self.status = response.status_code
        response.headers.pop("Content-Encoding", None)  # identity was requested, so nothing is decompressed
        is_stream = response.headers.get("Content-Type", "").lower().startswith("text/event-stream")
        if not is_stream and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _BoundedBody(response.stream)
        return response


class _BoundedBody(httpx2.AsyncByteStream):
    """A body of at most `_MAX_MESSAGE` bytes; the events of a stream are counted one by one elsewhere."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for data in self._stream:
            size += len(data)
            if size > _MAX_MESSAGE:
                raise httpx2.StreamError(f"an answer of more than {_MAX_MESSAGE >> 20} MiB")
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()
