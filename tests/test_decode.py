import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.decode import DECODERS, paste
from teppr.geometry import bitmap_of_mask, mask_of_bitmap


def outputs(scores: list[float], side: int = 28) -> list[np.ndarray]:
    n = len(scores)
    boxes = np.tile(np.array([[10, 20, 50, 60]], np.float32), (n, 1))
    return [boxes, np.arange(n), np.array(scores, np.float32), np.ones((n, side, side), np.float32)]


@pytest.mark.parametrize("name", ["boxes", "instances"])
def test_detections_are_in_pixels_of_the_original_best_first(name: str) -> None:
    found = DECODERS[name](outputs([0.2, 0.9, 0.5]), network_size_wh=(100, 80), image_size_wh=(200, 160))
    assert found.label_ids.tolist() == [1, 2, 0]
    assert found.boxes_xyxy_px[0].tolist() == [20, 40, 100, 120]
    assert found.size_wh == (200, 160)


@pytest.mark.parametrize("name", ["boxes", "instances"])
def test_faint_detections_are_left_out_and_a_hundred_is_the_most(name: str) -> None:
    scores = np.linspace(0.01, 0.9, 300).tolist()
    found = DECODERS[name](outputs(scores), network_size_wh=(100, 80), image_size_wh=(100, 80))
    assert len(found) == 100
    assert found.scores_0_1.min() >= 0.05


@pytest.mark.parametrize("name", ["boxes", "instances"])
def test_nothing_found_gives_no_detections(name: str) -> None:
    nothing = [np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 28, 28))]
    found = DECODERS[name](nothing, network_size_wh=(100, 80), image_size_wh=(200, 160))
    assert len(found) == 0
    assert found.masks == (() if name == "instances" else None)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([0.7, 0.02, 0.28], id="chances"),
        pytest.param((np.log([0.7, 0.02, 0.28]) + 9).tolist(), id="logits"),
        pytest.param((np.log([0.7, 0.02, 0.28]) + 900).tolist(), id="large logits"),
    ],
)
def test_a_classified_image_has_its_likely_labels_best_first(values: list[float]) -> None:
    found = DECODERS["classes"]([np.array([values], np.float32)], network_size_wh=(224, 224), image_size_wh=(640, 480))
    assert found.label_ids.tolist() == [0, 2]
    assert found.scores_0_1.tolist() == pytest.approx([0.7, 0.28], rel=1e-3)
    assert found.boxes_xyxy_px.tolist() == [[0, 0, 640, 480]] * 2
    assert found.size_wh == (640, 480)


def test_of_a_thousand_labels_none_is_likely_where_all_are_alike() -> None:
    found = DECODERS["classes"]([np.zeros(1000, np.float32)], network_size_wh=(9, 9), image_size_wh=(9, 9))
    assert len(found) == 0


def lane_maps() -> list[np.ndarray]:
    """Maps of three lanes that run down, the first whole, of the others every second and every fourth cell."""
    chances, embeddings = np.zeros((2, 20, 20)), np.zeros((4, 20, 20))
    for i, column in enumerate((3, 9, 15)):
        chances[1, :: 2**i, column] = 0.9
        embeddings[0, :, column] = 4 * i
    chances[0] = 1 - chances[1]
    return [chances, embeddings]


@pytest.mark.parametrize("name", sorted(DECODERS))
@pytest.mark.parametrize("lowest", [0.0, 0.2, 0.5, 1.0])
def test_what_scores_lower_than_asked_is_left_out(name: str, lowest: float) -> None:
    scores = [0.5, 0.02, 0.28, 0.2]
    box = [[10, 20, 50, 60]]
    centred = np.tile(np.array([[30, 40, 40, 40]], np.float32), (4, 1))
    given = {
        "classes": [np.array(scores)],
        "dense": [np.array(box), np.array([scores])],
        "labels": [np.array(scores)],
        "lanes": lane_maps(),
        "yolo": [np.concatenate([centred, np.diag(np.array(scores, np.float32))], axis=1).T],
    }.get(name, outputs(scores))
    sizes = {"network_size_wh": (100, 80), "image_size_wh": (200, 160)}
    few, all_of_them = (DECODERS[name](given, **sizes, lowest_score_0_1=score) for score in (lowest, 0))
    wanted = all_of_them.at_least(lowest)
    assert (few.label_ids.tolist(), few.masks) == (wanted.label_ids.tolist(), wanted.masks)
    assert len(all_of_them) == 3


def test_boxes_end_at_the_images_edge() -> None:
    boxes = np.array([[-5, -5, 300, 300]], np.float32)
    found = DECODERS["boxes"](
        [boxes, np.zeros(1, np.int64), np.ones(1, np.float32)], network_size_wh=(100, 80), image_size_wh=(100, 80)
    )
    assert found.boxes_xyxy_px.tolist() == [[0, 0, 100, 80]]


