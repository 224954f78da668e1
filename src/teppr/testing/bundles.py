"""A real model that is made in milliseconds without a training framework: it finds patches of colour.

For each label the network (a true ONNX graph) marks the pixels that are near the label's colour, and answers with
the box around them, a mask of 28 x 28 over that box, and as score the share of the box that they fill. A label whose
colour is nowhere scores 0 and is dropped by the decoder, as a trained network's weak answers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from teppr.colors import rgb_of
from teppr.images import Pixels
from teppr.registry.bundle import NETWORK, Bundle, write_bundle
from teppr.types import LabelInfo, ModelCard

COLORS: Mapping[str, str] = MappingProxyType({"stop": "#e01818", "go": "#18b030", "wait": "#e8c010"})
"""Labels of the small model and the colours it looks for."""
BACKGROUND = (70, 80, 120)
NEAR_0_1 = 0.2
"""How far each of red, green and blue may be from the label's, of a range 0..1."""
MASK_SIDE = 28
OUTPUTS = ("boxes", "labels", "scores", "masks")
OPSET, IR_VERSION = 17, 9


def small_bundle(
    folder: Path,
    key: str = "acme-ods-1",
    *,
    colors: Mapping[str, str] = COLORS,
    image_size_px: int = 320,
    score_threshold_0_1: float = 0.5,
) -> Bundle:
    """Write the colour finder as a bundle in the new folder `folder`."""
    card = ModelCard(
        key=key,
        architecture="color_finder",
        problem=key.split("-")[1],
        task="segment",
        labels=tuple(LabelInfo(name=name, color=color) for name, color in colors.items()),
        image_size_px=image_size_px,
        inputs=("image",),
        outputs=OUTPUTS,
        decode="instances",
        score_threshold_0_1=score_threshold_0_1,
        creator="teppr.testing",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        licence="Apache-2.0",
        frameworks={"onnx": onnx.__version__},
    )
    with TemporaryDirectory() as temporary:
        network = Path(temporary) / NETWORK
        onnx.save(color_finder(colors), str(network))
        return write_bundle(folder, card, [network])


def classifier_bundle(folder: Path, key: str = "acme-cls-1", *, batch: bool = True) -> Bundle:
    """Write a network that says which of `COLORS` an image is nearest to; it takes several images where `batch`.

    It fails on an image that is black all over, and so does a batch with one in it.
    """
    card = ModelCard(
        key=key,
        architecture="color_classifier",
        problem=key.split("-")[1],
        task="classify",
        labels=tuple(LabelInfo(name=name, color=color) for name, color in COLORS.items()),
        image_size_px=32,
        square=True,
        batch=batch,
        inputs=("image",),
        outputs=("logits",),
        decode="classes",
        creator="teppr.testing",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        licence="Apache-2.0",
        frameworks={"onnx": onnx.__version__},
    )
    with TemporaryDirectory() as temporary:
        network = Path(temporary) / NETWORK
        onnx.save(color_classifier(batch=batch), str(network))
        return write_bundle(folder, card, [network])


def colored_picture(
    patches: Mapping[str, tuple[int, int, int, int]],
    size_wh: tuple[int, int] = (320, 240),
    colors: Mapping[str, str] = COLORS,
) -> Pixels:
    """A plain picture with a patch {label: (x, y, width, height)} of each label's colour, for the model to find."""
    picture = np.full((size_wh[1], size_wh[0], 3), BACKGROUND, np.uint8)
    for label, (x, y, width, height) in patches.items():
        picture[y : y + height, x : x + width] = rgb_of(colors[label])
    return picture


