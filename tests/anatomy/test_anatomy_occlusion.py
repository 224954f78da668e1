from pathlib import Path

import numpy as np

from teppr.anatomy.occlusion import RUNS, occlusion
from teppr.progress import Progress
from teppr.registry.runtime import Runtime
from teppr.testing.bundles import colored_picture, small_bundle


class Counting(Progress):
    steps = 0

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:  # noqa: ARG002 - as it is
        self.steps += steps


def test_heat_is_where_the_object_is(tmp_path: Path) -> None:
    # Given a red patch on the left and a green one on the right
    picture = colored_picture({"stop": (40, 80, 60, 60), "go": (220, 80, 60, 60)})
    find = Runtime(small_bundle(tmp_path / "bundle")).predict
    counting = Counting()
    # When parts are covered
    stop, go, wait = occlusion(find, picture, 3, progress=counting)
    # Then each label is hot on its own side, and one that is nowhere is cold
    assert stop.heat[:, :6].sum() > 10 * stop.heat[:, 6:].sum()
    assert go.heat[:, 6:].sum() > 10 * go.heat[:, :6].sum()
    assert wait.heat.max() == wait.score == 0
    assert np.unravel_index(stop.heat.argmax(), stop.heat.shape)[0] in range(3, 8)
    assert counting.steps == RUNS - 1
