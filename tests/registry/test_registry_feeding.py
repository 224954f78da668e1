"""Images as networks take them."""

from dataclasses import replace

import numpy as np
import pytest

from teppr.errors import BadInput
from teppr.images import LETTERBOX_GREY
from teppr.registry.feeding import fit, tensor
from teppr.types import LabelInfo, ModelCard

CARD = ModelCard(
    key="acme-ods-1",
    architecture="onnx",
    problem="ods",
    task="detect",
    labels=(LabelInfo(name="a", color="#102030"),),
    image_size_px=64,
    inputs=("image",),
    outputs=("boxes",),
    decode="boxes",
)
PIXELS = np.arange(40 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 80, 3)


def test_a_card_that_says_no_more_is_fed_as_ever() -> None:
    fed = fit(CARD, PIXELS)
    assert (fed.pixels.shape, fed.size_wh, fed.content_xyxy_px) == ((32, 64, 3), (80, 40), None)
    wanted = fed.pixels.transpose(2, 0, 1).astype(np.float32) * np.float32(1 / 255)
    np.testing.assert_array_equal(tensor(CARD, fed.pixels), wanted)


def test_values_are_normalised_a_channel() -> None:
    card = replace(CARD, mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
    wanted = (PIXELS / 255 - np.array(card.mean)) / np.array(card.std)
    np.testing.assert_allclose(tensor(card, PIXELS), wanted.transpose(2, 0, 1), atol=1e-5)
    np.testing.assert_allclose(tensor(replace(card, layout="HWC"), PIXELS), wanted, atol=1e-5)


def test_means_are_in_the_networks_order_of_colours() -> None:
    card = replace(CARD, color_order="BGR", scale=1.0, mean=(103.0, 116.0, 123.0), std=(1.0, 1.0, 2.0))
    wanted = (PIXELS[:, :, ::-1].astype(np.float32) - card.mean) / card.std  # type: ignore[operator]
    np.testing.assert_allclose(tensor(card, PIXELS), wanted.transpose(2, 0, 1), atol=1e-5)


def test_bytes_are_fed_as_they_are() -> None:
    given = tensor(replace(CARD, layout="HWC", color_order="BGR"), PIXELS, np.uint8)
    assert given.dtype == np.uint8
    np.testing.assert_array_equal(given, PIXELS[:, :, ::-1])
    assert tensor(CARD, PIXELS, np.float16).dtype == np.float16


def test_a_fixed_size_is_stretched_to() -> None:
    assert fit(replace(CARD, square=True), PIXELS).pixels.shape == (64, 64, 3)
    assert fit(replace(CARD, size_wh=(48, 96)), PIXELS).pixels.shape == (96, 48, 3)


@pytest.mark.parametrize(
    ("size_wh", "content"), [((64, 64), (0, 16, 64, 48)), ((81, 30), (10, 0, 70, 30)), ((80, 40), (0, 0, 80, 40))]
)
def test_a_letterboxed_image_lies_amid_grey(size_wh: tuple[int, int], content: tuple[int, int, int, int]) -> None:
    fed = fit(replace(CARD, size_wh=size_wh, letterbox=True), PIXELS)
    assert fed.content_xyxy_px == content
    x0, y0, x1, y1 = content
    outside = np.ones(fed.pixels.shape, bool)
    outside[y0:y1, x0:x1] = False
    assert (fed.pixels[outside] == LETTERBOX_GREY).all()
    assert (fed.pixels[y0:y1, x0:x1] != LETTERBOX_GREY).any()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"layout": "NCHW"}, "layout is CHW or HWC, got 'NCHW'"),
        ({"color_order": "GBR"}, "color_order is RGB or BGR, got 'GBR'"),
        ({"std": (1.0, 0.0, 1.0)}, "std must be above 0 for each channel"),
        ({"letterbox": True}, "letterbox needs square or size_wh"),
    ],
)
def test_a_card_that_contradicts_itself_is_none(changed: dict[str, object], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        replace(CARD, **changed)  # type: ignore[arg-type]
