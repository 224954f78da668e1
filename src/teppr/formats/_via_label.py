"""Which attribute of a VIA file's regions is their label, and what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from teppr.errors import BadInput
from teppr.formats.contract import ReadOptions

SELF_EVIDENT = "label"
"""An attribute of this name needs no further hint."""


@dataclass(slots=True)
class Carried:
    """What the regions of a file carry.

    regions: how many there are
    filled: {attribute: regions with a value in it}
    blank: regions without a value in any attribute
    defined: attributes that the project defines for regions
    """

    regions: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    blank: int = 0
    defined: tuple[str, ...] = ()

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Count one region."""
        names = [name for name, value in attributes.items() if texts_of(value)]
        self.regions += 1
        self.filled.update(names)
        self.blank += not names

    def say(self, names: Iterable[str], noun: str = "regions") -> str:
        """Which attributes how many regions carry, for messages."""
        return ", ".join(f"{name!r} ({self.filled[name]} of {self.regions} {noun})" for name in names)


@dataclass(frozen=True, slots=True)
class LabelChoice:
    """What a region's label is.

    attributes: those that may hold it, best first
    otherwise: the label of regions without a value in any attribute
    notes: why, in sentences
    """

    attributes: tuple[str, ...]
    otherwise: str | None
    notes: tuple[str, ...]

    def values(self, attributes: Mapping[str, Any]) -> tuple[str | None, list[str]]:
        """The attribute that holds this region's label, and what it says: no text, one, or (a checkbox) several."""
        for name in self.attributes:
            if texts := texts_of(attributes.get(name)):
                return name, texts
        if self.otherwise is not None and not any(map(texts_of, attributes.values())):
            return None, [self.otherwise]
        return None, []


@dataclass(frozen=True, slots=True)
class Choices:
    """What the labels of a file's regions are, and those of its images; None where images are not to be labelled."""

    regions: LabelChoice
    images: LabelChoice | None

    @property
    def notes(self) -> tuple[str, ...]:
        """Why, in sentences."""
        of_images = () if self.images is None else tuple(f"of whole images, {note}" for note in self.images.notes)
        return (*self.regions.notes, *of_images)

    @property
    def attribute(self) -> str | None:
        """The attribute that was taken first."""
        names = self.regions.attributes or (self.images.attributes if self.images else ())
        return names[0] if names else None


def choices_of(carried: Carried, carried_by_images: Carried, options: ReadOptions) -> Choices:
    """Decide for regions and, where they are to be labelled, for images; raises BadInput as `choose_label` does."""
    given = options.label_attribute
    if given is not None and carried_by_images.filled[given]:
        carried.defined = (*carried.defined, given)  # no slip of the pen, though regions may not carry it
    if not options.image_labels or not carried_by_images.filled:
        return Choices(choose_label(carried, options), None)
    of_images = replace(options, label=None, label_attribute=given if carried_by_images.filled[given or ""] else None)
    of_regions = replace(options, label_attribute=None if of_images.label_attribute else given)
    return Choices(choose_label(carried, of_regions), choose_label(carried_by_images, of_images, "images"))


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


def choose_label(carried: Carried, options: ReadOptions, noun: str = "regions") -> LabelChoice:
    """Decide by what was given, then the problem's, then the project's attributes, then what most regions carry.

    noun: what carries the attributes, for sentences
    Raises BadInput where it cannot be decided, naming the candidates.
    """
    notes = []
    names = _names(carried, options)
    if names:
        notes.append(f"the label is attribute {carried.say(names, noun)}")
    if carried.regions and not carried.filled and options.label is None:
        notes.append(f"none of {carried.regions} regions carries an attribute, so none is labelled; --label labels all")
    if options.label is not None and carried.blank:
        bare = f"{carried.blank} of {carried.regions} regions"
        notes.append(f"{bare} carry no attribute and are labelled {options.label!r}, as given")
    return LabelChoice(names, options.label, tuple(notes))


def _names(carried: Carried, options: ReadOptions) -> tuple[str, ...]:
    if options.label_attribute is not None:
        _check_known(options.label_attribute, carried)
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
    # Taken at its word, a slip of the pen would reject every region as unlabelled.
    if carried.filled and not carried.filled[name] and name not in carried.defined:
        raise BadInput(
            f"the label attribute must be one that regions carry, got {name!r}; "
            f"carried: {carried.say(sorted(carried.filled))}"
        )
