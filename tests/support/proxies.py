"""What may be between the program and a server: proxies, and TLS with certificates that the tests issue."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scripted_server import Server


class Relay:
    """Accepts connections on loopback, does a handshake with each, and relays its bytes to and from `port`."""

    def __init__(self, handshake: Callable[[socket.socket], socket.socket | None], port: int = 0) -> None:
        self._handshake = handshake
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                client = self._handshake(connection)
                if client is not None:
                    with client, socket.create_connection(("127.0.0.1", self._target)) as server:
                        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                        back.start()
                        _copy(client, server)
                        back.join()
        except OSError:
            pass  # a client that does not trust the certificate closes the connection


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _head(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += connection.recv(1)
    return data


class ConnectHandshake:
    """The handshake of a CONNECT proxy; `heads` are the requests that it received."""

    def __init__(self, reply: bytes = b"HTTP/1.1 200 Connected\r\n\r\n") -> None:
        self.heads: list[str] = []
        self._reply = reply

    def __call__(self, connection: socket.socket) -> socket.socket | None:
        self.heads.append(_head(connection).decode())
        connection.sendall(self._reply)
        return connection if b" 200 " in self._reply else None


class SocksHandshake:
    """The handshake of a SOCKS5 proxy: RFC 1928, and RFC 1929 for the password."""

    def __init__(self, *, password: bool = False) -> None:
        self.targets: list[tuple[str, int]] = []
        self.users: list[bytes] = []
        self._password = password

    def __call__(self, connection: socket.socket) -> socket.socket:
        _, count = connection.recv(2)
        connection.recv(count)
        connection.sendall(b"\x05\x02" if self._password else b"\x05\x00")
        if self._password:
            _, length = connection.recv(2)
            user = connection.recv(length)
            (length,) = connection.recv(1)
            self.users.append(user + b":" + connection.recv(length))
            connection.sendall(b"\x01\x00")
        _, _, _, kind = connection.recv(4)
        if kind == 3:
            (length,) = connection.recv(1)
            host = connection.recv(length).decode()
        else:
            host = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, connection.recv(4))
        self.targets.append((host, int.from_bytes(connection.recv(2), "big")))
        connection.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
        return connection


def url_of(front: Relay | Server, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{front.port}"


class CertificateAuthority:
    """A certificate authority for this test run, created with openssl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "ca.pem"
        # Without it Python 3.13, which verifies strictly, trusts none (https://docs.python.org/3/whatsnew/3.13.html#ssl).
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        subject = ("-subj", "/CN=A test's authority")
        self._run("req", "-x509", *self._key("ca"), "-out", "ca.pem", "-days", "30", *subject, *usage)

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=60)

    @staticmethod
    def _key(name: str) -> tuple[str, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")

    def issue(self, name: str, hosts: str, days: int = 30) -> ssl.SSLContext:
        """The TLS context of a server with a certificate for these hosts, signed by this authority."""
        self._run("req", *self._key(name), "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={hosts}\nauthorityKeyIdentifier=keyid\n")
        ca = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        self._run("x509", "-req", "-in", f"{name}.csr", *ca, "-out", f"{name}.pem", "-days", str(days))
        return self.context(name)

    def self_signed(self, name: str, hosts: str) -> ssl.SSLContext:
        """The TLS context of a server with a self-signed certificate for these hosts."""
        extension = ("-addext", f"subjectAltName={hosts}")
        self._run("req", "-x509", *self._key(name), "-out", f"{name}.pem", "-subj", f"/CN={name}", *extension)
        return self.context(name)

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


def tls(context: ssl.SSLContext) -> Callable[[socket.socket], socket.socket]:
    return lambda connection: context.wrap_socket(connection, server_side=True)
