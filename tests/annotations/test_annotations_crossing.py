"""Polygons that cross themselves, held against a plain search of all pairs of edges."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.annotations.crossing import crosses_itself
from teppr.types import Point, Ring

BOWTIE: Ring = ((0, 0), (10, 10), (10, 0), (0, 10))
corners = st.tuples(st.integers(0, 9), st.integers(0, 9))


def _side(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _any_pair_crosses(ring: Ring) -> bool:
    edges = [(ring[i], ring[(i + 1) % len(ring)]) for i in range(len(ring))]
    return any(
        _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0
        for (a, b), (c, d) in combinations(edges, 2)
    )


def test_a_bowtie_crosses_itself_and_the_edges_are_named() -> None:
    assert crosses_itself(BOWTIE) == (0, 2)


@pytest.mark.parametrize(
    "ring",
    [
        pytest.param((), id="nothing"),
        pytest.param(((0, 0), (1, 1), (2, 0)), id="triangle"),
        pytest.param(((0, 0), (4, 0), (4, 4), (0, 4)), id="square"),
        pytest.param(((0, 0), (4, 0), (2, 0), (2, 4)), id="goes back over an edge"),
        pytest.param(((0, 0), (4, 0), (4, 4), (2, 0), (0, 4)), id="touches an edge with a corner"),
        pytest.param(((0, 0), (0, 0), (4, 0), (4, 4)), id="a corner twice"),
    ],
)
def test_what_merely_touches_does_not_cross(ring: Ring) -> None:
    assert crosses_itself(ring) is None


@given(st.lists(corners, max_size=12).map(tuple))
def test_it_agrees_with_a_search_of_all_pairs(ring: Ring) -> None:
    assert (crosses_itself(ring) is not None) == _any_pair_crosses(ring)


def test_a_ring_of_many_corners_that_crosses_everywhere_is_found_at_once() -> None:
    n = 20_001
    star = tuple((float(i * 7919 % n), float(i * 104729 % n)) for i in range(n))
    assert crosses_itself(star) is not None


def test_coordinates_beyond_all_images_do_no_harm() -> None:
    huge = 1e300
    assert crosses_itself(((-huge, -huge), (huge, huge), (huge, -huge), (-huge, huge))) in {(0, 2), None}
