"""Networks of torchvision, exported as their makers do and imported, find what torchvision finds."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2, resnet18
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator

from teppr.geometry import bitmap_of_mask, iou_xyxy
from teppr.images import resize_to_fit, stretch
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
from teppr.scenes.street import scene
from teppr.workflow.onnx_feed import Feed
from teppr.workflow.onnx_import import ImportRequest, import_onnx
from teppr.workflow.onnx_outputs import Asked, Kind

PICTURE = scene(np.random.default_rng(5), (320, 240)).pixels
STD_OF_SCORES = 0.3
LABELS = ("sign", "car", "cone")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True)
def same_weights() -> Iterator[None]:
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what tracing says of torchvision's networks is no concern of an import
        yield


def exported(
    network: torch.nn.Module, given: object, path: Path, outputs: Sequence[str], axes: Mapping[str, dict[int, str]]
) -> Path:
    torch.onnx.export(
        network,
        (given,),
        path,
        dynamo=False,
        opset_version=17,
        input_names=["image"],
        output_names=list(outputs),
        dynamic_axes=axes,
    )
    return path


def told_apart(*layers: torch.nn.Module) -> None:
    """Let an untrained network's scores differ: those that are tied come in another order from every processor."""
    with torch.no_grad():
        for layer in layers:
            for weights in layer.parameters():
                if weights.dim() > 1:
                    weights.normal_(std=STD_OF_SCORES)


def runtime_of(file: Path, kind: Kind, feed: Feed, labels: Sequence[str] = LABELS) -> Runtime:
    asked = Asked(kind=kind, labels=tuple(labels), label_offset=None if kind == "classes" else 1)
    request = ImportRequest(file=file, key="acme-ods-9", asked=asked, feed=feed)
    done = import_onnx(request, file.parent / "home", PICTURE, file.parent / "trial.jpg", None)
    return Runtime(Bundle.open(done.bundle))


def objects_of(network: torch.nn.Module, longer_side_px: int) -> dict[str, np.ndarray]:
    """What torchvision finds in the picture at that size, in its own pixels."""
    fed = torch.from_numpy(resize_to_fit(PICTURE, longer_side_px).transpose(2, 0, 1).copy()).float() / 255
    with torch.inference_mode():
        found = {name: values.numpy() for name, values in network([fed])[0].items()}
    return found | {"boxes": found["boxes"] * (max(PICTURE.shape[:2]) / longer_side_px)}


def partners(found: np.ndarray, wanted: np.ndarray, labels: np.ndarray, wanted_labels: np.ndarray) -> np.ndarray:
    overlap = iou_xyxy(found, wanted)
    overlap[labels[:, None] != wanted_labels[None, :]] = 0
    assert overlap.max(axis=1).min() > 0.98
    mine: np.ndarray = overlap.argmax(axis=1)
    assert len(set(mine.tolist())) == len(found) == len(wanted)
    return mine


@pytest.mark.parametrize("fixed", [True, False], ids=["one image of one size", "any number"])
def test_a_classifier_finds_what_torchvision_finds(tmp_path: Path, fixed: bool) -> None:
    network = resnet18(weights=None, num_classes=3).eval()
    axes = {} if fixed else {"image": {0: "n"}, "logits": {0: "n"}}
    file = exported(network, torch.rand(1, 3, 96, 128), tmp_path / "net.onnx", ["logits"], axes)
    runtime = runtime_of(file, "classes", Feed(mean=IMAGENET_MEAN, std=IMAGENET_STD))
    assert (runtime.card.size_wh, runtime.card.batch) == ((128, 96), not fixed)
    fed = torch.from_numpy(stretch(PICTURE, (128, 96)).transpose(2, 0, 1).copy()).float() / 255
    normal = (fed - torch.tensor(IMAGENET_MEAN)[:, None, None]) / torch.tensor(IMAGENET_STD)[:, None, None]
    with torch.inference_mode():
        chances = network(normal[None])[0].softmax(dim=0).numpy()
    found = runtime.predict(PICTURE)
    np.testing.assert_allclose(found.scores_0_1, chances[found.label_ids], atol=1e-5)
    assert found.label_ids[0] == chances.argmax()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["boxes", "mask"])
def test_a_detector_finds_what_torchvision_finds(tmp_path: Path, kind: Kind) -> None:
    body = mobilenet_v2(weights=None).features[:7]
    body.out_channels = 32
    network = (MaskRCNN if kind == "mask" else FasterRCNN)(
        body,
        num_classes=4,
        min_size=96,
        max_size=128,
        rpn_anchor_generator=AnchorGenerator(((24, 48),), ((0.5, 1.0, 2.0),)),
        rpn_pre_nms_top_n_test=60,
        rpn_post_nms_top_n_test=20,
    ).eval()
    told_apart(network.rpn.head.cls_logits, network.roi_heads.box_predictor.cls_score)
    names = ("boxes", "labels", "scores", *(["masks"] if kind == "mask" else []))
    axes = {"image": {1: "h", 2: "w"}} | {name: {0: "n"} for name in names}
    file = exported(network, [torch.rand(3, 240, 320)], tmp_path / "net.onnx", names, axes)
    runtime = runtime_of(file, kind, Feed(size_px=(320,)))
    wanted, found = objects_of(network, 320), runtime.predict(PICTURE)
    assert len(found) > 5
    mine = partners(found.boxes_xyxy_px, wanted["boxes"], found.label_ids, wanted["labels"] - 1)
    np.testing.assert_allclose(found.scores_0_1, wanted["scores"][mine], atol=1e-3)
    assert runtime.card.task == ("segment" if kind == "mask" else "detect")
    if found.masks is not None:
        assert runtime.card.decode_options["masks_over"] == "image"
        for mask, theirs in zip(found.masks, wanted["masks"][mine, 0] > 0.5, strict=True):
            assert (bitmap_of_mask(mask).astype(bool) ^ theirs).sum() <= 2 + 0.01 * theirs.sum()
