"""The models of one process: found by name, run beside the event loop, never more at a time than there are threads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from teppr import images
from teppr.errors import BadInput, Corrupt, UnknownName
from teppr.images import Pixels
from teppr.serving.refusals import Declined
from teppr.types import Detections, ModelCard

RETRY_AFTER_S = 1
log = logging.getLogger("teppr.serving")
NO_ALIASES: Mapping[str, str] = MappingProxyType({})


class Model(Protocol):
    """What the engine runs: `teppr.registry.runtime.Runtime`; called from several threads at a time."""

    @property
    def card(self) -> ModelCard:
        """What is known of the model."""

    def predict(self, pixels: Pixels) -> Detections:
        """The objects in an image [height, width, 3] in RGB, in its own pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """threads: images that are worked on at a time; max_requests: those, and the ones that are read or wait."""

    threads: int
    max_requests: int
    max_image_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model found, and how long it took.

    detections: all that score at least the threshold
    timings_s: wait (for a free thread), decode, predict
    """

    card: ModelCard
    detections: Detections
    timings_s: Mapping[str, float] = field(default_factory=dict)


class Engine:
    """Runs the given models; the first is the default.

    aliases: {other name: key} under which models may be asked for, too
    score_threshold_0_1: goes over the models' own; None = theirs
    Raises BadInput where two models have the same key, or where there is none.
    """

    def __init__(
        self,
        models: Sequence[Model],
        limits: EngineLimits,
        *,
        aliases: Mapping[str, str] = NO_ALIASES,
        score_threshold_0_1: float | None = None,
    ) -> None:
        self._models = {model.card.key: model for model in models}
        if not models or len(self._models) < len(models):
            raise BadInput(f"need one or more models, each once, got {[model.card.key for model in models]}")
        self._aliases = dict(aliases)
        self._score_threshold_0_1 = score_threshold_0_1
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.threads, thread_name_prefix="predict")
        self._requests = 0

    @property
    def limits(self) -> EngineLimits:
        """What bounds the work."""
        return self._limits

    @property
    def models(self) -> tuple[Model, ...]:
        """What it runs, the default first."""
        return tuple(self._models.values())

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The models' cards, the default first."""
        return tuple(model.card for model in self.models)

    def find(self, name: str | None) -> ModelCard:
        """The model of that key or alias, the default for None; raises UnknownName listing the nearest and all."""
        if name is None:
            return self.cards[0]
        key = self._aliases.get(name, name)
        if key not in self._models:
            raise UnknownName.of("model", name, [*self._models, *self._aliases])
        return self._models[key].card

    def threshold_0_1(self, card: ModelCard, asked: float | None = None) -> float:
        """The score that counts: the request's, else the service's, else the model's."""
        choices = (asked, self._score_threshold_0_1, card.score_threshold_0_1)
        return next(choice for choice in choices if choice is not None)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among the requests under way; raises Declined 503 where all are taken.

        Only for the event loop's thread.
        """
        if self._requests >= self._limits.max_requests:
            raise Declined(
                503,
                "busy",
                f"{self._requests} requests are under way, as many as this service takes (setting max_requests); "
                f"try again in {RETRY_AFTER_S} s",
                retry_after_s=RETRY_AFTER_S,
            )
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def predict(self, card: ModelCard, data: bytes, *, name: str, threshold_0_1: float) -> Prediction:
        """Decode the image and run the model in a thread; raises BadImage."""
        asked_at = time.perf_counter()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._work, card, data, name, threshold_0_1, asked_at)

    def close(self) -> None:
        """Wait for the work under way, and end the threads."""
        self._pool.shutdown(wait=True)

    def _work(self, card: ModelCard, data: bytes, name: str, threshold_0_1: float, asked_at: float) -> Prediction:
        begun_at = time.perf_counter()
        pixels, _ = images.decode(data, name=name, max_pixels=self._limits.max_image_pixels)
        decoded_at = time.perf_counter()
        try:
            detections = self._models[card.key].predict(pixels).at_least(threshold_0_1)
        except Corrupt as error:
            # The model ran when it was loaded: it is this image that it does not run on.
            log.warning("%s", error)
            height, width = pixels.shape[:2]
            raise Declined(
                422, "model-cannot", f"model {card.key} does not run on {name}, an image of {width} x {height} pixels"
            ) from error
        timings_s = {
            "wait": begun_at - asked_at,
            "decode": decoded_at - begun_at,
            "predict": time.perf_counter() - decoded_at,
        }
        return Prediction(card=card, detections=detections, timings_s=timings_s)
