"""Which images and regions of the annotation database a dataset takes, and what it leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from teppr.datasets.cap import Cap, capped
from teppr.datasets.filter import Filter, area_of, box_of
from teppr.datasets.labels import LabelNames
from teppr.datasets.tables import RegionRow
from teppr.datasets.unite import Entry, SelectedImage, united
from teppr.errors import BadInput, UnknownName
from teppr.problems.contract import Problem
from teppr.progress import QUIET, Progress
from teppr.store.contract import ImageQuery, Store, StoredImage
from teppr.types import AnnotationFile, Polygon, Region, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectOptions:
    """Conditions that images and regions must meet.

    An image none of whose regions is taken is a background image, unless a condition leaves the image out.

    rename: {label in the database: label in the dataset}; two may become one
    drop: regions of these labels are left out
    labels: only these, in the order of their ids; None = all that occur
    other: what all labels become that are not in `labels`; None = their regions are left out
    where: an expression (see `teppr.datasets.where`); label conditions are about labels as they are in the dataset
    annotators: only these; None = all
    min_area_px: smaller regions are left out
    background: keep images without a region
    cap: what there may be at most, once all else is chosen
    """

    labels: tuple[str, ...] | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    annotators: tuple[str, ...] | None = None
    min_area_px: float = 0.0
    background: bool = True
    drop: tuple[str, ...] = ()
    other: str | None = None
    cap: Cap = field(default_factory=Cap)

    def __post_init__(self) -> None:
        if self.other is not None and self.labels is None:
            raise BadInput(f"--other is the name of labels that --labels does not list, got {self.other!r} without")
        if both := set(self.drop).intersection(self.labels or ()):
            raise BadInput(f"a label is dropped or taken, got both: --drop {min(both)} and --labels {min(both)}")

    def as_record(self) -> dict[str, Any]:
        """For `dataset.json`; what came later is there where it is used, so that older versions stay what they are."""
        record = {
            "labels": None if self.labels is None else list(self.labels),
            "rename": dict(self.rename),
            "where": self.where,
            "annotators": None if self.annotators is None else sorted(self.annotators),
            "min_area_px": self.min_area_px,
            "background": self.background,
        }
        later = {"drop": sorted(set(self.drop)), "other": self.other}
        return {**record, **{name: value for name, value in later.items() if value}, **self.cap.as_record()}


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

    Raises BadInput where nothing is left, UnknownName for labels, annotators and attributes that are not there.
    """
    names = LabelNames(rename=options.rename, drop=options.drop, labels=options.labels, other=options.other)
    filter_ = Filter(options.where)
    summaries = list(store.files(problem.id, with_past=False))
    files = {summary.file.sha256: summary.file for summary in summaries if summary.accepted}
    if not files:
        raise BadInput(
            f"there is no annotation file of problem {problem.id!r} on record; put some there with: "
            f"teppr annotations ingest FILE --problem {problem.id}"
        )
    _check_annotators(options, {file.annotator for file in files.values()})
    chooser = _Chooser(problem, options, files, names, filter_)
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

    def __init__(
        self,
        problem: Problem,
        options: SelectOptions,
        files: Mapping[str, AnnotationFile],
        names: LabelNames,
        filter_: Filter,
    ) -> None:
        self._problem = problem
        self._options = options
        self._files = files
        self._names = names
        self._filter = filter_
        self._entries: dict[str, list[Entry]] = {}
        self._left_out: Counter[str] = Counter()
        self._had_regions = False

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
        if not self._filter.take_image(image, self._files[image.file_sha256]):
            self._left_out["entries left out by --where"] += 1
            return
        rows = (self._row(region, image) for region in image.regions)
        self._entries.setdefault(image.sha256, []).append((image, tuple(row for row in rows if row is not None)))

    def _nothing_left(self, what: str) -> BadInput:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in self._left_out.items() if count)
        labels = f"; the labels there: {', '.join(sorted(self._names.seen))}" if self._names.seen else ""
        return BadInput(
            f"no {what} of problem {self._problem.id!r} is left: {len(self._files)} annotation file(s) are on record; "
            f"{reasons or 'nothing was left out'}{labels}"
        )

    def _row(self, region: Region, image: StoredImage) -> RegionRow | None:
        """The region as the dataset has it; None, counted, where it is left out."""
        if not _is_labelled(region):
            self._left_out["regions without a label"] += 1
            return None
        self._had_regions = True
        label, option = self._names.name_of(region.label or "")
        if option is None and not self._filter.take_region(region, label, image, self._files[image.file_sha256]):
            option = "--where"
        if option is None and area_of(region) < self._options.min_area_px:
            option = "--min-area"
        if option is not None:
            self._left_out[f"regions left out by {option}"] += 1
            return None
        return RegionRow(
            shape=_without_trace(region.shape),
            label=label,
            box_xywh_px=box_of(region),
            area_px=area_of(region),
            is_crowd=region.is_crowd,
            attributes=region.attributes,
            annotator=image.annotator,
            file_sha256=image.file_sha256,
        )

    def selection(self) -> Selection:
        self._names.check()
        self._filter.check()
        images = [self._united(self._entries[sha256]) for sha256 in sorted(self._entries)]
        if not self._options.background:
            kept = [image for image in images if image.regions]
            self._left_out["images left out by --no-background"] += len(images) - len(kept)
            images = kept
        images, too_many = capped(images, self._options.cap)
        self._left_out.update(too_many)
        if not images or (self._had_regions and not any(image.regions for image in images)):
            raise self._nothing_left("region" if images else "image")
        used = {sha256 for image in images for sha256 in image.files}
        found = {region.label for image in images for region in image.regions}
        return Selection(
            images=tuple(images),
            labels=self._names.in_order(found, self._problem.label_names),
            files={sha256: self._files[sha256] for sha256 in sorted(used)},
            left_out={reason: count for reason, count in sorted(self._left_out.items()) if count},
        )

    def _united(self, entries: list[Entry]) -> SelectedImage:
        image = united(entries, self._files)
        drawn = sum(len(regions) for _, regions in entries)
        self._left_out["entries united with another of the same image"] += len(entries) - 1
        self._left_out["regions that another entry of the same image has"] += drawn - len(image.regions)
        return image


def _is_labelled(region: Region) -> bool:
    return bool(region.label and region.label.strip())


def _without_trace(shape: Shape) -> Shape:
    """The shape without how its file wrote it, so that equal regions are equal."""
    return replace(shape, closed_in_file=False) if isinstance(shape, Polygon) else shape
