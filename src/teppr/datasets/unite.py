"""Entries of several annotation files about the same image made into one image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from teppr.datasets.tables import RegionRow
from teppr.geometry import iou_xyxy, xyxy_of
from teppr.store.contract import StoredImage
from teppr.types import AnnotationFile

SAME_OBJECT_IOU = 0.5
"""Boxes of one label that overlap so far, in two files about one image, are the same object."""

Entry: TypeAlias = tuple[StoredImage, tuple[RegionRow, ...]]
"""An entry, and those of its regions that are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedImage:
    """One image, with the regions of all annotation files that have it; the same bytes are the same image.

    perceptual_hash: None where none of its files was ingested with one
    attributes: what each annotation file says of it
    """

    path: str
    filename: str
    sha256: str
    size_wh: tuple[int, int]
    regions: tuple[RegionRow, ...]
    annotators: tuple[str, ...]
    batches: tuple[str, ...]
    files: tuple[str, ...]
    perceptual_hash: str | None = None
    attributes: tuple[Mapping[str, object], ...] = ()


def united(entries: Iterable[Entry], files: Mapping[str, AnnotationFile]) -> SelectedImage:
    """One image of all its entries; an object that several annotators drew is taken from the newest file."""
    entries = sorted(entries, key=lambda entry: _newest_first(entry, files))
    images = [image for image, _ in entries]
    regions: list[RegionRow] = []
    for _, drawn in entries:
        regions += _not_among(drawn, regions)
    first = min(images, key=lambda image: (image.filename, image.path))
    return SelectedImage(
        path=first.path,
        filename=first.filename,
        sha256=first.sha256,
        size_wh=first.size_wh,
        regions=tuple(regions),
        annotators=_known(image.annotator for image in images),
        batches=_known(image.batch for image in images),
        files=_known(image.file_sha256 for image in images),
        perceptual_hash=next((image.perceptual_hash for image in images if image.perceptual_hash), None),
        attributes=tuple(image.attributes for image in images if image.attributes),
    )


def _newest_first(entry: Entry, files: Mapping[str, AnnotationFile]) -> tuple[int, str, str]:
    # After the date in an order of its own, so that the order of ingest does not matter.
    image, _ = entry
    released = files[image.file_sha256].released
    return (-released.toordinal() if released else 0, image.file_sha256, image.filename)


def _not_among(drawn: Iterable[RegionRow], others: Sequence[RegionRow]) -> list[RegionRow]:
    """Those of `drawn` that are no second opinion on one of `others`: the same label on the same place."""
    fresh = []
    for region in drawn:
        same_kind = [o for o in others if (o.label, o.is_crowd) == (region.label, region.is_crowd)]
        boxes = xyxy_of([other.box_xywh_px for other in same_kind])
        overlap = iou_xyxy(xyxy_of([region.box_xywh_px]), boxes)
        if not (overlap >= SAME_OBJECT_IOU).any() and all(other.shape != region.shape for other in same_kind):
            fresh.append(region)
    return fresh


def _known(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value is not None}))
