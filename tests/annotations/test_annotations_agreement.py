"""How far annotators agree: matching, alpha, and what is shown of it."""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.annotations.agreement import KEPT, NO_REGION, Agreement, Said, alpha_of, compared
from teppr.annotations.agreement_page import COLUMNS, write_agreement, written
from teppr.annotations.matching import Match, match
from teppr.annotations.report import IngestReport
from teppr.annotations.similarity import similarities
from teppr.cli.main import run
from teppr.store import Store
from teppr.store.contract import StoredImage
from teppr.testing.deliveries import Delivery, rect
from teppr.types import Circle, Polygon, Polyline, Provenance, Rect, Region, Shape, Spot, WholeImage

Take = Callable[..., IngestReport]
SIZE_WH = (100, 80)


def region(x: float = 10, y: float = 10, label: str | None = "car", shape: Shape | None = None) -> Region:
    return Region(shape=shape or Rect(x, y, 20, 20), label=label, index=0, where="")


def entry(annotator: str | None, *regions: Region, sha256: str = "a" * 64) -> StoredImage:
    return StoredImage(
        path="/none/a.png",
        sha256=sha256,
        size_wh=SIZE_WH,
        orientation=1,
        filename="a.png",
        file_sha256=annotator or "",
        regions=regions,
        annotator=annotator,
    )


def agreement(*images: Sequence[StoredImage], least: float = 0.5) -> Agreement:
    result = Agreement(problem="ods", least_0_1=least)
    for shared in compared(images, least):
        result.add(shared)
    return result


# Similarity


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Rect(0, 0, 20, 20), Rect(10, 0, 20, 20), 1 / 3),
        (Rect(0, 0, 20, 20), Rect(20, 0, 20, 20), 0),
        (Rect(10, 10, 20, 20), Polygon((((10, 10), (30, 10), (30, 30), (10, 30)),)), 1),
        (
            Polygon((((10, 10), (30, 10), (30, 30), (10, 30)),)),
            Polygon((((10, 10), (20, 10), (20, 30), (10, 30)),)),
            0.5,
        ),
        (Circle(40, 40, 10), Circle(40, 40, 10), 1),
        (Polyline(((0, 0), (50, 0))), Polyline(((50, 0), (0, 0))), 1),
        (Spot(10, 10), Spot(10, 10), 1),
        (WholeImage(), WholeImage(), 1),
        (WholeImage(), Rect(0, 0, 100, 80), 0),
        (Polyline(((0, 0), (50, 0))), Rect(0, 0, 50, 1), 0),
        (Spot(10, 10), Polyline(((10, 10), (11, 10))), 0),
        (Polyline(()), Polyline(()), 0),
    ],
    ids=str,
)
def test_the_similarity_of_two_shapes(first: Shape, second: Shape, expected: float) -> None:
    for a, b in ((first, second), (second, first)):
        assert similarities([a], [b], SIZE_WH)[0, 0] == pytest.approx(expected)


def test_lines_and_points_a_hundredth_of_the_diagonal_apart_have_a_similarity_of_one_half() -> None:
    apart_px = 0.01 * math.hypot(*SIZE_WH)
    line = Polyline(((0, 10), (30, 10), (60, 10)))
    assert similarities([line], [Polyline(((0, 10 + apart_px), (60, 10 + apart_px)))], SIZE_WH)[0, 0] == pytest.approx(
        0.5
    )
    assert similarities([Spot(9, 9)], [Spot(9, 9 - apart_px)], SIZE_WH)[0, 0] == pytest.approx(0.5)


def test_a_part_of_a_line_is_not_the_whole_of_it() -> None:
    whole, half = Polyline(((0, 10), (80, 10))), Polyline(((0, 10), (40, 10)))
    assert similarities([whole], [half], SIZE_WH)[0, 0] < 0.5


# Matching


def test_matching_is_the_best_for_the_image_and_not_for_one_region() -> None:
    # The best pair is that of the first ones, 0.90; it would leave 0.43 to the others, less than 0.67 and 0.74.
    a = [region(10), region(6)]
    b = [region(9), region(14)]
    assert similarities([one.shape for one in a], [one.shape for one in b], SIZE_WH).argmax() == 0
    pairs = [(one.first, one.second) for one in match(a, b, SIZE_WH, 0.3)]
    assert pairs == [(0, 1), (1, 0)]


