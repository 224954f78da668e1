"""The web application: the APIs, the page to try them, health, and one shape for all that goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from teppr import __version__
from teppr.serving import pages, refusals
from teppr.serving.envelope import Envelope
from teppr.serving.gate import Gate
from teppr.serving.messages import Failure
from teppr.serving.protocols.contract import PROTOCOLS, Service
from teppr.serving.security import REFUSALS, Guard, needs

DESCRIPTION = "Finds objects in images with published models. Answers are VIA files: annotators can open them."


class Health(BaseModel):
    """A sign of life."""

    status: str


class Readiness(BaseModel):
    """What is ready to answer."""

    status: str
    models: list[str]


class Application(FastAPI):
    """Its document tells of keys only where they are asked for; `state.guard` is the Guard."""

    def openapi(self) -> dict[str, Any]:
        """The document of the API."""
        document = super().openapi()
        if not self.state.guard.is_on:
            document["components"].pop("securitySchemes", None)
            for operation in (each for methods in document["paths"].values() for each in methods.values()):
                operation.pop("security", None)
        return document


def make_app(service: Service, guard: Guard) -> FastAPI:
    """The application that answers with the service's models; it joins the queue as it starts."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        guard.start()
        await service.dispatcher.start()
        yield
        await service.dispatcher.close()
        guard.close()

    app = Application(
        title="teppr prediction service",
        description=DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation_id,
    )
    app.state.guard = guard
    for api in sorted(PROTOCOLS.all(), key=lambda api: api.prefix):
        app.include_router(api.routes(service), prefix=api.prefix)
    app.include_router(pages.router())
    _add_health(app, service)
    refusals.install(app, {api.prefix: api.failure for api in PROTOCOLS.all() if api.failure is not None})
    asking = [api.prefix + path for api in PROTOCOLS.all() for path in api.asking]
    app.add_middleware(Gate, is_closed=service.dispatcher.is_closed, paths=asking)
    app.add_middleware(Envelope, meter=service.dispatcher.meter)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["health"], summary="Whether the process answers")
    async def healthz() -> Health:
        return Health(status="ok")

    @app.get("/readyz", tags=["health"], summary="Whether models answer", responses={503: {"model": Failure}})
    async def readyz() -> Readiness:
        service.dispatcher.find(None)
        return Readiness(status="ready", models=[card.key for card in service.dispatcher.cards])

    @app.get(
        "/metrics",
        dependencies=[needs("engineer")],
        tags=["health"],
        summary="The numbers of the whole service, for Prometheus",
        response_class=PlainTextResponse,
        responses=dict(REFUSALS),
    )
    async def metrics() -> Response:
        from teppr.serving import exposition  # a quarter of a second to import

        page = exposition.expose(await service.dispatcher.numbers())
        return Response(page, headers={"Content-Type": exposition.CONTENT_TYPE})
