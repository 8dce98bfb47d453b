"""Proxies, certificates, and places where nobody answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from processes import error_of, read_until, running
from program import CANARY
from proxies import ConnectHandshake, Relay, SocksHandshake, tls, url_of
from scripted_server import Server, answer, reply

if TYPE_CHECKING:
    import socket
    import ssl

KEY = {"ZAI_API_KEY": CANARY}
# Plain HTTP and no key, to a host that only a proxy can know.
GATE = ("-m", "vllm/x", "--base-url", "http://gate.invalid/v1", "--retries", "0", "-R", "hi")


# Nobody there


@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_a_refused_connection(glm, json_) -> None:
    done = glm("ask", "-P", "zai", "--base-url", "http://127.0.0.1:1", "--retries", "0", *json_, "hi", env=KEY)
    assert (done.code, error_of(done.err)) == (6, "zai: cannot connect to 127.0.0.1:1: Connection refused")


def test_a_name_that_does_not_exist(glm) -> None:
    done = glm("ask", *GATE)
    assert done.code == 6
    assert error_of(done.err).startswith("vllm: cannot resolve gate.invalid: ")


def test_a_connection_that_ends_at_once(glm) -> None:
    with Relay(lambda _: None) as front:
        done = glm("ask", "-P", "zai", "--base-url", url_of(front), "--retries", "0", "hi", env=KEY)
    assert done.code == 6


# The embedded providers, served


def test_the_sandbox_is_slow_and_fails_on_demand(glm, home, cwd) -> None:
    flags = ("--port", "0", "--latency", "0.4", "--pace", "0.05", "--fault", "1302")
    with running(home, cwd, "sandbox", *flags) as process:
        table = dict(line.split("\t") for line in read_until(process.stdout, b"sglang\t").decode().splitlines()[:-1])
        began = time.monotonic()
        done = glm("ask", "-P", "zai", "--base-url", table["zai"], "--retries", "0", "--json", "hi", env=KEY)
        assert time.monotonic() - began > 0.4
    assert (done.code, json.loads(done.out)["error"]["provider_code"]) == (5, "1302")


def test_the_port_of_the_sandbox_is_taken(glm) -> None:
    with Server() as server:
        done = glm("sandbox", "--port", str(server.port))
    assert (done.code, done.out) == (2, b"")
    assert str(server.port) in error_of(done.err)


# Proxies


@pytest.mark.sampled(3)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "127.0.0.1:{}", "http://127.0.0.1:{}/"])
def test_plain_http_through_a_proxy(glm, variable, form) -> None:
    with Server(answer("Hi")) as proxy:
        done = glm("ask", *GATE, env={variable: form.format(proxy.port)})
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    (request,) = proxy.requests
    assert (request.method, request.path) == ("POST", "http://gate.invalid/v1/chat/completions")
    assert request.header("Host") == "gate.invalid"


def test_lower_case_comes_first_and_all_proxy_last(glm) -> None:
    with Server(answer("Hi")) as proxy, Server(answer("No")) as other:
        env = {"http_proxy": url_of(proxy), "HTTP_PROXY": url_of(other), "all_proxy": url_of(other)}
        assert glm("ask", *GATE, env=env).out == b"Hi\n"
        assert glm("ask", *GATE, env={"http_proxy": "", "HTTP_PROXY": url_of(proxy)}).out == b"Hi\n"
        assert glm("ask", *GATE, env={"https_proxy": url_of(other)}).code == 6
    assert other.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_loopback_is_never_proxied(glm, host) -> None:
    with Server(answer("Hi")) as server, Server(answer("No")) as proxy:
        names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        env = KEY | dict.fromkeys(names, url_of(proxy))
        done = glm(
            "ask", "-P", "zai", "--base-url", f"http://{host}:{server.port}", "--retries", "0", "-R", "hi", env=env
        )
    assert proxy.requests == []
    assert done.code == (6 if host == "[::1]" else 0)  # the test's server listens on 127.0.0.1


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("no_proxy", "direct"),
    [
        ("gate.invalid", True),
        (".invalid", True),
        ("*.invalid", True),
        ("invalid", True),
        ("*", True),
        ("a.example, gate.invalid", True),
        ("a.example gate.invalid", True),
        ("GATE.INVALID.", True),
        ("gate.invalid:80", True),
        ("gate.invalid:81", False),
        ("ate.invalid", False),
        ("x.gate.invalid", False),
        ("::1", False),
        ("[::1]", False),
        ("fd00::/8", False),
        ("10.0.0.0/8,192.168.0.0/16", False),
        ("localhost,127.0.0.1,::1", False),
        (",, ,", False),
        ("http://", False),
        ("[", False),
        ("1.2.3.4/99", False),
    ],
)
def test_no_proxy(glm, no_proxy, direct) -> None:
    with Server(answer("Hi")) as proxy:
        for variable in ("no_proxy", "NO_PROXY"):
            done = glm("ask", *GATE, env={"http_proxy": url_of(proxy), variable: no_proxy})
            assert done.code == (6 if direct else 0)
    assert len(proxy.requests) == (0 if direct else 2)


@pytest.mark.parametrize(
    ("host", "no_proxy", "direct"),
    [
        ("192.0.2.7", "192.0.2.0/24", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.7:80", True),
        ("192.0.2.7", "192.0.3.0/24", False),
        ("[2001:db8::7]", "2001:db8::/32", True),
        ("[2001:db8::7]", "[2001:db8::7]", True),
        ("[2001:db8::7]", "2001:db8::8", False),
    ],
)
def test_no_proxy_for_addresses(glm, host, no_proxy, direct) -> None:
    """Nobody answers at these addresses, so a direct way ends in a time-out or an unreachable network."""
    with Server(answer("Hi")) as proxy:
        flags = ("-m", "vllm/x", "--base-url", f"http://{host}/v1", "--retries", "0", "--connect-timeout", "1")
        done = glm("ask", *flags, "hi", env={"http_proxy": url_of(proxy), "no_proxy": no_proxy})
    assert (done.code, len(proxy.requests)) == ((6, 0) if direct else (0, 1))


@pytest.mark.parametrize(
    "value",
    [
        "socks://127.0.0.1:1",
        "socks4://127.0.0.1:1",
        "ftp://127.0.0.1:1",
        "http://",
        "http://x:y",
        "http://[::1",
        "http://127.0.0.1:0",
        "http://a..b:1",
        "http://" + "a" * 64 + ".example:1",
        "http://xn--\u00e4.example:1",
    ],
)
@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_none(glm, variable, value) -> None:
    done = glm("ask", *GATE, env={variable: value})
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err).startswith(variable)


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks(glm, scheme) -> None:
    socks = SocksHandshake()
    with Server(answer("Hi")) as server, Relay(socks, server.port) as front:
        done = glm("ask", *GATE, env={"ALL_PROXY": url_of(front, scheme)})
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert socks.targets == [("gate.invalid", 80)]
    assert server.requests[0].path == "/v1/chat/completions"


def test_socks_with_a_password(glm) -> None:
    socks = SocksHandshake(password=True)
    with Server(answer("Hi")) as server, Relay(socks, server.port) as front:
        done = glm("ask", *GATE, "-v", env={"ALL_PROXY": f"socks5://me:p%40ssword@127.0.0.1:{front.port}"})
    assert done.code == 0
    assert socks.users == [b"me:p@ssword"]
    assert "p@ssword" not in done.err
    assert "p%40ssword" not in done.err


PASSWORDS = [("p\u00e9", b"p\xc3\xa9"), ("p%C3%A9", b"p\xc3\xa9"), ("%ff", b"\xff"), ("\udcff", b"\xff")]


@pytest.mark.parametrize(("written", "sent"), PASSWORDS)
def test_a_password_that_is_not_ascii(glm, written, sent) -> None:
    socks = SocksHandshake(password=True)
    with Server(answer("Hi")) as server, Relay(socks, server.port) as front:
        done = glm("ask", *GATE, env={"ALL_PROXY": f"socks5://m\u00e9:{written}@127.0.0.1:{front.port}"})
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert socks.users == [b"m\xc3\xa9:" + sent]
    with Server(answer("Hi")) as proxy:
        done = glm("ask", *GATE, env={"http_proxy": f"http://me:{written}@127.0.0.1:{proxy.port}"})
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert proxy.requests[0].header("Proxy-Authorization") == "Basic " + b64encode(b"me:" + sent).decode()


@pytest.mark.parametrize(
    "words",
    [
        (),
        (b"HTTP/1.1 400 no\r\n\r\n",),
        (b"\x05\xff",),
        (b"\x04\x00",),
        (b"\x05\x00",),
        (b"\x05\x00", b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"),
        (b"\x05\x00", b"rubbish"),
    ],
)
def test_socks_that_fails(glm, words) -> None:
    def greet(connection: socket.socket) -> None:
        for word in words:
            connection.recv(1 << 16)
            connection.sendall(word)
        connection.recv(1 << 16)

    with Relay(greet) as front:
        done = glm("ask", *GATE, env={"ALL_PROXY": url_of(front, "socks5")})
    assert (done.code, done.out) == (6, b"")
    assert f"socks5://127.0.0.1:{front.port}" in error_of(done.err)


@pytest.mark.parametrize(("scheme", "variable"), [("http", "http_proxy"), ("socks5", "all_proxy")])
def test_a_proxy_that_is_not_there(glm, scheme, variable) -> None:
    done = glm("ask", *GATE, env={variable: f"{scheme}://127.0.0.1:1"})
    assert done.code == 6
    assert f"through the proxy {scheme}://127.0.0.1:1" in error_of(done.err)


def test_a_proxy_by_an_address_of_ipv6(glm) -> None:
    done = glm("ask", *GATE, env={"http_proxy": "http://[::1]:1"})
    assert done.code == 6
    assert "through the proxy http://[::1]:1" in error_of(done.err)


def test_a_proxy_that_wants_a_password(glm) -> None:
    with Server(reply(407, "<html>no</html>", content_type="text/html")) as proxy:
        done = glm("ask", *GATE, env={"http_proxy": url_of(proxy)})
    assert done.code == 6
    assert "proxy" in error_of(done.err)
    tunnels = ConnectHandshake(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with Relay(tunnels) as front:
        flags = ("-P", "zai", "--base-url", "https://gate.invalid/v1", "--retries", "3")
        done = glm("ask", *flags, "hi", env=KEY | {"https_proxy": f"http://me:p%40ssword@127.0.0.1:{front.port}"})
    assert done.code == 6
    message = error_of(done.err)
    assert f"http://127.0.0.1:{front.port}" in message
    assert "407" in message
    assert "p@ssword" not in done.err
    assert "p%40ssword" not in done.err
    assert len(tunnels.heads) == 1


# Certificates


HERE = "DNS:localhost,IP:127.0.0.1"


def zai(url: str) -> tuple[str, ...]:
    return ("-P", "zai", "--base-url", url, "-R", "hi")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_authority_of_ones_own(glm, authority, host) -> None:
    with Server(answer("Hi")) as server, Relay(tls(authority.issue("good", HERE)), server.port) as front:
        env = KEY | {"SSL_CERT_FILE": str(authority.file)}
        done = glm("ask", *zai(f"https://{host}:{front.port}/v1"), env=env)
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"


def test_a_folder_of_authorities(glm, authority, tmp_path) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    shutil.copy(authority.file, folder)
    subprocess.run(["openssl", "rehash", "."], cwd=folder, check=True, capture_output=True, timeout=60)
    with Server(answer("Hi")) as server, Relay(tls(authority.issue("folder", HERE)), server.port) as front:
        for folders in (f"{folder}", f"/none:{folder}"):
            done = glm("ask", *zai(f"https://localhost:{front.port}"), env=KEY | {"SSL_CERT_DIR": folders})
            assert (done.code, done.out) == (0, b"Hi\n")


def distrusted(glm, context: ssl.SSLContext, **env: str) -> str:
    """The error of a certificate that is not trusted: found at once, and nothing was sent."""
    with Server(answer("Hi")) as server, Relay(tls(context), server.port) as front:
        done = glm("ask", *zai(f"https://localhost:{front.port}/v1"), env=KEY | env)
    assert (done.code, done.out, server.requests, front.connections) == (6, b"", [], 1)
    message = error_of(done.err)
    assert message.startswith(f"zai: cannot trust the certificate of localhost:{front.port}: ")
    assert "SSL_CERT_FILE" in done.err
    return message


def test_certificates_that_are_wrong(glm, authority) -> None:
    ours = {"SSL_CERT_FILE": str(authority.file)}
    distrusted(glm, authority.issue("unknown", HERE))
    assert "self-signed" in distrusted(glm, authority.self_signed("alone", HERE), **ours)
    assert "mismatch" in distrusted(glm, authority.issue("elsewhere", "DNS:gate.example"), **ours)
    assert "expired" in distrusted(glm, authority.issue("expired", HERE, days=-1), **ours)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("value", ["/none/of/that", "relative/none"])
def test_authorities_that_are_not_there(glm, variable, value) -> None:
    done = glm("ask", *zai("https://gate.invalid/v1"), env=KEY | {variable: value})
    assert (done.code, done.out) == (2, b"")
    assert error_of(done.err) == f"{variable} names {value}, which does not exist"


def test_authorities_of_the_wrong_kind(glm, cwd) -> None:
    (cwd / "folder").mkdir()
    (cwd / "file").write_text("")
    for variable, value, wrong in (
        ("SSL_CERT_FILE", "folder", "SSL_CERT_FILE names folder, which is a directory"),
        ("SSL_CERT_DIR", "file", "SSL_CERT_DIR names file, which is not a directory"),
    ):
        done = glm("ask", *zai("https://gate.invalid/v1"), env=KEY | {variable: value})
        assert (done.code, error_of(done.err)) == (2, wrong)


@pytest.mark.parametrize("value", ["/dev/null", "empty"])
def test_a_file_without_anything(glm, cwd, value) -> None:
    (cwd / "empty").write_text("")
    with Relay(lambda connection: connection) as front:
        done = glm("ask", *zai(url_of(front, "https")), env=KEY | {"SSL_CERT_FILE": value})
    assert (done.code, done.out, front.connections) == (2, b"", 0)
    assert error_of(done.err).startswith(f"zai: cannot read certificates from {value}: ")
    assert "no certificate" in done.err


def test_a_log_of_session_keys_that_cannot_be_written(glm) -> None:
    env = KEY | {"SSLKEYLOGFILE": "/none/of/that"}
    with Relay(lambda connection: connection) as front:
        done = glm("ask", *zai(url_of(front, "https")), env=env)
    assert (done.code, done.out, front.connections) == (2, b"", 0)
    wrong = "SSLKEYLOGFILE names /none/of/that, which cannot be written: No such file or directory"
    assert error_of(done.err) == f"zai: {wrong}"


def test_a_log_of_session_keys_as_a_batch_is_loaded(glm, cwd) -> None:
    """The installed script, which imports aiohttp itself: it opens the log as it is imported."""
    (cwd / "in.jsonl").write_text('{"id": "r", "prompt": "hi"}\n')
    flags = ("-O", "out.jsonl", "-m", "zai/glm-5", "--base-url", "https://gate.invalid/v1")
    done = glm("batch", "run", "in.jsonl", *flags, env=KEY | {"SSLKEYLOGFILE": "/none/of/that"}, close_fds=True)
    assert (done.code, done.out, (cwd / "out.jsonl").exists()) == (2, b"", False)
    assert error_of(done.err).startswith("SSLKEYLOGFILE names /none/of/that, which cannot be written: ")


def test_a_file_without_certificates(glm, cwd) -> None:
    (cwd / "ca.pem").write_text("no certificates here\n")
    with Relay(lambda connection: connection) as front:
        done = glm("ask", *zai(url_of(front, "https")), env=KEY | {"SSL_CERT_FILE": "ca.pem"})
    assert (done.code, done.out, front.connections) == (2, b"", 0)
    assert "cannot read certificates from ca.pem" in error_of(done.err)


def test_without_tls_no_certificates_are_needed(glm) -> None:
    with Server(answer("Hi")) as server:
        done = glm("ask", *zai(server.url), env=KEY | {"SSL_CERT_FILE": "/none"})
    assert done.code == 0


def test_tls_where_there_is_none(glm) -> None:
    def greet(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Relay(greet) as front:
        done = glm("ask", *zai(url_of(front, "https")), "--retries", "0", env=KEY)
    assert done.code == 6
    assert f"cannot finish TLS with 127.0.0.1:{front.port}" in error_of(done.err)


def test_tls_through_a_proxy(glm, authority) -> None:
    tunnels = ConnectHandshake()
    context = authority.issue("gate", "DNS:gate.invalid")
    with Server(answer("Hi")) as server, Relay(tls(context), server.port) as front, Relay(tunnels, front.port) as proxy:
        env = KEY | {"SSL_CERT_FILE": str(authority.file)}
        env |= {"https_proxy": f"http://me:p%40ssword@127.0.0.1:{proxy.port}"}
        done = glm("ask", *zai("https://gate.invalid/v1"), env=env)
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    (head,) = tunnels.heads
    assert head.startswith("CONNECT gate.invalid:443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {b64encode(b'me:p@ssword').decode()}\r\n" in head
    assert CANARY not in head
    assert server.requests[0].header("Authorization") == f"Bearer {CANARY}"
    assert server.requests[0].header("Proxy-Authorization") is None


def test_tls_through_socks(glm, authority) -> None:
    socks = SocksHandshake()
    context = authority.issue("sock", "DNS:gate.invalid")
    with Server(answer("Hi")) as server, Relay(tls(context), server.port) as front, Relay(socks, front.port) as proxy:
        env = KEY | {"SSL_CERT_FILE": str(authority.file), "ALL_PROXY": url_of(proxy, "socks5h")}
        done = glm("ask", *zai("https://gate.invalid/v1"), env=env)
    assert (done.code, done.out, done.err) == (0, b"Hi\n", "")
    assert socks.targets == [("gate.invalid", 443)]
