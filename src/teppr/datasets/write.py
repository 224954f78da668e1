"""Rows in memory written as a dataset version, whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa

from teppr.colors import colors_of
from teppr.datasets.count import split_tables
from teppr.datasets.document import (
    DatasetDocument,
    LabelEntry,
    Parent,
    SplitRecord,
    TableEntry,
    document_bytes,
    in_order,
    version_of,
)
from teppr.datasets.snapshot import DOCUMENT, LATEST, Snapshot
from teppr.datasets.tables import (
    ANNOTATIONS,
    IMAGES,
    ImageRow,
    annotations_table,
    content_hash,
    images_table,
    write_table,
)
from teppr.errors import BadFile, BadInput, Corrupt
from teppr.files import HALF_WRITTEN, alone_in, sha256_of, sweep, whole_file, whole_folder
from teppr.progress import QUIET, Progress
from teppr.types import Rect

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

REPLACED = f"{HALF_WRITTEN}replaced-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """All that a dataset version says.

    labels: in the order of their ids; every region's label is one of them
    rows: in any order; the version does not depend on it
    colors: of labels that have one of their own
    """

    name: str
    problem: str
    labels: tuple[str, ...]
    rows: Sequence[ImageRow]
    split: SplitRecord
    filters: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.rows:
            raise BadInput(f"a dataset needs at least one image, {self.name!r} would have none")


def check_name(name: str) -> None:
    """Raise BadInput for a name that cannot be a dataset's."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"a dataset's name has letters, digits, '_', '.', '-', and begins with none of '.', '-'; got {name!r}"
        )


def write_snapshot(home: Path, content: Content, *, pack: bool = False, progress: Progress = QUIET) -> Snapshot:
    """Write the version, or find it written already; it is the dataset's latest from then on.

    pack: copy the images into the folder, so that it can travel
    A version whose images lay elsewhere, or were not packed, is written anew with the same content; a packed one stays.
    Raises Corrupt where an image is no longer the one that was ingested, or an earlier writing was changed.
    """
    rows = sources = _ordered(content.rows)
    if pack:
        progress.expect(len(rows))
        rows = [replace(row, path=packed_path(row.sha256, row.path)) for row in rows]
    tables = {IMAGES: images_table(rows), ANNOTATIONS: annotations_table(rows, content.labels)}
    folder = home / "datasets" / content.name
    with alone_in(folder):
        tidy(folder)
        path = _write(folder, content, tables, pack=pack, copies=zip(sources, rows, strict=True), progress=progress)
        say_latest(folder, path.name)
    return Snapshot.open(path)


def packed_path(sha256: str, path: str) -> str:
    """Where an image lies in a packed dataset, relative to its folder."""
    return f"images/{sha256}{PurePath(path).suffix.lower()}"


def _ordered(rows: Sequence[ImageRow]) -> list[ImageRow]:
    place = {name: i for i, name in enumerate(in_order(row.split for row in rows))}
    return sorted(rows, key=lambda row: (place[row.split], row.filename, row.sha256, row.path))


def _write(
    folder: Path,
    content: Content,
    tables: Mapping[str, pa.Table],
    *,
    pack: bool,
    copies: Iterator[tuple[ImageRow, ImageRow]],
    progress: Progress,
) -> Path:
    draft = _document(content, tables, packed=pack)
    path = folder / draft.version
    if path.exists():
        there = checked(path)
        if there.document.packed or (not pack and there.images_table.equals(tables[IMAGES])):
            return path
    with placed(path) as half:
        for name, table in tables.items():
            write_table(half / name, table)
        entries = {
            name: entry.model_copy(update={"sha256": sha256_of(half / name)}) for name, entry in draft.tables.items()
        }
        if pack:
            _copy_images(half, copies, progress)
        (half / DOCUMENT).write_bytes(document_bytes(draft.model_copy(update={"tables": entries})))
    return path


@contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A folder to fill that takes its place as a version when the block ends well, also where one is there already.

    For those who are alone in the dataset's folder.
    """
    if not path.exists():
        with whole_folder(path) as half:
            yield half
        return
    renewed = path.parent / f"{HALF_WRITTEN}renewed-{path.name}"
    with whole_folder(renewed) as half:
        yield half
    path.rename(path.parent / f"{REPLACED}{path.name}")
    renewed.rename(path)
    sweep(path.parent)


def tidy(folder: Path) -> None:
    """Remove what a killed process left in a dataset's folder; a version that it was about to replace comes back."""
    for aside in folder.glob(f"{REPLACED}*"):
        place = folder / aside.name.removeprefix(REPLACED)
        if not place.exists():
            aside.rename(place)
    sweep(folder)


def say_latest(folder: Path, version: str | None) -> None:
    """Let a dataset's bare name mean this version, or none, from now on."""
    if version is None:
        (folder / LATEST).unlink(missing_ok=True)
        return
    with whole_file(folder / LATEST) as file:
        file.write(f"{version}\n".encode())


def _document(content: Content, tables: Mapping[str, pa.Table], *, packed: bool) -> DatasetDocument:
    """The document with its version; the hashes of the tables' files, which it does not depend on, are still empty."""
    regions = [region for row in content.rows for region in row.regions]
    colors = colors_of(content.labels, content.colors)
    document = DatasetDocument(
        name=content.name,
        version="",
        problem=content.problem,
        labels=[LabelEntry(id=i, name=label, color=colors[label]) for i, label in enumerate(content.labels)],
        images=len(content.rows),
        regions=len(regions),
        splits=split_tables(tables[IMAGES], tables[ANNOTATIONS], content.labels),
        split=content.split,
        filters=dict(content.filters),
        left_out=dict(content.left_out),
        parents=sorted(content.parents, key=lambda parent: (parent.name, parent.sha256)),
        packed=packed,
        has_masks=any(not isinstance(region.shape, Rect) for region in regions),
        tables={
            name: TableEntry(rows=table.num_rows, sha256="", content_sha256=content_hash(table))
            for name, table in tables.items()
        },
    )
    return document.model_copy(update={"version": version_of(document)})


def checked(path: Path) -> Snapshot:
    """The version in a folder; raises Corrupt where one of its tables is not the file that was written."""
    snapshot = Snapshot.open(path)
    changed = [name for name, entry in snapshot.document.tables.items() if sha256_of(path / name) != entry.sha256]
    if changed:
        raise Corrupt(
            f"{path} holds this version already, but {', '.join(changed)} was changed since; remove the folder and "
            "create the dataset again"
        )
    return snapshot


def _copy_images(folder: Path, copies: Iterator[tuple[ImageRow, ImageRow]], progress: Progress) -> None:
    (folder / "images").mkdir()
    for source, row in copies:
        try:
            shutil.copyfile(source.path, folder / row.path)
        except OSError as error:
            raise BadFile(f"cannot pack {source.path}: {error.strerror or error}") from error
        if sha256_of(folder / row.path) != row.sha256:
            raise Corrupt(f"{source.path} is another image than was ingested: its bytes have changed since")
        progress.advance()
