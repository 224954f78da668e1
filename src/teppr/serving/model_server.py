"""A process that runs models: takes tasks off the queue in batches, decodes, predicts, answers; nothing else.

The loop is one thread: as many of these processes as cores do more than threads, and one that dies harms no other.
A second thread tells the queue that the process lives, and how it does.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import uuid4

from teppr import images
from teppr.answers import outlines_of
from teppr.errors import BadImage, Corrupt
from teppr.images import Pixels
from teppr.registry.runtime import Runtime
from teppr.serving.consumer import Batch, Consumer, Task
from teppr.serving.declined import IMAGE_STATUS
from teppr.serving.directory import Presence, ServedModel
from teppr.serving.queue import QUEUE_ERRORS, Outage, Priority, connect, stream_of
from teppr.serving.scheduler import Scheduler
from teppr.serving.tasks import Ask, Failed, Found, Outcome, decode_ask

IDLE_MS = 500
CLAIM_EVERY_S = 1.0
HANGS_AFTER_S = 120.0
RETRY_S = 0.2
log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """most: images a batch; wait_ms: how long a batch that is not full waits for more; max_image_pixels."""

    max_batch: int = 8
    max_wait_ms: int = 0
    max_image_pixels: int = images.DEFAULT_MAX_PIXELS


class ModelServer:
    """Serves models from a queue until it is told to stop.

    models: by the name that each was asked for
    """

    def __init__(self, url: str, models: Mapping[str, Runtime], limits: ServerLimits) -> None:
        self._models = {model.card.key: model for model in models.values()}
        self._limits = limits
        self.name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._streams = {
            stream_of(key, priority).encode(): (key, priority) for key in self._models for priority in Priority
        }
        self._queue = connect(url)
        self._consumer = Consumer(
            self._queue, self.name, [stream.decode() for stream in self._streams], hangs_after_s=HANGS_AFTER_S
        )
        self._scheduler = Scheduler(list(self._models))
        self._presence = Presence(
            connect(url),
            self.name,
            [ServedModel(card=model.card, asked_as=name, max_batch=limits.max_batch) for name, model in models.items()],
        )
        self._outage = Outage()
        self._ends = threading.Event()
        self._claimed_at = 0.0

    def end(self) -> None:
        """Let `run` return after the batch under way; may be called from anywhere."""
        self._ends.set()

    def run(self, on_ready: Callable[[], None]) -> None:
        """Take and answer until `end`; a queue that is gone is waited for."""
        with self._presence:
            on_ready()
            while not self._ends.is_set():
                try:
                    batches = self._next()
                    self._outage.back()
                    for batch in batches:
                        self._serve(batch)
                except QUEUE_ERRORS as error:
                    self._outage.gone(error)
                    self._ends.wait(RETRY_S)

    def _next(self) -> Sequence[Batch]:
        now = time.monotonic()
        if now - self._claimed_at > CLAIM_EVERY_S:
            claimed = self._consumer.claim()
            if claimed.tasks:
                return [claimed]
            self._claimed_at = now
        order = [stream_of(key, priority) for key, priority in self._scheduler.order()]
        batch = self._consumer.take(order, self._limits.max_batch)
        return [batch] if batch.tasks else self._consumer.wait(IDLE_MS)

    def _serve(self, batch: Batch) -> None:
        begun_at = time.perf_counter()
        key, priority = self._streams[batch.stream]
        outcomes = self._outcomes(self._models[key], batch.tasks)
        self._store(batch.stream, outcomes)
        spent_s = time.perf_counter() - begun_at
        self._scheduler.done(key, priority, spent_s)
        self._presence.worked(key, spent_s, len(batch.tasks))

    def _store(self, stream: bytes, outcomes: Sequence[tuple[Task, Outcome]]) -> None:
        """Answer, again and again while the queue is gone: what was computed is not lost, nor computed twice."""
        while True:
            try:
                self._consumer.answer(stream, outcomes)
                return
            except QUEUE_ERRORS as error:
                self._outage.gone(error)
                if self._ends.wait(RETRY_S):
                    return

    def _outcomes(self, model: Runtime, tasks: Sequence[Task]) -> list[tuple[Task, Outcome]]:
        return [(task, self._outcome(model, task)) for task in tasks]

    def _outcome(self, model: Runtime, task: Task) -> Outcome:
        begun_at = time.perf_counter()
        ask = decode_ask(task.ask)
        try:
            pixels, _ = images.decode(task.image, name=ask.name, max_pixels=self._limits.max_image_pixels)
        except BadImage as error:
            return Failed(status=IMAGE_STATUS.get(error.reason, 400), error=error.reason, detail=str(error))
        except MemoryError:
            says = f"decoding {ask.name} needs more memory than the model server may have (--memory-limit)"
            return Failed(status=413, error="too-large", detail=says)
        decoded_at = time.perf_counter()
        return _predicted(model, pixels, ask, {"wait": task.waited_ms / 1000, "decode": decoded_at - begun_at})


def _predicted(model: Runtime, pixels: Pixels, ask: Ask, timings_s: Mapping[str, float]) -> Found | Failed:
    begun_at = time.perf_counter()
    try:
        detections = model.predict(pixels).at_least(ask.threshold_0_1)
    except Corrupt as error:
        # The model ran when it was loaded: it is this image that it does not run on.
        log.warning("%s", error)
        height, width = pixels.shape[:2]
        says = f"model {ask.key} does not run on {ask.name}, an image of {width} x {height} pixels"
        return Failed(status=422, error="model-cannot", detail=says)
    spent = {**timings_s, "predict": time.perf_counter() - begun_at}
    return Found(
        size_wh=detections.size_wh,
        boxes_xyxy_px=detections.boxes_xyxy_px.tolist(),
        scores_0_1=detections.scores_0_1.tolist(),
        label_ids=detections.label_ids.tolist(),
        outlines_xy_px=outlines_of(detections) if ask.outlines else [None] * len(detections),
        timings_s=spent,
    )
