"""Which attribute of a VIA file's regions, or of its images, is their label, and what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from teppr.errors import BadInput
from teppr.formats.contract import ReadOptions

SELF_EVIDENT = "label"
"""An attribute of this name needs no further hint."""


@dataclass(slots=True)
class Carried:
    """What the regions of a file carry, or its images.

    noun: "regions" or "images"
    number: how many there are
    filled: {attribute: how many have a value in it}
    blank: how many have no value in any attribute
    defined: attributes that the project defines for them
    """

    noun: str
    number: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    blank: int = 0
    defined: tuple[str, ...] = ()

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Count one."""
        names = [name for name, value in attributes.items() if texts_of(value)]
        self.number += 1
        self.filled.update(names)
        self.blank += not names

    def say(self, names: Iterable[str]) -> str:
        """Which attributes are carried by how many, for messages."""
        return ", ".join(f"{name!r} ({self.filled[name]} of {self.number} {self.noun})" for name in names)


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """What the label of a region is, or of an image.

    attributes: those that may hold it, best first
    otherwise: the label of those without a value in any attribute
    notes: why, in sentences
    """

    attributes: tuple[str, ...] = ()
    otherwise: str | None = None
    notes: tuple[str, ...] = ()

    def values(self, attributes: Mapping[str, Any]) -> tuple[str | None, list[str]]:
        """The attribute that holds the label, and what it says: no text, one, or (a checkbox) several."""
        for name in self.attributes:
            if texts := texts_of(attributes.get(name)):
                return name, texts
        if self.otherwise is not None and not any(map(texts_of, attributes.values())):
            return None, [self.otherwise]
        return None, []


@dataclass(frozen=True, slots=True)
class LabelChoices:
    """What the labels of a file's regions are and, where whole images are to be labelled, those of its images."""

    regions: LabelChoice
    images: LabelChoice = LabelChoice()

    @property
    def notes(self) -> tuple[str, ...]:
        """Why, in sentences."""
        return self.images.notes + self.regions.notes

    @property
    def attribute(self) -> str | None:
        """The attribute that was taken first."""
        return next(iter(self.images.attributes + self.regions.attributes), None)


def texts_of(value: object) -> list[str]:
    """The values of an attribute as text: of a checkbox those that are ticked, of a blank none."""
    match value:
        case None:
            return []
        case str():
            return [value] if value.strip() else []
        case dict():
            return [key for key, ticked in value.items() if ticked in (True, "true")]
        case list():
            return [text for item in value for text in texts_of(item)]
        case _:
            return [orjson.dumps(value).decode()]


def choose_labels(regions: Carried, images: Carried, options: ReadOptions) -> LabelChoices:
    """Decide by what was given, then the problem's, then the project's attributes, then what most carry.

    Whole images are labelled where that is asked for, and the file says something of its images or has no regions.
    Raises BadInput where it cannot be decided, naming the candidates.
    """
    if options.image_labels and (images.filled or not regions.number):
        choice = _choose(images, options)
        return LabelChoices(LabelChoice(choice.attributes), choice)
    if options.label_attribute in images.filled:
        # It labels whole images, and nobody asked for those.
        return LabelChoices(_choose(regions, options, is_known=True))
    return LabelChoices(_choose(regions, options))


def _choose(carried: Carried, options: ReadOptions, *, is_known: bool = False) -> LabelChoice:
    notes = []
    if options.label_attribute is not None and not is_known:
        _check_known(options.label_attribute, carried)
    names, number, noun = _names(carried, options), carried.number, carried.noun
    if names:
        notes.append(f"the label is attribute {carried.say(names)}")
    if number and not carried.filled and options.label is None:
        notes.append(f"none of {number} {noun} carries an attribute, so none is labelled; --label labels all")
    if options.label is not None and carried.blank:
        bare = f"{carried.blank} of {number} {noun}"
        notes.append(f"{bare} carry no attribute and are labelled {options.label!r}, as given")
    return LabelChoice(names, options.label, tuple(notes))


def _names(carried: Carried, options: ReadOptions) -> tuple[str, ...]:
    if options.label_attribute is not None:
        return (options.label_attribute,)
    if ours := tuple(name for name in options.category_attributes if carried.filled[name]):
        return ours
    defined = {name for name in carried.defined if carried.filled[name]}
    return _most_carried(carried, defined or set(carried.filled))


def _most_carried(carried: Carried, names: Collection[str]) -> tuple[str, ...]:
    if not names or SELF_EVIDENT in names:
        return tuple(name for name in names if name == SELF_EVIDENT)
    most = max(carried.filled[name] for name in names)
    best = sorted(name for name in names if carried.filled[name] == most)
    if len(best) > 1:
        raise BadInput(
            f"the label must be the value of one attribute, and these are carried equally: {carried.say(best)}; "
            "say which with --label-attribute"
        )
    return (best[0],)


def _check_known(name: str, carried: Carried) -> None:
    # Taken at its word, a slip of the pen would reject all as unlabelled.
    if carried.filled and not carried.filled[name] and name not in carried.defined:
        raise BadInput(
            f"the label attribute must be one that {carried.noun} carry, got {name!r}; "
            f"carried: {carried.say(sorted(carried.filled))}"
        )
