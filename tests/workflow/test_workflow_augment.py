import pytest
import torch

from teppr.samples import Sample
from teppr.workflow.augment import AUGMENTATIONS, Augmenter


def sample(with_masks: bool = True) -> Sample:
    """Two bright rectangles on a dark image, one of them at the edge."""
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    boxes = torch.tensor([[10, 20, 40, 50], [60, 0, 80, 10]], dtype=torch.float32)
    masks = torch.zeros(2, 60, 80, dtype=torch.bool)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = True
        image[:, y0:y1, x0:x1] = 220
    return Sample(
        image=image,
        boxes_xyxy_px=boxes,
        label_ids=torch.tensor([0, 1]),
        masks=masks if with_masks else None,
        image_id=1,
    )


def box_around(mask: torch.Tensor) -> list[float]:
    y, x = torch.where(mask)
    return [x.min().item(), y.min().item(), x.max().item() + 1, y.max().item() + 1]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_boxes_masks_and_labels_stay_together(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    changed = Augmenter([name])(sample())
    assert changed.image.shape == (3, 60, 80)
    assert changed.image.dtype == torch.uint8
    assert changed.masks is not None
    assert len(changed.boxes_xyxy_px) == len(changed.label_ids) == len(changed.masks)
    for box, mask in zip(changed.boxes_xyxy_px.tolist(), changed.masks, strict=True):
        assert box == pytest.approx(box_around(mask), abs=1.5)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_boxes_alone_follow_too(name: str) -> None:
    torch.manual_seed(3)
    changed = Augmenter([name])(sample(with_masks=False))
    assert changed.masks is None
    assert type(changed.boxes_xyxy_px) is torch.Tensor
    assert (changed.boxes_xyxy_px[:, 2:] - changed.boxes_xyxy_px[:, :2] >= 2).all()


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_an_image_without_objects_stays_without(name: str) -> None:
    empty = Sample(
        image=torch.zeros(3, 60, 80, dtype=torch.uint8),
        boxes_xyxy_px=torch.zeros(0, 4),
        label_ids=torch.zeros(0, dtype=torch.int64),
        masks=torch.zeros(0, 60, 80, dtype=torch.bool),
        image_id=1,
    )
    changed = Augmenter([name])(empty)
    assert changed.boxes_xyxy_px.shape == (0, 4)
    assert changed.masks is not None
    assert changed.masks.shape == (0, 60, 80)


def test_a_flip_moves_the_box_to_the_other_side() -> None:
    found = set()
    for seed in range(8):
        torch.manual_seed(seed)
        found.add(tuple(Augmenter(["flip_horizontal"])(sample()).boxes_xyxy_px[0].tolist()))
    assert found == {(10, 20, 40, 50), (40, 20, 70, 50)}


def test_the_same_random_state_gives_the_same_change() -> None:
    changes = []
    for _ in range(2):
        torch.manual_seed(5)
        changes.append(Augmenter(sorted(AUGMENTATIONS))(sample()))
    assert torch.equal(changes[0].image, changes[1].image)
    assert torch.equal(changes[0].boxes_xyxy_px, changes[1].boxes_xyxy_px)


def test_what_the_sample_was_is_left_alone() -> None:
    before, given = sample(), sample()
    torch.manual_seed(1)
    Augmenter(sorted(AUGMENTATIONS))(given)
    assert torch.equal(before.image, given.image)
    assert torch.equal(before.boxes_xyxy_px, given.boxes_xyxy_px)


def test_objects_that_leave_the_image_are_dropped() -> None:
    counts = set()
    for seed in range(30):
        torch.manual_seed(seed)
        counts.add(len(Augmenter(["scale_jitter"])(sample()).label_ids))
    assert counts == {1, 2}


def lines(*points: list[list[float]]) -> Sample:
    """Lines on a grey image of 80 x 60 pixels, labelled in their order."""
    return Sample(
        image=torch.full((3, 60, 80), 90, dtype=torch.uint8),
        boxes_xyxy_px=torch.zeros(len(points), 4),
        label_ids=torch.arange(len(points)),
        masks=None,
        image_id=1,
        lines_px=tuple(torch.tensor(line) for line in points),
    )


@pytest.mark.parametrize("seed", range(4))
def test_lines_are_mirrored_with_their_image(seed: int) -> None:
    torch.manual_seed(seed)
    given = lines([[10.0, 0.0], [12.0, 30.0], [20.0, 60.0]], [[70.0, 5.0], [70.0, 50.0]])
    given.image[:, :, :40] = 200
    changed = Augmenter(["flip_horizontal"])(given)
    mirrored = bool(changed.image[0, 0, 0] == 90)
    assert changed.lines_px is not None
    for line, before in zip(changed.lines_px, given.lines_px or (), strict=True):
        x = (80 - before[:, 0]) if mirrored else before[:, 0]
        assert (line[:, 0] - x).abs().max() <= 1
        assert torch.equal(line[:, 1], before[:, 1])
    assert changed.boxes_xyxy_px.shape == (2, 4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_lines_of_which_nothing_is_left_are_dropped_with_their_labels(name: str, seed: int) -> None:
    torch.manual_seed(seed)
    changed = Augmenter([name])(
        lines([[1.0, 1.0], [1.0, 8.0]], [[40.0, 10.0], [40.0, 50.0]], [[79.0, 50.0], [79.0, 59.0]])
    )
    assert changed.lines_px is not None
    assert len(changed.lines_px) == len(changed.label_ids) == len(changed.boxes_xyxy_px)
    assert all(type(line) is torch.Tensor and len(line) == 2 for line in changed.lines_px)
    for line in changed.lines_px:
        assert ((line >= 0) & (line <= torch.tensor([80, 60]))).all(dim=1).any()


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_an_image_without_lines_stays_without(name: str) -> None:
    changed = Augmenter([name])(lines())
    assert changed.lines_px == ()
    assert changed.boxes_xyxy_px.shape == (0, 4)
