"""A process that runs models: takes tasks off the queue in batches, decodes, predicts, answers; nothing else.

The loop is one thread: as many of these processes as cores do more than threads, and one that dies harms no other.
A second thread tells the queue that the process lives, and how it does.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import uuid4

import cv2

from teppr import images
from teppr.answers import outlines_of
from teppr.errors import BadImage, Corrupt
from teppr.registry.runtime import Fed, Runtime
from teppr.serving.consumer import Batch, Consumer, Task
from teppr.serving.declined import IMAGE_STATUS
from teppr.serving.directory import Presence, ServedModel
from teppr.serving.queue import QUEUE_ERRORS, Outage, Priority, connect, stream_of
from teppr.serving.scheduler import Scheduler
from teppr.serving.tasks import Ask, Failed, Found, Outcome, decode_ask
from teppr.types import Detections

IDLE_MS = 500
CLAIM_EVERY_S = 1.0
HANGS_AFTER_S = 120.0
RETRY_S = 0.2
log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """What bounds the work of a model server.

    max_batch: images that go through a network together, where it takes several at all; 0 = as many as is best for it
    max_wait_ms: how long such a batch waits for more images
    """

    max_batch: int = 0
    max_wait_ms: int = 0
    max_image_pixels: int = images.DEFAULT_MAX_PIXELS

    def batch_of(self, model: Runtime) -> int:
        """How many tasks of a model are taken at a time.

        One where its network takes one image: in a batch the first answer would wait for the last.
        """
        return (self.max_batch or model.most_together) if model.card.batch else 1


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A task whose image was decoded, at the size for its model."""

    task: Task
    ask: Ask
    fed: Fed
    decode_s: float


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
            [
                ServedModel(card=model.card, asked_as=name, max_batch=limits.batch_of(model))
                for name, model in models.items()
            ],
        )
        self._outage = Outage()
        self._ends = threading.Event()
        self._claimed_at = 0.0

    def end(self) -> None:
        """Let `run` return after the batch under way; may be called from anywhere."""
        self._ends.set()

    def run(self, on_ready: Callable[[], None]) -> None:
        """Take and answer until `end`; a queue that is gone is waited for."""
        cv2.setNumThreads(1)  # its threads would take turns with those of the other servers, and cost twice the time
        gc.freeze()  # what is loaded stays: looking through it for garbage would only make some answers late
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
        for most, order in groupby(self._scheduler.order(), key=self._most):
            batch = self._consumer.take([stream_of(key, priority) for key, priority in order], most)
            if batch.tasks:
                return [self._filled(batch)]
        return [self._filled(batch) for batch in self._consumer.wait(IDLE_MS)]

    def _most(self, stream: tuple[str, Priority]) -> int:
        return self._limits.batch_of(self._models[stream[0]])

    def _filled(self, batch: Batch) -> Batch:
        if not self._limits.max_wait_ms:
            return batch
        return self._consumer.fill(batch, self._most(self._streams[batch.stream]), self._limits.max_wait_ms)

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
        """What becomes of each task of a batch, in any order; what is wrong with one is its own affair."""
        failed: list[tuple[Task, Outcome]] = []
        pictures = []
        for task in tasks:
            picture = self._picture(model, task)
            if isinstance(picture, Failed):
                failed.append((task, picture))
            else:
                pictures.append(picture)
        return failed + _predicted(model, pictures)

    def _picture(self, model: Runtime, task: Task) -> Picture | Failed:
        begun_at = time.perf_counter()
        try:
            ask = decode_ask(task.ask)
        except Corrupt as error:
            log.warning("%s", error)
            return Failed(status=503, error="busy", detail=str(error))
        try:
            pixels, _ = images.decode(task.image, name=ask.name, max_pixels=self._limits.max_image_pixels)
            fed = model.feed(pixels, ask.threshold_0_1)
            return Picture(task, ask, fed, decode_s=time.perf_counter() - begun_at)
        except BadImage as error:
            return Failed(status=IMAGE_STATUS.get(error.reason, 400), error=error.reason, detail=str(error))
        except MemoryError:
            says = f"decoding {ask.name} needs more memory than the model server may have (memory_limit)"
            return Failed(status=413, error="too-large", detail=says)


def _predicted(model: Runtime, pictures: Sequence[Picture]) -> list[tuple[Task, Outcome]]:
    begun_at = time.perf_counter()
    found = model.predict_many([picture.fed for picture in pictures])
    predict_s = time.perf_counter() - begun_at
    return [
        (picture.task, _outcome(picture, detections, predict_s))
        for picture, detections in zip(pictures, found, strict=True)
    ]


def _outcome(picture: Picture, detections: Detections | Corrupt, predict_s: float) -> Outcome:
    ask = picture.ask
    if isinstance(detections, Corrupt):
        # The model ran when it was loaded: it is this image that it does not run on.
        log.warning("%s", detections)
        width, height = picture.fed.size_wh
        says = f"model {ask.key} does not run on {ask.name}, an image of {width} x {height} pixels"
        return Failed(status=422, error="model-cannot", detail=says)
    return Found(
        key=ask.key,
        size_wh=detections.size_wh,
        boxes_xyxy_px=detections.boxes_xyxy_px.tolist(),
        scores_0_1=detections.scores_0_1.tolist(),
        label_ids=detections.label_ids.tolist(),
        outlines=outlines_of(detections) if ask.outlines else [None] * len(detections),
        timings_s={"wait": picture.task.waited_ms / 1000, "decode": picture.decode_s, "predict": predict_s},
    )
