"""Keys and audit entries as flat rows and back: what every back end keeps, as columns or as fields of a document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from teppr.keys import ApiKey, KeyLimits, Role
from teppr.store.access import AuditEntry
from teppr.store.records import json_of, value_of
from teppr.store.rows import Named

KEY_COLUMNS = (
    "id",
    "name",
    "role",
    "sha256",
    "created",
    "expires",
    "revoked",
    "replaced_by",
    "requests_per_minute",
    "max_waiting",
)
AUDIT_COLUMNS = ("at", "who", "what", "subject", "details")


def row_of_key(key: ApiKey) -> dict[str, Any]:
    """The KEY_COLUMNS by name."""
    return {
        "id": key.id,
        "name": key.name,
        "role": key.role.value,
        "sha256": key.sha256,
        "created": text_of(key.created),
        "expires": None if key.expires is None else text_of(key.expires),
        "revoked": None if key.revoked is None else text_of(key.revoked),
        "replaced_by": key.replaced_by,
        "requests_per_minute": key.limits.requests_per_minute,
        "max_waiting": key.limits.max_waiting,
    }


def key_of(row: Named) -> ApiKey:
    """From a row with the KEY_COLUMNS."""
    return ApiKey(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        sha256=row["sha256"],
        created=datetime.fromisoformat(row["created"]),
        expires=_moment(row["expires"]),
        revoked=_moment(row["revoked"]),
        replaced_by=row["replaced_by"],
        limits=KeyLimits(requests_per_minute=row["requests_per_minute"], max_waiting=row["max_waiting"]),
    )


def row_of_entry(entry: AuditEntry) -> dict[str, Any]:
    """The AUDIT_COLUMNS by name."""
    return {
        "at": text_of(entry.when),
        "who": entry.who,
        "what": entry.what,
        "subject": entry.subject,
        "details": json_of(entry.details),
    }


def entry_of(row: Named) -> AuditEntry:
    """From a row with the AUDIT_COLUMNS."""
    return AuditEntry(
        when=datetime.fromisoformat(row["at"]),
        who=row["who"],
        what=row["what"],
        subject=row["subject"],
        details=value_of(row["details"]),
    )


def text_of(moment: datetime) -> str:
    """A time in UTC, always of the same length, so that its letters sort as the time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
