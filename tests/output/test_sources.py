"""What a web search of the provider found: listed behind the answer, or in what scripts read."""

from __future__ import annotations

import json

import pytest
from json_output import reply_events, reply_object
from processes import error_of, shell
from program import CANARY
from pseudo_terminal import on_terminal
from scripted_server import Server, answer, delta, stream
from tool_runs import whole_call

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
FOUND = [
    {
        "refer": "ref_1",
        "title": "Release notes",
        "link": "https://docs.z.ai/release-notes",
        "content": "GLM-5 is there.",
        "media": "Z.AI",
        "icon": "https://docs.z.ai/favicon.ico",
        "publish_date": "2026-02-12",
    },
    {"refer": "ref_2", "title": "Pipes", "link": "https://a.example/?a=1", "content": "", "media": ""},
]
FIRST = {
    "ref": "ref_1",
    "title": "Release notes",
    "link": "https://docs.z.ai/release-notes",
    "site": "Z.AI",
    "date": "2026-02-12",
    "text": "GLM-5 is there.",
}
SECOND = {"ref": "ref_2", "title": "Pipes", "link": "https://a.example/?a=1", "site": None, "date": None, "text": None}
LIST = "[ref_1] Release notes — https://docs.z.ai/release-notes (2026-02-12)\n[ref_2] Pipes — https://a.example/?a=1\n"
SAID = b"See [ref_1].\n"


def searched(found, reason="stop"):
    """A reply whose last chunk tells what was found, as BigModel and Z.ai send it."""
    return stream(delta(content="See [ref_1]."), delta(content="", finish_reason=reason) | {"web_search": found})


@pytest.mark.parametrize("command", ["ask", "stream"])
@pytest.mark.parametrize(
    ("flags", "out", "err"),
    [
        ((), SAID, LIST),
        (("-q",), SAID, ""),
        (("-q", "--sources", "stderr"), SAID, LIST),
        (("--sources", "none"), SAID, ""),
        (("--sources", "stdout"), SAID + LIST.encode(), ""),
        (("--sources", "stdout", "--exact"), SAID + LIST.encode(), ""),
        (("--sources", "-"), SAID + LIST.encode(), ""),
        (("--sources", "fd:2"), SAID, LIST),
        (("-O", "out", "--sources", "stdout"), LIST.encode(), ""),
    ],
)
def test_where_the_list_goes(glm, command, flags, out, err) -> None:
    with Server(searched(FOUND)) as server:
        done = glm(command, *ZAI, server.url, *flags, "hi", env=KEY)
    assert (done.code, done.out, done.err) == (0, out, err)


def test_into_a_file(glm, cwd) -> None:
    with Server(searched(FOUND), answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "--sources", "pages", "hi", env=KEY)
        assert (done.code, done.out, done.err) == (0, SAID, "")
        assert (cwd / "pages").read_text() == LIST
        done = glm("ask", *ZAI, server.url, "--sources", "pages", "hi", env=KEY)
    assert (done.code, done.err) == (0, "")
    assert (cwd / "pages").read_text() == ""  # of this answer, not of the last one


def test_the_request_file_says_where(glm, cwd) -> None:
    (cwd / "in").mkdir()
    (cwd / "in" / "r.yaml").write_text("prompt: hi\nsources: pages\n")
    with Server(searched(FOUND)) as server:
        done = glm("ask", *ZAI, server.url, "-f", "in/r.yaml", env=KEY)
        assert (done.code, done.err) == (0, "")
        assert (cwd / "in" / "pages").read_text() == LIST
        done = glm("ask", *ZAI, server.url, "-f", "in/r.yaml", "--sources", "stderr", env=KEY)
    assert done.err == LIST


@pytest.mark.parametrize("found", [[], None, "none", [{}, {"refer": "ref_1"}, 7]])
def test_nothing_is_printed_if_nothing_was_found(glm, found) -> None:
    with Server(searched(found)) as server:
        done = glm("ask", *ZAI, server.url, "hi", env=KEY)
    assert (done.code, done.out, done.err) == (0, SAID, "")


