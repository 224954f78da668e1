"""What was found, in the shapes that each kind of model and request has."""

from typing import Any

import pytest

from teppr.serving.declined import Declined
from teppr.serving.protocols._vision_answers import TASKS, Wanted, check_task, entry_of
from teppr.serving.tasks import Found
from teppr.types import LabelInfo, ModelCard


def card(task: str, key: str = "acme-ods-1") -> ModelCard:
    labels = (LabelInfo(name="stop", color="#e01818"), LabelInfo(name="go", color="#18b030"))
    return ModelCard(
        key=key, architecture="none", problem="ods", task=task, labels=labels, image_size_px=320, inputs=("image",),
        outputs=("boxes",), decode="instances",
    )  # fmt: skip


def shapes(task: str, wanted: Wanted, found: Found) -> list[dict[str, Any]]:
    entry = entry_of(card(task), found, {"name": "a.png", "size": 7, "wanted": wanted})
    return [region["shape_attributes"] for region in entry["regions"]]


LINE = Found(
    key="acme-ods-1",
    size_wh=(100, 50),
    boxes_xyxy_px=[[10, 5, 30, 40]],
    scores_0_1=[0.9],
    label_ids=[1],
    outlines=[([10.0, 30.0], [40.0, 5.0])],
)


def test_lanes_are_lines() -> None:
    line = {"name": "polyline", "all_points_x": [10.0, 30.0], "all_points_y": [40.0, 5.0]}
    assert shapes("lanes", "lane", LINE) == shapes("lanes", "any", LINE) == [line]
    assert shapes("segment", "any", LINE)[0]["name"] == "polygon"


@pytest.mark.parametrize("boxes", [[], [[0, 0, 1, 1]] * 2], ids=["no boxes", "some boxes"])
def test_a_class_is_said_of_the_whole_image(boxes: list[list[float]]) -> None:
    found = Found(
        key="acme-ods-1",
        size_wh=(100, 50),
        boxes_xyxy_px=boxes,
        scores_0_1=[0.8, 0.2],
        label_ids=[1, 0],
        outlines=[None] * len(boxes),
    )
    whole = {"name": "rect", "x": 0.0, "y": 0.0, "width": 100.0, "height": 50.0}
    assert shapes("classify", "class", found) == [whole, whole]
    entry = entry_of(card("classify"), found, {"name": "a.png", "size": 7, "wanted": "class"})
    assert [region["region_attributes"]["label"] for region in entry["regions"]] == ["go", "stop"]


@pytest.mark.parametrize("task", ["detect", "segment", "lanes", "classify"])
def test_a_model_is_asked_only_for_what_it_does(task: str) -> None:
    check_task(card(task), "any", [])
    for wanted, tasks in TASKS.items():
        if task in tasks:
            check_task(card(task), wanted, [])
            continue
        with pytest.raises(Declined, match=f"its task is {task}") as refusal:
            check_task(card(task), wanted, [card(task), card(tasks[0], "acme-fit-2")])
        assert refusal.value.status == 422
        assert "acme-fit-2" in str(refusal.value)
