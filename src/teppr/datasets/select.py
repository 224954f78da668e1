"""Which images and regions of the annotation database a dataset takes, and what it leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from teppr.datasets.tables import RegionRow
from teppr.datasets.where import IMAGE_FIELDS, REGION_FIELDS, Condition, hold, parse_where
from teppr.errors import BadInput, UnknownName
from teppr.geometry import area, box_xywh, iou_xyxy, xyxy_of
from teppr.problems.contract import Problem
from teppr.progress import QUIET, Progress
from teppr.store.contract import ImageQuery, Store, StoredImage
from teppr.types import AnnotationFile, Polygon, Region, Shape

SAME_OBJECT_IOU = 0.5
"""Boxes of one label that overlap so far, in two files about one image, are the same object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectOptions:
    """Conditions that images and regions must meet.

    labels: only these, in the order of their ids; None = all that occur
    rename: {label in the database: label in the dataset}; two may become one
    where: an expression (see `teppr.datasets.where`); label conditions are about renamed labels
    annotators: only these; None = all
    min_area_px: smaller regions are left out
    background: keep images without a region
    """

    labels: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    annotators: tuple[str, ...] | None = None
    min_area_px: float = 0.0
    background: bool = True

    def as_record(self) -> dict[str, Any]:
        """For `dataset.json`."""
        return {
            "labels": None if self.labels is None else list(self.labels),
            "rename": dict(self.rename),
            "where": self.where,
            "annotators": None if self.annotators is None else sorted(self.annotators),
            "min_area_px": self.min_area_px,
            "background": self.background,
        }


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was taken, by sha256 of the images.

    labels: in the order of their ids
    files: annotation files that images were taken from, by sha256
    left_out: how many images and regions were not taken, by reason
    """

    images: tuple[SelectedImage, ...]
    labels: tuple[str, ...]
    files: Mapping[str, AnnotationFile]
    left_out: Mapping[str, int]


def select(store: Store, problem: Problem, options: SelectOptions, progress: Progress = QUIET) -> Selection:
    """Go through the current files of a problem.

    Raises BadInput where nothing is left, UnknownName for labels and annotators that are not there.
    """
    summaries = list(store.files(problem.id, with_past=False))
    files = {summary.file.sha256: summary.file for summary in summaries if summary.accepted}
    if not files:
        raise BadInput(
            f"there is no annotation file of problem {problem.id!r} on record; put some there with: "
            f"teppr annotations ingest FILE --problem {problem.id}"
        )
    _check_annotators(options, {file.annotator for file in files.values()})
    chooser = _Chooser(problem, options, files)
    for image in store.images(ImageQuery(problem=problem.id, annotators=options.annotators)):
        chooser.take(image)
        progress.advance()
    return chooser.selection()


def _check_annotators(options: SelectOptions, known: set[str | None]) -> None:
    for name in options.annotators or ():
        if name not in known:
            raise UnknownName.of("annotator", name, [known_name for known_name in known if known_name])


class _Chooser:
    """Takes stored entries one by one; entries of the same image come together."""

    def __init__(self, problem: Problem, options: SelectOptions, files: Mapping[str, AnnotationFile]) -> None:
        self._problem = problem
        self._options = options
        self._files = files
        self._conditions: tuple[Condition, ...] = parse_where(options.where)
        self._entries: dict[str, list[tuple[StoredImage, tuple[RegionRow, ...]]]] = {}
        self._seen: Counter[str] = Counter()
        self._stored: set[str] = set()
        self._left_out: Counter[str] = Counter()

    def take(self, image: StoredImage) -> None:
        if not image.sha256:
            raise BadInput(
                f"a dataset needs images that were opened: {image.filename!r} of "
                f"{self._files[image.file_sha256].path} was ingested without; ingest the file again with its images"
            )
        if image.regions_rejected and not image.regions:
            # Something is there, but nobody knows what: as background it would teach the network a lie.
            self._left_out["entries whose regions were all rejected"] += 1
            return
        if image.regions and not any(_is_labelled(region) for region in image.regions):
            self._left_out["entries none of whose regions is labelled"] += 1
            return
        file = self._files[image.file_sha256]
        values = {"annotator": image.annotator, "batch": image.batch, "filename": image.filename}
        if not hold(self._conditions, IMAGE_FIELDS, {**values, "file": PurePath(file.path).name}):
            self._left_out["entries left out by --where"] += 1
            return
        regions = tuple(self._row(region, image) for region in image.regions if self._wants(region))
        self._entries.setdefault(image.sha256, []).append((image, regions))

    def _wants(self, region: Region) -> bool:
        if not _is_labelled(region):
            self._left_out["regions without a label"] += 1
            return False
        stored = region.label or ""
        label = self._options.rename.get(stored, stored)
        self._stored.add(stored)
        self._seen[label] += 1
        reason = None
        if self._options.labels is not None and label not in self._options.labels:
            reason = "regions left out by --labels"
        elif not hold(self._conditions, REGION_FIELDS, {"label": label, "shape": region.shape.kind}):
            reason = "regions left out by --where"
        elif _area_of(region) < self._options.min_area_px:
            reason = "regions left out by --min-area"
        if reason:
            self._left_out[reason] += 1
        return reason is None

    def _row(self, region: Region, image: StoredImage) -> RegionRow:
        stored = region.label or ""
        return RegionRow(
            shape=_without_trace(region.shape),
            label=self._options.rename.get(stored, stored),
            box_xywh_px=region.box_xywh_px or box_xywh(region.shape),
            area_px=_area_of(region),
            is_crowd=region.is_crowd,
            attributes=region.attributes,
            annotator=image.annotator,
            file_sha256=image.file_sha256,
        )

    def _newest_first(self, entry: tuple[StoredImage, tuple[RegionRow, ...]]) -> tuple[int, str, str]:
        # After the date in an order of its own, so that the order of ingest does not matter.
        image, _ = entry
        released = self._files[image.file_sha256].released
        return (-released.toordinal() if released else 0, image.file_sha256, image.filename)

    def selection(self) -> Selection:
        self._check_names()
        images = [self._united(self._entries[sha256]) for sha256 in sorted(self._entries)]
        if not self._options.background:
            kept = [image for image in images if image.regions]
            self._left_out["images left out by --no-background"] += len(images) - len(kept)
            images = kept
        if not images:
            raise BadInput(
                f"no image of problem {self._problem.id!r} is left: {len(self._files)} annotation file(s) are on "
                f"record; left out: {dict(self._left_out) or 'nothing'}"
            )
        used = {sha256 for image in images for sha256 in image.files}
        return Selection(
            images=tuple(images),
            labels=self._labels(images),
            files={sha256: self._files[sha256] for sha256 in sorted(used)},
            left_out={reason: count for reason, count in sorted(self._left_out.items()) if count},
        )

    def _check_names(self) -> None:
        for label in self._options.labels or ():
            if label not in self._seen:
                raise UnknownName.of("label", label, self._seen)
        for label in self._options.rename:
            if label not in self._stored:
                raise UnknownName.of("label to rename", label, self._stored)

    def _labels(self, images: Iterable[SelectedImage]) -> tuple[str, ...]:
        if self._options.labels is not None:
            return self._options.labels
        found = {region.label for image in images for region in image.regions}
        listed = [label for label in self._problem.label_names if label in found]
        return (*listed, *sorted(found.difference(listed)))

    def _united(self, entries: list[tuple[StoredImage, tuple[RegionRow, ...]]]) -> SelectedImage:
        """One image of all its entries; an object that several annotators drew is taken from the newest file."""
        entries = sorted(entries, key=self._newest_first)
        images = [image for image, _ in entries]
        regions: list[RegionRow] = []
        for _, drawn in entries:
            regions += _not_among(drawn, regions)
        self._left_out["entries united with another of the same image"] += len(entries) - 1
        self._left_out["regions that another entry of the same image has"] += sum(
            len(drawn) for _, drawn in entries
        ) - len(regions)
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


def _is_labelled(region: Region) -> bool:
    return bool(region.label and region.label.strip())


def _area_of(region: Region) -> float:
    return area(region.shape) if region.area_px is None else region.area_px


def _without_trace(shape: Shape) -> Shape:
    """The shape without how its file wrote it, so that equal regions are equal."""
    return replace(shape, closed_in_file=False) if isinstance(shape, Polygon) else shape
