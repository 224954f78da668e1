"""Prediction with a bundle by ONNX Runtime: no training framework, the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from teppr.decode import DECODERS, LOWEST_SCORE_0_1, OPTIONS, Decoder
from teppr.errors import BadInput, Corrupt, UnknownName
from teppr.images import Pixels
from teppr.registry.bundle import Bundle
from teppr.registry.feeding import KINDS, Fed, fit, tensor
from teppr.types import Detections, Floats, ModelCard

__all__ = ["PROVIDERS", "Fed", "Runtime", "providers"]

PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider", "CPUExecutionProvider")
"""What a network runs on where the machine has it, best first."""
MIB = 1024 * 1024
MOST_TOGETHER, MOST_TOGETHER_ON_A_CPU = 8, 2
"""Images in one run. A processor is no quicker with many, and each takes megabytes for the whole of the network."""

ORT_ERRORS = (
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
TINY = 1e-12
"""A vector of zeros stays one."""
BATCH_AXES = 4
"""Of an input that has one for several images, even where it takes a single one."""
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


def pooled(output: npt.NDArray[Any], *, has_image_axis: bool, layout: str) -> Floats:
    """A tensor that a network has of one image as one vector: of a map of features their means over all places.

    The tensor is [c], a map [c, h, w] (of a network that takes HWC [h, w, c]), or tokens [n, c]; has_image_axis: with
    an axis for the single image before it. One that a network without such an axis adds itself is dropped too.
    """
    values: Floats = np.asarray(output, np.float32)
    if has_image_axis or (values.ndim in {2, 4} and len(values) == 1):
        values = values[0]
    places = {1: (), 2: (0,), 3: (1, 2) if layout == "CHW" else (0, 1)}.get(values.ndim)
    if places is None:
        raise BadInput(f"an embedding is [c], [n, c] or [c, h, w] of an image, got {list(output.shape)}")
    means: Floats = values.mean(axis=places)
    return means


class Runtime:
    """A loaded model; ready and warm when made, safe to call from several threads."""

    def __init__(self, bundle: Bundle, threads: int = 1, *, gpu_memory_mib: int = 0) -> None:
        """Load the network with so many threads of its own and run it once.

        gpu_memory_mib: what it may take of a GPU's memory, where it runs on one; 0 = what it needs

        Raises Corrupt where the bundle's network does not load, or is not the one that its card tells of.
        """
        self.card: ModelCard = bundle.card
        self._where = str(bundle.network)
        self._decode = _decoder(bundle)
        self._session = self._load(threads, gpu_memory_mib)
        taken = self._session.get_inputs()[0]
        self._kind = KINDS[taken.type]
        self._axes = len(taken.shape)
        side = bundle.card.image_size_px
        try:
            self.predict(np.full((side, side, 3), 114, np.uint8))
        except UnknownName as error:
            raise Corrupt(f"{bundle.path} asks its decoder for what it does not know: {error}") from error

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
        return fit(self.card, pixels, lowest_score_0_1)

    def predict_many(self, images: Sequence[Fed]) -> list[Detections | Corrupt]:
        """For each image what `predict` finds or raises; those of one size go through the network together where its
        card says `batch`.
        """
        found: dict[int, Detections | Corrupt] = {}
        for places in self._runs(images):
            fed = [images[i].pixels for i in places]
            for i, outputs in zip(places, self._outputs(fed, self.card.outputs), strict=True):
                found[i] = outputs if isinstance(outputs, Corrupt) else self._decoded(outputs, images[i])
        return [found[i] for i in range(len(images))]

    def embed(self, pixels: Pixels) -> Floats:
        """The feature vector [card.embedding_size] of an RGB image [h, w, 3], of length 1: images that look alike have
        vectors that point the same way.

        Raises BadInput where the model gives none, Corrupt where the network does not run on the image.
        """
        (vector,) = self.embed_many([self.feed(pixels)])
        if isinstance(vector, Corrupt):
            raise vector
        return vector

    def predict_and_embed(self, pixels: Pixels) -> tuple[Detections, Floats]:
        """What `predict` finds in an image and `embed` says of it, for the price of one of them; raises as they do."""
        self.check_embeds()
        fed = self.feed(pixels)
        (outputs,) = self._outputs([fed.pixels], [*self.card.outputs, self.card.embedding])
        if isinstance(outputs, Corrupt):
            raise outputs
        found, vector = self._decoded(outputs[:-1], fed), self._vector(outputs[-1])
        for made in (found, vector):
            if isinstance(made, Corrupt):
                raise made
        return cast("tuple[Detections, Floats]", (found, vector))

    def embed_regions(self, pixels: Pixels, boxes_xyxy_px: npt.ArrayLike) -> Floats:
        """The vectors [n, card.embedding_size] of parts of an image, each fed as an image of its own, so that they are
        compared with those of images; boxes [n, 4] are rounded outwards and cut to the image. Raises as `embed` does.
        """
        height, width = pixels.shape[:2]
        boxes = np.asarray(boxes_xyxy_px, np.float64).reshape(-1, 4)
        parts = []
        for x0, y0, x1, y1 in np.concatenate([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])], axis=1).tolist():
            left, top = int(np.clip(x0, 0, width - 1)), int(np.clip(y0, 0, height - 1))
            right, bottom = int(np.clip(x1, left + 1, width)), int(np.clip(y1, top + 1, height))
            parts.append(self.feed(pixels[top:bottom, left:right]))
        vectors = self.embed_many(parts)
        if failed := [vector for vector in vectors if isinstance(vector, Corrupt)]:
            raise failed[0]
        return np.array(vectors, np.float32).reshape(-1, self.card.embedding_size)

    def embed_many(self, images: Sequence[Fed]) -> list[Floats | Corrupt]:
        """For each image what `embed` gives or raises, in one run where its card says `batch`."""
        self.check_embeds()
        vectors: dict[int, Floats | Corrupt] = {}
        for places in self._runs(images):
            fed = [images[i].pixels for i in places]
            for i, outputs in zip(places, self._outputs(fed, [self.card.embedding]), strict=True):
                vectors[i] = outputs if isinstance(outputs, Corrupt) else self._vector(outputs[0])
        return [vectors[i] for i in range(len(images))]

    def check_embeds(self) -> None:
        """Raise BadInput where the model gives no feature vectors, saying how it would."""
        if not self.card.embedding:
            raise BadInput(
                f"{self.card.key} gives no feature vectors: its card names no embedding; choose a tensor of its "
                f"network with teppr embed --output NAME, or import it anew with --embedding NAME"
            )

    def _vector(self, output: npt.NDArray[Any]) -> Floats | Corrupt:
        has_image_axis = self._axes == BATCH_AXES and not self.card.batch
        values = pooled(output, has_image_axis=has_image_axis, layout=self.card.layout)
        if len(values) != self.card.embedding_size:
            return Corrupt(
                f"{self._where} describes an image by {len(values)} numbers; its card says {self.card.embedding_size}"
            )
        vector: Floats = values / np.maximum(np.linalg.norm(values), np.float32(TINY))
        return vector

    def _runs(self, images: Sequence[Fed]) -> list[list[int]]:
        """The places of the images that go through the network together, for each run of it."""
        if not self.card.batch:
            return [[i] for i in range(len(images))]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(images):
            by_shape.setdefault(image.pixels.shape, []).append(i)
        return list(by_shape.values())

    def _outputs(self, fed: Sequence[Pixels], names: Sequence[str]) -> list[Outputs | Corrupt]:
        """What the network says of each image; where a run of several fails, each is tried alone."""
        try:
            return self._run(fed, names)
        except Corrupt as error:
            return [error] if len(fed) == 1 else [outputs for alone in fed for outputs in self._outputs([alone], names)]

    def _run(self, fed: Sequence[Pixels], names: Sequence[str]) -> list[Outputs | Corrupt]:
        images = [tensor(self.card, pixels, self._kind) for pixels in fed]
        given = np.stack(images) if self._axes == BATCH_AXES else images[0]
        try:
            outputs: Outputs = self._session.run(list(names), {self.card.inputs[0]: given})
        except ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not run on an image {list(images[0].shape)}: {error}") from error
        return [[output[i] for output in outputs] for i in range(len(fed))] if self.card.batch else [outputs]

    def _decoded(self, outputs: Outputs, image: Fed) -> Detections | Corrupt:
        height, width = image.pixels.shape[:2]
        placed = {} if image.content_xyxy_px is None else {"content_xyxy_px": image.content_xyxy_px}
        found = self._decode(
            outputs,
            network_size_wh=(width, height),
            image_size_wh=image.size_wh,
            lowest_score_0_1=image.lowest_score_0_1,
            **placed,
        )
        labels = len(self.card.labels)
        if len(found) and not 0 <= found.label_ids.min() <= found.label_ids.max() < labels:
            numbers = sorted({*found.label_ids.tolist()} - {*range(labels)})
            return Corrupt(f"{self._where} answers with labels of the numbers {numbers}; its card has {labels}, from 0")
        return found

    def _load(self, threads: int, gpu_memory_mib: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _FATAL_ONLY
        try:
            session = onnxruntime.InferenceSession(self._where, options, providers=providers(gpu_memory_mib))
        except ORT_ERRORS as error:
            raise Corrupt(f"{self._where} does not load as an ONNX network: {error}") from error
        inputs = [item.name for item in session.get_inputs()]
        outputs = {item.name for item in session.get_outputs()}
        wanted = {*self.card.outputs, *([self.card.embedding] if self.card.embedding else [])}
        if inputs != list(self.card.inputs) or not outputs.issuperset(wanted):
            raise Corrupt(
                f"{self._where} is not the network of its card: it has inputs {inputs} and outputs {sorted(outputs)}, "
                f"the card says {list(self.card.inputs)} and {sorted(wanted)}"
            )
        taken = session.get_inputs()[0]
        if taken.type not in KINDS:
            raise Corrupt(f"{self._where} takes a {taken.type}; what images can be fed as: {', '.join(KINDS)}")
        shape = taken.shape
        if self.card.batch and (len(shape) != 4 or isinstance(shape[0], int)):
            raise Corrupt(
                f"{self._where} must take any number of images, [n, 3, h, w], as its card says batch; it takes {shape}"
            )
        return session


def _decoder(bundle: Bundle) -> Decoder:
    """The card's decoder with its options; raises Corrupt where one of them is not known."""
    card = bundle.card
    if card.decode not in DECODERS:
        raise Corrupt(f"{bundle.path} asks for the decoder {card.decode!r}; known: {sorted(DECODERS)}")
    known = OPTIONS.get(card.decode, {})
    for name, value in card.decode_options.items():
        if name not in known or isinstance(value, bool) or not isinstance(value, known[name]):
            raise Corrupt(
                f"{bundle.path} tells its decoder {card.decode!r} {name} = {value!r}; it takes "
                f"{', '.join(f'{option} ({kinds[-1].__name__})' for option, kinds in known.items()) or 'no options'}"
            )
    return partial(DECODERS[card.decode], **card.decode_options)
