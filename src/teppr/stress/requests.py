"""Requests as bytes, made once: while it is measured nothing is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from teppr import __version__
from teppr.stress.pictures import Picture
from teppr.stress.plan import Plan, Target

BOUNDARY = "teppr-stress-6f1d0c5e9a7b4c28"


@dataclass(frozen=True, slots=True)
class Request:
    """Head and body of one request; many requests share a body."""

    head: bytes
    body: bytes


def requests_to(target: Target, plan: Plan, bodies: Sequence[bytes]) -> list[Request]:
    """One for each image and each model, the models in turn."""
    queries = [_query(target, plan, model) for model in plan.models or ("",)]
    return [Request(_head(target, query, len(body), plan.key), body) for body in bodies for query in queries]


def body_of(picture: Picture) -> bytes:
    """The multipart form with the field `image`."""
    name = "".join("_" if letter in '"\\' or ord(letter) < ord(" ") else letter for letter in picture.name)
    begin = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="image"; filename="{name}"\r\n'
        f"Content-Type: {picture.media_type}\r\n\r\n"
    )
    return begin.encode("utf-8", "replace") + picture.content + f"\r\n--{BOUNDARY}--\r\n".encode()


def _query(target: Target, plan: Plan, model: str) -> str:
    named = {name for name, _ in parse_qsl(target.query, keep_blank_values=True)}
    wanted = {"q": model, "priority": plan.priority or ""}
    added = urlencode({name: value for name, value in wanted.items() if value and name not in named})
    return "&".join(part for part in (target.query, added) if part)


def _head(target: Target, query: str, length: int, key: str) -> bytes:
    lines = [
        f"POST {target.path}{'?' + query if query else ''} HTTP/1.1",
        f"Host: {target.host_header}",
        f"User-Agent: teppr-stress/{__version__}",
        "Accept: application/json",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {length}",
    ]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
