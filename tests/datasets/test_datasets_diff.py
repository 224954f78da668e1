"""What is different between two dataset versions."""

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teppr.datasets._region_pairs import paired, paired_by_place
from teppr.datasets.diff import DatasetDiff, diff
from teppr.datasets.document import Parent, SplitRecord
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.geometry import box_xywh
from teppr.testing.examples import examples
from teppr.types import Polygon, Rect, Shape, Spot

LABELS = ("door", "hood")


def region(shape: Shape, label: str = "door", **more: Any) -> RegionRow:  # noqa: ANN401 - any field
    return RegionRow(shape=shape, label=label, box_xywh_px=box_xywh(shape), area_px=1, **more)


def image(name: str, *regions: RegionRow, split: str = "train", filename: str = "") -> ImageRow:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ImageRow(
        path=f"/images/{name}.jpg",
        filename=filename or f"{name}.jpg",
        sha256=digest,
        size_wh=(100, 100),
        split=split,
        regions=regions,
    )


def content(*rows: ImageRow, **more: Any) -> Content:  # noqa: ANN401 - any field
    record = SplitRecord(method="shares", shares={"train": 0.8, "val": 0.2}, seed=7)
    values: dict[str, Any] = {"labels": LABELS, "split": record, **more}
    return Content(name="cars", problem="ods", rows=rows, **values)


def between(home: Path, one: Content, other: Content) -> DatasetDiff:
    return diff(write_snapshot(home, one), write_snapshot(home, other))


BOX = Rect(10, 10, 20, 20)
RING = ((0, 0), (30, 0), (30, 30))


def test_a_version_is_the_same_as_itself(home: Path) -> None:
    rows = image("a", region(BOX), region(BOX), region(Polygon((RING,)), "hood")), image("b")

    found = between(home, content(*rows), content(*rows))

    assert found.same
    assert (found.images.before, found.images.after, found.regions.unchanged) == (2, 2, 3)
    assert not any(any(counts.values()) for counts in found.counts.values())


def test_images_are_added_removed_moved_and_renamed(home: Path) -> None:
    one = content(image("a"), image("b"), image("c"), image("gone", region(BOX)))
    other = content(
        image("a"), image("b", split="val"), image("c", filename="C.jpg"), image("new", region(BOX), split="val")
    )

    found = between(home, one, other)

    assert not found.same
    assert found.counts["images"] == {"added": 1, "removed": 1, "moved": 1, "renamed": 1}
    assert [(row["filename"], row["split"]) for row in found.images.added.to_pylist()] == [("new.jpg", "val")]
    assert [row["filename"] for row in found.images.removed.to_pylist()] == ["gone.jpg"]
    assert found.moves == {("train", "val"): 1}
    (renamed,) = found.images.renamed.to_pylist()
    assert (renamed["before"], renamed["after"]) == ("c.jpg", "C.jpg")
    assert (found.regions.added.num_rows, found.regions.removed.num_rows) == (1, 1)


def test_a_region_gets_another_label_another_shape_other_details_or_another_source(home: Path) -> None:
    before = [
        region(BOX),
        region(Rect(40, 40, 20, 20)),
        region(Rect(70, 10, 9, 9), attributes={"wet": "no"}),
        region(Rect(70, 70, 9, 9), annotator="AT1", file_sha256="1"),
        region(Spot(5, 90)),
    ]
    after = [
        region(BOX, "hood"),
        region(Rect(42, 41, 20, 20)),
        region(Rect(70, 10, 9, 9), attributes={"wet": "yes"}),
        region(Rect(70, 70, 9, 9), annotator="AT2", file_sha256="2"),
        region(Spot(80, 90)),
    ]

    found = between(home, content(image("a", *before)), content(image("a", *after)))

    assert found.counts["regions"] == {
        "added": 1,
        "removed": 1,
        "label_changed": 1,
        "shape_changed": 1,
        "details_changed": 1,
        "source_changed": 1,
    }
    changed = {row["what"]: row for row in found.regions.changed.to_pylist()}
    assert (changed["label"]["label_before"], changed["label"]["label_after"]) == ("door", "hood")
    assert (changed["shape"]["id_before"], changed["shape"]["id_after"]) == (2, 2)
    assert [row["shape"] for row in found.regions.added.to_pylist()] == ["point"]
    assert found.per_label == {"door": {"added": 1, "removed": 1, "label_changed": 1, "shape_changed": 1}}


def test_a_point_that_is_moved_a_little_is_the_same_object(home: Path) -> None:
    found = between(home, content(image("a", region(Spot(5, 5)))), content(image("a", region(Spot(5.4, 5.2)))))

    assert found.counts["regions"]["shape_changed"] == 1


