"""What can be given as an image."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from teppr.client.picture import picture_of
from teppr.errors import BadFile, BadInput
from teppr.images import decode

PIXELS = np.random.default_rng(7).integers(0, 256, (12, 17, 3), np.uint8)


def encoded(image: Image.Image, format_: str) -> bytes:
    file = io.BytesIO()
    image.save(file, format_)
    return file.getvalue()


JPEG = encoded(Image.fromarray(PIXELS), "JPEG")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    return path


def test_a_path_is_read_and_named_after_its_file(path: Path) -> None:
    for given in (path, str(path)):
        picture = picture_of(given)
        assert (picture.name, picture.data, picture.media_type) == ("photo.jpg", JPEG, "image/jpeg")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_are_sent_as_they_are(kind: Any) -> None:  # noqa: ANN401 - a constructor
    picture = picture_of(kind(JPEG))
    assert (picture.name, picture.data) == ("image", JPEG)


def test_an_open_file_is_read_from_where_it_is(path: Path) -> None:
    with path.open("rb") as file:
        picture = picture_of(file)
    assert (picture.name, picture.data) == ("photo.jpg", JPEG)
    assert picture_of(io.BytesIO(JPEG)).name == "image"


def test_a_name_can_be_given(path: Path) -> None:
    assert picture_of(path, "other.jpg").name == "other.jpg"
    assert picture_of(PIXELS, "other.png").name == "other.png"


@pytest.mark.parametrize(
    "pixels",
    [PIXELS, PIXELS[:, ::-1], PIXELS[::2, ::3], np.asfortranarray(PIXELS)],
    ids=["plain", "mirrored", "strided", "fortran"],
)
def test_an_array_keeps_every_pixel(pixels: Any) -> None:  # noqa: ANN401 - an array
    picture = picture_of(pixels)
    assert (picture.name, picture.media_type) == ("image.png", "image/png")
    assert np.array_equal(decode(picture.data, name="x")[0], pixels)


def test_a_grey_array_keeps_every_pixel() -> None:
    grey = PIXELS[:, :, 0]
    assert np.array_equal(decode(picture_of(grey).data, name="x")[0], np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "CMYK", "YCbCr", "I;16"])
def test_an_image_of_pillows_keeps_its_size_in_every_mode(mode: str) -> None:
    image = Image.new("I;16", (17, 12)) if mode == "I;16" else Image.fromarray(PIXELS).convert(mode)
    assert decode(picture_of(image).data, name="x")[1].size_wh == (17, 12)


def test_an_image_of_pillows_keeps_every_pixel() -> None:
    assert np.array_equal(decode(picture_of(Image.fromarray(PIXELS)).data, name="x")[0], PIXELS)


@pytest.mark.parametrize(
    "array",
    [
        PIXELS.astype(np.float32) / 255,
        PIXELS.astype(np.uint16),
        PIXELS[None],
        PIXELS[:0],
        PIXELS.transpose(2, 0, 1),
        PIXELS[0, 0],
        np.zeros((4, 4, 4), np.uint8),
        np.uint8(3),
    ],
    ids=["floats", "16-bit", "a-batch", "empty", "chw", "a-pixel", "rgba", "a-number"],
)
def test_an_array_of_another_form_is_refused_with_its_form(array: Any) -> None:  # noqa: ANN401 - an array
    with pytest.raises(BadInput, match=r"must be uint8 \[height, width, 3\] in RGB"):
        picture_of(array)


@pytest.mark.parametrize("given", [None, 7, ["photo.jpg"]])
def test_anything_else_is_refused_with_what_can_be_given(given: Any) -> None:  # noqa: ANN401 - anything
    with pytest.raises(BadInput, match="an image is a path, bytes, an open file"):
        picture_of(given)


def test_an_image_of_floats_is_refused() -> None:
    with pytest.raises(BadInput, match="no agreed range"):
        picture_of(Image.new("F", (3, 3)))


def test_a_text_file_is_refused(path: Path) -> None:
    with pytest.raises(BadInput, match="mode 'rb'"):
        picture_of(io.StringIO("text"))  # type: ignore[arg-type]  # text is refused
    with pytest.raises(BadFile, match="No such file"):
        picture_of(path.with_name("absent.jpg"))
