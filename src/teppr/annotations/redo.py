"""What an annotator must do again, as an annotation file: the rejected regions, each with what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from teppr.annotations.told import told
from teppr.errors import BadImage, BadInput
from teppr.formats.contract import FORMATS, Format, WriteReport
from teppr.images import size_of
from teppr.types import Finding, ImageRecord, Region, Severity, Shape

FINDING = "teppr_finding"
"""Attribute of a region or an image that says what is wrong: "DR12: the shape reaches 80 px beyond ..."."""
UNREAD = "teppr_unread"
"""Attribute of an image that lists the regions that could not be read, and so are not in the file."""
LABEL = "label"
"""Attribute of a region that is to be labelled, left blank, so that it is plain where the label belongs."""
NAMELESS_SHOWN = 10
WORTH_REDOING = (Severity.ERROR, Severity.WARNING)


@dataclass(slots=True, kw_only=True)
class Redo:
    """What was written, and what could not be.

    report: as of every file that is written
    unread: regions without a readable shape; they are told of in their image's attribute `UNREAD`
    whole_files: names of annotation files that are wrong as a whole, and must be delivered again as such
    nameless: entries that have no image to be named by, such as label files of YOLO without one
    nameless_at: where the first of these are in their documents
    """

    report: WriteReport = field(default_factory=WriteReport)
    unread: int = 0
    whole_files: list[str] = field(default_factory=list)
    nameless: int = 0
    nameless_at: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr annotations findings REDO --json` prints."""
        report = self.report
        counts = {"images": report.images, "regions": report.regions, "not_said": report.not_said}
        nameless = {"nameless": self.nameless, "nameless_at": self.nameless_at}
        return {**counts, "unread": self.unread, "whole_files": self.whole_files, **nameless}

    def add_nameless(self, where: str) -> None:
        """Count one; only the first are remembered, for there may be as many as images."""
        self.nameless += 1
        if len(self.nameless_at) < NAMELESS_SHOWN:
            self.nameless_at.append(where)


def write_redo(findings: Iterable[Finding], format_name: str, path: Path, least: Severity = Severity.ERROR) -> Redo:
    """Write one entry for each image of these findings; the file is whole or absent, memory does not grow with it.

    A region stands there as it was read, with its label if it has one and the attribute `FINDING`. An entry that was
    rejected as a whole has no regions, and the attribute `FINDING` itself. Notes ask for nothing and are passed over.

    findings: in the order in which the store has them
    least: with WARNING, what was accepted with a warning is to be done again as well
    Raises UnknownName for the format, BadInput where its documents are folders or there is nothing less than a note.
    """
    if least not in WORTH_REDOING:
        raise BadInput(f"what must be done again has findings of severity error or warning, got {least.value!r}")
    format_ = _of_one_file(format_name)
    redo = Redo()
    severities = WORTH_REDOING[: WORTH_REDOING.index(least) + 1]
    redo.report = format_.write(_records(findings, severities, redo), path)
    return redo


def _of_one_file(name: str) -> Format:
    format_ = FORMATS.load(name)
    if format_.layout != "file":
        raise BadInput(f"what must be done again is written as one file, and {name} is a format of folders")
    return format_


def _records(findings: Iterable[Finding], severities: Collection[Severity], redo: Redo) -> Iterator[ImageRecord]:
    asking = (finding for finding in findings if finding.severity in WORTH_REDOING)
    for (file, image), of_image in groupby(asking, key=lambda finding: (finding.file, finding.image)):
        together = list(of_image)
        if all(finding.severity not in severities for finding in together):
            continue
        if image is not None:
            yield _record(image, together, severities, redo)
            continue
        if any(_is_error(finding) and finding.scope == "file" for finding in together):
            redo.whole_files.append(Path(file).name)
        for finding in together:
            if finding.scope == "entry" and finding.severity in severities:
                redo.add_nameless(finding.where)


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR


def _record(image: str, findings: Sequence[Finding], severities: Collection[Severity], redo: Redo) -> ImageRecord:
    of_entry = [finding for finding in findings if finding.region_index is None and finding.severity in severities]
    unread = [finding for finding in findings if finding.region_index is not None and finding.shape is None]
    redo.unread += len(unread)
    said = {FINDING: _said(of_entry), UNREAD: "; ".join(f"region {one.region_index}: {_said([one])}" for one in unread)}
    path = next((finding.image_path for finding in findings if finding.image_path), None)
    size_bytes, size_wh = _sizes(path)
    return ImageRecord(
        filename=image,
        where="",
        regions=() if any(map(_is_error, of_entry)) else tuple(_regions(findings, severities)),
        size_bytes=size_bytes,
        size_wh=size_wh,
        attributes={name: text for name, text in said.items() if text},
        path=path,
    )


def _regions(findings: Iterable[Finding], severities: Collection[Severity]) -> Iterator[Region]:
    """The regions to be done again, each with all that is wrong with it."""
    index = 0
    for (_, shape), of_region in groupby(findings, key=lambda finding: (finding.region_index, finding.shape)):
        together = list(of_region)
        if shape is not None and any(finding.severity in severities for finding in together):
            yield _region(shape, index, together)
            index += 1


def _region(shape: Shape, index: int, findings: Sequence[Finding]) -> Region:
    values = findings[0].values
    label = values.get("label")
    attributes: dict[str, Any] = {**values.get("attributes", {}), FINDING: _said(findings)}
    return Region(
        shape=shape,
        label=None if label is None else str(label),
        label_attribute=values.get("label_attribute"),
        attributes=attributes if label is not None else {LABEL: "", **attributes},
        index=index,
        where=findings[0].where,
    )


def _said(findings: Iterable[Finding]) -> str:
    return "; ".join(f"{finding.rule}: {told(finding).message}" for finding in findings)


def _sizes(path: str | None) -> tuple[int | None, tuple[int, int] | None]:
    """Bytes and pixels of the image, by which tools and formats know it; None where it is not there any more."""
    try:
        return (None, None) if path is None else (Path(path).stat().st_size, size_of(Path(path)))
    except (OSError, BadImage):
        return None, None
