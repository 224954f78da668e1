"""Statistics of datasets, counted again one by one."""

import csv
import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.cli.main import run
from teppr.datasets import statistics as room
from teppr.datasets.document import SplitRecord
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.statistics import GRID, Histogram, side_edges, statistics_of, write_csv
from teppr.datasets.statistics_page import MOST_LABELS, matrix_of, write_statistics_page
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import Corrupt
from teppr.geometry import area, box_xywh
from teppr.testing.datasets import small_snapshot
from teppr.types import Polyline, Rect, Shape, WholeImage


def made_of(home: Path, *images: tuple[str, tuple[tuple[str, Shape], ...]], size_wh: tuple[int, int]) -> Snapshot:
    """A dataset of images that are not there: split, and label and shape of each region."""
    rows = [
        ImageRow(
            path=f"/images/{i}.jpg",
            filename=f"{i}.jpg",
            sha256=f"{i:064x}",
            size_wh=size_wh,
            split=split,
            regions=tuple(
                RegionRow(shape=shape, label=label, box_xywh_px=box_xywh(shape), area_px=area(shape))
                for label, shape in regions
            ),
        )
        for i, (split, regions) in enumerate(images)
    ]
    labels = tuple(sorted({label for _, regions in images for label, _ in regions}))
    record = SplitRecord(method="files", files={row.split: ["a"] for row in rows})
    return write_snapshot(home, Content(name="made", problem="ods", labels=labels, rows=rows, split=record))


def test_counts_are_those_of_the_images_themselves(home: Path) -> None:
    snapshot = small_snapshot(home, images=40)
    found = statistics_of(snapshot)
    assert [one.split for one in found.splits] == ["train", "val", "test"]
    for one in found.splits:
        images = snapshot.images(one.split)
        assert one.images == len(images)
        assert one.regions == sum(len(image.label_ids) for image in images)
        assert one.per_image == Counter(len(image.label_ids) for image in images)
        areas = np.concatenate([image.areas_px for image in images])
        assert one.small == (areas < 32**2).sum()
        assert one.medium == ((areas >= 32**2) & (areas < 96**2)).sum()
        assert one.large == (areas >= 96**2).sum()
        sets = [set(image.label_ids.tolist()) for image in images]
        for i in range(3):
            assert one.together[i].tolist() == [sum(i in labels and j in labels for labels in sets) for j in range(3)]
            mine = [image.boxes_xywh_px[image.label_ids == i] for image in images]
            row = one.labels[i]
            assert (row.images, row.regions) == (sum(map(bool, map(len, mine))), sum(map(len, mine)))
            width_px, height_px = np.median(np.concatenate(mine)[:, 2:], axis=0)
            assert (row.median_width_px, row.median_height_px) == (width_px, height_px)
            assert row.small + row.medium + row.large == row.regions


def test_all_splits_together_are_their_sum(home: Path) -> None:
    found = statistics_of(small_snapshot(home, images=30))
    for name in ("images", "regions", "small", "medium", "large"):
        assert getattr(found.all, name) == sum(getattr(one, name) for one in found.splits)
    assert (found.all.together == sum(one.together for one in found.splits)).all()
    assert (found.all.centres == sum(one.centres for one in found.splits)).all()
    for name in ("sides_px", "sides_0_1", "ratios"):
        parts = [getattr(one, name) for one in found.splits]
        assert len({part.edges for part in parts}) == 1
        assert getattr(found.all, name).counts == tuple(map(sum, zip(*(part.counts for part in parts), strict=True)))


def test_boxes_are_measured_in_pixels_and_by_their_images(home: Path) -> None:
    left_top, wide = Rect(0, 0, 20, 20), Rect(100, 40, 80, 20)
    found = statistics_of(made_of(home, ("train", (("a", left_top), ("b", wide))), size_wh=(200, 50))).all
    assert found.quantiles["width_px"]["50%"] == 50
    assert found.quantiles["side_px"] == {"5%": 21, "25%": 25, "50%": 30, "75%": 35, "95%": 39}
    assert found.quantiles["side_0_1"]["50%"] == 0.3
    assert found.quantiles["ratio"]["95%"] == pytest.approx(3.85)
    rows, columns = np.nonzero(found.centres)
    centres = sorted(zip(rows.tolist(), columns.tolist(), strict=True))
    assert centres == [(int(0.2 * GRID), int(0.05 * GRID)), (GRID - 1, int(0.7 * GRID))]
    assert [size.images for size in found.image_sizes] == [1]


