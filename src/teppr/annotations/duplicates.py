"""Images that are there several times: the same bytes under several names, and pictures that look alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from teppr.annotations.pages import write_html
from teppr.annotations.pictures import Pictures
from teppr.files import whole_file
from teppr.likeness import DEFAULT_WITHIN_BITS, groups_alike
from teppr.store.contract import Fingerprint, Store

COLUMNS = ("group", "kind", "sha256", "perceptual_hash", "bits", "path")
"""Columns of the table; a row for each path."""
GROUPS_SHOWN, IMAGES_SHOWN = 150, 12
"""So many groups are shown on a page, and so many images of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAlike:
    """One image of a group.

    paths: all under which these bytes are on record
    bits: how many bits of its hash differ from that of the group's first
    """

    sha256: str
    perceptual_hash: str
    paths: tuple[str, ...]
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Images that are, or look, the same; by sha256."""

    images: tuple[LookAlike, ...]

    @property
    def kind(self) -> Literal["exact", "near"]:
        """Whether all have the same bytes."""
        return "exact" if len(self.images) == 1 else "near"

    @property
    def paths(self) -> int:
        """How many files they are."""
        return sum(len(image.paths) for image in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """What was found among `images` distinct images of current files; the largest group first.

    Images that were not opened have no hash, and are not among them.
    """

    within_bits: int
    images: int
    groups: tuple[DuplicateGroup, ...]

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr annotations duplicates --json` prints; stable.

        {"within", "images", "groups": [{"kind": "exact" or "near", "paths": how many,
        "images": [{"sha256", "perceptual_hash", "bits": from the first, "paths": [path]}]}]}
        """
        return {
            "within": self.within_bits,
            "images": self.images,
            "groups": [
                {"kind": group.kind, "paths": group.paths, "images": [_row(image) for image in group.images]}
                for group in self.groups
            ],
        }


def duplicates_of(store: Store, problem: str | None = None, within_bits: int = DEFAULT_WITHIN_BITS) -> Duplicates:
    """Look through the images of current files; see `groups_alike`. Eight bytes an image are held, and the groups."""
    group_of = groups_alike((image.perceptual_hash for image in store.fingerprints(problem)), within_bits)
    sizes = np.bincount(group_of)
    members: dict[int, list[Fingerprint]] = {}
    paths: dict[str, tuple[str, ...]] = {}
    for image, number in zip(store.fingerprints(problem), group_of.tolist(), strict=True):
        known = store.known_image(image.sha256)
        if sizes[number] > 1 or len(known) > 1:
            members.setdefault(number, []).append(image)
            paths[image.sha256] = known
    groups = [_group(images, paths) for images in members.values()]
    ordered = sorted(groups, key=lambda group: (-group.paths, group.images[0].sha256))
    return Duplicates(within_bits=within_bits, images=len(group_of), groups=tuple(ordered))


def _group(images: Sequence[Fingerprint], paths: dict[str, tuple[str, ...]]) -> DuplicateGroup:
    first = int(images[0].perceptual_hash, 16)
    return DuplicateGroup(
        images=tuple(
            LookAlike(
                sha256=image.sha256,
                perceptual_hash=image.perceptual_hash,
                paths=paths[image.sha256],
                bits=(int(image.perceptual_hash, 16) ^ first).bit_count(),
            )
            for image in images
        )
    )


def write_csv(found: Duplicates, path: Path) -> int:
    """Write all groups to one CSV file of COLUMNS; returns how many rows."""
    rows = list(_rows(found))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as file:
        file.write(text.getvalue().encode("utf-8", "replace"))
    return len(rows)


def write_page(found: Duplicates, path: Path) -> Path:
    """Write a page with the pictures of each group side by side."""
    pictures = Pictures()
    shown = [
        (group, [(image, pictures.of_shapes(image.paths[0], ())) for image in group.images[:IMAGES_SHOWN]])
        for group in found.groups[:GROUPS_SHOWN]
    ]
    return write_html(path, "duplicates.html", found=found, shown=shown)


def _rows(found: Duplicates) -> Iterator[dict[str, object]]:
    for number, group in enumerate(found.groups):
        for image in group.images:
            for path in image.paths:
                row = {"group": number, "kind": group.kind, **_row(image), "path": path}
                yield {name: row[name] for name in COLUMNS}


def _row(image: LookAlike) -> dict[str, object]:
    return {name: getattr(image, name) for name in ("sha256", "perceptual_hash", "bits", "paths")}
