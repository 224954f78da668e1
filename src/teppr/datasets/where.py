"""Conditions on images and regions as people write them: `annotator!=AT3 and label=door|hood`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from teppr.errors import BadInput, UnknownName

IMAGE_FIELDS = ("annotator", "batch", "file", "filename")
REGION_FIELDS = ("label", "shape")
FIELDS = (*IMAGE_FIELDS, *REGION_FIELDS)
UNKNOWN = "unknown"
"""Stands for what is not on record, as in `annotator=unknown`."""

_CONDITION = re.compile(
    r"""\s*(?P<field>\w+)\s*(?P<sign>!=|==?)\s*(?P<value>"[^"]*"|'[^']*'|[^,"']+?)\s*(?:,|\s(?i:and)\s|$)"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A field that must (or must not) be like one of some patterns, as file names are (`*`, `?`)."""

    field: str
    equal: bool
    patterns: tuple[str, ...]

    def holds(self, value: str | None) -> bool:
        """Whether a value meets it."""
        text = UNKNOWN if value is None else value
        return any(fnmatchcase(text, pattern) for pattern in self.patterns) == self.equal


def parse_where(text: str) -> tuple[Condition, ...]:
    """The conditions of an expression, all of which must hold; none for a blank one.

    `field=value` or `field!=value`, joined by `and` or commas; a value may be quoted, have `*` and `?`, and list
    alternatives by `|`. Raises BadInput saying where the expression goes wrong, UnknownName for a field.
    """
    conditions = []
    position = 0
    while text[position:].strip():
        found = _CONDITION.match(text, position)
        if not found:
            raise BadInput(
                f"a condition is field=value or field!=value, joined by 'and' or commas; cannot read "
                f"{text[position:].strip()!r} at character {position + 1} of {text!r}"
            )
        if found["field"] not in FIELDS:
            raise UnknownName.of("field in conditions", found["field"], FIELDS)
        patterns = tuple(pattern.strip() for pattern in found["value"].strip("\"'").split("|"))
        conditions.append(Condition(field=found["field"], equal=found["sign"] != "!=", patterns=patterns))
        position = found.end()
    return tuple(conditions)


def hold(conditions: Iterable[Condition], fields: Collection[str], values: Mapping[str, str | None]) -> bool:
    """Whether those conditions that are about `fields` hold for the values."""
    return all(condition.holds(values[condition.field]) for condition in conditions if condition.field in fields)
