"""Where a web listens."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from teppr.errors import BadInput, Missing

BACKLOG = 2048
PORT_ERRORS = {errno.EADDRINUSE: "another process listens there", errno.EACCES: "this user may not listen there"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen; port 0 = any free one."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def listen(address: Address) -> socket.socket:
    """A socket that listens on the address; raises Missing where the port is taken, BadInput for no address."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise BadInput(f"cannot listen on host {address.host!r}: {error}") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(where)
        bound.listen(BACKLOG)  # who connects while the web starts waits, and is not turned away
    except OSError as error:
        bound.close()
        reason = PORT_ERRORS.get(error.errno or 0, error.strerror or str(error))
        raise Missing(
            f"cannot listen on {address.host} port {address.port}: {reason}; choose another with --port, "
            "0 for any free one"
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """The address of a bound socket for people and clients to open."""
    host, port = bound.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
