"""A folder of experiment files as a queue: whoever likes puts files in, one process or several take them out.

FOLDER/*.yml     what waits, the oldest first; a file that is being done stays here, held by a lock
FOLDER/done/     what went well, each with `<name>.json`: what came of it
FOLDER/failed/   what did not, with the reason in the same place
FOLDER/logs/     remarks of the experiments' processes

A file that a killed process had taken is free again at once, for the system lets go of its lock.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from teppr.experiments.batch import is_experiment_file
from teppr.experiments.outcome import Outcome
from teppr.files import write_json

DONE, FAILED, LOGS = "done", "failed", "logs"
SETTLED_S = 1.0
"""A file that was changed less long ago may still be written by whoever puts it in."""


@dataclass(frozen=True, slots=True)
class QueueFolder:
    """The queue."""

    path: Path

    def waiting(self) -> list[Path]:
        """Files that wait or are being done, the oldest first."""
        found = [(path.stat().st_mtime, path.name, path) for path in self.path.glob("*") if is_experiment_file(path)]
        return [path for _, _, path in sorted(found)]

    @contextmanager
    def taking(self) -> Iterator[Path | None]:
        """The oldest file that nobody has, held until the block ends; None where there is none to be had now."""
        for path in self.waiting():
            if (held := _hold(path)) is not None:
                with held:
                    yield path
                return
        yield None

    def has_unsettled(self) -> bool:
        """Whether a file was put in a moment ago."""
        return any(not _is_settled(path) for path in self.waiting())

    def put_away(self, file: Path, outcomes: Sequence[Outcome]) -> Path:
        """Move a file to where its outcomes belong, the reasons first; returns its place. Only while it is held."""
        well = all(outcome.is_well for outcome in outcomes)
        place = _free(self.path / (DONE if well else FAILED) / file.name)
        about = {"verdict": DONE if well else FAILED, "experiments": [outcome.to_dict() for outcome in outcomes]}
        write_json(place.with_name(f"{place.name}.json"), about)
        file.rename(place)
        return place


def _hold(path: Path) -> BinaryIO | None:
    """The file, locked, if it is settled and nobody else has it."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the look and the lock another may have done it, or whoever put it in may have replaced it.
        if _is_settled(path) and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
    except (BlockingIOError, FileNotFoundError):
        pass
    file.close()
    return None


def _is_settled(path: Path) -> bool:
    try:
        return not 0 <= time.time() - path.stat().st_mtime < SETTLED_S
    except FileNotFoundError:
        return True


def _free(place: Path) -> Path:
    """The place, or one with a number if a file of that name was put away before."""
    number, free = 2, place
    while free.exists():
        free = place.with_name(f"{place.stem}-{number}{place.suffix}")
        number += 1
    return free
