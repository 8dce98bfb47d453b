"""MCP servers as a source of tools: one that others wrote, one made with the SDK, and one that says what it likes.

Each run starts two programs that load the protocol's library, so what can wait for .ci/run is marked as slow.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest
from forked_runs import ForkServer
from processes import error_of, running, wait_for
from program import CANARY, GLM, LIBRARIES
from scripted_server import Reset, Server, reply
from tool_runs import FINAL, KEY, ZAI, assert_all_ended, call_stream, pids

SERVERS = Path(__file__).parents[1] / "programs" / "mcp_servers"
TIME = [str(Path(GLM).parent / "mcp-server-time"), "--local-timezone", "UTC"]
TOKEN = "tok+EN/0987654321=&"  # what over_http.py wants
SOON = 25.0  # seconds; the aim is half a second, and only who hangs takes more, however busy the machine
PARIS = '{"timezone": "Europe/Paris"}'


@pytest.fixture(scope="module")
def fork_server():
    """It has the protocol's library too, which takes half a second."""
    with ForkServer(*LIBRARIES, "mcp.client.streamable_http") as process:
        yield process


@pytest.fixture
def plain(cwd, traces):
    """Write a tool file that names plain.py in this mode."""

    def write(mode="", **more):
        return write_file(cwd, mine={"command": [sys.executable, str(SERVERS / "plain.py"), str(traces), mode], **more})

    return write


def write_file(cwd, *tools, **servers):
    content = {"mcp": servers} | ({"tools": list(tools)} if tools else {})
    (cwd / "t.json").write_text(json.dumps(content))
    return "t.json"


def call(glm, name="good", arguments="{}", **options):
    return glm("tools", "call", name, "--tools", "t.json", "--args", arguments, **options)


def run(glm, *scripts, flags=("--yes",), env=MappingProxyType({}), **options):
    """A conversation with a model that plays these scripts and then answers: how it ended, and what it was told."""
    with Server(*scripts, FINAL) as server:
        done = glm("tools", "run", *ZAI, server.url, "--tools", "t.json", *flags, "hi", env=KEY | env, **options)
        requests = [request.json for request in server.requests]
    told = [each["content"] for each in requests[-1]["messages"] if each["role"] == "tool"]
    return done, told, requests


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


# A server that others wrote


def test_list_of_a_real_server(glm, cwd) -> None:
    file = write_file(cwd, time={"command": TIME})
    done = glm("tools", "list", file, "--connect")
    assert (done.code, done.err) == (0, "")
    assert done.text == (
        "get_current_time\task\tGet current time in a specific timezone\n"
        "convert_time\task\tConvert time between timezones\n"
    )


@pytest.mark.slow
def test_definitions_of_a_real_server(glm, cwd) -> None:
    file = write_file(cwd, time={"command": TIME, "parallel": True})
    done = glm("tools", "list", file, "--connect", "--json")
    first = json.loads(done.out)[0]
    assert (first["name"], first["approve"], first["parallel"]) == ("get_current_time", "ask", True)
    assert first["place"] == "t.json:1:10 (server time)"
    assert first["parameters"]["required"] == ["timezone"]


@pytest.mark.slow
def test_call_of_a_real_server(glm, cwd) -> None:
    write_file(cwd, time={"command": TIME})
    done = call(glm, "get_current_time", PARIS)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["timezone"] == "Europe/Paris"


@pytest.mark.slow
def test_a_real_server_says_that_a_call_failed(glm, cwd) -> None:
    write_file(cwd, time={"command": TIME})
    done = call(glm, "get_current_time", '{"timezone": "Nowhere"}')
    assert done.code == 10
    assert error_of(done.err) == "get_current_time failed: the server says that it failed"
    assert done.text.startswith("The tool failed:\nError executing tool get_current_time: Invalid timezone")


