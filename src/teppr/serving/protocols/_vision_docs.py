"""The forms of requests and failures of `/api/vision/v2`, for OpenAPI: bodies are read by `upload`, as they come."""

from __future__ import annotations

from typing import Any

from teppr.serving.messages import Failure
from teppr.serving.openapi import form_schema_of, schema_of
from teppr.serving.upload import BatchOptions, Options

_DESCRIPTIONS = (
    (400, "Not an image, or a body that breaks its own form"),
    (404, "There is no such model"),
    (408, "The upload took too long"),
    (409, "The X-Request-Id was another request's"),
    (413, "Too many bytes or pixels"),
    (415, "A type of content that is not taken"),
    (422, "A field is missing or wrong, or the model does other things"),
    (429, "More requests than this client may send or have waiting; see Retry-After"),
    (503, "Too many requests at a time, or no model ready; see Retry-After"),
    (504, "The deadline passed"),
)
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description} for status, description in _DESCRIPTIONS
}
_IMAGE = {"type": "string", "format": "binary", "description": "The image's file."}
_IMAGES = {"type": "array", "items": _IMAGE, "minItems": 1, "description": "The images' files, a part each."}
_BASE64 = {"type": "string", "format": "byte", "description": "The image's bytes in base64."}


def only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Those failures alone."""
    return {status: FAILURES[status] for status in statuses}


def _document(image: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    properties = {"image": image, **schema["properties"]}
    return {"schema": {**schema, "required": ["image"], "properties": properties}}


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": _document(_IMAGE, form_schema_of(Options)),
            "application/json": _document(_BASE64, schema_of(Options)),
            "image/*": {"schema": _IMAGE},
            "application/octet-stream": {"schema": _IMAGE},
        },
    }
}
BATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": _document(_IMAGES, form_schema_of(BatchOptions))},
    }
}
