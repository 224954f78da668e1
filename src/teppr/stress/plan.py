"""What is asked of whom, how hard and for how long."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from teppr.errors import BadInput

PREDICT = "/api/vision/v2/predict"
PORTS = {"http": 80, "https": 443}
Arrivals = Literal["poisson", "even"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One address that is asked.

    url: as it was given, which is what reports call it, with its scheme
    path, query: of the route; the query without its question mark
    """

    url: str
    host: str
    port: int
    tls: bool
    path: str
    query: str

    @property
    def host_header(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stretch of even load on every target: so many clients in a closed loop, or so many requests a second.

    Exactly one of `clients` and `rate_per_s` is given.
    """

    seconds: float
    clients: int | None = None
    rate_per_s: float | None = None
    arrivals: Arrivals = "poisson"

    @property
    def name(self) -> str:
        """As reports call it: "8 clients", "50 requests/s"."""
        if self.clients is not None:
            return f"{self.clients} client{'' if self.clients == 1 else 's'}"
        return f"{self.rate_per_s:g} request{'' if self.rate_per_s == 1 else 's'}/s"

    @property
    def level(self) -> float:
        """The load as a number: clients, or requests a second."""
        return float(self.clients if self.clients is not None else self.rate_per_s or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole of a test.

    stages: of the load, in their order
    warm_up_s: of the first stage's load before it, not counted
    timeout_s: after which a request that is not answered has failed, counted from when it was due
    models: asked for in turn (`q`) at targets whose own query names none; empty = the service's default
    key: the API key; it is never written anywhere
    """

    targets: tuple[Target, ...]
    stages: tuple[Stage, ...]
    warm_up_s: float = 0.0
    timeout_s: float = 30.0
    models: tuple[str, ...] = ()
    priority: str | None = None
    key: str = field(default="", repr=False)
    honours_retry_after: bool = True
    processes: int = 1

    @property
    def is_open_loop(self) -> bool:
        """Whether requests come at times of their own rather than when the last was answered."""
        return self.stages[0].rate_per_s is not None


def target_of(url: str, path: str = PREDICT) -> Target:
    """Read an address; `path` is the route where the address has none of its own. Raises BadInput."""
    if not url.isascii() or any(letter <= " " for letter in url + path) or not path.isascii():
        raise BadInput(f"an address has no spaces and no letters beyond ASCII (percent-encode them), got {url!r}")
    url = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise BadInput(f"not an address: {url!r}: {error}") from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadInput(f"an address is http://HOST:PORT or https://HOST:PORT, got {url!r}")
    return Target(
        url=url,
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=parts.scheme == "https",
        path=_route(parts, path),
        query=parts.query,
    )


def closed_stages(clients: str, seconds: float) -> tuple[Stage, ...]:
    """Stages of "1,8,32" clients; raises BadInput."""
    numbers = _numbers("--clients", clients)
    if any(number != int(number) for number in numbers):
        raise BadInput(f"--clients must be whole numbers, got {clients!r}")
    return tuple(Stage(seconds=seconds, clients=int(number)) for number in numbers)


def open_stages(rates: str, seconds: float, arrivals: Arrivals) -> tuple[Stage, ...]:
    """Stages of "10,50,100" requests a second; raises BadInput."""
    return tuple(Stage(seconds=seconds, rate_per_s=number, arrivals=arrivals) for number in _numbers("--rate", rates))


def _route(parts: SplitResult, path: str) -> str:
    return parts.path if parts.path.strip("/") else f"/{path.lstrip('/')}"


def _numbers(option: str, text: str) -> Sequence[float]:
    words = text.split(",")
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if not numbers or not all(number > 0 and math.isfinite(number) for number in numbers):
        raise BadInput(f"{option} must be numbers above 0 with commas between them, as 1,8,32; got {text!r}")
    return numbers
