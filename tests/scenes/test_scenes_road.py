"""Generated roads, the lines along their markings, and the faults planted among them."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from teppr.errors import AlreadyThere, BadInput, UnknownName
from teppr.geometry import points_of
from teppr.scenes.road import LABEL, SIZE_WH, road
from teppr.scenes.road_delivery import deliver_roads
from teppr.types import Polyline


def test_the_same_state_gives_the_same_picture() -> None:
    first, second = road(np.random.default_rng(3)), road(np.random.default_rng(3))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.objects == second.objects


def test_lines_lie_in_their_picture_and_go_up() -> None:
    random = np.random.default_rng(5)
    width, height = SIZE_WH
    for scene in (road(random) for _ in range(8)):
        assert scene.objects
        for item in scene.objects:
            assert item.label == LABEL
            assert isinstance(item.shape, Polyline)
            points = points_of(item.shape)
            assert all(0 <= x <= width - 1 and 0 <= y <= height - 1 for x, y in points)
            assert all(above[1] < below[1] for below, above in pairwise(points))


def test_lines_are_told_from_left_to_right_and_do_not_cross() -> None:
    random = np.random.default_rng(6)
    for scene in (road(random) for _ in range(8)):
        shared = [np.asarray(points_of(item.shape)) for item in scene.objects]
        for left, right in pairwise(shared):
            rows = np.linspace(max(left[-1, 1], right[-1, 1]), min(left[0, 1], right[0, 1]), 9)
            xs = [np.interp(rows, line[::-1, 1], line[::-1, 0]) for line in (left, right)]
            assert np.all(xs[0] < xs[1])


def test_roads_have_two_to_five_lanes() -> None:
    # Of the markings of a wide road some are out of sight.
    random = np.random.default_rng(7)
    counts = {len(road(random).objects) for _ in range(24)}
    assert counts <= set(range(2, 7))
    assert {3, 4, 5} <= counts


def test_a_line_runs_along_the_middle_of_a_marking() -> None:
    # The solid edge of a bright road stands out from what lies two metres beside it.
    random = np.random.default_rng(11)
    brighter = []
    for scene in (road(random) for _ in range(10)):
        for item in (scene.objects[0], scene.objects[-1]):
            rows = [(round(x), round(y)) for x, y in points_of(item.shape) if y > 0.75 * SIZE_WH[1]]
            grey = scene.pixels.mean(axis=2)
            for x, y in rows:
                if 30 <= x < SIZE_WH[0] - 30:
                    brighter.append(grey[y, x] - (grey[y, x - 30] + grey[y, x + 30]) / 2)
    assert np.median(brighter) > 20


def test_a_delivery_is_the_same_each_time_and_lists_its_faults(tmp_path: Path) -> None:
    made = [deliver_roads(tmp_path / name, images=24, samples=1) for name in ("a", "b")]
    contents = [
        {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        for root in (tmp_path / "a", tmp_path / "b")
    ]
    assert contents[0] == contents[1]
    expected = json.loads(contents[0]["EXPECTED.json"])
    assert expected["findings"] == made[0].planted
    assert {"DR03", "DR04", "DR08", "DR09", "DR10", "DR12", "DR13", "DR15"} <= set(expected["findings"])


def test_tusimples_form_says_the_same_lines(tmp_path: Path) -> None:
    deliver_roads(tmp_path / "via", images=24, samples=0)
    made = deliver_roads(tmp_path / "rows", images=24, samples=0, form="tusimple")
    assert made.planted == {}
    # Of the second annotator's file, in which no faults are planted.
    (drawn,) = (tmp_path / "via").glob("*/annotations/images-p2-*.json")
    (rows,) = (tmp_path / "rows").glob("*/annotations/images-p2-*.json")
    entries = {entry["filename"]: entry["regions"] for entry in json.loads(drawn.read_bytes()).values()}
    lines = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [line["raw_file"] for line in lines] == list(entries)
    for line in lines:
        regions = entries[line["raw_file"]]
        assert len(line["lanes"]) == len(regions)
        for lane, region in zip(line["lanes"], regions, strict=True):
            seen = [(x, y) for x, y in zip(lane, line["h_samples"], strict=True) if x != -2]
            shape = region["shape_attributes"]
            assert seen
            for x, y in seen:
                wanted = np.interp(y, shape["all_points_y"][::-1], shape["all_points_x"][::-1])
                assert x == pytest.approx(wanted, abs=0.06)


def test_a_full_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AlreadyThere, match="not empty"):
        deliver_roads(tmp_path, images=24)


def test_too_few_pictures_and_unknown_forms_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 24 images"):
        deliver_roads(tmp_path / "a", images=3)
    with pytest.raises(UnknownName, match="known: tusimple, via"):
        deliver_roads(tmp_path / "a", form="yaml")
