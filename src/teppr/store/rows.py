"""Our values as flat rows and back: what every back end keeps, as columns of a table or fields of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Protocol

from teppr.measures import Measure, measure
from teppr.store.chunks import chunks
from teppr.store.contract import FileSummary, StoredImage, Withdrawal
from teppr.store.records import json_of, shape_json, shape_of, value_of
from teppr.types import NOTHING, AnnotationFile, Finding, Region, Severity, Tally

IMAGE_COLUMNS = (
    "path",
    "sha256",
    "width",
    "height",
    "orientation",
    "filename",
    "entry_attributes",
    "size_bytes",
    "regions_rejected",
    "perceptual_hash",
)
REGION_COLUMNS = (
    "position",
    "kind",
    "shape",
    "label",
    "label_attribute",
    "attributes",
    "place",
    "is_crowd",
    "source_id",
    "box",
    "area",
    "box_area_px",
    "mask_area_px",
)
FINDING_COLUMNS = (
    "rule",
    "severity",
    "scope",
    "message",
    "remedy",
    "image",
    "region_index",
    "place",
    "vals",
    "shape_kind",
    "shape",
    "image_path",
)

Row = tuple[Any, ...]

MEASURED_AT_ONCE = 256
"""Entries; bounds what is held in memory."""


class Named(Protocol):
    """A row whose values are asked for by the names of their columns."""

    def __getitem__(self, name: str, /) -> Any:  # noqa: ANN401 - columns are of any type
        """The value of a column."""


def row_of_summary(summary: FileSummary) -> dict[str, Any]:
    """Columns of `files`, but for the id."""
    file = summary.file
    return {
        "sha256": file.sha256,
        "problem": file.problem,
        "path": file.path,
        "size_bytes": file.size_bytes,
        "format": file.format,
        "annotator": file.annotator,
        "tool": file.tool,
        "batch": file.batch,
        "part": file.part,
        "cut": _text(file.cut),
        "released": _text(file.released),
        "accepted": summary.accepted,
        "entries_read": summary.entries.read,
        "entries_accepted": summary.entries.accepted,
        "regions_read": summary.regions.read,
        "regions_accepted": summary.regions.accepted,
        "images": summary.images,
        "labels": json_of(summary.labels),
        "shapes": json_of(summary.shapes),
        "findings": json_of(summary.findings),
        "ingested": summary.ingested.isoformat(),
        "superseded_by": summary.superseded_by,
        "withdrawn": None if summary.withdrawn is None else summary.withdrawn.when.isoformat(),
        "withdrawn_why": None if summary.withdrawn is None else summary.withdrawn.why,
    }


def summary_of(row: Named) -> FileSummary:
    """From a row of `files`."""
    return FileSummary(
        file=AnnotationFile(
            sha256=row["sha256"],
            path=row["path"],
            size_bytes=row["size_bytes"],
            format=row["format"],
            problem=row["problem"],
            annotator=row["annotator"],
            tool=row["tool"],
            batch=row["batch"],
            part=row["part"],
            cut=date_of(row["cut"]),
            released=date_of(row["released"]),
        ),
        accepted=bool(row["accepted"]),
        entries=_tally(row["entries_read"], row["entries_accepted"]),
        regions=_tally(row["regions_read"], row["regions_accepted"]),
        images=row["images"],
        labels=value_of(row["labels"]),
        shapes=value_of(row["shapes"]),
        findings=value_of(row["findings"]),
        ingested=datetime.fromisoformat(row["ingested"]),
        superseded_by=row["superseded_by"],
        withdrawn=_withdrawal(row["withdrawn"], row["withdrawn_why"]),
    )


def row_of_image(image: StoredImage) -> Row:
    """The IMAGE_COLUMNS in their order."""
    attributes = None if image.attributes is None else json_of(image.attributes)
    return (
        image.path,
        image.sha256,
        *image.size_wh,
        image.orientation,
        image.filename,
        attributes,
        image.size_bytes,
        image.regions_rejected,
        image.perceptual_hash,
    )


def with_regions(images: Iterable[StoredImage]) -> Iterator[tuple[StoredImage, list[Row]]]:
    """Every entry with its regions as rows of REGION_COLUMNS; those not measured are, of many entries together."""
    for some in chunks(images, MEASURED_AT_ONCE):
        unknown = (image for image in some if image.measures is None)
        measures = iter(measure([region.shape for image in unknown for region in image.regions], crossings=False))
        for image in some:
            own = islice(measures, len(image.regions)) if image.measures is None else image.measures
            yield image, list(map(_row_of_region, image.regions, own))


def _row_of_region(region: Region, measured: Measure) -> Row:
    return (
        region.index,
        region.shape.kind,
        shape_json(region.shape),
        region.label,
        region.label_attribute,
        json_of(region.attributes) if region.attributes else None,
        region.where,
        region.is_crowd,
        None if region.source_id is None else str(region.source_id),
        None if region.box_xywh_px is None else json_of(region.box_xywh_px),
        region.area_px,
        measured.box_area_px2,
        measured.area_px2,
    )


def region_of(row: Named) -> Region:
    """From a row with the REGION_COLUMNS."""
    box = row["box"]
    return Region(
        shape=shape_of(row["kind"], row["shape"]),
        label=row["label"],
        index=row["position"],
        where=row["place"],
        label_attribute=row["label_attribute"],
        attributes=value_of(row["attributes"]) if row["attributes"] else NOTHING,
        is_crowd=bool(row["is_crowd"]),
        source_id=None if row["source_id"] is None else int(row["source_id"]),
        box_xywh_px=None if box is None else _box(value_of(box)),
        area_px=row["area"],
    )


def image_of(row: Named, regions: Sequence[Region]) -> StoredImage:
    """From a row of `images` with the file's provenance, and the regions that belong to it."""
    return StoredImage(
        path=row["path"],
        sha256=row["sha256"],
        size_wh=(row["width"], row["height"]),
        orientation=row["orientation"],
        filename=row["filename"],
        file_sha256=row["file_sha256"],
        regions=tuple(regions),
        annotator=row["annotator"],
        batch=row["batch"],
        attributes=None if row["entry_attributes"] is None else value_of(row["entry_attributes"]),
        size_bytes=row["size_bytes"],
        regions_rejected=row["regions_rejected"],
        perceptual_hash=row["perceptual_hash"],
    )


