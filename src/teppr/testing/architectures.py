"""What every network architecture promises, as tests: subclass `ArchitectureContract` and supply the fixture.

    class TestMine(ArchitectureContract):
        @pytest.fixture(scope="class")
        @classmethod
        def architecture(cls) -> Architecture:
            return PLUGIN

A few coloured rectangles, or lines, are learned in seconds; all the rest is tried on that network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from teppr.architectures.contract import Architecture, BuildOptions, Exported, Sample
from teppr.decode import DECODERS
from teppr.errors import UnknownName
from teppr.geometry import iou_xyxy, mask_iou
from teppr.metrics.lanes import lanes_at_rows, shares_right
from teppr.tasks.contract import TASKS
from teppr.types import Detections, Floats, Polyline

COLORS = ((230, 60, 50), (60, 200, 80))
"""The labels 0 and 1."""
SIZE_PX = 128
LINE_PX = 3
OFF_PX = 0.1
"""Two networks' lines lie so near each other."""
STEPS, BATCH = 45, 4
WHOLE = frozenset({"classify", "multilabel"})
"""Tasks that name whole images."""
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

    def embeds(self, image: torch.Tensor) -> Floats:
        """The feature vector that the ONNX file gives, of length 1."""
        fed = image.numpy().astype(np.float32) * np.float32(1 / 255)
        taken = self.session.get_inputs()[0]
        given = fed[None] if len(taken.shape) == 4 else fed
        (output,) = self.session.run([self.exported.embedding], {taken.name: given})
        vector: Floats = np.asarray(output, np.float32).reshape(-1)
        return vector / np.linalg.norm(vector)


