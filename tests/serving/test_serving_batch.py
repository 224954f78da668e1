"""Several images in one request: each is answered, or fails, for itself."""

import httpx
import pytest

from teppr.images import encode_png
from teppr.testing.bundles import colored_picture

API = "/api/vision/v2"
BATCH = f"{API}/predict/batch"


def picture_at(x: int) -> bytes:
    return encode_png(colored_picture({"stop": (x, 30, 80, 60)}))


def test_each_image_of_a_batch_has_its_own_answer(client: httpx.Client) -> None:
    files = [("image", (f"{x}.png", picture_at(x))) for x in (10, 50, 90)]
    answer = client.post(BATCH, files=files).json()
    assert (answer["status_code"], answer["failures"]) == (200, {})
    assert set(answer) == {"api", "type", "dnnarch", "result", "status_code", "timings", "failures"}
    for x in (10, 50, 90):
        entry = answer["result"][f"{x}.png"]
        assert entry["filename"] == f"{x}.png"
        xs = entry["regions"][0]["shape_attributes"]["all_points_x"]
        assert min(xs) == pytest.approx(x, abs=3)


def test_an_image_that_is_cut_off_fails_alone(client: httpx.Client, picture: bytes) -> None:
    files = [("image", (name, data)) for name, data in (("a.png", picture), ("b.png", picture[:200]), ("c", b"text"))]
    response = client.post(BATCH, files=files)
    answer = response.json()
    assert (response.status_code, answer["status_code"]) == (200, 207)
    assert list(answer["result"]) == ["a.png"]
    assert {name: (why["code"], why["error"]) for name, why in answer["failures"].items()} == {
        "b.png": (400, "truncated"),
        "c": (400, "not-an-image"),
    }
    assert "b.png" in answer["failures"]["b.png"]["detail"]


def test_images_of_one_name_each_keep_their_answer(client: httpx.Client) -> None:
    files = [("image", ("a.png", picture_at(x))) for x in (10, 50, 90)]
    result = client.post(BATCH, files=files).json()["result"]
    assert list(result) == ["a.png", "a (2).png", "a (3).png"]
    assert [entry["filename"] for entry in result.values()] == list(result)
    first = [min(entry["regions"][0]["shape_attributes"]["all_points_x"]) for entry in result.values()]
    assert first == pytest.approx([10, 50, 90], abs=3)


def test_a_batch_asked_again_with_its_id_gets_the_same_answers(client: httpx.Client, picture: bytes) -> None:
    files = [("image", (f"{i}.png", picture)) for i in range(3)]
    first, again = (client.post(BATCH, files=files, headers={"X-Request-Id": "batch-1"}).json() for _ in range(2))
    regions = [[entry["regions"] for entry in answer["result"].values()] for answer in (first, again)]
    assert regions[0] == regions[1]
    assert len(regions[0]) == 3


def test_a_field_of_a_batch_is_for_all_its_images(client: httpx.Client, picture: bytes) -> None:
    files = [("image", (f"{i}.png", picture)) for i in range(2)]
    answer = client.post(BATCH, files=files, data={"q": "acme-rld-2"}).json()
    assert answer["type"] == "acme-rld-2"
    labels = {r["region_attributes"]["label"] for entry in answer["result"].values() for r in entry["regions"]}
    assert labels == {"go"}


@pytest.mark.parametrize(
    ("count", "data", "status", "word"),
    [
        (5, {}, 400, "bad-multipart"),
        (2, {"filename": "a"}, 422, "invalid"),
        (2, {"q": "acme-ods-9"}, 404, "unknown-model"),
        (0, {"q": "acme-ods-1"}, 415, "unsupported-type"),
    ],
    ids=["too many", "a name for all", "unknown model", "no form"],
)
def test_a_batch_that_breaks_a_bound_is_refused_whole(
    client: httpx.Client, picture: bytes, count: int, data: dict[str, str], status: int, word: str
) -> None:
    files = [("image", (f"{i}.png", picture)) for i in range(count)]
    response = client.post(BATCH, files=files, data=data)
    assert (response.status_code, response.json()["error"]) == (status, word)


def test_images_in_a_field_of_another_name_are_refused(client: httpx.Client, picture: bytes) -> None:
    files = [("image", ("a.png", picture)), ("photo", ("b.png", picture))]
    response = client.post(BATCH, files=files)
    assert (response.status_code, response.json()["error"]) == (422, "invalid")
