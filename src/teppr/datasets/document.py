"""What `dataset.json` holds: the summary of a dataset version, and where it comes from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path, PurePath
from typing import Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from teppr.errors import Corrupt
from teppr.types import AnnotationFile

FIRST_SPLITS = ("train", "val", "test")
VERSION_DIGITS = 12


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelEntry(_Part):
    """A label; ids run from 0 without gaps."""

    id: int
    name: str
    color: str


class Count(_Part):
    """How many images and regions."""

    images: int
    regions: int


class SplitTable(_Part):
    """What one split holds; `per_label` has every label of the dataset."""

    images: int
    regions: int
    per_label: dict[str, Count]


class Parent(_Part):
    """An annotation file that the dataset was made from; None = unknown."""

    sha256: str
    name: str
    format: str
    annotator: str | None = None
    batch: str | None = None
    released: date | None = None

    @classmethod
    def of(cls, file: AnnotationFile) -> Self:
        """What a dataset says of a file; not where it lies, which is different elsewhere."""
        return cls(
            sha256=file.sha256,
            name=PurePath(file.path).name,
            format=file.format,
            annotator=file.annotator,
            batch=file.batch,
            released=file.released,
        )


class SplitRecord(_Part):
    """How images came into their splits.

    method: "shares" (by the splitter), "files" (as annotation files say)
    shares: {split: share}, they sum to 1
    files: {split: patterns of annotation files}
    group_by: what went to one split whole, see `teppr.datasets.groups`: "image", "batch", "video" ..., each with
        " and near-duplicates within 6 bits" where those were kept together
    alone: images that lack what the others were grouped by
    extends: the version whose images kept their split
    """

    method: Literal["shares", "files"]
    shares: dict[str, float] = {}
    files: dict[str, list[str]] = {}
    seed: int = 0
    group_by: str = "image"
    allow_missing: list[str] = []
    alone: int = 0
    extends: str | None = None

    @model_serializer(mode="wrap")
    def _as_written(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # What came later is written only where it is used, so that older versions stay what they are.
        said: dict[str, Any] = plain(self)
        return {name: value for name, value in said.items() if value or name not in {"alone", "extends"}}


class TableEntry(_Part):
    """One table: its rows, the hash of its file, and the hash of its content, which no library's version changes."""

    rows: int
    sha256: str
    content_sha256: str


class DatasetDocument(_Part):
    """`dataset.json`.

    filters: the conditions that images and regions had to meet, as given
    left_out: how many images and regions did not meet them, by reason
    packed: images lie in the folder itself; otherwise they are where the annotation database found them
    has_masks: some region is more than a rectangle
    """

    schema_version: Literal[1] = 1
    name: str
    version: str
    problem: str
    labels: list[LabelEntry]
    images: int
    regions: int
    splits: dict[str, SplitTable]
    split: SplitRecord
    filters: dict[str, Any] = {}
    left_out: dict[str, int] = {}
    parents: list[Parent] = []
    packed: bool = False
    has_masks: bool
    tables: dict[str, TableEntry]


def in_order(splits: Iterable[str]) -> tuple[str, ...]:
    """Names of splits: train, val, test, then others by name."""
    given = set(splits)
    return (*(name for name in FIRST_SPLITS if name in given), *sorted(given.difference(FIRST_SPLITS)))


def merged(tables: Sequence[SplitTable]) -> SplitTable:
    """What several splits hold together."""

    def total(counts: Sequence[Count | SplitTable]) -> dict[str, int]:
        return {name: sum(getattr(count, name) for count in counts) for name in ("images", "regions")}

    per_label = {label: Count(**total([table.per_label[label] for table in tables])) for label in tables[0].per_label}
    return SplitTable(**total(tables), per_label=per_label)


WHERE_AND_HOW: Any = {"version": True, "packed": True, "tables": {"__all__": {"sha256"}}}
"""What may differ between two creations of the same version, and is not part of it.

Whether images are packed; and the hashes of the tables' files, for images.parquet says where images lie that are not
packed, and another Parquet library writes other bytes. All else is the same to the byte, wherever the images and the
annotation files lie, in whichever home and on whichever day. Two packed creations by one library do not differ at all.
"""


def version_of(document: DatasetDocument) -> str:
    """The version that the content makes: all of the document but the version itself and where and how it is kept.

    The hashes of the tables' content stand for the tables, so that another Parquet library gives the same version.
    """
    content = document.model_dump(mode="json", exclude=WHERE_AND_HOW)
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:VERSION_DIGITS]


def document_bytes(document: DatasetDocument) -> bytes:
    """The document as it is written: readable, keys sorted, the same for the same content."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(document.model_dump(mode="json"), option=options)


def read_document(path: Path) -> DatasetDocument:
    """`dataset.json`, checked against the version that it states; raises Corrupt."""
    try:
        return parse_document(path.read_bytes(), str(path))
    except OSError as error:
        raise Corrupt(f"cannot read {path}: {error.strerror or error}") from error


def parse_document(data: bytes, where: str) -> DatasetDocument:
    """The same from its bytes; `where` they are from is told in errors."""
    try:
        document = DatasetDocument.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Corrupt(f"{where} is not what was written: {first['msg']} - at {place or 'its beginning'}") from error
    if version_of(document) != document.version:
        raise Corrupt(
            f"{where} was changed: its content makes version {version_of(document)}, it states {document.version}; "
            "bring the folder back from a copy, or remove it and create or unpack the dataset again"
        )
    return document
