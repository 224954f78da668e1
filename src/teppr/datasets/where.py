"""Conditions as people write them: `annotator!=AT3 and (label=door|hood or area>=64)`.

    expression = term {"or" term}
    term       = factor {("and" | ",") factor}
    factor     = "not" factor | "(" expression ")" | condition
    condition  = field ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") value

A value ends at a comma, a bracket that closes, `and` or `or`, or is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import NoReturn

from teppr.datasets.conditions import (
    FIELDS,
    IMAGE_FIELDS,
    OF_IMAGE,
    OF_REGION,
    REGION_FIELDS,
    SHAPES,
    UNKNOWN,
    All,
    Condition,
    Either,
    Kind,
    Not,
    Operand,
    Sign,
    Tree,
    number_in,
)
from teppr.errors import BadInput, UnknownName

LEVELS = 50
"""So deep may brackets and `not` stand in each other."""

_FIELD = re.compile(r"""\s*(\w+)(?:\.("[^"]*"|'[^']*'|[\w-]+))?""")
_SIGN = re.compile(r"\s*(<=|>=|!=|==|=|<|>)\s*")
_QUOTED = re.compile(r"""("[^"]*"|'[^']*')(?=\s*(?:[,)]|$|(?:and|or)(?=[\s(])))""", re.IGNORECASE)
_BARE = re.compile(r"""((?:[^,"'()=<>]|\([^,"'()=<>]*\))+?)(?=\s*(?:[,)]|$)|\s+(?:and|or)(?:[\s(]|$))""", re.IGNORECASE)
_AND = re.compile(r"\s*(?:,|and(?=[\s(]|$))", re.IGNORECASE)
_OR = re.compile(r"\s*or(?=[\s(]|$)", re.IGNORECASE)
_NOT = re.compile(r"\s*not(?=[\s(])", re.IGNORECASE)
_OPEN, _CLOSE = re.compile(r"\s*\("), re.compile(r"\s*\)")
_WILD = re.compile(r"[*?\[]")


def parse_where(text: str) -> Tree:
    """What an expression says; a blank one asks for nothing.

    Raises BadInput saying the rule and the place in the expression, UnknownName for a field or a shape.
    """
    if not text.strip():
        return All()
    parser = _Parser(text)
    tree = parser.expression()
    if parser.rest():
        parser.refuse("conditions are joined by 'and', 'or' or commas")
    return tree


class _Parser:
    """Reads from left to right; `refuse` says where it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._level = 0

    def rest(self) -> str:
        """What is still to be read."""
        return self._text[self._at :].strip()

    def expression(self) -> Tree:
        return self._joined(self._term, _OR, Either)

    def refuse(self, rule: str, kind: type[BadInput] = BadInput) -> NoReturn:
        """Raise with the place."""
        blanks = len(self._text) - self._at - len(self._text[self._at :].lstrip())
        got = repr(self.rest()) if self.rest() else "the end"
        raise kind(f"{rule}; cannot read {got} at character {self._at + blanks + 1} of {self._text!r}")

    def _term(self) -> Tree:
        return self._joined(self._factor, _AND, All)

    def _joined(
        self, part: Callable[[], Tree], joint: re.Pattern[str], together: Callable[[tuple[Tree, ...]], Tree]
    ) -> Tree:
        parts = [part()]
        while self._take(joint):
            parts.append(part())
        return parts[0] if len(parts) == 1 else together(tuple(parts))

    def _factor(self) -> Tree:
        is_not = self._take(_NOT)
        if not is_not and not self._take(_OPEN):
            return self._condition()
        self._level += 1
        if self._level > LEVELS:
            self.refuse(f"brackets and 'not' stand in each other at most {LEVELS} deep")
        tree: Tree = Not(self._factor()) if is_not else self.expression()
        if not is_not and not self._take(_CLOSE):
            self.refuse("a bracket that opens must close")
        self._level -= 1
        return tree

    def _condition(self) -> Condition:
        field, kind = self._field()
        sign = self._take(_SIGN)
        if not sign:
            self.refuse("a condition is a field, one of = != < <= > >=, and a value")
        value_at = self._at
        value = self._value()
        self._at, end = value_at, self._at  # what is wrong with a value is said with its place
        if sign[1] in ("=", "==", "!="):
            texts = [text.strip() for text in value.split("|")]
            operands = tuple(self._alternative(field, kind, text) for text in texts)
        else:
            operands = (self._bound(field, kind, sign[1], value),)
        self._at = end
        return Condition(field=field, sign=_SIGNS[sign[1]], operands=operands)

    def _field(self) -> tuple[str, Kind]:
        found = _FIELD.match(self._text, self._at)
        if not found:
            self.refuse("a condition begins with the name of a field")
        name, attribute = found.groups()
        if attribute is not None and f"{name}." in (OF_IMAGE, OF_REGION):
            self._at = found.end()
            return f"{name}.{_unquoted(attribute)}", "attribute"
        kind = None if attribute is not None else {**IMAGE_FIELDS, **REGION_FIELDS}.get(name)
        if kind is None:
            self.refuse(str(UnknownName.of("field in conditions", found[0].strip(), FIELDS)), UnknownName)
        self._at = found.end()
        return name, kind

    def _value(self) -> str:
        found = _QUOTED.match(self._text, self._at) or _BARE.match(self._text, self._at)
        if not found:
            self.refuse("a value ends at a comma, a bracket, 'and' or 'or'; one with any of , ( ) = < > is quoted")
        self._at = found.end()
        return _unquoted(found[1])

    def _alternative(self, field: str, kind: Kind, text: str) -> Operand:
        """One of the values that a field may be equal to."""
        if kind == "number":
            return self._number(field, text)
        if kind == "date" and text != UNKNOWN and not _WILD.search(text):
            return self._day(field, text).isoformat()
        if kind == "shape" and text not in SHAPES and not _WILD.search(text):
            self.refuse(str(UnknownName.of("shape", text, SHAPES)), UnknownName)
        return text

    def _bound(self, field: str, kind: Kind, sign: str, text: str) -> Operand:
        """What a field may be smaller or larger than."""
        if kind in ("text", "shape"):
            self.refuse(f"{field} is a text, to be compared by = or !=, got {sign}")
        return self._day(field, text) if kind == "date" else self._number(field, text)

    def _number(self, field: str, text: str) -> float:
        number = number_in(text)
        if number is None:
            self.refuse(f"{field} is compared with a number, got {text!r}")
        return number

    def _day(self, field: str, text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.refuse(f"{field} is compared with a day as in 2019-02-01, got {text!r}")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found


_SIGNS: dict[str, Sign] = {"=": "=", "==": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def _unquoted(text: str) -> str:
    return text[1:-1] if text[:1] in ('"', "'") else text