class ArchitectureContract:
    """Every architecture passes these; subclass and supply the fixture `architecture`, of class scope."""

    @pytest.fixture(scope="class")
    @classmethod
    def task(cls, architecture: Architecture) -> str:
        """The richest that it can learn."""
        return architecture.tasks[0]

    @pytest.fixture(scope="class")
    @classmethod
    def learned(cls, architecture: Architecture, task: str, tmp_path_factory: pytest.TempPathFactory) -> Learned:
        torch.manual_seed(7)
        network = architecture.build(options_for(architecture, task=task))
        samples = tiny_samples(12, task=task)
        learn(architecture, network, samples)
        exported = architecture.export(network, tmp_path_factory.mktemp("export"), SIZE_PX)
        session = onnxruntime.InferenceSession(str(exported.files[0]), providers=["CPUExecutionProvider"])
        return Learned(network=network, samples=samples, exported=exported, session=session)

    def test_it_says_what_it_is(self, architecture: Architecture) -> None:
        assert architecture.name
        assert architecture.title
        assert architecture.backbones
        assert set(architecture.tasks) <= set(TASKS.names())
        assert "all" in architecture.stages

    def test_it_learns_a_few_images(self, architecture: Architecture, learned: Learned, task: str) -> None:
        right = 0
        for sample in learned.samples:
            found = predict(architecture, learned.network, sample.image).at_least(0.5)
            right += _agreed(found, sample)
            if task in WHOLE:  # whoever gives every label finds all
                right -= max(0, len(found) - len(sample.label_ids))
        assert right >= 0.8 * sum(len(sample.label_ids) for sample in learned.samples)

    def test_detections_have_the_shapes_of_their_task(
        self, architecture: Architecture, learned: Learned, task: str
    ) -> None:
        found = predict(architecture, learned.network, learned.samples[0].image).at_least(0.5)
        assert (found.masks is not None) == (task == "segment")
        assert (found.lines is not None) == (task == "lanes")
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
        for line, small in zip(larger.lines or (), as_fed.lines or (), strict=True):
            np.testing.assert_allclose(line.points, 3 * np.asarray(small.points), atol=0.01)

    def test_the_export_finds_what_the_network_finds(self, architecture: Architecture, learned: Learned) -> None:
        for sample in learned.samples[:6]:
            assert_same(
                learned.exported_finds(sample.image, _size_wh(sample.image)),
                predict(architecture, learned.network, sample.image),
            )

    def test_an_exported_embedding_describes_the_image(self, architecture: Architecture, learned: Learned) -> None:
        # Whatever makes one of a backbone's last features passes; what it is worth shows in searches.
        exported = learned.exported
        if not exported.embedding:
            pytest.skip(f"{architecture.name} exports no embedding")
        assert exported.embedding not in exported.outputs
        images = [sample.image for sample in learned.samples[:4]]
        darker = [(image * 0.95).to(torch.uint8) for image in images]
        vectors, others = (np.stack([learned.embeds(image) for image in some]) for some in (images, darker))
        assert vectors.shape == (4, exported.embedding_size)
        assert (vectors @ others.T).argmax(axis=1).tolist() == [0, 1, 2, 3]

    def test_it_says_how_sure_it_is_of_labels_and_by_which_features(
        self, architecture: Architecture, learned: Learned, task: str
    ) -> None:
        if type(architecture).label_scores is Architecture.label_scores:
            pytest.skip(f"{architecture.name} does not say by a slope how sure it is of labels")
        network, modules = learned.network.eval(), dict(learned.network.named_modules())
        features: list[torch.Tensor] = []
        handles = [
            modules[name].register_forward_hook(lambda _module, _given, made: features.append(made))
            for name in architecture.feature_layers(network)
        ]
        full, empty = learned.samples[0], tiny_samples(1, task=task, objects=0, seed=3)[0]
        scores = [architecture.label_scores(network, (sample.image / 255).requires_grad_()) for sample in (empty, full)]
        for handle in handles:
            handle.remove()
        assert [score.shape for score in scores] == [(2,), (2,)]
        there = torch.unique(full.label_ids)
        assert (scores[1] > scores[0])[there].all()
        assert all(len(feature) == 1 and feature.ndim == 4 for feature in features)
        if features:  # those of the second image
            slopes = torch.autograd.grad(scores[1][there].sum(), features[len(handles) :])
            assert any(slope.any() for slope in slopes)

    def test_images_that_go_together_are_answered_as_alone(self, architecture: Architecture, learned: Learned) -> None:
        if not learned.exported.batch:
            pytest.skip(f"{architecture.name} takes one image at a time")
        images = [sample.image for sample in learned.samples[:5]]
        for image, found in zip(images, learned.exported_finds_together(images), strict=True):
            assert_same(found, learned.exported_finds(image, _size_wh(image)))

    @pytest.mark.parametrize("size_wh", [(97, 128), (128, 65), (33, 128)], ids=str)
    def test_any_size_of_image_is_taken(
        self, architecture: Architecture, learned: Learned, task: str, size_wh: tuple[int, int]
    ) -> None:
        sample = tiny_samples(1, task=task, size_wh=size_wh, seed=5)[0]
        found = predict(architecture, learned.network, sample.image)
        assert found.size_wh == size_wh
        assert_same(learned.exported_finds(sample.image, size_wh), found)

    def test_where_nothing_is_nothing_is_found(self, architecture: Architecture, learned: Learned, task: str) -> None:
        # Not even faintly: the graph's outputs are then of length zero. How faintly a network that learned so little
        # sees things in noise differs from processor to processor, so one of several backgrounds must do.
        if task in WHOLE:
            pytest.skip("every image that was learned has a label, so that nothing was learned of those without")
        backgrounds = [sample.image for sample in tiny_samples(10, task=task, objects=0, size_wh=(64, 64), seed=3)]
        bare = [image for image in backgrounds if len(predict(architecture, learned.network, image)) == 0]
        assert bare
        assert [len(learned.exported_finds(image, (64, 64))) for image in bare] == [0] * len(bare)

    def test_weights_saved_and_loaded_predict_the_same(
        self, architecture: Architecture, learned: Learned, task: str, tmp_path: Path
    ) -> None:
        torch.save(learned.network.state_dict(), tmp_path / "weights.pt")
        again = architecture.build(options_for(architecture, task=task, weights="given"))
        again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
        image = learned.samples[0].image
        first, second = (predict(architecture, network, image) for network in (learned.network, again))
        np.testing.assert_array_equal(first.boxes_xyxy_px, second.boxes_xyxy_px)
        np.testing.assert_array_equal(first.scores_0_1, second.scores_0_1)
        assert (first.masks, first.lines) == (second.masks, second.lines)

    def test_images_without_objects_give_finite_losses(self, architecture: Architecture) -> None:
        for task in architecture.tasks:
            network = architecture.build(options_for(architecture, task=task)).train()
            full, empty = tiny_samples(1, task=task), tiny_samples(2, task=task, objects=0)
            for batch in ((*full, *empty), empty):
                losses = architecture.losses(network, batch)
                assert losses
                assert all(math.isfinite(loss.item()) for loss in losses.values())
                torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]

    def test_images_of_several_sizes_are_learned_together(self, architecture: Architecture, task: str) -> None:
        if architecture.square:
            pytest.skip(f"{architecture.name} is fed squares of one size")
        network = architecture.build(options_for(architecture, task=task)).train()
        batch = (*tiny_samples(1, task=task), *tiny_samples(1, task=task, size_wh=(70, SIZE_PX)))
        losses = architecture.losses(network, batch)
        assert all(math.isfinite(loss.item()) for loss in losses.values())

    def test_one_label_and_the_plainest_task(self, architecture: Architecture, tmp_path: Path) -> None:
        task = architecture.tasks[-1]
        network = architecture.build(options_for(architecture, task=task, label_count=1))
        samples = tiny_samples(4, task=task, labels=1)
        learn(architecture, network, samples, steps=2)
        found = predict(architecture, network, samples[0].image)
        assert (found.masks is None) == (task != "segment")
        assert set(found.label_ids.tolist()) <= {0}
        assert ("masks" in architecture.export(network, tmp_path, SIZE_PX).outputs) == (task == "segment")

    def test_stages_train_what_they_say(self, architecture: Architecture, task: str) -> None:
        network = architecture.build(options_for(architecture, task=task))
        counts = {}
        for layers in architecture.stages:
            groups = architecture.trainable(network, layers)
            learning = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
            assert {id(parameter) for group in groups for parameter in group.parameters} == learning
            assert all(0 < group.rate_share <= 1 for group in groups)
            counts[layers] = len(learning)
        assert max(counts.values()) == counts["all"]

    def test_what_it_does_not_know_is_named(self, architecture: Architecture, task: str) -> None:
        network = architecture.build(options_for(architecture, task=task))
        with pytest.raises(UnknownName, match="tails"):
            architecture.trainable(network, "tails")
        options = BuildOptions(label_count=2, image_size_px=SIZE_PX, backbone="vgg3", weights="scratch", task=task)
        with pytest.raises(UnknownName, match="vgg3"):
            architecture.build(options)


