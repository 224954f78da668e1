"""Prediction with a bundle by ONNX Runtime: no training framework, the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from teppr.decode import DECODERS, LOWEST_SCORE_0_1
from teppr.errors import BadInput, Corrupt
from teppr.images import Pixels, resize_for_network
from teppr.registry.bundle import Bundle
from teppr.types import Detections, Floats, ModelCard

PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider")
"""What a network runs on where the machine has it, best first."""
MIB = 1024 * 1024
MOST_TOGETHER, MOST_TOGETHER_ON_A_CPU = 8, 2
"""Images in one run. A processor is no quicker with many, and each takes megabytes for the whole of the network."""

_ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.EngineError,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoModel,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
)
_FATAL_ONLY = 4
Outputs: TypeAlias = Sequence[npt.NDArray[Any]]
"""What a network says of one image, in the order of its card."""


def providers(gpu_memory_mib: int = 0, available: Sequence[str] | None = None) -> list[tuple[str, dict[str, str]]]:
    """What there is of `PROVIDERS`, with their options as ONNX Runtime takes them.

    available: as ONNX Runtime says, by default
    """
    here = onnxruntime.get_available_providers() if available is None else available
    bounds: dict[str, dict[str, str]] = {}
    if gpu_memory_mib:
        most = str(gpu_memory_mib * MIB)
        bounds["CUDAExecutionProvider"] = {"gpu_mem_limit": most, "arena_extend_strategy": "kSameAsRequested"}
        bounds["TensorrtExecutionProvider"] = {"trt_max_workspace_size": most}
    return [(name, bounds.get(name, {})) for name in PROVIDERS if name in here]


@dataclass(frozen=True, slots=True, eq=False)
class Fed:
    """An image at the size in which a network takes it; size_wh: of the image itself; what scores lower is left out."""

    pixels: Pixels
    size_wh: tuple[int, int]
    lowest_score_0_1: float


class Runtime:
    """A loaded model; ready and warm when made, safe to call from several threads."""

    def __init__(self, bundle: Bundle, threads: int = 1, *, gpu_memory_mib: int = 0) -> None:
        """Load the network with so many threads of its own and run it once.

        gpu_memory_mib: what it may take of a GPU's memory, where it runs on one; 0 = what it needs

        Raises Corrupt where the bundle's network does not load, or is not the one that its card tells of.
        """
        self.card: ModelCard = bundle.card
        self._where = str(bundle.network)
        if bundle.card.decode not in DECODERS:
            raise Corrupt(f"{bundle.path} asks for the decoder {bundle.card.decode!r}; known: {sorted(DECODERS)}")
        self._decode = DECODERS[bundle.card.decode]
        self._session = self._load(threads, gpu_memory_mib)
        side = bundle.card.image_size_px
        self.predict(np.full((side, side, 3), 114, np.uint8))

    @property
    def most_together(self) -> int:
        """How many images it is best given at a time: one where its network takes no more."""
        if not self.card.batch:
            return 1
        return MOST_TOGETHER_ON_A_CPU if self._session.get_providers()[0] == PROVIDERS[-1] else MOST_TOGETHER

    def predict(self, pixels: Pixels) -> Detections:
        """The objects in an RGB image [h, w, 3], in its own pixels, best first: scoring 0.05 or more, at most 100.

        Raises Corrupt where the network does not run on the image.
        """
        (found,) = self.predict_many([self.feed(pixels)])
        if isinstance(found, Corrupt):
            raise found
        return found

    def feed(self, pixels: Pixels, lowest_score_0_1: float = LOWEST_SCORE_0_1) -> Fed:
        """An RGB image [h, w, 3] as the network takes it, so that the image itself need not be kept."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise BadInput(f"an image must be uint8 [height, width, 3], got {pixels.dtype} {list(pixels.shape)}")
        fed = resize_for_network(pixels, self.card.image_size_px, square=self.card.square)
        return Fed(fed, size_wh=(pixels.shape[1], pixels.shape[0]), lowest_score_0_1=lowest_score_0_1)

    def predict_many(self, images: Sequence[Fed]) -> list[Detections | Corrupt]:
        """For each image what `predict` finds or raises; those of one size go through the network together where its
        card says `batch`.
        """
        found: dict[int, Detections | Corrupt] = {}
        for places in self._runs(images):
            for i, outputs in zip(places, self._outputs([images[i].pixels for i in places]), strict=True):
                found[i] = outputs if isinstance(outputs, Corrupt) else self._decoded(outputs, images[i])
        return [found[i] for i in range(len(images))]

    def _runs(self, images: Sequence[Fed]) -> list[list[int]]:
        """The places of the images that go through the network together, for each run of it."""
        if not self.card.batch:
            return [[i] for i in range(len(images))]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(images):
            by_shape.setdefault(image.pixels.shape, []).append(i)
        return list(by_shape.values())

    def _outputs(self, fed: Sequence[Pixels]) -> list[Outputs | Corrupt]:
        """What the network says of each image; where a run of several fails, each is tried alone."""
        try:
            return self._run(fed)
        except Corrupt as error:
            return [error] if len(fed) == 1 else [outputs for alone in fed for outputs in self._outputs([alone])]

    def _run(self, fed: Sequence[Pixels]) -> list[Outputs | Corrupt]:
        images = [self._prepared(pixels) for pixels in fed]
        given = np.stack(images) if self.card.batch else images[0]
        try:
            outputs: Outputs = self._session.run(list(self.card.outputs), {self.card.inputs[0]: given})
        except _ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not run on an image {list(images[0].shape)}: {error}") from error
        return [[output[i] for output in outputs] for i in range(len(fed))] if self.card.batch else [outputs]

    def _prepared(self, fed: Pixels) -> Floats:
        channels_first = np.ascontiguousarray(fed.transpose(2, 0, 1), dtype=np.float32)
        return channels_first * np.float32(self.card.scale)

    def _decoded(self, outputs: Outputs, image: Fed) -> Detections:
        height, width = image.pixels.shape[:2]
        return self._decode(
            outputs,
            network_size_wh=(width, height),
            image_size_wh=image.size_wh,
            lowest_score_0_1=image.lowest_score_0_1,
        )

    def _load(self, threads: int, gpu_memory_mib: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        try:
            session = onnxruntime.InferenceSession(self._where, options, providers=providers(gpu_memory_mib))
        except _ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not load as an ONNX network: {error}") from error
        inputs = [item.name for item in session.get_inputs()]
        outputs = {item.name for item in session.get_outputs()}
        if inputs != list(self.card.inputs) or not outputs.issuperset(self.card.outputs):
            raise Corrupt(
                f"{self._where} is not the network of its card: it has inputs {inputs} and outputs {sorted(outputs)}, "
                f"the card says {list(self.card.inputs)} and {list(self.card.outputs)}"
            )
        shape = session.get_inputs()[0].shape
        if self.card.batch and (len(shape) != 4 or isinstance(shape[0], int)):
            raise Corrupt(
                f"{self._where} must take any number of images, [n, 3, h, w], as its card says batch; it takes {shape}"
            )
        return session
