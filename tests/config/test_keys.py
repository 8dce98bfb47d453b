"""Keys: what is one, where it may stand, where it may go, and that none ever comes out. The fixture searches
everything that is printed or written for the canary in all its forms."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import socket
import subprocess
import threading
import urllib.parse
from contextlib import suppress

import pytest
from processes import error_of, shell
from program import CANARY
from scripted_server import Server, answer, delta, reply, stream

ZAI = ("-P", "zai", "--base-url")
KEY = {"ZAI_API_KEY": CANARY}
QUOTED = 'canary"KEY\\1234567890'
FORMS = {
    "as it is": CANARY,
    "base64": base64.b64encode(CANARY.encode()).decode(),
    "in a URL": urllib.parse.quote(CANARY, safe=""),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("abc\ndefgh", "the key in ZAI_API_KEY has an invalid character at position 4"),
        ("abcdefgh\r\nX-Evil: 1", "the key in ZAI_API_KEY has an invalid character at position 9"),
        ("abcd efgh", "the key in ZAI_API_KEY has an invalid character at position 5"),
        ("abcdéfgh", "the key in ZAI_API_KEY has an invalid character at position 5"),
        ("\ufeffabcdefgh", "the key in ZAI_API_KEY has an invalid character at position 1"),
        ("abcdefgh\x7f", "the key in ZAI_API_KEY has an invalid character at position 9"),
        ("“abcdefgh”", "the key in ZAI_API_KEY has an invalid character at position 1"),
        ("", "no key for zai"),
        ("  \n", "no key for zai"),
    ],
)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_what_is_no_key(home, cwd, key, message, debug) -> None:
    with Server(answer("Hi")) as server:
        done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} hi', home, cwd, ZAI_API_KEY=key, GLM_DEBUG=debug)
    err = done.stderr.decode()
    assert (done.returncode, done.stdout, server.requests) == (3, b"", [])
    assert error_of(err.partition("glm: Traceback")[0]) == message
    assert "abc" not in err
    assert "efgh" not in err
    assert ("Traceback" in err) == (debug == "1")


QUOTES = "is in quotes", "leave out the quotes"
LINE = "is a whole line NAME=VALUE", "leave out all but the value"
HEADER = "begins with words of its header", "leave out those words: glm adds Bearer itself"
BEGINS = "begins with white space", "leave out the white space"
ENDS = "ends with white space", "leave out the white space"
ALONE = "a key has neither white space nor quotation marks, only what ASCII prints"
COPIED = {
    '"abcdefgh"': QUOTES,
    "'abcdefgh'": QUOTES,
    "`abcdefgh`": QUOTES,
    '"abcdefgh': QUOTES,
    "abcdefgh'": QUOTES,
    "ZAI_API_KEY=abcdefgh": LINE,
    "ZAI_API_KEY = abcdefgh": LINE,
    'OPENAI_API_KEY="abcdefgh"': LINE,
    "export ZAI_API_KEY=abcdefgh": LINE,
    '$env:ZAI_API_KEY = "abcdefgh"': LINE,
    "set X=abcdefgh": LINE,
    "api_key=abcdefgh": LINE,
    "zai: abcdefgh": LINE,
    "Bearer abcdefgh": HEADER,
    "bearer:abcdefgh": HEADER,
    "Authorization: Bearer abcdefgh": HEADER,
    "x-api-key:abcdefgh": HEADER,
    " abcdefgh": BEGINS,
    "\nabcdefgh": BEGINS,
    "\u3000abcdefgh": BEGINS,
    "abcdefgh ": ENDS,
    "abcdefgh\t\n": ENDS,
    "abcdefgh\u00a0": ENDS,
    "“abcdefgh”": ("has an invalid character at position 1", ALONE),
    "abcd efgh": ("has an invalid character at position 5", ALONE),
}


@pytest.mark.parametrize("key", COPIED)
def test_what_was_copied_along_with_a_key(glm, key) -> None:
    wrong, fix = COPIED[key]
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "-v", "hi", env={"ZAI_API_KEY": key})
    assert (done.code, done.out, server.requests) == (3, b"", [])
    assert done.err.endswith(f"glm: error: the key in ZAI_API_KEY {wrong}\n  fix: {fix}\n")
    assert "abcd" not in done.err


def test_where_a_malformed_key_comes_from_is_named(glm, home, cwd) -> None:
    place = home / "key"
    place.write_text("'abcdefgh'\n")
    place.chmod(0o600)
    (cwd / "in.jsonl").write_text('{"prompt": "hi"}\n')
    rows = {"commanded": {"key_command": ["cat", str(place)]}, "filed": {"key_file": str(place)}}
    with Server(answer("Hi")) as server:
        rows = {name: {"like": "zai", "base_url": server.url, **row} for name, row in rows.items()}
        (home / "c.yaml").write_text(json.dumps({"providers": rows}))
        said = {
            where: glm(*command, env={"GLM_CONFIG": str(home / "c.yaml"), **env}, stdin=place.read_bytes())
            for where, command, env in (
                (str(place), ("ask", *ZAI, server.url, "--key-file", str(place), "hi"), {}),
                ("stdin", ("ask", *ZAI, server.url, "--key-file", "-", "hi"), {}),
                (f"{place} ", ("ask", "-P", "filed", "--no-stdin", "hi"), {}),
                ("cat", ("ask", "-P", "commanded", "--no-stdin", "hi"), {}),
                (
                    "ZAI_API_KEY",
                    ("batch", "run", "in.jsonl", "-O", "o", *ZAI, server.url),
                    {"ZAI_API_KEY": "'abcdefgh'"},
                ),
            )
        }
    assert {where: (done.code, error_of(done.err)) for where, done in said.items()} == {
        where: (3, f"the key {'from' if where == 'cat' else 'in'} {where.strip()} is in quotes") for where in said
    }
    assert (server.requests, (cwd / "o").exists()) == ([], False)


@pytest.mark.parametrize(
    "key", ["YWJjZGVmZ2hpamtsbW5vcA==", "QUJDREVGR0g=", "bearer-abcdefgh", "sk-abc.def_ghi", 'ab"cd=ef']
)
def test_a_key_may_look_like_that(glm, key) -> None:
    with Server(answer("Hi")) as server:
        assert glm("ask", *ZAI, server.url, "hi", env={"ZAI_API_KEY": key}).code == 0
    assert server.requests[0].header("Authorization") == f"Bearer {key}"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n"])
def test_the_line_end_of_a_key_is_no_part_of_it(glm, home, cwd, end) -> None:
    place = home / "key"
    place.write_text(CANARY + end, newline="")
    place.chmod(0o600)
    with Server(answer("Hi")) as server:
        assert glm("ask", *ZAI, server.url, "hi", env={"ZAI_API_KEY": CANARY + end}).code == 0
        assert glm("ask", *ZAI, server.url, "--key-file", str(place), "hi").code == 0
        # The shell takes the newlines away, and leaves the carriage return.
        line = f'export ZAI_API_KEY="$(cat {place})"; "$GLM" ask {" ".join(ZAI)} {server.url} hi'
        assert shell(line, home, cwd).returncode == 0
    assert [request.header("Authorization") for request in server.requests] == [f"Bearer {CANARY}"] * 3


# Key files


@pytest.fixture
def key_file(home):
    place = home / "key"
    place.write_text(f"{CANARY}\n")
    place.chmod(0o600)
    return place


@pytest.mark.parametrize(
    ("mode", "code", "words"),
    [
        (0o600, 0, ""),
        (0o400, 0, ""),
        (0o640, 0, "glm: the key file {} can be read by others (chmod 600 {})\n"),
        (0o604, 0, "glm: the key file {} can be read by others (chmod 600 {})\n"),
        (0o620, 3, "glm: error: the key file {} can be written by others\n  fix: chmod 600 {}\n"),
        (0o602, 3, "glm: error: the key file {} can be written by others\n  fix: chmod 600 {}\n"),
    ],
)
def test_the_mode_of_a_key_file(glm, key_file, mode, code, words) -> None:
    key_file.chmod(mode)
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "--key-file", str(key_file), "hi", env={"ZAI_API_KEY": "another-key"})
    assert (done.code, done.err) == (code, words.format(key_file, key_file))
    assert [request.header("Authorization") for request in server.requests] == ([f"Bearer {CANARY}"] * (code == 0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the key in {} is empty"),
        (b" \n", "the key in {} is empty"),
        (b"abcd\x00efgh", "the key in {} has an invalid character at position 5"),
        (b"abcdefgh\nijklmnop\n", "the key in {} has an invalid character at position 9"),
        ("abcdefgh".encode("utf-16"), "the key in {} has an invalid character at position 1"),
        (b"\xef\xbb\xbfabcdefgh", "the key in {} has an invalid character at position 1"),
    ],
)
def test_a_key_file_without_a_key(glm, key_file, content, message) -> None:
    key_file.write_bytes(content)
    done = glm("ask", "-P", "zai", "--key-file", str(key_file), "hi")
    assert (done.code, error_of(done.err)) == (3, message.format(key_file))
    assert "efgh" not in done.err


def test_a_key_file_that_is_not_there(glm) -> None:
    done = glm("ask", "-P", "zai", "--key-file", "none", "hi")
    assert (done.code, error_of(done.err)) == (
        3,
        "--key-file: cannot read the file that it names: No such file or directory",
    )
    folder = glm("ask", "-P", "zai", "--key-file", ".", "hi")
    assert (folder.code, error_of(folder.err)) == (3, "--key-file: cannot read the file that it names: Is a directory")


def test_a_key_from_stdin(glm) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", *ZAI, server.url, "--key-file", "-", "hi", stdin=f"{CANARY}\n".encode())
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"
    assert server.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("flag", ["-n", "--curl"])
def test_a_key_on_stdin_is_not_shown(glm, flag) -> None:
    done = glm("ask", "-P", "zai", "--key-file", "-", flag, "hi", stdin=f"{CANARY}\n".encode())
    assert (done.code, done.err) == (0, "")
    assert b"Bearer $ZAI_API_KEY" in done.out


def test_a_key_from_a_process(home, cwd, key_file) -> None:
    with Server(answer("Hi")) as server:
        ask = f'"$GLM" ask {" ".join(ZAI)} {server.url} --key-file <(cat {key_file}) hi'
        done = shell(ask, home, cwd)
    assert (done.returncode, done.stderr) == (0, b"")
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"


def test_no_flag_takes_a_key(glm) -> None:
    done = glm("ask", "--api-key", "abcdefgh", "hi")
    assert done.code == 2
    assert "--key " not in glm("ask", "--help").text


# Where a key may go


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    "host", ["gate.invalid", "10.0.0.1", "127.0.0.1.invalid", "localhost.invalid", "[2001:db8::1]"]
)
def test_no_key_goes_over_plain_http(glm, host, force) -> None:
    done = glm("ask", *ZAI, f"http://{host}:9/v1", *force, "--retries", "0", "hi", env=KEY)
    assert done.code == 2
    assert error_of(done.err) == f"refusing to send a key over plain http:// to {host.strip('[]')}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "127.0.0.2", "[::1]", "[::ffff:127.0.0.1]"])
def test_loopback_is_no_network(glm, host) -> None:
    with Server(answer("Hi")) as proxy:
        env = KEY | {"http_proxy": proxy.url.removesuffix("/v1")}
        done = glm("ask", *ZAI, f"http://{host}:1/v1", "--retries", "0", "hi", env=env)
    assert (done.code, proxy.requests) == (6, [])  # nobody listens there, but it was tried


# Names and numbers that lead to this machine today, but are neither an address of loopback nor localhost.
@pytest.mark.parametrize(
    "host", ["a.localhost", "localhost.", "0.0.0.0", "127.1", "2130706433", "0x7f.0.0.1", "[::]", "[::ffff:10.0.0.1]"]
)
@pytest.mark.parametrize("flag", ["--force", "-n", "--curl"])
def test_what_only_leads_to_loopback_gets_no_key(glm, host, flag) -> None:
    done = glm("ask", *ZAI, f"http://{host}:1/v1", "--retries", "0", flag, "hi", env=KEY)
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == f"refusing to send a key over plain http:// to {host.strip('[]')}"


def own_address() -> str | None:
    """An address of this machine that is not one of loopback; no packet is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return None


