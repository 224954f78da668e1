"""One door for pixels: decoded whole within limits, or refused with a reason."""

import io
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from teppr import images
from teppr.errors import BadImage
from teppr.settings import Settings

HEADS = (
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"RIFF\x10\x00\x00\x00WEBP",
    b"P6 3 3 255 ",
)
PICTURE = np.random.default_rng(1).integers(0, 255, (30, 40, 3), np.uint8)


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


def _encoded(mode: str, file_format: str) -> bytes:
    buffer = io.BytesIO()
    if mode == "I;16":
        Image.fromarray(PICTURE[:, :, 0].astype(np.uint16) * 200).save(buffer, file_format)
    else:
        Image.fromarray(PICTURE).convert(mode).save(buffer, file_format)
    return buffer.getvalue()


def test_pixels_come_back_as_they_were_written() -> None:
    pixels, facts = images.decode(images.encode_png(PICTURE), name="a.png")
    np.testing.assert_array_equal(pixels, PICTURE)
    assert (facts.size_wh, facts.format, facts.orientation, facts.frames) == ((40, 30), "PNG", 1, 1)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    pixels, facts = images.decode(_encoded(mode, "PNG"), name="a")
    assert pixels.shape == (30, 40, 3)
    assert pixels.dtype == np.uint8
    assert facts.mode == mode


def test_four_inks_become_rgb() -> None:
    pixels, facts = images.decode(_encoded("CMYK", "JPEG"), name="a")
    assert (pixels.shape, facts.mode) == ((30, 40, 3), "CMYK")


@pytest.mark.parametrize(
    ("data", "reason", "says"),
    [
        pytest.param(b"", "empty", "0 bytes", id="empty"),
        pytest.param(b"hello world, this is text", "not-an-image", "(text)", id="text"),
        pytest.param(
            b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x11", "not-an-image", "unknown binary", id="binary"
        ),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "lfs-pointer",
            "git lfs pull",
            id="pointer",
        ),
        pytest.param(_png_that_claims(10_000, 10_000), "bomb", "100.0 megapixels; the limit", id="100 megapixels"),
        pytest.param(
            _png_that_claims(60_000, 60_000),
            "bomb",
            "179 megapixels; the limit is 64.0 (setting max_image",
            id="3600 megapixels",
        ),
        pytest.param(_png_that_claims(40, 30), "truncated", "does not decode whole", id="no pixels"),
        pytest.param(images.encode_jpeg(PICTURE)[:300], "truncated", "a.jpg", id="cut off"),
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(data: bytes, reason: str, says: str) -> None:
    with pytest.raises(BadImage, match=re.escape(says)) as caught:
        images.decode(data, name="a.jpg")
    assert caught.value.reason == reason


def test_what_pillow_opens_at_most_is_what_the_setting_is_bounded_by() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert images.MOST_PIXELS == 2 * Image.MAX_IMAGE_PIXELS
    assert Settings(max_image_megapixels=178).max_image_pixels < images.MOST_PIXELS
    with pytest.raises(ValueError, match="178"):
        Settings(max_image_megapixels=179)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="No such file") as caught:
        images.read(tmp_path / "none.png")
    assert caught.value.reason == "missing"


@given(st.binary(max_size=200))
def test_no_bytes_at_all_can_do_more_than_be_refused(tail: bytes) -> None:
    for head in HEADS:
        try:
            pixels, _ = images.decode(head + tail, name="fuzz")
        except BadImage:
            continue
        assert pixels.ndim == 3


def test_every_bad_image_is_decoded_or_refused_as_pillow_says(data: Path) -> None:
    refused = {}
    for path in sorted(path for path in (data / "bad_images").rglob("*") if path.is_file()):
        try:
            pixels, facts = images.read(path)
        except BadImage as error:
            refused[path.name] = error.reason
        else:
            assert pixels.shape[:2] == facts.size_wh[::-1]
    assert refused["truncated_jpeg.jpg"] == "truncated"
    assert refused["decompression_bomb.gif"] == "bomb"
    assert refused["decompression_bomb.ico"] == "not-an-image"
    assert refused["README"] == "not-an-image"
    assert "hopper_bad_exif.jpg" not in refused


def test_orientation_is_noted_and_not_applied(data: Path) -> None:
    _, facts = images.read(data / "bad_images" / "exif_orientation" / "landscape_6.jpg")
    assert facts.orientation == 6
    assert facts.size_wh[0] < facts.size_wh[1]


def test_resizing_keeps_the_ratio() -> None:
    assert images.size_to_fit((400, 300), 320) == (320, 240)
    assert images.size_to_fit((1, 5000), 320) == (1, 320)
    assert images.resize_to_fit(PICTURE, 20).shape == (15, 20, 3)
    assert images.resize_to_fit(PICTURE, 40) is PICTURE


def test_a_network_of_one_input_size_gets_a_square() -> None:
    assert images.resize_to_square(PICTURE, 20).shape == (20, 20, 3)


def test_a_folder_is_searched_for_images(tmp_path: Path) -> None:
    for name in ("b.PNG", "a/c.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in images.find(tmp_path)] == ["c.jpg", "b.PNG"]