# The list stands behind what was printed of the answer.
CUT = [
    ("ask", (), b"", ""),
    ("ask", ("--sources", "stdout"), b"", ""),
    ("ask", ("--keep-partial",), SAID, LIST),
    ("stream", (), SAID, LIST),
]


@pytest.mark.parametrize(("command", "flags", "out", "err"), CUT)
def test_of_an_answer_that_is_not_complete(glm, command, flags, out, err) -> None:
    with Server(searched(FOUND, "length")) as server:
        done = glm(command, *ZAI, server.url, *flags, "hi", env=KEY)
    assert (done.code, done.out) == (7, out)
    assert done.err.startswith(f"{err}glm: error: ")


def test_in_json(glm) -> None:
    with Server(searched(FOUND), searched([]), answer("Hi"), searched(FOUND, "length")) as server:
        found, empty, unknown, cut = (glm("ask", *ZAI, server.url, "--json", "hi", env=KEY) for _ in range(4))
    assert reply_object(found.out)["sources"] == [FIRST, SECOND]
    assert reply_object(empty.out)["sources"] == []
    assert reply_object(unknown.out)["sources"] is None
    assert reply_object(cut.out)["sources"] == [FIRST, SECOND]
    assert (found.err, empty.err, unknown.err) == ("", "", "")


def test_beside_json_if_asked_for(glm) -> None:
    with Server(searched(FOUND)) as server:
        for form in ("--json", "--jsonl"):
            assert glm("ask", *ZAI, server.url, form, "--sources", "stderr", "hi", env=KEY).err == LIST


@pytest.mark.parametrize("output", [(), ("-O", "-"), ("-O", "/dev/stdout")])
@pytest.mark.parametrize("name", ["stdout", "-", "fd:1", "fd:01", "/dev/stdout", "/dev/fd/1"])
def test_not_between_the_json_of_stdout(glm, cwd, name, output) -> None:
    with Server(searched(FOUND)) as server:
        for form in (("--json", "--sources"), ("--jsonl", "--sources"), ("--json", "--meta")):
            done = glm("ask", *ZAI, server.url, *output, *form, name, "hi", env=KEY)
            assert (done.code, server.requests) == (2, [])
            assert error_of(done.err) == "stdout holds the --json object or the --jsonl lines, and nothing else"
        assert not list(cwd.iterdir())
        assert glm("ask", *ZAI, server.url, "-O", "stdout", "--json", "--sources", name, "hi", env=KEY).text == LIST


def test_in_meta_without_what_was_read_of_a_page(glm, cwd) -> None:
    with Server(searched(FOUND)) as server:
        done = glm("ask", *ZAI, server.url, "-q", "--meta", "m.json", "hi", env=KEY)
    assert done.out == SAID
    sources = json.loads((cwd / "m.json").read_text())["sources"]
    assert sources == [{name: text for name, text in page.items() if name != "text"} for page in (FIRST, SECOND)]


@pytest.mark.parametrize("command", ["ask", "stream"])
def test_as_an_event(glm, command) -> None:
    with Server(searched(FOUND), searched([]), answer("Hi")) as server:
        runs = [reply_events(glm(command, *ZAI, server.url, "--jsonl", "hi", env=KEY).out) for _ in range(3)]
    told = [[each for each in events if each["type"] == "sources"] for events in runs]
    assert told == [
        [{"type": "sources", "sources": [FIRST, SECOND]}],
        [{"type": "sources", "sources": []}],
        [],
    ]
    assert [each["type"] for each in runs[0]] == ["start", "answer", "sources", "end"]


def test_those_of_a_void_attempt_are_void(glm) -> None:
    cut = stream({"choices": [], "web_search": FOUND[:1]}, delta(content="x"), done=False)
    with Server(cut, searched(FOUND[1:])) as server:
        done = glm("ask", *ZAI, server.url, "--json", "hi", env=KEY)
        assert len(server.requests) == 2
    assert reply_object(done.out)["sources"] == [SECOND]


