"""The pages, the headers around every answer, and the document of the API."""

import re
from importlib.resources import files
from typing import Any

import httpx
import pytest

from teppr.serving.app import make_app
from teppr.serving.pages import FILES
from teppr.serving.safe_headers import SAFE_HEADERS
from teppr.serving.security import OFF
from teppr.testing.service import Answering, MakeService

ELSEWHERE = re.compile(r"(?:src|href|url\(|import|fetch\()\s*[=(]?\s*[\"'`]?(?:https?:)?//", re.IGNORECASE)


def test_the_pages_are_there_with_their_types(client: httpx.Client) -> None:
    for path, (_, media_type) in FILES.items():
        response = client.get(path)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith(media_type)


def test_every_file_of_the_folder_is_served() -> None:
    there = {file.name for file in files("teppr.serving").joinpath("page").iterdir()}
    assert there == {name for name, _ in FILES.values()}


def test_nothing_on_the_pages_comes_from_elsewhere() -> None:
    for name, _ in FILES.values():
        text = files("teppr.serving").joinpath("page", name).read_text(encoding="utf-8")
        assert not ELSEWHERE.search(text), name


def test_pages_link_only_to_what_is_there(client: httpx.Client) -> None:
    for page in ("/", "/docs"):
        for link in re.findall(r'(?:href|src)="([^"#]+)"', client.get(page).text):
            assert client.get(f"/{link.removeprefix('./')}").status_code == 200, link


def test_pages_hold_no_script_and_no_style_of_their_own(client: httpx.Client) -> None:
    """The policy forbids them: they would not run."""
    for page in ("/", "/docs"):
        html = client.get(page).text
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", html)


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/nope", "/api/vision/v2/models"])
def test_every_answer_is_safe_for_browsers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "server" not in headers
    assert set(headers) >= {name.lower() for name in SAFE_HEADERS}


def test_a_fault_of_the_service_is_answered_as_safely(make_service: MakeService, answering: Answering) -> None:
    app = make_app(make_service(), OFF)

    def failing() -> None:
        raise RuntimeError

    app.add_api_route("/failing", failing)
    with answering(app) as client:
        response = client.get("/failing")
    assert (response.status_code, response.json()["error"]) == (500, "fault")
    assert {name: response.headers[name] for name in SAFE_HEADERS} == dict(SAFE_HEADERS)


def test_a_request_keeps_its_id(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "job-7.a_b"}).headers["x-request-id"] == "job-7.a_b"
    refusal = client.get("/nope", headers={"X-Request-Id": "job-7"})
    assert refusal.json()["request_id"] == refusal.headers["x-request-id"] == "job-7"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", 'a"b'])
def test_an_id_of_another_form_is_replaced(client: httpx.Client, given: str) -> None:
    answered = client.get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{32}", answered)


def test_requests_without_an_id_get_different_ones(client: httpx.Client) -> None:
    assert client.get("/healthz").headers["x-request-id"] != client.get("/healthz").headers["x-request-id"]


def references(value: Any) -> set[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_the_document_of_the_api_tells_of_forms_answers_and_refusals(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    predict = document["paths"]["/api/vision/v2/predict"]["post"]
    forms = predict["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "application/octet-stream", "image/*"} == set(forms)
    fields = {"q", "score_threshold", "priority", "timeout_s", "filename"}
    assert {"image", *fields} == set(forms["multipart/form-data"]["schema"]["properties"])
    assert fields == {parameter["name"] for parameter in predict["parameters"]}
    assert {"200", "400", "401", "403", "404", "408", "409", "413", "415", "422", "429", "503", "504"} == set(
        predict["responses"]
    )
    assert "ValidationError" not in document["components"]["schemas"]
    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= named


def test_operations_have_names_of_their_own(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(names) == len(set(names))
