"""Requests as they are sent, and what the client refuses before it sends any."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from teppr.client import call as calls
from teppr.client.call import Call, check, keeps
from teppr.client.errands import unlike_names
from teppr.client.picture import Picture
from teppr.errors import BadInput
from teppr.serving.upload import clean_name

PICTURE = Picture(name="a b&c.png", data=b"\x89PNG\r\n\x1a\n...")


def query_of(call: Call) -> dict[str, list[str]]:
    return parse_qs(urlsplit(call.path).query)


def test_an_image_is_the_body_and_the_rest_the_query() -> None:
    call = calls.predict(
        PICTURE, {"model": "acme-ods-8", "score_threshold": 0.25, "priority": "bulk", "timeout_s": 3, "shapes": "box"}
    )
    assert (call.method, call.body, call.headers) == ("POST", PICTURE.data, {"content-type": "image/png"})
    assert urlsplit(call.path).path == "/api/vision/v2/predict/bbox"
    assert query_of(call) == {
        "q": ["acme-ods-8"],
        "score_threshold": ["0.25"],
        "priority": ["bulk"],
        "timeout_s": ["3"],
        "filename": ["a b&c.png"],
    }


def test_what_is_not_said_is_left_to_the_service() -> None:
    assert query_of(calls.predict(PICTURE, {})) == {"filename": ["a b&c.png"]}
    assert calls.batch([PICTURE], {}).path == "/api/vision/v2/predict/batch"


@pytest.mark.parametrize(
    ("shapes", "path"),
    [("any", ""), ("box", "/bbox"), ("polygon", "/polygon"), ("lane", "/lane"), ("class", "/class")],
)
def test_shapes_are_a_path(shapes: Any, path: str) -> None:  # noqa: ANN401 - a Literal
    assert urlsplit(calls.predict(PICTURE, {"shapes": shapes}).path).path == f"/api/vision/v2/predict{path}"


def test_unknown_shapes_are_answered_with_the_known() -> None:
    with pytest.raises(BadInput, match="one of any, box, polygon, lane, class, got 'circle'"):
        calls.predict(PICTURE, {"shapes": "circle"})  # type: ignore[typeddict-item]  # no shape that there is


def test_jobs_and_batches_have_no_choice_of_shapes() -> None:
    with pytest.raises(BadInput, match="a job is answered in the shapes"):
        calls.submit(PICTURE, {"shapes": "box"})
    with pytest.raises(BadInput, match="a batch is answered in the shapes"):
        calls.batch([PICTURE], {"shapes": "box"})


def test_a_word_that_is_unknown_is_answered_with_the_known() -> None:
    with pytest.raises(BadInput, match="unknown: modle; known: model, score_threshold, shapes, priority"):
        check({"modle": "acme-ods-8"})


def test_many_images_cannot_have_one_name() -> None:
    check({"filename": "a.jpg"})
    with pytest.raises(BadInput, match="leave filename out"):
        check({"filename": "a.jpg"}, many=True)


def test_failures_are_raised_or_kept() -> None:
    assert [keeps("keep"), keeps("raise")] == [True, False]
    with pytest.raises(BadInput, match="must be 'raise' or 'keep', got 'skip'"):
        keeps("skip")


def test_a_job_of_any_id_is_one_step_of_a_path() -> None:
    assert calls.job("../a?b/c").path == "/api/vision/v2/predictq/..%2Fa%3Fb%2Fc"


names = st.text(st.characters(codec="utf-8"), max_size=300)


@given(
    given_names=st.lists(names | st.sampled_from(["a.jpg", "2-a.jpg", "x/a.jpg", "", 'a"; b="c', "%22"]), max_size=8)
)
def test_names_of_a_batch_are_unlike_and_such_as_a_service_keeps(given_names: list[str]) -> None:
    sent = unlike_names(given_names)
    assert len(set(sent)) == len(given_names)
    assert [clean_name(name) for name in sent] == sent


@given(given_names=st.lists(names, min_size=1, max_size=4), data=st.binary(max_size=50))
def test_a_batch_is_read_as_it_was_meant(given_names: list[str], data: bytes) -> None:
    pictures = [Picture(name=name, data=data) for name in unlike_names(given_names)]
    assert asyncio.run(received(calls.batch(pictures, {}))) == [(picture.name, data) for picture in pictures]


async def received(call: Call) -> list[tuple[str, bytes]]:
    """The images of a form, as the service's parser finds them."""

    async def pieces() -> AsyncGenerator[bytes]:
        yield call.body

    form = await MultiPartParser(Headers(dict(call.headers)), pieces()).parse()
    try:
        parts = [part for part in form.getlist("image") if isinstance(part, UploadFile)]
        return [(part.filename or "", await part.read()) for part in parts]
    finally:
        await form.close()
