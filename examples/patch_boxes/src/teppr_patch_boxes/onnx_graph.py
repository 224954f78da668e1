"""The same network as an ONNX graph: the first layers of the perceptrons are convolutions over cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from teppr.architectures.contract import Arrays
from teppr_patch_boxes.cells import CELL_PX, CENTRE, CHANNELS, FAR, GAIN, LEAST_VARIANCE, NEAR, SIDE
from teppr_patch_boxes.network import BOX_UNIT_PX, BOXES, LABELS, LOWEST_SCORE_0_1, MOST_PER_LABEL, SUPPRESSION_IOU

OPSET, IR_VERSION = 17, 8
NEAR_PAD, FAR_PAD = NEAR * (SIDE // 2), FAR * (SIDE // 2)


def write_graph(weights: Arrays, path: Path) -> None:
    """For one image [3, height, width] in 0..1 of any size."""
    graph = _Graph()
    cells = _cells(graph)
    scores = graph.add("Clip", _perceptron(graph, weights, LABELS, cells), graph.number(0.0), graph.number(1.0))
    label_count = int(weights[f"{LABELS}/w2"].shape[1]) - 1
    by_label = graph.add(
        "Slice", scores, graph.integers([0]), graph.integers([label_count]), graph.integers([1])
    )  # [1, labels, rows, columns], without the background
    flat_scores = graph.add("Reshape", by_label, graph.integers([1, label_count, -1]))
    boxes = _boxes(graph, _perceptron(graph, weights, BOXES, cells))
    _choose(graph, boxes, flat_scores)
    onnx.save(graph.model(), path)


class _Graph:
    """Nodes and constants as they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:  # noqa: ANN401 - as ONNX has them
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: npt.NDArray[Any]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def integers(self, values: Sequence[int]) -> str:
        return self.constant(np.array(values, np.int64))

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "patch_boxes",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [3, "height", "width"])],
            [
                helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["objects", 4]),
                helper.make_tensor_value_info("labels", TensorProto.INT64, ["objects"]),
                helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["objects"]),
            ],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model


def _cells(graph: _Graph) -> str:
    """As `cells.cell_map`."""
    image = graph.add("Unsqueeze", "image", graph.integers([0]))
    pooled: dict[str, Any] = {"kernel_shape": [CELL_PX, CELL_PX], "strides": [CELL_PX, CELL_PX]}
    mean = graph.add("AveragePool", image, **pooled)
    mean_of_squares = graph.add("AveragePool", graph.add("Mul", image, image), **pooled)
    variance = graph.add("Sub", mean_of_squares, graph.add("Mul", mean, mean))
    spread = graph.add("Sqrt", graph.add("Max", variance, graph.number(LEAST_VARIANCE)))
    gain = graph.number(GAIN)
    centred = graph.add("Mul", graph.add("Sub", mean, graph.number(CENTRE)), gain)
    return graph.add("Concat", centred, graph.add("Mul", spread, gain), axis=1)


def _perceptron(graph: _Graph, weights: Arrays, name: str, cells: str) -> str:
    """[1, outputs, rows, columns]: the first layer looks near and far, the others at the cell alone."""
    first = weights[f"{name}/w0"].T.reshape(-1, 2, SIDE, SIDE, CHANNELS).transpose(1, 0, 4, 2, 3)
    looked = [
        graph.add(
            "Conv",
            graph.add("Pad", cells, graph.integers([0, 0, pad, pad, 0, 0, pad, pad]), mode="edge"),
            graph.constant(kernel),
            dilations=[distance, distance],
        )
        for kernel, distance, pad in zip(first, (NEAR, FAR), (NEAR_PAD, FAR_PAD), strict=True)
    ]
    bias = graph.constant(weights[f"{name}/b0"].reshape(1, -1, 1, 1))
    values = graph.add("Add", graph.add("Add", *looked), bias)
    for i in count(1):
        if f"{name}/w{i}" not in weights:
            return values
        kernel = graph.constant(weights[f"{name}/w{i}"].T[:, :, None, None])
        values = graph.add("Conv", graph.add("Relu", values), kernel, graph.constant(weights[f"{name}/b{i}"]))
    raise AssertionError


def _boxes(graph: _Graph, reach: str) -> str:
    """[cells, 4]: corners, from how far the boxes reach from the centres of their cells."""
    flat = graph.add("Transpose", graph.add("Reshape", reach, graph.integers([4, -1])), perm=[1, 0])
    distances = graph.add("Mul", graph.add("Relu", flat), graph.number(BOX_UNIT_PX))
    both = graph.add("Concat", *[_centres(graph, reach)] * 2, axis=1)
    signs = graph.constant(np.array([[-1, -1, 1, 1]], np.float32))
    return graph.add("Add", both, graph.add("Mul", distances, signs))


def _centres(graph: _Graph, cells: str) -> str:
    """[cells, 2], as `cells.centres`."""
    ones = graph.add(
        "ConstantOfShape",
        graph.add("Shape", cells, start=2),
        value=helper.make_tensor("v", TensorProto.FLOAT, [1], [1]),
    )
    at = [
        graph.add(
            "Mul",
            graph.add("Sub", graph.add("CumSum", ones, graph.constant(np.array(axis, np.int64))), graph.number(0.5)),
            graph.number(float(CELL_PX)),
        )
        for axis in (1, 0)
    ]
    return graph.add("Concat", *[graph.add("Reshape", one, graph.integers([-1, 1])) for one in at], axis=1)


def _choose(graph: _Graph, boxes: str, scores: str) -> None:
    """The outputs: for each label, of boxes that overlap the best."""
    chosen = graph.add(
        "NonMaxSuppression",
        graph.add("Unsqueeze", boxes, graph.integers([0])),
        scores,
        graph.constant(np.array(MOST_PER_LABEL, np.int64)),
        graph.number(SUPPRESSION_IOU),
        graph.number(LOWEST_SCORE_0_1),
    )  # [n, 3]: image, label, cell
    label_and_cell = graph.add("Slice", chosen, graph.integers([1]), graph.integers([3]), graph.integers([1]))
    graph.add("Gather", chosen, graph.constant(np.array(1, np.int64)), axis=1, output="labels")
    cell = graph.add("Gather", chosen, graph.constant(np.array(2, np.int64)), axis=1)
    graph.add("Gather", boxes, cell, axis=0, output="boxes")
    by_label = graph.add("Squeeze", scores, graph.integers([0]))
    graph.add("GatherND", by_label, label_and_cell, output="scores")
