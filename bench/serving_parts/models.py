"""Two real models and the JPEGs that they are asked about, made once and kept in build/bench; needs the extra `train`.

mask_rcnn    our own network and exporter, trained for a minute: it finds a few objects an image, with masks
classifier   torchvision's MobileNetV2 with its ImageNet weights, which takes batches; mean, deviation and softmax
             are in its graph
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from teppr.colors import color_of
from teppr.decode import LOWEST_SCORE_0_1
from teppr.formats import FORMATS, ReadOptions
from teppr.geometry import bitmap_of_mask, box_xywh, mask_of_shape, xyxy_of
from teppr.images import Pixels, encode_jpeg, read, resize_to_fit
from teppr.registry.bundle import NETWORK, Bundle, is_bundle, write_bundle
from teppr.samples import Sample
from teppr.scenes.street import LABELS, scene
from teppr.types import Ellipse, ImageRecord, LabelInfo, ModelCard, Region, Shape

if TYPE_CHECKING:
    import torch

KEPT = Path(__file__).parents[2] / "build" / "bench"
NAMES = ("mask_rcnn", "classifier")
PICTURES = 48
IMAGE_SIZE_PX = 320
SQUARE_PX = 224
STEPS, BATCH = 160, 2
LEARNING_RATE = 1e-3
KANGAROO = "kangaroo"


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG and what is on it."""

    jpeg: bytes
    pixels: Pixels
    objects: Sequence[tuple[str, Shape]]


def jpegs() -> list[bytes]:
    """The images of all requests: photographs of kangaroos where TEPPR_TEST_DATA has them, otherwise street scenes."""
    return [picture.jpeg for picture in _pictures()]


def bundle_of(model: str) -> Bundle:
    """The bundle of "mask_rcnn" or "classifier", made if it is not there yet."""
    folder = KEPT / f"{model}-{'photos' if _photos() else 'scenes'}"
    if is_bundle(folder):
        return Bundle.open(folder)
    KEPT.mkdir(parents=True, exist_ok=True)
    print(f"making {folder}, once")
    with TemporaryDirectory() as temporary:
        card = {"mask_rcnn": _mask_rcnn, "classifier": _classifier}[model](Path(temporary))
        return write_bundle(folder, card, [Path(temporary) / NETWORK])


def _photos() -> Path | None:
    data = os.environ.get("TEPPR_TEST_DATA")
    folder = Path(data) / "voc_kangaroo" if data else None
    return folder if folder and folder.is_dir() else None


def _pictures() -> list[Picture]:
    photos = _photos()
    return list(islice(_photographs(photos) if photos else _scenes(), PICTURES))


def _photographs(folder: Path) -> Iterator[Picture]:
    for record in FORMATS.load("voc").read(folder / "annots", ReadOptions()).records:
        if isinstance(record, ImageRecord):
            path = folder / "images" / Path(record.filename).name
            objects = [(KANGAROO, _rounded(region.shape)) for region in record.regions if isinstance(region, Region)]
            yield Picture(path.read_bytes(), read(path)[0], objects)


def _rounded(shape: Shape) -> Shape:
    # The set has boxes only; something rounder makes masks whose outlines are as long as an animal's.
    x, y, width, height = box_xywh(shape)
    return Ellipse(x + width / 2, y + height / 2, width / 2, height / 2)


def _scenes() -> Iterator[Picture]:
    for seed in range(PICTURES):
        drawn = scene(np.random.default_rng(seed))
        yield Picture(encode_jpeg(drawn.pixels), drawn.pixels, [(one.label, one.shape) for one in drawn.objects])


def _mask_rcnn(folder: Path) -> ModelCard:
    import torch

    from teppr.architectures.contract import BuildOptions, torch_architecture

    labels = (KANGAROO,) if _photos() else LABELS
    torch.manual_seed(7)
    architecture = torch_architecture("mask_rcnn")
    network = architecture.build(
        BuildOptions(
            label_count=len(labels),
            image_size_px=IMAGE_SIZE_PX,
            backbone="mobilenet_v2",
            weights="imagenet",
            task="segment",
        )
    )
    samples = [_sample(picture, labels, i) for i, picture in enumerate(_pictures())]
    groups = architecture.trainable(network, "heads")
    optimiser = torch.optim.Adam([{"params": group.parameters} for group in groups], lr=LEARNING_RATE)
    network.train()
    for step in range(STEPS):
        batch = [samples[(step * BATCH + i) % len(samples)] for i in range(BATCH)]
        loss = torch.stack(list(architecture.losses(network, batch).values())).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it without types
        optimiser.step()
    exported = architecture.export(network.eval(), folder, IMAGE_SIZE_PX)
    return ModelCard(
        key="bench-ods-1",
        architecture="mask_rcnn",
        problem="ods",
        task="segment",
        labels=tuple(LabelInfo(name=name, color=color_of(name)) for name in labels),
        image_size_px=IMAGE_SIZE_PX,
        inputs=exported.inputs,
        outputs=exported.outputs,
        decode=exported.decode,
    )


def _sample(picture: Picture, labels: Sequence[str], number: int) -> Sample:
    import torch

    height, width = picture.pixels.shape[:2]
    fed = resize_to_fit(picture.pixels, IMAGE_SIZE_PX)
    shapes = [shape for _, shape in picture.objects]
    bitmaps = [bitmap_of_mask(mask_of_shape(shape, (width, height))) for shape in shapes]
    boxes = xyxy_of([box_xywh(shape) for shape in shapes]) * (fed.shape[1] / width)
    return Sample(
        image=torch.from_numpy(fed.transpose(2, 0, 1).copy()),
        boxes_xyxy_px=torch.from_numpy(boxes.astype(np.float32)),
        label_ids=torch.tensor([labels.index(label) for label, _ in picture.objects]),
        masks=torch.from_numpy(np.stack([resize_to_fit(bitmap, IMAGE_SIZE_PX) for bitmap in bitmaps]).astype(bool)),
        image_id=number,
    )


def _classifier(folder: Path) -> ModelCard:
    import torch
    from torchvision.models import mobilenet_v2

    from teppr.architectures._body import IMAGENET_MEAN, IMAGENET_STD
    from teppr.architectures._weights import imagenet_state

    class FromPixels(torch.nn.Module):
        """Images [n, 3, h, w] in 0..1 to chances [n, labels]."""

        def __init__(self) -> None:
            super().__init__()
            self.network = mobilenet_v2(weights=None)
            self.network.load_state_dict(imagenet_state("mobilenet_v2"))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
            chances: torch.Tensor = self.network((images - mean) / deviation).softmax(1)
            return chances

    torch.onnx.export(
        FromPixels().eval(),
        (torch.rand(2, 3, SQUARE_PX, SQUARE_PX),),
        folder / NETWORK,
        dynamo=False,
        opset_version=17,
        input_names=["images"],
        output_names=["chances"],
        dynamic_axes={"images": {0: "n"}, "chances": {0: "n"}},
    )
    return ModelCard(
        key="bench-cls-1",
        architecture="mobilenet_v2",
        problem="cls",
        task="classify",
        labels=tuple(LabelInfo(name=f"class {i}", color=color_of(f"class {i}")) for i in range(1000)),
        image_size_px=SQUARE_PX,
        square=True,
        batch=True,
        inputs=("images",),
        outputs=("chances",),
        decode="classes",
        score_threshold_0_1=LOWEST_SCORE_0_1,
    )
