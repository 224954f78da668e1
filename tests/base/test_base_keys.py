"""Keys and roles."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadInput
from teppr.keys import KEY, ApiKey, KeyLimits, Role, hash_of, new_key, without_secrets

NOW = datetime(2026, 3, 1, tzinfo=UTC)
A_KEY = "tpr_0123abcd_" + "aB3" * 14 + "z"


def key(name: str = "acme", expires: datetime | None = None, revoked: datetime | None = None) -> ApiKey:
    return ApiKey(
        id="0123abcd", name=name, role=Role.CLIENT, sha256="0" * 64, created=NOW, expires=expires, revoked=revoked
    )


def test_each_role_may_do_what_those_before_it_may() -> None:
    order = ["client", "annotator", "engineer", "admin"]
    for has, needed in product(order, order):
        assert Role(has).covers(Role(needed)) == (order.index(has) >= order.index(needed))


def test_a_new_key_has_the_form_and_its_own_id() -> None:
    made = [new_key("acme", Role.CLIENT, created=NOW) for _ in range(100)]
    assert len({new.text for new in made}) == 100
    for new in made:
        found = KEY.fullmatch(new.text)
        assert found is not None
        assert found["id"] == new.kept.id
        assert new.kept.sha256 == hash_of(new.text)
        assert new.text not in repr(new)


def test_a_new_key_holds_for_its_lifetime() -> None:
    assert new_key("acme", Role.CLIENT, created=NOW).kept.expires is None
    assert new_key("acme", Role.CLIENT, created=NOW, lifetime=timedelta(days=1)).kept.expires == NOW + timedelta(days=1)


def test_a_secret_has_256_bits_over_all_its_digits() -> None:
    used = {digit for _ in range(200) for digit in new_key("a", Role.CLIENT, created=NOW).text.rpartition("_")[2]}
    assert len(used) == 62
    assert 62**43 > 2**256


def test_a_key_is_recognised_by_its_sha256() -> None:
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("expires", "revoked", "state"),
    [
        (None, None, "holds"),
        (NOW + timedelta(seconds=1), None, "holds"),
        (NOW, None, "expired"),
        (None, NOW, "revoked"),
        (NOW, NOW, "revoked"),
    ],
)
def test_a_key_holds_until_it_expires_or_is_revoked(
    expires: datetime | None, revoked: datetime | None, state: str
) -> None:
    assert key(expires=expires, revoked=revoked).state(NOW) == state


@pytest.mark.parametrize("name", ["", " acme", "acme\n", "a\x1b[2Jb", "a" * 101, "half \ud800"])
def test_a_name_that_would_write_lines_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="printable"):
        key(name)


@pytest.mark.parametrize("field", ["requests_per_minute", "max_waiting"])
def test_limits_are_at_least_one(field: str) -> None:
    with pytest.raises(BadInput, match=f"{field} must be at least 1, got 0"):
        KeyLimits(**{field: 0})


@given(before=st.text(max_size=20), after=st.text(max_size=20), length=st.integers(14, len(A_KEY)))
def test_no_text_keeps_the_secret_of_a_key_whole_or_cut_off(before: str, after: str, length: int) -> None:
    shown = without_secrets(f"{before} {A_KEY[:length]} {after}")
    assert "tpr_0123abcd_..." in shown
    assert not re.search(r"tpr_[0-9a-f]{8}_[0-9A-Za-z]", shown)
