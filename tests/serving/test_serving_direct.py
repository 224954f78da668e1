"""A route that runs without FastAPI does what it declares to it: beside each stands the same one run by FastAPI."""

from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Query
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from teppr.serving import refusals
from teppr.serving.direct import DirectRoute
from teppr.serving.security import OFF, needs
from teppr.serving.upload import Options
from teppr.testing.service import Answering

VALUES = st.sampled_from(["", "acme-ods-1", "0.5", "1", "2", "-1", "nan", "bulk", "interactive", "later"])
QUERIES = st.lists(st.tuples(st.sampled_from([*Options.model_fields, "image", "other"]), VALUES), max_size=4)


@pytest.fixture(scope="module")
def client(answering: Answering) -> Iterator[httpx.Client]:
    async def say(request: Request, asked: Annotated[Options, Query()]) -> Response:
        return JSONResponse({"asked": asked.model_dump(mode="json"), "caller": request.state.caller.name})

    router = APIRouter(dependencies=[needs("client")])
    router.add_api_route("/declared", say, methods=["POST"])
    router.add_api_route("/direct", say, methods=["POST"], route_class_override=DirectRoute)
    app = FastAPI()
    app.state.guard = OFF
    app.include_router(router, prefix="/api")
    refusals.install(app, {})
    with answering(app) as made:
        yield made


@given(QUERIES)
def test_it_reads_the_query_as_it_declares(client: httpx.Client, query: list[tuple[str, str]]) -> None:
    direct, declared = (client.post(f"/api/{path}?{urlencode(query)}") for path in ("direct", "declared"))
    assert direct.status_code == declared.status_code
    if direct.status_code == 200:
        assert direct.json() == declared.json()
    else:
        assert {name for name in Options.model_fields if f"{name}: " in declared.json()["detail"]} == {
            name for name in Options.model_fields if f"{name}: " in direct.json()["detail"]
        }


def test_it_says_which_method_it_takes(client: httpx.Client) -> None:
    refused = client.get("/api/direct")
    assert refused.status_code == 405
    assert "it takes POST" in refused.json()["detail"]


def test_it_stands_in_the_document_as_the_declared_one_does(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    direct, declared = (paths[f"/api/{path}"]["post"] for path in ("direct", "declared"))
    assert direct.pop("operationId") != declared.pop("operationId")
    assert direct | {"summary": ""} == declared | {"summary": ""}
