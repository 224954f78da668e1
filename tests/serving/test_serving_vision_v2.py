"""The API's routes and answers, in this process."""

import base64
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from teppr.formats.contract import FORMATS, ReadOptions
from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
from teppr.testing.bundles import colored_picture
from teppr.types import ImageRecord, Region

API = "/api/vision/v2"
ANSWER = {"api", "type", "dnnarch", "result", "status_code", "timings"}


def entry_of(answer: dict[str, Any]) -> dict[str, Any]:
    (entry,) = answer["result"].values()
    assert isinstance(entry, dict)
    return entry


def ask(client: httpx.Client, picture: bytes, path: str = "/predict", **fields: str) -> dict[str, Any]:
    response = client.post(API + path, files={"image": ("p.png", picture, "image/png")}, data=fields)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


def test_an_answer_has_the_fields_that_clients_know(client: httpx.Client, picture: bytes) -> None:
    answer = ask(client, picture)
    assert set(answer) == ANSWER
    assert (answer["api"], answer["type"], answer["dnnarch"]) == ("vision/v2", "acme-ods-1", "color_finder")
    assert answer["status_code"] == 200
    entry = answer["result"]["p.png"]
    assert set(entry) == {"filename", "size", "file_attributes", "regions"}
    assert entry["filename"] == "p.png"
    assert entry["size"] == len(picture)
    assert set(entry["file_attributes"]) == {"width", "height", "uuid"}
    assert (entry["file_attributes"]["width"], entry["file_attributes"]["height"]) == (320, 240)
    assert all(set(region) == {"shape_attributes", "region_attributes"} for region in entry["regions"])
    assert {region["region_attributes"]["label"] for region in entry["regions"]} == {"stop", "go"}
    assert all(set(region["region_attributes"]) == {"label", "score", "color"} for region in entry["regions"])


def test_timings_are_seconds_that_add_up_to_no_more_than_the_total(client: httpx.Client, picture: bytes) -> None:
    timings = ask(client, picture)["timings"]
    assert set(timings) == {"read", "wait", "decode", "predict", "total"}
    parts = sum(spent for step, spent in timings.items() if step != "total")
    assert 0 < parts <= timings["total"] + 1e-5


def test_boxes_are_what_the_model_finds_in_the_pixels_of_the_image(client: httpx.Client, picture: bytes) -> None:
    regions = entry_of(ask(client, picture, "/predict/bbox"))["regions"]
    found = {region["region_attributes"]["label"]: region["shape_attributes"] for region in regions}
    assert found["stop"] == {"name": "rect", "x": 20, "y": 30, "width": 80, "height": 60}
    assert found["go"] == {"name": "rect", "x": 150, "y": 100, "width": 60, "height": 90}


def test_polygons_have_as_many_x_as_y_inside_the_image(client: httpx.Client, picture: bytes) -> None:
    for region in entry_of(ask(client, picture, "/predict/polygon"))["regions"]:
        shape = region["shape_attributes"]
        assert shape["name"] == "polygon"
        assert len(shape["all_points_x"]) == len(shape["all_points_y"]) >= 3
        assert all(0 <= x <= 320 for x in shape["all_points_x"])
        assert all(0 <= y <= 240 for y in shape["all_points_y"])