def test_pairs_below_the_threshold_are_none() -> None:
    assert match([region(0)], [region(10)], SIZE_WH, 0.5) == []
    assert match([region(0)], [region(10)], SIZE_WH, 1 / 3) == [Match(first=0, second=0, similarity_0_1=1 / 3)]
    assert match([], [region(10)], SIZE_WH) == []


def test_of_equal_shapes_the_one_of_the_same_label_is_the_partner() -> None:
    signs = [region(label="car"), region(label="sign")]
    assert [one.second for one in match(signs, signs[::-1], SIZE_WH)] == [1, 0]


def best_sum(table: "np.ndarray[Any, Any]", least: float) -> float:
    """By trying every choice."""
    if not table.size:
        return 0.0
    without = best_sum(table[1:], least)
    options = [
        table[0, j] + best_sum(np.delete(table[1:], j, axis=1), least)
        for j in range(table.shape[1])
        if table[0, j] >= least
    ]
    return float(max([without, *options]))


boxes = st.builds(
    region, x=st.integers(0, 40), y=st.integers(0, 12), label=st.sampled_from(["car", "sign", "light"]) | st.none()
)


@given(first=st.lists(boxes, max_size=4), second=st.lists(boxes, max_size=4), least=st.sampled_from([0.2, 0.5, 0.9]))
@settings(deadline=None)
def test_no_other_choice_of_pairs_has_a_larger_sum(first: list[Region], second: list[Region], least: float) -> None:
    table = similarities([one.shape for one in first], [one.shape for one in second], SIZE_WH)
    pairs = match(first, second, SIZE_WH, least)
    assert len({one.first for one in pairs}) == len({one.second for one in pairs}) == len(pairs)
    assert sum(one.similarity_0_1 for one in pairs) == pytest.approx(best_sum(table, least), abs=1e-5)


# Alpha


@pytest.mark.parametrize(
    ("patterns", "alpha"),
    [
        ({("car", "car"): 2, ("car", "sign"): 1, ("sign", "sign"): 1}, 1 - 7 * 2 / (2 * 5 * 3)),
        ({("car", "car"): 1, ("car", NO_REGION): 1}, 0.0),
        ({("car", NO_REGION): 1}, 0.0),
        ({("car", NO_REGION): 5}, 1 - 9 * 10 / 50),
        ({("car", "car", "sign"): 1, ("sign", "sign", "sign"): 1}, 1 - 5 * 2 / (2 * 2 * 4)),
        ({("car", "car"): 3}, 1.0),
        ({}, None),
    ],
    ids=str,
)
def test_alpha_is_what_a_pencil_gives(patterns: dict[tuple[Said, ...], int], alpha: float | None) -> None:
    assert alpha_of(patterns) == (alpha if alpha is None else pytest.approx(alpha))


values = st.sampled_from(["car", "sign", NO_REGION])


