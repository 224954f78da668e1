"""An ONNX file that was made elsewhere: what it takes and gives, and whether images can be fed to it at all."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from teppr.errors import BadFile, BadInput
from teppr.images import LFS_POINTER
from teppr.registry.feeding import KINDS
from teppr.registry.runtime import BATCH_AXES, ORT_ERRORS

Made: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""What a network gave: {name of the output: values}."""

_EXPORT = "export it to ONNX first"
OTHER_FILES: Sequence[tuple[int, bytes, str]] = (
    (0, LFS_POINTER, "a Git-LFS pointer, not the network itself; fetch it with: git lfs pull"),
    (0, b"PK\x03\x04", f"a PyTorch file (or another archive); {_EXPORT}: torch.onnx.export, yolo export format=onnx"),
    (0, b"\x80\x02", f"a pickle, as older PyTorch files are; {_EXPORT}: torch.onnx.export"),
    (0, b"\x89HDF", f"an HDF5 file, as Keras writes them; {_EXPORT}: python -m tf2onnx.convert"),
    (4, b"TFL3", f"a TensorFlow Lite file; {_EXPORT}: python -m tf2onnx.convert --tflite"),
    (8, b"{", f"a safetensors file: weights without their network; {_EXPORT}: torch.onnx.export"),
    (0, b"<?xml", "an XML file, as OpenVINO's networks are; take the ONNX file that it was made from"),
)
"""What is given for ONNX files by mistake: where its mark stands, the mark, and what to say."""
CHANNELS = 3
_FATAL_ONLY = 4


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or an output of a graph; kind: as ONNX Runtime calls it; in the shape None = any size."""

    name: str
    kind: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.kind} [{sizes}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """How a graph takes an image.

    layout: "CHW" or "HWC"
    has_image_axis: an axis for several images comes first; takes_many: it may be of any length
    size_wh: None where any width, or height, is taken
    """

    layout: str
    has_image_axis: bool
    takes_many: bool
    size_wh: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """An ONNX file that loads."""

    path: Path
    session: onnxruntime.InferenceSession
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Load it; raises BadFile saying what the file is instead, or what ONNX Runtime says of it."""
        try:
            with path.open("rb") as file:
                begins = file.read(64)
        except OSError as error:
            raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
        for at, mark, what in OTHER_FILES:
            if begins[at:].startswith(mark):
                raise BadFile(f"{path} is not an ONNX file: it is {what}")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except ort_errors.InvalidProtobuf as error:
            raise BadFile(f"{path} is not an ONNX file: it begins with {begins[:12]!r}, and does not parse") from error
        except ORT_ERRORS as error:
            raise BadFile(f"ONNX Runtime {onnxruntime.__version__} does not load {path}: {error}") from error
        inputs, outputs = (tuple(map(_info, given)) for given in (session.get_inputs(), session.get_outputs()))
        return cls(path, session, inputs, outputs)

    @property
    def origin(self) -> str:
        """What made it, as it says itself: "pytorch", "" where it does not say."""
        return str(self.session.get_modelmeta().producer_name)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it carries, as ultralytics writes them into its exports; empty = none."""
        said = self.session.get_modelmeta().custom_metadata_map.get("names", "")
        try:
            names = ast.literal_eval(said) if said else {}
        except (ValueError, SyntaxError):
            return ()
        if not isinstance(names, dict) or sorted(names) != [*range(len(names))]:
            return ()
        return tuple(str(names[i]) for i in range(len(names)))

    @property
    def kind(self) -> type[np.generic]:
        """What its input is made of."""
        return KINDS[self.inputs[0].kind]

    def taken(self, layout: str = "") -> Taken:
        """How images are fed to it; raises BadInput where they cannot be.

        layout: "CHW" or "HWC", for graphs that do not say it by their sizes
        """
        if len(self.inputs) != 1:
            raise BadInput(
                f"{self.path} must take an image and nothing else, it takes {_listed(self.inputs)}; export it with its "
                f"other inputs as constants"
            )
        image = self.inputs[0]
        if image.kind not in KINDS:
            raise BadInput(f"{self.path} must take {', '.join(KINDS)}, it takes {image}; export it so")
        if len(image.shape) not in {BATCH_AXES - 1, BATCH_AXES}:
            raise BadInput(
                f"{self.path} must take an image, [3, h, w] or [n, 3, h, w] or with the channels last, it takes {image}"
            )
        has_image_axis = len(image.shape) == BATCH_AXES
        count = image.shape[0] if has_image_axis else 1
        if count not in {None, 1}:
            raise BadInput(
                f"{self.path} takes {count} images at a time and no other number: {image}; export it for one image, or "
                f"with a dynamic first axis"
            )
        sizes = image.shape[has_image_axis:]
        layout = layout or self._layout_of(sizes)
        channels, height, width = sizes if layout == "CHW" else (sizes[2], *sizes[:2])
        if channels not in {None, CHANNELS}:
            raise BadInput(
                f"{self.path} must take {CHANNELS} channels, it takes {channels} in {layout} order: {image}; "
                f"{'greys and other channels are not fed' if CHANNELS not in sizes else 'give another --layout'}"
            )
        return Taken(layout=layout, has_image_axis=has_image_axis, takes_many=count is None, size_wh=(width, height))

    def run(self, given: npt.NDArray[Any]) -> Made:
        """All outputs for an input; raises BadInput with what ONNX Runtime says."""
        names = [output.name for output in self.outputs]
        try:
            return dict(zip(names, self.session.run(names, {self.inputs[0].name: given}), strict=True))
        except ORT_ERRORS as error:
            raise BadInput(
                f"{self.path} does not run on an image fed as {list(given.shape)}: {error}; a --size that is a "
                f"multiple of 32 may help, or the size that it was exported at"
            ) from error

    def _layout_of(self, sizes: Sequence[int | None]) -> str:
        first, last = sizes[0] == CHANNELS, sizes[2] == CHANNELS
        if first != last:
            return "CHW" if first else "HWC"
        if not first and None not in {sizes[0], sizes[2]}:
            raise BadInput(
                f"{self.path} must take {CHANNELS} channels, it takes {self.inputs[0]}; greys and other channels are "
                f"not fed"
            )
        raise BadInput(
            f"{self.path} does not say which axis the channels are: {self.inputs[0]}; give --layout CHW (PyTorch's) or "
            f"--layout HWC (TensorFlow's)"
        )


def _info(node: Any) -> TensorInfo:  # noqa: ANN401 - ONNX Runtime's own
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
    return TensorInfo(node.name, node.type, shape)


def _listed(tensors: Sequence[TensorInfo]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"
