"""An experiment with some of its values exchanged, each named by its path: "train.stages[0].learning_rate"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import product
from typing import Any, TypeAlias, TypeVar

from pydantic import JsonValue, ValidationError

from teppr.document import Part, faults_of
from teppr.errors import BadExperiment

PartT = TypeVar("PartT", bound=Part)
Settings: TypeAlias = Mapping[str, JsonValue]
"""Values by path."""

MOST_EXPERIMENTS = 1000
"""Of one grid; who asks for more has most likely mistyped something."""
_PATH = re.compile(r"[A-Za-z_]\w*(?:\[\d+\])*(?:\.[A-Za-z_]\w*(?:\[\d+\])*)*\Z")
_STEP = re.compile(r"\[(\d+)\]|(\w+)")


def varied(part: PartT, settings: Settings) -> PartT:
    """The same with these values instead; raises BadExperiment saying which path or value is wrong."""
    given = part.model_dump(mode="json", by_alias=True, exclude_unset=True)
    whole = part.model_dump(mode="json", by_alias=True)
    for path, value in settings.items():
        _put(given, whole, path, value)
    try:
        return type(part).model_validate(given)
    except ValidationError as error:
        raise BadExperiment("; ".join(faults_of(type(part), error))) from None


def value_at(part: Part, path: str) -> JsonValue:
    """What stands at a path, defaults filled in; None where its section is not there."""
    value: Any = part.model_dump(mode="json", by_alias=True)
    for step in _steps(path):
        value = _child(value, step)
    found: JsonValue = value
    return found


def combinations(grid: Mapping[str, Sequence[JsonValue]]) -> list[Settings]:
    """Every combination of a grid's values; the last path varies first."""
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


def _steps(path: str) -> list[str | int]:
    if not _PATH.match(path):
        raise BadExperiment(f"a value is named like train.stages[0].learning_rate, got {path!r}")
    return [int(index) if index else name for index, name in _STEP.findall(path)]


def _put(given: Any, whole: Any, path: str, value: JsonValue) -> None:  # noqa: ANN401 - documents of any form
    steps = _steps(path)
    for i, step in enumerate(steps[:-1]):
        whole = _child(whole, step)
        if _child(given, step) is None:
            # A list is taken over whole, of a mapping only what is given: the rest stays the default.
            _set(given, step, deepcopy(whole) if isinstance(steps[i + 1], int) else {}, path)
        given = _child(given, step)
    _set(given, steps[-1], value, path)


def _child(value: Any, step: str | int) -> Any:  # noqa: ANN401 - documents of any form
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _set(within: Any, step: str | int, value: Any, path: str) -> None:  # noqa: ANN401 - documents of any form
    is_there = isinstance(within, dict) if isinstance(step, str) else isinstance(within, list) and step < len(within)
    if not is_there:
        there = f"there are {len(within)}" if isinstance(within, list) else "there is nothing of this form"
        raise BadExperiment(f"nothing stands at {path}: {there}, and {step!r} is asked for")
    within[step] = value