@pytest.mark.parametrize("command", ["ask -R hi", "batch run in.jsonl -O out.jsonl"])
def test_localhost_that_is_another_machine_gets_no_key(home, cwd, command) -> None:
    """A namespace of its own has another /etc/hosts, in which localhost is no address of loopback."""
    address = own_address()
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if not (address and shutil.which("unshare") and subprocess.run([*namespace, "true"], check=False).returncode == 0):
        pytest.skip("no namespaces, or no network")
    (cwd / "hosts").write_text(f"{address} localhost\n")
    (cwd / "in.jsonl").write_text('{"prompt": "hi"}\n{"prompt": "ho"}\n')
    received = []

    def listen(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    received.append(connection.recv(1 << 16))

    with socket.create_server((address, 0)) as listener:
        threading.Thread(target=listen, args=(listener,), daemon=True).start()
        glm = f'"$GLM" {command} --retries 0 {" ".join(ZAI)} http://localhost:{listener.getsockname()[1]}/v1'
        inside = f"mount --bind hosts /etc/hosts && {glm}"
        done = shell(f"{shlex.join(namespace)} sh -c {shlex.quote(inside)}", home, cwd, **KEY)
        listener.shutdown(socket.SHUT_RDWR)
    assert done.returncode == 2
    assert (
        f"zai: refusing to send a key over plain http:// to {address}, which is not this machine"
        in done.stderr.decode()
    )
    assert b"".join(received) == b""
    assert not (cwd / "out.jsonl").exists() or (cwd / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
@pytest.mark.parametrize("flag", ["--force", "-n"])
def test_a_proxy_elsewhere_gets_no_key(glm, home, scheme, flag) -> None:
    row = {"like": "zai", "base_url": "http://gate.invalid/v1", "key_env": ["ZAI_API_KEY"], "allow_http": True}
    (home / "c.yaml").write_text(json.dumps({"providers": {"mine": row}}))
    proxy = {"http_proxy": f"{scheme}://proxy.invalid:3128", "GLM_CONFIG": str(home / "c.yaml")}
    done = glm("ask", "-P", "mine", "--retries", "0", flag, "hi", env=KEY | proxy)
    assert (done.code, done.out) == (2, b"")
    why = f"refusing to send a key over plain http:// through the proxy {scheme}://proxy.invalid:3128"
    assert error_of(done.err) == why
    assert "  fix: use https://, or name gate.invalid in NO_PROXY\n" in done.err


def test_a_row_may_allow_plain_http(glm, home) -> None:
    row = {"like": "zai", "base_url": "http://gate.invalid:9/v1", "key_env": ["ZAI_API_KEY"]}
    config = home / "c.yaml"
    for allowed, code in ((False, 2), (True, 6)):
        config.write_text(json.dumps({"providers": {"mine": {**row, "allow_http": allowed}}}))
        done = glm("ask", "-P", "mine", "--retries", "0", "hi", env=KEY | {"GLM_CONFIG": str(config)})
        assert done.code == code


def test_without_a_key_plain_http_is_fine(glm) -> None:
    done = glm("ask", "-m", "vllm/x", "--base-url", "http://gate.invalid:9/v1", "--retries", "0", "hi")
    assert (done.code, error_of(done.err)[:19]) == (6, "vllm: cannot resolv")


def test_a_redirect_gets_neither_key_nor_prompt(glm) -> None:
    with Server(answer("Hi")) as other:
        for status in (301, 302, 303, 307, 308):
            with Server(reply(status, "", f"Location: {other.url}/chat/completions")) as server:
                done = glm("ask", *ZAI, server.url, "hi", env=KEY)
            assert done.code == 13
            assert "refusing the redirect" in error_of(done.err)
            assert len(server.requests) == 1
        assert other.requests == []


# A server that sends the key back


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("command", ["ask", "stream"])
def test_an_echo_of_the_key_is_blanked_out(glm, cwd, command, form) -> None:
    echo = FORMS[form].rstrip("=") if form == "base64" else FORMS[form]
    with Server(answer(f"a {echo} b", f"c {echo} d")) as server:
        flags = ("--session", "s.jsonl", "--meta", "meta.json", "-v")
        done = glm(command, *ZAI, server.url, *flags, "hi", env=KEY)
        assert (done.code, done.out) == (0, b"a *** b\n")
        assert "c *** d\n" in done.err
        assert "*** b" in (cwd / "s.jsonl").read_text()
        if command == "ask":
            assert glm("ask", *ZAI, server.url, "-O", "out", "--reasoning", "why", "hi", env=KEY).code == 0
            assert (cwd / "out").read_text() == "a *** b\n"
            assert (cwd / "why").read_text() == "c *** d\n"
            assert json.loads(glm("ask", *ZAI, server.url, "--json", "hi", env=KEY).out)["answer"] == "a *** b"


# A key with what encoders change, and how they write it. All is typed out: an encoder of ours could agree with us.
SPECIAL = "key+/=&\"'<1~\\"
SPELLINGS = {
    "URL": "key%2B%2F%3D%26%22%27%3C1~%5C",
    "URL, lower case": "key%2b%2f%3d%26%22%27%3c1~%5c",
    "URL, path": "key+/=%26%22'%3C1~%5C",
    "URL, all of it": "%6B%65%79%2B%2F%3D%26%22%27%3C%31%7E%5C",
    "URL, twice": "key%252B%252F%253D%2526%2522%2527%253C1~%255C",
    "JSON": "key+/=&\\\"'<1~\\\\",
    "JSON with a solidus": "key+\\/=&\\\"'<1~\\\\",
    "JSON in JSON": "key+\\\\/=&\\\\\\\"'<1~\\\\\\\\",
    "JSON for HTML": "key+/=\\u0026\\u0022\\u0027\\u003c1~\\u005c",
    "JSON for HTML, upper case": "key+/=\\u0026\\u0022\\u0027\\u003C1~\\u005C",
    "JavaScript": "key\\x2b\\x2F=\\x26\\x22\\x27\\x3c1~\\x5C",
    "HTML": "key+/=&amp;&quot;&#39;&lt;1~\\",
    "HTML, by names": "key&plus;&sol;&equals;&amp;&quot;&apos;&lt;1~&bsol;",
    "HTML, decimal": "key&#43;&#047;&#61;&#38;&#34;&#0039;&#60;1&#126;&#92;",
    "HTML, hex": "key&#x2B;&#x2f;&#X3D;&#x26;&#x22;&#x27;&#x003c;1&#x7E;&#x5c;",
    "shell": "key+/=&\"'\"'\"'<1~\\",
    "shell, by a backslash": "key\\+/=\\&\\\"\\'\\<1\\~\\\\",
    "hex": "6b65792b2f3d2622273c317e5c",
    "hex, upper case": "6B65792B2F3D2622273C317E5C",
    "base64": "a2V5Ky89JiInPDF+XA",
    "base64 in a URL": "a2V5Ky89JiInPDF%2BXA",
}


@pytest.mark.sampled(5)  # all of them in one answer: the next test
@pytest.mark.parametrize("name", SPELLINGS)
def test_the_spellings_of_a_key(glm, cwd, name) -> None:
    """The fixture looks for no key but its own, so the whole of what came is compared."""
    flags, spelling = ("--session", "talk", "--reasoning", "why", "-O", "out"), SPELLINGS[name]
    scripts = answer(f"a {spelling} b", f"c {spelling} d"), reply(400, {"error": {"message": spelling}})
    with Server(*scripts) as server:
        done = glm("ask", *ZAI, server.url, *flags, "hi", env={"ZAI_API_KEY": SPECIAL})
        written = (cwd / "out").read_text(), (cwd / "why").read_text()
        assert (done.code, *written) == (0, "a *** b\n", "c *** d\n")
        refused = glm("ask", *ZAI, server.url, "--meta", "meta", "--json", "hi", env={"ZAI_API_KEY": SPECIAL})
    assert refused.code == 2
    said = [json.loads(refused.out)["error"]["why"], json.loads((cwd / "meta").read_text())["error"]["why"]]
    assert said == ["***", "***"]
    assert "  why: ***\n" in refused.err
    turns = [json.loads(line) for line in (cwd / "talk").read_text().splitlines()]
    assert {turn["content"][:5] for turn in turns} == {"hi", "a ***"}


@pytest.mark.parametrize("size", [1, 3, 5])
def test_a_spelling_cut_into_pieces(glm, size) -> None:
    text = "a " + " b ".join(SPELLINGS.values())
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    script = stream(
        *(delta(reasoning_content=piece) for piece in pieces),
        *(delta(content=piece) for piece in pieces),
        delta(content="", finish_reason="stop"),
    )
    with Server(script) as server:
        done = glm("stream", *ZAI, server.url, "hi", env={"ZAI_API_KEY": SPECIAL})
    shown = "a " + " b ".join(["***"] * len(SPELLINGS)) + "\n"
    # In base64 the last character depends on what follows, so it may stay where the key comes in pieces.
    assert (done.code, done.text.replace("***A", "***"), done.err.replace("***A", "***")) == (0, shown, shown)


def test_what_only_begins_like_a_spelling_is_not_lost(glm) -> None:
    text = r"100 % \ & \\\\\\\\ k key%2B &#x6b; &#x6b %6 ke\u00 key" + "\\" * 40
    for end in ("", "%", "&#", "\\", "\\" * 9, "key%2", "&am"):
        with Server(answer(text + end)) as server:
            done = glm("stream", *ZAI, server.url, "hi", env={"ZAI_API_KEY": SPECIAL})
        assert (done.code, done.text) == (0, text + end + "\n")


LONG = f"{CANARY}abcdefghijklmnopqrstuvwxyz"  # longer than what a message shows of a foreign word
IN_ARGUMENTS = {
    "a key file": (("ask", "--key-file", LONG, "-P", "zai", "hi"), {}, 3),
    "a model": (("ask", "-m", LONG, "-v", "-n", "hi"), {}, 2),
    "a provider": (("ask", "-P", LONG, "hi"), {}, 2),
    "a prompt": (("ask", LONG, "-n"), {}, 0),
    "a prompt as curl": (("ask", LONG, "--curl"), {}, 0),
    "an option": (("ask", "-o", f"api_key={LONG}", "-n", "hi"), {}, 0),
    "the name of an option": (("ask", "-o", LONG, "-n", "hi"), {}, 2),
    "a request file": (("ask", "-f", LONG), {}, 2),
    "an attachment": (("ask", "-a", LONG, "hi"), {}, 2),
    "a session": (("ask", "--session", f"/none/{LONG}", "hi"), {}, 2),
    "a number": (("ask", "--temperature", LONG, "hi"), {}, 2),
    "a flag": (("ask", f"--{LONG}", "hi"), {}, 2),
    "a command": ((LONG,), {}, 2),
    "a folder": (("ask", "-O", f"/none/{LONG}", "-P", "zai", "hi"), {}, 14),
    "GLM_PROVIDER": (("ask", "hi"), {"GLM_PROVIDER": LONG}, 2),
    "GLM_MODEL": (("ask", "-v", "-n", "hi"), {"GLM_MODEL": LONG}, 2),
    "a field of a request file": (("ask", "-f", "request.yaml"), {}, 2),
    "a value of a request file": (("ask", "-f", "value.yaml"), {}, 2),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("variable", ["ZHIPU_API_KEY", "GLM_API_KEY"])
@pytest.mark.parametrize("case", IN_ARGUMENTS)
def test_a_key_in_the_wrong_place_is_not_said_again(glm, cwd, case, variable) -> None:
    """No provider is chosen yet that it could belong to."""
    arguments, env, code = IN_ARGUMENTS[case]
    files = (cwd / "request.yaml", cwd / "value.yaml")
    files[0].write_text(f"prompt: hi\n? {LONG}\n: 1\n")
    files[1].write_text(f"prompt: hi\nthink: {LONG}\n")
    done = glm(*arguments, env={"ZAI_API_KEY": "another-key", variable: LONG} | env, may_hold_key=files)
    assert done.code == code, done.err
    assert "canary" not in done.text + done.err
    assert "***" in done.text + done.err or case == "a key file"


@pytest.mark.parametrize("env", [KEY, {}])
def test_a_key_in_place_of_its_file_is_not_said_again(glm, env) -> None:
    done = glm("ask", "-P", "zai", "--key-file", CANARY, "hi", env=env)
    message = "--key-file: cannot read the file that it names: No such file or directory"
    assert (done.code, error_of(done.err)) == (3, message)


def test_the_key_of_a_row_of_ones_own(glm, home) -> None:
    row = {"like": "zai", "base_url": "https://x.invalid", "key_env": ["OFFICE_KEY"]}
    (home / "c.yaml").write_text(json.dumps({"providers": {"mine": row}}))
    env = {"OFFICE_KEY": CANARY, "GLM_CONFIG": str(home / "c.yaml")}
    done = glm("ask", "-P", CANARY, "hi", env=env)
    assert (done.code, error_of(done.err)) == (2, "--provider: unknown provider '***'")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("form", FORMS)
def test_an_echo_cut_into_pieces(glm, form, size) -> None:
    text = f"a {FORMS[form].rstrip('=')} b"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    script = stream(
        *(delta(reasoning_content=piece) for piece in pieces),
        *(delta(content=piece) for piece in pieces),
        delta(content="", finish_reason="stop"),
    )
    with Server(script) as server:
        done = glm("stream", *ZAI, server.url, "hi", env=KEY)
        # In base64 the last character depends on what follows, so it may stay where the key comes in pieces.
        shown = ("a *** b\n", f"a ***{text[-3]} b\n") if form == "base64" else ("a *** b\n",)
        assert done.text in shown
        assert done.err in shown
        lines = glm("stream", *ZAI, server.url, "--jsonl", "hi", env=KEY)
        events = [json.loads(line) for line in lines.out.splitlines()]
    for kind in ("reasoning", "answer"):
        assert "".join(event["text"] for event in events if event["type"] == kind) + "\n" in shown


def test_what_looked_like_the_beginning_of_a_key_is_not_lost_unless_it_is_most_of_it(glm) -> None:
    with Server(answer(f"a {CANARY[:-1]}", CANARY[:5])) as server:
        done = glm("stream", *ZAI, server.url, "hi", env=KEY)
    assert (done.text, done.err) == ("a ***\n", f"{CANARY[:5]}\n")


@pytest.mark.sampled(6)
@pytest.mark.parametrize("form", ["--json", "--jsonl", "-q"])
@pytest.mark.parametrize("debug", ["0", "1"])
def test_an_echo_in_an_error(home, cwd, form, debug) -> None:
    bodies = [
        {"error": {"code": CANARY, "message": f"bad key {CANARY}"}, "request_id": CANARY},
        {"error": f"bad {FORMS['base64']}"},
    ]
    scripts = [reply(status, body, f"X-Request-Id: {CANARY}") for status in (400, 401, 404) for body in bodies]
    scripts += [
        reply(500, f"<html>{CANARY}</html>", content_type="text/html"),
        reply(307, "", f"Location: http://x.invalid/{CANARY}"),
        reply(200, f"not json {CANARY}"),
        stream(delta(content="x"), {"error": {"code": "1", "message": CANARY}}),
        stream(delta(content="x"), delta(content="", finish_reason=CANARY)),
        stream(f"broken {CANARY}"),
        stream(delta(tool_calls=[{"index": 0, "id": CANARY, "function": {"name": CANARY, "arguments": CANARY}}])),
    ]
    for script in scripts:
        with Server(script) as server:
            ask = f'"$GLM" ask {" ".join(ZAI)} {server.url} --retries 0 --meta meta {form} hi'
            done = shell(ask, home, cwd, GLM_DEBUG=debug, **KEY)
        assert done.returncode not in (0, 70)
        everything = done.stdout + done.stderr + (cwd / "meta").read_bytes()
        assert not any(shape.rstrip("=").encode() in everything for shape in FORMS.values())
        assert b"***" in everything


def test_a_key_with_quotes_in_json(home, cwd) -> None:
    in_json = json.dumps(QUOTED)[1:-1]
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": json.dumps({"key": QUOTED})}}
    scripts = [
        answer(QUOTED),
        reply(400, {"error": {"message": QUOTED}}),
        stream(delta(tool_calls=[call]), delta(content="", finish_reason="tool_calls")),
    ]
    for script in scripts:
        for form in ("--json", "--jsonl", ""):
            with Server(script) as server:
                ask = f'"$GLM" ask {" ".join(ZAI)} {server.url} {form} --meta meta --session s hi'
                done = shell(ask, home, cwd, ZAI_API_KEY=QUOTED)
            everything = done.stdout + done.stderr + (cwd / "meta").read_bytes() + (cwd / "s").read_bytes()
            assert QUOTED.encode() not in everything
            assert in_json.encode() not in everything


def test_the_password_of_a_proxy_is_a_key(glm) -> None:
    for proxy in (f"http://me:{urllib.parse.quote(CANARY, safe='')}@127.0.0.1:1", f"http://me:{CANARY}@x@[y:1"):
        env = {"https_proxy": proxy, "GLM_DEBUG": "0"}
        done = glm("ask", *ZAI, "https://gate.invalid/v1", "--retries", "0", "-v", "hi", env=KEY | env)
        assert done.code in (2, 6)
    split = glm(
        "ask", *ZAI, "https://gate.invalid/v1", "hi", env=KEY | {"https_proxy": "http://me:hunter2/x@proxy.invalid:1"}
    )
    assert (split.code, "hunter2" in split.err) == (2, False)


def test_a_traceback_for_who_asks_holds_no_key(home, cwd) -> None:
    with Server(reply(401, {"error": {"code": "1000", "message": f"bad {CANARY}"}})) as server:
        done = shell(f'"$GLM" ask {" ".join(ZAI)} {server.url} hi', home, cwd, GLM_DEBUG="1", **KEY)
    err = done.stderr.decode()
    assert done.returncode == 3
    assert "Traceback (most recent call last)" in err
    assert CANARY not in err
    assert os.fsencode(FORMS["base64"].rstrip("=")) not in done.stderr
