"""The quick search for keys finds what the plain one finds: each form looked for at each place, written out here."""

from __future__ import annotations

import html
import json
import sys
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as law
from hypothesis import strategies as st

from glmcli.console.encoded_search import encoded, escaped
from glmcli.console.redaction import Redactor, StreamRedactor

# --- the plain search ---


def forms_of(key):
    """What a key is looked for as, and which of these may have encoded characters."""
    data = key.encode(errors="surrogateescape")
    forms = {key, data.hex(), data.hex().upper()}
    for encoder in (b64encode, urlsafe_b64encode):
        forms.add(encoder(data).decode().rstrip("="))
        for before in range(3):
            text = encoder(b"\0" * before + data).decode().rstrip("=")
            forms.add(text[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6])
    return forms, {form for form in forms if form == key or not form.isalnum()}


def pieces_of(key):
    return {piece for piece in (key, key.partition("=")[0], key[:40]) if len(piece) >= 8}


def character_ends(text, place, character):
    behind = place
    while behind < len(text) and text[behind] == "\\" and behind < place + 15:
        behind += 1
    ends = set(range(place + 1, behind + 1)) if character == "\\" else set()
    cut = False
    for form in (*encoded(character), *(escaped(character) if behind > place else ())):
        if text.startswith(form, behind):
            ends.add(behind + len(form))
        elif len(text) - behind < len(form) and form.startswith(text[behind:]):
            cut = True
    return ends, cut


def readings(text, begin, word):
    places, cut = {begin}, None
    for count, character in enumerate(word):
        found = [character_ends(text, place, character) for place in places]
        if any(is_cut for _, is_cut in found):
            cut = count
        places = set().union(*(ends for ends, _ in found)) if found else set()
    return max(places, default=None), cut


class Plain:
    """Looks for each form at each place."""

    def __init__(self, keys):
        self.forms, self.words = set(), set()
        for key in keys:
            for piece in pieces_of(key):
                forms, words = forms_of(piece)
                self.forms |= forms
                self.words |= words

    def spans(self, text):
        found = [(at, at + len(f)) for f in self.forms for at in range(len(text)) if text.startswith(f, at)]
        for word in self.words:
            found += [(at, end) for at in range(len(text)) if (end := readings(text, at, word)[0])]
        merged = []
        for begin, end in sorted(found):
            if merged and begin < merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((begin, end))
        return merged

    def cuts(self, text):
        for form in self.forms:
            for count in range(1, min(len(form), len(text) + 1)):
                if text.endswith(form[:count]):
                    yield len(text) - count, count
        for word in self.words:
            for at in range(len(text)):
                count = readings(text, at, word)[1]
                if count is not None:
                    yield at, count

    def text(self, text):
        for begin, end in reversed(self.spans(text)):
            text = f"{text[:begin]}***{text[end:]}"
        return text

    def settled(self, text):
        settled = min((begin for begin, _ in self.cuts(text)), default=len(text))
        return next((end for begin, end in self.spans(text) if begin < settled < end), settled)

    def partial(self, text):
        return max((count for _, count in self.cuts(text)), default=0)


# --- keys, and texts that hold them ---

