"""When requests are due in an open loop, whatever becomes of those before them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from teppr.stress.plan import Stage


def due_times(stage: Stage, index: int, of: int, seed: int = 0) -> Iterator[float]:
    """Seconds from the stage's begin at which one of `of` sources sends; all together keep the stage's rate.

    Even arrivals of the sources lie between each other's; Poisson arrivals are the same for the same seed.
    """
    rate_per_s = stage.rate_per_s or 0.0
    chance = random.Random(f"{seed}/{index}/{of}/{rate_per_s}")  # noqa: S311 - no secret, and to be repeated
    apart_s = of / rate_per_s
    due_s = index / rate_per_s if stage.arrivals == "even" else chance.expovariate(1 / apart_s)
    turn = 0
    while due_s < stage.seconds:
        yield due_s
        turn += 1
        due_s = (
            (index + turn * of) / rate_per_s if stage.arrivals == "even" else due_s + chance.expovariate(1 / apart_s)
        )
