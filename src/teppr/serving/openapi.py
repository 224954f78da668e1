"""Schemas of bodies that are read by ourselves, as they come, and so are not known to FastAPI."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model that refers to nothing outside itself."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


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
