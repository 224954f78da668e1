"""How commands are told which run they are about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from teppr.workflow.run import Run

EXPERIMENT_SUFFIXES = frozenset({".yml", ".yaml"})


def named_run(home: Path, reference: str) -> Run:
    """The run of an id, a folder, or an experiment file that was trained; raises UnknownName."""
    if is_experiment(reference):
        from teppr.workflow.begin import run_of
        from teppr.workflow.experiment import read_experiment

        return run_of(read_experiment(Path(reference)), home)
    from teppr.workflow.run import find_run

    return find_run(home, reference)


def is_experiment(reference: str) -> bool:
    """Whether it is an experiment file that is meant."""
    return Path(reference).suffix in EXPERIMENT_SUFFIXES
