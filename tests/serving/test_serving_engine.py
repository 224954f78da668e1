"""The models of a process."""

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadImage, BadInput, Corrupt, UnknownName
from teppr.images import Pixels, encode_png
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
from teppr.serving.engine import Engine, EngineLimits
from teppr.serving.refusals import Declined
from teppr.serving.upload import MAX_NAME_LENGTH, clean_name
from teppr.types import Detections, ModelCard

LIMITS = EngineLimits(threads=1, max_requests=2, max_image_pixels=1_000_000)


class Choosy:
    """A model that does not run on images of one row."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card

    def predict(self, pixels: Pixels) -> Detections:
        raise Corrupt(f"cannot run on {pixels.shape}")


@pytest.fixture
def engine(bundle: Bundle) -> Engine:
    return Engine([Runtime(bundle)], LIMITS, aliases={"acme-ods@production": "acme-ods-1"})


def test_the_first_model_is_the_default(engine: Engine) -> None:
    assert engine.find(None).key == "acme-ods-1"
    assert engine.find("acme-ods-1") == engine.find("acme-ods@production") == engine.cards[0]


def test_an_unknown_model_is_refused_with_the_nearest(engine: Engine) -> None:
    with pytest.raises(UnknownName, match="did you mean 'acme-ods-1'"):
        engine.find("acme-ods-2")


def test_a_model_may_be_served_once_only(bundle: Bundle) -> None:
    with pytest.raises(BadInput, match="each once"):
        Engine([Runtime(bundle), Runtime(bundle)], LIMITS)
    with pytest.raises(BadInput, match="one or more"):
        Engine([], LIMITS)


def test_the_requests_threshold_goes_over_the_services_and_that_over_the_models(bundle: Bundle) -> None:
    runtime = Runtime(bundle)
    plain, strict = Engine([runtime], LIMITS), Engine([runtime], LIMITS, score_threshold_0_1=0.8)
    assert plain.threshold_0_1(runtime.card) == 0.5
    assert strict.threshold_0_1(runtime.card) == 0.8
    assert strict.threshold_0_1(runtime.card, 0.0) == 0.0


def test_places_are_given_back(engine: Engine) -> None:
    for _ in range(3):
        with engine.place(), engine.place(), pytest.raises(Declined, match="2 requests"), engine.place():
            pass


def test_an_image_beyond_the_limit_is_not_decoded(engine: Engine) -> None:
    picture = encode_png(np.zeros((1001, 1000, 3), np.uint8))
    with pytest.raises(BadImage, match="megapixels"):
        asyncio.run(engine.predict(engine.cards[0], picture, name="x", threshold_0_1=0.5))


def test_an_image_that_the_model_does_not_run_on_is_refused_with_its_size(bundle: Bundle) -> None:
    engine = Engine([Choosy(bundle.card)], LIMITS)
    picture = encode_png(np.zeros((1, 9, 3), np.uint8))
    with pytest.raises(Declined, match="9 x 1 pixels") as refusal:
        asyncio.run(engine.predict(bundle.card, picture, name="x", threshold_0_1=0.5))
    assert refusal.value.status == 422


@given(st.text())
def test_a_clean_name_is_short_shown_and_no_path(given_name: str) -> None:
    name = clean_name(given_name)
    assert 1 <= len(name) <= MAX_NAME_LENGTH
    assert name.isprintable() or " " in name or any(c.isspace() for c in name)
    assert not set(name) & set("/\\\x00\n\r\t")
    assert name not in {".", ".."}
    assert clean_name(name) == name


def test_no_name_is_image() -> None:
    assert clean_name(None) == clean_name("") == clean_name("a/b/") == "image"
