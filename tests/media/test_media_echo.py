"""A provider that quotes the request in its refusal does not make us print the picture."""

from __future__ import annotations

import base64
import json
import time

import pytest
import samples
from processes import error_of
from program import CANARY
from scripted_server import Server, reply, stream

from glmcli.providers.media_echo import mask_media

DATA = base64.b64encode(samples.JPEG).decode()
URL = f"data:image/jpeg;base64,{DATA}"
SIZE = f"<image/jpeg, about {len(DATA) * 3 // 4} bytes>"
KEY = {"ZAI_API_KEY": CANARY}


ECHOES = {
    "message": reply(400, {"error": {"code": "1210", "message": f"bad input: {URL} is no picture"}}),
    "request": reply(400, {"error": {"code": "1210", "message": json.dumps({"image_url": {"url": URL}})}}),
    "bare": reply(400, {"error": {"code": "1210", "message": f"cannot decode {DATA}"}}),
    "detail": reply(422, {"detail": [{"input": {"url": URL}}]}),
    "page": reply(502, f"<html>You sent {URL}</html>".encode(), content_type="text/html"),
    "folded": reply(
        502, f"<html>{base64.encodebytes(samples.JPEG).decode()}</html>".encode(), content_type="text/html"
    ),
    "not json": reply(200, f'{{"error: {URL}'.encode(), content_type="application/json"),
    "stream": stream({"error": {"code": "1210", "message": URL}}),
}


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.parametrize("flags", [(), ("--json",), ("--jsonl",), ("--meta", "stderr")], ids=" ".join)
def test_what_is_quoted_is_not_printed(glm, cwd, name, flags) -> None:
    (cwd / "a").write_bytes(samples.JPEG)
    with Server(ECHOES[name]) as server:
        base = ("-P", "zai", "--base-url", server.url, "--retries", "0", "--image", "a")
        done = glm("vision", *base, *flags, "hi", env=KEY)
    assert done.code != 0
    printed = done.text + done.err
    assert not any(DATA[at : at + 40] in printed for at in range(len(DATA) - 40))


def test_its_size_is(glm, cwd) -> None:
    (cwd / "a").write_bytes(samples.JPEG)
    with Server(ECHOES["message"]) as server:
        done = glm("vision", "-P", "zai", "--base-url", server.url, "--image", "a", "hi", env=KEY)
    assert error_of(done.err)
    assert f"  why: bad input: {SIZE} is no picture\n" in done.err


BARE = f"<about {len(DATA) * 3 // 4} bytes of base64>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, SIZE),
        (URL.replace("/", "\\/"), f"<image/jpeg, about {len(DATA.replace('/', '//')) * 3 // 4} bytes>"),
        (f"({URL}), ({URL})", f"({SIZE}), ({SIZE})"),
        (f"a {DATA[:300]} b", "a <about 225 bytes of base64> b"),
        (DATA, BARE),
        (DATA.replace("+", "-").replace("/", "_"), BARE),
        ("data:image/png;base64,", "<image/png, about 0 bytes>"),
        # What is long and is no picture.
        *((text, text) for text in ("x" * 1000, "=" * 1000, "sha256:" + "0aB" * 20, "Words, and 5 More words, " * 40)),
    ],
)
def test_what_looks_like_media(text, shown) -> None:
    assert mask_media(text) == shown


@pytest.mark.parametrize("text", ["data:image/png;base64,", "A1b" * 10 + " ", "data:", "a b ", DATA + " "])
def test_in_linear_time(text) -> None:
    began = time.process_time()
    mask_media(text * (1_000_000 // len(text)))
    assert time.process_time() - began < 3
