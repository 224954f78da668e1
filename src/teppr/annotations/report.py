"""What an ingest did: all that was read, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from teppr.store.contract import FileSummary
from teppr.types import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class NotTaken:
    """A file that was not taken, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """The accounting of one ingest; a file that was on record already is counted as its record says.

    summaries: of the files, in the order given
    rejected: those on record of which nothing is accepted, and why
    refused: files of which nothing is on record, as it must first be said how to read them
    unchanged: how many of them were on record already
    notes: choices that were made, as sentences
    """

    summaries: tuple[FileSummary, ...]
    unchanged: int
    notes: tuple[str, ...]
    seconds: float
    rejected: tuple[NotTaken, ...] = ()
    refused: tuple[NotTaken, ...] = ()

    @property
    def files(self) -> Tally:
        """Files read, accepted and rejected."""
        accepted = sum(summary.accepted for summary in self.summaries)
        return Tally(len(self.summaries), accepted, len(self.summaries) - accepted)

    @property
    def entries(self) -> Tally:
        """Entries read, accepted and rejected."""
        return sum((summary.entries for summary in self.summaries), Tally())

    @property
    def regions(self) -> Tally:
        """Regions read, accepted and rejected."""
        return sum((summary.regions for summary in self.summaries), Tally())

    @property
    def findings(self) -> Counter[str]:
        """Findings by rule."""
        return _added([Counter(summary.findings) for summary in self.summaries])

    @property
    def exit_code(self) -> int:
        """0: nothing was rejected or refused; 1: something was; 2: no file could be read."""
        if all(not summary.accepted and not summary.entries.read for summary in self.summaries):
            return 2
        return 1 if self.refused or any(tally.rejected for tally in (self.files, self.entries, self.regions)) else 0

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr annotations ingest --json` prints."""
        labels = _added([Counter(summary.labels) for summary in self.summaries])
        shapes = _added([Counter(summary.shapes) for summary in self.summaries])
        return {
            "files": {**tally_row(self.files), "unchanged": self.unchanged},
            "entries": tally_row(self.entries),
            "regions": tally_row(self.regions),
            "images": sum(summary.images for summary in self.summaries),
            "labels": dict(sorted(labels.items())),
            "shapes": dict(sorted(shapes.items())),
            "findings": dict(sorted(self.findings.items())),
            "refused": [asdict(file) for file in self.refused],
            "seconds": round(self.seconds, 3),
        }


def summary_row(summary: FileSummary) -> dict[str, Any]:
    """A file on record as `teppr annotations files --json` prints it.

    `state`: "current", "rejected", "withdrawn" or "superseded".
    """
    file = summary.file
    return {
        "sha256": file.sha256,
        "path": file.path,
        "format": file.format,
        "problem": file.problem,
        "annotator": file.annotator,
        "tool": file.tool,
        "batch": file.batch,
        "part": file.part,
        "cut": file.cut,
        "released": file.released,
        "ingested": summary.ingested,
        "state": _state(summary),
        "superseded_by": summary.superseded_by,
        "withdrawn": summary.withdrawn and {"when": summary.withdrawn.when, "why": summary.withdrawn.why},
        "images": summary.images,
        "entries": tally_row(summary.entries),
        "regions": tally_row(summary.regions),
        "labels": dict(summary.labels),
        "findings": dict(summary.findings),
    }


def _state(summary: FileSummary) -> str:
    if summary.withdrawn:
        return "withdrawn"
    if not summary.accepted:
        return "rejected"
    return "superseded" if summary.superseded_by else "current"


def tally_row(tally: Tally) -> dict[str, int]:
    """Under the names that every accounting in JSON uses."""
    return {"read": tally.read, "accepted": tally.accepted, "rejected": tally.rejected}


def _added(counters: Sequence[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total
