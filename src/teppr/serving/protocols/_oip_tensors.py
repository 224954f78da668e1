"""Tensors of the Open Inference Protocol: as JSON, or as bytes behind the JSON (the binary tensor data extension)."""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from teppr.serving.declined import Declined
from teppr.serving.refusals import sentence_of
from teppr.serving.upload import MOST_TIMEOUT_S

INPUT = "image"
CHANNELS = 3
_FORMATS: Mapping[str, str] = {"FP32": "f", "INT64": "q"}
_OPEN = ConfigDict(frozen=True, extra="ignore")


class Parameters(BaseModel):
    """What a request may say beside its tensors; others are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    binary_data_output: bool = Field(False, description="All outputs as bytes, where an output does not say.")
    score_threshold: float | None = Field(None, ge=0, le=1, allow_inf_nan=False, description="As in vision/v2.")
    priority: int = Field(0, ge=0, description="0 and 1: somebody waits; above: bulk.")
    timeout: int | None = Field(None, gt=0, le=MOST_TIMEOUT_S * 1_000_000, description="Deadline in microseconds.")


class InputParameters(BaseModel):
    """How an input comes."""

    model_config = _OPEN

    binary_data_size: int | None = Field(None, ge=0, description="Bytes behind the JSON that are this tensor's.")


class Input(BaseModel):
    """The image: an encoded file, or pixels."""

    model_config = _OPEN

    name: Literal["image"]
    shape: tuple[int, ...] = Field(description="[1] for BYTES; [height, width, 3] for UINT8.")
    datatype: Literal["BYTES", "UINT8"] = Field(description="BYTES: a file such as JPEG; UINT8: pixels in RGB.")
    parameters: InputParameters = InputParameters()
    data: Any = Field(None, description="Without bytes: the file in base64, or the pixels' values in rows.")


class OutputParameters(BaseModel):
    """How an output is wanted."""

    model_config = _OPEN

    binary_data: bool | None = None


class WantedOutput(BaseModel):
    """An output that is wanted."""

    model_config = _OPEN

    name: str
    parameters: OutputParameters = OutputParameters()


class InferRequest(BaseModel):
    """What is asked."""

    model_config = _OPEN

    id: str = Field("", max_length=200, description="Comes back in the answer.")
    parameters: Parameters = Parameters()
    inputs: tuple[Input, ...] = Field(min_length=1, max_length=1)
    outputs: tuple[WantedOutput, ...] = Field((), description="All of them where none is named.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of an answer; values: flat, row by row."""

    name: str
    datatype: str
    shape: Sequence[int]
    values: Sequence[Any]


def read_request(body: bytes, header_bytes: int | None) -> tuple[InferRequest, bytes]:
    """The request and its image as the bytes of a file.

    header_bytes: the header Inference-Header-Content-Length: how much of the body is JSON, all of it without
    Raises Declined 400.
    """
    length = len(body) if header_bytes is None else header_bytes
    if length > len(body):
        raise _bad(f"Inference-Header-Content-Length is {length}, and the body has {len(body)} bytes")
    try:
        request = InferRequest.model_validate(orjson.loads(body[:length]))
    except orjson.JSONDecodeError as error:
        raise Declined(400, "bad-json", f"the body is not JSON: {error}") from error
    except ValidationError as error:
        raise _bad(sentence_of([dict(problem) for problem in error.errors()])) from error
    (tensor,) = request.inputs
    size = tensor.parameters.binary_data_size
    behind = memoryview(body)[length:]
    if (size or 0) != len(behind):
        raise _bad(f"{len(behind)} bytes are behind the JSON, and the input's binary_data_size is {size}")
    read = _file if tensor.datatype == "BYTES" else _pixels
    return request, read(tensor, None if size is None else behind)


def write_answer(
    head: Mapping[str, Any], tensors: Iterable[Tensor], request: InferRequest
) -> tuple[bytes, Mapping[str, str]]:
    """The body and the headers of an answer with those tensors that are wanted, as they are wanted."""
    known = {tensor.name: tensor for tensor in tensors}
    wanted = request.outputs or tuple(WantedOutput(name=name) for name in known)
    outputs, pieces = [], []
    for output in wanted:
        if output.name not in known:
            raise _bad(f"there is no output {output.name[:80]!r}; known: {', '.join(known)}")
        tensor = known[output.name]
        described: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        as_bytes = output.parameters.binary_data
        if request.parameters.binary_data_output if as_bytes is None else as_bytes:
            pieces.append(_packed(tensor))
            described["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            described["data"] = tensor.values
        outputs.append(described)
    document = orjson.dumps({**head, **({"id": request.id} if request.id else {}), "outputs": outputs})
    if not pieces:
        return document, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(document))}
    return b"".join([document, *pieces]), headers


def _file(tensor: Input, behind: memoryview | None) -> bytes:
    """An encoded image; of bytes the first four say how many follow."""
    if math.prod(tensor.shape) != 1 or not tensor.shape:
        raise _bad(f"an image of datatype BYTES has shape [1], got {list(tensor.shape)}; send one image a request")
    if behind is None:
        text = tensor.data[0] if isinstance(tensor.data, list) and len(tensor.data) == 1 else None
        if not isinstance(text, str):
            raise _bad("'data' of an image of datatype BYTES is a list of one text, the file in base64")
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Declined(400, "bad-base64", f"'data' is not base64: {error}") from error
    told = int.from_bytes(behind[:4], "little")
    if len(behind) < 4 or told != len(behind) - 4:
        raise _bad(f"an element of BYTES is its length in 4 bytes and as many bytes, got {told} for {len(behind)} - 4")
    return bytes(behind[4:])


def _pixels(tensor: Input, behind: memoryview | None) -> bytes:
    """Pixels as a file that holds them as they are (PPM)."""
    if len(tensor.shape) != 3 or tensor.shape[2] != CHANNELS or min(tensor.shape) < 1:
        raise _bad(f"pixels of datatype UINT8 have shape [height, width, 3], got {list(tensor.shape)}")
    height, width, _ = tensor.shape
    values = _values(tensor.data) if behind is None else behind
    if len(values) != height * width * CHANNELS:
        raise _bad(f"{height} x {width} pixels of 3 bytes are {height * width * CHANNELS} values, got {len(values)}")
    return b"".join([b"P6\n%d %d\n255\n" % (width, height), values])


def _values(data: object) -> bytes:
    try:
        while isinstance(data, list) and data and isinstance(data[0], list):
            data = list(chain.from_iterable(data))
        if isinstance(data, list):
            return bytes(data)
    except (TypeError, ValueError) as error:
        raise _bad(f"'data' of datatype UINT8 is a list of whole numbers 0..255: {error}") from error
    raise _bad("the input has neither 'data' nor a binary_data_size")


def _packed(tensor: Tensor) -> bytes:
    if tensor.datatype == "BYTES":
        encoded = [text.encode() for text in tensor.values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)
    return struct.pack(f"<{len(tensor.values)}{_FORMATS[tensor.datatype]}", *tensor.values)


def _bad(why: str) -> Declined:
    return Declined(400, "bad-tensor", why)
