"""Prediction with a bundle by ONNX Runtime: no training framework, the same answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from teppr.decode import DECODERS
from teppr.errors import BadInput, Corrupt
from teppr.images import Pixels, resize_to_fit
from teppr.registry.bundle import Bundle
from teppr.types import Detections, Floats, ModelCard

PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider")
"""What a network runs on where the machine has it, best first."""
MIB = 1024 * 1024

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

    def predict(self, pixels: Pixels) -> Detections:
        """The objects in an RGB image [h, w, 3], in its own pixels, best first: scoring 0.05 or more, at most 100."""
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise BadInput(f"an image must be uint8 [height, width, 3], got {pixels.dtype} {list(pixels.shape)}")
        fed = resize_to_fit(pixels, self.card.image_size_px)
        outputs = self._run(self._prepared(fed))
        return self._decode(
            outputs,
            network_size_wh=(fed.shape[1], fed.shape[0]),
            image_size_wh=(pixels.shape[1], pixels.shape[0]),
        )

    def _prepared(self, fed: Pixels) -> Floats:
        channels_first = np.ascontiguousarray(fed.transpose(2, 0, 1), dtype=np.float32)
        return channels_first * np.float32(self.card.scale)

    def _run(self, image: Floats) -> Sequence[np.ndarray]:
        try:
            outputs: Sequence[np.ndarray] = self._session.run(list(self.card.outputs), {self.card.inputs[0]: image})
            return outputs
        except _ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not run on an image {list(image.shape)}: {error}") from error

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
        return session
