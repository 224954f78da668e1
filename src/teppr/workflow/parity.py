"""Whether an exported network finds what the trained one does, on real images."""

from __future__ import annotations

from collections.abc import Iterable

from teppr.images import Pixels
from teppr.tasks.contract import Parity
from teppr.workflow.measure import Find

ENOUGH_FOUND = 20


def compare(parity: Parity, trained: Find, exported: Find, pictures: Iterable[Pixels], at_least: int) -> Parity:
    """Compare on at least so many of the pictures, and on more until enough is found to judge by."""
    for pixels in pictures:
        parity.add(trained(pixels), exported(pixels))
        if parity.images >= at_least and parity.compared >= ENOUGH_FOUND:
            break
    return parity
