"""What an annotation specification says: the same whether a module, an installed package or a team's YAML file says it.

The text of each field is its documentation, and what a problem written as a file says above its key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.dataclasses import dataclass

from teppr.document import wrong_at
from teppr.plugins import Plugins
from teppr.types import Severity, Shape

SHAPES: tuple[str, ...] = tuple(shape.kind for shape in get_args(Shape))
"""All kinds of shape."""
DESIGN_RULES = tuple(f"DR{number:02d}" for number in range(1, 19))
ALWAYS_ERRORS = ("DR01", "DR03", "DR04", "DR08", "DR17")
"""Where one of these is broken, nothing is there that could be accepted."""

Metric = Literal[
    "map",
    "map_50",
    "map_75",
    "map_small",
    "map_medium",
    "map_large",
    "mar_1",
    "mar_10",
    "mar_100",
    "mar_small",
    "mar_medium",
    "mar_large",
    "accuracy",
    "f1",
]
"""Figures by which models are judged, the greater the better: COCO's of objects, and those of lanes and classes."""
METRICS: tuple[Metric, ...] = get_args(Metric)

_ID = re.compile(r"[a-z0-9_]+")
_COLOR = re.compile(r"#[0-9a-f]{6}")
_CRITERION = re.compile(r"(>=|<=|>|<)\s*-?\d+(\.\d+)?([eE][+-]?\d+)?")
_STRICT = ConfigDict(extra="forbid")


def _id(given: str, info: ValidationInfo) -> str:
    if not _ID.fullmatch(given):
        raise ValueError(f"an id has the letters a-z, digits and _ only, for it is part of release keys, got {given!r}")
    if given in (info.context or {}):
        raise ValueError(f"{given!r} is the id of a problem of teppr, or of an installed package: choose another")
    return given


def _name(given: str) -> str:
    if not given or given != given.strip() or not given.isprintable():
        raise ValueError(f"a name is text on one line without blanks around it, got {given!r}")
    return given


def _spelling(given: str) -> str:
    if not given.strip():
        raise ValueError(f"an alias is text that is not blank, got {given!r}")
    return given


def _color(given: str) -> str:
    if not _COLOR.fullmatch(given.lower()):
        raise ValueError(f'a colour is like "#ff7f00", in quotes, got {given!r}')
    return given.lower()


def _shape(given: str) -> str:
    if given not in SHAPES:
        raise ValueError(f"there is no shape {given!r}; known: {', '.join(SHAPES)}")
    return given


def _rule(given: str) -> str:
    if given not in DESIGN_RULES:
        raise ValueError(f"there is no design rule {given!r}; known: {DESIGN_RULES[0]} to {DESIGN_RULES[-1]}")
    return given


def _criterion(given: str) -> str:
    if not _CRITERION.fullmatch(given):
        raise ValueError(f'a criterion is like ">= 0.60" or "<= 120", got {given!r}')
    return given


