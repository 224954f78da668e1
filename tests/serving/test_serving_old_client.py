"""A client of the older system, as it was written: it must not need a change."""

from typing import Any

import httpx

from teppr.images import encode_png
from teppr.testing.bundles import colored_picture


class OldClient:
    """Posts a form with the image and `q`, and reads the regions of its file from the result."""

    def __init__(self, base_url: httpx.URL) -> None:
        self.base_url = base_url

    def detect(self, filename: str, content: bytes, key: str) -> list[tuple[str, float, str]]:
        response = httpx.post(
            f"{self.base_url}/api/vision/v2/predict",
            files={"image": (filename, content, "image/jpeg")},
            data={"q": key},
            timeout=60,
        )
        answer = response.json()
        assert answer["status_code"] == 200
        assert answer["type"] == key
        regions = answer["result"][filename]["regions"]
        return [self.row(region) for region in regions]

    def row(self, region: dict[str, Any]) -> tuple[str, float, str]:
        attributes = region["region_attributes"]
        return attributes["label"], float(attributes["score"]), region["shape_attributes"]["name"]

    def models(self, organisation: str) -> list[str]:
        response = httpx.get(f"{self.base_url}/api/vision/v2/models/{organisation}", timeout=60)
        return [model["key"] for model in response.json()["models"]]


def test_it_gets_the_regions_of_its_file(client: httpx.Client) -> None:
    old = OldClient(client.base_url)
    picture = encode_png(colored_picture({"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)}))
    assert old.models("acme") == ["acme-ods-1", "acme-rld-2"]
    found = old.detect("camera 3/photo.jpg".rpartition("/")[2], picture, "acme-ods-1")
    assert [(label, shape) for label, _, shape in found] == [("stop", "polygon"), ("go", "polygon")]
    assert all(score > 0.9 for _, score, _ in found)
    assert [label for label, _, _ in old.detect("photo.jpg", picture, "acme-rld-2")] == ["go"]