LAW = law(deadline=None, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

ALPHABETS = (
    "ab",
    "aA1+/",
    "sk-0Z_=",
    "\"'\\&%;#x2",
    "abcXYZ019",
    "ke\udcff\udce9é😀",
)
KEYS = st.sampled_from(ALPHABETS).flatmap(lambda letters: st.text(letters, min_size=8, max_size=45))
ENCODERS = (
    lambda key: key,
    lambda key: quote(key.encode(errors="surrogateescape"), safe=""),
    lambda key: quote(quote(key.encode(errors="surrogateescape"), safe=""), safe=""),
    lambda key: json.dumps(key)[1:-1],
    lambda key: json.dumps(json.dumps(key))[1:-1],
    lambda key: key.replace("/", "\\/").replace("=", "\\u003d"),
    html.escape,
    lambda key: "".join(f"&#{ord(character)};" for character in key),
    lambda key: "".join(f"\\{character}" for character in key),
    lambda key: key.replace("'", "'\\''"),
    *(
        lambda key, before=before, encoder=encoder: encoder(
            b"x" * before + key.encode(errors="surrogateescape") + b"yy"
        ).decode()
        for before in range(3)
        for encoder in (b64encode, urlsafe_b64encode)
    ),
    lambda key: key.encode(errors="surrogateescape").hex(),
    lambda key: key.encode(errors="surrogateescape").hex().upper(),
)


@st.composite
def cases(draw):
    """Keys, some of which begin others, and a text of them, of their beginnings and ends, encoded, and of noise."""
    keys = draw(st.lists(KEYS, min_size=1, max_size=3))
    if draw(st.booleans()):
        keys.append(keys[0][: draw(st.integers(8, len(keys[0])))])
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        form = draw(st.sampled_from(ENCODERS))(draw(st.sampled_from(keys)))
        first, last = draw(st.sampled_from([(0, 1), (0, 1), (0, 0.6), (0.4, 1), (0, 0.9), (0, 0.1)]))
        parts.append(form[int(len(form) * first) : int(len(form) * last)])
        parts.append(
            draw(st.sampled_from(["", "", " ", "\\", "\\" * 16, "\\" * 33, "%2", "&#", "'", "words & \\n %d"]))
        )
    return keys, "".join(parts)


REAL = "sk-abcT1Bq7Zx0KpW9sLm3NvR5yHd8GjF2uEa6CiOoQwXzPbV4t"
CUTS = st.lists(st.integers(0, 300), max_size=8)


def known(keys):
    redactor = Redactor()
    for key in keys:
        redactor.add(key)
    return redactor


def cut(text, cuts):
    places = sorted({0, len(text), *(min(place, len(text)) for place in cuts)})
    return [text[a:b] for a, b in pairwise(places)]


@given(cases())
@law(LAW, max_examples=50)
@example((["aaaaaaaaaa"], "a" * 25))
@example((["key+/=&\"'<1~\\"], "\\" * 40 + "key\\"))
@example((["\\" * 9 + "a"], "\\" * 30))
@example((["abcdefgh'"], "abcdefgh'\"'\""))
@example((["@bcdefghij"], "&commat;bcdefghi"))
@example((["abcdefgh\udcff", "%%;#;%%%&&#\\"], "%%;#;%%%&amp;&amp;#\\"))
def test_the_quick_search_is_the_plain_one(case) -> None:
    keys, text = case
    quick, plain = known(keys), Plain(keys)
    assert quick.text(text) == plain.text(text)
    assert quick.settled(text) == plain.settled(text)
    assert quick.partial(text) == plain.partial(text)


@pytest.mark.parametrize("length", [15, 16, 17, 40])
def test_a_key_is_found_wherever_it_stands(length) -> None:
    key = "".join(chr(ord("A") + place) for place in range(length))
    redactor = known([key])
    for before in range(2 * length):
        for after in range(7):
            assert redactor.text("." * before + key + "." * after) == "." * before + "***" + "." * after


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Incorrect API key provided: sk-abcT1***********V4t.", "Incorrect API key provided: **************V4t."),
        ("Received API Key = sk-abc...XzPbV4t, Key Hash", "Received API Key = ***...***, Key Hash"),
        ("sk-ab…", "***…"),
        ("sk-a…bV4t", "sk-a…bV4t"),
        ("sk-abcT1Bq is a beginning, sk-abc too", "*** is a beginning, sk-abc too"),
        (f"key={REAL[:20]}, …, {REAL[-9:]}.", "key=***, …, ***."),
        (f"{REAL}...{REAL[:6]}", "***...sk-abc"),
    ],
)
def test_what_a_server_shows_of_a_key(said, shown) -> None:
    """Four characters tell a person which key it was."""
    assert known([REAL]).error(said) == shown
    if REAL not in said:
        assert known([REAL]).text(said) == said  # an answer keeps what it says


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("size", [1000, 1023, 1024, 1025, 5000])
def test_keys_are_found_in_long_texts(count, size) -> None:
    keys = [f"{number}{REAL}" for number in range(count)]
    text = "".join(key + "." * size for key in keys)
    assert known(keys).text(text) == ("***" + "." * size) * count


@pytest.mark.slow
@given(cases(), CUTS)
@law(LAW, max_examples=40)
def test_a_stream_shows_what_the_plain_search_would(case, cuts) -> None:
    keys, text = case
    stream, plain, held = StreamRedactor(known(keys)), Plain(keys), ""
    for piece in cut(text, cuts):
        held += piece
        settled = plain.settled(held)
        assert stream.push(piece) == plain.text(held[:settled])
        held = held[settled:]
    assert stream.flush() == (plain.text(held) if plain.partial(held) < 8 else "***")


@given(cases(), CUTS)
@law(LAW, max_examples=50)
def test_no_key_passes_however_it_is_cut(case, cuts) -> None:
    keys, text = case
    stream, plain = StreamRedactor(known(keys)), Plain(keys)
    shown = "".join([*map(stream.push, cut(text, cuts)), stream.flush()])
    # What is left of a text around `***` may look like another key: only what was there before is hidden.
    hidden = shown.split("***")
    assert not any(plain.spans(piece) for piece in hidden)


SHAPES = {
    "most of a key": REAL[:48],
    "a first character": "s",
    "backslashes": "\\" * 50,
    "an escaped beginning": "\\s\\k",
    "an entity cut off": "sk&#4",
    "prose": "what is looked for is not here. ",
}


def work(shape, size, step):
    """Lines and calls that are run to redact so many characters: the same on every machine."""
    stream, text, count = StreamRedactor(known([REAL])), (SHAPES[shape] * size)[:size], 0
    stream.push(text[:200])  # what is made once
    before = sys.getprofile()

    def tick(*_):
        nonlocal count
        count += 1

    sys.setprofile(tick)
    for at in range(0, size, step):
        stream.push(text[at : at + step])
    sys.setprofile(before)
    return count


@pytest.mark.parametrize("step", [5, 2_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_is_twice_the_work(shape, step) -> None:
    assert work(shape, 8_000, step) <= 2.5 * work(shape, 4_000, step)


@pytest.mark.parametrize(
    "piece", ["The model writes a few words at a time. ", "模型会逐字输出文本。", "x = f('a', \"b\")\n"]
)
def test_a_push_of_ordinary_text_takes_few_calls(piece) -> None:
    stream = StreamRedactor(known([REAL, f"{REAL[::-1]}"]))
    stream.push(piece)
    calls = []
    sys.setprofile(lambda _frame, kind, _what: calls.append(kind))
    for _ in range(100):
        stream.push(piece[:5])
    sys.setprofile(None)
    assert len(calls) <= 100 * 30
