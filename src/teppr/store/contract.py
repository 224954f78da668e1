"""What an annotation database does: use cases, never a query language."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Literal, Self

from teppr.measures import Measure
from teppr.store.access import Access
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
    perceptual_hash: 16 hex digits that are alike for images that look alike; None where images were not opened
    measures: of the regions, in their order, where they are known; only a store that is given them looks at them
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
    perceptual_hash: str | None = None
    measures: Sequence[Measure] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A distinct image, by its bytes: what near-duplicates are searched by.

    path: the first, in the order of their letters, of those under which it is current
    """

    sha256: str
    perceptual_hash: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A release was taken back: when, and why."""

    when: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSummary:
    """An annotation file on record with the accounting of its ingest.

    accepted: False when the whole file was rejected (it then has findings and nothing else)
    superseded_by: sha256 of the newer release that took its place; None while there is none
    withdrawn: when and why it was taken back; None while it holds
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
    withdrawn: Withdrawal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """Which images to go through; None = no condition, an empty tuple = none.

    Only of current files unless `with_past`.

    files: sha256 of annotation files
    images: sha256 of the images' bytes
    filename: exactly as the annotation file names the image
    """

    problem: str | None = None
    annotators: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    images: tuple[str, ...] | None = None
    filename: str | None = None
    with_past: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuery:
    """Which findings to list; None = no condition. `file` is a sha256 or the path as ingested.

    Only of files that are not past, unless `with_past` or asked for by `file`.
    """

    problem: str | None = None
    annotator: str | None = None
    file: str | None = None
    rule: str | None = None
    severity: Severity | None = None
    with_past: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many records there are, past files' as well."""

    files: int = 0
    images: int = 0
    regions: int = 0
    findings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreInfo:
    """What an annotation database is.

    url: without a password
    back_end: name and version of the database program
    """

    url: str
    back_end: str
    schema_version: int


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
    rejected or withdrawn supersede nothing. A file is current that is accepted, not superseded and not withdrawn.
    """

    @abstractmethod
    def writing(
        self, file: AnnotationFile, *, replace: bool = False, settle: bool = True
    ) -> AbstractContextManager[FileWriter]:
        """Put a file: all or nothing, also when the process is killed. Raises AlreadyThere for a known sha256 of the
        same problem, on entering or on finishing, unless it may `replace` what is on record of it.

        settle: say anew what supersedes what. False keeps the summary's own `superseded_by` and `withdrawn`, changes
            no other file, and leaves a file that is replaced at its place in the order: for copies of a database.
        """

    @abstractmethod
    def withdraw(self, sha256: str, problem: str, *, why: str, when: datetime) -> None:
        """Take a release back: it stays on record, is past, and supersedes nothing any more.

        Files that it had superseded are superseded by what superseded it; where that is nothing, they are settled
        among the current ones, so that the release before it is current again. Putting the same file again with
        `replace` brings it back. Raises UnknownName for a file that is not on record, Refused for one that is
        withdrawn already.
        """

    @abstractmethod
    def find_file(self, sha256: str, problem: str) -> FileSummary | None:
        """The file with these bytes for this problem, if it was ingested."""

    @abstractmethod
    def files(self, problem: str | None = None, *, with_past: bool = True) -> Iterator[FileSummary]:
        """Files on record, in the order of their ingest; `with_past`: superseded and withdrawn ones as well."""

    @abstractmethod
    def images(self, query: ImageQuery) -> Iterator[StoredImage]:
        """Accepted entries with their accepted regions, ordered by file (as ingested) and position in it."""

    @abstractmethod
    def findings(self, query: FindingQuery) -> Iterator[Finding]:
        """Findings in the order in which they were made."""

    @abstractmethod
    def shared_images(self, problem: str) -> Iterator[tuple[StoredImage, ...]]:
        """Images with accepted entries of at least two annotators in current files of a problem, ordered by sha256:
        all these entries of one image, by file (as ingested) and position in it. Entries whose annotator is unknown
        and images that were not opened are left out.
        """

    @abstractmethod
    def fingerprints(self, problem: str | None = None) -> Iterator[Fingerprint]:
        """Each distinct image of current files that has a perceptual hash, once, ordered by sha256."""

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
        unknown values come as None. `file` is the sha256, `released` a date. Ordered by the keys, None first. Quick,
        whatever the number of regions, unless grouped by label and shape at once.
        """

    @abstractmethod
    def count(self, sha256: str | None = None, problem: str | None = None) -> Counts:
        """How many records there are, counted one by one; only of files with this sha256, or of this problem."""

    @property
    @abstractmethod
    def access(self) -> Access:
        """Keys of the service, and the audit log."""

    @abstractmethod
    def about(self) -> StoreInfo:
        """What this database is."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