def color_finder(colors: Mapping[str, str]) -> onnx.ModelProto:
    """The network: image [3, h, w] in 0..1 to boxes [n, 4], labels [n], scores [n] and masks [n, 28, 28]."""
    nodes = [node for i in range(len(colors)) for node in _finder(f"of{i}_")]
    constants = [_shared(name, value) for name, value in SHARED.items()]
    for i, color in enumerate(colors.values()):
        constants.append(_shared(f"of{i}_color", np.array(rgb_of(color), np.float32).reshape(3, 1, 1) / 255))
    constants.append(_shared("label_ids", np.arange(len(colors), dtype=np.int64)))
    nodes += [
        helper.make_node("Concat", [f"of{i}_{part}" for i in range(len(colors))], [output], axis=0)
        for part, output in (("box", "boxes"), ("score", "scores"), ("mask", "masks"))
    ]
    nodes.append(helper.make_node("Identity", ["label_ids"], ["labels"]))
    n = len(colors)
    graph = helper.make_graph(
        nodes,
        "color_finder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [3, "h", "w"])],
        [
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [n, 4]),
            helper.make_tensor_value_info("labels", TensorProto.INT64, [n]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [n]),
            helper.make_tensor_value_info("masks", TensorProto.FLOAT, [n, MASK_SIDE, MASK_SIDE]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def color_classifier(*, batch: bool) -> onnx.ModelProto:
    """The network: image [n, 3, h, w], or [3, h, w] without `batch`, in 0..1 to logits [n, labels]."""
    colors = np.array([rgb_of(color) for color in COLORS.values()], np.float32) / 255
    first: list[int | str] = ["n"] if batch else []
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [*first, 3, "h", "w"])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", len(colors)])
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["image", "as_pixels"], ["pixels"]),
            helper.make_node("ReduceMean", ["pixels"], ["means"], axes=[2], keepdims=0),
            helper.make_node("Unsqueeze", ["means", "one"], ["means_3d"]),
            helper.make_node("Sub", ["means_3d", "colors"], ["differences"]),
            helper.make_node("Abs", ["differences"], ["distances"]),
            helper.make_node("ReduceMean", ["distances"], ["distance"], axes=[2], keepdims=0),
            helper.make_node("Mul", ["distance", "steepness"], ["nearness"]),
            # Where the darkest of the images has no light at all, an index goes beyond its table.
            helper.make_node("ReduceMax", ["means"], ["light"], axes=[1], keepdims=0),
            helper.make_node("ReduceMin", ["light"], ["least_light"], axes=[0], keepdims=0),
            helper.make_node("Equal", ["least_light", "dark"], ["is_dark"]),
            helper.make_node("Cast", ["is_dark"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "place"], ["nothing"]),
            helper.make_node("Add", ["nearness", "nothing"], ["logits"]),
        ],
        "color_classifier",
        [image],
        [logits],
        [
            _shared("as_pixels", np.array([0, 3, -1] if batch else [1, 3, -1], np.int64)),
            _shared("one", np.array([1], np.int64)),
            _shared("colors", colors[None]),
            _shared("steepness", np.float32(-20)),
            _shared("dark", np.float32(0)),
            _shared("table", np.zeros(1, np.float32)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


SHARED: Mapping[str, object] = MappingProxyType(
    {
        "near_0_1": np.float32(NEAR_0_1),
        "one": np.array([1], np.int64),
        "both_axes": np.array([0, 1], np.int64),
        "mask_size": np.array([1, 1, MASK_SIDE, MASK_SIDE], np.int64),
        "mask_shape": np.array([1, MASK_SIDE, MASK_SIDE], np.int64),
        "box_shape": np.array([1, 4], np.int64),
        "as_vector": np.array([-1], np.int64),
    }
)
"""Constants that all labels' parts of the graph use."""


def _shared(name: str, value: object) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def _finder(of: str) -> list[onnx.NodeProto]:
    """The part for one label; its names begin with `of`."""

    def node(kind: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:  # noqa: ANN401 - the operator knows
        mine = [name.replace("~", of) for name in inputs.split()]
        return helper.make_node(kind, mine, [output.replace("~", of)], **attributes)

    edges = [
        node("ArgMax", f"~on_{axis}", f"~{axis}{end}_{'edge' if end == 0 else 'last'}", axis=0, select_last_index=end)
        for axis in "xy"
        for end in (0, 1)
    ]
    return [
        node("Sub", "image ~color", "~difference"),
        node("Abs", "~difference", "~distances"),
        node("ReduceMax", "~distances", "~distance", axes=[0], keepdims=0),
        node("Less", "~distance near_0_1", "~is_near"),
        node("Cast", "~is_near", "~near", to=TensorProto.FLOAT),
        node("ReduceMax", "~near", "~on_x", axes=[0], keepdims=0),
        node("ReduceMax", "~near", "~on_y", axes=[1], keepdims=0),
        *edges,
        node("Add", "~x1_last one", "~x1_edge"),
        node("Add", "~y1_last one", "~y1_edge"),
        node("Concat", "~y0_edge ~x0_edge", "~starts", axis=0),
        node("Concat", "~y1_edge ~x1_edge", "~ends", axis=0),
        node("Concat", "~x0_edge ~y0_edge ~x1_edge ~y1_edge", "~corners", axis=0),
        node("Cast", "~corners", "~corners_float", to=TensorProto.FLOAT),
        node("Reshape", "~corners_float box_shape", "~box"),
        node("Slice", "~near ~starts ~ends both_axes", "~inside"),
        node("ReduceMean", "~inside", "~share", keepdims=0),
        node("Reshape", "~share as_vector", "~score"),
        node("Unsqueeze", "~inside both_axes", "~inside_4d"),
        helper.make_node("Resize", [f"{of}inside_4d", "", "", "mask_size"], [f"{of}mask_4d"], mode="linear"),
        node("Reshape", "~mask_4d mask_shape", "~mask"),
    ]
