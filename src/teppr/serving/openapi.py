"""Schemas of bodies that are read by ourselves, as they come, and so are not known to FastAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model that refers to nothing outside itself."""
    schema = model.model_json_schema()
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}))
    return inlined


def form_schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The same for the fields of a form, which are left out or have a value: text knows no null."""
    schema = schema_of(model)
    return {**schema, "properties": {name: _never_null(field) for name, field in schema["properties"].items()}}


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    match node:
        case {"$ref": str(name), **beside}:
            return {**_inlined(definitions[name.rpartition("/")[2]], definitions), **beside}
        case dict():
            return {key: _inlined(value, definitions) for key, value in node.items()}
        case list():
            return [_inlined(item, definitions) for item in node]
        case _:
            return node


def _never_null(field: dict[str, Any]) -> dict[str, Any]:
    match field:
        case {"anyOf": [dict(value), {"type": "null"}], **beside}:
            return {**value, **{key: said for key, said in beside.items() if (key, said) != ("default", None)}}
        case _:
            return field
