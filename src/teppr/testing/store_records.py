"""Records to put into an annotation database: what its tests are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from teppr.store.contract import FileSummary, Store, StoredImage
from teppr.types import (
    AnnotationFile,
    Circle,
    Ellipse,
    Finding,
    Mask,
    Polygon,
    Polyline,
    Rect,
    Region,
    Severity,
    Shape,
    Spot,
    Tally,
    WholeImage,
)

INGESTED = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)

SHAPES: tuple[Shape, ...] = (
    Rect(1, 2, 30.5, 4),
    Circle(50, 50, 10),
    Ellipse(50, 50, 20, 10, 0.5),
    Polygon((((0, 0), (10, 0), (10, 10)), ((20, 20), (30, 20), (25.25, 30)))),
    Polygon((((0, 0), (10, 0), (10, 10)),), closed_in_file=True),
    Polyline(((0, 0), (5, 5), (9, 1))),
    Spot(3, 4),
    WholeImage(),
    Mask("04L4", (4, 4)),
    Mask("04L4", (4, 4), compressed_in_file=False),
)


def annotation_file(number: int = 1, **changes: Any) -> AnnotationFile:  # noqa: ANN401
    """A file on its own: no other supersedes it unless the `changes` say so."""
    file = AnnotationFile(
        sha256=f"{number:064x}",
        path=f"/jobs/{number}.json",
        size_bytes=100 + number,
        format="via",
        problem="ods",
        annotator="AT1",
        tool="VIA 2.05",
        batch=f"images-p{number}-230119_AT1",
        part=number,
        cut=date(2019, 1, 23),
        released=date(2019, 2, 1),
    )
    return replace(file, **changes)


def region(index: int = 0, label: str | None = "car", shape: Shape = SHAPES[0]) -> Region:
    """An accepted region."""
    return Region(shape=shape, label=label, index=index, where=f"regions[{index}]", label_attribute="name")


def stored_image(
    file: AnnotationFile,
    name: str = "a.jpg",
    regions: Iterable[Region] = (),
    *,
    content: int | None = None,
    size_wh: tuple[int, int] = (200, 100),
) -> StoredImage:
    """An accepted entry of `file`; images of the same `content` have the same bytes."""
    return StoredImage(
        path=f"/images/{name}",
        sha256=f"{hash(name) % 2**64 if content is None else content:064x}",
        size_wh=size_wh,
        orientation=1,
        filename=name,
        file_sha256=file.sha256,
        regions=tuple(regions),
        annotator=file.annotator,
        batch=file.batch,
        attributes={"caption": 'a "quoted" text, £'},
        size_bytes=1234,
        regions_rejected=2,
        perceptual_hash="00ff" * 4,
    )


def finding(file: AnnotationFile, rule: str = "DR12", severity: Severity = Severity.ERROR) -> Finding:
    """A finding about a region of `file`."""
    return Finding(
        rule=rule,
        severity=severity,
        scope="region",
        message="the shape reaches 50 px beyond its image",
        remedy="Move the points inside the image.",
        file=file.path,
        annotator=file.annotator,
        image="a.jpg",
        region_index=3,
        where="regions[3]",
        values={"beyond_px": 50, "box_xywh_px": [1, 2, 3, 4]},
        shape=SHAPES[0],
        image_path="/images/a.jpg",
    )


def summary(file: AnnotationFile, *, accepted: bool = True, images: int = 1, **changes: Any) -> FileSummary:  # noqa: ANN401
    """The accounting of `file`."""
    found = FileSummary(
        file=file,
        accepted=accepted,
        entries=Tally(3, 2, 1),
        regions=Tally(7, 5, 2),
        images=images,
        labels={"car": 5},
        shapes={"rect": 7},
        findings={"DR12": 2},
        ingested=INGESTED,
    )
    return replace(found, **changes)


def put(
    store: Store,
    file: AnnotationFile,
    images: Iterable[StoredImage] = (),
    findings: Iterable[Finding] = (),
    *,
    accepted: bool = True,
    replacing: bool = False,
) -> None:
    """Write a whole file."""
    with store.writing(file, replace=replacing) as writer:
        writer.add_images(images)
        writer.add_findings(findings)
        writer.finish(summary(file, accepted=accepted))


def current(store: Store) -> list[str]:
    """Names of the files that are current, without folders."""
    return [found.file.path.rpartition("/")[2] for found in store.files(with_past=False) if found.accepted]