def test_a_certain_mask_fills_its_box() -> None:
    mask = paste(np.ones((28, 28), np.float32), np.array([10, 20, 50, 60], np.float32), (100, 80))
    wanted = np.zeros((80, 100), np.uint8)
    wanted[20:60, 10:50] = 1
    assert np.array_equal(bitmap_of_mask(mask), wanted)


def test_half_a_mask_fills_half_its_box() -> None:
    chances = np.zeros((28, 28), np.float32)
    chances[:, 14:] = 1
    bitmap = bitmap_of_mask(paste(chances, np.array([0, 0, 56, 56], np.float32), (60, 60)))
    assert bitmap[:56, 28:56].all()
    assert bitmap.sum() == 56 * 28


def test_a_box_without_area_has_an_empty_mask() -> None:
    mask = paste(np.ones((28, 28), np.float32), np.array([10, 20, 10, 60], np.float32), (100, 80))
    assert bitmap_of_mask(mask).sum() == 0


@given(st.data())
def test_the_pasted_code_is_pycocotools_own(draw: st.DataObject) -> None:
    width, height = draw.draw(st.integers(1, 30)), draw.draw(st.integers(1, 30))
    x0, y0 = draw.draw(st.floats(0, width - 0.5, width=32)), draw.draw(st.floats(0, height - 0.5, width=32))
    x1, y1 = draw.draw(st.floats(x0, width, width=32)), draw.draw(st.floats(y0, height, width=32))
    chances = np.random.default_rng(draw.draw(st.integers(0, 9))).random((4, 4), np.float32)
    mask = paste(chances, np.array([x0, y0, x1, y1], np.float32), (width, height))
    assert mask == mask_of_bitmap(bitmap_of_mask(mask))


def dense(*rows: tuple[list[float], list[float]]) -> list[np.ndarray]:
    boxes, scores = zip(*rows, strict=True) if rows else ([], [])
    labels = len(scores[0]) if scores else 2
    return [np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32).reshape(-1, labels)]


def test_of_dense_boxes_the_best_of_each_object_and_label_stays() -> None:
    outputs = dense(
        ([10, 20, 50, 60], [0.6, 0.0]),
        ([11, 20, 50, 60], [0.9, 0.0]),
        ([10, 21, 50, 60], [0.0, 0.7]),
        ([60, 20, 99, 60], [0.3, 0.01]),
    )

    found = DECODERS["dense"](outputs, network_size_wh=(100, 80), image_size_wh=(200, 80))

    assert found.boxes_xyxy_px.tolist() == [[22, 20, 100, 60], [20, 21, 100, 60], [120, 20, 198, 60]]
    assert found.label_ids.tolist() == [0, 1, 0]
    assert found.scores_0_1.tolist() == pytest.approx([0.9, 0.7, 0.3])


def test_a_point_may_tell_of_two_labels() -> None:
    found = DECODERS["dense"](dense(([10, 20, 50, 60], [0.6, 0.5])), network_size_wh=(100, 80), image_size_wh=(100, 80))
    assert found.label_ids.tolist() == [0, 1]


def test_where_no_point_is_likely_nothing_is_found() -> None:
    for outputs in (dense(), dense(([10, 20, 50, 60], [0.049, 0.01]))):
        assert len(DECODERS["dense"](outputs, network_size_wh=(100, 80), image_size_wh=(100, 80))) == 0


def test_dense_boxes_are_cut_to_the_image_and_a_hundred_are_the_most() -> None:
    across = np.arange(2000, dtype=np.float32) * 10
    boxes = np.stack([across, across * 0 - 5, across + 9, across * 0 + 200], axis=1)
    scores = np.linspace(0.06, 0.9, 2000, dtype=np.float32)[:, None]

    found = DECODERS["dense"]([boxes, scores], network_size_wh=(20_000, 80), image_size_wh=(20_000, 80))

    assert found.scores_0_1.tolist() == scores[:-101:-1, 0].tolist()
    assert found.boxes_xyxy_px[0].tolist() == [19990, 0, 19999, 80]


def test_dense_boxes_of_less_than_the_asked_score_are_left_out() -> None:
    outputs = dense(([10, 20, 50, 60], [0.6, 0.4]))
    found = DECODERS["dense"](outputs, network_size_wh=(100, 80), image_size_wh=(100, 80), lowest_score_0_1=0.5)
    assert found.scores_0_1.tolist() == pytest.approx([0.6])


def test_labels_that_hold_by_themselves_keep_their_chances() -> None:
    found = DECODERS["labels"]([np.array([[0.9, 0.04, 0.95]])], network_size_wh=(8, 8), image_size_wh=(20, 10))
    assert found.label_ids.tolist() == [2, 0]
    np.testing.assert_allclose(found.scores_0_1, [0.95, 0.9])
    assert found.boxes_xyxy_px.tolist() == [[0, 0, 20, 10]] * 2
