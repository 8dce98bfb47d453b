"""What replies tell of a web search, read in each dialect, whole and as a stream, in whatever form it stands."""

from __future__ import annotations

import json

import pytest
from scripted_server import delta, event

from glmcli.chat.events import Source, Sources
from glmcli.chat.reply import Fold
from glmcli.errors import IncompleteError, ProtocolError
from glmcli.providers.reader import ReplyReader
from glmcli.providers.table import PROVIDERS

HELLO, STOP = delta(content="Hello"), delta(content="", finish_reason="stop")
PAGE = {"refer": "ref_1", "title": "T", "link": "https://a.example/", "content": "x", "publish_date": "2026-01-02"}
OTHER = {"refer": "ref_2", "title": "U", "link": "https://b.example/"}
FIRST = Source(ref="ref_1", title="T", link="https://a.example/", date="2026-01-02", text="x")
SECOND = Source(ref="ref_2", title="U", link="https://b.example/")


def fold(provider, *values):
    """The reply in these frames."""
    reader, folded = ReplyReader(PROVIDERS[provider], "text/event-stream"), Fold()
    for value in values:
        for each in reader.feed(event(json.dumps(value))):
            folded.add(each)
    for each in reader.close():
        folded.add(each)
    return folded


def found(provider, *values):
    reply = fold(provider, *values).reply()
    assert (reply.answer, reply.finish_reason) == ("Hello", "stop")
    return reply.sources


def search(*pages):
    return {"web_search": list(pages)}


STREAMS = {
    "on the last chunk": ((HELLO, STOP | search(PAGE, OTHER)), (FIRST, SECOND)),
    "alone, before the answer": ((search(PAGE), HELLO, STOP), (FIRST,)),
    "without a choice, after the finish": ((HELLO, STOP, {"choices": []} | search(PAGE)), (FIRST,)),
    "in every frame": ((HELLO | search(PAGE), STOP | search(PAGE, OTHER), search(OTHER)), (FIRST, SECOND)),
    "empty": ((HELLO, STOP | search()), ()),
    "empty, then not": ((HELLO | search(), STOP | search(PAGE)), (FIRST,)),
    "not there": ((HELLO, STOP), None),
    "null": ((HELLO, STOP | {"web_search": None}), None),
    "an object": ((HELLO, STOP | {"web_search": PAGE}), None),
    "a text": ((HELLO, STOP | {"web_search": "https://a.example/"}), None),
    "a list of texts": ((HELLO, STOP | search("https://a.example/")), None),
    "without what tells of a page": ((HELLO, STOP | search({"refer": "ref_1", "icon": "i", "title": " "})), None),
    "with other things beside": ((HELLO, STOP | search(None, [PAGE], PAGE, 3)), (FIRST,)),
    "fields of wrong types": (
        (HELLO, STOP | search({"refer": 3, "title": None, "link": ["x"], "content": True, "publish_date": 20260102})),
        None,
    ),
    "a number as a reference": (
        (HELLO, STOP | search(PAGE | {"refer": 3, "publish_date": 2026})),
        (FIRST.replace(ref="3", date="2026"),),
    ),
    "one page under two references": (
        (HELLO, STOP | search(PAGE, PAGE | {"refer": "ref_2"})),
        (FIRST, FIRST.replace(ref="ref_2")),
    ),
    "one reference for two pages": (
        (HELLO, STOP | search(PAGE, OTHER | {"refer": "ref_1"})),
        (FIRST, SECOND.replace(ref="ref_1")),
    ),
    "half a character": ((HELLO, STOP | search(PAGE | {"title": "\ud83d"})), (FIRST.replace(title="\ufffd"),)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_in_a_stream(name) -> None:
    frames, sources = STREAMS[name]
    assert found("bigmodel", *frames) == sources


def test_in_a_whole_reply() -> None:
    message = {"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    body = json.dumps({"id": "x", "choices": [message], **search(PAGE, OTHER)}).encode()
    reader, folded = ReplyReader(PROVIDERS["zai"], "application/json"), Fold()
    for each in (*reader.feed(body), *reader.close()):
        folded.add(each)
    assert folded.reply().sources == (FIRST, SECOND)


def test_it_is_neither_text_nor_a_finish() -> None:
    folded = fold("bigmodel", HELLO, search(PAGE))
    assert not folded.finished
    folded = fold("bigmodel", HELLO, STOP, {"choices": [{"index": 0, "delta": {}}]} | search(PAGE))
    assert (folded.finished, folded.finish_is_early) == (True, False)
    with pytest.raises(ProtocolError):
        fold("bigmodel", search(PAGE))


def test_it_has_the_limit_of_the_answer() -> None:
    long = "x" * (33 << 20)
    folded = Fold()
    page = Source(ref="ref_1", link="https://a.example/", text=long)
    for _ in range(3):  # one page, told of three times
        folded.add(Sources((page,)))
    with pytest.raises(IncompleteError, match="64 MiB"):
        folded.add(Sources((page.replace(ref="ref_2"),)))


# OpenAI's form, which OpenRouter has too, with `content`.
CITED = {
    "annotations": [
        {"type": "url_citation", "url_citation": {"url": "https://a.example/", "title": "T", "content": "x"}},
        {"type": "url_citation", "url_citation": None},
        {"type": "file_citation"},
    ]
}


@pytest.mark.parametrize("place", ["delta", "message"])
def test_citations(place) -> None:
    last = {"choices": [{"index": 0, place: CITED, "finish_reason": "stop"}]}
    assert found("openai", HELLO, last) == (Source(title="T", link="https://a.example/", text="x"),)


def test_no_citations_are_no_search() -> None:
    assert found("openai", HELLO | {}, delta(content="", annotations=[], finish_reason="stop")) is None


def native(content, reason, **output):
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": reason}
    return {"output": {"choices": [choice], **output}, "request_id": "r"}


def test_dashscope() -> None:
    results = [{"site_name": "S", "icon": "i", "index": 1, "title": "T", "url": "https://a.example/"}]
    frames = (native("Hello", "null", search_info={"search_results": results}), native("", "stop", search_info=None))
    assert found("dashscope", *frames) == (Source(ref="1", title="T", link="https://a.example/", site="S"),)
    assert found("dashscope", native("Hello", "stop")) is None
