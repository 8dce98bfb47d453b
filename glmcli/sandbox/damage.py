"""What a fault does to an answer, to a response that would have been good, or instead of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from glmcli.sandbox.answer import Answer, first_words
from glmcli.sandbox.frames import DONE
from glmcli.sandbox.response import End, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The first lines of the page that Aliyun's firewall puts before GLM addresses
# (https://github.com/izaart95-jpg/GLM-Free-API/issues/32), in words of our own.
_PAGE = (
    b'<!doctypehtml><html lang="zh-cn"><head><meta charset="utf-8"><meta name="aliyun_waf_aa" content="sandbox">'
    b"<title>405</title></head><body><p>Sorry, your request has been blocked. \xe8\xaf\xb7\xe6\xb1\x82\xe8\xa2\xab"
    b"\xe6\x8b\xa6\xe6\x88\xaa</p></body></html>\n"
)


def instead(kind: str | None, prefix: str) -> Response | None:
    """The response of the faults that ask nobody; None for the others."""
    match kind:
        case "hang":
            return Response(200, None, (), end=End.HANG)
        case "html":
            return Response(200, "text/html; charset=utf-8", (_PAGE,))
        case "redirect":
            return Response(307, None, (), (("Location", f"{prefix}/elsewhere"),))
        case _:
            return None


def spoiled(kind: str | None, answer: Answer, filtered: str) -> Answer:
    """The answer under the faults that concern its content; `filtered` is the provider's word for its filter."""
    half = first_words(answer.text, len(answer.text.split()) // 2)
    match kind:
        case "length":
            return replace(answer, text=half, finish="length")
        case "empty":
            return replace(answer, text="", calls=(), finish="stop")
        case "sensitive":
            return replace(answer, text=half, calls=(), finish=filtered)
        case _:
            return answer


def damaged(kind: str | None, response: Response) -> Response:
    """A good response under the faults that concern how it arrives."""
    change = _CHANGES.get(kind or "")
    return response if change is None else change(response)


def half(response: Response) -> tuple[bytes, ...]:
    """What arrives before something breaks: half of the frames, or half of the body. The finish is never in it."""
    if response.chunked:
        return response.frames[: max(1, len(response.frames) // 2)]
    body = b"".join(response.frames)
    return (body[: len(body) // 2],)


def _cut(response: Response) -> Response:
    """A stream ends as if it were whole; a body ends before the length that was announced."""
    if response.chunked:
        return replace(response, frames=half(response))
    return _ended(response, End.CLOSE)


def _ended(response: Response, end: End) -> Response:
    return replace(response, frames=half(response), length=sum(map(len, response.frames)), end=end)


def _garbage(response: Response) -> Response:
    """A frame is cut in its first third and the next one glued to it, as three captured GLM streams had it.

    Source: https://github.com/zai-org/GLM-5/issues/66 (2026-05).
    """
    if not response.chunked:
        return replace(response, frames=half(response))
    frames, middle = response.frames, max(0, len(response.frames) // 2 - 1)
    fused = frames[middle][: len(frames[middle]) // 3] + b"".join(frames[middle + 1 : middle + 2])
    return replace(response, frames=(*frames[:middle], fused, *frames[middle + 2 :]))


_CHANGES: Mapping[str, Callable[[Response], Response]] = {
    "cut": _cut,
    "reset": lambda response: _ended(response, End.RESET),
    "stall": lambda response: _ended(response, End.STALL),
    "drip": lambda response: replace(response, drip=True),
    "garbage": _garbage,
    "nodone": lambda response: replace(response, frames=tuple(each for each in response.frames if each != DONE)),
}
