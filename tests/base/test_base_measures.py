"""Shapes measured together are what they are measured alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.annotations.crossing import crosses_itself
from teppr.geometry import area, points_of, ring_area
from teppr.measures import measure
from teppr.testing.formats import SHAPES
from teppr.types import Polygon, Rect, Shape, WholeImage

shapes = st.lists(st.one_of(*SHAPES.values()), max_size=12)
rings = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=7).map(tuple)


@settings(deadline=None)
@given(shapes)
def test_many_are_measured_as_one_by_one(given_shapes: list[Shape]) -> None:
    for shape, found in zip(given_shapes, measure(given_shapes), strict=True):
        points = points_of(shape) or ((0.0, 0.0),)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        assert (found.x0, found.y0, found.x1, found.y1) == (min(xs), min(ys), max(xs), max(ys))
        assert found.area_px2 == pytest.approx(area(shape), rel=1e-9, abs=1e-6)


@settings(deadline=None)
@given(st.lists(rings, max_size=6))
def test_flat_outlines_and_those_that_cross_are_not_missed(outlines: list[tuple[tuple[int, int], ...]]) -> None:
    for ring, found in zip(outlines, measure([Polygon((ring,)) for ring in outlines]), strict=True):
        assert found.flat_rings == ((0,) if ring_area(ring) == 0 else ())
        assert found.may_cross or crosses_itself(ring) is None


@settings(deadline=None)
@given(st.tuples(*[st.floats(-1e9, 1e9)] * 4), st.integers(4, 30))
def test_between_two_corners_there_is_no_area(numbers: tuple[float, float, float, float], corners: int) -> None:
    x0, y0, x1, y1 = numbers
    ring = tuple((x0, y0) if i % 2 else (x1, y1) for i in range(corners))
    assert measure([Polygon((ring,))])[0].flat_rings == (0,)


def test_crossings_are_looked_for_only_where_they_are_wanted() -> None:
    bowtie = Polygon((((0, 0), (10, 10), (10, 0), (0, 9)),))
    assert [found.may_cross for found in measure([bowtie, Rect(0, 0, 1, 1)])] == [True, False]
    assert not measure([bowtie], crossings=False)[0].may_cross


def test_what_has_no_corners_measures_nothing() -> None:
    assert measure([WholeImage()])[0][:5] == (0, 0, 0, 0, 0)
    assert measure([]) == []


def test_numbers_beyond_all_images_are_measured_without_a_warning() -> None:
    far = Polygon((((-1e308, -1e308), (1e308, -1e308), (1e308, 1e308), (-1e308, 1e308)),))
    assert np.isinf(measure([far])[0].area_px2) or np.isnan(measure([far])[0].area_px2)
