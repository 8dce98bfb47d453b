"""The fast path for frames that are alike makes the same events as full decoding, whatever the frames and the cuts."""

from __future__ import annotations

import json
from itertools import groupby

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scripted_server import Pause, Server, Stall, head
from scripted_server import chunk as piece

from glmcli.chat.events import Answer, Done, Reasoning
from glmcli.errors import GlmError
from glmcli.providers.reader import FrameTemplate, ReplyReader, template_of
from glmcli.providers.sse import SseParser
from glmcli.providers.table import PROVIDERS, dialect_of
from glmcli.sandbox import recordings

settings.register_profile("template", deadline=None, database=None, derandomize=True)
settings.load_profile("template")

FOLDER = recordings.FOLDER
INDEX = json.loads((FOLDER / "index.json").read_text("utf-8"))
STREAMS = {name: each for name, each in INDEX.items() if each["file"].endswith(".sse")}


def joined(events: list) -> list:
    """Texts of one kind that follow one another as one."""
    found = []
    for kind, run in groupby(events, type):
        pieces = list(run)
        found += [kind("".join(each.text for each in pieces))] if kind in (Answer, Reasoning) else pieces
    return found


def fault(error: GlmError) -> tuple:
    return (type(error), error.message, error.why, error.provider_code, error.http_status)


def long_way(provider, data: bytes) -> list:
    """Each frame decoded for itself."""
    dialect = dialect_of(provider)
    decoder, parser = dialect.decoder(provider), SseParser(line_framed=dialect.line_framed)
    events: list = []
    try:
        for frames in (parser.feed(data), parser.close()):
            for frame in frames:
                for event in decoder.frame(frame):
                    events.append(event)
                    if isinstance(event, Done):
                        return [*joined(events), *decoder.close()]
        events.extend(decoder.close())
    except GlmError as error:
        return [*joined(events), fault(error)]
    return joined(events)


def as_read(provider, data: bytes, cuts) -> list:
    places = sorted({min(place, len(data)) for place in cuts})
    events: list = []
    reader = ReplyReader(provider, "text/event-stream")
    try:
        for start, end in zip([0, *places], [*places, len(data)], strict=True):
            for event in reader.feed(data[start:end]):
                events.append(event)  # noqa: PERF402 - what came before an error is kept
            if reader.done:
                break
        for event in reader.close():
            events.append(event)  # noqa: PERF402
    except GlmError as error:
        return [*joined(events), fault(error)]
    return joined(events)


def as_long(provider, data: bytes, cuts) -> None:
    # A body that begins as JSON is no stream: the reader decides that, not the way.
    assert as_read(provider, b": \n\n" + data, [4, *(4 + cut for cut in cuts)]) == long_way(provider, b": \n\n" + data)


CUTS = st.lists(st.integers(0, 3000), max_size=8)


@pytest.mark.parametrize("name", STREAMS)
@given(cuts=CUTS, times=st.integers(1, 3))
@settings(max_examples=6)
def test_recordings(name, cuts, times) -> None:
    entry = STREAMS[name]
    data = (FOLDER / entry["file"]).read_bytes()
    # Some frames several times, as a stream of one's own would have them.
    frames = data.split(b"\n\n")
    data = b"\n\n".join(frame for frame in frames for _ in range(times if frame and b"[DONE]" not in frame else 1))
    as_long(PROVIDERS[entry["provider"]], data, cuts)


TEXTS = st.sampled_from(
    [
        "a",
        "Hello",
        " world",
        "\n",
        '"',
        "\\",
        "\\n",
        "/",
        "<think>",
        "</think>",
        "中文",
        "😀",
        "",
        "6fZ",
        "content",
        "\x7f",
        "\u2028",
    ]
) | st.text(max_size=8)
NAMES = st.sampled_from(["content", "reasoning_content", "reasoning", "role", "other"])
DELTAS = st.dictionaries(NAMES, TEXTS, max_size=2)


def chunk(delta, more) -> dict:
    return {"id": "r1", "choices": [{"index": 0, "delta": delta, **more}]}


def message(text, more) -> dict:
    return {"choices": [{"message": {"content": text}, **more}]}


def choices(texts, start) -> dict:
    return {"choices": [{"index": at, "delta": {"content": text}} for at, text in enumerate(texts, start)]}


