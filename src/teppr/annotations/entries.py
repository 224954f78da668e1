"""One entry of an annotation file judged by the design rules: what of it is accepted, and what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from teppr.annotations.checks import Surroundings, as_kept, check, subject_of
from teppr.annotations.images import Checked, Elsewhere, NotUsable, Verdict
from teppr.annotations.rules import NOTE, RULES, Broken, Scope, severity_of
from teppr.measures import Measure
from teppr.problems.contract import Problem
from teppr.store.contract import Store, StoredImage
from teppr.types import AnnotationFile, Finding, ImageRecord, Region, Severity, Tally, Unread

MOST_NAMED = 5
"""So many names at most are listed in a finding's values."""

Place: TypeAlias = Path | Elsewhere
Kept: TypeAlias = tuple[Region, Measure]


@dataclass(slots=True, kw_only=True)
class Judged:
    """What became of an entry, or of a part of the file that is none.

    image: None where the entry was rejected
    is_entry: False for a region that belongs to no entry
    """

    is_entry: bool = True
    image: StoredImage | None = None
    findings: list[Finding] = field(default_factory=list)
    regions: Tally = field(default_factory=Tally)
    labels: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)


class Judge:
    """Judges the entries of one file, in their order.

    open_images: False where sizes are taken as declared
    """

    def __init__(
        self,
        file: AnnotationFile,
        problem: Problem,
        store: Store,
        *,
        clip_tolerance_px: float,
        open_images: bool = True,
    ) -> None:
        self._file = file
        self._problem = problem
        self._store = store
        self._clip_tolerance_px = clip_tolerance_px
        self._open_images = open_images
        self._seen: dict[bytes, str] = {}

    def part(self, part: Unread) -> Judged:
        """An entry that could not be read, or a region that belongs to none."""
        scope: Scope = "entry" if part.index is None else "region"
        judged = Judged(is_entry=part.index is None, findings=[self._of_unread(part, scope, None)])
        if part.index is not None:
            judged.regions = Tally(1, 0, 1)
            judged.shapes[part.shape_kind or "unknown"] += 1
        return judged

    def entry(self, record: ImageRecord, place: Place, verdict: Verdict | None, measures: Iterator[Measure]) -> Judged:
        """An entry with where its image is, the verdict on it, and the measures of its readable regions in order."""
        judged = Judged()
        for broken in self._of_entry(record, place, verdict):
            found = finding_of(broken, "entry", self._file, self._problem, image=record.filename, where=record.where)
            judged.findings.append(found)
        usable = all(finding.severity is not Severity.ERROR for finding in judged.findings)
        size_wh = self._size_wh(record, verdict)
        kept = self._regions(record, size_wh, judged, measures)
        if isinstance(verdict, Checked):
            judged.findings = [replace(finding, image_path=str(place)) for finding in judged.findings]
        if not usable or size_wh is None or isinstance(place, Elsewhere):
            kept = []
        else:
            judged.image = self._image(record, place, verdict, size_wh, kept)
        n = len(record.regions)
        judged.regions = Tally(n, len(kept), n - len(kept))
        judged.labels.update([region.label for region, _ in kept if region.label is not None])
        return judged

    def _image(
        self,
        record: ImageRecord,
        place: Path,
        verdict: Verdict | None,
        size_wh: tuple[int, int],
        kept: Sequence[Kept],
    ) -> StoredImage:
        opened = verdict if isinstance(verdict, Checked) else None
        return StoredImage(
            path=str(place),
            sha256=opened.sha256 if opened else "",
            size_wh=size_wh,
            orientation=opened.orientation if opened else 1,
            filename=record.filename,
            file_sha256=self._file.sha256,
            regions=tuple(region for region, _ in kept),
            measures=tuple(measured for _, measured in kept),
            annotator=self._file.annotator,
            batch=self._file.batch,
            attributes=dict(record.attributes) or None,
            size_bytes=opened.size_bytes if opened else None,
            regions_rejected=len(record.regions) - len(kept),
            perceptual_hash=opened.perceptual_hash if opened else None,
        )

    def _size_wh(self, record: ImageRecord, verdict: Verdict | None) -> tuple[int, int] | None:
        if isinstance(verdict, Checked):
            return verdict.size_wh
        return None if self._open_images else record.size_wh

    def _regions(
        self, record: ImageRecord, size_wh: tuple[int, int] | None, judged: Judged, measures: Iterator[Measure]
    ) -> list[Kept]:
        """The regions that are accepted; what is found goes into `judged`."""
        kept: list[Kept] = []
        around = Surroundings(problem=self._problem, size_wh=size_wh, clip_tolerance_px=self._clip_tolerance_px)
        for region in record.regions:
            if isinstance(region, Unread):
                judged.shapes[region.shape_kind or "unknown"] += 1
                judged.findings.append(self._of_unread(region, "region", record.filename))
                continue
            judged.shapes[region.shape.kind] += 1
            subject = subject_of(region, next(measures), around)
            found = [self._of_region(broken, record, region) for broken in check(subject)]
            if not found or all(finding.severity is not Severity.ERROR for finding in found):
                kept.append(as_kept(subject))
            judged.findings += found
        return kept

    def _of_entry(self, record: ImageRecord, place: Place, verdict: Verdict | None) -> Iterator[Broken]:
        if isinstance(place, Elsewhere):
            yield Broken(rule="DR03", message=place.message, values={"reason": place.reason})
        elif isinstance(verdict, NotUsable):
            rule = "DR03" if verdict.reason == "missing" else "DR04"
            yield Broken(rule=rule, message=verdict.message, values={"reason": verdict.reason})
        elif isinstance(verdict, Checked):
            yield from _size_is_as_declared(record, verdict)
            yield from self._is_known(record, place, verdict)
        elif record.size_wh is None:
            message = f"the entry does not declare the size of {record.filename!r}, and images are not opened"
            yield Broken(rule="DR03", message=message, values={"reason": "not-opened"})
        if not record.regions:
            yield Broken(rule="DR07", message="the entry has no regions; the image is kept as background")

    def _is_known(self, record: ImageRecord, place: Path, image: Checked) -> Iterator[Broken]:
        """DR06 and DR18: what this file, and what the store know of the same bytes."""
        digest = bytes.fromhex(image.sha256)
        known = self._store.known_image(image.sha256)
        names = [path for path in known if path != str(place) and Path(path).exists()]
        if digest in self._seen:
            names.insert(0, self._seen[digest])
        else:
            self._seen[digest] = f"{record.filename} at {record.where}" if record.where else record.filename
        if names:
            yield _copies(record.filename, names, image.sha256)
        annotators = self._store.annotators_of(image.sha256, self._problem.id)
        if colleagues := [name for name in annotators if name != self._file.annotator]:
            message = f"{record.filename!r} is annotated by {', '.join(colleagues)} as well"
            yield Broken(rule="DR18", message=message, values={"annotators": colleagues})

    def _of_region(self, broken: Broken, record: ImageRecord, region: Region) -> Finding:
        image, where = record.filename, region.where
        found = finding_of(broken, "region", self._file, self._problem, image=image, where=where, region=region)
        return replace(found, values={**_said_of(region), **found.values})

    def _of_unread(self, part: Unread, scope: Scope, image: str | None) -> Finding:
        # What cannot be made into a record cannot be accepted, whatever the problem says of the rule's severity.
        broken = Broken(rule=part.rule, message=part.message, values=part.values, severity=Severity.ERROR)
        found = finding_of(broken, scope, self._file, self._problem, image=image, where=part.where)
        return replace(found, region_index=part.index)


