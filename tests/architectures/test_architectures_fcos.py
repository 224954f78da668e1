from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from teppr.architectures._assign import MOST_POINTS, assign
from teppr.architectures._dense import STRIDES_PX, Dense, OneStage
from teppr.architectures.contract import BuildOptions, torch_architecture
from teppr.testing.architectures import tiny_samples

FCOS = torch_architecture("fcos")


def build(backbone: str = "mobilenet_v2") -> OneStage:
    options = BuildOptions(label_count=2, image_size_px=128, backbone=backbone, weights="scratch", task="detect")
    network = FCOS.build(options)
    assert isinstance(network, OneStage)
    return network


@pytest.mark.parametrize("backbone", FCOS.backbones)
def test_every_backbone_has_the_strides_that_points_are_laid_by(backbone: str) -> None:
    network = build(backbone).eval()
    with torch.inference_mode():
        said = network(torch.rand(2, 3, 128, 192))
    counts = [128 * 192 // stride**2 for stride in STRIDES_PX]
    assert said.boxes_xyxy_px.shape == (2, sum(counts), 4)
    assert said.logits.shape == (2, sum(counts), 2)
    assert said.strides_px.tolist() == [s for s, n in zip(STRIDES_PX, counts, strict=True) for _ in range(n)]
    assert said.points_xy_px[:2].tolist() == [[4, 4], [12, 4]]
    assert said.points_xy_px.amax(dim=0).tolist() == [188, 124]


def said_of(*boxes: list[float], chance: float = 0.5, side_px: int = 64) -> Dense:
    """Points 8 pixels apart over a square; each says that every box is around it, with the same chance."""
    at = torch.arange(4.0, side_px, 8)
    points = torch.cartesian_prod(at, at)
    nearest = torch.cdist(points, torch.tensor(boxes).reshape(-1, 2, 2).mean(dim=1)).argmin(dim=1)
    return Dense(
        logits=torch.full((len(points), 2), chance).logit(),
        boxes_xyxy_px=torch.tensor(boxes)[nearest],
        points_xy_px=points,
        strides_px=torch.full((len(points),), 8.0),
    )


def test_points_in_the_middle_of_an_object_answer_for_it() -> None:
    box = [8.0, 8.0, 56.0, 56.0]
    found = assign(said_of(box), torch.tensor([box]), torch.tensor([1]))
    assert len(found.points) == MOST_POINTS
    away = (said_of(box).points_xy_px - 32).norm(dim=1)
    assert away[found.points].max() <= away.sort().values[MOST_POINTS + 2]
    assert found.quality_0_1.tolist() == [1.0] * MOST_POINTS


def test_where_what_is_said_is_bad_few_points_answer() -> None:
    said = said_of([0.0, 0.0, 64.0, 64.0])
    found = assign(said, torch.tensor([[24.0, 24.0, 44.0, 44.0]]), torch.tensor([0]))
    assert len(found.points) == 1
    assert said.points_xy_px[found.points].tolist() == [[36, 36]]


def test_each_point_answers_for_one_object() -> None:
    boxes = [[0.0, 0.0, 40.0, 64.0], [24.0, 0.0, 64.0, 64.0]]
    found = assign(said_of(*boxes), torch.tensor(boxes), torch.tensor([0, 1]))
    assert len(found.points) == len(set(found.points.tolist()))
    assert set(found.objects.tolist()) == {0, 1}


def test_an_object_between_the_points_has_the_nearest() -> None:
    said = said_of([0.0, 0.0, 64.0, 64.0])
    found = assign(said, torch.tensor([[14.0, 14.0, 17.0, 17.0]]), torch.tensor([0]))
    assert said.points_xy_px[found.points].tolist() == [[12, 12]]


def test_without_objects_no_point_answers() -> None:
    found = assign(said_of([0.0, 0.0, 9.0, 9.0]), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert (len(found.points), len(found.objects), len(found.quality_0_1)) == (0, 0, 0)


def test_what_is_nearly_right_costs_little() -> None:
    network, (sample,) = build().train(), tiny_samples(1, task="detect")
    losses = FCOS.losses(network, [sample])
    assert losses.keys() == {"quality", "boxes"}
    assert 0 < losses["boxes"] < 4


def test_a_batch_takes_images_of_one_size(tmp_path: Path) -> None:
    card = FCOS.export(build(), tmp_path, 128)
    session = onnxruntime.InferenceSession(str(card.files[0]), providers=["CPUExecutionProvider"])
    assert card.batch
    for n, height, width in ((1, 128, 96), (3, 64, 160)):
        boxes, scores = session.run(list(card.outputs), {"image": np.zeros((n, 3, height, width), np.float32)})
        assert boxes.shape[0] == scores.shape[0] == n
        assert boxes.shape[1] == scores.shape[1]
