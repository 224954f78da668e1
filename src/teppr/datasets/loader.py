"""What training is fed from a dataset: decoded, resized images with boxes and masks in the same pixels."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from teppr.datasets.snapshot import Snapshot, SnapshotImage
from teppr.errors import Corrupt
from teppr.geometry import Array, Bitmap, bitmap_of_mask, clip_xyxy, line_of, mask_of_shape, rings_of, xyxy_of
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, read, resize_for_network
from teppr.samples import Sample
from teppr.types import Mask, Polygon, Shape

LINE_STEP_PX = 4.0
MIN_SIDE_PX = 1.0
"""Boxes that resizing made thinner are widened to this: networks refuse empty ones, and none may be lost."""


class SampleDataset:
    """The images of one split as samples, in the dataset's order.

    load: makes a sample of an image
    augment: changes a sample at each access; must leave the tensors that it is given as they are
    cache_bytes: how much of the memory may be filled with decoded samples (before `augment`), in each process
    """

    def __init__(
        self,
        snapshot: Snapshot,
        split: str,
        *,
        load: Callable[[SnapshotImage], Sample],
        augment: Callable[[Sample], Sample] | None = None,
        cache_bytes: int = 0,
    ) -> None:
        self.images = snapshot.images(split)
        self.load = load
        self.augment = augment
        self._cache = _Cache(cache_bytes)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        """The sample at a position; raises BadImage or Corrupt naming the file."""
        sample = self._cache.get(index)
        if sample is None:
            sample = self.load(self.images[index])
            self._cache.put(index, sample)
        return self.augment(sample) if self.augment else sample


def load_sample(
    image: SnapshotImage,
    image_size_px: int,
    *,
    with_masks: bool,
    square: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Sample:
    """Decode, resize, and bring the truth into the resized image's pixels.

    image_size_px: the longer side that images are resized to; with `square` both sides
    max_pixels: larger images are refused before they are decoded (setting max_image_megapixels)
    Crowd regions are left out: they stand for many objects and are not trained on.
    """
    import torch  # here alone: whoever is fed plain arrays has no PyTorch

    resized = read_resized(image, image_size_px, square=square, max_pixels=max_pixels)
    height, width = resized.shape[:2]
    scale_xy = width / image.size_wh[0], height / image.size_wh[1]
    kept = np.flatnonzero(~image.is_crowd)
    boxes = scaled_boxes(image.boxes_xywh_px[kept], scale_xy, (width, height))
    masks = None
    if with_masks:
        bitmaps = [scaled_bitmap(image.shapes[i], scale_xy, (width, height)) for i in kept]
        stacked = np.stack(bitmaps) if bitmaps else np.zeros((0, height, width), np.uint8)
        masks = torch.from_numpy(stacked.astype(np.bool_))
    return Sample(
        image=torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))),
        boxes_xyxy_px=torch.from_numpy(boxes.astype(np.float32)),
        label_ids=torch.from_numpy(image.label_ids[kept]),
        masks=masks,
        image_id=image.image_id,
    )


def load_lines(image: SnapshotImage, image_size_px: int, *, square: bool, max_pixels: int) -> Sample:
    """The same with lines as truth: those that were drawn, and the middles of areas that were.

    Their points lie so near each other that none is lost of a line of which a part is moved out of the image.
    """
    import torch  # here alone: whoever is fed plain arrays has no PyTorch

    resized = read_resized(image, image_size_px, square=square, max_pixels=max_pixels)
    height, width = resized.shape[:2]
    scale_xy = width / image.size_wh[0], height / image.size_wh[1]
    shapes = image.shapes
    drawn = [(line_of(shapes[i]) * scale_xy, i) for i in np.flatnonzero(~image.is_crowd).tolist()]
    lines = [(dense(line, LINE_STEP_PX), i) for line, i in drawn if len(line) > 1]
    bounds = [[*line.min(axis=0), *line.max(axis=0)] for line, _ in lines]
    return Sample(
        image=torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1))),
        boxes_xyxy_px=torch.from_numpy(np.asarray(bounds, np.float32).reshape(-1, 4)),
        label_ids=torch.from_numpy(image.label_ids[[i for _, i in lines]]),
        masks=None,
        image_id=image.image_id,
        lines_px=tuple(torch.from_numpy(line.astype(np.float32)) for line, _ in lines),
    )


def dense(line: Array, step_px: float) -> Array:
    """The line with further points on it, none farther from the next than a step."""
    lengths = np.hypot(*np.diff(line, axis=0).T)
    counts = np.maximum(np.ceil(lengths / step_px), 1).astype(np.int64)
    places = np.concatenate([np.arange(count) / count + i for i, count in enumerate(counts)] + [[len(line) - 1.0]])
    whole = np.arange(len(line))
    return np.stack([np.interp(places, whole, line[:, axis]) for axis in (0, 1)], axis=1)


def read_resized(image: SnapshotImage, image_size_px: int, *, square: bool, max_pixels: int) -> Pixels:
    """The image as a network is fed; raises BadImage, or Corrupt where it is no longer the dataset's."""
    pixels, facts = read(image.path, max_pixels=max_pixels)
    if facts.size_wh != image.size_wh:
        raise Corrupt(f"{image.path} is {facts.size_wh} pixels, the dataset was made when it was {image.size_wh}")
    return resize_for_network(pixels, image_size_px, square=square)


def scaled_boxes(boxes_xywh_px: Array, scale_xy: tuple[float, float], size_wh: tuple[int, int]) -> Array:
    """Corners [n, 4] in an image of `size_wh`, inside it and at least a pixel wide and high."""
    boxes = clip_xyxy(xyxy_of(boxes_xywh_px) * np.array([*scale_xy, *scale_xy]), size_wh)
    low, high = boxes[:, :2], boxes[:, 2:]
    missing = np.maximum(MIN_SIDE_PX - (high - low), 0)
    low = np.clip(low - missing / 2, 0, np.array(size_wh) - MIN_SIDE_PX)
    high = np.maximum(high, low + MIN_SIDE_PX)
    return np.concatenate([np.where(missing > 0, low, boxes[:, :2]), high], axis=1)


def scaled_bitmap(shape: Shape, scale_xy: tuple[float, float], size_wh: tuple[int, int]) -> Bitmap:
    """The region drawn at the resized image's size, [height, width] of 0 and 1."""
    if isinstance(shape, Mask):
        # By area, so that a pixel belongs to the region when half of what it stands for does.
        share = cv2.resize(bitmap_of_mask(shape).astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
        return np.asarray(share >= 0.5, np.uint8)
    rings = tuple(tuple((x * scale_xy[0], y * scale_xy[1]) for x, y in ring) for ring in rings_of(shape))
    if not rings:
        return np.zeros((size_wh[1], size_wh[0]), np.uint8)
    return bitmap_of_mask(mask_of_shape(Polygon(rings), size_wh))


class _Cache:
    """Samples kept until the memory is used up; what did not fit is decoded each time.

    Nothing is thrown out again: every epoch asks for every image once, so the oldest are as useful as the newest.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._free_bytes = limit_bytes
        self._samples: dict[int, Sample] = {}

    def get(self, index: int) -> Sample | None:
        return self._samples.get(index)

    def put(self, index: int, sample: Sample) -> None:
        tensors = (sample.image, sample.boxes_xyxy_px, sample.label_ids, sample.masks, *(sample.lines_px or ()))
        size = sum(tensor.nbytes for tensor in tensors if tensor is not None)
        if size <= self._free_bytes:
            self._samples[index] = sample
            self._free_bytes -= size
