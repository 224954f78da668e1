"""Progress: columns that a terminal has room for, and lines where there is none."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from teppr.cli.progress_lines import Lines
from teppr.cli.session import columns_of


class Watch:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_is_said_every_ten_seconds_of_work_at_most() -> None:
    clock, said = Watch(), list[str]()
    bar = Lines("predicting", said.append, clock=clock)
    bar.expect(100)
    for _ in range(50):
        clock.now += 1
        bar.advance(news="a.png")
    assert said[0] == "predicting: 10 of 100, 10 s, about 90 s left, a.png"
    assert len(said) == 5


def test_short_work_says_nothing() -> None:
    said = list[str]()
    bar = Lines("predicting", said.append, total=3, clock=Watch())
    for _ in range(3):
        bar.advance()
    assert said == []


def test_a_milestone_is_said_at_once_and_with_what_is_left() -> None:
    clock, said = Watch(), list[str]()
    bar = Lines("training", said.append, total=40, clock=clock)
    bar.skip(20)
    clock.now += 5
    bar.advance(10)
    bar.milestone("epoch 3 of 4: loss 0.412, val/map_50 0.310")
    assert said == ["training: 30 of 40, 5 s, about 5 s left, epoch 3 of 4: loss 0.412, val/map_50 0.310"]


@pytest.mark.parametrize("width", [80, 120])
def test_what_a_bar_shows_fits_its_terminal_uncut(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    bar = Progress(*columns_of(width), console=console, disable=True)
    bar.add_task("training", total=984, completed=82, news="epoch 2/12, loss 0.512, best val/map_50 0.310")
    with console.capture() as shown:
        console.print(bar.get_renderable())
    (line,) = shown.get().splitlines()
    for part in ("training", " 82/984", "epoch 2/12, loss 0.512, best val/map_50 0.310"):
        assert part in line
    assert "…" not in line
