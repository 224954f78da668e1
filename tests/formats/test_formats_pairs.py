"""The same boxes out of every format into every other: 273 in 100 photographs, equal within what both formats keep."""

from functools import cache
from pathlib import Path

import pytest

from teppr.annotations.convert import convert
from teppr.formats import FORMATS, ReadOptions
from teppr.types import ImageRecord, Rect, Region

GTS = "metrics_100_formats/data/database/gts"
PHOTOS = "metrics_100_formats/data/database/images"
BOXES = sorted(name for name in FORMATS.names() if "rect" in FORMATS.load(name).shapes)
"""Formats that hold boxes."""

Box = tuple[str, str, Rect]


@pytest.fixture(scope="module")
def documents(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The boxes of COCO's file in every format."""
    folder = tmp_path_factory.mktemp("pairs")
    return {
        name: _converted(data, data / GTS / "coco_format_v1/instances_default.json", folder, name) for name in BOXES
    }


def _converted(data: Path, source: Path, folder: Path, name: str) -> Path:
    plugin = FORMATS.load(name)
    target = folder / (name if plugin.layout == "folder" else f"{name}{plugin.suffixes[0]}")
    done = convert(source, target, name, images=data / PHOTOS)
    assert done.report.regions == 273
    return target


@cache
def _boxes(name: str, path: Path, photos: Path) -> list[Box]:
    """Every box with its image and label, in an order of its own."""
    found: list[Box] = []
    options = ReadOptions(images=(photos,), label_attribute="label" if name.startswith("via") else None)
    for record in FORMATS.load(name).read(path, options).records:
        assert isinstance(record, ImageRecord)
        for region in record.regions:
            assert isinstance(region, Region)
            assert isinstance(region.shape, Rect)
            found.append((Path(record.filename).name, region.label or "", region.shape))
    return sorted(found, key=lambda box: (*box[:2], *(round(value, 1) for value in _numbers(box[2]))))


def _numbers(box: Rect) -> tuple[float, float, float, float]:
    return box.x, box.y, box.width, box.height


def _assert_same(first: list[Box], second: list[Box], tolerance_px: float) -> None:
    assert len(first) == len(second) == 273
    assert [box[:2] for box in first] == [box[:2] for box in second]
    for one, other in zip(first, second, strict=True):
        assert _numbers(one[2]) == pytest.approx(_numbers(other[2]), abs=tolerance_px)


@pytest.mark.parametrize("target", BOXES)
@pytest.mark.parametrize("source", BOXES)
def test_boxes_are_equal_after_conversion(
    data: Path, documents: dict[str, Path], tmp_path: Path, source: str, target: str
) -> None:
    wanted = _boxes("coco", documents["coco"], data / PHOTOS)
    document = _converted(data, documents[source], tmp_path, target)
    tolerance_px = FORMATS.load(source).precision_px + FORMATS.load(target).precision_px
    _assert_same(_boxes(target, document, data / PHOTOS), wanted, tolerance_px)


@pytest.mark.parametrize(
    ("name", "document", "tolerance_px"),
    [
        ("voc", "pascalvoc_format", 0),
        ("voc", "imagenet_format", 0),
        ("cvat", "cvat_format/annotations.xml", 0),
        ("tfrecord", "tfrecord_format", 0),
        ("openimages", "openimages_format/all_bounding_boxes.csv", 1e-5),
        ("yolo", "yolo_format", 5e-4),
    ],
)
def test_boxes_of_other_tools_are_equal(
    data: Path, documents: dict[str, Path], name: str, document: str, tolerance_px: float
) -> None:
    # Shares with six and ten decimals are as far off as their last digit is in images of 500 pixels.
    theirs = _boxes(name, data / GTS / document, data / PHOTOS)
    _assert_same(theirs, _boxes("coco", documents["coco"], data / PHOTOS), tolerance_px)
