"""What every network architecture promises, as tests: subclass `ArchitectureContract` and supply the fixture.

    class TestMine(ArchitectureContract):
        @pytest.fixture(scope="class")
        @classmethod
        def architecture(cls) -> Architecture:
            return PLUGIN

A few coloured rectangles are learned in seconds; all the rest is tried on that network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from teppr.architectures.contract import Architecture, BuildOptions, Exported, Sample
from teppr.decode import DECODERS
from teppr.errors import UnknownName
from teppr.geometry import iou_xyxy, mask_iou
from teppr.types import Detections, Floats

COLORS = ((230, 60, 50), (60, 200, 80))
"""The labels 0 and 1."""
SIZE_PX = 128
STEPS, BATCH = 45, 4
LEARNING_RATE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """A network that has learned `samples`, and its export."""

    network: torch.nn.Module
    samples: tuple[Sample, ...]
    exported: Exported
    session: onnxruntime.InferenceSession

    def exported_finds(self, image: torch.Tensor, size_wh: tuple[int, int]) -> Detections:
        """What the ONNX file finds, in the pixels of an original of `size_wh`."""
        fed = _as_fed(image)
        outputs = [output[0] for output in self._run(fed[None])] if self.exported.batch else self._run(fed)
        return self._decoded(outputs, image, size_wh)

    def exported_finds_together(self, images: Sequence[torch.Tensor]) -> list[Detections]:
        """What the ONNX file finds in images of one size that it is given at once, in their own pixels."""
        outputs = self._run(np.stack([_as_fed(image) for image in images]))
        return [
            self._decoded([output[i] for output in outputs], image, _size_wh(image)) for i, image in enumerate(images)
        ]

    def _run(self, fed: Floats) -> list[np.ndarray[Any, Any]]:
        found: list[np.ndarray[Any, Any]] = self.session.run(
            list(self.exported.outputs), {self.exported.inputs[0]: fed}
        )
        return found

    def _decoded(
        self, outputs: Sequence[np.ndarray[Any, Any]], image: torch.Tensor, size_wh: tuple[int, int]
    ) -> Detections:
        return DECODERS[self.exported.decode](outputs, network_size_wh=_size_wh(image), image_size_wh=size_wh)


class ArchitectureContract:
    """Every architecture passes these; subclass and supply the fixture `architecture`, of class scope."""

    @pytest.fixture(scope="class")
    @classmethod
    def with_masks(cls, architecture: Architecture) -> bool:
        return "segment" in architecture.tasks

    @pytest.fixture(scope="class")
    @classmethod
    def learned(cls, architecture: Architecture, with_masks: bool, tmp_path_factory: pytest.TempPathFactory) -> Learned:
        torch.manual_seed(7)
        network = architecture.build(options_for(architecture, with_masks=with_masks))
        samples = tiny_samples(12, with_masks=with_masks)
        learn(architecture, network, samples)
        exported = architecture.export(network, tmp_path_factory.mktemp("export"), SIZE_PX)
        session = onnxruntime.InferenceSession(str(exported.files[0]), providers=["CPUExecutionProvider"])
        return Learned(network=network, samples=samples, exported=exported, session=session)

    def test_it_says_what_it_is(self, architecture: Architecture) -> None:
        assert architecture.name
        assert architecture.title
        assert architecture.backbones
        assert set(architecture.tasks) <= {"detect", "segment"}
        assert "all" in architecture.stages

    def test_it_learns_a_few_images(self, architecture: Architecture, learned: Learned) -> None:
        right = 0
        for sample in learned.samples:
            found = predict(architecture, learned.network, sample.image).at_least(0.5)
            right += _agreed(found, sample)
        assert right >= 0.8 * sum(len(sample.label_ids) for sample in learned.samples)

    def test_detections_have_masks_where_it_segments(
        self, architecture: Architecture, learned: Learned, with_masks: bool
    ) -> None:
        found = predict(architecture, learned.network, learned.samples[0].image).at_least(0.5)
        assert (found.masks is not None) == with_masks
        for mask, box in zip(found.masks or (), found.boxes_xyxy_px.tolist(), strict=False):
            filled = np.array([[box[0], box[1], box[2], box[3]]])
            assert iou_xyxy(filled, _boxes_of_masks([mask]))[0, 0] > 0.5

    def test_detections_are_in_the_originals_pixels(self, architecture: Architecture, learned: Learned) -> None:
        image = learned.samples[0].image
        width, height = _size_wh(image)
        as_fed = predict(architecture, learned.network, image)
        larger = architecture.predict(learned.network, [image], [(3 * width, 3 * height)])[0]
        assert larger.size_wh == (3 * width, 3 * height)
        np.testing.assert_allclose(larger.boxes_xyxy_px, 3 * as_fed.boxes_xyxy_px, atol=0.01)

    def test_the_export_finds_what_the_network_finds(self, architecture: Architecture, learned: Learned) -> None:
        for sample in learned.samples[:6]:
            assert_same(
                learned.exported_finds(sample.image, _size_wh(sample.image)),
                predict(architecture, learned.network, sample.image),
            )

    def test_images_that_go_together_are_answered_as_alone(self, architecture: Architecture, learned: Learned) -> None:
        if not learned.exported.batch:
            pytest.skip(f"{architecture.name} takes one image at a time")
        images = [sample.image for sample in learned.samples[:5]]
        for image, found in zip(images, learned.exported_finds_together(images), strict=True):
            assert_same(found, learned.exported_finds(image, _size_wh(image)))

    @pytest.mark.parametrize("size_wh", [(97, 128), (128, 65), (33, 128)], ids=str)
    def test_any_size_of_image_is_taken(
        self, architecture: Architecture, learned: Learned, size_wh: tuple[int, int]
    ) -> None:
        sample = tiny_samples(1, with_masks=False, size_wh=size_wh, seed=5)[0]
        found = predict(architecture, learned.network, sample.image)
        assert found.size_wh == size_wh
        assert_same(learned.exported_finds(sample.image, size_wh), found)

    def test_where_nothing_is_nothing_is_found(self, architecture: Architecture, learned: Learned) -> None:
        # Not even faintly: the graph's outputs are then of length zero. How faintly a network that learned so little
        # sees things in noise differs from processor to processor, so one of several backgrounds must do.
        backgrounds = [
            sample.image for sample in tiny_samples(10, with_masks=False, objects=0, size_wh=(64, 64), seed=3)
        ]
        bare = [image for image in backgrounds if len(predict(architecture, learned.network, image)) == 0]
        assert bare
        assert [len(learned.exported_finds(image, (64, 64))) for image in bare] == [0] * len(bare)

    def test_weights_saved_and_loaded_predict_the_same(
        self, architecture: Architecture, learned: Learned, with_masks: bool, tmp_path: Path
    ) -> None:
        torch.save(learned.network.state_dict(), tmp_path / "weights.pt")
        again = architecture.build(options_for(architecture, with_masks=with_masks, weights="given"))
        again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        image = learned.samples[0].image
        first, second = (predict(architecture, network, image) for network in (learned.network, again))
        np.testing.assert_array_equal(first.boxes_xyxy_px, second.boxes_xyxy_px)
        np.testing.assert_array_equal(first.scores_0_1, second.scores_0_1)
        assert first.masks == second.masks

    @pytest.mark.parametrize("masks", [True, False], ids=["masks", "boxes only"])
    def test_images_without_objects_give_finite_losses(
        self, architecture: Architecture, with_masks: bool, masks: bool
    ) -> None:
        kept = with_masks and masks
        network = architecture.build(options_for(architecture, with_masks=kept)).train()
        full, empty = tiny_samples(1, with_masks=kept), tiny_samples(2, with_masks=kept, objects=0)
        for batch in ((*full, *empty), empty):
            losses = architecture.losses(network, batch)
            assert losses
            assert all(math.isfinite(loss.item()) for loss in losses.values())
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]

    def test_one_label_and_boxes_only(self, architecture: Architecture, tmp_path: Path) -> None:
        network = architecture.build(options_for(architecture, with_masks=False, label_count=1))
        samples = tiny_samples(4, with_masks=False, labels=1)
        learn(architecture, network, samples, steps=2)
        found = predict(architecture, network, samples[0].image)
        assert found.masks is None
        assert set(found.label_ids.tolist()) <= {0}
        assert "masks" not in architecture.export(network, tmp_path, SIZE_PX).outputs

    def test_stages_train_what_they_say(self, architecture: Architecture, with_masks: bool) -> None:
        network = architecture.build(options_for(architecture, with_masks=with_masks))
        counts = {}
        for layers in architecture.stages:
            groups = architecture.trainable(network, layers)
            learning = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
            assert {id(parameter) for group in groups for parameter in group.parameters} == learning
            assert all(0 < group.rate_share <= 1 for group in groups)
            counts[layers] = len(learning)
        assert max(counts.values()) == counts["all"]

    def test_what_it_does_not_know_is_named(self, architecture: Architecture) -> None:
        network = architecture.build(options_for(architecture, with_masks=False))
        with pytest.raises(UnknownName, match="tails"):
            architecture.trainable(network, "tails")
        options = BuildOptions(label_count=2, image_size_px=SIZE_PX, backbone="vgg3", weights="scratch", task="detect")
        with pytest.raises(UnknownName, match="vgg3"):
            architecture.build(options)


def options_for(
    architecture: Architecture, *, with_masks: bool, label_count: int = 2, weights: str = "imagenet"
) -> BuildOptions:
    """The architecture's default network for the tiny samples."""
    return BuildOptions(
        label_count=label_count,
        image_size_px=SIZE_PX,
        backbone=architecture.backbones[0],
        weights=weights,
        task="segment" if with_masks else "detect",
    )


