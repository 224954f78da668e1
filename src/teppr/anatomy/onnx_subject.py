"""An exported or imported network, looked into by ONNX Runtime: tensors from within its graph as further outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from teppr.anatomy.layers import MAP_AXES, Layer, multiply_adds
from teppr.anatomy.subject import About, Subject
from teppr.anatomy.weights import MATRIX_AXES, WeightFigures, figures_of
from teppr.errors import Corrupt
from teppr.images import LETTERBOX_GREY, Pixels
from teppr.registry.feeding import KINDS, fit, tensor
from teppr.registry.runtime import BATCH_AXES, ORT_ERRORS
from teppr.types import Detections, Floats, ModelCard

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

MATRICES = ("Gemm", "MatMul")
COSTLY = ("Conv", "ConvTranspose", *MATRICES)
NAMELESS = ("onnx::", "_v_")
"""How exporters begin the names of constants that have none."""
_FATAL_ONLY = 4


class OnnxSubject(Subject):
    """See `Subject`. Layers are the graph's nodes that have weights, below the scopes that their names tell."""

    def __init__(
        self, about: About, model: ModelProto, card: ModelCard, find: Callable[[Pixels], Detections], where: str
    ) -> None:
        """Of a graph with its weights loaded; raises Corrupt where it does not load once its layers are outputs."""
        super().__init__(about)
        self._card, self._find, self._where = card, find, where
        self._weights = _weights_of(model)
        self._nodes = {
            node.name or f"{node.op_type}_{i}": node
            for i, node in enumerate(model.graph.node)
            if any(name in self._weights for name in node.input) and _makes_numbers(node)
        }
        # Weights that several nodes share count where they are used first.
        users = [(given, name) for name, node in self._nodes.items() for given in node.input if given in self._weights]
        self._first_users = dict(reversed(users))
        self._session = self._open(model)

    def layers(self, images: Sequence[Pixels]) -> tuple[Layer, ...]:
        """See `Subject`."""
        side = self._card.image_size_px
        ranges: dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for pixels in images or [np.full((side, side, 3), LETTERBOX_GREY, np.uint8)]:
            for name, made in self._run(pixels, [*self._nodes]).items():
                shapes.setdefault(name, made.shape)
                if made.ndim == MAP_AXES and len(made) == 1 and images:
                    low, high = made.min(axis=(0, 2, 3)), made.max(axis=(0, 2, 3))
                    before = ranges.get(name, (low, high))
                    ranges[name] = np.minimum(low, before[0]), np.maximum(high, before[1])
        leaves = [self._layer(name, shapes.get(name, ()), ranges.get(name)) for name in self._nodes]
        return tuple(_with_scopes(leaves, self.about.architecture))

    def weights(self) -> tuple[WeightFigures, ...]:
        """See `Subject`."""
        found: dict[str, WeightFigures] = {}
        for layer, node in self._nodes.items():
            for place, name in enumerate(node.input):
                values = self._weights.get(name)
                if values is not None and name not in found:
                    shown = f"{layer} (input {place})" if name.startswith(NAMELESS) or name.isdigit() else name
                    found[name] = figures_of(shown, values, _channel_axis(node, values.ndim))
        return tuple(found.values())

    def maps(self, pixels: Pixels, names: Sequence[str]) -> Mapping[str, Floats]:
        """See `Subject`."""
        return {name: np.asarray(made[0], np.float32) for name, made in self._run(pixels, names).items()}

    def find(self, pixels: Pixels) -> Detections:
        """See `Subject`."""
        return self._find(pixels)

    def _layer(
        self, name: str, shape: tuple[int, ...], span: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None
    ) -> Layer:
        node = self._nodes[name]
        used = [given for given in node.input if given in self._weights]
        cost = 0
        if node.op_type in COSTLY and shape:
            cost = multiply_adds(node.op_type, self._weights[used[0]].shape, self._given(node, shape), shape)
        return Layer(
            name=name,
            kind=node.op_type,
            depth=0,
            shape=shape,
            parameters=sum(self._weights[given].size for given in used if self._first_users[given] == name),
            trainable=None,
            multiply_adds=cost,
            is_leaf=True,
            silent=int((span[0] == span[1]).sum()) if span else None,
        )

    def _given(self, node: NodeProto, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the node's input, as far as its cost needs it: of a transposed convolution without padding."""
        strides = next((tuple(item.ints) for item in node.attribute if item.name == "strides"), ())
        if node.op_type != "ConvTranspose" or not strides:
            return shape
        return (*shape[:2], *(side // step for side, step in zip(shape[2:], strides, strict=True)))

    def _run(self, pixels: Pixels, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        taken = self._session.get_inputs()[0]
        given = tensor(self._card, fit(self._card, pixels).pixels, KINDS[taken.type])
        given = given[None] if len(taken.shape) == BATCH_AXES else given
        outputs = [self._nodes[name].output[0] for name in names]
        try:
            made = self._session.run(outputs, {taken.name: given}) if outputs else []
        except ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not run on an image {list(given.shape)}: {error}") from error
        return dict(zip(names, made, strict=True))

    def _open(self, model: ModelProto) -> onnxruntime.InferenceSession:
        import onnx

        there = {output.name for output in model.graph.output}
        wanted = dict.fromkeys(node.output[0] for node in self._nodes.values())
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted if name not in there)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not load once its layers are outputs: {error}") from error


def _weights_of(model: ModelProto) -> dict[str, npt.NDArray[Any]]:
    """All constants of real numbers with more than one of them, by name."""
    from onnx import numpy_helper

    given = {item.name: item for item in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            given[node.output[0]] = node.attribute[0].t
    values = {name: numpy_helper.to_array(item) for name, item in given.items()}
    return {name: array for name, array in values.items() if array.dtype.kind == "f" and array.size > 1}


def _makes_numbers(node: NodeProto) -> bool:
    return node.op_type not in {"Constant", "Resize", "Upsample", "Where", "Shape", "Identity"}


def _channel_axis(node: NodeProto, axes: int) -> int:
    """Which axis of a weight counts the channels that its node makes."""
    transposed = any(item.name == "transB" and item.i for item in node.attribute)
    is_last = node.op_type == "MatMul" or (node.op_type == "Gemm" and not transposed)
    if axes < MATRIX_AXES:
        return 0
    return axes - 1 if is_last else int(node.op_type == "ConvTranspose")


def _with_scopes(leaves: Sequence[Layer], root: str) -> list[Layer]:
    """The layers below the parts of the network that their names tell, by "/"; those with the root's sums."""
    scopes: dict[str, list[Layer]] = {"": [*leaves]}
    rows: list[str | Layer] = [""]
    for leaf in leaves:
        parts = [part for part in leaf.name.split("/")[:-1] if part]
        for end in range(1, len(parts) + 1):
            scope = "/".join(parts[:end])
            if scope not in scopes:
                rows.append(scope)
            scopes.setdefault(scope, []).append(leaf)
        rows.append(replace(leaf, depth=len(parts) + 1))
    return [row if isinstance(row, Layer) else _scope(row, scopes[row], root) for row in rows]


def _scope(name: str, within: Sequence[Layer], root: str) -> Layer:
    return Layer(
        name=name,
        kind="" if name else root,
        depth=len(name.split("/")) if name else 0,
        shape=(),
        parameters=sum(layer.parameters for layer in within),
        trainable=None,
        multiply_adds=sum(layer.multiply_adds for layer in within),
        is_leaf=False,
    )
