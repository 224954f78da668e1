"""The image that a client sends, in whichever of the forms it comes, read within limits and never onto a disk."""

from __future__ import annotations

import asyncio
import base64
import binascii
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from teppr.serving.declined import Declined
from teppr.serving.queue import Priority
from teppr.serving.refusals import sentence_of

IMAGE_FIELD = "image"
MAX_NAME_LENGTH = 200
MAX_FIELDS = 8
MAX_FIELD_BYTES = 4096
MIB = 1024 * 1024
MOST_TIMEOUT_S = 3600
FORMS = "multipart/form-data with a file 'image', an image itself (image/*), or application/json"


class BatchOptions(BaseModel):
    """What may be asked beside images: in the query, in form fields, or in the JSON document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: str | None = Field(
        None, max_length=MAX_NAME_LENGTH, description="The model, <org>-<problem>-<release>; default: the first."
    )
    score_threshold: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="Leave out what scores lower; default: the model's own."
    )
    priority: Priority | None = Field(
        None,
        description="interactive: somebody waits, the default of a single image that is answered at once; "
        "bulk: when the models have time, the default of batches and of predictq.",
    )
    timeout_s: float | None = Field(
        None, gt=0, le=MOST_TIMEOUT_S, description="Deadline in seconds; answered later than that is not at all (504)."
    )


class Options(BatchOptions):
    """The same for a single image."""

    filename: Annotated[str | None, Field(description="Key of the answer, where the upload has no file name.")] = None


AskedT = TypeVar("AskedT", bound=BatchOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """How much, and how long, the service reads.

    max_bytes: of the whole body, in whichever form
    timeout_s: from the first byte of the body to the last
    max_images: of a batch
    """

    max_bytes: int
    timeout_s: float
    max_images: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An image as it came: `name` is a label that is safe to show, never a path to open."""

    data: bytes
    name: str
    options: BatchOptions


def options_of(asked: AskedT, fields: Mapping[str, Any]) -> AskedT:
    """The options with those of the fields over them; raises Declined 422 where one is unknown or wrong."""
    try:
        return type(asked).model_validate({**asked.model_dump(exclude_none=True), **fields})
    except ValidationError as error:
        known = ", ".join(sorted([IMAGE_FIELD, *type(asked).model_fields]))
        problems = sentence_of([dict(problem) for problem in error.errors()])
        raise Declined(422, "invalid", f"{problems}; known: {known}") from error


async def read_upload(request: Request, limits: UploadLimits, asked: Options) -> Upload:
    """Read the request's body; `asked` is what the query said, over which fields of the body go.

    Raises Declined: 400 for a body that breaks its own form, 408 too slow, 413 too large, 415 another content type,
    422 fields that are missing or wrong.
    """
    kind = _kind_of(request)
    async with _in_time(limits):
        if kind == "multipart/form-data":
            return await _from_form(request, limits, asked)
        if kind == "application/json":
            return _from_json(await _body(request, limits), asked)
        if not kind or kind == "application/octet-stream" or kind.startswith("image/"):
            return Upload(data=await _body(request, limits), name=clean_name(asked.filename), options=asked)
    raise Declined(415, "unsupported-type", f"cannot take {kind[:80]!r}; send {FORMS}")


async def read_uploads(request: Request, limits: UploadLimits, asked: BatchOptions) -> list[Upload]:
    """Read a form of several images, whose names are made to differ; raises Declined as `read_upload` does."""
    kind = _kind_of(request)
    if kind != "multipart/form-data":
        raise Declined(
            415, "unsupported-type", f"cannot take {kind[:80]!r}; send multipart/form-data with files 'image'"
        )
    async with _in_time(limits), _form(request, limits, limits.max_images) as form:
        images = _images_of(form)
        options = options_of(asked, _fields_of(form))
        names = distinct([clean_name(image.filename) for image in images])
        return [
            Upload(data=await image.read(), name=name, options=options)
            for image, name in zip(images, names, strict=True)
        ]


async def read_body(request: Request, limits: UploadLimits) -> bytes:
    """The body as it comes; raises Declined 408 too slow, 413 too large."""
    async with _in_time(limits):
        return await _body(request, limits)


