"""What an annotation database does: use cases, never a query language."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from teppr.types import AnnotationFile, Finding, Region, Severity, Tally

GroupKey = Literal["label", "annotator", "file", "batch", "released", "shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An accepted entry: one image as one annotation file sees it, with the accepted regions.

    path: the image file, absolute
    sha256: of the image's bytes; empty where images were not opened
    size_wh: real stored pixels; as declared where images were not opened
    orientation: EXIF orientation 1..8
    filename: as the annotation file names it
    file_sha256: identity of the annotation file
    size_bytes: of the image file, where it was opened
    regions_rejected: how many regions of the entry were read and rejected; an image without regions is background
        only where this is 0
    """

    path: str
    sha256: str
    size_wh: tuple[int, int]
    orientation: int
    filename: str
    file_sha256: str
    regions: tuple[Region, ...]
    annotator: str | None = None
    batch: str | None = None
    attributes: Mapping[str, object] | None = None
    size_bytes: int | None = None
    regions_rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """An annotation file on record with the accounting of its ingest.

    accepted: False when the whole file was rejected (it then has findings and nothing else)
    superseded_by: sha256 of the newer release that took its place; None while it is current
    labels: regions accepted by label; shapes: regions read by shape; findings: number by rule
    """

    file: AnnotationFile
    accepted: bool
    entries: Tally
    regions: Tally
    images: int
    labels: Mapping[str, int]
    shapes: Mapping[str, int]
    findings: Mapping[str, int]
    ingested: datetime
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """Which images to go through; None = no condition.

    Only current files (not superseded, not rejected) unless `with_superseded`.
    """

    problem: str | None = None
    annotators: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    with_superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuery:
    """Which findings to list; None = no condition. `file` is a sha256 or the path as ingested.

    Only of files that are not superseded, unless `with_superseded` or asked for by `file`.
    """

    problem: str | None = None
    annotator: str | None = None
    file: str | None = None
    rule: str | None = None
    severity: Severity | None = None
    with_superseded: bool = False


class FileWriter(ABC):
    """One annotation file on its way into the store; nothing of it is visible before the block has ended well."""

    @abstractmethod
    def add_images(self, images: Iterable[StoredImage]) -> None:
        """Keep accepted entries."""

    @abstractmethod
    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Keep findings."""

    @abstractmethod
    def finish(self, summary: FileSummary) -> None:
        """Keep the accounting; must be the last call of the block, and must be called.

        Of a file that is not accepted only the findings are kept, whatever was added.
        """


class Store(AbstractContextManager["Store"], ABC):
    """An annotation database.

    One object belongs to one thread; any number of processes may have their own on the same database. All reading
    methods stream. A release of a batch by an annotator that is newer than another of the same problem, batch, part
    and annotator supersedes it when it is written, whatever the order in which they arrive; of two with the same date
    and file name, or of two files that stood at the same path, the one written later is the newer. Files that were
    rejected supersede nothing.
    """

    @abstractmethod
    def writing(self, file: AnnotationFile, *, replace: bool = False) -> AbstractContextManager[FileWriter]:
        """Put a file: all or nothing, also when the process is killed. Raises AlreadyThere for a known sha256 of the
        same problem, on entering or on finishing, unless it may `replace` what is on record of it.
        """

    @abstractmethod
    def find_file(self, sha256: str, problem: str) -> FileSummary | None:
        """The file with these bytes for this problem, if it was ingested."""

    @abstractmethod
    def files(self, problem: str | None = None, *, with_superseded: bool = True) -> Iterator[FileSummary]:
        """Files on record, in the order of their ingest."""

    @abstractmethod
    def images(self, query: ImageQuery) -> Iterator[StoredImage]:
        """Accepted entries with their accepted regions, ordered by file (as ingested) and position in it."""

    @abstractmethod
    def findings(self, query: FindingQuery) -> Iterator[Finding]:
        """Findings in the order in which they were made."""

    @abstractmethod
    def known_image(self, sha256: str) -> tuple[str, ...]:
        """Paths under which an image of these bytes is on record."""

    @abstractmethod
    def annotators_of(self, image_sha256: str, problem: str) -> tuple[str, ...]:
        """Annotators with an accepted entry of this image in a current file of this problem."""

    @abstractmethod
    def region_counts(self, by: tuple[GroupKey, ...], problem: str | None = None) -> list[Mapping[str, object]]:
        """Accepted regions of current files grouped: the keys asked for, and `images` (entries that hold such a
        region), `image_area_px` (of those), `regions`, `largest_per_image`, `box_area_px`, `mask_area_px` (sums);
        unknown values come as None. `file` is the sha256, `released` a date. Ordered by the keys.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
