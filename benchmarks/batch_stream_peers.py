"""Minimal scripts that ask for every row of a file, streamed, with another library, and write a JSON line for each.

python benchmarks/batch_stream_peers.py LIBRARY URL INPUT OUTPUT IN-FLIGHT

It runs on uvloop where that is installed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import batch_peers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def aiohttp(url: str, most: int) -> AsyncIterator[batch_peers.Ask]:
    """A shared session; each read is split into events."""
    import aiohttp as library  # type: ignore[import-not-found,unused-ignore]

    async with library.ClientSession(connector=library.TCPConnector(limit=most)) as session:

        async def ask(body: dict[str, Any]) -> str:
            texts, buffer = [], b""
            async with session.post(f"{url}/chat/completions", json=body | {"stream": True}) as reply:
                async for piece in reply.content.iter_any():
                    *events, buffer = (buffer + piece).split(b"\n\n")
                    texts += [_text(event) for event in events if event.startswith(b"data: {")]
            return "".join(texts)

        yield ask


def _text(event: bytes) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in json.loads(event[6:])["choices"])


@asynccontextmanager
async def openai(url: str, most: int) -> AsyncIterator[batch_peers.Ask]:
    """Its asynchronous client."""
    import openai as library  # type: ignore[import-not-found,unused-ignore]

    del most  # its pool has a thousand connections
    async with library.AsyncOpenAI(base_url=url, api_key="none", timeout=600, max_retries=0) as client:

        async def ask(body: dict[str, Any]) -> str:
            frames = await client.chat.completions.create(**body | {"stream": True})
            return "".join([choice.delta.content or "" async for frame in frames for choice in frame.choices])

        yield ask


LIBRARIES = {each.__name__: each for each in (aiohttp, openai)}


def _run(library: str, *given: str) -> None:
    if importlib.util.find_spec("uvloop"):
        import uvloop  # type: ignore[import-not-found,unused-ignore]

        uvloop.install()
    asyncio.run(batch_peers.run(LIBRARIES[library], *given))


if __name__ == "__main__":
    _run(*sys.argv[1:])
