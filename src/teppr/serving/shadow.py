"""Models that only look on: asked as bulk beside the one that answers, never waited for, compared and counted.

Of a label, an object counts as found by both where their boxes overlap by half (intersection over union), each box
once, best score first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from teppr.errors import TepprError
from teppr.serving.queue import QUEUE_ERRORS
from teppr.serving.routes import Route
from teppr.serving.tasks import Failed, Found, Outcome

if TYPE_CHECKING:
    import redis
    from redis.asyncio import Redis as AsyncRedis

FIGURES = "teppr:shadow:"
MOST_AT_A_TIME = 32
"""Images that a web process keeps for its shadows; beyond it a shadow is passed over, which is counted."""
SAME_0_1 = 0.5
Box: TypeAlias = Sequence[float]
log = logging.getLogger("teppr.serving")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a model found, by the names of its labels: {label: [(box, score), best first]}."""

    objects: Mapping[str, Sequence[tuple[Box, float]]]

    @classmethod
    def of(cls, found: Found, labels: Sequence[str]) -> Sight:
        """Of an answer and the labels of the model that gave it."""
        objects: dict[str, list[tuple[Box, float]]] = {}
        for box, score, label_id in zip(found.boxes_xyxy_px, found.scores_0_1, found.label_ids, strict=True):
            objects.setdefault(labels[label_id], []).append((box, score))
        return cls(objects=objects)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """Of a label: objects that the answering model found, the shadow found, both found; mean scores."""

    label: str
    answered: int
    shadow: int
    both: int
    mean_score_answered_0_1: float | None
    mean_score_shadow_0_1: float | None

    @property
    def agreement_0_1(self) -> float | None:
        """Found by both, of all that were found by either (twice both, over the sum); None where there is nothing."""
        found = self.answered + self.shadow
        return 2 * self.both / found if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowFigures:
    """How a shadow compares; skipped: requests that it was not put to, since too many waited for it already."""

    name: str
    key: str
    compared: int
    failed: int
    skipped: int
    labels: tuple[LabelFigures, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        labels = [{**asdict(row), "agreement_0_1": row.agreement_0_1} for row in self.labels]
        return {**asdict(self), "labels": labels}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look of a shadow.

    name: of the route
    key, labels: of the shadow
    answered: what the model found that answers
    ask: puts the image to the shadow
    """

    name: str
    key: str
    labels: Sequence[str]
    answered: Sight
    ask: Callable[[], Awaitable[Outcome]]


class Shadows:
    """Asks shadows of a web process, in tasks of its event loop."""

    def __init__(self, queue: AsyncRedis) -> None:
        self._queue = queue
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many are asked just now."""
        return len(self._under_way)

    async def close(self) -> None:
        """Forget those under way."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def look_on(self, look: Look) -> None:
        """Ask a shadow and count how its answer compares; returns at once."""
        is_full = len(self._under_way) >= MOST_AT_A_TIME
        task = asyncio.create_task(self._count(look, {"skipped": 1}) if is_full else self._compare(look))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _compare(self, look: Look) -> None:
        try:
            outcome = await look.ask()
        except (TepprError, TimeoutError, *QUEUE_ERRORS) as error:
            log.info("shadow %s of %s is not asked: %s", look.key, look.name, error)
            await self._count(look, {"failed": 1})
            return
        if isinstance(outcome, Failed):
            await self._count(look, {"failed": 1})
        else:
            await self._count(look, compare(look.answered, Sight.of(outcome, look.labels)))

    async def _count(self, look: Look, counts: Mapping[str, float]) -> None:
        try:
            async with self._queue.pipeline(transaction=False) as together:
                for what, count in counts.items():
                    together.hincrbyfloat(f"{FIGURES}{look.name}:{look.key}", what, count)
                await together.execute()
        except QUEUE_ERRORS as error:
            log.warning("the queue does not answer, a shadow is not counted: %s", error)


def compare(answered: Sight, shadow: Sight) -> dict[str, float]:
    """What to add to the figures: "compared", and for each label its objects, by whom, and their scores."""
    counts: Counter[str] = Counter()
    counts["compared"] = 1
    sums: dict[str, float] = {}
    for label in answered.objects.keys() | shadow.objects.keys():
        mine, its = answered.objects.get(label, ()), shadow.objects.get(label, ())
        counts[f"answered {label}"] += len(mine)
        counts[f"shadow {label}"] += len(its)
        counts[f"both {label}"] += _both([box for box, _ in mine], [box for box, _ in its])
        sums[f"answered_score {label}"] = sum(score for _, score in mine)
        sums[f"shadow_score {label}"] = sum(score for _, score in its)
    return {**counts, **sums}


def read_figures(queue: redis.Redis, routes: Mapping[str, Route]) -> list[ShadowFigures]:
    """The figures of all shadows of these routes."""
    pairs = [(name, key) for name, route in sorted(routes.items()) for key in route.shadows]
    return [_figures(name, key, _told(queue, name, key)) for name, key in pairs]


def forget_figures(queue: redis.Redis, name: str, keys: Iterable[str]) -> None:
    """Count from the beginning."""
    for key in keys:
        queue.delete(f"{FIGURES}{name}:{key}")


def _told(queue: redis.Redis, name: str, key: str) -> dict[str, float]:
    told: Any = queue.hgetall(f"{FIGURES}{name}:{key}")
    return {what.decode(): float(count) for what, count in told.items()}


def _figures(name: str, key: str, told: Mapping[str, float]) -> ShadowFigures:
    labels = sorted({what.partition(" ")[2] for what in told if " " in what})
    rows = [
        LabelFigures(
            label=label,
            answered=int(answered := told.get(f"answered {label}", 0)),
            shadow=int(shadow := told.get(f"shadow {label}", 0)),
            both=int(told.get(f"both {label}", 0)),
            mean_score_answered_0_1=told.get(f"answered_score {label}", 0) / answered if answered else None,
            mean_score_shadow_0_1=told.get(f"shadow_score {label}", 0) / shadow if shadow else None,
        )
        for label in labels
    ]
    counted = {what: int(told.get(what, 0)) for what in ("compared", "failed", "skipped")}
    return ShadowFigures(name=name, key=key, labels=tuple(rows), **counted)


def _both(mine: Sequence[Box], its: Sequence[Box]) -> int:
    left = list(its)
    both = 0
    for box in mine:
        best = max(left, key=lambda other: _iou(box, other), default=None)
        if best is not None and _iou(box, best) >= SAME_0_1:
            left.remove(best)
            both += 1
    return both


def _iou(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inside = width * height
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)
