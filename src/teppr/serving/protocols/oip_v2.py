"""`/v2`: the Open Inference Protocol, version 2, over HTTP, so that clients such as tritonclient work as they are."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Header, Path
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from teppr import __version__
from teppr.errors import UnknownName
from teppr.serving.attendance import while_attended
from teppr.serving.declined import Declined
from teppr.serving.dispatch import Sender
from teppr.serving.openapi import schema_of
from teppr.serving.protocols._oip_tensors import INPUT, InferRequest, Tensor, read_request, write_answer
from teppr.serving.protocols._vision_answers import boxes_of
from teppr.serving.protocols.contract import Api, Service
from teppr.serving.queue import Priority
from teppr.serving.security import REFUSALS, needs
from teppr.serving.sender import sender_of
from teppr.serving.tasks import Ask, Found
from teppr.serving.upload import read_body
from teppr.types import ModelCard, Release

NAME, PREFIX = "oip/v2", "/v2"
PLATFORM = "onnxruntime_onnx"
MICROSECONDS = 1_000_000

Name: TypeAlias = Annotated[str, Path(description="A model's key or alias.", max_length=200)]
Version: TypeAlias = Annotated[str, Path(description="The model's release, the last part of its key.", max_length=200)]
HeaderBytes: TypeAlias = Annotated[
    int | None,
    Header(
        alias="Inference-Header-Content-Length", ge=0, description="How much of the body is JSON; without: all of it."
    ),
]


class OipFailure(BaseModel):
    """What this protocol says when it does not answer."""

    error: str = Field(description="A sentence for people, with the values.")


class Live(BaseModel):
    """A sign of life."""

    live: bool


class Ready(BaseModel):
    """Whether models answer."""

    ready: bool


class ServerMetadata(BaseModel):
    """What serves."""

    name: str
    version: str
    extensions: list[str]


class ModelReady(Ready):
    """Whether a model answers."""

    name: str


class TensorMetadata(BaseModel):
    """A tensor of a model; -1 in the shape = as many as there are."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """A model that is served."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


INPUTS = [TensorMetadata(name=INPUT, datatype="BYTES", shape=[1])]
OUTPUTS = [
    TensorMetadata(name="boxes", datatype="FP32", shape=[-1, 4]),
    TensorMetadata(name="scores", datatype="FP32", shape=[-1]),
    TensorMetadata(name="labels", datatype="INT64", shape=[-1]),
    TensorMetadata(name="label_names", datatype="BYTES", shape=[-1]),
]


class OutputTensor(TensorMetadata):
    """A tensor of an answer: with its data, or as so many bytes behind the JSON."""

    data: list[Any] | None = None
    parameters: dict[str, int] | None = None


class InferAnswer(BaseModel):
    """What was found."""

    model_name: str
    model_version: str
    id: str = ""
    outputs: list[OutputTensor]


def routes(service: Service) -> APIRouter:
    """The routes of this API for a service."""
    router = APIRouter(tags=[NAME])
    _add_health(router, service)
    refusals = _failures(*map(int, REFUSALS))
    asking = APIRouter(tags=[NAME], dependencies=[needs("client")], responses=refusals)
    _add_models(asking, service)
    _add_infer(asking, service)
    router.include_router(asking)
    return router


def _add_health(router: APIRouter, service: Service) -> None:
    @router.get("/health/live", summary="Whether the process answers")
    async def oip_live() -> Live:
        return Live(live=True)

    @router.get("/health/ready", summary="Whether models answer", responses=_failures(503))
    async def oip_ready() -> Ready:
        service.dispatcher.find(None)
        return Ready(ready=True)

    @router.get("", summary="What serves")
    async def oip_server() -> ServerMetadata:
        return ServerMetadata(name="teppr", version=__version__, extensions=["binary_tensor_data"])


