"""TFRecord: the real file, damaged ones, and another reader."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.formats import _tfrecord_write as writing
from teppr.geometry import mask_of_bitmap
from teppr.types import ImageRecord, Mask, Polygon, Rect, Region, Shape, Unread, WholeImage

TFRECORD = FORMATS.load("tfrecord")
GTS = "metrics_100_formats/data/database/gts"


def records_of(path: Path) -> list[ImageRecord]:
    records = list(TFRECORD.read(path, ReadOptions()).records)
    assert all(isinstance(record, ImageRecord) for record in records)
    return [record for record in records if isinstance(record, ImageRecord)]


def boxes_of(record: ImageRecord) -> list[tuple[str | None, Rect]]:
    regions = [region for region in record.regions if isinstance(region, Region)]
    return sorted(((region.label, region.shape) for region in regions if isinstance(region.shape, Rect)), key=repr)


def test_the_real_file_holds_the_boxes_of_coco(data: Path) -> None:
    facts = json.loads((data / "FACTS.json").read_bytes())
    folder = data / GTS / "tfrecord_format"
    records = records_of(folder)
    assert format_of(folder).name == format_of(folder / "default.tfrecord").name == "tfrecord"
    coco = FORMATS.load("coco").read(data / GTS / "coco_format_v1/instances_default.json", ReadOptions()).records
    wanted = {record.filename: record for record in coco if isinstance(record, ImageRecord)}
    assert len(records) == len(wanted)
    for record in records:
        # Single precision, rounded to a thousandth of a pixel, is exact for whole numbers.
        assert boxes_of(record) == boxes_of(wanted[record.filename])
    labels = Counter(label for record in records for label, _ in boxes_of(record))
    assert labels == facts["metrics_100_formats pascalvoc"]["classes"]


def region(shape: Shape, label: str = "cat", index: int = 0) -> Region:
    return Region(shape=shape, label=label, index=index, where="")


def record(*shapes: Shape, path: Path | None = None) -> ImageRecord:
    regions = tuple(region(shape, index=i) for i, shape in enumerate(shapes))
    return ImageRecord(
        filename="a.png", where="", regions=regions, size_wh=(40, 30), path=None if path is None else str(path)
    )


def test_boxes_and_masks_and_labels_of_images_come_back(tmp_path: Path) -> None:
    bitmap = np.zeros((30, 40), np.uint8)
    bitmap[3:20, 5:9] = 1
    shapes = (Rect(1, 2, 3, 4), mask_of_bitmap(bitmap), WholeImage())
    report = TFRECORD.write([record(*shapes)], tmp_path / "out")
    assert list(report.not_said) == ["picture of an image whose file is not known; say where images are"]
    (again,) = records_of(tmp_path / "out")
    assert [each.shape for each in again.regions if isinstance(each, Region)] == list(shapes)


def test_outlines_become_masks_and_are_told(tmp_path: Path) -> None:
    ring = ((5.0, 5.0), (20.0, 5.0), (20.0, 25.0))
    report = TFRECORD.write([record(Polygon((ring,)))], tmp_path / "out")
    assert "polygon, as the mask of its pixels" in report.not_said
    (again,) = records_of(tmp_path / "out")
    (found,) = again.regions
    assert isinstance(found, Region)
    assert isinstance(found.shape, Mask)


def test_another_reader_finds_picture_boxes_and_classes(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(picture)
    TFRECORD.write([record(Rect(4, 3, 8, 6), path=picture)], tmp_path / "out")
    (shard,) = (part for part in TFRECORD.parts(tmp_path / "out") if "tfrecord" in part.name)
    # In a process of its own: that package imports PyTorch.
    code = (
        "import json, sys; from tfrecord.reader import tfrecord_loader\n"
        "(found,) = tfrecord_loader(sys.argv[1], None)\n"
        "texts = {'picture': bytes(found['image/encoded']).hex(), 'format': bytes(found['image/format']).decode()}\n"
        "xmin, label = found['image/object/bbox/xmin'][0], found['image/object/class/label'][0]\n"
        "print(json.dumps({**texts, 'xmin': float(xmin), 'label': int(label)}))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(shard)], capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert bytes.fromhex(found["picture"]) == picture.read_bytes()
    assert (found["format"], found["label"]) == ("png", 1)
    assert found["xmin"] == pytest.approx(0.1)
    assert "name: 'cat'" in (tmp_path / "out/label_map.pbtxt").read_text()


def test_shards_are_closed_when_they_are_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SHARD_BYTES", 100)
    TFRECORD.write((record(Rect(1, 2, 3, 4)) for _ in range(3)), tmp_path / "out")
    names = [part.name for part in TFRECORD.parts(tmp_path / "out")]
    assert names[:3] == [f"data.tfrecord-{i:05d}-of-00003" for i in range(3)]
    assert [each.where for each in records_of(tmp_path / "out")][1] == "data.tfrecord-00001-of-00003, record 0"


def test_a_record_whose_sum_is_wrong_is_told_and_the_next_is_read(tmp_path: Path) -> None:
    TFRECORD.write([record(Rect(1, 2, 3, 4)), record(Rect(5, 6, 7, 8))], tmp_path / "out")
    shard = TFRECORD.parts(tmp_path / "out")[0]
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    bad, good = TFRECORD.read(tmp_path / "out", ReadOptions()).records
    assert isinstance(bad, Unread)
    assert (bad.rule, bad.where) == ("DR01", "record 0")
    assert isinstance(good, ImageRecord)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"not a record at all", "no record 0 begins at byte 0", id="text"),
        pytest.param(b"\xff" * 12, "no record 0 begins at byte 0", id="a length beyond the file"),
        pytest.param(b"\x01", "no record 0 begins at byte 0", id="a byte"),
    ],
)
def test_what_is_not_framed_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.tfrecord"
    path.write_bytes(content)
    assert not TFRECORD.sniff(path)
    with pytest.raises(BadFile, match=message):
        TFRECORD.read(path, ReadOptions())
