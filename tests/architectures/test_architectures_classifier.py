from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from teppr.architectures.classifier import LASTS, Named
from teppr.architectures.contract import Architecture, BuildOptions, torch_architecture
from teppr.samples import Sample
from teppr.testing.architectures import ArchitectureContract, tiny_samples

CLASSIFIER = torch_architecture("classifier")


def build(task: str = "classify", backbone: str = "mobilenet_v2", labels: int = 2) -> Named:
    torch.manual_seed(0)
    options = BuildOptions(label_count=labels, image_size_px=64, backbone=backbone, weights="scratch", task=task)
    network = CLASSIFIER.build(options)
    assert isinstance(network, Named)
    return network


@pytest.mark.slow
class TestSeveralLabels(ArchitectureContract):
    """The contract by one label an image is passed with those of all architectures."""

    @pytest.fixture(scope="class")
    @classmethod
    def architecture(cls) -> Architecture:
        return CLASSIFIER

    @pytest.fixture(scope="class")
    @classmethod
    def task(cls) -> str:
        return "multilabel"


@pytest.mark.parametrize("backbone", LASTS)
def test_every_backbone_has_the_channels_that_are_described_by(backbone: str) -> None:
    network = build(backbone=backbone).eval()
    with torch.inference_mode():
        logits, vectors = network(torch.rand(2, 3, 64, 48))
    assert logits.shape == (2, 2)
    assert vectors.shape == (2, LASTS[backbone].channels) == (2, network.embedding_size)


@pytest.mark.parametrize("task", CLASSIFIER.tasks)
def test_what_leaves_the_graph_are_chances_of_a_batch(task: str, tmp_path: Path) -> None:
    exported = CLASSIFIER.export(build(task, labels=3), tmp_path, 64)
    session = onnxruntime.InferenceSession(str(exported.files[0]), providers=["CPUExecutionProvider"])
    names = [*exported.outputs, exported.embedding]
    chances, vectors = session.run(names, {"image": np.random.default_rng(0).random((2, 3, 64, 48), np.float32)})
    assert chances.shape == (2, 3)
    assert vectors.shape == (2, exported.embedding_size)
    assert (chances > 0).all()
    assert (abs(chances.sum(axis=1) - 1) < 1e-5).all() == (task == "classify")


def test_images_without_a_label_are_passed_over() -> None:
    network = build().train()
    full, empty = tiny_samples(2, task="classify"), tiny_samples(1, task="classify", objects=0)
    network.eval()  # nothing is dropped at random
    (alone,), (mixed,) = (CLASSIFIER.losses(network, batch).values() for batch in (full, (*full, *empty)))
    assert torch.allclose(alone, mixed, atol=1e-5)


def said_too_surely(network: Named, samples: tuple[Sample, ...]) -> tuple[float, float]:
    """The best score of an image before and after calibration on labels that have nothing to do with the images."""
    before = CLASSIFIER.predict(network, [samples[0].image], [(96, 96)])[0].scores_0_1.max()
    assert CLASSIFIER.calibrate(network, samples)
    first = float(network.temperature)
    assert CLASSIFIER.calibrate(network, samples)
    assert float(network.temperature) == first
    return float(before), float(CLASSIFIER.predict(network, [samples[0].image], [(96, 96)])[0].scores_0_1.max())


@pytest.mark.parametrize("task", CLASSIFIER.tasks)
def test_who_is_too_sure_is_cooled_down(task: str) -> None:
    network = build(task)
    with torch.no_grad():
        network.logits[1].bias.copy_(torch.tensor([4.0, -4.0]))  # type: ignore[operator]
    samples = tiny_samples(12, task=task, seed=1)
    before, after = said_too_surely(network, samples)
    assert float(network.temperature) > 1.5
    assert after < before


def test_calibration_needs_labels() -> None:
    network = build()
    assert not CLASSIFIER.calibrate(network, tiny_samples(2, task="classify", objects=0))
    assert float(network.temperature) == 1


def test_a_few_right_answers_do_not_make_it_certain() -> None:
    network = build()
    with torch.no_grad():
        network.logits[1].weight.zero_()  # type: ignore[operator]
        network.logits[1].bias.copy_(torch.tensor([1.0, -1.0]))  # type: ignore[operator]
    samples = [sample for sample in tiny_samples(12, task="classify") if sample.label_ids.tolist() == [0]]
    CLASSIFIER.calibrate(network, samples)
    (found,) = CLASSIFIER.predict(network, [samples[0].image], [(96, 96)])
    assert found.scores_0_1[0] == pytest.approx((len(samples) + 0.5) / (len(samples) + 1), abs=0.01)
