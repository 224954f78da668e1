"""Requests, built whole before the first of them is sent: what is asked again is the same to the byte."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypedDict
from urllib.parse import quote, urlencode
from uuid import uuid4

from teppr.client.picture import Picture
from teppr.errors import BadInput

API = "/api/vision/v2"
REQUEST_ID = "x-request-id"

Shapes: TypeAlias = Literal["any", "box", "polygon", "lane", "class"]
"""any: those that the model finds."""
Priority: TypeAlias = Literal["interactive", "bulk"]
"""interactive: somebody waits; bulk: when the models have time."""

PATHS: Mapping[str, str] = {
    "any": "/predict",
    "box": "/predict/bbox",
    "polygon": "/predict/polygon",
    "lane": "/predict/lane",
    "class": "/predict/class",
}


class How(TypedDict, total=False):
    """What may be said beside the image; the service's own defaults hold for what is left out.

    model: a key, an alias, or <org>-<problem>
    score_threshold: 0 to 1; regions that score lower are left out
    shapes: those that the regions shall have; for jobs and batches "any"
    timeout_s: after it there is an error and no answer; the service is told too, and computes nothing later than that
    filename: the answer's, where it is not the file's own
    """

    model: str
    score_threshold: float
    shapes: Shapes
    priority: Priority
    timeout_s: float
    filename: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request without its address; `about` is what messages call it.

    request_id: kept however often it is asked, by which the service knows that it is the same request
    """

    method: Literal["GET", "POST"]
    path: str
    about: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    request_id: str = field(default_factory=lambda: uuid4().hex)


def predict(picture: Picture, how: How) -> Call:
    """One image, to be answered at once."""
    shapes = how.get("shapes", "any")
    if shapes not in PATHS:
        raise BadInput(f"shapes must be one of {', '.join(PATHS)}, got {shapes!r}")
    return _with_image(PATHS[shapes], picture, how)


def submit(picture: Picture, how: How) -> Call:
    """One image, to be answered later."""
    _any_shapes("a job", how)
    return _with_image("/predictq", picture, how)


def batch(pictures: Sequence[Picture], how: How) -> Call:
    """Many images in one request, with names as `unlike_names` makes them."""
    _any_shapes("a batch", how)
    boundary = uuid4().hex
    body = bytearray()
    for picture in pictures:
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{picture.name}"\r\n'
            f"Content-Type: {picture.media_type}\r\n\r\n"
        ).encode()
        body += picture.data
        body += b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return Call(
        method="POST",
        path=_path("/predict/batch", how),
        about=f"a batch of {len(pictures)} images",
        headers={"content-type": f"multipart/form-data; boundary={boundary}"},
        body=bytes(body),
    )


def check(how: Mapping[str, object], *, many: bool = False) -> None:
    """Raises BadInput for a word that `How` does not have, and for one name given to many images."""
    if unknown := how.keys() - How.__annotations__.keys():
        raise BadInput(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(How.__annotations__)}")
    if many and "filename" in how:
        raise BadInput("many images have a file name each: leave filename out")


def keeps(on_failure: str) -> bool:
    """Whether errors are given in the place of answers; raises BadInput for what is neither "raise" nor "keep"."""
    if on_failure not in {"raise", "keep"}:
        raise BadInput(f"on_failure must be 'raise' or 'keep', got {on_failure!r}")
    return on_failure == "keep"


def job(job_id: str) -> Call:
    """What has become of a job."""
    return Call(method="GET", path=f"{API}/predictq/{quote(job_id, safe='')}", about=f"job {job_id}")


def models() -> Call:
    """The models that are served."""
    return Call(method="GET", path=f"{API}/models", about="the models")


def ready() -> Call:
    """Whether the service would answer."""
    return Call(method="GET", path="/readyz", about="readiness")


def _with_image(path: str, picture: Picture, how: How) -> Call:
    return Call(
        method="POST",
        path=_path(path, how, filename=picture.name),
        about=picture.name,
        headers={"content-type": picture.media_type},
        body=picture.data,
    )


def _path(path: str, how: How, **more: str) -> str:
    said: dict[str, object] = {
        "q": how.get("model"),
        "score_threshold": how.get("score_threshold"),
        "priority": how.get("priority"),
        "timeout_s": how.get("timeout_s"),
        **more,
    }
    query = urlencode({name: value for name, value in said.items() if value is not None}, errors="replace")
    return f"{API}{path}?{query}" if query else f"{API}{path}"


def _any_shapes(what: str, how: How) -> None:
    if how.get("shapes", "any") != "any":
        raise BadInput(
            f"{what} is answered in the shapes that the model finds, got shapes={how['shapes']!r}: leave it out"
        )
