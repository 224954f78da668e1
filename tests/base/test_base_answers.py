"""Detections as VIA regions."""

from dataclasses import replace

import numpy as np
import pytest

from teppr.answers import regions_of, via_entry
from teppr.geometry import mask_of_bitmap
from teppr.types import Detections, LabelInfo, Mask, Polyline

LABELS = (LabelInfo(name="sign", color="#102030"), LabelInfo(name="light", color="#405060"))


def detections(*bitmaps: np.ndarray, with_masks: bool = True) -> Detections:
    n = len(bitmaps)
    masks: tuple[Mask, ...] = tuple(mask_of_bitmap(bitmap) for bitmap in bitmaps)
    return Detections(
        size_wh=(60, 40),
        boxes_xyxy_px=np.array([[10.123456, 5, 30, 25.5]] * n, np.float32).reshape(-1, 4),
        scores_0_1=np.linspace(0.987654, 0.5, n, dtype=np.float32),
        label_ids=np.arange(n) % 2,
        masks=masks if with_masks else None,
    )


def rectangle(x: int, y: int, width: int, height: int) -> np.ndarray:
    bitmap = np.zeros((40, 60), np.uint8)
    bitmap[y : y + height, x : x + width] = 1
    return bitmap


def test_a_mask_is_a_polygon_with_label_score_and_color() -> None:
    region = regions_of(detections(rectangle(10, 5, 20, 20)), LABELS)[0]
    assert region["region_attributes"] == {"label": "sign", "score": 0.9877, "color": "#102030"}
    shape = region["shape_attributes"]
    assert shape["name"] == "polygon"
    assert len(shape["all_points_x"]) == len(shape["all_points_y"]) >= 4
    assert (min(shape["all_points_x"]), max(shape["all_points_y"])) == pytest.approx((10, 25), abs=0.5)


def test_boxes_are_given_where_asked_for_or_where_there_is_no_mask() -> None:
    rect = {"name": "rect", "x": 10.12, "y": 5.0, "width": 19.88, "height": 20.5}
    found = detections(rectangle(10, 5, 20, 20))
    assert regions_of(found, LABELS, outlines=False)[0]["shape_attributes"] == rect
    without = detections(rectangle(10, 5, 20, 20), with_masks=False)
    assert regions_of(without, LABELS)[0]["shape_attributes"] == rect


def test_an_empty_mask_gives_its_box() -> None:
    assert regions_of(detections(np.zeros((40, 60), np.uint8)), LABELS)[0]["shape_attributes"]["name"] == "rect"


def test_of_a_mask_in_parts_the_largest_is_given() -> None:
    parts = rectangle(2, 2, 4, 4) | rectangle(20, 10, 25, 20)
    shape = regions_of(detections(parts), LABELS)[0]["shape_attributes"]
    assert min(shape["all_points_x"]) == pytest.approx(20, abs=0.5)


def test_regions_keep_the_order_of_the_detections() -> None:
    found = detections(rectangle(1, 1, 9, 9), rectangle(20, 20, 9, 9), rectangle(40, 5, 9, 9))
    labels = [region["region_attributes"]["label"] for region in regions_of(found, LABELS)]
    assert labels == ["sign", "light", "sign"]
    assert regions_of(found.at_least(0.99), LABELS) == []


def test_an_entry_says_the_images_size() -> None:
    entry = via_entry("a/b.jpg", 1234, detections(), LABELS, attributes={"uuid": "7"})
    assert entry == {
        "filename": "a/b.jpg",
        "size": 1234,
        "file_attributes": {"width": 60, "height": 40, "uuid": "7"},
        "regions": [],
    }


def test_a_line_is_a_polyline() -> None:
    found = replace(detections(rectangle(1, 1, 9, 9), with_masks=False), lines=(Polyline(((1.234, 2), (3, 4.5678))),))
    shape = regions_of(found, LABELS)[0]["shape_attributes"]
    assert shape == {"name": "polyline", "all_points_x": [1.23, 3.0], "all_points_y": [2.0, 4.57]}
    assert regions_of(found, LABELS, outlines=False)[0]["shape_attributes"]["name"] == "rect"
