"""Criteria: read, looked up, judged."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadInput, UnknownName
from teppr.registry.acceptance import Criterion, Measured, Verdict, figures_of, judge, split_criterion

EVALUATION: dict[str, Any] = {
    "val": {"box": {"map_50": 0.8, "at_iou": {"0.3": 0.9}, "per_label": {}}},
    "test": {
        "box": {
            "map_50": 0.71,
            "map_large": None,
            "per_label": {"sign": {"map_50": 0.9}, "light": {"map_50": 0.52}},
        },
        "mask": {"map_50": 0.6, "per_label": {"sign": {"map_50": 0.7}, "light": {"map_50": None}}},
    },
}


def verdict(figure: str, wanted: str, **measured: Measured) -> Verdict:
    return judge({figure: wanted}, EVALUATION, measured)[0]


def test_a_figure_that_keeps_its_bound_is_met() -> None:
    assert verdict("test/map_50", ">= 0.60") == Verdict(criterion="test/map_50", wanted=">= 0.6", got=0.71, met=True)


def test_a_figure_at_its_bound_is_met_by_or_equal_only() -> None:
    assert verdict("test/map_50", ">= 0.71").met
    assert not verdict("test/map_50", "> 0.71").met


def test_the_worst_label_decides_and_is_named() -> None:
    row = verdict("test/map_50/per_label", ">= 0.60")
    assert (row.met, row.got, row.detail) == (False, 0.52, "worst label: light")
    assert verdict("test/map_50/per_label", "<= 0.95").detail == "worst label: sign"


def test_masks_have_figures_of_their_own() -> None:
    assert verdict("test/mask/map_50", ">= 0.5").got == 0.6


def test_an_undefined_figure_never_meets_a_criterion() -> None:
    assert verdict("test/map_large", ">= 0").met is False
    row = verdict("test/mask/map_50/per_label", ">= 0")
    assert (row.met, row.detail) == (False, "undefined: the split has no objects of light")


def test_measured_figures_stand_by_themselves() -> None:
    assert verdict("latency_ms_p95", "<= 120", latency_ms_p95=Measured(33.0)).met
    assert not verdict("latency_ms_p95", "<= 30", latency_ms_p95=Measured(33.0)).met


def test_what_does_not_apply_is_met_and_says_so() -> None:
    row = verdict("versus_production", ">= -0.01", versus_production=Measured(None, "nothing is in production"))
    assert (row.met, row.got, row.detail) == (True, None, "nothing is in production")


def test_an_unknown_figure_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'test/map50'; did you mean 'test/map_50'\?; known: .*val/map_50"):
        verdict("test/map50", ">= 0.5")


@pytest.mark.parametrize("wanted", ["0.5", "= 0.5", ">= half", ">= 0.5 or so", "", ">= nan"])
def test_what_is_no_comparison_is_refused(wanted: str) -> None:
    with pytest.raises(BadInput, match="a comparison and a number"):
        verdict("test/map_50", wanted)


def test_boxes_may_be_named_and_other_overlaps_have_paths() -> None:
    assert verdict("test/box/map_50", ">= 0.7").got == 0.71
    assert verdict("val/at_iou/0.3", ">= 0.7").got == 0.9


@pytest.mark.parametrize(
    "text", ["test/map_50 >= 0.60", "test/map_50>=0.6", "  test/map_50:  >= .6 ", "test/map_50 >=6e-1"]
)
def test_a_criterion_is_read_from_one_line(text: str) -> None:
    assert split_criterion(text) == ("test/map_50", ">= 0.6")


@pytest.mark.parametrize("text", ["", "test/map_50", ">= 0.6", "test/map_50 >= high", "test/map_50 = 0.6"])
def test_a_line_that_is_no_criterion_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="a comparison and a number"):
        split_criterion(text)


def test_figures_have_one_path_each() -> None:
    known = figures_of(EVALUATION)
    assert known["test/map_50/per_label"] == {"sign": 0.9, "light": 0.52}
    assert known["val/map_50"] == {"": 0.8}
    assert "test/per_label" not in known


@given(bound=st.floats(-1e6, 1e6), value=st.floats(-1e6, 1e6), sign=st.sampled_from([">=", "<=", ">", "<"]))
def test_opposite_comparisons_never_agree(bound: float, value: float, sign: str) -> None:
    opposite = {">=": "<", "<": ">=", "<=": ">", ">": "<="}[sign]
    one, other = (Criterion.parse("x", f"{comparison} {bound!r}") for comparison in (sign, opposite))
    assert one.bound == bound
    assert one.holds(value) != other.holds(value)