def _add_models(router: APIRouter, service: Service) -> None:
    failures = _failures(404, 422, 503)

    @router.get("/models/{name}", summary="A model's inputs and outputs", responses=failures)
    async def oip_model(name: Name) -> ModelMetadata:
        return _metadata(_find(service, name))

    @router.get("/models/{name}/versions/{version}", summary="A version's inputs and outputs", responses=failures)
    async def oip_model_version(name: Name, version: Version) -> ModelMetadata:
        return _metadata(_find(service, name, version))

    @router.get("/models/{name}/ready", summary="Whether a model answers", responses=failures)
    async def oip_model_ready(name: Name) -> ModelReady:
        return ModelReady(name=_find(service, name).key, ready=True)

    @router.get("/models/{name}/versions/{version}/ready", summary="Whether a version answers", responses=failures)
    async def oip_version_ready(name: Name, version: Version) -> ModelReady:
        return ModelReady(name=_find(service, name, version).key, ready=True)


def _add_infer(router: APIRouter, service: Service) -> None:
    about: dict[str, Any] = {
        "response_model": InferAnswer,
        "response_model_exclude_none": True,
        "responses": _failures(400, 404, 408, 409, 413, 415, 422, 429, 503, 504),
        "openapi_extra": BODY,
    }

    @router.post("/models/{name}/infer", summary="Find objects in an image", **about)
    async def oip_infer(request: Request, name: Name, header_bytes: HeaderBytes = None) -> Response:
        return await _infer(service, request, header_bytes, name)

    @router.post("/models/{name}/versions/{version}/infer", summary="Find objects by a version", **about)
    async def oip_infer_version(
        request: Request, name: Name, version: Version, header_bytes: HeaderBytes = None
    ) -> Response:
        return await _infer(service, request, header_bytes, name, version)


async def _infer(
    service: Service, request: Request, header_bytes: int | None, name: str, version: str | None = None
) -> Response:
    dispatcher = service.dispatcher
    if encoding := request.headers.get("content-encoding"):
        raise Declined(415, "unsupported-type", f"cannot take a body encoded as {encoding[:40]!r}; send it plain")
    with dispatcher.place():
        body = await read_body(request, service.upload_limits)
        asked, image = read_request(body, header_bytes)
        card = _find(service, name, version)
        request.state.model = card.key
        threshold_0_1 = dispatcher.threshold_0_1(card, asked.parameters.score_threshold)
        ask = Ask(key=card.key, name=INPUT, threshold_0_1=threshold_0_1, outlines=False)
        sender = _sender(request, asked, f"{name} {version} {asked.parameters.score_threshold}")
        answered = await while_attended(request, dispatcher.predict(ask, image, sender))
    head = {"model_name": answered.card.key, "model_version": _version_of(answered.card)}
    content, headers = write_answer(head, _outputs(answered.card, answered.found), asked)
    return Response(content, headers=dict(headers))


def _sender(request: Request, asked: InferRequest, words: str) -> Sender:
    timeout = asked.parameters.timeout
    priority = Priority.BULK if asked.parameters.priority > 1 else Priority.INTERACTIVE
    return sender_of(request, words, priority, None if timeout is None else timeout / MICROSECONDS)


def _outputs(card: ModelCard, found: Found) -> list[Tensor]:
    boxes = boxes_of(card, found)
    n = len(boxes)
    values: dict[str, list[Any]] = {
        "boxes": list(chain.from_iterable(boxes)),
        "scores": list(found.scores_0_1),
        "labels": list(found.label_ids),
        "label_names": [card.labels[label_id].name for label_id in found.label_ids],
    }
    return [
        Tensor(name=out.name, datatype=out.datatype, shape=[n, *out.shape[1:]], values=values[out.name])
        for out in OUTPUTS
    ]


def _find(service: Service, name: str, version: str | None = None) -> ModelCard:
    card = service.dispatcher.find(name)
    if version is not None and version != _version_of(card):
        raise UnknownName.of("version", version, [_version_of(card)])
    return card


def _version_of(card: ModelCard) -> str:
    return Release.parse(card.key).release


def _metadata(card: ModelCard) -> ModelMetadata:
    return ModelMetadata(name=card.key, versions=[_version_of(card)], platform=PLATFORM, inputs=INPUTS, outputs=OUTPUTS)


def _failure(says: str) -> dict[str, object]:
    return OipFailure(error=says).model_dump()


def _failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": OipFailure} for status in statuses}


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schema_of(InferRequest)},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
PLUGIN = Api(name=NAME, prefix=PREFIX, routes=routes, failure=_failure)