def test_the_service_answers_what_the_runtime_finds(client: httpx.Client, picture: bytes, bundle: Bundle) -> None:
    found = Runtime(bundle).predict(colored_picture({"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)}))
    regions = entry_of(ask(client, picture, "/predict/bbox", score_threshold="0.05"))["regions"]
    shapes = [region["shape_attributes"] for region in regions]
    corners = [[s["x"], s["y"], s["x"] + s["width"], s["y"] + s["height"]] for s in shapes]
    np.testing.assert_allclose(corners, found.boxes_xyxy_px, atol=0.011)
    scores = [region["region_attributes"]["score"] for region in regions]
    np.testing.assert_allclose(scores, found.scores_0_1, atol=1e-4)


@pytest.mark.parametrize(
    "headers",
    [{"content-type": "image/png"}, {"content-type": "application/octet-stream"}, {}],
    ids=["image", "bytes", "no type"],
)
def test_an_image_may_be_the_whole_body(client: httpx.Client, picture: bytes, headers: dict[str, str]) -> None:
    response = client.post(f"{API}/predict?filename=a.png", content=picture, headers=headers)
    assert response.status_code == 200
    assert list(response.json()["result"]) == ["a.png"]
    assert len(entry_of(response.json())["regions"]) == 2


def test_a_body_without_a_file_name_is_called_image(client: httpx.Client, picture: bytes) -> None:
    response = client.post(f"{API}/predict", content=picture, headers={"content-type": "image/png"})
    assert list(response.json()["result"]) == ["image"]


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"], ids=["plain", "data url"])
def test_an_image_may_come_as_base64_in_json(client: httpx.Client, picture: bytes, prefix: str) -> None:
    document = {"image": prefix + base64.b64encode(picture).decode(), "filename": "b.png", "score_threshold": 0.1}
    response = client.post(f"{API}/predict", json=document)
    assert response.status_code == 200, response.text
    assert len(response.json()["result"]["b.png"]["regions"]) == 2


def test_a_model_is_chosen_by_key_or_alias_in_the_query_or_the_form(client: httpx.Client, picture: bytes) -> None:
    files = {"image": ("p.png", picture, "image/png")}
    in_query = client.post(f"{API}/predict?q=acme-rld-2", files=files)
    assert in_query.json()["type"] == "acme-rld-2"
    assert ask(client, picture, q="acme-rld-2")["type"] == "acme-rld-2"
    assert ask(client, picture, q="acme-ods")["type"] == "acme-ods-1"


def test_a_field_of_the_form_goes_over_the_query(client: httpx.Client, picture: bytes) -> None:
    files = {"image": ("p.png", picture, "image/png")}
    response = client.post(f"{API}/predict?q=acme-rld-2", files=files, data={"q": "acme-ods-1"})
    assert response.json()["type"] == "acme-ods-1"


def test_only_what_scores_at_least_the_threshold_is_answered(client: httpx.Client) -> None:
    pixels = colored_picture({"stop": (20, 30, 80, 60)})
    pixels[30:60, 20:100] = (70, 80, 120)  # half of the patch is gone, and
    pixels[30:34, 20:100] = (224, 24, 24)  # its first rows are there: the box is filled by 34 of 60
    picture = encode_png(pixels)
    scores = [r["region_attributes"]["score"] for r in entry_of(ask(client, picture))["regions"]]
    assert scores == [pytest.approx(34 / 60, abs=0.01)]
    assert entry_of(ask(client, picture, score_threshold="0.9"))["regions"] == []


def test_a_saved_answer_opens_as_a_via_file(client: httpx.Client, picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    for route in ("/predict", "/predict/bbox", "/predict/polygon"):
        response = client.post(API + route, files={"image": ("p.png", picture, "image/png")})
        path.write_bytes(response.content)
        via = FORMATS.load("via")
        assert via.sniff(path)
        (record,) = via.read(path, ReadOptions()).records
        assert isinstance(record, ImageRecord)
        assert (record.filename, record.size_bytes) == ("p.png", len(picture))
        assert [r.label for r in record.regions if isinstance(r, Region)] == ["stop", "go"]


def test_the_saved_result_alone_opens_as_a_via_file(client: httpx.Client, picture: bytes, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(orjson.dumps(ask(client, picture)["result"]))
    via = FORMATS.load("via")
    assert via.sniff(path)
    (record,) = via.read(path, ReadOptions()).records
    assert isinstance(record, ImageRecord)
    assert len(record.regions) == 2


def test_the_specification_lists_routes_that_are_there(client: httpx.Client) -> None:
    said = client.get(f"{API}/").json()
    assert said == client.get(API).json()
    assert (said["default_model"], said["models"]) == ("acme-ods-1", ["acme-ods-1", "acme-rld-2"])
    described = client.get("/openapi.json").json()["paths"]
    for route in said["routes"]:
        assert route["method"].lower() in described[route["path"]]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("", ["acme-ods-1", "acme-rld-2"]),
        ("/acme", ["acme-ods-1", "acme-rld-2"]),
        ("/acme-rld", ["acme-rld-2"]),
        ("/acme-ods-1", ["acme-ods-1"]),
    ],
    ids=["all", "org", "problem", "release"],
)
def test_models_are_found_by_org_problem_and_release(client: httpx.Client, name: str, keys: list[str]) -> None:
    assert [model["key"] for model in client.get(f"{API}/models{name}").json()["models"]] == keys


def test_a_model_is_told_with_its_parts_and_labels(client: httpx.Client) -> None:
    (model,) = client.get(f"{API}/models/acme-ods-1").json()["models"]
    assert (model["org"], model["problem"], model["release"], model["default"]) == ("acme", "ods", "1", True)
    assert [label["name"] for label in model["labels"]] == ["stop", "go", "wait"]
    assert model["score_threshold"] == 0.5


def test_part_of_a_name_is_no_name(client: httpx.Client) -> None:
    response = client.get(f"{API}/models/acm")
    assert response.status_code == 404
    assert "acme-ods-1" in response.json()["detail"]


@pytest.mark.parametrize("path", ["lane", "class"])
def test_a_model_that_does_other_things_says_what_it_does(client: httpx.Client, picture: bytes, path: str) -> None:
    response = client.post(f"{API}/predict/{path}", files={"image": ("p.png", picture)})
    assert (response.status_code, response.json()["error"]) == (422, "other-task")
    assert "acme-ods-1 finds boxes and outlines" in response.json()["detail"]
