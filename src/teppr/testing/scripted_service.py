"""A prediction service made of sockets alone, that breaks connections, cuts answers, stays silent and counts.

For tests of clients: it does what a test says, request by request, and answers well after that.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson

JSON = "application/json"
SIP_BYTES = 256 * 1024
TOO_LONG_S, DRIP_S = 20.0, 0.02


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def filename(self) -> str:
        return parse_qs(urlsplit(self.target).query)["filename"][0]


Act = Callable[[socket.socket, Asked], None]
"""What the server does with a request; closing the connection is its own."""


@dataclass
class RawService(socketserver.ThreadingTCPServer):
    """Does what `acts` say, one a request, and after them answers well; `asked` is all that came, in order."""

    acts: list[Act] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    most_at_once: int = 0
    at_once: int = 0
    always: Act | None = None
    tls: ssl.SSLContext | None = None
    reads_slowly: bool = False
    read_bytes: int = 0

    allow_reuse_address = True
    daemon_threads = True

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self.tls:
            # The handshake is its thread's, when it first reads.
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.server_address[1]}"

    @property
    def ids(self) -> list[str]:
        return [asked.id for asked in self.asked]

    def act(self, asked: Asked) -> Act:
        with self.lock:
            self.asked.append(asked)
            return self.acts.pop(0) if self.acts else self.always or answer

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.lock:
                self.at_once -= 1

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what is tested."""


class Connection(socketserver.StreamRequestHandler):
    """One client's connection, kept open between requests."""

    def handle(self) -> None:
        service = cast("RawService", self.server)
        with contextlib.suppress(OSError):
            while (asked := self.read()) is not None:
                with service.counted():
                    act = service.act(asked)
                    act(self.connection, asked)
                if act in ENDING.values():
                    break

    def read(self) -> Asked | None:
        line = self.rfile.readline().decode()
        if not line.strip():
            return None
        method, target, _ = line.split()
        headers = {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Asked(method, target, headers, self.body(int(headers.get("content-length", 0))))

    def body(self, length: int) -> bytes:
        """So many bytes, all at once or little by little."""
        service = cast("RawService", self.server)
        if not service.reads_slowly:
            return self.rfile.read(length)
        while service.read_bytes < length and not service.ended.wait(timeout=0.01):
            service.read_bytes += (sip := len(self.rfile.read1(SIP_BYTES)))
            if not sip:
                break
        return b""


def document(filename: str = "image") -> dict[str, Any]:
    """An answer in which nothing is found."""
    entry = {"filename": filename, "size": 1, "file_attributes": {"width": 4, "height": 3, "uuid": "u"}, "regions": []}
    return {
        "api": "vision/v2",
        "type": "acme-ods-1",
        "dnnarch": "color_finder",
        "result": {filename: entry},
        "status_code": 200,
        "timings": {"total": 0.1},
    }


def wire(status: int, content: object, *headers: str, length: bool = True, kind: str = JSON) -> bytes:
    """An answer of HTTP as bytes."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}", *headers]
    lines += [f"content-length: {len(body)}"] if length else ["connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def replies(status: int, content: object, *headers: str) -> Act:
    """Answer with this document."""

    def act(connection: socket.socket, _: Asked) -> None:
        connection.sendall(wire(status, content, *headers))

    return act


def refuses(status: int, word: str, *headers: str) -> Act:
    """Answer as a service does that says no."""
    return replies(status, {"error": word, "code": status, "detail": "a sentence", "request_id": "x"}, *headers)


def answer(connection: socket.socket, asked: Asked) -> None:
    """Answer well."""
    connection.sendall(wire(200, document(asked.filename), f"X-Request-Id: {asked.id}"))


def hang_up(_: socket.socket, __: Asked) -> None:
    """Close without a word."""


def reset(connection: socket.socket, _: Asked) -> None:
    """Let the connection die as it does when a process is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


def cut(connection: socket.socket, asked: Asked) -> None:
    """Promise all of the answer and send the half of it."""
    whole = wire(200, document(asked.filename))
    connection.sendall(whole[: len(whole) - 50])


def cut_without_length(connection: socket.socket, asked: Asked) -> None:
    """Send the half of an answer that has no length to be missed."""
    whole = wire(200, document(asked.filename), length=False)
    connection.sendall(whole[: len(whole) - 50])


def cut_head(connection: socket.socket, _: Asked) -> None:
    """Stop in the middle of a header."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-ty")


def gibberish(connection: socket.socket, _: Asked) -> None:
    """Speak another protocol."""
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


ENDING: dict[str, Act] = {act.__name__: act for act in (hang_up, reset, cut, cut_without_length, cut_head, gibberish)}
"""What leaves a connection that is good for nothing more."""


def silent(service: RawService) -> Act:
    """Say nothing for longer than any test waits, and answer then."""

    def act(connection: socket.socket, asked: Asked) -> None:
        service.ended.wait(timeout=TOO_LONG_S)
        answer(connection, asked)

    return act


def drip(service: RawService) -> Act:
    """An answer that comes byte by byte: never silent, and whole later than any test waits."""

    def act(connection: socket.socket, asked: Asked) -> None:
        whole = wire(200, b" " * int(TOO_LONG_S / DRIP_S) + orjson.dumps(document(asked.filename)))
        head, separator, body = whole.partition(b"\r\n\r\n")
        connection.sendall(head + separator)
        for byte in body:
            service.ended.wait(timeout=DRIP_S)
            connection.sendall(bytes([byte]))

    return act


@contextlib.contextmanager
def running(tls: ssl.SSLContext | None = None) -> Iterator[RawService]:
    """The service, on a port of its own, until the block ends; over TLS where it is given a context."""
    service = RawService(tls=tls)
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.ended.set()
        service.shutdown()
        thread.join(timeout=60)
        service.server_close()