def finding_of(
    broken: Broken,
    scope: Scope,
    file: AnnotationFile,
    problem: Problem,
    *,
    image: str | None = None,
    where: str = "",
    region: Region | None = None,
) -> Finding:
    """A broken rule with all that its annotator needs to mend it."""
    return Finding(
        rule=broken.rule,
        severity=severity_of(broken, problem),
        scope=scope,
        message=broken.message,
        remedy=RULES[broken.rule].remedy if broken.rule in RULES else "",
        file=file.path,
        annotator=file.annotator,
        image=image,
        region_index=None if region is None else region.index,
        where=where,
        values=broken.values,
        shape=None if region is None else region.shape,
    )


def _said_of(region: Region) -> dict[str, Any]:
    """What an annotator calls the region, so that a rejected one can be given back to be mended."""
    said = {"label": region.label, "label_attribute": region.label_attribute, "attributes": dict(region.attributes)}
    return {name: value for name, value in said.items() if value}


def _size_is_as_declared(record: ImageRecord, image: Checked) -> Iterator[Broken]:
    """DR05."""
    values: dict[str, Any] = {}
    said: list[str] = []
    if record.size_bytes is not None and record.size_bytes > 0 and record.size_bytes != image.size_bytes:
        values |= {"declared_bytes": record.size_bytes, "bytes": image.size_bytes}
        said.append(f"declared are {record.size_bytes} bytes, the image has {image.size_bytes}")
    if record.size_wh is not None and record.size_wh != image.size_wh:
        values |= {"declared_wh": record.size_wh, "size_wh": image.size_wh}
        (width, height), declared = image.size_wh, record.size_wh
        turned = ", since EXIF turns it when shown" if image.orientation >= 5 and declared == (height, width) else ""
        said.append(f"declared are {declared[0]} x {declared[1]} pixels, the image has {width} x {height}{turned}")
    if said:
        yield Broken(rule="DR05", message="; ".join(said), values=values)
    if image.orientation != 1:
        message = f"EXIF turns the image when shown (orientation {image.orientation}); its pixels count as stored"
        yield Broken(rule="DR05", message=message, values={"orientation": image.orientation}, severity=NOTE)


def _copies(filename: str, names: list[str], sha256: str) -> Broken:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    message = f"{filename!r} has the same bytes as {', '.join(map(repr, names[:MOST_NAMED]))}{more}"
    values: Mapping[str, Any] = {"sha256": sha256, "others": names[:MOST_NAMED], "count": len(names)}
    return Broken(rule="DR06", message=message, values=values)