@pytest.mark.slow
def test_arguments_are_judged_before_a_real_server_sees_them(glm, cwd) -> None:
    write_file(cwd, time={"command": TIME})
    done = call(glm, "get_current_time", '{"timezone": 3}')
    assert done.code == 2
    assert error_of(done.err).startswith("The call of get_current_time was refused:")


def test_a_conversation_with_a_real_server(glm, cwd) -> None:
    write_file(cwd, time={"command": TIME, "approve": "auto"})
    done, told, requests = run(glm, call_stream(("get_current_time", PARIS)), flags=())
    assert (done.code, done.text) == (0, "The end.\n")
    assert json.loads(told[0])["timezone"] == "Europe/Paris"
    offered = [each["function"]["name"] for each in requests[0]["tools"]]
    assert offered == ["get_current_time", "convert_time"]


# Over HTTP


@contextmanager
def over_http(cwd, *flags):
    """The url of a server made with the SDK, and the file of the Authorization headers that came."""
    seen = cwd.parent / "authorizations"
    command = [sys.executable, str(SERVERS / "over_http.py"), str(seen), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/mcp", seen
        finally:
            process.kill()


def test_a_conversation_over_http(glm, cwd) -> None:
    with over_http(cwd) as (url, seen):
        write_file(cwd, sums={"url": url})
        done, told, _ = run(glm, call_stream(("add", '{"a": 2, "b": 40}')))
        assert (done.code, done.text, told) == (0, "The end.\n", ["the sum is 42"])
        assert set(lines(seen)) == {"nothing"}
        listed = glm("tools", "list", "t.json", "--connect")
        assert (listed.text, listed.err) == ("add\task\tAdd two numbers.\n", "")


def test_a_token_arrives_and_is_never_printed(glm, cwd) -> None:
    with over_http(cwd, "--token") as (url, seen):
        write_file(cwd, sums={"url": url, "token_env": "SUMS_TOKEN"})
        done = call(glm, "add", '{"a": 2, "b": 40}', env={"SUMS_TOKEN": TOKEN})
        assert (done.code, done.text, done.err) == (0, "the sum is 42\n", "")
        assert set(lines(seen)) == {f"Bearer {TOKEN}"}
        refused = call(glm, "add", '{"a": 2, "b": 40}', env={"SUMS_TOKEN": "some-other-token"})
    assert refused.code == 10
    expected = "the MCP server sums (t.json:1:10) answered HTTP 401: Server returned an error response"
    assert error_of(refused.err) == expected
    assert "other" not in refused.err


@pytest.mark.slow
def test_a_token_that_a_server_repeats_is_masked(glm, cwd) -> None:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": f"I know {TOKEN}"}}
    with Server(reply(200, error)) as server:
        write_file(cwd, sums={"url": f"{server.url}/mcp", "token_env": "SUMS_TOKEN"})
        done = call(glm, env={"SUMS_TOKEN": TOKEN})
    assert error_of(done.err) == "the MCP server sums (t.json:1:10) says: I know ***"


@pytest.mark.parametrize("env", [{}, {"SUMS_TOKEN": ""}])
def test_a_token_that_is_not_set(glm, cwd, env) -> None:
    write_file(cwd, sums={"url": "http://127.0.0.1:9/mcp", "token_env": "SUMS_TOKEN"})
    done = call(glm, env=env)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == "t.json:1:10: SUMS_TOKEN, which holds the token of sums, is not set"


@pytest.mark.slow
@pytest.mark.parametrize("token", ["two words", "line\nbreak"])
def test_a_token_that_no_header_can_carry(glm, cwd, token) -> None:
    write_file(cwd, sums={"url": "http://127.0.0.1:9/mcp", "token_env": "SUMS_TOKEN"})
    done = call(glm, env={"SUMS_TOKEN": token})
    assert done.code == 10
    what = "the token of the MCP server sums (t.json:1:10) is empty, or no header can carry it"
    assert error_of(done.err) == what


@pytest.mark.slow
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_takes_the_token_elsewhere(glm, cwd, status) -> None:
    with Server(reply(200, {})) as other, Server(reply(status, "", f"Location: {other.url}/mcp")) as server:
        write_file(cwd, sums={"url": f"{server.url}/mcp", "token_env": "SUMS_TOKEN"})
        done = call(glm, env={"SUMS_TOKEN": TOKEN})
        assert other.requests == []
        assert server.requests[0].header("Authorization") == f"Bearer {TOKEN}"
    assert done.code == 10
    assert "Redirect to " in error_of(done.err)


UNUSABLE = {
    "a web page": (reply(200, "<html>", content_type="text/html"), "says: Unexpected content type: text/html"),
    "no JSON": (reply(200, "{"), "says: Failed to parse JSON response"),
    "an error": (reply(500, "sorry", content_type="text/plain"), "answered HTTP 500: Server returned"),
    "a reset": ([Reset()], "cannot be reached: "),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", UNUSABLE)
def test_an_address_where_no_server_is(glm, cwd, case) -> None:
    script, expected = UNUSABLE[case]
    with Server(script) as server:
        write_file(cwd, sums={"url": f"{server.url}/mcp"})
        done = call(glm)
    assert done.code == 10
    assert error_of(done.err).startswith(f"the MCP server sums (t.json:1:10) {expected}")


@pytest.mark.slow
def test_an_address_where_nobody_listens(glm, cwd) -> None:
    with Server() as server:
        url = f"{server.url}/mcp"
    write_file(cwd, sums={"url": url})
    done = call(glm)
    assert done.code == 10
    assert error_of(done.err).startswith("the MCP server sums (t.json:1:10) cannot be reached: ")


# What starts a server, and what it is told


@pytest.mark.parametrize("command", [("tools", "list", "t.json"), ("tools", "check", "t.json")])
def test_looking_at_a_file_starts_nothing(glm, plain, traces, command) -> None:
    plain()
    assert glm(*command).code == 0
    assert list(traces.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--dry-run", "--curl"])
def test_what_sends_nothing_starts_nothing(glm, plain, traces, flag) -> None:
    plain()
    done = glm("tools", "run", "-P", "zai", "--tools", "t.json", flag, "hi", env=KEY)
    assert done.code == 0
    assert "left out: the tools of the MCP servers mine" in done.err
    assert list(traces.iterdir()) == []


def test_its_environment_is_what_the_file_allows(glm, plain, home) -> None:
    plain("environment", env=["WANTED"])
    given = {"WANTED": "seen", "OTHER": "unseen", "ZAI_API_KEY": CANARY, "SHELL": "/bin/sh", "TERM": "x", "USER": "me"}
    done = call(glm, env=given)
    seen = json.loads(done.out)
    assert seen.pop("PATH")
    assert seen == {"HOME": str(home), "LANG": "C.UTF-8", "WANTED": "seen"}


@pytest.mark.slow
def test_it_works_where_we_do(glm, plain, cwd) -> None:
    plain("where")
    assert call(glm).text == f"{cwd}\n"


@pytest.mark.slow
def test_all_pages_are_read(glm, plain) -> None:
    done = glm("tools", "list", plain("pages"), "--connect")
    assert done.text.split("\n") == ["tool_0\task\tDoes it.", "tool_1\task\tDoes it.", "tool_2\task\tDoes it.", ""]


# Who allows a call


def test_nobody_to_ask(glm, plain, traces) -> None:
    plain()
    done, told, _ = run(glm, call_stream(("good", "{}")), flags=())
    assert done.code == 10
    assert "glm: error: good needs approval, and there is no terminal to ask at\n" in done.err
    assert (told, lines(traces / "called")) == ([], [])


def test_denied(glm, plain, traces) -> None:
    plain(approve="deny")
    done, told, _ = run(glm, call_stream(("good", "{}")))
    assert done.code == 10
    assert "glm: error: good was called, and is denied (t.json:1:10 (server mine))\n" in done.err
    assert (told, lines(traces / "called")) == ([], [])


@pytest.mark.slow
def test_one_tool_differs_from_its_server(glm, plain, traces) -> None:
    plain(approve="auto", tools={"other": {"approve": "deny"}, "gone": {"approve": "deny"}})
    listed = glm("tools", "list", "t.json", "--connect")
    assert listed.text == "good\tauto\tDoes it.\nother\tdeny\tDoes it.\n"
    assert listed.err == "glm: t.json:1:10: the MCP server mine has no tool 'gone'\n"
    done, told, _ = run(glm, call_stream(("good", '{"text": "é"}')), flags=())
    assert (done.code, told) == (0, ['good {"text": "\\u00e9"}'])
    assert run(glm, call_stream(("other", "{}")))[0].code == 10
    assert lines(traces / "called") == ['good {"text": "\\u00e9"}']


@pytest.mark.slow
def test_a_plan_says_who_would_be_asked(glm, plain, traces) -> None:
    plain()
    done, _, _ = run(glm, call_stream(("good", '{"text": "x"}')), flags=("--plan",))
    (planned,) = json.loads(done.out)
    assert (planned["server"], planned["tool"], planned["approve"]) == ("mine", "good", "ask")
    assert planned["arguments"] == {"text": "x"}
    assert lines(traces / "called") == []


# What a server says is foreign


@pytest.mark.slow
def test_names_that_no_model_can_use(glm, plain) -> None:
    done = glm("tools", "list", plain("names"), "--connect")
    rule = "its name is not 1 to 64 letters, digits, _ and -"
    of = "of the MCP server mine"
    assert (done.code, done.text) == (0, "good\task\tDoes it.\n")
    assert done.err.split("\n") == [
        f"glm: left out: the tool 'bad name' {of}: {rule}",
        f"glm: left out: the tool '{'x' * 40}…' {of}: {rule}",
        f"glm: left out: the tool 'new\\u000aline\\u001b[2J' {of}: {rule}",
        f"glm: left out: the tool 'good' {of}: another of its tools has that name",
        f"glm: left out: tool number 6 {of}: {rule}",
        "",
    ]


def test_schemas_that_are_faulty_or_hostile(glm, plain) -> None:
    done = glm("tools", "list", plain("schemas"), "--connect")
    assert (done.code, done.text) == (0, "good\task\tDoes it.\n")
    remote, slow, wrong, rest = done.err.split("\n")
    assert remote.startswith("glm: left out: the tool 'remote' of the MCP server mine: its parameters at properties.a")
    assert "takes exponential time" in slow
    assert wrong.startswith("glm: left out: the tool 'wrong' of the MCP server mine: its parameters at properties.a")
    assert rest == ""


LISTED = "".join(
    f"{name}\task\t{words}\n"
    for name, words in (
        *((name, "Does it.") for name in ("good", "hints", "icons", "execution", "bad_output")),
        ("undescribed", ""),
        ("last", "Does it."),
    )
)
NO_TYPE = "its inputSchema has no type, and must have the type object"
LEFT_OUT = {
    "tool number 2": "it is null",
    "tool number 3": "it is no object",
    "tool number 4": "it has no name",
    "the tool 'no_type'": NO_TYPE,
    "the tool 'any_of'": NO_TYPE,
    "the tool 'null_type'": "its inputSchema has another type, and must have the type object",
    "the tool 'no_schema'": "it has no inputSchema",
    "the tool 'without_schema'": "it has no inputSchema",
    "the tool 'wrong'": "its parameters at required: required must be a list, not null",
}
UNJUDGED = (
    "the tool 'last' of the MCP server mine: its parameters at properties.a.pattern: the pattern \"(?<=a+)b\" has what "
    "Python lacks (look-behind requires fixed-width pattern), so nothing here judges by it"
)
SAID = [*(f"left out: {which} of the MCP server mine: {why}" for which, why in LEFT_OUT.items()), UNJUDGED]
ODD = [("stdio", "odd"), ("stdio", "odd pages"), ("http", "")]


@pytest.mark.parametrize(("way", "mode"), ODD)
def test_an_odd_tool_costs_no_other(glm, cwd, plain, way, mode) -> None:
    with over_http(cwd, "--odd") as (url, _):
        file = plain(mode) if way == "stdio" else write_file(cwd, mine={"url": url})
        done = glm("tools", "list", file, "--connect")
    assert (done.code, done.text) == (0, LISTED)
    assert done.err.splitlines() == [f"glm: {line}" for line in SAID]


@pytest.mark.parametrize("mode", ["no version", "odd icons", "no words", "ids in words", "half a character"])
def test_what_a_server_says_of_itself_costs_no_tool(glm, plain, mode) -> None:
    done = glm("tools", "list", plain(mode), "--connect")
    words = "Half ?." if mode == "half a character" else "Does it."
    assert (done.code, done.text, done.err) == (0, f"good\task\t{words}\nother\task\tDoes it.\n", "")


PARTS = """before
[hologram, a type of content that is not known, left out]
[text, in a form that is not that of MCP, left out]
[image, in a form that is not that of MCP, left out]
[image, image/png, 3 bytes, not shown]
its text
[resource, in a form that is not that of MCP, left out]
[a part without a type, left out]
[a part without a type, left out]
after
"""


@pytest.mark.parametrize("way", ["stdio", "http"])
def test_an_odd_part_voids_no_other(glm, cwd, plain, way) -> None:
    with over_http(cwd, "--odd") as (url, _):
        if way == "stdio":
            plain("parts of all kinds")
        else:
            write_file(cwd, mine={"url": url})
        done = call(glm)
    assert (done.code, done.text) == (0, PARTS)


@pytest.mark.slow
def test_a_description_is_only_text(glm, plain) -> None:
    done = glm("tools", "list", plain("describes"), "--connect")
    assert done.text == "good\task\tOne red line.\n"


SECRET = {"ZAI_API_KEY": CANARY, "WANTED": CANARY}  # a server whose file passes the value of a key on


@pytest.mark.slow
def test_a_key_in_what_a_server_offers_goes_nowhere(glm, plain) -> None:
    done = glm("tools", "list", plain("keyed", env=["WANTED"]), "--connect", "--json", env=SECRET)
    assert done.err == "glm: left out: the tool 'say_***' of the MCP server mine: its name holds a key\n"
    (offered,) = json.loads(done.out)
    assert offered["parameters"]["properties"] == {"text": {"description": "***"}}
    assert offered["description"].startswith("x" * 8180 + "***")
    assert CANARY[:8] not in done.text


@pytest.mark.slow
def test_a_key_in_a_result_is_not_cut_before_it_is_seen(glm, plain) -> None:
    plain("keyed", env=["WANTED"])
    done, told, requests = run(glm, call_stream(("good", "{}")), env=SECRET)
    assert done.code == 0
    assert told[0].startswith("x" * 131060 + "***")
    assert CANARY[:6] not in json.dumps(requests)


@pytest.mark.slow
@pytest.mark.parametrize("before", [62, 490])
def test_a_key_in_an_error_is_not_cut_before_it_is_seen(glm, plain, before) -> None:
    plain("keyed", env=["WANTED"])
    arguments = json.dumps({"text": str(before)})
    done, told, _ = run(glm, call_stream(("good", arguments)), flags=("--yes",), env=SECRET)
    assert told[0].startswith("The tool failed: the MCP server mine says: " + "x" * before + "***")
    assert CANARY[:6] not in done.err + told[0]


@pytest.mark.slow
def test_judging_what_a_server_offers_has_an_end(glm, plain) -> None:
    began = time.monotonic()
    done = glm("tools", "list", plain("bombs"), "--connect")
    assert time.monotonic() - began < 10 + 2 * SOON
    *single, last, rest = done.err.split("\n")
    assert (done.code, done.text, rest) == (0, "", "")
    assert all("takes exponential time" in line or "takes too long" in line for line in single)
    left = 64 - len(single)
    assert last == f"glm: left out: the last {left} tools of the MCP server mine: validating the others took too long"


@pytest.mark.slow
def test_an_endless_list(glm, plain) -> None:
    done = glm("tools", "list", plain("endless"), "--connect")
    assert done.code == 10
    assert (
        error_of(done.err)
        == "the MCP server mine (t.json:1:10) offers more than 1000 tools, or lists them on more than 64 pages"
    )


RESULTS = {
    "escapes": "red done\n",
    "content": (
        "before\n[image, image/png, 4 bytes, not shown]\n[audio, audio/wav, 3 bytes, not shown]\nits text\n"
        "[resource, x/y z, 2 bytes, not shown]\n[resource, file:///b.txt, not read]\nafter\n"
    ),
    "structured": '{"degrees": 3, "where": "München"}\n',
    "empty": "(no output)\n",
    "odd around it": "fine\n",
    "structured alone": '[1, "two"]\n',
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", RESULTS)
def test_what_a_result_is_for_a_model(glm, plain, mode) -> None:
    plain(mode)
    done = call(glm)
    assert (done.code, done.text, done.err) == (0, RESULTS[mode], "")


@pytest.mark.slow
def test_a_huge_result_keeps_its_ends(glm, plain) -> None:
    plain("huge")
    done = call(glm)
    assert done.code == 0
    assert done.text == "A" * 131072 + "\n[537856 bytes left out]\n" + "Z" * 131072 + "\n"


GARBAGE = 'the MCP server mine does not speak MCP: "Debug: \\u001b[2Jhello" on its stdout is no message'
MALFORMED = "the MCP server mine does not speak MCP: in its answer, content: Input should be a valid list"
ASKS = "the MCP server mine does not speak MCP: in its answer, content: Field required"
NAN = "its result holds what JSON cannot say (NaN or Infinity), or is nested too deep"
PINGS = "the MCP server mine sent more than 64 requests without waiting for an answer"
LARGE = "the MCP server mine sent a message of more than 2 MiB"
FAILURES = {
    "nan": (f"The tool failed: {NAN}.\n", NAN),
    "pings": (f"The tool failed: {PINGS}.\n", PINGS),
    "parts": (f"The tool failed: {LARGE}.\n", LARGE),
    "fails": ("The tool failed:\nno such thing\n", "the server says that it failed"),
    "refuses": (
        "The tool failed: the MCP server mine says: Unknown tool really.\n",
        "the MCP server mine says: Unknown tool really",
    ),
    "errors in words": (
        "The tool failed: the MCP server mine says: E_BUSY.\n",
        "the MCP server mine says: E_BUSY",
    ),
    "dies": (
        "The tool failed: the MCP server mine ended with exit status 7.\n",
        "the MCP server mine ended with exit status 7",
    ),
    "asks": (f"The tool failed: {ASKS}.\n", ASKS),
    "malformed": (
        f"The tool failed: {MALFORMED}.\n",
        MALFORMED,
    ),
    "garbage": (
        f"The tool failed: {GARBAGE}.\n",
        GARBAGE,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", FAILURES)
def test_calls_that_fail(glm, plain, mode) -> None:
    plain(mode)
    done = call(glm)
    said, how = FAILURES[mode]
    assert (done.code, done.text) == (10, said)
    assert error_of(done.err) == f"good failed: {how}"


def test_a_server_that_dies_is_dead_for_later_calls_too(glm, plain, traces) -> None:
    plain("dies")
    done, told, _ = run(glm, call_stream(("good", "{}")), call_stream(("other", "{}"), ids="d"))
    dead = "The tool failed: the MCP server mine ended with exit status 7."
    assert (done.code, done.text, told) == (0, "The end.\n", [dead, dead])
    assert lines(traces / "called") == ["good {}"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["server", "tool"])
def test_a_call_that_takes_too_long(glm, plain, traces, where) -> None:
    limit = {"timeout": 0.3}
    plain("hang", **(limit if where == "server" else {"tools": {"good": limit}}))
    done = call(glm)
    assert (done.code, done.text) == (10, "The tool failed: stopped after 0.3 s.\n")
    assert error_of(done.err) == "good failed: stopped after 0.3 s"
    assert_all_ended(pids(traces / "pids", 1))


# A server that cannot be used

BROKEN = {
    "crashes": "ended with exit status 3",
    "ancient": "does not speak MCP: Unsupported protocol version from the server: 1999-01-01",
    "banner": 'does not speak MCP: "Welcome to \\u001b[2Jme!" on its stdout is no message',
}


@pytest.mark.slow
@pytest.mark.parametrize("mode", BROKEN)
def test_a_server_that_cannot_be_used(glm, plain, mode) -> None:
    done = glm("tools", "list", plain(mode), "--connect")
    assert (done.code, done.out) == (10, b"")
    assert error_of(done.err) == f"the MCP server mine (t.json:1:10) {BROKEN[mode]}"


@pytest.mark.slow
def test_the_end_of_its_stderr_says_why(glm, plain) -> None:
    done = glm("tools", "list", plain("crashes"), "--connect")
    why = re.fullmatch(r"glm: error: .*\n  why: (.*)\n", done.err)[1]
    assert why.endswith("old old no configuration found")
    assert len(why) == 500


@pytest.mark.slow
def test_a_server_that_never_answers(glm, plain, traces) -> None:
    began = time.monotonic()
    done = glm("tools", "list", plain("silent"), "--connect")
    assert 10 <= time.monotonic() - began < 10 + 2 * SOON
    assert done.code == 10
    assert done.err == (
        "glm: error: the MCP server mine (t.json:1:10) did not answer within 10 s\n  why: waiting for a licence\n"
    )
    assert_all_ended(pids(traces / "pids", 1))


@pytest.mark.slow
def test_a_program_that_the_system_cannot_run(glm, cwd) -> None:
    (cwd / "no-program").write_bytes(b"\x7fELF, or not")
    (cwd / "no-program").chmod(0o755)
    done = glm("tools", "list", write_file(cwd, mine={"command": ["./no-program"]}), "--connect")
    assert done.code == 10
    assert error_of(done.err) == "the MCP server mine (t.json:1:10) cannot be started: Exec format error"


@pytest.mark.slow
def test_its_stderr_is_not_ours(glm, plain) -> None:
    plain("floods")
    done = call(glm)
    assert (done.code, done.text, done.err) == (0, "good {}\n", "")


@pytest.mark.slow
def test_its_stderr_is_a_detail(glm, plain) -> None:
    plain("floods", approve="auto")
    done, told, _ = run(glm, call_stream(("good", "{}")), flags=("--verbose",))
    assert (done.code, told) == (0, ["good {}"])
    (detail,) = [line for line in done.err.split("\n") if "noise" in line]
    assert detail.startswith("glm: stderr of the MCP server mine: ")
    assert len(detail) < 600
    assert "\x1b" not in done.err


@pytest.mark.slow
def test_two_servers_with_a_tool_of_the_same_name(glm, cwd, traces) -> None:
    command = [sys.executable, str(SERVERS / "plain.py"), str(traces), ""]
    done = glm("tools", "list", write_file(cwd, one={"command": command}, two={"command": command}), "--connect")
    assert done.code == 2
    assert "the tool 'good' is also declared at t.json:1:10 (server one)" in error_of(done.err)
    assert_all_ended(pids(traces / "pids", 2))


def test_the_package_is_missing(glm, plain, tmp_path, traces) -> None:
    fake = tmp_path / "fake" / "mcp"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise ImportError('not here')\n")
    done = glm("tools", "list", plain(), "--connect", env={"PYTHONPATH": str(fake.parent)})
    assert done.code == 2
    assert done.err == (
        "glm: error: t.json:1:10: the MCP server 'mine' needs the package mcp, which is not installed\n"
        "  why: not here\n  fix: pip install 'glmcli[mcp]'\n"
    )
    assert list(traces.iterdir()) == []


def test_a_file_without_servers_does_not_load_the_package(glm, cwd, tmp_path) -> None:
    fake = tmp_path / "fake" / "mcp"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("raise SystemExit('loaded')\n")
    local = {"name": "say", "description": "Says it.", "run": ["echo", "said"]}
    (cwd / "t.json").write_text(json.dumps({"tools": [local]}))
    done = call(glm, "say", env={"PYTHONPATH": str(fake.parent)})
    assert (done.code, done.text) == (0, "said\n")


# The end


@pytest.mark.sampled(3)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("mode", ["hang", "stubborn"])
def test_a_signal_during_a_call(home, cwd, plain, traces, *, mode, number) -> None:
    plain(mode)
    flags = ("tools", "call", "good", "--tools", "t.json")
    with running(home, cwd, *flags) as process:
        wait_for(lambda: lines(traces / "called") == ["good {}"])
        found = pids(traces / "pids", 1 if mode == "hang" else 3)
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(30) == -number
        assert time.monotonic() - began < SOON
        assert (process.stdout.read(), process.stderr.read()) == (b"", b"")
    assert_all_ended(found)


@pytest.mark.slow
def test_a_signal_while_a_server_starts(home, cwd, plain, traces) -> None:
    plain("silent")
    with running(home, cwd, "tools", "list", "t.json", "--connect") as process:
        found = pids(traces / "pids", 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT
    assert_all_ended(found)


def test_nothing_is_left_after_an_answer(glm, plain, traces) -> None:
    plain("stubborn")
    done = glm("tools", "list", "t.json", "--connect")
    assert (done.code, done.err) == (0, "")
    assert_all_ended(pids(traces / "pids", 3))


@pytest.mark.slow
def test_a_local_tool_that_ends_leaves_servers_alone(glm, cwd, traces) -> None:
    server = {"command": [sys.executable, str(SERVERS / "plain.py"), str(traces), ""]}
    local = {"name": "say", "description": "Says it.", "run": ["echo", "said"]}
    write_file(cwd, local, mine=server)
    scripts = (call_stream(("say", "{}")), call_stream(("good", "{}"), ids="d"), call_stream(("other", "{}"), ids="e"))
    done, told, _ = run(glm, *scripts)
    assert (done.code, told) == (0, ["said\n", "good {}", "other {}"])
    assert_all_ended(pids(traces / "pids", 1))


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(signal.SIGHUP, signal.SIGHUP), (signal.SIGHUP, signal.SIGTERM)])
def test_a_second_signal_leaves_no_server_behind(home, cwd, plain, traces, numbers) -> None:
    plain("ignores")
    with running(home, cwd, "tools", "call", "good", "--tools", "t.json") as process:
        wait_for(lambda: lines(traces / "called") == ["good {}"])
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.05)
        assert process.wait(30) in {-number for number in numbers}
    assert_all_ended(pids(traces / "pids", 1))


@pytest.mark.slow
def test_a_reader_that_is_gone_ends_a_call(home, cwd, plain, traces) -> None:
    plain("hang")
    with running(home, cwd, "tools", "call", "good", "--tools", "t.json") as process:
        wait_for(lambda: lines(traces / "called") == ["good {}"])
        process.stdout.close()
        assert process.wait(30) == -signal.SIGPIPE
    assert_all_ended(pids(traces / "pids", 1))