FINISHED = st.sampled_from([{}, {}, {"finish_reason": "stop"}])
# Frames whose text means something else by what was before them.
DEPENDENT = st.builds(message, st.sampled_from(["a", "ab", "abc", "abcd"]), FINISHED) | st.builds(
    choices, st.lists(TEXTS, min_size=1, max_size=2), st.integers(0, 1)
)
VALUES = (
    st.builds(
        chunk,
        DELTAS,
        st.sampled_from([{}, {}, {}, {"finish_reason": None}, {"finish_reason": "stop"}, {"error": None}]),
    )
    | st.sampled_from(
        [{"error": {"code": "1302", "message": "m"}}, {"choices": []}, {"usage": {"prompt_tokens": 1}}, {"id": "r2"}]
    )
    | DEPENDENT
)
SPELLED = st.builds(
    lambda value, is_ascii, spaced: json.dumps(
        value, ensure_ascii=is_ascii, separators=(", ", ": ") if spaced else (",", ":")
    ).encode(errors="replace"),
    VALUES,
    st.booleans(),
    st.booleans(),
)
RAW = st.sampled_from(
    [
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"\\ude00"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"\xff"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"\\u0041"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"a\\/b"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"a","content":"b"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"a\tb"}}]}',
        b'{"id":"r1","choices":[{"index":0,"delta":{"content":"a"}}]} {"choices":[]}',
        b"[DONE]",
        b"{broken",
    ]
)
LIKE = st.builds(lambda frame, times: [frame] * times, SPELLED, st.integers(1, 4))
RUNS = st.builds(
    lambda texts: [
        json.dumps(chunk({"content": text}, {}), ensure_ascii=False).encode(errors="replace") for text in texts
    ],
    st.lists(TEXTS, min_size=1, max_size=6),
)
FRAMES = st.lists(LIKE | RUNS | RAW.map(lambda frame: [frame]), max_size=8)
ENDS = st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n", b"\r\r", b"\n: ping\n\n", b"\nid: 1\n\n"])
BEFORE = st.sampled_from([b"data: ", b"data: ", b"data:", b"event: message\ndata: "])
BODIES = st.builds(
    lambda runs, end, before: b"".join(before + frame + end for run in runs for frame in run), FRAMES, ENDS, BEFORE
)
PLAIN = PROVIDERS["vllm"]
TAGGED = PLAIN.replace(api=PLAIN.api.replace(think_tags="bare"))
SUMS = PLAIN.replace(api=PLAIN.api.replace(text_frames="cumulative"))
ROWS = st.sampled_from([PLAIN, PROVIDERS["zai"], PROVIDERS["zai"].serving("glm-4.5v"), TAGGED, SUMS])

ALIKE = b"".join(b'data: {"choices":[{"index":0,"delta":{"content":"%d"}}]}\n\n' % number for number in range(9))


@given(ROWS, BODIES, CUTS)
@settings(max_examples=300)
@example(PLAIN, ALIKE + b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n' + ALIKE, [])
@example(PLAIN, ALIKE + b"data: {broken\n\n", [5, 70, 200])
def test_random_frames(provider, data, cuts) -> None:
    as_long(provider, data, cuts)


@pytest.mark.slow
@given(ROWS, BODIES, CUTS)
@settings(max_examples=5000)
def test_many_more_random_frames(provider, data, cuts) -> None:
    as_long(provider, data, cuts)


def test_the_short_way_is_taken() -> None:
    """Nearly all frames of an ordinary stream; what a frame costs there is measured in benchmarks/."""
    reader = ReplyReader(PLAIN, "text/event-stream")
    list(reader.feed(ALIKE))
    assert (reader.frames, reader.fast_frames) == (9, 7)


def test_a_template_knows_its_own_frames_only() -> None:
    template = FrameTemplate(b'data: {"c":"', b'"}\n\n', Answer)
    frame = b'data: {"c":"word"}\n\n'
    others = [
        b'data: {"d":"word"}\n\n',
        frame + frame,
        frame[:-1],
        b'data: {"c":"wo\nrd"}\n\n',
        b'data: {"c":"a","b":"c"}\n\n',
    ]
    assert [template.fits(data) for data in (frame, *others)] == [True, False, False, False, False, False]
    assert template.read(b'data: {"c":"a"}\n\ndata: {"c":"\\n"}\n\ndata: {"d":', 0) == (["a", "\n"], 35)
    assert template.read(b'data: {"c":"\xff"}\n\n', 0) == ([], 0)  # no UTF-8: the decoder says so


def test_a_refusal_makes_no_template() -> None:
    assert template_of(b'data: {"c":"a"}\n\n', [Answer("a")], lambda _: None) is None
    decoder = dialect_of(PLAIN).decoder(PLAIN)
    frames = list(SseParser().feed(b'data: {"error":{"code":"1301","message":"m"}}\n\n'))
    assert [decoder.frame_alone(frame) for frame in frames] == [None]


FRAME = 'data: {"id":"r","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
# Each begins and ends as those before it, and holds more than text.
MORE = {
    "an error": (FRAME % 'hi"}}],"error":{"code":"1301","message":"m"},"x":[{"a":{"b":"c', "busy"),
    "no JSON": (FRAME % "hi\\", "protocol"),
}


@pytest.mark.parametrize("name", MORE)
def test_a_frame_that_only_looks_like_others_is_read_at_once(name, glm, cwd) -> None:
    (cwd / "rows.txt").write_text("hi\n")
    frame, kind = MORE[name]
    texts = [step for text in "abcd" for step in (piece(FRAME % text), Pause(0.05))]
    with Server([head(), *texts, piece(frame), Stall()]) as server:
        flags = ("-m", "vllm/x", "--base-url", server.url, "--retries", "0", "--idle-timeout", "2", "--keep-partial")
        done = glm("batch", "run", "rows.txt", *flags)
    entry = json.loads(done.out)
    assert (entry["error"]["type"], entry["partial"]) == (kind, "abcd")