def options_for(
    architecture: Architecture, *, task: str, label_count: int = 2, weights: str = "imagenet"
) -> BuildOptions:
    """The architecture's default network for the tiny samples."""
    return BuildOptions(
        label_count=label_count,
        image_size_px=SIZE_PX,
        backbone=architecture.backbones[0],
        weights=weights,
        task=task,
    )


def tiny_samples(
    count: int,
    *,
    task: str,
    objects: int = 2,
    labels: int = 2,
    size_wh: tuple[int, int] = (SIZE_PX, 96),
    seed: int = 0,
) -> tuple[Sample, ...]:
    """Grey noise with up to `objects` coloured rectangles, or lines, side by side, each label in its colour.

    Where whole images are named, one object, or several whose labels count once.
    """
    random = np.random.default_rng(seed)
    if task == "lanes":
        return tuple(_tiny_lines(random, i, objects, labels, size_wh) for i in range(count))
    most = min(objects, 1) if task == "classify" else objects
    samples = (_tiny_sample(random, i, task == "segment", most, labels, size_wh) for i in range(count))
    return tuple(_about_all(sample) if task in WHOLE else sample for sample in samples)


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


def _about_all(sample: Sample) -> Sample:
    label_ids = torch.from_numpy(np.unique(sample.label_ids.numpy()))
    width, height = _size_wh(sample.image)
    boxes = torch.tensor([[0.0, 0.0, width, height]]).repeat(len(label_ids), 1)
    return replace(sample, label_ids=label_ids, boxes_xyxy_px=boxes)