def distinct(names: Sequence[str]) -> list[str]:
    """The same names, of those that are there several times all but the first with a number: "a.png", "a (2).png"."""
    taken = set(names)
    seen: set[str] = set()
    found = []
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        numbered = (f"{stem} ({i}){dot}{suffix}" if stem else f"{name} ({i})" for i in count(2))
        free = name if name not in seen else next(other for other in numbered if other not in taken)
        taken.add(free)
        seen.add(free)
        found.append(free)
    return found


def clean_name(given: str | None) -> str:
    """A file name as a key: without folders, control and layout characters, of bounded length; "image" if none."""
    last = (given or "").replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if not unicodedata.category(c).startswith("C")).strip()
    return IMAGE_FIELD if shown in {"", ".", ".."} else shown[-MAX_NAME_LENGTH:]


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@asynccontextmanager
async def _in_time(limits: UploadLimits) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limits.timeout_s):
            yield
    except TimeoutError:
        raise Declined(
            408,
            "too-slow",
            f"the image was not here within {limits.timeout_s:g} s (setting upload_timeout_s)",
            unread=True,
        ) from None


async def _within(request: Request, limits: UploadLimits) -> AsyncGenerator[bytes]:
    """The body in pieces; stops as soon as it is larger than allowed, or says that it will be."""
    refusal = Declined(
        413,
        "too-large",
        f"the upload is larger than {limits.max_bytes / MIB:g} MiB, the limit of this service (setting max_upload_mib)",
        unread=True,
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limits.max_bytes:
        raise refusal
    read = 0
    async for piece in request.stream():
        read += len(piece)
        if read > limits.max_bytes:
            raise refusal
        yield piece


async def _body(request: Request, limits: UploadLimits) -> bytes:
    return b"".join([piece async for piece in _within(request, limits)])


async def _from_form(request: Request, limits: UploadLimits, asked: Options) -> Upload:
    async with _form(request, limits, 1) as form:
        (image,) = _images_of(form)
        options = options_of(asked, _fields_of(form))
        return Upload(data=await image.read(), name=clean_name(options.filename or image.filename), options=options)


@asynccontextmanager
async def _form(request: Request, limits: UploadLimits, max_files: int) -> AsyncIterator[FormData]:
    parser = MultiPartParser(
        Headers({"content-type": request.headers["content-type"]}),
        _within(request, limits),
        max_files=max_files,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    parser.spool_max_size = limits.max_bytes + 1  # what fits the limit stays in memory
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Declined(400, "bad-multipart", f"the multipart body is broken: {error.message}") from error
    except (LookupError, UnicodeError) as error:
        raise Declined(400, "bad-multipart", f"the multipart body has an unknown charset: {error}") from error
    try:
        yield form
    finally:
        await form.close()


def _images_of(form: FormData) -> list[UploadFile]:
    """The files of the field 'image', at least one."""
    given = form.getlist(IMAGE_FIELD)
    images = [image for image in given if isinstance(image, UploadFile)]
    if not images or len(images) < len(given):
        got = ", ".join(sorted({str(name)[:40] for name in form})) or "none"
        raise Declined(
            422,
            "no-image",
            f"the form needs a file in the field 'image', got the fields: {got}; with curl: -F image=@photo.jpg",
        )
    return images


def _fields_of(form: FormData) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name != IMAGE_FIELD}


def _from_json(body: bytes, asked: Options) -> Upload:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Declined(400, "bad-json", f"the body is not JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get(IMAGE_FIELD), str):
        raise Declined(422, "no-image", "the JSON document needs a key 'image' with the image's bytes in base64")
    options = options_of(asked, {name: value for name, value in document.items() if name != IMAGE_FIELD})
    return Upload(data=_from_base64(document[IMAGE_FIELD]), name=clean_name(options.filename), options=options)


def _from_base64(text: str) -> bytes:
    # Browsers write "data:image/png;base64," before it.
    encoded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Declined(400, "bad-base64", f"'image' is not base64: {error}") from error
