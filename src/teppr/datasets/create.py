"""A dataset version from the annotation database: selected, split, written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from teppr.datasets.assign import assigned
from teppr.datasets.document import Parent, SplitRecord
from teppr.datasets.extend import Older
from teppr.datasets.groups import Grouping, groups_of
from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.select import Selection, SelectOptions, select
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.split import split
from teppr.datasets.tables import ImageRow
from teppr.datasets.unite import SelectedImage
from teppr.datasets.write import Content, check_name, write_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.problems.find import problem_named
from teppr.progress import QUIET, Progress
from teppr.store.contract import Store
from teppr.types import Ints

UNNAMED = "images that no list of --assign names"
SHARES = {"train": 7, "val": 2, "test": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """How to make a dataset.

    shares: {split: share} by the splitter (see `teppr.datasets.split.shares_of`); None = those of the version that is
        extended, else 70/20/10
    assign: {split: patterns of annotation files, or lists of images}; where given, files say the split and `shares` are
        not used
    extend: a dataset version whose images stay in their splits
    by, near_duplicates: what goes to one split whole, see `teppr.datasets.groups.Grouping`; None = as in the version
        that is extended, else only copies of the same bytes
    allow_missing: labels that need not be in every split
    pack: copy the images into the dataset
    """

    select: SelectOptions = field(default_factory=SelectOptions)
    shares: Mapping[str, int] | None = None
    assign: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed: int = 0
    extend: str | None = None
    by: str | None = None
    near_duplicates: int | None = None
    allow_missing: tuple[str, ...] = ()
    pack: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """The split of each image, None for those left out, and what the dataset says of how it came there."""

    splits: Sequence[str | None]
    record: SplitRecord
    left_out: Mapping[str, int] = field(default_factory=dict)


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
    older = None if options.extend is None else Older.find(home, name, options.extend)
    selection = select(store, specification, options.select, progress)
    if unknown := set(options.allow_missing).difference(selection.labels):
        raise UnknownName.of("label", min(unknown), selection.labels)
    placed = _by_files(selection, options) if options.assign else _by_shares(selection, options, older)
    content = Content(
        name=name,
        problem=specification.id,
        labels=selection.labels,
        colors=specification.colors,
        rows=[_row(image, place) for image, place in zip(selection.images, placed.splits, strict=True) if place],
        split=placed.record,
        filters=options.select.as_record(),
        parents=tuple(map(Parent.of, selection.files.values())),
        left_out={**selection.left_out, **placed.left_out},
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


def _by_files(selection: Selection, options: CreateOptions) -> _Placed:
    for option, given in (("--by", options.by), ("--extend", options.extend)):
        if given is not None:
            raise BadInput(f"{option} is for the splitter, and annotation files say the split here; got {given!r}")
    if options.near_duplicates is not None:
        raise BadInput("near-duplicates are kept together by the splitter, and annotation files say the split here")
    files = {place: sorted(patterns) for place, patterns in options.assign.items()}
    record = SplitRecord(method="files", files=files, allow_missing=sorted(set(options.allow_missing)))
    splits = assigned(selection, options.assign, options.allow_missing)
    unnamed = splits.count(None)
    return _Placed(splits=splits, record=record, left_out={UNNAMED: unnamed} if unnamed else {})


def _by_shares(selection: Selection, options: CreateOptions, older: Older | None) -> _Placed:
    shares = options.shares or (older.shares() if older else SHARES)
    grouping = _grouping(options, older)
    groups = groups_of(selection.images, grouping)
    group_of = groups.group_of_image
    kept = older.kept(selection.images, group_of, tuple(shares)) if older else None
    matrix = _matrix(selection, group_of)
    assignment = split(np.bincount(group_of), matrix, shares, options.seed, options.allow_missing, kept)
    record = SplitRecord(
        method="shares",
        shares={place: share / sum(shares.values()) for place, share in shares.items()},
        seed=options.seed,
        group_by=str(grouping),
        allow_missing=sorted(set(options.allow_missing)),
        alone=groups.alone,
        extends=older.reference if older else None,
    )
    return _Placed(
        splits=[assignment.splits[place] for place in assignment.split_of_group[group_of].tolist()],
        record=record,
        left_out=older.left_out(selection.images) if older else {},
    )


def _grouping(options: CreateOptions, older: Older | None) -> Grouping:
    """As the older version, unless said otherwise: a frame more must not leave its video because nobody said --by."""
    before = Grouping.parse(older.split.group_by) if older else Grouping()
    return Grouping(
        by=before.by if options.by is None else options.by,
        near_duplicates=before.near_duplicates if options.near_duplicates is None else options.near_duplicates,
    )


def _matrix(selection: Selection, group_of: Ints) -> LabelMatrix:
    carried: list[Counter[str]] = [Counter() for _ in range(int(group_of.max()) + 1)]
    for image, group in zip(selection.images, group_of.tolist(), strict=True):
        carried[group].update({region.label for region in image.regions})
    return LabelMatrix.of(carried, selection.labels)
