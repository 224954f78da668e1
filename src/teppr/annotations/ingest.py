"""Annotation files into the annotation database: read, checked by the design rules, and put whole or not at all.

Nothing vanishes: every file, entry and region that is read is accepted or rejected, and counted as such.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from teppr.annotations.delivery import annotation_files, format_asked, identified, image_folders
from teppr.annotations.entries import Judge, Judged, Place, finding_of
from teppr.annotations.images import Elsewhere, ImageChecker, Verdict
from teppr.annotations.report import IngestReport, NotTaken
from teppr.annotations.rules import Broken
from teppr.errors import AlreadyThere, BadFile, BadInput
from teppr.formats.contract import Format, Reading, ReadOptions
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.measures import Measure, measure
from teppr.problems.contract import Problem
from teppr.progress import QUIET, Progress
from teppr.store.contract import FileSummary, FileWriter, FindingQuery, Store, StoredImage
from teppr.types import AnnotationFile, Finding, ImageRecord, Provenance, Region, Severity, Tally, Unread, WholeImage

ENTRIES_AT_ONCE = 256
"""Entries that are handed to the store together; bounds what is held in memory."""

MEASURED_AT_ONCE = 64
"""Entries whose regions are measured together: arrays pay from some hundred shapes on."""

NOWHERE = Elsewhere(reason="unread", message="what cannot be read names no image")

Item: TypeAlias = tuple[ImageRecord | Unread, Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """How to ingest.

    label_attribute, label: as in ReadOptions
    images: folder of the images; None = the folder of the annotation file, or of its job
    open_images: False = images are neither opened nor looked for, their sizes are taken as declared
    given: who, with what and when, where the file's name does not say it; goes before what the name says
    format: name of the files' format; None = found out
    workers: processes for checking images
    refuse_errors: a file with any finding of severity error is rejected whole
    again: check anew what is on record already (images were mended)
    """

    label_attribute: str | None = None
    label: str | None = None
    images: Path | None = None
    open_images: bool = True
    given: Provenance = field(default_factory=Provenance)
    format: str | None = None
    clip_tolerance_px: float = 2.0
    workers: int = 1
    max_image_pixels: int = DEFAULT_MAX_PIXELS
    refuse_errors: bool = False
    again: bool = False


def ingest(
    paths: Iterable[Path],
    store: Store,
    problem: Problem,
    options: IngestOptions | None = None,
    progress: Progress = QUIET,
) -> IngestReport:
    """Put annotation files (or folders of them) into the store.

    A file that is on record already stays as it is. Raises BadFile for a path that is not there, BadInput where it
    cannot be told which attribute is the label of the only file (of several, that one is refused and the rest goes
    on); what is wrong inside a file is a finding, never an exception.
    """
    began = time.monotonic()
    options = options or IngestOptions()
    summaries: list[FileSummary] = []
    refused: list[NotTaken] = []
    notes: list[str] = []
    unchanged = 0
    files = annotation_files(paths, options.format)
    whole = _Whole(progress)
    with _seldom_collecting(), ImageChecker(options.workers, options.max_image_pixels) as checker:
        for path in files:
            work = _FileIngest(path, store, problem, options, checker, whole)
            known = None if options.again else work.on_record()
            try:
                summaries.append(known or work.run())
            except BadInput as error:
                if len(files) == 1:
                    raise
                refused.append(NotTaken(file=str(path), reason=str(error)))
                continue
            unchanged += known is not None
            notes.extend(f"{path.name}: {note}" for note in work.notes)
            if known is not None and known.findings:
                notes.append(
                    f"{path.name}: is on record and stays as it is; with mended images or other options: --again"
                )
    return IngestReport(
        summaries=tuple(summaries),
        unchanged=unchanged,
        notes=tuple(notes),
        seconds=time.monotonic() - began,
        rejected=tuple(
            NotTaken(file=each.file.path, reason=_why(each, store)) for each in summaries if not each.accepted
        ),
        refused=tuple(refused),
    )


def _why(rejected: FileSummary, store: Store) -> str:
    """Why a file is rejected whole; only the first reason, if there are several."""
    file = rejected.file
    query = FindingQuery(file=file.sha256, problem=file.problem, severity=Severity.ERROR)
    whole = (found.message for found in store.findings(query) if found.scope == "file")
    return next(whole, "it has findings of severity error")


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Look for garbage in cycles a hundred times less often: records make none, and the looking takes a sixth."""
    usual = gc.get_threshold()
    gc.set_threshold(100 * usual[0], *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Whole(Progress):
    """The progress of all files together: each says what it expects of itself."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._expected = 0

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:
        self._progress.advance(steps, news=news)

    def skip(self, steps: int) -> None:
        self._progress.skip(steps)

    def milestone(self, sentence: str) -> None:
        self._progress.milestone(sentence)

    def expect(self, total: int) -> None:
        self._expected += total
        self._progress.expect(self._expected)


class _FileIngest:
    """One file on its way through."""

    def __init__(
        self,
        path: Path,
        store: Store,
        problem: Problem,
        options: IngestOptions,
        checker: ImageChecker,
        progress: Progress,
    ) -> None:
        self._path = path
        self._store = store
        self._problem = problem
        self._options = options
        self._checker = checker
        self._progress = progress
        self._format = self._format_or_why()
        parts = self._format.parts(path) if isinstance(self._format, Format) else (path,)
        self._provenance, self._file = identified(path, problem, options.given, parts)
        usual = self._format.image_folders(path) if isinstance(self._format, Format) else None
        self._folders = image_folders(path, self._provenance, options.images, usual)
        self.notes: Sequence[str] = ()

    def _format_or_why(self) -> Format | BadFile:
        """The document's format, or why it has none: to be on record as its one finding."""
        try:
            return format_asked(self._path, self._options.format)
        except BadFile as error:
            return error

    def on_record(self) -> FileSummary | None:
        return self._store.find_file(self._file.sha256, self._problem.id)

    def run(self) -> FileSummary:
        """Read, judge and keep the file; one that is broken as a whole is on record with that finding alone."""
        try:
            file, reading = self._read()
            self.notes = reading.notes
            if reading.entries is not None:
                self._progress.expect(reading.entries)
            return self._keep(file, reading)
        except AlreadyThere:
            # Another process was quicker; what it did is what this one would have done.
            return self.on_record() or self.run()
        except BadFile as error:
            return self._reject(error)

    def _read(self) -> tuple[AnnotationFile, Reading]:
        options, format_ = self._options, self._format
        if not isinstance(format_, Format):
            raise format_
        reading = format_.read(
            self._path,
            ReadOptions(
                label_attribute=options.label_attribute,
                category_attributes=self._problem.category_attributes,
                label=options.label,
                images=self._folders.folders,
                image_labels=WholeImage.kind in self._problem.shapes,
            ),
        )
        return replace(self._file, format=format_.name), reading

    def _keep(self, file: AnnotationFile, reading: Reading) -> FileSummary:
        account = _Account()
        judge = Judge(
            file,
            self._problem,
            self._store,
            clip_tolerance_px=self._options.clip_tolerance_px,
            open_images=self._options.open_images,
        )
        with self._store.writing(file, replace=self._options.again) as writer:
            try:
                self._put(account, writer, self._of_file(file), judge, reading)
            except BadInput as error:
                # The document breaks somewhere inside, or says what no database can keep.
                raise BadFile(str(error)) from error
            summary = account.summary(file, refuse_errors=self._options.refuse_errors)
            writer.finish(summary)
        return summary

    def _put(
        self, account: _Account, writer: FileWriter, of_file: list[Finding], judge: Judge, reading: Reading
    ) -> None:
        account.found(of_file)
        findings, images = list(of_file), list[StoredImage]()
        for part, place, verdict, measures in self._measured(reading.records):
            judged = judge.part(part) if isinstance(part, Unread) else judge.entry(part, place, verdict, measures)
            account.add(judged)
            self._progress.advance(1, news=None if isinstance(part, Unread) else part.filename)
            findings.extend(judged.findings)
            images.extend([judged.image] if judged.image else [])
            if len(images) + len(findings) >= ENTRIES_AT_ONCE:
                writer.add_images(images)
                writer.add_findings(findings)
                findings, images = [], []
        writer.add_images(images)
        writer.add_findings(findings)

    def _measured(
        self, records: Iterable[ImageRecord | Unread]
    ) -> Iterator[tuple[ImageRecord | Unread, Place, Verdict | None, Iterator[Measure]]]:
        """Every part with the place of its image, the verdict on that, and the measures of its regions."""
        checked = self._checker.check(self._places(records))
        while some := list(islice(checked, MEASURED_AT_ONCE)):
            entries = [part for (part, _), _ in some if isinstance(part, ImageRecord)]
            shapes = [region.shape for entry in entries for region in entry.regions if isinstance(region, Region)]
            measures = iter(measure(shapes))
            for (part, place), verdict in some:
                yield part, place, verdict, measures

    def _places(self, records: Iterable[ImageRecord | Unread]) -> Iterator[tuple[Item, Path | None]]:
        """Every part of the file with the place of its image, and that place again where it is to be opened."""
        folders = self._folders
        for part in records:
            if isinstance(part, Unread):
                yield (part, NOWHERE), None
            elif self._options.open_images:
                place = folders.find(part.filename)
                yield (part, place), place if isinstance(place, Path) else None
            else:
                yield (part, folders.would_be(part.filename)), None

    def _of_file(self, file: AnnotationFile) -> list[Finding]:
        values = {"unknown": [name for name in ("annotator", "tool", "batch", "released") if not getattr(file, name)]}
        if not self._provenance.notes or not values["unknown"]:
            return []
        broken = Broken(rule="DR02", message="; ".join(self._provenance.notes), values=values)
        return [finding_of(broken, "file", file, self._problem)]

    def _reject(self, error: BadFile) -> FileSummary:
        # The message may quote what made the file unfit to be kept (half characters).
        message = str(error).encode("utf-8", "backslashreplace").decode()
        finding = finding_of(Broken(rule="DR01", message=message), "file", self._file, self._problem)
        account = _Account()
        account.found([finding])
        summary = account.summary(self._file, refuse_errors=False)
        with self._store.writing(self._file, replace=self._options.again) as writer:
            writer.add_findings([finding])
            writer.finish(summary)
        return summary


class _Account:
    """The sums over one file."""

    def __init__(self) -> None:
        self.entries = Tally()
        self.regions = Tally()
        self.images = 0
        self.labels: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.has_errors = False
        self.file_is_rejected = False

    def add(self, judged: Judged) -> None:
        accepted = judged.image is not None
        if judged.is_entry:
            self.entries += Tally(1, int(accepted), int(not accepted))
        self.images += accepted
        self.regions += judged.regions
        self.labels.update(judged.labels)
        self.shapes.update(judged.shapes)
        self.found(judged.findings)

    def found(self, findings: Sequence[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        self.findings.update(finding.rule for finding in findings)
        self.has_errors |= bool(errors)
        self.file_is_rejected |= any(finding.scope == "file" for finding in errors)

    def summary(self, file: AnnotationFile, *, refuse_errors: bool) -> FileSummary:
        accepted = not self.file_is_rejected and not (refuse_errors and self.has_errors)
        return FileSummary(
            file=file,
            accepted=accepted,
            entries=self.entries if accepted else _all_rejected(self.entries),
            regions=self.regions if accepted else _all_rejected(self.regions),
            images=self.images if accepted else 0,
            labels=dict(self.labels) if accepted else {},
            shapes=dict(self.shapes),
            findings=dict(self.findings),
            ingested=datetime.now(UTC),
        )


def _all_rejected(tally: Tally) -> Tally:
    return Tally(tally.read, 0, tally.read)
