"""`/api/vision/v2`: predictions as VIA regions, field for field what clients of older systems know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from teppr import __version__
from teppr.errors import UnknownName
from teppr.serving.attendance import while_attended
from teppr.serving.declined import Declined
from teppr.serving.direct import DirectRoute
from teppr.serving.dispatch import Dispatcher, Sender
from teppr.serving.messages import (
    Answer,
    BatchAnswer,
    ModelFacts,
    Models,
    Queued,
    Route,
    Specification,
    model_facts,
)  # fmt: skip
from teppr.serving.protocols._vision_answers import NAME, Wanted, answer_of, check_task, entry_of
from teppr.serving.protocols._vision_docs import BATCH_BODY, BODY, FAILURES, only
from teppr.serving.protocols.contract import Api, Service
from teppr.serving.queue import Priority
from teppr.serving.refusals import request_id_of
from teppr.serving.security import REFUSALS, needs
from teppr.serving.sender import sender_of
from teppr.serving.tasks import Ask
from teppr.serving.upload import BatchOptions, Options, Upload, read_upload, read_uploads
from teppr.types import ModelCard

Value = TypeVar("Value")

PREFIX = f"/api/{NAME}"
LOOK_AGAIN_S = 1
"""When it is worth while to ask for a queued answer again."""


def routes(service: Service) -> APIRouter:
    """The routes of this API for a service."""
    router = APIRouter(tags=[NAME], dependencies=[needs("client")], responses=dict(REFUSALS))
    _add_facts(router, service)
    _add_predict(router, service, "/predict", "any", "Find objects, in the shapes that the model finds")
    _add_predict(router, service, "/predict/bbox", "box", "Find objects as boxes")
    _add_predict(router, service, "/predict/polygon", "polygon", "Find objects as outlines")
    _add_predict(router, service, "/predict/lane", "lane", "Find lanes, as lines")
    _add_predict(router, service, "/predict/class", "class", "Name what the image as a whole shows")
    _add_batch(router, service)
    _add_queued(router, service)
    return router


def _add_facts(router: APIRouter, service: Service) -> None:
    dispatcher = service.dispatcher

    @router.get("", include_in_schema=False)
    @router.get("/", summary="What this API offers")
    async def specification() -> Specification:
        limits = {
            "max_upload_bytes": service.upload_limits.max_bytes,
            "max_image_pixels": service.max_image_pixels,
            "max_batch_images": service.upload_limits.max_images,
            "max_requests": dispatcher.limits.max_requests,
            "upload_timeout_s": service.upload_limits.timeout_s,
            "keep_results_s": dispatcher.limits.keep_results_s,
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

    @router.get("/models/{name}", summary="The models of an organisation, a problem, or one", responses=only(404, 422))
    async def models_of(
        name: Annotated[str, Path(description="<org>, <org>-<problem> or <org>-<problem>-<release>", max_length=200)],
    ) -> Models:
        found = [facts for facts in _facts(dispatcher) if facts.key == name or facts.key.startswith(f"{name}-")]
        if not found:
            raise UnknownName.of("model", name, [card.key for card in dispatcher.cards])
        return Models(models=found)


def _add_predict(router: APIRouter, service: Service, path: str, wanted: Wanted, summary: str) -> None:
    dispatcher = service.dispatcher

    async def predict(request: Request, asked: Annotated[Options, Query()]) -> Response:
        begun_at = time.perf_counter()
        with dispatcher.place():
            upload = await read_upload(request, service.upload_limits, asked)
            read_at = time.perf_counter()
            card = _model_for(request, dispatcher, upload.options, wanted)
            ask, sender = _ask(dispatcher, card, upload, wanted), _sender(request, upload, wanted)
            answered = await while_attended(request, dispatcher.predict(ask, upload.data, sender))
        entry = entry_of(answered.card, answered.found, sender.note)
        timings_s = {"read": read_at - begun_at, **answered.found.timings_s, "total": time.perf_counter() - begun_at}
        return answer_of(answered.card, {upload.name: entry}, timings_s)

    router.add_api_route(
        path,
        predict,
        methods=["POST"],
        route_class_override=DirectRoute,
        name=path.strip("/").replace("/", "_"),
        summary=summary,
        response_model=Answer,
        responses=FAILURES,
        openapi_extra=BODY,
    )


def _add_batch(router: APIRouter, service: Service) -> None:
    dispatcher = service.dispatcher

    @router.post(
        "/predict/batch",
        summary="Find objects in several images, each for itself",
        response_model=BatchAnswer,
        responses=FAILURES,
        openapi_extra=BATCH_BODY,
    )
    async def predict_batch(request: Request, asked: Annotated[BatchOptions, Query()]) -> Response:
        begun_at = time.perf_counter()
        with dispatcher.place():
            uploads = await read_uploads(request, service.upload_limits, asked)
            read_at = time.perf_counter()
            card = _model_for(request, dispatcher, uploads[0].options, "any")
            each = (
                _entry_or_failure(dispatcher, card, upload, _sender(request, upload, "any", number, Priority.BULK))
                for number, upload in enumerate(uploads)
            )
            outcomes = await while_attended(request, _all(*each))
        named = dict(zip((upload.name for upload in uploads), outcomes, strict=True))
        result = {name: outcome for name, outcome in named.items() if "regions" in outcome}
        failures = {name: outcome for name, outcome in named.items() if name not in result}
        return answer_of(card, result, {"read": read_at - begun_at, "total": time.perf_counter() - begun_at}, failures)


def _add_queued(router: APIRouter, service: Service) -> None:
    dispatcher = service.dispatcher

    @router.post(
        "/predictq",
        status_code=202,
        summary="Find objects later: the answer is kept to be fetched",
        response_model=Queued,
        responses={status: said for status, said in FAILURES.items() if status != 504},
        openapi_extra=BODY,
    )
    async def predictq(request: Request, asked: Annotated[Options, Query()]) -> Response:
        with dispatcher.place():
            upload = await read_upload(request, service.upload_limits, asked)
            card = _model_for(request, dispatcher, upload.options, "any")
            sender = _sender(request, upload, "any", otherwise=Priority.BULK)
            await dispatcher.submit(_ask(dispatcher, card, upload, "any"), upload.data, sender)
        return _queued(request_id_of(request))

    @router.get(
        "/predictq/{id}",
        summary="The answer to what was queued",
        response_model=Answer,
        responses={202: {"model": Queued, "description": "There is no answer yet; see Retry-After"}, **FAILURES},
    )
    async def predictq_answer(
        request: Request,
        id: Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="As `predictq` gave it.")],  # noqa: A002 - the path's own word
    ) -> Response:
        fetched = await dispatcher.fetch(request.state.caller.name, id)
        request.state.model = fetched.card.key
        if fetched.found is None:
            return _queued(id)
        entry = entry_of(fetched.card, fetched.found, fetched.note)
        return answer_of(fetched.card, {fetched.note["name"]: entry}, fetched.found.timings_s)


def _model_for(request: Request, dispatcher: Dispatcher, options: BatchOptions, wanted: Wanted) -> ModelCard:
    card = dispatcher.find(options.q, request_id_of(request))
    request.state.model = card.key
    check_task(card, wanted, dispatcher.cards)
    return card


def _ask(dispatcher: Dispatcher, card: ModelCard, upload: Upload, wanted: Wanted) -> Ask:
    return Ask(
        key=card.key,
        name=upload.name,
        threshold_0_1=dispatcher.threshold_0_1(card, upload.options.score_threshold),
        outlines=wanted not in {"box", "class"},
    )


def _sender(
    request: Request,
    upload: Upload,
    wanted: Wanted,
    number: int | None = None,
    otherwise: Priority = Priority.INTERACTIVE,
) -> Sender:
    """Who sends; number: of the image in its batch; otherwise: the priority where the request names none."""
    options = upload.options
    note = {"name": upload.name, "size": len(upload.data), "wanted": wanted}
    asked = f"{wanted} {options.q} {options.score_threshold} {upload.name}"
    return sender_of(request, asked, options.priority or otherwise, options.timeout_s, number=number, note=note)


async def _entry_or_failure(
    dispatcher: Dispatcher, card: ModelCard, upload: Upload, sender: Sender
) -> Mapping[str, Any]:
    try:
        answered = await dispatcher.predict(_ask(dispatcher, card, upload, "any"), upload.data, sender)
    except Declined as refusal:
        return {"error": refusal.error, "code": refusal.status, "detail": str(refusal)}
    return entry_of(answered.card, answered.found, sender.note)


async def _all(*each: Coroutine[Any, Any, Value]) -> list[Value]:
    return await asyncio.gather(*each)


def _queued(request_id: str) -> Response:
    said = {"id": request_id, "status": "queued", "url": f"{PREFIX}/predictq/{request_id}"}
    return Response(
        orjson.dumps(said), status_code=202, media_type="application/json", headers={"Retry-After": str(LOOK_AGAIN_S)}
    )


def _facts(dispatcher: Dispatcher) -> list[ModelFacts]:
    default = dispatcher.cards[0].key
    return [
        model_facts(card, default=card.key == default, score_threshold=dispatcher.threshold_0_1(card))
        for card in dispatcher.cards
    ]


def _routes_of(router: APIRouter) -> list[Route]:
    return [
        Route(method=method, path=PREFIX + route.path, summary=route.summary or "")
        for route in router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in sorted(route.methods or ())
    ]


PLUGIN = Api(name=NAME, prefix=PREFIX, routes=routes, asking=("/predict",))
