"""What training is fed: images and truth in the same pixels."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
import torch

from teppr.datasets.loader import SampleDataset, load_sample, scaled_bitmap, scaled_boxes
from teppr.datasets.snapshot import SnapshotImage
from teppr.errors import BadImage, Corrupt
from teppr.geometry import bitmap_of_mask, mask_of_bitmap
from teppr.images import DEFAULT_MAX_PIXELS, encode_png, read, resize_to_fit
from teppr.samples import Sample
from teppr.testing.datasets import COLORS, small_snapshot
from teppr.types import Circle, Mask, Polyline, Rect, Shape


def loading(
    image_size_px: int, *, with_masks: bool = False, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Callable[[SnapshotImage], Sample]:
    return partial(load_sample, image_size_px=image_size_px, with_masks=with_masks, max_pixels=max_pixels)


def image_of(
    path: Path, *shapes: Shape, crowd: tuple[bool, ...] | None = None, size_wh: tuple[int, int]
) -> SnapshotImage:
    return SnapshotImage(
        image_id=4,
        path=path,
        sha256="",
        size_wh=size_wh,
        filename=path.name,
        encoded_shapes=shapes,
        boxes_xywh_px=np.array([[10, 10, 20, 20]] * len(shapes), np.float64).reshape(-1, 4),
        areas_px=np.ones(len(shapes)),
        label_ids=np.arange(len(shapes)),
        is_crowd=np.array(crowd or [False] * len(shapes), np.bool_),
    )


def test_samples_are_resized_images_with_masks_that_lie_on_their_shapes(home: Path) -> None:
    snapshot = small_snapshot(home, image_size_px=200)
    samples = SampleDataset(snapshot, "train", load=loading(100, with_masks=True))

    assert len(samples) == 6
    for i in range(len(samples)):
        sample = samples[i]
        expected = resize_to_fit(read(samples.images[i].path)[0], 100)
        assert torch.equal(sample.image.permute(1, 2, 0), torch.from_numpy(expected))
        assert sample.image.dtype == torch.uint8
        assert sample.boxes_xyxy_px.dtype == torch.float32
        assert sample.label_ids.dtype == torch.int64
        assert sample.image_id == samples.images[i].image_id
        assert sample.masks is not None
        assert sample.masks.dtype == torch.bool
        assert sample.masks.shape == (len(sample.label_ids), 75, 100)
        for mask, label, box in zip(sample.masks, sample.label_ids, sample.boxes_xyxy_px, strict=True):
            color = torch.tensor(COLORS[int(label)])
            near = (sample.image.permute(1, 2, 0).int() - color).abs().amax(dim=2) < 40
            assert (near & mask).sum() > 0.8 * mask.sum()
            rows, columns = torch.where(mask)
            ends = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (ends - box).abs().max() <= 1.5


def test_rectangles_only_come_without_masks(home: Path) -> None:
    snapshot = small_snapshot(home, boxes_only=True)

    assert SampleDataset(snapshot, "val", load=loading(64))[0].masks is None
    assert SampleDataset(snapshot, "val", load=loading(64, with_masks=True))[0].masks is not None


def test_an_image_without_regions_is_a_sample_too(home: Path) -> None:
    samples = SampleDataset(small_snapshot(home), "train", load=loading(64, with_masks=True))
    (empty,) = [samples[i] for i in range(len(samples)) if not len(samples[i].label_ids)]

    assert empty.boxes_xyxy_px.shape == (0, 4)
    assert empty.masks is not None
    assert empty.masks.shape == (0, 48, 64)


def test_crowds_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((50, 100, 3), np.uint8)))
    image = image_of(path, Rect(1, 1, 9, 9), Circle(5, 5, 2), crowd=(True, False), size_wh=(100, 50))

    sample = load_sample(image, 100, with_masks=True)

    assert sample.label_ids.tolist() == [1]
    assert sample.masks is not None
    assert len(sample.masks) == len(sample.boxes_xyxy_px) == 1


def test_an_image_of_another_size_than_on_record_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((50, 99, 3), np.uint8)))

    with pytest.raises(Corrupt, match=r"a\.png is \(99, 50\) pixels"):
        load_sample(image_of(path, size_wh=(100, 50)), 64, with_masks=False)


def test_a_square_is_the_image_stretched_and_so_is_the_truth(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    picture = np.zeros((50, 100, 3), np.uint8)
    picture[10:30, 10:30] = 200
    path.write_bytes(encode_png(picture))

    sample = load_sample(image_of(path, Circle(20, 20, 10), size_wh=(100, 50)), 50, with_masks=True, square=True)

    assert sample.image.shape == (3, 50, 50)
    assert sample.boxes_xyxy_px.tolist() == [[5, 10, 15, 30]]
    assert sample.image[:, 10:30, 5:15].min() == 200
    assert sample.masks is not None
    rows, columns = torch.where(sample.masks[0])
    assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [5, 10, 15, 30]


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match=r"gone\.png"):
        load_sample(image_of(tmp_path / "gone.png", size_wh=(9, 9)), 64, with_masks=False)


def test_a_larger_image_than_allowed_is_refused(home: Path) -> None:
    samples = SampleDataset(small_snapshot(home), "val", load=loading(64, max_pixels=1000))

    with pytest.raises(BadImage, match="megapixels"):
        samples[0]


def test_boxes_stay_inside_and_are_never_empty() -> None:
    boxes = scaled_boxes(
        np.array([[0, 0, 1000, 500], [999.5, 499.5, 0.5, 0.5], [10, 10, 0.1, 200], [0, 0, 0.01, 0.01]]),
        (0.1, 0.1),
        (100, 50),
    )

    assert boxes[0].tolist() == [0, 0, 100, 50]
    assert (boxes[:, 2:] - boxes[:, :2] >= 1 - 1e-9).all()
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= [100, 50]).all()
    assert boxes[2, 1::2].tolist() == [1, 21]


def test_no_boxes_are_fine() -> None:
    assert scaled_boxes(np.zeros((0, 4)), (1, 1), (5, 5)).shape == (0, 4)


def test_a_mask_keeps_its_share_of_the_image_when_resized() -> None:
    bitmap = np.zeros((100, 200), np.uint8)
    cv2.circle(bitmap, (100, 50), 40, 1, -1)

    small = scaled_bitmap(mask_of_bitmap(bitmap), (0.25, 0.25), (50, 25))

    assert small.shape == (25, 50)
    assert small.mean() == pytest.approx(bitmap.mean(), rel=0.05)


def test_a_line_has_an_empty_mask() -> None:
    assert not scaled_bitmap(Polyline(((0, 0), (5, 5))), (1, 1), (9, 9)).any()


def test_augmentation_sees_each_access_and_the_cache_keeps_the_original(home: Path) -> None:
    seen = []

    def flip(sample: Sample) -> Sample:
        seen.append(sample.image_id)
        return Sample(
            image=sample.image.flip(2),
            boxes_xyxy_px=sample.boxes_xyxy_px,
            label_ids=sample.label_ids,
            masks=sample.masks,
            image_id=sample.image_id,
        )

    samples = SampleDataset(small_snapshot(home), "val", load=loading(64), augment=flip, cache_bytes=10**7)

    first = samples[0].image
    samples.images[0].path.unlink()

    assert torch.equal(samples[0].image, first)
    assert len(seen) == 2


def test_a_full_cache_takes_no_more(home: Path) -> None:
    samples = SampleDataset(small_snapshot(home), "val", load=loading(64), cache_bytes=100)

    samples[0]
    samples.images[0].path.unlink()

    with pytest.raises(BadImage):
        samples[0]


def test_samples_go_through_a_torch_loader(home: Path) -> None:
    samples = SampleDataset(small_snapshot(home), "train", load=loading(64))
    dataset = cast("torch.utils.data.Dataset[Sample]", samples)
    loader = torch.utils.data.DataLoader(dataset, batch_size=4, collate_fn=list)

    assert [len(batch) for batch in loader] == [4, 2]
    assert pickle.loads(pickle.dumps(samples[0])).image_id == samples[0].image_id  # noqa: S301 - as workers do


def test_real_polygons_are_drawn_as_their_masks(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(np.zeros((60, 80, 3), np.uint8)))
    bitmap = np.zeros((60, 80), np.uint8)
    bitmap[10:30, 10:30] = 1
    mask = mask_of_bitmap(bitmap)
    assert isinstance(mask, Mask)

    sample = load_sample(image_of(path, mask, Rect(10, 10, 20, 20), size_wh=(80, 60)), 80, with_masks=True)

    assert sample.masks is not None
    assert torch.equal(sample.masks[0], torch.from_numpy(bitmap_of_mask(mask)).bool())
    assert torch.equal(sample.masks[0], sample.masks[1])
