"""LaneNet's losses, on cells whose losses are known."""

import math

import pytest
import torch

from teppr.architectures.lanenet import discriminative_loss, segmentation_loss


def two_lanes(apart: float, spread: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Embeddings [1, 2, 1, 4] of two cells of each of two lanes, and the numbers of the cells' lanes [1, 4]."""
    embeddings = torch.tensor([[-spread, spread, apart - spread, apart + spread], [0.0, 0, 0, 0]])
    return embeddings[None, :, None], torch.tensor([[0, 0, 1, 1]])


@pytest.mark.parametrize(
    ("apart", "spread", "pull", "push"),
    [(5.0, 0.4, 0.0, 0.0), (3.0, 0.5, 0.0, 0.0), (2.0, 0.0, 0.0, 1.0), (4.0, 1.5, 1.0, 0.0)],
    ids=["as it should be", "just so", "too near each other", "too far from their mean"],
)
def test_cells_are_pulled_to_their_lane_and_lanes_pushed_apart(
    apart: float, spread: float, pull: float, push: float
) -> None:
    embeddings, lanes = two_lanes(apart, spread)
    losses = [loss.item() for loss in discriminative_loss(embeddings, [lanes])]
    assert losses == pytest.approx([pull, push], abs=1e-6)


def test_each_lane_counts_alike_however_many_cells_it_has() -> None:
    # The first lane has two cells that are 1.5 from their mean, the second three that are on it.
    embeddings = torch.tensor([[-1.5, 1.5, 9.0, 9.0, 9.0]])[None, :, None]
    pull, push = discriminative_loss(embeddings, [torch.tensor([[0, 0, 1, 1, 1]])])
    assert (pull.item(), push.item()) == pytest.approx((0.5, 0.0), abs=1e-6)


def test_cells_without_a_lane_do_not_count() -> None:
    embeddings, lanes = two_lanes(4.0, 0.1)
    lanes[0, 3] = -1
    embeddings[0, :, 0, 3] = 1000
    pull, push = discriminative_loss(embeddings, [lanes])
    assert (pull.item(), push.item()) == (0, 0)


def test_images_without_lanes_cost_nothing_and_have_a_slope() -> None:
    embeddings = torch.randn(2, 4, 3, 3, requires_grad=True)
    pull, push = discriminative_loss(embeddings, [torch.full((3, 3), -1)] * 2)
    (pull + push).backward()  # type: ignore[no-untyped-call]
    assert (pull.item(), push.item()) == (0, 0)
    assert embeddings.grad is not None


def test_equal_embeddings_have_a_finite_slope() -> None:
    embeddings = torch.zeros(1, 4, 1, 4, requires_grad=True)
    _, push = discriminative_loss(embeddings, [torch.tensor([[0, 0, 1, 1]])])
    push.backward()  # type: ignore[no-untyped-call]
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()
    assert push.item() == pytest.approx(9, abs=0.01)


def test_rare_classes_weigh_more() -> None:
    # One cell in ten is a lane; both are misjudged alike, so the loss is the weights' alone.
    label_ids = torch.zeros(1, 1, 10, dtype=torch.int64)
    label_ids[0, 0, 0] = 1
    logits = torch.zeros(1, 2, 1, 10)
    logits[0, 1, 0, 0] = 5.0  # the lane's cell is judged right
    right, wrong = math.log(1 + math.exp(-5)), math.log(2)
    lane, ground = 1 / math.log(1.02 + 0.1), 1 / math.log(1.02 + 0.9)
    wanted = (lane * right + 9 * ground * wrong) / (lane + 9 * ground)
    assert segmentation_loss(logits, label_ids).item() == pytest.approx(wanted, rel=1e-5)


def test_cells_beyond_an_image_do_not_count() -> None:
    label_ids = torch.tensor([[[0, 0, -1]]])
    logits = torch.zeros(1, 2, 1, 3)
    logits[0, 0, 0, :2] = 50
    assert segmentation_loss(logits, label_ids).item() == pytest.approx(0, abs=1e-6)
