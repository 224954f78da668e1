"""Lanes as a task: what is fed, measured, compared and told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.tasks.contract import Contents, Feeding, MeasureOptions
from teppr.tasks.lanes import PLUGIN, LaneParity
from teppr.testing.datasets import small_snapshot
from teppr.testing.lanes import LABELS, line_snapshot
from teppr.types import Detections, Polygon, Polyline, Shape

FEEDING = Feeding(image_size_px=64, square=False, max_pixels=DEFAULT_MAX_PIXELS)


@pytest.fixture
def snapshot(home: Path) -> Snapshot:
    return line_snapshot(home)


def found_as_drawn(image: SnapshotImage, *, off_px: float = 0, score: float = 0.9) -> Detections:
    """The truth of an image, moved aside, as if a network had found it."""
    lines = [
        Polyline(tuple((x + off_px, y) for x, y in shape.points))
        for shape in image.shapes
        if isinstance(shape, Polyline)
    ]
    return found_lines(image.size_wh, *lines, label_ids=image.label_ids.tolist(), score=score)


def found_lines(
    size_wh: tuple[int, int], *lines: Polyline, label_ids: list[int] | None = None, score: float = 0.9
) -> Detections:
    return Detections(
        size_wh=size_wh,
        boxes_xyxy_px=np.array([[1, 2, 30, 40]] * len(lines), np.float32).reshape(-1, 4),
        scores_0_1=np.full(len(lines), score, np.float32),
        label_ids=np.array(label_ids or [0] * len(lines), np.int64),
        lines=lines,
    )


def with_shapes(image: SnapshotImage, *shapes: Shape, crowd: bool = False) -> SnapshotImage:
    return replace(
        image,
        encoded_shapes=shapes,
        boxes_xywh_px=np.ones((len(shapes), 4)),
        areas_px=np.zeros(len(shapes)),
        label_ids=np.zeros(len(shapes), np.int64),
        is_crowd=np.full(len(shapes), crowd),
    )


def test_lanes_are_learned_from_lines_and_areas_only(snapshot: Snapshot, tmp_path: Path) -> None:
    assert PLUGIN.fits(Contents.of(snapshot))
    assert not PLUGIN.fits(Contents.of(small_snapshot(tmp_path, boxes_only=True)))


def test_samples_have_lines_in_the_pixels_of_their_image(snapshot: Snapshot) -> None:
    image = snapshot.images("train")[0]
    sample = PLUGIN.sample(image, FEEDING)
    assert tuple(sample.image.shape) == (3, 48, 64)
    assert sample.masks is None
    assert sample.lines_px is not None
    assert len(sample.lines_px) == len(sample.label_ids) == len(image.shapes)
    for line, shape, box in zip(sample.lines_px, image.shapes, sample.boxes_xyxy_px.tolist(), strict=True):
        assert isinstance(shape, Polyline)
        points = line.numpy()
        np.testing.assert_allclose(points[[0, -1]] * 2, np.asarray(shape.points)[[0, -1]], atol=1e-4)
        assert np.hypot(*np.diff(points, axis=0).T).max() <= 4
        np.testing.assert_allclose(box, [*points.min(axis=0), *points.max(axis=0)])


def test_an_area_is_fed_as_the_line_along_its_middle_and_crowds_are_not(snapshot: Snapshot) -> None:
    image = snapshot.images("train")[0]
    band = Polygon((((20, 90), (28, 90), (68, 30), (60, 30)),))
    (line,) = PLUGIN.sample(with_shapes(image, band), FEEDING).lines_px or ()
    np.testing.assert_allclose(line[[0, -1]], [[32, 15], [12, 45]], atol=0.01)
    assert PLUGIN.sample(with_shapes(image, band, crowd=True), FEEDING).lines_px == ()


def test_what_is_no_line_is_not_fed(snapshot: Snapshot) -> None:
    image = with_shapes(snapshot.images("train")[0], Polyline(((3, 3),)), Polyline(()))
    sample = PLUGIN.sample(image, FEEDING)
    assert sample.lines_px == ()
    assert sample.boxes_xyxy_px.shape == (0, 4)


def test_the_truth_measures_as_right(snapshot: Snapshot) -> None:
    images = snapshot.images("train")
    found = {image.image_id: found_as_drawn(image) for image in images}
    measured = PLUGIN.measure(snapshot, images, found, MeasureOptions())
    figures = measured.figures["lane"]
    assert (figures["accuracy"], figures["false_positive"], figures["false_negative"], figures["f1"]) == (1, 0, 0, 1)
    counts = [int((image.label_ids == i).sum()) for i in range(2) for image in images]
    assert [figures["per_label"][label]["regions"] for label in LABELS] == [sum(counts[:6]), sum(counts[6:])]
    assert all(figures["per_label"][label]["accuracy"] == 1 for label in LABELS)
    assert not any(faults.wrong for faults in measured.faults)


def test_what_is_missed_and_what_is_not_there_count_as_faults_the_worst_first(snapshot: Snapshot) -> None:
    images = snapshot.images("train")[:2]
    stray = Polyline(((2, 40), (2, 95)))
    found = {images[0].image_id: found_as_drawn(images[0]), images[1].image_id: found_lines((128, 96), stray)}
    measured = PLUGIN.measure(snapshot, images, found, MeasureOptions())
    worst, best = measured.faults
    assert (worst.image_id, worst.missed, worst.spurious) == (images[1].image_id, len(images[1].shapes), 1)
    assert (best.right, best.wrong) == (len(images[0].shapes), 0)
    assert measured.details()["lanes"] == {"missed": worst.missed, "spurious": 1}


def test_an_image_of_which_nothing_is_told_counts_as_nothing_found(snapshot: Snapshot) -> None:
    images = snapshot.images("train")[:1]
    measured = PLUGIN.measure(snapshot, images, {}, MeasureOptions())
    assert measured.figures["lane"]["false_negative"] == 1


@pytest.mark.parametrize(("least", "score", "accuracy"), [(0.05, 0.4, 0), (0.05, 0.5, 1), (0.8, 0.7, 0)])
def test_weak_lanes_do_not_count(snapshot: Snapshot, least: float, score: float, accuracy: float) -> None:
    images = snapshot.images("train")[:1]
    found = {images[0].image_id: found_as_drawn(images[0], score=score)}
    measured = PLUGIN.measure(snapshot, images, found, MeasureOptions(score_threshold_0_1=least))
    assert (measured.figures["lane"]["accuracy"] > 0.9) == (accuracy == 1)


def test_a_label_that_is_mistaken_counts_among_labels_only(snapshot: Snapshot) -> None:
    images = snapshot.images("train")[:1]
    found = found_as_drawn(images[0])
    swapped = replace(found, label_ids=1 - found.label_ids)
    figures = PLUGIN.measure(snapshot, images, {images[0].image_id: swapped}, MeasureOptions()).figures["lane"]
    assert figures["accuracy"] == 1
    assert all(figures["per_label"][label]["accuracy"] < 0.9 for label in LABELS)


def test_rows_give_back_what_they_were_made_of(snapshot: Snapshot) -> None:
    image = snapshot.images("train")[0]
    found = found_as_drawn(image)
    rows = PLUGIN.rows(image.image_id, found)
    assert {row["image_id"] for row in rows} == {image.image_id}
    again = PLUGIN.detections(rows, image.size_wh)
    assert again.lines == found.lines
    np.testing.assert_allclose(again.boxes_xyxy_px, found.boxes_xyxy_px)
    np.testing.assert_array_equal(again.label_ids, found.label_ids)
    assert PLUGIN.rows(1, found_lines((128, 96))) == []


@pytest.mark.parametrize(
    ("off_px", "score", "agreed"), [(0.1, 0.9, True), (2.0, 0.9, False), (0.0, 0.8, False)], ids=str
)
def test_networks_are_the_same_where_their_lanes_are(
    snapshot: Snapshot, off_px: float, score: float, agreed: bool
) -> None:
    parity = LaneParity()
    for image in snapshot.images("train"):
        parity.add(found_as_drawn(image), found_as_drawn(image, off_px=off_px, score=score))
    assert parity.images == 6
    assert parity.compared > 0
    assert parity.holds == agreed
    assert parity.agreed == (parity.compared if agreed else 0)


def test_a_lane_that_only_one_network_finds_is_no_agreement() -> None:
    parity = LaneParity()
    lines = [Polyline(((10, 30), (10, 95))), Polyline(((90, 30), (90, 95)))]
    parity.add(found_lines((128, 96), *lines), found_lines((128, 96), lines[0]))
    parity.add(found_lines((128, 96), lines[1]), found_lines((128, 96)))
    assert (parity.compared, parity.agreed) == (4, 2)


def test_another_label_is_no_agreement() -> None:
    parity = LaneParity()
    line = Polyline(((10, 30), (10, 95)))
    parity.add(found_lines((128, 96), line), found_lines((128, 96), line, label_ids=[1]))
    assert (parity.compared, parity.agreed) == (2, 0)
