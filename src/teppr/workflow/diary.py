"""What a training writes down as it goes: `metrics.jsonl` and TensorBoard's events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from teppr.datasets.snapshot import SnapshotImage
from teppr.files import whole_file
from teppr.tasks.contract import Task
from teppr.types import Detections, LabelInfo

if TYPE_CHECKING:
    from teppr.workflow.tensorboard import Board

STEPS_BETWEEN = 10
"""Steps between two points of a curve."""


class Diary:
    """One line an epoch, a point of each curve every few steps; nothing twice, however often training is cut off."""

    def __init__(self, run: Path, epoch: int, step: int, task: Task) -> None:
        """So many epochs and steps are done: what was written beyond them is taken back."""
        self._lines = run / "metrics.jsonl"
        self._take_back(epoch)
        self._board = _board(run / "tensorboard", step, task)

    def step(self, values: Mapping[str, float], step: int) -> None:
        """After each step."""
        if self._board and step % STEPS_BETWEEN == 0:
            self._board.figures({f"train/{name}": value for name, value in values.items()}, step)

    def epoch(self, figures: Mapping[str, float], *, epoch: int, step: int, seconds: float) -> None:
        """After each epoch."""
        line = {"epoch": epoch, "step": step, "seconds": round(seconds, 2), **figures}
        with self._lines.open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
        if self._board:
            self._board.figures({name: value for name, value in figures.items() if name.startswith("val/")}, step)

    def pictures(
        self, examples: Iterable[tuple[SnapshotImage, Detections]], labels: tuple[LabelInfo, ...], step: int
    ) -> None:
        """Truth and detections side by side."""
        if self._board:
            self._board.pictures(examples, labels, step)

    def close(self) -> None:
        """Write out what is not yet."""
        if self._board:
            self._board.close()

    def _take_back(self, epoch: int) -> None:
        kept = [line for line in read_lines(self._lines) if line["epoch"] <= epoch]
        with whole_file(self._lines) as file:
            file.writelines(orjson.dumps(line) + b"\n" for line in kept)


def _board(folder: Path, step: int, task: Task) -> Board | None:
    """TensorBoard's events, which PyTorch writes; None where it is not installed."""
    if find_spec("torch") is None:
        return None
    from teppr.workflow.tensorboard import Board

    return Board(folder, step, task)


def read_lines(path: Path) -> list[dict[str, float]]:
    """The measurements of `metrics.jsonl`, oldest first; a line that was cut off in writing is passed over."""
    if not path.is_file():
        return []
    return [orjson.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