def test_of_all_turns_of_a_conversation_with_tools(glm, cwd) -> None:
    tool = {"name": "t", "description": "d", "run": ["true"], "approve": "auto"}
    (cwd / "t.json").write_text(json.dumps({"tools": [tool]}))
    last = delta(content="", finish_reason="tool_calls") | {"web_search": FOUND[:1]}
    calling = stream(delta(tool_calls=[whole_call("t")]), last)
    with Server(calling, searched(FOUND), calling, answer("Hi")) as server:
        flags = (*ZAI, server.url, "--tools", "t.json", "hi")
        done = glm("tools", "run", *flags, env=KEY)
        assert (done.code, done.out) == (0, SAID)
        assert done.err.endswith(LIST)
        assert done.err.count("[ref_1] ") == 1
        told = reply_object(glm("tools", "run", "--json", *flags, env=KEY).out)
    assert told["sources"] == [FIRST]  # the second turn did not search


def test_a_reference_is_that_of_the_last_turn(glm, cwd) -> None:
    """Each turn counts from ref_1, and the answer refers to what was found last."""
    tool = {"name": "t", "description": "d", "run": ["true"], "approve": "auto"}
    (cwd / "t.json").write_text(json.dumps({"tools": [tool]}))
    pages = [{"refer": f"ref_{number}", "link": f"https://{name}.example/"} for number, name in ((1, "a"), (2, "b"))]
    again = [{"refer": "ref_1", "link": "https://b.example/"}, {"refer": "ref_2", "link": "https://c.example/"}]
    last = delta(content="", finish_reason="tool_calls") | {"web_search": pages}
    with Server(stream(delta(tool_calls=[whole_call("t")]), last), searched(again)) as server:
        done = glm("tools", "run", *ZAI, server.url, "--tools", "t.json", "hi", env=KEY)
    assert done.err.endswith("[1] https://a.example/\n[ref_1] https://b.example/\n[ref_2] https://c.example/\n")


HOSTILE = [
    {"refer": "a\nb", "title": "t\x1b[31m\u202e\n::error::x", "link": "https://a.example/\x07"},
    {"title": "T" * 201, "link": "https://b.example/" + "x" * 300},
    {"media": "A site"},
    {"media": "A site", "content": "no link"},
    {"title": 5, "link": ["https://c.example/"], "publish_date": {"year": 2026}, "content": "is there"},
]


def test_a_page_is_one_line_whatever_it_is_called(home, cwd) -> None:
    with Server(searched(HOSTILE)) as server:
        code, seen, _ = on_terminal(home, cwd, "ask", *ZAI, server.url, "--plain", "hi", piped_stream="stdout")
    assert code == 0
    assert seen.decode().splitlines() == [
        "[a b] t␛[31m<U+202E> ::error::x — https://a.example/␇",
        f"[2] {'T' * 200}… — https://b.example/{'x' * 300}",
        "[3] A site",
        "[4] 5",
    ]


def test_two_outputs_are_not_one_file(glm) -> None:
    with Server(searched(FOUND)) as server:
        done = glm("ask", *ZAI, server.url, "-O", "out", "--sources", "./out", "hi", env=KEY)
    assert (done.code, server.requests) == (2, [])
    assert error_of(done.err) == "--output and --sources name the same file: ./out"


def test_a_place_that_cannot_be_written_is_found_before_sending(glm) -> None:
    with Server(searched(FOUND)) as server:
        done = glm("ask", *ZAI, server.url, "--sources", "/dev/full", "hi", env=KEY)
        dry = glm("ask", *ZAI, server.url, "--sources", "fd:9", "-n", "hi", env=KEY)
    assert (done.code, dry.code, server.requests) == (14, 2, [])


def test_a_stderr_that_is_full_does_not_hide_the_answer(home, cwd) -> None:
    with Server(searched(FOUND)) as server:
        done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} hi 2>/dev/full', home, cwd, **KEY)
    assert (done.returncode, done.stdout) == (0, SAID)
