"""Training, by whoever sees to it: teppr for networks of PyTorch, the architecture itself for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from teppr.architectures.contract import ARCHITECTURES, SelfTaught
from teppr.images import DEFAULT_MAX_PIXELS
from teppr.progress import QUIET, Progress
from teppr.workflow.compute import Compute
from teppr.workflow.fit import fit
from teppr.workflow.interrupt import never
from teppr.workflow.run import Run


def learn(
    run: Run,
    home: Path,
    *,
    compute: Compute | None = None,
    progress: Progress = QUIET,
    stop: Callable[[], bool] = never,
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Run:
    """Train to the end, or until `stop` says so; the run's state says which. See `train` and `fit`."""
    architecture = ARCHITECTURES.load(run.experiment.architecture)
    if isinstance(architecture, SelfTaught):
        return fit(run, home, architecture, progress=progress, stop=stop, max_pixels=max_pixels)
    from teppr.workflow.train import train

    return train(run, home, compute=compute, progress=progress, stop=stop, max_pixels=max_pixels)
