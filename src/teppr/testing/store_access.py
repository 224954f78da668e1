"""What every store must do with keys and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from teppr.errors import AlreadyThere, Refused, UnknownName
from teppr.keys import ApiKey, KeyLimits, Role
from teppr.store.access import AuditEntry
from teppr.store.contract import Counts, Store

MADE = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def api_key(number: int = 1, **changes: Any) -> ApiKey:  # noqa: ANN401 - any of its fields
    """A key that is made `number` hours after MADE."""
    given: dict[str, Any] = {
        "id": f"{number:08x}",
        "name": f"client {number}",
        "role": Role.CLIENT,
        "sha256": f"{number:064x}",
        "created": MADE + number * HOUR,
    }
    return ApiKey(**{**given, **changes})


def entry(number: int = 1, what: str = "key created") -> AuditEntry:
    """What happened `number` hours after MADE."""
    details = {"role": "client", "n": number, "none": None}
    return AuditEntry(when=MADE + number * HOUR, who="ann@box", what=what, subject=f"key {number}", details=details)


class AccessContract:
    """Keys are kept whatever becomes of them, and nothing changes that the log does not tell of."""

    def test_a_new_store_has_no_keys_and_an_empty_log(self, store: Store) -> None:
        assert list(store.access.all_keys()) == []
        assert list(store.access.audit()) == []
        assert store.access.find(f"{1:064x}") is None

    def test_keys_come_back_equal_and_oldest_first(self, store: Store) -> None:
        full = api_key(
            1,
            name='Straße 12, "O\'Neil" $1',
            role=Role.ADMIN,
            expires=MADE + 90 * HOUR,
            limits=KeyLimits(requests_per_minute=60, max_waiting=2),
        )
        store.access.put(api_key(2), entry(2))
        store.access.put(full, entry(1))
        assert list(store.access.all_keys()) == [full, api_key(2)]
        assert store.access.find(full.sha256) == full
        assert store.access.find(f"{3:064x}") is None
        assert store.count() == Counts()

    @pytest.mark.parametrize("same", ["id", "sha256"])
    def test_a_key_that_is_on_record_is_refused_and_nothing_is_written(self, store: Store, same: str) -> None:
        store.access.put(api_key(1), entry(1))
        with pytest.raises(AlreadyThere):
            store.access.put(api_key(2, **{same: getattr(api_key(1), same)}), entry(2))
        assert list(store.access.all_keys()) == [api_key(1)]
        assert list(store.access.audit()) == [entry(1)]

    def test_a_revoked_key_stays_and_is_marked(self, store: Store) -> None:
        store.access.put(api_key(1), entry(1))
        store.access.put(api_key(2), entry(2))
        store.access.revoke(api_key(1).id, entry(5, "key revoked"))
        revoked = api_key(1, revoked=entry(5).when)
        assert list(store.access.all_keys()) == [revoked, api_key(2)]
        assert store.access.find(revoked.sha256) == revoked

    def test_a_key_is_revoked_once(self, store: Store) -> None:
        store.access.put(api_key(1), entry(1))
        store.access.revoke(api_key(1).id, entry(2))
        with pytest.raises(Refused, match="client 1 was revoked already, on 2026-03-01 14:00 UTC"):
            store.access.revoke(api_key(1).id, entry(3))
        with pytest.raises(UnknownName, match="00000001"):
            store.access.revoke("00000007", entry(4))
        assert [found.when for found in store.access.audit()] == [entry(2).when, entry(1).when]

    @pytest.mark.parametrize(
        ("expires", "then"),
        [(None, MADE + 24 * HOUR), (MADE + 5 * HOUR, MADE + 5 * HOUR), (MADE + 99 * HOUR, MADE + 24 * HOUR)],
        ids=["never", "earlier", "later"],
    )
    def test_a_rotated_key_ends_with_the_overlap_or_earlier(
        self, store: Store, expires: datetime | None, then: datetime
    ) -> None:
        store.access.put(api_key(1, expires=expires), entry(1))
        store.access.rotate(api_key(1).id, api_key(2), MADE + 24 * HOUR, entry(2))
        assert list(store.access.all_keys()) == [api_key(1, expires=then, replaced_by=api_key(2).id), api_key(2)]
        assert list(store.access.audit()) == [entry(2), entry(1)]

    def test_only_a_key_that_holds_is_rotated(self, store: Store) -> None:
        store.access.put(api_key(1, expires=MADE + 2 * HOUR), entry(1))
        store.access.put(api_key(2), entry(1))
        store.access.revoke(api_key(2).id, entry(1))
        store.access.put(api_key(4), entry(4))
        store.access.rotate(api_key(4).id, api_key(5), MADE + 99 * HOUR, entry(5))
        for old, error, words in (
            ("00000001", Refused, "expired on 2026-03-01 14:00 UTC.*teppr keys create"),
            ("00000002", Refused, "revoked already"),
            ("00000004", Refused, "its successor is 00000005"),
            ("00000007", UnknownName, "00000001, 00000002"),
        ):
            with pytest.raises(error, match=words):
                store.access.rotate(old, api_key(3), MADE + 9 * HOUR, entry(3))
        assert [key.id for key in store.access.all_keys()] == [f"{n:08x}" for n in (1, 2, 4, 5)]

    def test_a_successor_that_is_on_record_leaves_the_key_as_it_was(self, store: Store) -> None:
        store.access.put(api_key(1), entry(1))
        with pytest.raises(AlreadyThere):
            store.access.rotate(api_key(1).id, api_key(1, created=MADE), MADE, entry(2))
        assert list(store.access.all_keys()) == [api_key(1)]
        assert list(store.access.audit()) == [entry(1)]

    def test_the_log_is_read_newest_first_and_from_a_time_on(self, store: Store) -> None:
        for number in (2, 1, 4, 3):
            store.access.note(entry(number, f"model {number} loaded"))
        store.access.note(entry(4, "model 4 unloaded"))
        told = [found.what for found in store.access.audit()]
        assert told == [f"model {what}" for what in ("4 unloaded", "4 loaded", "3 loaded", "2 loaded", "1 loaded")]
        assert len(list(store.access.audit(MADE + 3 * HOUR))) == 3
        elsewhere = (MADE + 4 * HOUR).astimezone(timezone(timedelta(hours=-7)))
        assert list(store.access.audit(elsewhere)) == [entry(4, "model 4 unloaded"), entry(4, "model 4 loaded")]
        assert list(store.access.audit(MADE + 5 * HOUR)) == []
