"""A prediction service made of sockets alone, that does to each request what a test says: answers it well, refuses it,
breaks the connection, cuts the answer, stays silent; and it counts.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import cycle, repeat
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import orjson

JSON = "application/json"
SIP_BYTES = 256 * 1024
TOO_LONG_S, DRIP_S = 20.0, 0.02


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire: all before its body, and that."""

    head: bytes
    body: bytes = b""

    @property
    def method(self) -> str:
        return self.head.split()[0].decode()

    @property
    def target(self) -> str:
        return self.head.split()[1].decode()

    @cached_property
    def headers(self) -> dict[str, str]:
        lines = (line.partition(":") for line in self.head.decode().splitlines()[1:])
        return {name.lower(): value.strip() for name, _, value in lines}

    @property
    def id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def filename(self) -> str:
        return parse_qs(urlsplit(self.target).query)["filename"][0]

    @property
    def size_bytes(self) -> int:
        return len(self.head) + len(self.body)


Act = Callable[[socket.socket, Asked], None]
"""What is done with a request; one after which the connection is good for nothing more raises an `OSError`."""


@dataclass
class ScriptedService(socketserver.ThreadingTCPServer):
    """Does `acts` to the first requests, one each, and to all after them what comes `then`.

    asked: all that came, in order
    done: how often what was done
    """

    acts: list[Act] = field(default_factory=list)
    then: Iterator[Act] = field(default_factory=lambda: repeat(answer))
    asked: list[Asked] = field(default_factory=list)
    done: Counter[Act] = field(default_factory=Counter)
    came: threading.Condition = field(default_factory=threading.Condition)
    ended: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    most_at_once: int = 0
    at_once: int = 0
    tls: ssl.SSLContext | None = None
    reads_slowly: bool = False
    read_bytes: int = 0

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections += 1
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
        with self.came:
            act = self.acts.pop(0) if self.acts else next(self.then)
            self.asked.append(asked)
            self.done[act] += 1
            self.came.notify_all()
            return act

    def wait_for(self, act: Act, times: int) -> None:
        """Wait, in any thread, until it was done to so many requests, or begun."""
        with self.came:
            assert self.came.wait_for(lambda: self.done[act] >= times, timeout=60)

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        with self.came:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self.came:
                self.at_once -= 1

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what is tested."""


class Connection(socketserver.StreamRequestHandler):
    """One client's connection, kept open between requests."""

    def handle(self) -> None:
        service = cast("ScriptedService", self.server)
        with contextlib.suppress(OSError):
            while (asked := self.read()) is not None:
                with service.counted():
                    service.act(asked)(self.connection, asked)

    def read(self) -> Asked | None:
        lines = []
        while (line := self.rfile.readline()) != b"\r\n":
            if not line:
                return None
            lines.append(line)
        asked = Asked(b"".join([*lines, b"\r\n"]))
        return replace(asked, body=self.body(int(asked.headers.get("content-length", 0))))

    def body(self, length: int) -> bytes:
        """So many bytes, all at once or little by little."""
        service = cast("ScriptedService", self.server)
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


def sends(content: bytes) -> Act:
    """Send these bytes, whatever they are."""

    def act(connection: socket.socket, _: Asked) -> None:
        connection.sendall(content)

    return act


def ends_with(content: bytes) -> Act:
    """Send these bytes and close the connection."""

    def act(connection: socket.socket, _: Asked) -> None:
        _end(connection, content)

    return act


def replies(status: int, content: object, *headers: str) -> Act:
    """Answer with this document."""
    return sends(wire(status, content, *headers))


def refuses(status: int, word: str, *headers: str, detail: str = "a sentence") -> Act:
    """Answer as a service does that says no."""
    return replies(status, {"error": word, "code": status, "detail": detail, "request_id": "x"}, *headers)


def answer(connection: socket.socket, asked: Asked) -> None:
    """Answer well."""
    connection.sendall(wire(200, document(asked.filename), f"X-Request-Id: {asked.id}"))


def hang_up(connection: socket.socket, _: Asked) -> None:
    """Close without a word."""
    _end(connection)


def reset(connection: socket.socket, _: Asked) -> None:
    """Let the connection die as it does when a process is killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise ConnectionAbortedError


def cut(connection: socket.socket, asked: Asked) -> None:
    """Promise all of the answer and send the half of it."""
    _end(connection, wire(200, document(asked.filename))[:-50])


def cut_without_length(connection: socket.socket, asked: Asked) -> None:
    """Send the half of an answer that has no length to be missed."""
    _end(connection, wire(200, document(asked.filename), length=False)[:-50])


def cut_head(connection: socket.socket, _: Asked) -> None:
    """Stop in the middle of a header."""
    _end(connection, b"HTTP/1.1 200 OK\r\ncontent-ty")


def gibberish(connection: socket.socket, _: Asked) -> None:
    """Speak another protocol."""
    _end(connection, b"SSH-2.0-OpenSSH_9.6\r\n")


def _end(connection: socket.socket, last: bytes = b"") -> None:
    connection.sendall(last)
    raise ConnectionAbortedError


ENDING: dict[str, Act] = {act.__name__: act for act in (hang_up, reset, cut, cut_without_length, cut_head, gibberish)}
"""What leaves a connection that is good for nothing more."""


def silent(connection: socket.socket, _: Asked) -> None:
    """Say nothing until the client goes, or for longer than any test waits."""
    connection.settimeout(TOO_LONG_S)
    connection.recv(1)
    _end(connection)


def drip(connection: socket.socket, asked: Asked) -> None:
    """An answer that comes byte by byte: never silent, and whole later than any test waits."""
    whole = wire(200, b" " * int(TOO_LONG_S / DRIP_S) + orjson.dumps(document(asked.filename)))
    head, separator, body = whole.partition(b"\r\n\r\n")
    connection.sendall(head + separator)
    for byte in body:
        if select.select([connection], [], [], DRIP_S)[0]:
            _end(connection)
        connection.sendall(bytes([byte]))


def once_came(service: ScriptedService, times: int, act: Act) -> Act:
    """Do nothing before so many requests have come, and this then."""

    def waiting(connection: socket.socket, asked: Asked) -> None:
        service.wait_for(waiting, times)
        act(connection, asked)

    return waiting


@contextlib.contextmanager
def scripted_service(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedService]:
    """The service, on a port of its own, until the block ends.

    acts: what it does to requests in turn, again and again; without any it answers well
    tls: what it speaks TLS by
    """
    service = ScriptedService(then=cycle(acts or [answer]), tls=tls)
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        service.ended.set()
        service.shutdown()
        thread.join(timeout=60)
        service.server_close()
