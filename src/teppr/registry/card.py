"""The model card as JSON: `model.json` of a bundle, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from teppr.errors import BadInput, Corrupt
from teppr.types import LabelInfo, ModelCard


def card_document(card: ModelCard) -> dict[str, Any]:
    """The card as a JSON object."""
    values = {item.name: getattr(card, item.name) for item in fields(card)}
    labels = [asdict(label) for label in card.labels]
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()} | {
        "labels": labels,
        "created": card.created.isoformat() if card.created else None,
    }


def read_card(data: bytes, where: str) -> ModelCard:
    """The card in JSON bytes; raises Corrupt saying which key is unknown, missing or of another kind."""
    try:
        document = orjson.loads(data)
        _refuse_unknown(document, ModelCard, where)
        card = TypeAdapter(ModelCard).validate_json(data, strict=True)
        for label in document["labels"]:
            _refuse_unknown(label, LabelInfo, f"{where}, labels")
        return card
    except orjson.JSONDecodeError as error:
        raise Corrupt(f"{where} is not JSON: {error}") from error
    except BadInput as error:
        raise Corrupt(f"{where} is no model card: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise Corrupt(f"{where} is no model card: {first['msg']} - at {path}") from error


def _refuse_unknown(given: object, kind: type[ModelCard | LabelInfo], where: str) -> None:
    if not isinstance(given, dict):
        raise Corrupt(f"{where} is no model card: expected an object, got {given!r:.60}")
    known = {item.name for item in fields(kind)}
    if unknown := sorted(given.keys() - known):
        raise Corrupt(f"{where} has unknown keys {unknown}; known: {sorted(known)}")
