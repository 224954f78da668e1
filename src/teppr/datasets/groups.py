"""Images in groups that go to one split whole, by what they have in common."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Self, TypeAlias

import numpy as np

from teppr.datasets.unite import SelectedImage
from teppr.errors import BadInput, UnknownName
from teppr.likeness import groups_alike
from teppr.types import Ints

KNOWN = ("image", "batch", "annotator", "folder", "video")
"""What images are grouped by beside their attributes."""
ATTRIBUTE = "field:"
"""Before the name of an attribute, where it is one of these words."""

_RECORD = re.compile(r"(?P<by>.*?)(?: and near-duplicates within (?P<bits>\d+) bits)?")
_FRAME = re.compile(r"(?P<video>.*?)[-_. ]*\d+")

Key: TypeAlias = tuple[Hashable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """What images are kept together by; its text is what a dataset's record says, and reads back.

    by: "image" (copies of the same bytes only), "batch", "annotator", "folder", "video" (the image's attribute of that
        name, else the folder and the file name without the number at its end), or an attribute of images, such as
        "place"; "field:NAME" is the attribute in any case
    near_duplicates: images whose perceptual hashes differ in at most so many bits are together as well; None = no
    """

    by: str = "image"
    near_duplicates: int | None = None

    def __str__(self) -> str:
        if self.near_duplicates is None:
            return self.by
        return f"{self.by} and near-duplicates within {self.near_duplicates} bits"

    @classmethod
    def parse(cls, text: str) -> Self:
        """From its text."""
        found = _RECORD.fullmatch(text)
        by, bits = found.groups() if found else (text, None)
        return cls(by=by, near_duplicates=None if bits is None else int(bits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The group of each image, numbered as they come.

    alone: how many images lack what the others are grouped by; each of them is a group of its own
    """

    group_of_image: Ints
    alone: int = 0


def groups_of(images: Sequence[SelectedImage], grouping: Grouping) -> Groups:
    """The groups of images; an image of two batches makes one group of them.

    Raises UnknownName for an attribute that no image has, BadInput where images lack the hashes to compare them by.
    """
    keys = [_keys(image, grouping.by) for image in images]
    alone = sum(not found for found in keys)
    if grouping.by != "image" and alone == len(images):
        raise _nothing_in_common(images, grouping.by)
    alike = _alike(images, grouping.near_duplicates)
    own = [
        (*(found or (("image", image.sha256),)), *near) for image, found, near in zip(images, keys, alike, strict=True)
    ]
    return Groups(group_of_image=_joined(own), alone=0 if grouping.by == "image" else alone)


def _keys(image: SelectedImage, by: str) -> tuple[Key, ...]:
    """What the image has in common with the others of its group; none where that is not known."""
    match by:
        case "image":
            return ()
        case "batch":
            return tuple((by, batch) for batch in image.batches)
        case "annotator":
            return tuple((by, annotator) for annotator in image.annotators)
        case "folder":
            return ((by, str(PurePath(image.path).parent)),)
        case "video":
            return _values(image, by) or _video_of_frame(PurePath(image.path))
        case _:
            return _values(image, by.removeprefix(ATTRIBUTE))


def _values(image: SelectedImage, name: str) -> tuple[Key, ...]:
    values = (str(attributes[name]).strip() for attributes in image.attributes if attributes.get(name) is not None)
    return tuple((name, value) for value in values if value)


def _video_of_frame(path: PurePath) -> tuple[Key, ...]:
    found = _FRAME.fullmatch(path.stem)
    return (("frames", str(path.parent), found["video"]),) if found else ()


def _nothing_in_common(images: Iterable[SelectedImage], by: str) -> BadInput:
    if by == "video":
        return BadInput(
            f"images are grouped by video by their attribute {by!r} or a number at the end of their file names; none "
            "has either"
        )
    if by in KNOWN:
        return BadInput(f"images are grouped by a known {by}; none of the annotation files has one")
    attributes = {name for image in images for entry in image.attributes for name in entry}
    return UnknownName.of("attribute of images to group by", by.removeprefix(ATTRIBUTE), {*KNOWN, *attributes})


def _alike(images: Sequence[SelectedImage], within_bits: int | None) -> list[tuple[Key, ...]]:
    """For each image the key that it has in common with those that look alike; none where that is not asked."""
    if within_bits is None:
        return [()] * len(images)
    hashes = [image.perceptual_hash for image in images if image.perceptual_hash]
    if len(hashes) < len(images):
        raise BadInput(
            f"near-duplicates are found by the images' perceptual hashes, which {len(images) - len(hashes)} of "
            f"{len(images)} images lack; ingest their annotation files again with: teppr annotations ingest --again"
        )
    return [(("alike", group),) for group in groups_alike(hashes, within_bits).tolist()]


def _joined(keys: Iterable[Sequence[Key]]) -> Ints:
    """The group of each item: those with a key in common are together, and so are their others."""
    parent: dict[Key, Key] = {}

    def root(key: Key) -> Key:
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    first = []
    for own in keys:
        first.append(own[0])
        for key in own:
            parent[root(key)] = root(own[0])
    numbers: dict[Key, int] = {}
    return np.array([numbers.setdefault(root(key), len(numbers)) for key in first], np.int64)