def _tiny_lines(
    random: np.random.Generator, image_id: int, objects: int, labels: int, size_wh: tuple[int, int]
) -> Sample:
    width, height = size_wh
    pixels = random.integers(95, 115, (height, width, 3)).astype(np.uint8)
    label_ids = random.integers(labels, size=objects)
    lines = []
    for i, label_id in enumerate(label_ids.tolist()):
        ends_x = (i + random.uniform(0.25, 0.75, size=2)) * width / objects
        lines.append(np.stack([ends_x, [height * random.uniform(0.1, 0.3), height - 1.0]], axis=1))
        corners = np.round(lines[-1]).astype(np.int32)
        cv2.line(pixels, corners[0].tolist(), corners[1].tolist(), COLORS[label_id], LINE_PX)
    bounds = np.array([[*line.min(axis=0), *line.max(axis=0)] for line in lines], np.float32).reshape(-1, 4)
    return Sample(
        image=torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))),
        boxes_xyxy_px=torch.from_numpy(bounds),
        label_ids=torch.from_numpy(label_ids),
        masks=None,
        image_id=image_id,
        lines_px=tuple(torch.from_numpy(line.astype(np.float32)) for line in lines),
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
    if first.lines is not None and second.lines is not None:
        _assert_same_lines(first, second)
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


def _assert_same_lines(first: Detections, second: Detections) -> None:
    shares = _shares_alike(first.lines or (), second.lines or (), first.size_wh, OFF_PX)
    partners = np.where(first.label_ids[:, None] == second.label_ids, shares, 0.0).argmax(axis=1)
    assert sorted(partners.tolist()) == list(range(len(second)))
    assert shares[np.arange(len(partners)), partners].min() > 0.97
    np.testing.assert_allclose(first.scores_0_1, second.scores_0_1[partners], atol=1e-3)


def _shares_alike(
    lines: Sequence[Polyline], others: Sequence[Polyline], size_wh: tuple[int, int], off_px: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    first, second = (lanes_at_rows(some, size_wh) for some in (lines, others))
    return shares_right(first, second, np.full(len(first), off_px))


def _as_fed(image: torch.Tensor) -> Floats:
    fed: Floats = image.numpy().astype(np.float32) * np.float32(1 / 255)
    return fed


def _agreed(found: Detections, sample: Sample) -> int:
    if sample.lines_px is not None:
        truth = [Polyline(tuple((x, y) for x, y in line.tolist())) for line in sample.lines_px]
        overlap = _shares_alike(truth, found.lines or (), found.size_wh, 2 * LINE_PX)
    else:
        overlap = iou_xyxy(sample.boxes_xyxy_px.numpy(), found.boxes_xyxy_px)
    same = sample.label_ids.numpy()[:, None] == found.label_ids[None, :]
    return int(((overlap > 0.5) & same).any(axis=1).sum()) if len(found) else 0


def _boxes_of_masks(masks: Sequence[object]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    from teppr.geometry import box_xywh, xyxy_of

    return xyxy_of([box_xywh(mask) for mask in masks])  # type: ignore[arg-type]


def _size_wh(image: torch.Tensor) -> tuple[int, int]:
    height, width = image.shape[-2:]
    return width, height
