"""Making, rotating and revoking keys, each with the entry that tells of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from teppr.errors import UnknownName
from teppr.keys import ApiKey, NewKey, new_key
from teppr.store.access import Access, AuditEntry


def issue(access: Access, new: NewKey, who: str) -> None:
    """Put a new key on record."""
    access.put(new.kept, _entry("key created", new.kept, who, new.kept.created, told(new.kept)))


def revoke(access: Access, key_id: str, who: str, now: datetime) -> ApiKey:
    """Take a key back at once; returns it. Raises UnknownName, Refused for one that was taken back already."""
    key = _found(access, key_id)
    access.revoke(key_id, _entry("key revoked", key, who, now, {"name": key.name, "role": key.role}))
    return key


def rotate(access: Access, key_id: str, overlap: timedelta, who: str, now: datetime) -> NewKey:
    """A new key for the same client, with the same role, limits and lifetime; the old one holds for the overlap.

    Raises UnknownName, Refused for a key that holds no more, or that was rotated before.
    """
    old = _found(access, key_id)
    lifetime = None if old.expires is None else old.expires - old.created
    new = new_key(old.name, old.role, created=now, lifetime=lifetime, limits=old.limits)
    until = now + overlap
    details = {**told(new.kept), "successor": new.kept.id, "old_holds_until": until.isoformat()}
    access.rotate(key_id, new.kept, until, _entry("key rotated", old, who, now, details))
    return new


def told(key: ApiKey) -> dict[str, object]:
    """What may be told of a key."""
    return {
        "name": key.name,
        "role": key.role.value,
        "expires": None if key.expires is None else key.expires.isoformat(),
        "requests_per_minute": key.limits.requests_per_minute,
        "max_waiting": key.limits.max_waiting,
    }


def _found(access: Access, key_id: str) -> ApiKey:
    keys = {key.id: key for key in access.all_keys()}
    if key_id not in keys:
        raise UnknownName.of("key", key_id, keys)
    return keys[key_id]


def _entry(what: str, key: ApiKey, who: str, when: datetime, details: dict[str, object]) -> AuditEntry:
    return AuditEntry(when=when, who=who, what=what, subject=f"key {key.id}", details=details)