def test_rings_with_the_same_numbers_are_other_shapes_where_they_are_cut_elsewhere(home: Path) -> None:
    corners = [(float(i % 3 * 9), float(i // 3 * 9)) for i in range(7)]
    one, other = (Polygon((tuple(corners[:cut]), tuple(corners[cut:]))) for cut in (3, 4))

    found = between(home, content(image("a", region(one))), content(image("a", region(other))))

    assert found.counts["regions"]["shape_changed"] == 1
    assert found.regions.unchanged == 0


def test_of_many_near_regions_the_nearest_belong_together(home: Path) -> None:
    places = [10, 14, 30, 34]
    one = [region(Rect(x, 10, 20, 20)) for x in places]
    other = [region(Rect(x + 1, 10, 20, 20)) for x in reversed(places)]

    found = between(home, content(image("a", *one)), content(image("a", *other)))

    pairs = {(row["id_before"], row["id_after"]) for row in found.regions.changed.to_pylist()}
    assert pairs == {(1, 4), (2, 3), (3, 2), (4, 1)}


def test_what_was_asked_for_and_the_parents_are_compared(home: Path) -> None:
    rows = [image("a", region(BOX)), image("b", region(BOX, "hood"), split="val")]
    old = Parent(sha256="1" * 64, name="a.json", format="via", annotator="AT1")
    new = Parent(sha256="2" * 64, name="b.json", format="via", annotator="AT2", released=date(2026, 1, 2))
    record = SplitRecord(method="shares", shares={"train": 0.7, "val": 0.3}, seed=8)
    one = content(*rows, filters={"where": ""}, parents=(old,))
    other = content(
        *rows, labels=("hood", "door", "roof"), filters={"where": "label=door"}, parents=(new,), split=record
    )

    found = between(home, one, other)

    assert found.labels_added == ("roof",)
    assert found.settings["filters.where"] == ("", "label=door")
    assert found.settings["split.seed"] == (7, 8)
    assert found.settings["split.shares"] == ({"train": 0.8, "val": 0.2}, {"train": 0.7, "val": 0.3})
    assert found.settings["label order"] == (["door", "hood"], ["hood", "door"])
    assert (found.parents_added, found.parents_removed) == ((new,), (old,))
    assert found.as_dict()["parents"]["added"][0]["released"] == "2026-01-02"
    assert found.regions.unchanged == 2
    assert not found.same


def test_datasets_without_regions_are_compared(home: Path) -> None:
    found = between(home, content(image("a")), content(image("b")))

    assert (found.counts["images"]["added"], found.counts["images"]["removed"]) == (1, 1)
    assert found.regions.unchanged == 0


corners = st.integers(0, 40)
boxes = st.builds(Rect, corners, corners, st.integers(1, 20), st.integers(1, 20))
drawn = st.lists(st.tuples(boxes, st.sampled_from(LABELS)), max_size=6)
sides = st.dictionaries(st.sampled_from("abc"), drawn, min_size=1)


@settings(deadline=None, max_examples=examples(0.4), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    one=st.dictionaries(st.sampled_from("abc"), drawn, min_size=1),
    other=st.dictionaries(st.sampled_from("abc"), drawn, min_size=1),
)
def test_every_region_is_unchanged_changed_or_left_on_its_side(
    tmp_path: Path, one: dict[str, list[tuple[Rect, str]]], other: dict[str, list[tuple[Rect, str]]]
) -> None:
    contents = [
        content(*(image(name, *(region(*pair) for pair in pairs)) for name, pairs in side.items()))
        for side in (one, other)
    ]

    found = between(tmp_path, *contents)
    back = between(tmp_path, *reversed(contents))

    changed = found.regions.changed.num_rows
    assert found.regions.unchanged + changed + found.regions.removed.num_rows == found.regions.before
    assert found.regions.unchanged + changed + found.regions.added.num_rows == found.regions.after
    same = sum((Counter(one[name]) & Counter(other[name])).total() for name in one.keys() & other.keys())
    assert found.regions.unchanged == same
    assert {**back.counts["regions"], "added": 0, "removed": 0} == {**found.counts["regions"], "added": 0, "removed": 0}
    assert (back.regions.added.num_rows, back.regions.removed.num_rows) == (
        found.regions.removed.num_rows,
        found.regions.added.num_rows,
    )


def test_equal_codes_are_paired_one_to_one_in_their_order() -> None:
    pairs = paired(np.array([3, 1, 3, 3]), np.array([3, 0, 3, 2]))

    assert sorted(zip(pairs.one.tolist(), pairs.other.tolist(), strict=True)) == [(0, 0), (2, 2)]


def test_blocks_of_pairs_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    codes = [random.integers(0, 4, 60), random.integers(0, 4, 50)]
    places = [random.integers(0, 30, (len(side), 2)).astype(np.float64) for side in codes]
    sides = [np.concatenate([side, np.full_like(side, 20)], axis=1) for side in places]
    whole = paired_by_place(codes[0], codes[1], sides[0], sides[1])

    monkeypatch.setattr("teppr.datasets._region_pairs.PAIRS_AT_ONCE", 7)
    blocks = paired_by_place(codes[0], codes[1], sides[0], sides[1])

    assert len(whole.one) > 20
    assert [part.tolist() for part in whole] == [part.tolist() for part in blocks]


def test_another_version_of_a_row_is_told_by_its_bytes_alone(home: Path) -> None:
    row = image("a", region(BOX))

    found = between(home, content(row), content(replace(row, path="/elsewhere/a.jpg")))

    assert found.same
