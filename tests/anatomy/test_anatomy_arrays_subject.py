from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx

from teppr.anatomy.arrays_subject import ArraysSubject
from teppr.anatomy.subject import About
from teppr.architectures.contract import Arrays, Epoch, Example, Exported, LearnOptions, SelfTaught
from teppr.images import Pixels
from teppr.testing.bundles import COLORS, OUTPUTS, color_finder, colored_picture
from teppr.types import Detections, LabelInfo
from teppr.workflow.arrays import TrainedArrays
from teppr.workflow.facts import NetworkFacts


class Finder(SelfTaught):
    """Arrays beside a graph that finds colours; it never learns."""

    name: ClassVar[str] = "finder"
    title: ClassVar[str] = "Finder"
    tasks: ClassVar[tuple[str, ...]] = ("detect",)
    framework: ClassVar[str] = "numpy"
    requirements: ClassVar[tuple[str, ...]] = ()
    backbones: ClassVar[tuple[str, ...]] = ("none",)
    image_sizes_px: ClassVar[tuple[int, int]] = (32, 320)

    def learn(self, examples: Sequence[Example], options: LearnOptions) -> Iterator[Epoch]:
        raise NotImplementedError

    def predict(
        self, weights: Arrays, images: Sequence[Pixels], sizes_wh: Sequence[tuple[int, int]]
    ) -> list[Detections]:
        del weights, images
        boxes, scores, label_ids = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        return [
            Detections(size_wh=size, boxes_xyxy_px=boxes, scores_0_1=scores, label_ids=label_ids) for size in sizes_wh
        ]

    def export(self, weights: Arrays, folder: Path, image_size_px: int) -> Exported:  # noqa: ARG002 - of any size
        path = folder / "model.onnx"
        onnx.save(color_finder(COLORS), str(path))
        return Exported(inputs=("image",), outputs=OUTPUTS, decode="instances", files=(path,))


def test_weights_are_the_arrays_and_layers_those_of_the_export() -> None:
    labels = tuple(LabelInfo(name=name, color=color) for name, color in COLORS.items())
    facts = NetworkFacts(
        architecture="finder",
        backbone="none",
        image_size_px=64,
        labels=labels,
        task="detect",
        problem="ods",
        dataset="none",
        run="none",
    )
    about = About(
        name="finder",
        architecture="finder",
        task="detect",
        labels=labels,
        image_size_px=64,
        score_threshold_0_1=0.5,
        source="arrays",
    )
    weights = {"first": np.eye(4), "names": np.array(["a"]), "bias": np.zeros(3)}
    subject = ArraysSubject(about, TrainedArrays(facts=facts, architecture=Finder(), weights=weights))
    assert [(figures.name, figures.count) for figures in subject.weights()] == [("first", 16), ("bias", 3)]
    picture = colored_picture({})
    whole, *layers = subject.layers([picture])
    assert whole.kind == "finder"
    assert {layer.kind for layer in layers} == {"Sub"}  # the nodes that have constants
    assert whole.parameters == 3 * len(COLORS)
    assert not subject.has_gradients
    assert len(subject.find(picture)) == 0
