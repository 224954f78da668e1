"""The limits: loops that do nothing but what an answer needs, in as many processes as asked, without any service.

bare        teppr's own decoding, resizing, network, regions and JSON: what a service adds is all beyond it
physical    OpenCV's decoder, which checks less, the network, and its plain numbers as JSON
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.images import Pixels
from teppr.registry.bundle import Bundle

Loop: TypeAlias = Callable[[bytes], bytes]
"""From the bytes of a JPEG to those of an answer."""


@dataclass(frozen=True, slots=True)
class Looped:
    """What loops did.

    rate: images a second of all together
    p50_ms, cpu_ms: of an image, the median on the clock and the mean of a processor
    spent_ms: of each image, one array a process
    """

    rate: float
    p50_ms: float
    cpu_ms: float
    spent_ms: Sequence[npt.NDArray[np.float64]]

    def tail(self, in_turn: int) -> float:
        """The p99 by the median of the time that so many images take one after the other: what waiting in a fair queue
        makes of images that take unlike times, with no service around them; not a number where no process had so many.
        """
        sums = [np.convolve(each, np.ones(in_turn), "valid") for each in self.spent_ms if len(each) >= in_turn]
        if not sums:
            return float("nan")
        waited_ms = np.concatenate(sums)
        return float(np.percentile(waited_ms, 99) / np.median(waited_ms))


class Limit:
    """Processes that wait to be told to loop."""

    def __init__(self, pipes: Sequence[Connection]) -> None:
        self._pipes = pipes

    def run(self, seconds: float) -> Looped:
        """Loop for so long."""
        for pipe in self._pipes:
            pipe.send(seconds)
        spent_s, cpu_s = zip(*[pipe.recv() for pipe in self._pipes], strict=True)
        rate = sum(len(each) / sum(each) for each in spent_s)
        spent_ms = [1000 * np.array(each) for each in spent_s]
        every_ms = np.concatenate(spent_ms)
        return Looped(rate, float(np.median(every_ms)), 1000 * sum(cpu_s) / len(every_ms), spent_ms)


@contextmanager
def limit(bundle: Bundle, images: Sequence[bytes], processes: int, *, physical: bool = False) -> Iterator[Limit]:
    """The loops, loaded and warm, ended with the block."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    pipes, running = [], []
    for _ in range(processes):
        mine, its = context.Pipe()
        process = context.Process(target=_loop, args=(bundle.path, images, its, barrier, physical), daemon=True)
        process.start()
        pipes.append(mine)
        running.append(process)
    for pipe in pipes:
        pipe.recv()
    try:
        yield Limit(pipes)
    finally:
        for process in running:
            process.terminate()
            process.join()


def _loop(path: Path, images: Sequence[bytes], told: Connection, together: Barrier, physical: bool) -> None:
    answer = (_physical if physical else bare)(Bundle.open(path))
    for image in images[:2]:
        answer(image)
    told.send("ready")
    while True:
        seconds = told.recv()
        together.wait()
        spent_s: list[float] = []
        cpu_s = time.process_time()
        ends_at = time.perf_counter() + seconds
        for i in count():
            begun_at = time.perf_counter()
            if begun_at >= ends_at:
                break
            answer(images[i % len(images)])
            spent_s.append(time.perf_counter() - begun_at)
        told.send((spent_s, time.process_time() - cpu_s))


def bare(bundle: Bundle) -> Loop:
    """All that an answer of the service has in it."""
    import orjson

    from teppr.answers import via_entry
    from teppr.images import decode
    from teppr.registry.runtime import Runtime

    runtime = Runtime(bundle)
    threshold_0_1 = bundle.card.score_threshold_0_1

    def answer(image: bytes) -> bytes:
        pixels, _ = decode(image, name="image")
        found = runtime.predict(pixels).at_least(threshold_0_1)
        return orjson.dumps({"result": {"image": via_entry("image", len(image), found, bundle.card.labels)}})

    return answer


def _physical(bundle: Bundle) -> Loop:
    import cv2
    import onnxruntime
    import orjson

    card = bundle.card
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(bundle.network), options, providers=["CPUExecutionProvider"])
    names = [name for name in card.outputs if name != "masks"]

    def answer(image: bytes) -> bytes:
        pixels: Pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR_RGB)  # type: ignore[assignment]  # OpenCV's types say no more than array
        side = card.image_size_px
        factor = side / max(pixels.shape[:2])
        size = (side, side) if card.square else tuple(round(n * factor) for n in pixels.shape[1::-1])
        fed = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        given = np.ascontiguousarray(fed.transpose(2, 0, 1), np.float32) * np.float32(card.scale)
        outputs = session.run(list(card.outputs), {card.inputs[0]: given[None] if card.batch else given})
        few = {name: output.ravel()[:100] for name, output in zip(card.outputs, outputs, strict=True) if name in names}
        return orjson.dumps(few, option=orjson.OPT_SERIALIZE_NUMPY)

    return answer
