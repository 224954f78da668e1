"""`/api/vision/v2`: predictions as VIA regions, field for field what clients of older systems know."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias
from uuid import uuid4

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from teppr import __version__
from teppr.errors import UnknownName
from teppr.regions import regions
from teppr.serving.dispatch import ANY_NUMBER, Dispatcher, Sender
from teppr.serving.messages import Answer, Failure, ModelFacts, Models, Route, Specification, model_facts
from teppr.serving.protocols.contract import Api, Service
from teppr.serving.refusals import request_id_of
from teppr.serving.security import REFUSALS, Caller, needs
from teppr.serving.tasks import Ask, Found
from teppr.serving.upload import Options, Upload, read_upload
from teppr.types import ModelCard

Wanted: TypeAlias = Literal["any", "box", "polygon"]
"""any: outlines where the model finds them; polygon: outlines, and where there is none the box as four corners."""
Region: TypeAlias = dict[str, Any]

NAME = "vision/v2"
PREFIX = f"/api/{NAME}"
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in (
        (400, "Not an image, or a body that breaks its own form"),
        (404, "There is no such model"),
        (408, "The upload took too long"),
        (409, "The X-Request-Id was another request's"),
        (413, "Too many bytes or pixels"),
        (415, "A type of content that is not taken"),
        (422, "A field is missing or wrong"),
        (429, "More requests than this client may send or have waiting; see Retry-After"),
        (503, "Too many requests at a time, or no model ready; see Retry-After"),
        (504, "The deadline passed"),
    )
}
_OPTIONS = Options.model_json_schema(ref_template="#/components/schemas/{model}")["properties"]
IMAGE = {"type": "string", "format": "binary", "description": "The image's file."}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": IMAGE, **_OPTIONS},
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "string", "format": "byte", "description": "The image's bytes in base64."},
                        **_OPTIONS,
                    },
                }
            },
            "image/*": {"schema": IMAGE},
            "application/octet-stream": {"schema": IMAGE},
        },
    }
}
"""The forms of a request, for OpenAPI: bodies are read by `upload`, as they come."""


def routes(service: Service) -> APIRouter:
    """The routes of this API for a service."""
    router = APIRouter(tags=[NAME], dependencies=[needs("client")], responses=dict(REFUSALS))
    _add_facts(router, service)
    _add_predict(router, service, "/predict", "any", "Find objects, in the shapes that the model finds")
    _add_predict(router, service, "/predict/bbox", "box", "Find objects as boxes")
    _add_predict(router, service, "/predict/polygon", "polygon", "Find objects as outlines")
    return router


def _add_facts(router: APIRouter, service: Service) -> None:
    dispatcher = service.dispatcher

    @router.get("", include_in_schema=False)
    @router.get("/", summary="What this API offers")
    async def specification() -> Specification:
        limits = {
            "max_upload_bytes": service.upload_limits.max_bytes,
            "max_image_pixels": service.max_image_pixels,
            "max_requests": dispatcher.limits.max_requests,
            "upload_timeout_s": service.upload_limits.timeout_s,
        }
        return Specification(
            api=NAME,
            version=__version__,
            default_model=dispatcher.cards[0].key,
            models=[card.key for card in dispatcher.cards],
            routes=_routes_of(router),
            limits=limits,
            docs="/docs",
        )

    @router.get("/models", summary="The models that are served")
    async def models() -> Models:
        return Models(models=_facts(dispatcher))

    @router.get("/models/{name}", summary="The models of an organisation, a problem, or one", responses=_only(404, 422))
    async def models_of(
        name: Annotated[str, Path(description="<org>, <org>-<problem> or <org>-<problem>-<release>", max_length=200)],
    ) -> Models:
        found = [facts for facts in _facts(dispatcher) if facts.key == name or facts.key.startswith(f"{name}-")]
        if not found:
            raise UnknownName.of("model", name, [card.key for card in dispatcher.cards])
        return Models(models=found)


def _add_predict(router: APIRouter, service: Service, path: str, as_shapes: Wanted, summary: str) -> None:
    dispatcher = service.dispatcher

    @router.post(
        path,
        name=path.strip("/").replace("/", "_"),
        summary=summary,
        response_model=Answer,
        responses=FAILURES,
        openapi_extra=BODY,
    )
    async def predict(request: Request, asked: Annotated[Options, Query()]) -> Response:
        begun_at = time.perf_counter()
        with dispatcher.place():
            upload = await read_upload(request, service.upload_limits, asked)
            read_at = time.perf_counter()
            card = dispatcher.find(upload.options.q, request_id_of(request))
            threshold_0_1 = dispatcher.threshold_0_1(card, upload.options.score_threshold)
            ask = Ask(key=card.key, name=upload.name, threshold_0_1=threshold_0_1, outlines=as_shapes != "box")
            found = await dispatcher.predict(ask, upload.data, _sender(request, upload))
        entry = _entry(upload, found, card, as_shapes)
        timings_s = {"read": read_at - begun_at, **found.timings_s, "total": time.perf_counter() - begun_at}
        return _answer(card, upload.name, entry, timings_s)


def _sender(request: Request, upload: Upload) -> Sender:
    options = upload.options
    caller: Caller = request.state.caller
    return Sender(
        request_id=request_id_of(request),
        client=caller.name,
        priority=options.priority,
        timeout_s=options.timeout_s,
        max_waiting=caller.limits.max_waiting or ANY_NUMBER,
        requests_per_minute=caller.limits.requests_per_minute or 0,
    )


def _entry(upload: Upload, found: Found, card: ModelCard, as_shapes: Wanted) -> dict[str, Any]:
    width, height = found.size_wh
    labels = [card.labels[label_id] for label_id in found.label_ids]
    shaped = regions(found.boxes_xyxy_px, found.outlines_xy_px, found.scores_0_1, labels)
    return {
        "filename": upload.name,
        "size": len(upload.data),
        "file_attributes": {"width": width, "height": height, "uuid": uuid4().hex},
        "regions": [_as_polygon(region) for region in shaped] if as_shapes == "polygon" else shaped,
    }


def _as_polygon(region: Region) -> Region:
    shape = region["shape_attributes"]
    if shape["name"] != "rect":
        return region
    (x0, x1), (y0, y1) = (shape["x"], shape["x"] + shape["width"]), (shape["y"], shape["y"] + shape["height"])
    corners = {"name": "polygon", "all_points_x": [x0, x1, x1, x0], "all_points_y": [y0, y0, y1, y1]}
    return {**region, "shape_attributes": corners}


def _answer(card: ModelCard, name: str, entry: Mapping[str, Any], timings_s: Mapping[str, float]) -> Response:
    answer = {
        "api": NAME,
        "type": card.key,
        "dnnarch": card.architecture,
        "result": {name: entry},
        "status_code": 200,
        "timings": {step: round(spent, 6) for step, spent in timings_s.items()},
    }
    return Response(orjson.dumps(answer), media_type="application/json")


def _facts(dispatcher: Dispatcher) -> list[ModelFacts]:
    default = dispatcher.cards[0].key
    return [
        model_facts(card, default=card.key == default, score_threshold=dispatcher.threshold_0_1(card))
        for card in dispatcher.cards
    ]


def _only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: FAILURES[status] for status in statuses}


def _routes_of(router: APIRouter) -> list[Route]:
    return [
        Route(method=method, path=PREFIX + route.path, summary=route.summary or "")
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in sorted(route.methods or ())
    ]


PLUGIN = Api(name=NAME, prefix=PREFIX, routes=routes)
