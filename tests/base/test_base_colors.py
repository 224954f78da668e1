"""Colours of labels."""

from hypothesis import given
from hypothesis import strategies as st

from teppr.colors import color_of, colors_of

labels = st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=8)


@given(labels)
def test_labels_shown_together_have_colours_of_their_own(names: list[str]) -> None:
    colors = colors_of(names)
    assert sorted(colors) == sorted(names)
    assert len(set(colors.values())) == len(names)


@given(labels)
def test_the_order_of_labels_changes_no_colour(names: list[str]) -> None:
    assert colors_of(names) == colors_of(reversed(names))


def test_a_given_colour_is_kept_and_the_others_keep_away_from_it() -> None:
    taken = color_of("car")
    colors = colors_of(["car", "sign"], {"sign": taken, "bird": "#000000"})
    assert set(colors) == {"car", "sign"}
    assert colors["sign"] == taken
    assert colors["car"] != taken
