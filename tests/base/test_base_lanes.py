"""Lanes out of maps that are made by hand: which cells belong together, and where the curve runs."""

import numpy as np
import pytest

from teppr.decode import decode_lanes
from teppr.lanes import Array, Lane, clusters, find_lanes

H, W = 54, 96


def straight(aside: float) -> Array:
    """x at every row of a line that ends at the vanishing point (48, 10)."""
    return np.asarray(48 + aside * (np.arange(H) - 10.0), np.float64)


def bent(aside: float, bend: float) -> Array:
    """The same on a road that turns."""
    rows = np.arange(H) - 10.0
    x: Array = 48 + aside * rows + bend / np.where(rows > 0, rows, np.inf)
    return x


def maps(*lanes: Array, top: int = 16, labels: int = 1, label_ids: tuple[int, ...] = ()) -> tuple[Array, Array]:
    """What a perfect network says of lanes: x at every row, of which those from `top` on count."""
    chances, embeddings = np.zeros((1 + labels, H, W)), np.zeros((4, H, W))
    chances[0] = 0.98
    for i, xs in enumerate(lanes):
        label_id = label_ids[i] if label_ids else 0
        for y in range(top, H):
            for column in (int(np.floor(xs[y])), int(np.floor(xs[y])) + 1):
                if 0 <= column < W:
                    share = 1 - abs(xs[y] - column)
                    chances[:, y, column] = 0
                    chances[1 + label_id, y, column] = 0.5 + 0.5 * share + 1e-6
                    chances[0, y, column] = 1 - chances[1 + label_id, y, column]
                    embeddings[:, y, column] = i % 2 * 4, i // 2 * 4, 0, 0
    return chances, embeddings


def xs_of(lane: Lane) -> Array:
    """The lane's x at the whole rows that it covers."""
    return np.interp(np.arange(17, H - 1), lane.y, lane.x)


def test_nothing_is_found_where_nothing_is() -> None:
    assert find_lanes(*maps()) == []


@pytest.mark.parametrize(
    "lanes",
    [
        [straight(-0.9), straight(0.1), straight(1.0)],
        [bent(-0.9, 60), bent(0.1, 60), bent(0.8, 60)],
        [bent(-0.5, -90), bent(0.6, -90)],
    ],
    ids=["straight", "to the right", "to the left"],
)
def test_lanes_run_along_their_cells(lanes: list[Array]) -> None:
    found = sorted(find_lanes(*maps(*lanes)), key=lambda lane: lane.x[-1])
    assert len(found) == len(lanes)
    for lane, xs in zip(found, lanes, strict=True):
        assert lane.score_0_1 > 0.7
        assert np.all(np.diff(lane.y) > 0)
        assert np.abs(xs_of(lane) - xs[17 : H - 1])[xs[17 : H - 1] < W - 1].max() < 0.7


def test_a_lane_goes_on_through_gaps_and_past_stray_cells() -> None:
    xs = bent(0.4, 60)
    chances, embeddings = maps(xs)
    chances[:, 24:30] = np.array([0.98, 0])[:, None, None]
    chances[:, 40, 5] = 0.1, 0.9  # a cell of the same lane, far from it
    (lane,) = find_lanes(chances, embeddings)
    assert np.abs(xs_of(lane) - xs[17 : H - 1]).max() < 0.7


def test_gaps_lower_the_score() -> None:
    chances, embeddings = maps(straight(0.4))
    (whole,) = find_lanes(chances, embeddings)
    chances[:, 20:40] = np.array([0.98, 0])[:, None, None]
    (broken,) = find_lanes(chances, embeddings)
    assert broken.score_0_1 < 0.6 * whole.score_0_1


def test_a_lane_reaches_the_lower_edge_and_not_beyond_the_side() -> None:
    inner, outer = sorted(find_lanes(*maps(straight(0.1), straight(2.0))), key=lambda lane: lane.x[-1])
    assert inner.y[-1] == H - 0.5
    assert outer.x.max() <= W - 0.5
    assert outer.y[-1] < 36


def test_a_lane_has_the_label_of_most_of_its_cells() -> None:
    found = find_lanes(*maps(straight(-0.5), straight(0.5), labels=3, label_ids=(2, 1)))
    assert {(lane.label_id, bool(lane.x[-1] < 48)) for lane in found} == {(2, True), (1, False)}


def test_specks_are_no_lanes() -> None:
    chances, embeddings = maps()
    chances[:, 30:33, 40] = np.array([0.1, 0.9])[:, None]
    assert find_lanes(chances, embeddings) == []


def test_so_many_cells_as_a_map_can_have_are_some_lanes() -> None:
    random = np.random.default_rng(3)
    chances = np.stack([np.full((200, 300), 0.1), np.full((200, 300), 0.9)])
    found = find_lanes(chances, random.normal(0, 3, (4, 200, 300)))
    assert all(np.isfinite(lane.x).all() for lane in found)


def test_points_are_grouped_by_where_they_lie() -> None:
    random = np.random.default_rng(1)
    centres = np.array([[0, 0, 0], [3.2, 0, 0], [0, 3.2, 0], [0, 0, 3.2]], float)
    wanted = np.repeat(np.arange(4), 50)
    found = clusters(centres[wanted] + random.normal(0, 0.2, (200, 3)), random.uniform(0.5, 1, 200))
    pairs = set(zip(wanted.tolist(), found.tolist(), strict=True))
    assert len(pairs) == 4
    assert {cluster for _, cluster in pairs} == {0, 1, 2, 3}


def test_no_points_have_no_groups() -> None:
    assert clusters(np.zeros((0, 4)), np.zeros(0)).tolist() == []


def test_decoded_lanes_are_lines_in_the_images_pixels() -> None:
    # A cell is 10 pixels wide and 5 high here; its middle is half of that from its edges.
    chances, embeddings = maps(straight(0.2), straight(-0.2))
    found = decode_lanes((chances, embeddings), network_size_wh=(384, 216), image_size_wh=(10 * W, 5 * H))
    assert found.lines is not None
    assert found.masks is None
    assert found.size_wh == (960, 270)
    assert np.all(np.diff(found.scores_0_1) <= 0)
    for line, box in zip(found.lines, found.boxes_xyxy_px.tolist(), strict=True):
        points = np.asarray(line.points)
        aside = np.sign(points[-1, 0] - 485) * 0.2
        np.testing.assert_allclose(points[:, 0], 10 * (48.5 + aside * (points[:, 1] / 5 - 10.5)), atol=5)
        np.testing.assert_allclose(box, [*points.min(axis=0), *points.max(axis=0)], rtol=1e-5)
        assert points[-1, 1] == 270


def test_no_lane_is_no_line() -> None:
    found = decode_lanes(maps(), network_size_wh=(384, 216), image_size_wh=(384, 216))
    assert len(found) == 0
    assert found.lines == ()


def test_what_scores_lower_than_asked_is_left_out() -> None:
    outputs = maps(straight(0.2))
    assert len(decode_lanes(outputs, network_size_wh=(9, 9), image_size_wh=(9, 9), lowest_score_0_1=0.99)) == 0
