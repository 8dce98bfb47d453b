"""Minimal scripts that ask for every row of a file with another library, and write a JSON line for each.

python benchmarks/batch_peers.py LIBRARY URL INPUT OUTPUT IN-FLIGHT

Each is a process of its own, as `glm batch run` is. None of them goes on where it stopped, tries again, or looks
whether an answer is complete.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    Ask = Callable[[dict[str, Any]], Awaitable[str]]  # a request, its answer
    Library = Callable[[str, int], AbstractAsyncContextManager[Ask]]  # the address, and how many at once

_HEADERS = {"Content-Type": "application/json"}


def _request(prompt: str) -> dict[str, Any]:
    return {"model": "glm-5", "messages": [{"role": "user", "content": prompt}], "stream": False}


def _answer(reply: dict[str, Any]) -> str:
    answer: str = reply["choices"][0]["message"]["content"]
    return answer


@asynccontextmanager
async def httpx(url: str, most: int) -> AsyncIterator[Ask]:
    """A shared client, as its documents advise."""
    import httpx as library  # type: ignore[import-not-found,unused-ignore]

    limits = library.Limits(max_connections=most, max_keepalive_connections=most)
    async with library.AsyncClient(limits=limits, timeout=600, trust_env=False) as client:

        async def ask(body: dict[str, Any]) -> str:
            reply = await client.post(f"{url}/chat/completions", json=body)
            return _answer(reply.json())

        yield ask


@asynccontextmanager
async def openai(url: str, most: int) -> AsyncIterator[Ask]:
    """Its asynchronous client."""
    import openai as library  # type: ignore[import-not-found,unused-ignore]

    del most  # its pool has a thousand connections
    async with library.AsyncOpenAI(base_url=url, api_key="none", timeout=600, max_retries=0) as client:

        async def ask(body: dict[str, Any]) -> str:
            reply = await client.chat.completions.create(**body)
            return reply.choices[0].message.content or ""

        yield ask


@asynccontextmanager
async def aiohttp(url: str, most: int) -> AsyncIterator[Ask]:
    """A shared session; its parser is compiled."""
    import aiohttp as library  # type: ignore[import-not-found,unused-ignore]

    async with library.ClientSession(connector=library.TCPConnector(limit=most)) as session:

        async def ask(body: dict[str, Any]) -> str:
            async with session.post(f"{url}/chat/completions", json=body) as reply:
                return _answer(await reply.json())

        yield ask


@asynccontextmanager
async def raw(url: str, most: int) -> AsyncIterator[Ask]:
    """Streams of asyncio with HTTP by hand, without checking responses."""
    del most
    parts = urlsplit(url)
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"

    async def ask(body: dict[str, Any]) -> str:
        reader, writer = idle.pop() if idle else await asyncio.open_connection(parts.hostname, parts.port)
        data = json.dumps(body).encode()
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        said = await reader.readuntil(b"\r\n\r\n")
        reply = await reader.readexactly(int(said.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
        idle.append((reader, writer))
        return _answer(json.loads(reply))

    yield ask
    for _, writer in idle:
        writer.close()


LIBRARIES = {each.__name__: each for each in (raw, aiohttp, httpx, openai)}


async def run(library: Library, url: str, rows: str, out: str, most: str) -> None:
    """Run `most` workers, each of which asks for one row after the other."""
    with open(rows, encoding="utf-8") as lines, open(out, "w", encoding="utf-8") as written:  # noqa: ASYNC230, PTH123
        async with library(url, int(most)) as ask:

            async def worker() -> None:
                for line in lines:
                    row = json.loads(line)
                    answer = await ask(_request(row["prompt"]))
                    written.write(json.dumps({"id": row["id"], "answer": answer}) + "\n")
                    written.flush()

            await asyncio.gather(*(worker() for _ in range(int(most))))


if __name__ == "__main__":
    asyncio.run(run(LIBRARIES[sys.argv[1]], *sys.argv[2:]))
