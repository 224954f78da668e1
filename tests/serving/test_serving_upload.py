"""What a client sends, as it is read."""

from hypothesis import given
from hypothesis import strategies as st

from teppr.serving.upload import MAX_NAME_LENGTH, clean_name


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