def test_shapes_without_an_area_have_no_size_and_empty_splits_no_quantiles(home: Path) -> None:
    line = Polyline(((10, 10), (90, 10)))
    regions = (("a", line), ("b", WholeImage()), ("b", Rect(0, 0, 10, 10)))
    found = statistics_of(made_of(home, ("train", regions), ("val", ()), size_wh=(100, 100)))
    train, val = found.splits
    assert (train.regions, train.small, train.medium, train.large) == (3, 1, 0, 0)
    assert sum(train.ratios.counts) == sum(train.sides_px.counts) == sum(train.sides_0_1.counts) == 1
    assert train.centres.sum() == 2
    assert (val.images, val.regions, val.mean_per_image, val.quantiles["ratio"]) == (1, 0, 0, {})


@given(st.floats(0, 5000))
def test_bounds_of_sides_rise_and_reach_the_longest(longest_px: float) -> None:
    edges = side_edges(longest_px)
    assert all(low < high for low, high in pairwise(edges))
    assert edges[-1] >= longest_px
    assert {32.0, 64.0} <= set(side_edges(100))


def test_what_lies_beyond_is_in_the_outer_bins() -> None:
    assert Histogram.of(np.array([-5.0, 0.5, 1.5, 99]), (0, 1, 2)).counts == (2, 2)


def test_labels_together_are_counted_in_pieces_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = small_snapshot(home, images=30)
    whole = statistics_of(snapshot).all.together
    monkeypatch.setattr(room, "CELLS_AT_ONCE", 10)
    assert (statistics_of(snapshot).all.together == whole).all()


def test_the_matrix_shows_the_most_frequent_labels_in_their_order() -> None:
    together = np.diag(np.arange(MOST_LABELS + 5)[::-1])
    matrix = matrix_of(together, [f"l{i}" for i in range(MOST_LABELS + 5)])
    assert matrix.labels == tuple(f"l{i}" for i in range(MOST_LABELS))
    assert matrix.left_out == 5
    assert not matrix.with_counts
    both = matrix_of(np.array([[4, 1], [1, 2]]), ["a", "b"])
    assert [[pair.share_0_1 for pair in row] for row in both.rows] == [[1, 0.25], [0.5, 1]]


def test_the_page_needs_nothing_beside_it_and_says_every_split(home: Path, tmp_path: Path) -> None:
    page = write_statistics_page(statistics_of(small_snapshot(home, images=20)), tmp_path)
    text = page.read_text()
    assert not re.search(r"https?://|src=|<script", text)
    assert text.count("<svg") == 4 + 3 + 1
    assert "Labels together" in text
    assert re.search(r"<title>circle, also square: \d+ images", text)


def test_labels_of_whole_images_have_no_charts_of_boxes(home: Path, tmp_path: Path) -> None:
    whole = made_of(home, ("train", (("a", WholeImage()),)), ("val", (("b", WholeImage()),)), size_wh=(9, 9))
    text = write_statistics_page(statistics_of(whole), tmp_path).read_text()
    assert "Regions per image" in text
    assert "Size of boxes" not in text
    assert "Places" not in text


def test_the_page_of_a_dataset_without_regions_says_so(home: Path, tmp_path: Path) -> None:
    page = write_statistics_page(statistics_of(made_of(home, ("train", ()), size_wh=(9, 9))), tmp_path)
    assert "<b>0</b>regions" in page.read_text()


def test_the_table_holds_every_bin(home: Path, tmp_path: Path) -> None:
    found = statistics_of(small_snapshot(home, images=20))
    count = write_csv(found, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == count
    sides = [int(row["count"]) for row in rows if row["measure"] == "side, px" and row["split"] == "train"]
    assert sides == list(found.splits[0].sides_px.counts)


def test_the_command_answers_people_and_machines(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = small_snapshot(home, images=20)
    assert run(["--home", str(home), "dataset", "stats", "shapes", "--html", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "medium, < 96² px" in told.out
    assert str(tmp_path / "out" / "statistics.html") in told.err
    assert run(["--home", str(home), "dataset", "stats", "shapes", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["dataset"] == snapshot.reference
    assert answer["labels"] == ["circle", "square", "triangle"]
    assert list(answer["splits"]) == ["train", "val", "test"]
    assert len(answer["splits"]["val"]["together"]) == 3
    assert sum(answer["all"]["sides_px"]["counts"]) == answer["all"]["regions"]


def test_a_table_without_its_columns_is_corrupt(home: Path) -> None:
    snapshot = small_snapshot(home)
    (snapshot.path / "annotations.parquet").write_bytes((snapshot.path / "images.parquet").read_bytes())
    with pytest.raises(Corrupt, match=r"annotations\.parquet"):
        statistics_of(snapshot)
