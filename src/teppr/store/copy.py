"""One annotation database into another, of whatever back end: file by file, each whole or absent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias

from teppr.errors import AlreadyThere
from teppr.progress import QUIET, Progress
from teppr.store.chunks import chunks
from teppr.store.contract import Counts, FileSummary, FindingQuery, ImageQuery, Store

RECORDS_AT_ONCE = 256

Outcome: TypeAlias = Literal["copied", "brought up to date", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """What copying did, and the records of the source's files on both sides afterwards.

    copied: files that were not there
    brought_up_to_date: files that were there as copies, and have been superseded or withdrawn in the source since
    unchanged: files that were there and were left alone
    """

    copied: int
    brought_up_to_date: int
    unchanged: int
    source: Counts
    target: Counts

    @property
    def is_equal(self) -> bool:
        """Whether both sides have as many records of the source's files."""
        return self.source == self.target

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr store copy --json` prints."""
        return {
            "files": {
                "copied": self.copied,
                "brought_up_to_date": self.brought_up_to_date,
                "unchanged": self.unchanged,
            },
            "source": asdict(self.source),
            "target": asdict(self.target),
            "equal": self.is_equal,
        }


def copy(source: Store, target: Store, progress: Progress = QUIET) -> CopyReport:
    """Copy all files in the order of their ingest, with what is superseded and withdrawn.

    A file that the target has keeps its records, whether it was copied or ingested there. A copy that was killed is
    completed by the next, and files that have come since are added.
    """
    progress.expect(source.count().files)
    outcomes: Counter[Outcome] = Counter()
    for summary in source.files():
        outcomes[_copy_file(source, target, summary)] += 1
        progress.advance(1, news=summary.file.path.rpartition("/")[2])
    identities = [(summary.file.sha256, summary.file.problem) for summary in source.files()]
    return CopyReport(
        copied=outcomes["copied"],
        brought_up_to_date=outcomes["brought up to date"],
        unchanged=outcomes["unchanged"],
        source=_counted(source, identities),
        target=_counted(target, identities),
    )


def _copy_file(source: Store, target: Store, summary: FileSummary) -> Outcome:
    file = summary.file
    found = target.find_file(file.sha256, file.problem)
    if found is not None:
        was_copied = replace(found, superseded_by=summary.superseded_by, withdrawn=summary.withdrawn) == summary
        if found == summary or not was_copied:
            return "unchanged"
    images = source.images(ImageQuery(problem=file.problem, files=(file.sha256,), with_past=True))
    findings = source.findings(FindingQuery(problem=file.problem, file=file.sha256))
    try:
        with target.writing(file, replace=found is not None, settle=False) as writer:
            for some_images in chunks(images, RECORDS_AT_ONCE):
                writer.add_images(some_images)
            for some_findings in chunks(findings, RECORDS_AT_ONCE):
                writer.add_findings(some_findings)
            writer.finish(summary)
    except AlreadyThere:
        return "unchanged"  # another process was quicker
    return "copied" if found is None else "brought up to date"


def _counted(store: Store, identities: Iterable[tuple[str, str]]) -> Counts:
    of_files = [store.count(sha256, problem) for sha256, problem in identities]
    return Counts(**{field.name: sum(getattr(each, field.name) for each in of_files) for field in fields(Counts)})
