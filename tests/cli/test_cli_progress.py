"""Progress without a terminal: lines, few enough to be read."""

from teppr.cli.progress_lines import Lines


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