Id: TypeAlias = Annotated[str, AfterValidator(_id)]
Name: TypeAlias = Annotated[str, AfterValidator(_name)]
Spelling: TypeAlias = Annotated[str, AfterValidator(_spelling)]
Color: TypeAlias = Annotated[str, AfterValidator(_color)]
ShapeKind: TypeAlias = Annotated[str, AfterValidator(_shape)]
RuleId: TypeAlias = Annotated[str, AfterValidator(_rule)]
Criteria: TypeAlias = Mapping[str, Annotated[str, AfterValidator(_criterion)]]
"""What must hold before a model is released: {figure: comparison and number}."""


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Label:
    """A label; a file may say it by its name alone.

    aliases: other spellings that annotators use for it
    color: "#rrggbb"; None = drawn from its name
    supercategory: the family that it belongs to, as in COCO
    """

    name: Name
    aliases: tuple[Spelling, ...] = ()
    color: Color | None = None
    supercategory: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_name_alone(cls, given: Any) -> Any:  # noqa: ANN401 - as the file has it
        if isinstance(given, dict) and given.get("color", "") is None:
            raise wrong_at('a colour stands in quotes, as in "#ff7f00": without them its # begins a comment', "color")
        return {"name": given} if isinstance(given, str) else given


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class RequiredAttribute:
    """An attribute that every region must carry; a file may say it by its name alone.

    values: the allowed ones; empty = any
    """

    name: Name
    values: tuple[Name, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _by_name_alone(cls, given: Any) -> Any:  # noqa: ANN401 - as the file has it
        return {"name": given} if isinstance(given, str) else given


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class Problem:
    """An annotation specification."""

    id: Id = Field(description="Letters a-z, digits and _: part of release keys.")
    title: Name = Field(description="What people call it.")
    shapes: tuple[ShapeKind, ...] = Field(min_length=1, description=f"Allowed ones of {', '.join(SHAPES)}.")
    labels: tuple[Label, ...] = Field(
        default=(),
        description='The list: names, or {name: cone, aliases: [pylon], color: "#ff7f00", supercategory: barrier}.',
    )
    open_labels: bool = Field(
        default=False, description="Labels beyond the list are taken too; always so where it is empty."
    )
    labels_per_image: int | None = Field(
        default=None, ge=1, description="Different labels that an image as a whole may have; null = any number."
    )
    category_attributes: tuple[Name, ...] = Field(
        default=(), description="Attributes that may hold the label, best first."
    )
    required_attributes: tuple[RequiredAttribute, ...] = Field(
        default=(), description="Attributes of every region: names, or {name: side, values: [left, right]}."
    )
    severities: Mapping[RuleId, Severity] = Field(
        default_factory=dict, description="Design rules that are more or less severe than usual, as in {DR14: error}."
    )
    metric: Metric = Field(default="map_50", description="The figure by which its models are judged.")
    accept: Criteria = Field(
        default_factory=dict, description='What a release must reach by default, as in {test/map_50: ">= 0.60"}.'
    )

    @field_validator("labels")
    @classmethod
    def _every_spelling_once(cls, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        said: dict[str, str] = {}
        for i, label in enumerate(labels):
            for spelling in (label.name, *label.aliases):
                if spelling in said:
                    raise wrong_at(f"{spelling!r} is a spelling of {said[spelling]!r} already", i)
                said[spelling] = label.name
        return labels

    @field_validator("shapes", "category_attributes")
    @classmethod
    def _every_name_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        _refuse_repetition(names)
        return names

    @field_validator("required_attributes")
    @classmethod
    def _every_attribute_once(cls, required: tuple[RequiredAttribute, ...]) -> tuple[RequiredAttribute, ...]:
        _refuse_repetition([attribute.name for attribute in required])
        return required

    @field_validator("labels_per_image")
    @classmethod
    def _images_are_labelled(cls, count: int | None, info: ValidationInfo) -> int | None:
        if count is not None and "image" not in info.data.get("shapes", SHAPES):
            raise ValueError(f"images as a whole are labelled only where shapes hold 'image', got {count}")
        return count

    @field_validator("severities")
    @classmethod
    def _what_is_always_an_error(cls, severities: Mapping[str, Severity]) -> Mapping[str, Severity]:
        for rule in ALWAYS_ERRORS:
            if severities.get(rule, Severity.ERROR) is not Severity.ERROR:
                given = severities[rule].value
                raise wrong_at(f"is always an error, for nothing is there to be accepted, got {given!r}", rule)
        return severities

    @cached_property
    def label_names(self) -> tuple[str, ...]:
        """The names of the list, in its order."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def colors(self) -> Mapping[str, str]:
        """The colours that the list gives: {label: "#rrggbb"}."""
        return {label.name: label.color for label in self.labels if label.color is not None}

    @property
    def is_open(self) -> bool:
        """Whether labels beyond the list are taken."""
        return self.open_labels or not self.labels

    def label_of(self, given: str) -> str:
        """The label with aliases applied."""
        return self._labels_by_alias.get(given, given)

    def knows(self, label: str) -> bool:
        """Whether the list is open or holds the label."""
        return self.is_open or label in self._listed

    @cached_property
    def _labels_by_alias(self) -> Mapping[str, str]:
        return {alias: label.name for label in self.labels for alias in label.aliases}

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(self.label_names)


def _refuse_repetition(names: Iterable[str]) -> None:
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"{repeated[0]!r} stands twice")


PROBLEMS: Plugins[Problem] = Plugins("teppr.problems", Problem, "problem", others=("document", "find"))
"""Those of teppr and of installed packages; with a team's own they are found by `teppr.problems.find`."""
