"""A dataset version from the annotation database: selected, split, written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

import numpy as np

from teppr.datasets.assign import assigned
from teppr.datasets.document import Parent, SplitRecord
from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.select import Selection, SelectOptions, select
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.split import split
from teppr.datasets.tables import ImageRow
from teppr.datasets.unite import SelectedImage
from teppr.datasets.write import Content, check_name, write_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.likeness import groups_alike
from teppr.problems.find import problem_named
from teppr.progress import QUIET, Progress
from teppr.store.contract import Store
from teppr.types import AnnotationFile

GroupBy: TypeAlias = Literal["image", "batch", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """How to make a dataset.

    shares: {split: share} by the splitter (see `teppr.datasets.split.shares_of`)
    assign: {split: patterns of annotation files}; where given, files say the split and `shares` are not used
    group_by: what goes to one split whole: each image, a batch, or a folder of images (frames of a video, a place)
    near_duplicates: images whose perceptual hashes differ in at most so many bits go to one split as well, and with
        them their groups; None = only copies of the same bytes do
    allow_missing: labels that need not be in every split
    pack: copy the images into the dataset
    """

    select: SelectOptions = field(default_factory=SelectOptions)
    shares: Mapping[str, int] = field(default_factory=lambda: {"train": 7, "val": 2, "test": 1})
    assign: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed: int = 0
    group_by: GroupBy = "image"
    near_duplicates: int | None = None
    allow_missing: tuple[str, ...] = ()
    pack: bool = False


def create(
    store: Store,
    home: Path,
    name: str,
    problem: str,
    options: CreateOptions | None = None,
    progress: Progress = QUIET,
) -> Snapshot:
    """Write a dataset version, or find it written already.

    problem: id or file of the annotation specification
    Raises SplitRefused where labels cannot be in every split, BadInput and UnknownName for wrong conditions.
    """
    check_name(name)
    options = options or CreateOptions()
    specification = problem_named(problem, home)
    selection = select(store, specification, options.select, progress)
    if unknown := set(options.allow_missing).difference(selection.labels):
        raise UnknownName.of("label", min(unknown), selection.labels)
    if options.assign and options.near_duplicates is not None:
        raise BadInput("near-duplicates are kept together by the splitter, and annotation files say the split here")
    if options.assign:
        splits = assigned(selection, options.assign, options.allow_missing)
    else:
        splits = _by_shares(selection, options)
    content = Content(
        name=name,
        problem=specification.id,
        labels=selection.labels,
        colors=specification.colors,
        rows=[_row(image, place) for image, place in zip(selection.images, splits, strict=True)],
        split=_record(options),
        filters=options.select.as_record(),
        parents=tuple(map(_parent, selection.files.values())),
        left_out=selection.left_out,
    )
    return write_snapshot(home, content, pack=options.pack, progress=progress)


def _row(image: SelectedImage, place: str) -> ImageRow:
    return ImageRow(
        path=image.path,
        filename=image.filename,
        sha256=image.sha256,
        size_wh=image.size_wh,
        split=place,
        regions=image.regions,
        annotators=image.annotators,
        batches=image.batches,
    )


def _record(options: CreateOptions) -> SplitRecord:
    allowed = sorted(set(options.allow_missing))
    if options.assign:
        files = {place: sorted(patterns) for place, patterns in options.assign.items()}
        return SplitRecord(method="files", files=files, allow_missing=allowed)
    total = sum(options.shares.values())
    return SplitRecord(
        method="shares",
        shares={place: share / total for place, share in options.shares.items()},
        seed=options.seed,
        group_by=_grouping(options),
        allow_missing=allowed,
    )


def _grouping(options: CreateOptions) -> str:
    if options.near_duplicates is None:
        return options.group_by
    return f"{options.group_by} and near-duplicates within {options.near_duplicates} bits"


def _parent(file: AnnotationFile) -> Parent:
    return Parent(
        sha256=file.sha256,
        name=PurePath(file.path).name,
        format=file.format,
        annotator=file.annotator,
        batch=file.batch,
        released=file.released,
    )


def _by_shares(selection: Selection, options: CreateOptions) -> list[str]:
    group_of = _groups(selection.images, options)
    sizes = np.bincount(group_of)
    carried: list[Counter[str]] = [Counter() for _ in sizes]
    for image, group in zip(selection.images, group_of.tolist(), strict=True):
        carried[group].update({region.label for region in image.regions})
    matrix = LabelMatrix.of(carried, selection.labels)
    assignment = split(sizes, matrix, options.shares, options.seed, options.allow_missing)
    return [assignment.splits[place] for place in assignment.split_of_group[group_of].tolist()]


def _groups(images: Sequence[SelectedImage], options: CreateOptions) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The group of each image, numbered as they come; an image of two batches makes one group of them."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    first = []
    for image, alike in zip(images, _alike(images, options.near_duplicates), strict=True):
        keys = (*_keys(image, options.group_by), *alike)
        first.append(keys[0])
        for key in keys:
            parent[root(key)] = root(keys[0])
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(root(key), len(numbers)) for key in first], np.int64)


def _alike(images: Sequence[SelectedImage], within_bits: int | None) -> list[tuple[str, ...]]:
    """For each image the key that it has in common with those that look alike; none where that is not asked."""
    if within_bits is None:
        return [()] * len(images)
    hashes = [image.perceptual_hash for image in images if image.perceptual_hash]
    if len(hashes) < len(images):
        raise BadInput(
            f"near-duplicates are found by the images' perceptual hashes, which {len(images) - len(hashes)} of "
            f"{len(images)} images lack; ingest their annotation files again with: teppr annotations ingest --again"
        )
    return [(f"alike {group}",) for group in groups_alike(hashes, within_bits).tolist()]


def _keys(image: SelectedImage, group_by: GroupBy) -> tuple[str, ...]:
    if group_by == "batch" and image.batches:
        return image.batches
    if group_by == "folder":
        return (str(PurePath(image.path).parent),)
    return (image.sha256,)
