"""OpenImages: the real file, its decimal commas, and rows that cannot be read."""

import json
from pathlib import Path

import pytest

from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.types import ImageRecord, Rect, Region, Unread

OPEN_IMAGES = FORMATS.load("openimages")
GTS = "metrics_100_formats/data/database/gts"
HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"


def test_the_real_file_holds_the_boxes_of_coco(data: Path) -> None:
    path = data / GTS / "openimages_format/all_bounding_boxes.csv"
    facts = json.loads((data / "FACTS.json").read_bytes())["metrics_100_formats: the same boxes in several formats"]
    images = data / "metrics_100_formats/data/database/images"
    records = list(OPEN_IMAGES.read(path, ReadOptions(images=(images,))).records)
    assert format_of(path).name == "openimages"
    coco = FORMATS.load("coco").read(data / GTS / "coco_format_v1/instances_default.json", ReadOptions()).records
    wanted = {record.filename: record for record in coco if isinstance(record, ImageRecord)}
    count = 0
    for record in records:
        assert isinstance(record, ImageRecord)
        ours, theirs = (
            sorted(_row(region) for region in each.regions if isinstance(region, Region))
            for each in (record, wanted[record.filename])
        )
        count += len(ours)
        assert [row[0] for row in ours] == [row[0] for row in theirs]
        for one, other in zip(ours, theirs, strict=True):
            # Ten decimals of images of at most 500 pixels.
            assert one[1:] == pytest.approx(other[1:], abs=1e-5)
    assert count == facts["openimages csv rows"]


def _row(region: Region) -> tuple[str | float, ...]:
    assert isinstance(region.shape, Rect)
    return (region.label or "", region.shape.x, region.shape.y, region.shape.width, region.shape.height)


def read(tmp_path: Path, *rows: str, header: str = HEADER) -> list[ImageRecord | Unread]:
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join((header, *rows)) + "\n")
    return list(OPEN_IMAGES.read(path, ReadOptions()).records)


SIZED = f"{HEADER},OriginalWidth,OriginalHeight"


def test_flags_become_attributes_and_a_group_a_crowd(tmp_path: Path) -> None:
    (record,) = read(tmp_path, "a.jpg,verified,cat,1,0.1,0.2,0.3,0.5,1,0,1,,-1,100,50", header=SIZED)
    assert isinstance(record, ImageRecord)
    (region,) = record.regions
    assert isinstance(region, Region)
    assert region.shape == Rect(10, 15, 10, 10)
    assert region.is_crowd
    assert region.attributes == {"Source": "verified", "Confidence": "1", "IsOccluded": True, "IsTruncated": False}


def test_what_cannot_be_read_is_told_with_its_row(tmp_path: Path) -> None:
    record, lost, of_lost = read(
        tmp_path,
        "a.jpg,,cat,,x,0.2,0.3,0.5,,,,,,100,50",
        "gone.jpg,,cat,,0.1,0.2,0.3,0.5,,,,,,,",
        "a.jpg,,cat,,0.1,0.2,0.3,0.5,,,,,,100,50",
        header=SIZED,
    )
    assert isinstance(record, ImageRecord)
    bad, good = record.regions
    assert isinstance(bad, Unread)
    assert isinstance(good, Region)
    assert (bad.rule, bad.where) == ("DR08", "row 2, XMin")
    assert isinstance(lost, Unread)
    assert isinstance(of_lost, Unread)
    assert (lost.rule, lost.where, lost.index) == ("DR03", "row 3", None)
    assert (of_lost.rule, of_lost.where, of_lost.index) == ("DR03", "row 3", 0)
