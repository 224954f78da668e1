"""Answers of the service as values."""

import copy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.client.answer import Answer, NotAnAnswer, Region, answer_of, cut, failure_of, job_id_of, models_of
from teppr.formats.via import PLUGIN as VIA

numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-1000, 1000)
points = st.lists(st.tuples(numbers, numbers), max_size=6)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def shape_with(name: str, xy: list[tuple[float, float]]) -> dict[str, Any]:
    return {"name": name, "all_points_x": [x for x, _ in xy], "all_points_y": [y for _, y in xy]}


shapes = st.one_of(
    st.builds(lambda x, y, w, h: {"name": "rect", "x": x, "y": y, "width": w, "height": h}, *[numbers] * 4),
    st.builds(shape_with, st.sampled_from(["polygon", "polyline"]), points),
    st.just({}),
    st.just({"name": "ellipse", "cx": 1, "cy": 2, "rx": 3, "ry": 4}),
)
regions = st.builds(
    lambda shape, label, score: {
        "shape_attributes": shape,
        "region_attributes": {"label": label, "score": score, "color": "#e01818"},
    },
    shapes,
    st.text(max_size=8),
    st.floats(0, 1) | st.sampled_from([0, 1]),
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.text(min_size=1, max_size=8))
    entry = {
        "filename": name,
        "size": 5,
        "file_attributes": {"width": draw(st.integers(1, 9999)), "height": draw(st.integers(1, 9999)), "uuid": "u"},
        "regions": draw(st.lists(regions, max_size=5)),
    }
    return {
        "api": "vision/v2",
        "type": "acme-ods-8",
        "dnnarch": "mask_rcnn",
        "result": {name: entry},
        "status_code": 200,
        "timings": {"total": 0.5},
    }


def back(region: Region) -> dict[str, Any]:
    """A region as the service writes it."""
    shape: dict[str, Any] = {}
    if region.box_xywh_px is not None:
        shape = {"name": "rect", **dict(zip(("x", "y", "width", "height"), region.box_xywh_px, strict=True))}
    for name, xy in (("polygon", region.polygon_xy_px), ("polyline", region.polyline_xy_px)):
        if xy is not None:
            shape = shape_with(name, list(xy))
    attributes = {"label": region.label, "score": region.score_0_1, "color": region.color}
    return {"shape_attributes": shape, "region_attributes": attributes}


def sample() -> dict[str, Any]:
    return {
        "api": "vision/v2",
        "type": "acme-ods-8",
        "dnnarch": "mask_rcnn",
        "result": {
            "a.jpg": {
                "filename": "a.jpg",
                "size": 5,
                "file_attributes": {"width": 320, "height": 240, "uuid": "u"},
                "regions": [
                    {
                        "shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4},
                        "region_attributes": {"label": "stop", "score": 0.5, "color": "#e01818"},
                    }
                ],
            }
        },
        "status_code": 200,
        "timings": {"total": 0.5},
    }


@given(document=documents())
def test_an_answer_says_all_that_its_document_says(document: dict[str, Any]) -> None:
    answer = answer_of(copy.deepcopy(document), "id-1")
    (entry,) = document["result"].values()
    assert answer.raw == document
    assert (answer.model, answer.architecture, answer.request_id) == ("acme-ods-8", "mask_rcnn", "id-1")
    assert answer.filename == entry["filename"]
    assert answer.size_wh == (entry["file_attributes"]["width"], entry["file_attributes"]["height"])
    drawn = [region for region in entry["regions"] if region["shape_attributes"].get("name") != "ellipse"]
    assert [back(region) for region in answer.regions if region.shape != "ellipse"] == drawn
    assert len(answer.regions) == len(entry["regions"])


@given(document=documents(), put=JSON_VALUES, data=st.data())
def test_a_document_with_anything_anywhere_is_an_answer_or_says_where_it_is_none(
    document: dict[str, Any], put: object, data: st.DataObject
) -> None:
    holder: Any = document
    while True:
        keys: list[Any] = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or data.draw(st.booleans()):
            holder[key] = put
            break
        holder = holder[key]
    answer = answer_or_problem(document)
    if isinstance(answer, Answer):
        assert all(0 <= region.score_0_1 <= 1 for region in answer.regions)
    else:
        assert " - at " in str(answer)


def answer_or_problem(document: object) -> Answer | NotAnAnswer:
    try:
        return answer_of(document, "id-1")
    except NotAnAnswer as problem:
        return problem


@given(anything=JSON_VALUES)
def test_any_other_document_is_no_answer(anything: object) -> None:
    for parse in (models_of, job_id_of, lambda document: answer_of(document, "id-1"), lambda d: failure_of(d, "a")):
        with pytest.raises(NotAnAnswer):
            parse(anything)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("timings",), None, "expected dict, got None - at timings"),
        (("type",), 8, "expected str, got 8 - at type"),
        (("result", "a.jpg", "file_attributes", "width"), True, "expected int, got True"),
        (("result", "a.jpg", "file_attributes", "width"), 0, "at least 1 pixel, got 0"),
        (("result", "a.jpg", "regions", 0, "region_attributes", "score"), 1.5, "between 0 and 1, got 1.5"),
        (
            ("result", "a.jpg", "regions", 0, "shape_attributes", "x"),
            "1",
            "expected a finite number, got '1' - at result['a.jpg'].regions[0].shape_attributes.x",
        ),
        (
            ("result", "a.jpg", "regions", 0, "shape_attributes"),
            {"name": "polygon", "all_points_x": [1], "all_points_y": []},
            "as many x as y, got 1 and 0",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(path: tuple[Any, ...], value: object, message: str) -> None:
    document = sample()
    holder: Any = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    with pytest.raises(NotAnAnswer) as raised:
        answer_of(document, "id-1")
    assert message in str(raised.value)


def test_a_class_has_no_place() -> None:
    document = sample()
    document["result"]["a.jpg"]["regions"][0]["shape_attributes"] = {}
    (region,) = answer_of(document, "id-1").regions
    assert region == Region(label="stop", score_0_1=0.5, color="#e01818", shape="image")


def test_an_answer_is_saved_as_a_via_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "answer.json"
    answer_of(sample(), "id-1").save_via(path)
    assert orjson.loads(path.read_bytes()) == sample()
    assert VIA.sniff(path)


def test_of_many_images_each_has_its_answer() -> None:
    document = sample()
    document["result"]["2-a.jpg"] = {**document["result"]["a.jpg"], "filename": "2-a.jpg", "regions": []}
    document["failures"] = {"b.jpg": {"error": "truncated", "code": 400, "detail": "does not decode whole"}}
    part = cut(document, "2-a.jpg", "a.jpg")
    assert part is not None
    answer = answer_of(part, "id-1")
    assert (answer.filename, answer.regions) == ("a.jpg", ())
    assert "failures" not in answer.raw
    assert cut(document, "b.jpg", "b.jpg") is None
    assert failure_of(document, "b.jpg")["error"] == "truncated"
    with pytest.raises(NotAnAnswer, match=r"'c.jpg' is missing - at failures"):
        failure_of(document, "c.jpg")
