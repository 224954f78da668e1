"""What travels through the queue comes out as it went in."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from teppr.regions import Outline
from teppr.serving.tasks import Ask, Failed, Found, decode_ask, decode_outcome, encode

NUMBERS = st.floats(-1e6, 1e6)


@given(st.builds(Ask, key=st.text(), name=st.text(), threshold_0_1=st.floats(0, 1), outlines=st.booleans()))
def test_a_question_comes_out_as_it_went_in(ask: Ask) -> None:
    assert decode_ask(encode(ask)) == ask


@given(st.builds(Failed, status=st.integers(400, 599), error=st.text(), detail=st.text()))
def test_a_failure_comes_out_as_it_went_in(failed: Failed) -> None:
    assert decode_outcome(encode(failed)) == failed


OUTLINES = st.none() | st.tuples(st.lists(NUMBERS, max_size=6), st.lists(NUMBERS, max_size=6))


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 99), OUTLINES)))
def test_what_was_found_comes_out_as_it_went_in(rows: list[tuple[float, int, Outline | None]]) -> None:
    found = Found(
        key="acme-ods-1",
        size_wh=[640, 480],
        boxes_xyxy_px=[[score, 0.0, 1.0, 2.0] for score, _, _ in rows],
        scores_0_1=[score for score, _, _ in rows],
        label_ids=[label_id for _, label_id, _ in rows],
        outlines=[outline for _, _, outline in rows],
        timings_s={"wait": 0.25},
    )
    back = decode_outcome(encode(found))
    assert isinstance(back, Found)
    assert [outline and tuple(outline) for outline in back.outlines] == found.outlines
    assert replace(back, outlines=found.outlines) == found
