"""What the service says when it does not answer: one JSON shape, whatever the reason; a protocol may have its own.

    {"error": "unknown-model", "code": 404, "detail": "there is no model 'acme-ods-9' ...", "request_id": "..."}

Whatever a client can send ends here with a status of 4xx, or 503 when there is too much to do; 500 is a fault of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from teppr.errors import BadImage, BadInput, TepprError, UnknownName
from teppr.keys import without_secrets
from teppr.serving.declined import IMAGE_STATUS, Declined
from teppr.serving.safe_headers import SAFE_HEADERS

REQUEST_ID_HEADER = "X-Request-Id"
CLIENT_IS_GONE = 499
MOST_SHOWN = 80
SOURCES = frozenset({"query", "path", "header", "body"})
"""Where FastAPI found a value; its name says enough."""
MUST_BE = {
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "enum": "{expected}",
    "literal_error": "{expected}",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_too_long": "of at most {max_length} characters",
    "string_too_short": "of at least {min_length} characters",
    "string_pattern_mismatch": "of the form {pattern}",
    "too_long": "of at most {max_length} items",
    "too_short": "of at least {min_length} items",
}
"""What a value must be, by pydantic's name for what is wrong with it."""
Shape: TypeAlias = Callable[[str], Mapping[str, object]]
"""How a protocol says in JSON why there is no answer, given the sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is no answer: the status of HTTP, one word for machines, a sentence, further headers."""

    status: int
    error: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)


def install(app: FastAPI, shapes: Mapping[str, Shape]) -> None:
    """Let every failure of `app` be answered in the one shape, or below these prefixes of paths in theirs."""
    app.state.failure_shapes = shapes
    app.add_exception_handler(TepprError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _ours)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _fault)


def refusal_of(error: Exception) -> Refusal:
    """What an error says to a client; raises the error where it is a fault of ours."""
    match error:
        case Declined(status=status, error=word, headers=headers):
            return Refusal(status=status, error=word, detail=str(error), headers=headers)
        case BadImage(reason=reason):
            return Refusal(status=IMAGE_STATUS.get(reason, 400), error=reason, detail=str(error))
        case UnknownName():
            return Refusal(status=404, error="unknown-model", detail=str(error))
        case BadInput():
            return Refusal(status=422, error="invalid", detail=str(error))
        case RequestValidationError():
            says = sentence_of([dict(problem) for problem in error.errors()])
            return Refusal(status=422, error="invalid", detail=says)
        case _:
            raise error


def request_id_of(request: Request) -> str:
    """The id that the request came with or was given."""
    return str(getattr(request.state, "request_id", ""))


def id_is_given(request: Request) -> bool:
    """Whether the client made the id, and may ask again with it."""
    return bool(getattr(request.state, "id_is_given", False))


def sentence_of(problems: list[dict[str, Any]]) -> str:
    """What pydantic found wrong, as a sentence: the name, what it must be, and the value."""
    return "; ".join(_clause(problem) for problem in problems)


def _clause(problem: dict[str, Any]) -> str:
    where = [str(part) for part in problem["loc"]]
    name = ".".join(where[1:] if len(where) > 1 and where[0] in SOURCES else where) or "the document"
    kind, bounds = problem["type"], problem.get("ctx", {})
    if kind == "missing":
        return f"{name} is missing"
    got = f"got {str(problem.get('input'))[:MOST_SHOWN]!r}"
    if kind == "extra_forbidden":
        return f"{name} is unknown, {got}"
    if kind in MUST_BE:
        return f"{name} must be {MUST_BE[kind].format(**bounds)}, {got}"
    return f"{name}: {problem['msg']}, {got}"


def answer_of(refusal: Declined, request_id: str) -> Response:
    """The refusal of the request of that id, in the service's own shape."""
    body = _body(refusal.status, refusal.error, str(refusal), request_id)
    return _failure(body, refusal.status, request_id, refusal.headers)


def _answer(
    request: Request, status: int, error: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    shapes: Mapping[str, Shape] = request.app.state.failure_shapes
    path, request_id = f"{request.url.path}/", request_id_of(request)
    shape = next((shapes[prefix] for prefix in shapes if path.startswith(f"{prefix}/")), None)
    body = _body(status, error, detail, request_id) if shape is None else shape(without_secrets(detail))
    return _failure(body, status, request_id, headers or {})


def _body(status: int, error: str, detail: str, request_id: str) -> dict[str, object]:
    return {"error": error, "code": status, "detail": without_secrets(detail), "request_id": request_id}


def _failure(body: Mapping[str, object], status: int, request_id: str, headers: Mapping[str, str]) -> Response:
    return Response(
        orjson.dumps(body),
        status_code=status,
        media_type="application/json",
        headers={**headers, REQUEST_ID_HEADER: request_id},
    )


async def _ours(request: Request, error: Exception) -> Response:
    refusal = refusal_of(error)
    return _answer(request, refusal.status, refusal.error, refusal.detail, refusal.headers)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path, method = request.url.path[:200], request.method
    status = error.status_code
    if status == HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {path!r}; /docs lists what there is"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{path!r} does not take {method}; it takes {allowed}"
    else:
        detail = str(error.detail)
    word = HTTPStatus(status).phrase.lower().replace(" ", "-")
    return _answer(request, status, word, detail, error.headers)


async def _gone(_request: Request, _error: Exception) -> Response:
    # Nobody reads it: the client hung up while sending.
    return Response(status_code=CLIENT_IS_GONE)


async def _fault(request: Request, _error: Exception) -> Response:
    # Answered outside of the envelope, which therefore does not add them.
    detail = "the service failed here; its log says why under this request_id"
    return _answer(request, 500, "fault", detail, SAFE_HEADERS)