@given(units=st.lists(st.lists(values, min_size=1, max_size=4), min_size=1, max_size=12))
@settings(deadline=None)
def test_alpha_is_what_the_reference_gives(units: list[list[Said]]) -> None:
    ours = alpha_of(Counter(map(tuple, units)))
    paired = {value for unit in units if len(unit) > 1 for value in unit}
    if len(paired) < 2:
        assert ours in (1.0, None)
        return
    counts = np.array([[unit.count(value) for value in ("car", "sign", NO_REGION)] for unit in units])
    assert ours == pytest.approx(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


# Annotators


def test_what_one_has_not_drawn_is_disagreement() -> None:
    result = agreement((entry("AT1", region(10), region(50)), entry("AT2", region(11))))
    assert (result.images, result.objects, result.annotators) == (1, 2, ["AT1", "AT2"])
    pair = result.pairs["AT1", "AT2"]
    assert pair.confusion == {("car", "car"): 1, ("car", NO_REGION): 1}
    assert (pair.regions, pair.matched) == ((2, 1), 1)
    assert pair.matched_0_1 == pytest.approx(2 / 3)
    assert pair.mean_similarity_0_1 == pytest.approx(19 / 21)
    assert (pair.same_label_0_1, pair.kappa) == (1, 1)
    # Values: car, car, car, none. Of 4, 2 disagree within units, 2 * 3 * 1 / 3 by chance.
    assert result.alpha == pytest.approx(0)


def test_kappa_is_of_the_labels_of_matched_regions() -> None:
    first = [region(0, label="car"), region(30, label="car"), region(60, label="sign"), region(0, 50, label="sign")]
    second = [region(0, label="car"), region(30, label="sign"), region(60, label="sign"), region(0, 50, label="sign")]
    pair = agreement((entry("AT1", *first), entry("AT2", *second))).pairs["AT1", "AT2"]
    assert pair.same_label_0_1 == 0.75
    assert pair.kappa == pytest.approx((0.75 - (2 * 1 + 2 * 3) / 16) / (1 - (2 * 1 + 2 * 3) / 16))


def test_three_annotators_make_one_object_of_what_all_have_drawn() -> None:
    entries = (entry("AT1", region(10)), entry("AT2", region(12), region(60)), entry("AT3", region(14, label="sign")))
    (shared,) = compared([entries])
    assert [dict(found.labels) for found in shared.objects] == [
        {"AT1": "car", "AT2": "car", "AT3": "sign"},
        {"AT1": NO_REGION, "AT2": "car", "AT3": NO_REGION},
    ]
    assert shared.objects[0].similarity_0_1 == pytest.approx(18 / 22)
    assert shared.disagreements == 2


def test_an_object_has_at_most_one_region_of_an_annotator() -> None:
    # B's region is near both of A's; C's is another that only A's second is near.
    entries = (entry("A", region(10), region(22)), entry("B", region(16)), entry("C", region(23)))
    (shared,) = compared([entries], 0.3)
    assert sum(len(found.regions) for found in shared.objects) == 4
    assert len(shared.objects) == 2


def test_entries_of_one_annotator_count_as_one_and_the_unknown_not_at_all() -> None:
    (shared,) = compared([(entry("AT1", region(10)), entry("AT1", region(10), region(50)), entry("AT2", region(10)))])
    assert {name: len(regions) for name, regions in shared.regions.items()} == {"AT1": 2, "AT2": 1}
    assert list(compared([(entry("AT1", region(10)), entry(None, region(10)), entry("AT1"))])) == []


def test_whole_images_are_compared_by_their_labels() -> None:
    def image(one: str, other: str, sha256: str) -> tuple[StoredImage, ...]:
        regions = [region(label=label, shape=WholeImage()) for label in (one, other)]
        return (entry("AT1", regions[0], sha256=sha256), entry("AT2", regions[1], sha256=sha256))

    result = agreement(
        image("bee", "bee", "a"), image("bee", "bee", "b"), image("bee", "ant", "c"), image("ant", "ant", "d")
    )
    assert result.alpha == pytest.approx(1 - 7 * 2 / (2 * 5 * 3))
    assert [shared.image.sha256 for shared in result.worst] == ["c"]


def test_only_the_worst_images_are_kept_the_worst_first() -> None:
    images = [
        (entry("AT1", *(region(5 * j) for j in range(i % 7)), sha256=f"{i:03}"), entry("AT2", sha256=f"{i:03}"))
        for i in range(KEPT + 30)
    ]
    worst = agreement(*images).worst
    assert len(worst) == KEPT
    counts = [shared.disagreements for shared in worst]
    assert counts == sorted((i % 7 for i in range(KEPT + 30)), reverse=True)[:KEPT]


regions_of_one = st.lists(boxes, max_size=5)


@given(regions=st.lists(regions_of_one, min_size=1, max_size=3))
@settings(deadline=None)
def test_identical_annotators_agree_fully(regions: list[list[Region]]) -> None:
    images = [(entry("AT1", *own, sha256=str(i)), entry("AT2", *own, sha256=str(i))) for i, own in enumerate(regions)]
    result = agreement(*images)
    if result.objects:
        assert result.alpha == 1
        assert all(result.alpha_of_label(label) == 1 for label in result.labels)
        assert result.pairs["AT1", "AT2"].kappa == 1
    assert result.worst == []


@given(first=regions_of_one, second=regions_of_one)
@settings(deadline=None)
def test_who_is_called_the_first_changes_nothing(first: list[Region], second: list[Region]) -> None:
    result = agreement((entry("AT1", *first), entry("AT2", *second)))
    turned = agreement((entry("AT1", *second), entry("AT2", *first)))
    assert (turned.alpha, turned.patterns) == (result.alpha, result.patterns)
    pair, other = result.pairs["AT1", "AT2"], turned.pairs["AT1", "AT2"]
    assert {(b, a): n for (a, b), n in pair.confusion.items()} == dict(other.confusion)
    assert (pair.kappa, pair.matched_0_1) == (other.kappa and pytest.approx(other.kappa), other.matched_0_1)


@given(regions=st.lists(regions_of_one, min_size=2, max_size=3), random=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_regions_and_entries_changes_nothing(regions: list[list[Region]], random: Any) -> None:  # noqa: ANN401
    entries = [entry(f"AT{i}", *own) for i, own in enumerate(regions)]
    shuffled = [entry(f"AT{i}", *random.sample(own, len(own))) for i, own in enumerate(regions)]
    random.shuffle(shuffled)
    assert agreement(shuffled).as_dict() == agreement(entries).as_dict()


# From the database to people


@pytest.fixture
def two_opinions(delivery: Delivery, take: Take) -> None:
    for name in ("a.png", "b.png", "c.png"):
        delivery.image(name)
    opinions = {
        "AT1": {"a.png": [rect(), rect(x=60)], "b.png": [rect(label="<b>sign</b>")], "c.png": [rect()]},
        "AT2": {"a.png": [rect(x=11)], "b.png": [rect(x=9)]},
    }
    for who, regions in opinions.items():
        take(delivery.via(regions, name=f"{who}.json"), given=Provenance(annotator=who))


@pytest.mark.usefixtures("two_opinions")
def test_images_of_two_annotators_are_shared(store: Store) -> None:
    shared = list(store.shared_images("ods"))
    assert sorted(tuple(one.filename for one in entries) for entries in shared) == [("a.png",) * 2, ("b.png",) * 2]
    assert [entries[0].sha256 for entries in shared] == sorted(entries[0].sha256 for entries in shared)
    assert list(store.shared_images("rld")) == []


@pytest.mark.usefixtures("two_opinions")
def test_the_page_draws_what_is_disagreed_on(store: Store, tmp_path: Path) -> None:
    result = agreement(*store.shared_images("ods"))
    page = write_agreement(result, tmp_path / "pages").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 2
    assert "<li>AT1: car, AT2: no region</li>" in page
    assert "<li>AT1: &lt;b&gt;sign&lt;/b&gt;, AT2: car (overlap 0.90)</li>" in page
    assert "nothing to compare" in write_agreement(agreement(), tmp_path / "none").read_text(encoding="utf-8")


@pytest.mark.usefixtures("two_opinions")
def test_the_table_has_a_row_for_each_object_and_annotator(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "objects.csv"
    images = list(written(compared(store.shared_images("ods")), path))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * sum(len(shared.objects) for shared in images) == 6
    missing = next(row for row in rows if not row["label"])
    assert (missing["annotator"], missing["region_index"], missing["agreed"]) == ("AT2", "", "False")


def test_the_command_prints_it_for_people_and_programs(
    delivery: Delivery, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: object) -> str:
        assert run(["--home", str(home), "annotations", *map(str, words)]) == 0
        return capsys.readouterr().out

    delivery.image("a.png")
    for who, label in (("AT1", "car"), ("AT2", "sign")):
        call("ingest", delivery.via({"a.png": [rect(label=label)]}, name=f"{who}.json"), "--annotator", who)
        if who == "AT1":
            assert "no image was annotated by several annotators" in call("agreement")
    text = call("agreement", "--html", tmp_path / "pages", "--csv", tmp_path / "objects.csv")
    assert "AT1 and AT2" in text
    assert (tmp_path / "pages" / "index.html").is_file()
    assert (tmp_path / "objects.csv").is_file()
    result = json.loads(call("agreement", "--json", "--iou", 0.9))
    assert result["alpha"] == 0
    assert (result["iou"], result["images"], result["objects"], result["annotators"]) == (0.9, 1, 1, ["AT1", "AT2"])
    assert result["pairs"][0]["confusion"] == [{"first": "car", "second": "sign", "count": 1}]
    assert [row["image"] for row in result["worst"]] == ["a.png"]