def row_of_finding(finding: Finding) -> Row:
    """The FINDING_COLUMNS in their order."""
    shape = finding.shape
    return (
        finding.rule,
        finding.severity.value,
        finding.scope,
        finding.message,
        finding.remedy,
        finding.image,
        finding.region_index,
        finding.where,
        json_of(finding.values) if finding.values else None,
        None if shape is None else shape.kind,
        None if shape is None else shape_json(shape),
        finding.image_path,
    )


def finding_of(row: Named) -> Finding:
    """From a row with the FINDING_COLUMNS, the file's path and annotator."""
    kind = row["shape_kind"]
    return Finding(
        rule=row["rule"],
        severity=Severity(row["severity"]),
        scope=row["scope"],
        message=row["message"],
        remedy=row["remedy"],
        file=row["file_path"],
        annotator=row["annotator"],
        image=row["image"],
        region_index=row["region_index"],
        where=row["place"],
        values=value_of(row["vals"]) if row["vals"] else NOTHING,
        shape=None if kind is None else shape_of(kind, row["shape"]),
        image_path=row["image_path"],
    )


def date_of(text: str | None) -> date | None:
    """A date from its ISO form."""
    return None if text is None else date.fromisoformat(text)


def _text(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def _withdrawal(when: str | None, why: str | None) -> Withdrawal | None:
    return None if when is None else Withdrawal(when=datetime.fromisoformat(when), why=why or "")


def _tally(read: int, accepted: int) -> Tally:
    return Tally(read, accepted, read - accepted)


def _box(values: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, width, height = values
    return x, y, width, height
