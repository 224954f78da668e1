"""Boxes, polygons and masks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from teppr import geometry
from teppr.types import Circle, Ellipse, Mask, Point, Polygon, Polyline, Rect, Shape, Spot

coordinates = st.integers(0, 60 << 10).map(lambda n: n / 1024)
"""Exact in binary, so that sums and areas are too: what is compared is the rule, not the rounding of tiny numbers."""
boxes = st.lists(st.tuples(coordinates, coordinates, coordinates, coordinates), min_size=1, max_size=6)
bitmaps = st.integers(0, 2**32 - 1).map(
    lambda seed: (np.random.default_rng(seed).random((13, 17)) < 0.4).astype(np.uint8)
)


@given(boxes)
def test_corners_and_sizes_say_the_same(given_xywh: list[tuple[float, float, float, float]]) -> None:
    back = geometry.xywh_of(geometry.xyxy_of(given_xywh))
    np.testing.assert_allclose(back, given_xywh, atol=1e-9)


@given(boxes, boxes)
def test_overlap_of_boxes_equals_pycocotools(
    a: list[tuple[float, float, float, float]], b: list[tuple[float, float, float, float]]
) -> None:
    ours = geometry.iou_xyxy(geometry.xyxy_of(a), geometry.xyxy_of(b))
    theirs = coco_mask.iou(np.asarray(a), np.asarray(b), [0] * len(b))
    # pycocotools divides nought by nought where both boxes are empty; ours says 0.
    np.testing.assert_allclose(ours, np.nan_to_num(theirs), atol=1e-9)


sized_boxes = st.lists(
    st.tuples(st.integers(-20, 60), st.integers(-20, 60), st.integers(1, 60), st.integers(1, 60)), max_size=12
)


@given(sized_boxes, st.lists(st.integers(0, 2), min_size=12, max_size=12), st.integers(1, 12))
def test_what_is_suppressed_repeats_a_better_box_and_nothing_else_is(
    given_xywh: list[tuple[int, int, int, int]], labels: list[int], most: int
) -> None:
    corners, label_ids = geometry.xyxy_of(given_xywh), np.array(labels)[: len(given_xywh)]
    kept: list[int] = []
    for i in range(len(given_xywh)):
        better = [j for j in kept if label_ids[j] == label_ids[i]]
        if not (geometry.iou_xyxy(corners[[i]], corners[better]) > 0.4999).any():
            kept.append(i)
    assert geometry.suppress(corners, label_ids, 0.4999, most) == kept[:most]


def test_clipping_keeps_boxes_inside() -> None:
    assert geometry.clip_xyxy([[-5, 2, 30, 40]], (20, 10)).tolist() == [[0, 2, 20, 10]]


@pytest.mark.parametrize(
    ("shape", "area", "box"),
    [
        pytest.param(Rect(1, 2, 3, 4), 12, (1, 2, 3, 4), id="rect"),
        pytest.param(Circle(5, 5, 2), 4 * math.pi, (3, 3, 4, 4), id="circle"),
        pytest.param(Ellipse(5, 5, 3, 1), 3 * math.pi, (2, 4, 6, 2), id="ellipse"),
        pytest.param(Ellipse(5, 5, 3, 1, math.pi / 2), 3 * math.pi, (4, 2, 2, 6), id="ellipse turned"),
        pytest.param(Polygon((((0, 0), (4, 0), (0, 3)),)), 6, (0, 0, 4, 3), id="triangle"),
        pytest.param(Polygon((((0, 0), (2, 0), (0, 2)), ((5, 5), (7, 5), (5, 7)))), 4, (0, 0, 7, 7), id="two rings"),
        pytest.param(Polyline(((1, 1), (4, 6))), 0, (1, 1, 3, 5), id="polyline"),
        pytest.param(Spot(2, 3), 0, (2, 3, 0, 0), id="point"),
        pytest.param(Polyline(()), 0, (0, 0, 0, 0), id="nothing"),
    ],
)
def test_area_and_box_of_a_shape(shape: Shape, area: float, box: tuple[float, ...]) -> None:
    assert geometry.area(shape) == pytest.approx(area)
    assert geometry.box_xywh(shape) == pytest.approx(box, abs=1e-9)


@given(bitmaps)
def test_a_bitmap_survives_its_code(bitmap: geometry.Bitmap) -> None:
    mask = geometry.mask_of_bitmap(bitmap)
    np.testing.assert_array_equal(geometry.bitmap_of_mask(mask), bitmap)
    assert geometry.area(mask) == bitmap.sum()


@pytest.mark.parametrize("shape", [Rect(10, 12, 30, 20), Circle(30, 30, 18), Ellipse(30, 30, 20, 9, 0.6)])
def test_a_drawn_shape_has_its_own_area_and_outline(shape: Shape) -> None:
    mask = geometry.mask_of_shape(shape, (64, 64))
    assert geometry.area(mask) == pytest.approx(geometry.area(shape), rel=0.05)
    (ring,) = geometry.rings_of_bitmap(geometry.bitmap_of_mask(mask))
    assert geometry.ring_area(ring) == pytest.approx(geometry.area(mask), rel=0.06)


def test_a_rectangle_of_whole_pixels_keeps_its_corners_through_a_bitmap() -> None:
    bitmap = np.zeros((12, 16), np.uint8)
    bitmap[2:9, 3:11] = 1
    (ring,) = geometry.rings_of_bitmap(bitmap)
    xs, ys = zip(*ring, strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == pytest.approx((3, 2, 11, 9), abs=0.3)


def test_lines_and_points_give_an_empty_mask() -> None:
    assert geometry.area(geometry.mask_of_shape(Spot(3, 3), (8, 8))) == 0


points = st.tuples(st.floats(-20, 80), st.floats(-20, 80))


@given(st.lists(points, min_size=3, max_size=7))
def test_a_clipped_polygon_lies_inside(ring: list[Point]) -> None:
    clipped = geometry.clip_shape(Polygon((tuple(ring),)), (50, 40))
    x, y, width, height = geometry.box_xywh(clipped)
    assert x >= 0
    assert y >= 0
    assert x + width <= 50 + 1e-9
    assert y + height <= 40 + 1e-9


def test_a_clipped_circle_becomes_a_polygon() -> None:
    assert isinstance(geometry.clip_shape(Circle(5, 5, 10), (40, 40)), Polygon)


def test_overlap_of_masks_counts_a_crowd_by_what_lies_inside() -> None:
    small = geometry.mask_of_shape(Rect(0, 0, 4, 4), (16, 16))
    large = geometry.mask_of_shape(Rect(0, 0, 8, 8), (16, 16))
    assert geometry.mask_iou([small], [large]).tolist() == [[0.25]]
    assert geometry.mask_iou([small], [large], [True]).tolist() == [[1.0]]
    assert geometry.mask_iou([], [large]).shape == (0, 1)


def test_boxes_are_carried_to_another_image_size() -> None:
    moved = geometry.scale_boxes_xyxy(np.asarray([[1, 2, 3, 4]], np.float32), (10, 20), (20, 10))
    assert moved.tolist() == [[2, 1, 6, 2]]


def test_a_run_length_code_is_pycocotools_own() -> None:
    mask = Mask("0", (1, 1))
    assert geometry.rle_of_mask(mask) == {"size": [1, 1], "counts": b"0"}


@given(bitmaps)
def test_outlines_of_a_mask_lie_where_those_of_its_whole_bitmap_do(bitmap: geometry.Bitmap) -> None:
    placed = np.zeros((40, 50), np.uint8)
    placed[20:33, 30:47] = bitmap
    assert geometry.rings_of(geometry.mask_of_bitmap(placed)) == geometry.rings_of_bitmap(placed)


def test_an_empty_mask_has_no_outline() -> None:
    assert geometry.rings_of(geometry.mask_of_bitmap(np.zeros((4, 5), np.uint8))) == ()


@pytest.mark.parametrize(("most", "kept"), [(9, [0, 2, 3]), (2, [0, 2])])
def test_boxes_that_repeat_a_better_one_of_their_label_are_left_out(most: int, kept: list[int]) -> None:
    found = [[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [8, 0, 18, 10]]
    assert geometry.suppress(found, [0, 0, 1, 0], 0.7, most) == kept
    assert geometry.suppress(np.zeros((0, 4)), [], 0.7, most) == []


def test_the_x_of_a_line_is_where_it_first_crosses_a_row() -> None:
    line = Polyline(((10, 50), (20, 30), (40, 10), (80, 40)))
    (xs,) = geometry.xs_at_rows([line], [0, 10, 20, 30, 40, 50, 60])
    np.testing.assert_allclose(xs, [np.nan, 40, 30, 20, 15, 10, np.nan])


def test_the_x_of_an_area_is_its_middle() -> None:
    shapes: list[Shape] = [Polygon((((10, 0), (30, 0), (50, 20), (20, 20)),)), Rect(4, 5, 6, 7)]
    wanted = np.array([[20, 27.5, 35, np.nan], [np.nan, 7, np.nan, np.nan]])
    np.testing.assert_allclose(geometry.xs_at_rows(shapes, [0, 10, 20, 21]), wanted)


@pytest.mark.parametrize("shape", [Polyline(()), Polyline(((3, 3),)), Polygon(((),))], ids=str)
def test_what_is_no_line_has_no_points(shape: Polyline | Polygon) -> None:
    assert np.isnan(geometry.xs_at_rows([shape], [1, 2, 3])).all()


def test_no_shapes_have_no_x() -> None:
    assert geometry.xs_at_rows([], [1, 2, 3]).shape == (0, 3)


def test_the_line_of_an_area_runs_along_its_middle() -> None:
    leaning = Polygon((((10, 0), (14, 0), (34, 20), (30, 20)),))
    line = geometry.line_of(leaning)
    np.testing.assert_allclose(line[[0, 10, 20]], [[12, 0], [22, 10], [32, 20]])


def test_the_line_of_a_line_is_its_points() -> None:
    assert geometry.line_of(Polyline(((3, 9), (4, 2)))).tolist() == [[3, 9], [4, 2]]
    assert geometry.line_of(Polyline(())).shape == (0, 2)
