"""Regions drawn on images."""

import colorsys
import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.colors import color_of, colors_of, rgb_of
from teppr.drawing import Drawn, caption_places, draw, drawn_detections, drawn_regions
from teppr.geometry import mask_of_shape
from teppr.types import Circle, Detections, LabelInfo, Polygon, Polyline, Rect, Region, Shape, Spot

GREY = np.full((80, 120, 3), 128, np.uint8)


def test_a_label_has_the_same_colour_everywhere() -> None:
    assert color_of("car") == color_of("car") != color_of("bus")
    assert re.fullmatch("#[0-9a-f]{6}", color_of("Straße \u4ea4\u901a"))
    assert rgb_of("#0a141e") == (10, 20, 30)


@pytest.mark.parametrize("count", [1, 4, 20, 80])
def test_labels_that_are_shown_together_are_told_apart(count: int) -> None:
    labels = [f"label {i}" for i in range(count)]
    colors = colors_of(labels)
    hues = sorted(colorsys.rgb_to_hsv(*rgb_of(color))[0] for color in colors.values())
    gaps = [b - a for a, b in pairwise([*hues, hues[0] + 1])]
    assert min(gaps) > 0.4 / count
    assert colors_of(reversed(labels)) == colors


@pytest.mark.parametrize(
    "shape", [Rect(10, 10, 40, 30), Circle(60, 40, 20), Polyline(((5, 5), (90, 70))), Spot(50, 50)]
)
def test_a_shape_is_drawn_on_a_copy(shape: Shape) -> None:
    picture = draw(GREY, [Drawn(shape=shape, caption="Ünïcode \u4ea4", color="#ff0000")])
    assert (GREY == 128).all()
    assert (picture != GREY).any()
    assert picture.shape == GREY.shape


def test_captions_at_the_edge_stay_inside() -> None:
    picture = draw(GREY, [Drawn(shape=Rect(115, -5, 20, 4), caption="a long caption", color="#00ff00")])
    assert picture.shape == GREY.shape


@given(
    boxes=st.lists(st.tuples(*[st.floats(-50, 350)] * 2, *[st.floats(0, 300)] * 2), max_size=30),
    width=st.integers(10, 60),
)
@settings(deadline=None)
def test_captions_lie_in_the_picture_and_never_over_each_other(
    boxes: list[tuple[float, float, float, float]], width: int
) -> None:
    places = caption_places(boxes, [(width, 14)] * len(boxes), (300, 200))
    assert len(places) == len(boxes)
    placed = [place for place in places if place is not None]
    assert placed or not boxes
    for i, (left, top) in enumerate(placed):
        assert 0 <= left <= 300 - width
        assert 0 <= top <= 200 - 14
        assert all(abs(left - x) >= width or abs(top - y) >= 14 for x, y in placed[:i])


def test_a_caption_stands_above_its_box_and_makes_way_where_another_stands() -> None:
    same = (40.0, 50.0, 100.0, 60.0)
    assert caption_places([same, same], [(30, 12)] * 2, (200, 200)) == [(40, 38), (40, 50)]


def test_a_caption_is_at_its_shape_not_in_the_corner_of_its_box() -> None:
    black = np.zeros((200, 300, 3), np.uint8)
    for shape in (Polyline(((0, 190), (200, 100), (290, 10))), Polygon((((240, 60), (290, 190), (0, 190)),))):
        plain, captioned = (draw(black, [Drawn(shape=shape, caption=name, color="#ff0000")]) for name in ("", "lane"))
        rows, columns = np.nonzero((plain != captioned).any(axis=2))
        assert columns.min() >= 190
        assert rows.max() <= 110


def test_a_caption_without_room_is_left_out() -> None:
    whole = (0.0, 0.0, 40.0, 12.0)
    places = caption_places([whole] * 3, [(40, 12)] * 3, (40, 12))
    assert places == [(0, 0), None, None]


def test_regions_take_the_colours_that_are_given() -> None:
    regions = [Region(shape=Rect(1, 1, 5, 5), label=label, index=0, where="regions[0]") for label in ("car", "bus")]
    car, bus = drawn_regions(regions, {"car": "#123456"})
    assert (car.color, bus.color) == ("#123456", color_of("bus"))


def test_regions_and_detections_are_captioned_by_label_and_score() -> None:
    region = Region(shape=Rect(1, 1, 5, 5), label=None, index=0, where="regions[0]")
    assert drawn_regions([region])[0].caption == "?"
    mask = mask_of_shape(Rect(1, 1, 5, 5), (20, 20))
    found = Detections(
        size_wh=(20, 20),
        boxes_xyxy_px=np.asarray([[1, 1, 6, 6]], np.float32),
        scores_0_1=np.asarray([0.87], np.float32),
        label_ids=np.asarray([0]),
        masks=(mask,),
    )
    (drawn,) = drawn_detections(found, [LabelInfo(name="car", color="#010203")])
    assert (drawn.caption, drawn.color, drawn.shape) == ("car 0.87", "#010203", mask)
