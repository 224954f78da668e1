"""Caps on what there is too much of: images of frequent labels, and images of the background.

Which images go is a matter of their bytes and the seed alone, so that the same are left out on every machine, and
nearly the same when images are added.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from teppr.datasets.unite import SelectedImage
from teppr.errors import BadInput

PER_LABEL, BACKGROUND = "images left out by --max-per-label", "images left out by --max-background"
_SHARE = re.compile(r"([0-9]*\.?[0-9]+)(%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most so much.

    max_per_label: images of a label. None are left out that show a label which is not above it, so that no label falls
        below it, and rare labels lose nothing; a label may stay above it where its images show rarer ones too
    max_background: images without regions: a number of them, or their share of all images, below 1
    seed: another seed, other images
    """

    max_per_label: int | None = None
    max_background: int | Fraction | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_per_label is not None and self.max_per_label < 1:
            raise BadInput(f"a label keeps at least 1 image, got max_per_label={self.max_per_label}")
        most = self.max_background
        if most is not None and (most < 0 or (isinstance(most, Fraction) and most >= 1)):
            raise BadInput(f"max_background is a number of images, or a share of them from 0 to below 1, got {most}")

    def as_record(self) -> dict[str, Any]:
        """For `dataset.json`: what is asked for, and nothing if nothing is."""
        most = float(self.max_background) if isinstance(self.max_background, Fraction) else self.max_background
        asked = {"max_per_label": self.max_per_label, "max_background": most}
        given = {name: value for name, value in asked.items() if value is not None}
        return {**given, "cap_seed": self.seed} if given else {}


def max_background_of(text: str) -> int | Fraction:
    """A number of images ("500") or a share of all ("0.1", "10%"); raises BadInput."""
    if text.isascii() and text.isdecimal():
        return int(text)
    found = _SHARE.fullmatch(text)
    if not found:
        raise BadInput(f"--max-background is a number of images or a share of them: 500, 0.1 or 10%, got {text!r}")
    share = Fraction(found[1]) / (100 if found[2] else 1)
    if share >= 1:
        raise BadInput(f"--max-background as a share of all images is below 100%, got {text!r}")
    return share


def capped(images: Sequence[SelectedImage], cap: Cap) -> tuple[list[SelectedImage], dict[str, int]]:
    """What is kept, in the order given, and how many images are left out by which cap."""
    labelled = [image for image in images if image.regions]
    background = [image for image in images if not image.regions]
    frequent = set() if cap.max_per_label is None else _too_frequent(labelled, cap.max_per_label, cap.seed)
    most = cap.max_background
    if isinstance(most, Fraction):  # b / (b + labelled) <= most
        most = int(most * (len(labelled) - len(frequent)) / (1 - most))
    surplus = set() if most is None else {image.sha256 for image in _shuffled(background, cap.seed)[most:]}
    kept = [image for image in images if image.sha256 not in frequent | surplus]
    return kept, {PER_LABEL: len(frequent), BACKGROUND: len(surplus)}


def _too_frequent(images: Iterable[SelectedImage], most: int, seed: int) -> set[str]:
    """Images all of whose labels are in more than `most` images, as long as that is so; by sha256.

    Those with many such labels go first: each brings several labels nearer to the cap.
    """
    labels_of = {image.sha256: {region.label for region in image.regions} for image in images}
    count_of = Counter(label for labels in labels_of.values() for label in labels)
    rich_first = sorted(_shuffled(images, seed), key=lambda image: -len(labels_of[image.sha256]))
    gone: set[str] = set()
    for image in rich_first:
        labels = labels_of[image.sha256]
        if all(count_of[label] > most for label in labels):
            count_of.subtract(labels)
            gone.add(image.sha256)
    return gone


def _shuffled(images: Iterable[SelectedImage], seed: int) -> list[SelectedImage]:
    return sorted(images, key=lambda image: hashlib.sha256(f"{seed} {image.sha256}".encode()).digest())
