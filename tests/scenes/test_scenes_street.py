"""Generated street scenes and the faults planted in them."""

import json
from pathlib import Path

import numpy as np
import pytest

from teppr import geometry
from teppr.errors import AlreadyThere, BadInput
from teppr.scenes.delivery import deliver
from teppr.scenes.street import LABELS, scene


def test_the_same_state_gives_the_same_picture() -> None:
    first, second = scene(np.random.default_rng(3)), scene(np.random.default_rng(3))
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.objects == second.objects


def test_objects_lie_inside_their_picture_and_all_labels_occur() -> None:
    random = np.random.default_rng(5)
    objects = [item for _ in range(20) for item in scene(random).objects]
    assert {item.label for item in objects} == set(LABELS)
    for item in objects:
        x, y, width, height = geometry.box_xywh(item.shape)
        assert x >= 0
        assert y >= 0
        assert x + width <= 480
        assert y + height <= 320


def test_a_delivery_is_the_same_each_time_and_lists_its_faults(tmp_path: Path) -> None:
    made = [deliver(tmp_path / name, images=48, samples=1) for name in ("a", "b")]
    contents = [
        {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
        for root in (tmp_path / "a", tmp_path / "b")
    ]
    assert contents[0] == contents[1]
    expected = json.loads(contents[0]["EXPECTED.json"])
    assert expected["findings"] == made[0].planted
    assert len(expected["planted"]) == sum(made[0].planted.values())
    assert {"DR01", "DR02", "DR03", "DR04", "DR05", "DR06", "DR07", "DR08", "DR18"} <= set(expected["findings"])


def test_a_full_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AlreadyThere, match="not empty"):
        deliver(tmp_path, images=48)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 48 images"):
        deliver(tmp_path / "a", images=3)
