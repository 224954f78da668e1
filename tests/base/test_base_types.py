"""Values are checked when they are made, and never change."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadInput
from teppr.types import Circle, Detections, ImageRecord, LabelInfo, Mask, ModelCard, Polygon, Rect, Release, Tally


@pytest.mark.parametrize("bad", [math.nan, math.inf, True, "3", None])
def test_a_shape_takes_finite_numbers_only(bad: float) -> None:
    with pytest.raises(BadInput, match=r"finite numbers, got r="):
        Circle(1, 2, bad)


def test_a_polygon_without_rings_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one ring"):
        Polygon(())


def test_a_polygon_says_which_coordinate_is_wrong() -> None:
    with pytest.raises(BadInput, match="got y=nan"):
        Polygon((((0, 0), (1, math.nan), (2, 2)),))


def test_a_mask_without_area_is_refused() -> None:
    with pytest.raises(BadInput, match=r"at least 1 pixel, got \(0, 4\)"):
        Mask("", (0, 4))


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Rect(0, 0, 1, 1).x = 3  # type: ignore[misc]


def test_an_entry_needs_a_file_name() -> None:
    with pytest.raises(BadInput, match=r"at entries\[3\]"):
        ImageRecord(filename="", where="entries[3]", regions=())


def _detections(scores: list[float]) -> Detections:
    n = len(scores)
    return Detections(
        size_wh=(10, 10),
        boxes_xyxy_px=np.zeros((n, 4), np.float32),
        scores_0_1=np.asarray(scores, np.float32),
        label_ids=np.arange(n),
    )


def test_detections_of_unequal_lengths_are_refused() -> None:
    with pytest.raises(BadInput, match="detections need boxes"):
        Detections(
            size_wh=(4, 4),
            boxes_xyxy_px=np.zeros((2, 4), np.float32),
            scores_0_1=np.zeros(1, np.float32),
            label_ids=np.zeros(1, np.int64),
        )


def test_detections_below_a_score_are_left_out() -> None:
    assert _detections([0.9, 0.5, 0.2]).at_least(0.5).label_ids.tolist() == [0, 1]


def test_a_model_without_labels_is_refused() -> None:
    with pytest.raises(BadInput, match="at least one label"):
        ModelCard(
            key="a-b-1",
            architecture="x",
            problem="b",
            task="detect",
            labels=(),
            image_size_px=1,
            inputs=(),
            outputs=(),
            decode="boxes",
        )


def test_a_model_card_has_empty_tables_where_nothing_was_given() -> None:
    card = ModelCard(
        key="a-b-1",
        architecture="x",
        problem="b",
        task="detect",
        labels=(LabelInfo(name="car", color="#000000"),),
        image_size_px=1,
        inputs=(),
        outputs=(),
        decode="boxes",
    )
    assert dict(card.metrics) == {}


@pytest.mark.parametrize("key", ["acme-ods-8", "acme-ods-8.1-rc2", "a_b-ods-2026"])
def test_a_release_key_is_taken_apart_and_put_together(key: str) -> None:
    assert Release.parse(key).key == key


@pytest.mark.parametrize(
    "key", ["acme", "acme-ods", "acme--8", "../ods-8", "acme-ods-../x", "acme-ods-.8", "a b-ods-1", ""]
)
def test_what_is_no_release_key_is_refused(key: str) -> None:
    with pytest.raises(BadInput, match="as in acme-ods-8"):
        Release.parse(key)


@given(*[st.integers(0, 1000)] * 4)
def test_tallies_add_up(accepted: int, rejected: int, more: int, less: int) -> None:
    total = Tally(accepted + rejected, accepted, rejected) + Tally(more + less, more, less)
    assert tuple(total) == (accepted + rejected + more + less, accepted + more, rejected + less)


def test_a_tally_that_loses_something_is_refused() -> None:
    with pytest.raises(BadInput, match="5 != 3 \\+ 1"):
        Tally(5, 3, 1)
