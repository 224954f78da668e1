"""A service of a few lines that does to each request what a test says: answers it, refuses it, or lets it down."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle


def _answer(status: str, body: str, *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n{body}".encode()


WHOLE = {
    "answer": _answer("200 OK", '{"result": {}}'),
    "accepted": _answer("202 Accepted", '{"id": "1"}'),
    "busy": _answer("503 Service Unavailable", '{"detail": "the queue is full"}', "Retry-After: 0"),
    "busy for long": _answer("503 Service Unavailable", '{"detail": "the queue is full"}', "Retry-After: 1000"),
    "quota": _answer("429 Too Many Requests", '{"detail": "over the rate"}'),
    "fault": _answer("500 Internal Server Error", '{"detail": "it failed here"}'),
    "late": _answer("504 Gateway Timeout", "no JSON at all"),
    "no key": _answer("401 Unauthorized", '{"detail": "give a key"}'),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + _answer("200 OK", "{}"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "last": _answer("200 OK", "{}", "Connection: close"),
}
"""Answers that leave the connection open, but for "last"."""
BROKEN = {
    "cut off": _answer("200 OK", '{"result": {}}')[:-4],
    "garbage": b"SSH-2.0-what\r\n\r\n",
    "closed": b"",
}
"""What is sent before the connection is closed."""


@dataclass
class RawService:
    """What came to the service: each request with what was done to it, and how many connections.

    wait_for: nobody is answered before so many requests have come
    hung: to wait, from another thread, until a request hangs
    """

    does: Iterator[str]
    wait_for: int = 0
    url: str = ""
    done: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    all_came: asyncio.Event = field(default_factory=asyncio.Event)
    hung: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends."""
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client has what it wanted, or the test has
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))
        what = next(self.does)
        self.done[what] += 1
        if len(self.requests) >= self.wait_for:
            self.all_came.set()
        await self.all_came.wait()
        if what == "hang":
            self.hung.release()
            await reader.read()
        elif what == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            writer.write(WHOLE.get(what, BROKEN.get(what, b"")))
            await writer.drain()
        return what in WHOLE and what != "last"


@contextmanager
def raw_service(*does: str, wait_for: int = 0) -> Iterator[RawService]:
    """Serve until the block ends, and do `does` to requests in turn: words of `WHOLE`, `BROKEN`, "hang" or "reset".

    wait_for: nobody is answered before so many requests have come
    """
    service = RawService(cycle(does), wait_for)
    ready, ended = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
        service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def work() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
