"""`docs/service.md` says what the service does."""

import re
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

import teppr.serving
from teppr.errors import BadImage
from teppr.serving.directory import LIVES_S
from teppr.serving.model_server import CLAIM_EVERY_S, HANGS_AFTER_S
from teppr.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")
SOURCES = "".join(path.read_text(encoding="utf-8") for path in Path(teppr.serving.__file__).parent.rglob("*.py"))
EXAMPLES = [orjson.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def shape(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The keys and types of a document; of lists the first item counts."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "number" if isinstance(value, int | float) else type(value).__name__


def test_every_route_has_its_row(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    rows = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert [row for row in sorted(rows) if f"`{row}`" not in PAGE] == []


def test_every_metric_has_its_row(client: httpx.Client, picture: bytes) -> None:
    client.post("/api/vision/v2/predict", content=picture)
    told = re.findall(r"^# TYPE (\w+)", client.get("/metrics").text, re.MULTILINE)
    assert len(told) > 8
    assert [name for name in told if f"`{name}`" not in PAGE] == []


def test_every_word_of_refusal_has_its_row() -> None:
    words = re.findall(r'Declined\(\s*\d+,\s*"([a-z-]+)"', SOURCES)
    assert len(words) > 8
    reasons = re.findall(r'"([a-z-]+)"', BadImage.__doc__ or "")
    # An upload is there; its size is refused before it is an image; nobody takes it for a video.
    never = {"missing", "unsupported", "too-large", "not-a-video"}
    assert sorted(word for word in {*words, *reasons} - never if f"`{word}`" not in PAGE) == []


def test_the_bounds_are_the_settings() -> None:
    for name in ("max_upload_mib", "max_image_megapixels", "max_requests", "upload_timeout_s"):
        assert f"| `{name}` | {Settings.model_fields[name].default:g} |" in PAGE


def test_the_times_of_a_takeover_are_those_of_the_code() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8").split())
    assert f"others look for such requests every {CLAIM_EVERY_S:g} s" in page
    assert f"the sign of life lasts {LIVES_S:g} s, so its requests wait at most {LIVES_S + CLAIM_EVERY_S:g} s" in page
    assert f"has it taken away after {HANGS_AFTER_S:g} s" in page


def test_the_example_of_an_answer_has_the_shape_of_a_real_one(client: httpx.Client, picture: bytes) -> None:
    answer = client.post("/api/vision/v2/predict/bbox", files={"image": ("photo.jpg", picture)}).json()
    assert shape(EXAMPLES[0]) == shape(answer)


def test_the_example_of_a_refusal_has_the_shape_of_a_real_one(client: httpx.Client) -> None:
    assert shape(EXAMPLES[1]) == shape(client.get("/api/vision/v2/models/acme-ods-9").json())


@pytest.mark.parametrize("field", ["q", "score_threshold", "filename"])
def test_every_field_of_a_request_has_its_row(field: str) -> None:
    assert f"| `{field}` |" in PAGE