def tiny_samples(
    count: int,
    *,
    with_masks: bool,
    objects: int = 2,
    labels: int = 2,
    size_wh: tuple[int, int] = (SIZE_PX, 96),
    seed: int = 0,
) -> tuple[Sample, ...]:
    """Grey noise with up to `objects` coloured rectangles side by side, each label in its colour."""
    random = np.random.default_rng(seed)
    return tuple(_tiny_sample(random, i, with_masks, objects, labels, size_wh) for i in range(count))


def _tiny_sample(
    random: np.random.Generator, image_id: int, with_masks: bool, objects: int, labels: int, size_wh: tuple[int, int]
) -> Sample:
    width, height = size_wh
    pixels = random.integers(95, 115, (3, height, width)).astype(np.uint8)
    boxes, label_ids = np.zeros((objects, 4), np.float32), np.zeros(objects, np.int64)
    masks = np.zeros((objects, height, width), bool)
    for i in range(objects):
        share = width // objects
        w, h = int(random.integers(share // 2, share - 2)), int(random.integers(height // 4, height // 2))
        x0, y0 = i * share + int(random.integers(0, share - w)), int(random.integers(0, height - h))
        label_ids[i] = random.integers(labels)
        boxes[i] = x0, y0, x0 + w, y0 + h
        masks[i, y0 : y0 + h, x0 : x0 + w] = True
        pixels[:, y0 : y0 + h, x0 : x0 + w] = np.array(COLORS[label_ids[i]], np.uint8)[:, None, None]
    return Sample(
        image=torch.from_numpy(pixels),
        boxes_xyxy_px=torch.from_numpy(boxes),
        label_ids=torch.from_numpy(label_ids),
        masks=torch.from_numpy(masks) if with_masks else None,
        image_id=image_id,
    )


def learn(
    architecture: Architecture, network: torch.nn.Module, samples: Sequence[Sample], *, steps: int = STEPS
) -> None:
    """Train on the samples again and again."""
    groups = [
        {"params": group.parameters, "rate_share": group.rate_share} for group in architecture.trainable(network, "all")
    ]
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * group["rate_share"] * min(1.0, (step + 1) / 5, (steps - step) / 15)
        network.train()
        batch = [samples[(step * BATCH + i) % len(samples)] for i in range(BATCH)]
        optimizer.zero_grad()
        torch.stack(list(architecture.losses(network, batch).values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def predict(architecture: Architecture, network: torch.nn.Module, image: torch.Tensor) -> Detections:
    """Detections in the pixels of the image as fed."""
    return architecture.predict(network, [image], [_size_wh(image)])[0]


def assert_same(given: Detections, wanted: Detections, score_0_1: float = 0.3) -> None:
    """Detections of at least that score agree one to one by label and place."""
    first, second = given.at_least(score_0_1), wanted.at_least(score_0_1)
    assert len(first) == len(second)
    if not len(first):
        return
    overlap = iou_xyxy(first.boxes_xyxy_px, second.boxes_xyxy_px)
    overlap[first.label_ids[:, None] != second.label_ids[None, :]] = 0
    partners = overlap.argmax(axis=1)
    assert sorted(partners.tolist()) == list(range(len(second)))
    assert overlap.max(axis=1).min() > 0.99
    np.testing.assert_allclose(first.scores_0_1, second.scores_0_1[partners], atol=1e-3)
    if first.masks is not None and second.masks is not None:
        pairs = mask_iou(first.masks, [second.masks[i] for i in partners])
        assert np.diag(pairs).min() > 0.98


def _as_fed(image: torch.Tensor) -> Floats:
    fed: Floats = image.numpy().astype(np.float32) * np.float32(1 / 255)
    return fed


def _agreed(found: Detections, sample: Sample) -> int:
    overlap = iou_xyxy(sample.boxes_xyxy_px.numpy(), found.boxes_xyxy_px)
    same = sample.label_ids.numpy()[:, None] == found.label_ids[None, :]
    return int(((overlap > 0.5) & same).any(axis=1).sum()) if len(found) else 0


def _boxes_of_masks(masks: Sequence[object]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    from teppr.geometry import box_xywh, xyxy_of

    return xyxy_of([box_xywh(mask) for mask in masks])  # type: ignore[arg-type]


def _size_wh(image: torch.Tensor) -> tuple[int, int]:
    height, width = image.shape[-2:]
    return width, height
