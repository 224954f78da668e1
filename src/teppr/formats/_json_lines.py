"""Writing JSON a piece at a time."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from teppr.errors import BadInput


def dumps(value: object, where: str) -> bytes:
    """One value as JSON on one line; raises BadInput, saying where it comes from, for what JSON cannot hold."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY, default=_as_dict)
    except orjson.JSONEncodeError as error:
        raise BadInput(
            f"only what JSON can hold can be written, got a value it cannot: {error} - at {where}"
        ) from error


def _as_dict(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
