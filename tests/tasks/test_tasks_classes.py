"""Naming whole images as a task: what is fed, measured, compared and told."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.tasks._classes import ClassParity, whole
from teppr.tasks.classify import PLUGIN as CLASSIFY
from teppr.tasks.contract import Contents, Feeding, MeasureOptions
from teppr.tasks.multilabel import PLUGIN as MULTILABEL
from teppr.testing.classes import LABELS, class_snapshot
from teppr.types import Detections, Rect, WholeImage

FEEDING = Feeding(image_size_px=32, square=True, max_pixels=DEFAULT_MAX_PIXELS)


@pytest.fixture
def one(home: Path) -> Snapshot:
    return class_snapshot(home)


@pytest.fixture
def several(home: Path) -> Snapshot:
    return class_snapshot(home, images=40, several=True)


def told(size_wh: tuple[int, int], scores: Mapping[int, float]) -> Detections:
    ids = sorted(scores, key=lambda i: -scores[i])
    return Detections(
        size_wh=size_wh,
        boxes_xyxy_px=np.tile(np.array([0, 0, *size_wh], np.float32), (len(ids), 1)),
        scores_0_1=np.array([scores[i] for i in ids], np.float32),
        label_ids=np.array(ids, np.int64),
    )


def truth_told(image: SnapshotImage, score: float = 0.9) -> Detections:
    return told(image.size_wh, dict.fromkeys(image.label_ids.tolist(), score))


def test_what_is_learned_follows_from_the_labels_of_an_image(one: Snapshot, several: Snapshot) -> None:
    assert CLASSIFY.fits(Contents.of(one))
    assert not CLASSIFY.fits(Contents.of(several))
    assert MULTILABEL.fits(Contents.of(several))
    assert MULTILABEL.fits(Contents.of(one))  # where it is asked for


def test_a_sample_has_the_labels_of_the_whole_image_alone(one: Snapshot) -> None:
    image = one.images("train")[0]
    part = replace(
        image,
        encoded_shapes=(Rect(1, 1, 5, 5), WholeImage(), WholeImage()),
        boxes_xywh_px=np.zeros((3, 4)),
        areas_px=np.zeros(3),
        label_ids=np.array([0, 2, 2]),
        is_crowd=np.zeros(3, bool),
    )
    sample = CLASSIFY.sample(part, FEEDING)
    assert tuple(sample.image.shape) == (3, 32, 32)
    assert sample.label_ids.tolist() == [2]
    assert sample.boxes_xyxy_px.tolist() == [[0, 0, 32, 32]]


def test_one_wrong_image_is_told(one: Snapshot) -> None:
    images = one.images("train")
    found = {image.image_id: truth_told(image) for image in images}
    wrong = images[0]
    truth = int(wrong.label_ids[0])
    other = (truth + 1) % len(LABELS)
    found[wrong.image_id] = told(wrong.size_wh, {other: 0.7, truth: 0.2})
    measurement = CLASSIFY.measure(one, images, found, MeasureOptions())
    figures = measurement.figures["class"]
    assert figures["accuracy"] == pytest.approx(1 - 1 / len(images))
    assert figures.keys() == {*CLASSIFY.figures, "per_label"}
    assert sum(label["regions"] for label in figures["per_label"].values()) == len(images)
    assert figures["per_label"][LABELS[truth]]["recall"] < 1
    assert measurement.faults[0].image_id == wrong.image_id
    assert measurement.faults[0].confused == 1
    table = measurement.details()["confusion"]["table"]
    assert table[truth][other] == 1
    assert sum(map(sum, table)) == len(images)


def test_silence_is_a_column_of_its_own_and_images_without_labels_are_left_out(one: Snapshot) -> None:
    images = [*one.images("val")]
    bare = replace(images[0], encoded_shapes=(), label_ids=np.zeros(0, np.int64), is_crowd=np.zeros(0, bool))
    measurement = CLASSIFY.measure(one, [bare, *images[1:]], {}, MeasureOptions())
    confusion = measurement.details()["confusion"]
    assert confusion["labels"] == [*LABELS, "background"]
    assert np.array(confusion["table"])[:-1, -1].sum() == len(images) - 1
    assert [one.missed for one in measurement.faults] == [1] * (len(images) - 1)
    assert measurement.figures["class"]["accuracy"] == 0


def test_several_labels_are_measured_each_by_itself(several: Snapshot) -> None:
    images = several.images("test")
    found = {image.image_id: truth_told(image) for image in images}
    figures = MULTILABEL.measure(several, images, found, MeasureOptions()).figures["class"]
    assert figures["map"] == figures["exact_match"] == figures["micro_f1"] == 1
    assert figures.keys() == {*MULTILABEL.figures, "per_label"}
    assert figures["calibration_error"] == pytest.approx(0.1)
    bare = next(image for image in images if not len(image.label_ids))
    found[bare.image_id] = told(bare.size_wh, {0: 0.6})
    measurement = MULTILABEL.measure(several, images, found, MeasureOptions())
    assert measurement.figures["class"]["exact_match"] == pytest.approx(1 - 1 / len(images))
    assert (measurement.faults[0].image_id, measurement.faults[0].spurious) == (bare.image_id, 1)


def test_curves_tell_precision_and_calibration(one: Snapshot, several: Snapshot) -> None:
    for task, snapshot, titles in (
        (CLASSIFY, one, ["val, scores and how often they are right"]),
        (MULTILABEL, several, ["val, precision over recall", "val, scores and how often they are right"]),
    ):
        images = snapshot.images("val")
        found = {image.image_id: truth_told(image) for image in images}
        details = task.measure(snapshot, images, found, MeasureOptions()).details()
        charts = list(task.charts("val", details, {}))
        assert [chart.title for chart in charts] == titles
        assert all(chart.svg for chart in charts)


def test_what_is_written_reads_back(one: Snapshot) -> None:
    image = one.images("val")[0]
    found = told(image.size_wh, {2: 0.7, 0: 0.2})
    back = CLASSIFY.detections(CLASSIFY.rows(image.image_id, found), image.size_wh)
    np.testing.assert_array_equal(back.label_ids, found.label_ids)
    np.testing.assert_array_equal(back.boxes_xyxy_px, found.boxes_xyxy_px)
    np.testing.assert_array_equal(back.scores_0_1, found.scores_0_1)
    assert CLASSIFY.detections([], image.size_wh).label_ids.tolist() == []


def test_the_truth_is_drawn_as_a_frame(one: Snapshot) -> None:
    image = one.images("val")[0]
    (drawn,) = CLASSIFY.drawn_truth(image, one.labels)
    assert drawn.shape == Rect(0, 0, *image.size_wh)
    assert drawn.caption == LABELS[int(whole(image).label_ids[0])]


@pytest.mark.parametrize(
    ("exported", "holds"),
    [({0: 0.7, 1: 0.3}, True), ({0: 0.705, 1: 0.295}, True), ({0: 0.68, 1: 0.32}, False), ({0: 0.7}, False)],
    ids=["same", "near", "off", "lacking"],
)
def test_parity_compares_scores_by_label(exported: dict[int, float], holds: bool) -> None:
    parity = ClassParity()
    parity.add(told((8, 8), {0: 0.7, 1: 0.3}), told((8, 8), exported))
    assert parity.holds == holds
