"""What every back end refuses in the same words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from teppr.errors import Refused, UnknownName
from teppr.keys import ApiKey
from teppr.store.contract import FileSummary


def refuse_to_withdraw(sha256: str, problem: str, found: FileSummary | None) -> None:
    """Raise UnknownName for a file that is not on record, Refused for one that is withdrawn already."""
    if found is None:
        raise UnknownName(
            f"there is no annotation file {sha256} on record for {problem}; those there are: teppr annotations files"
        )
    if found.withdrawn is not None:
        raise Refused(
            f"{found.file.path} was withdrawn already, on {found.withdrawn.when:%Y-%m-%d}: {found.withdrawn.why}; "
            "ingesting it with --again brings it back"
        )


def refuse_to_revoke(key_id: str, found: ApiKey | None, known: Iterable[str]) -> None:
    """Raise UnknownName for a key that is not on record, Refused for one that was taken back already."""
    if found is None:
        raise UnknownName.of("key", key_id, known)
    if found.revoked is not None:
        raise Refused(f"key {key_id} of {found.name} was revoked already, on {found.revoked:%Y-%m-%d %H:%M} UTC")


def refuse_to_rotate(key_id: str, found: ApiKey | None, known: Iterable[str], now: datetime) -> None:
    """Raise UnknownName for a key that is not on record, Refused for one that holds no more or was rotated."""
    refuse_to_revoke(key_id, found, known)
    if found is not None and found.replaced_by is not None:
        raise Refused(f"key {key_id} of {found.name} was rotated already: its successor is {found.replaced_by}")
    if found is not None and found.state(now) != "holds":
        raise Refused(
            f"key {key_id} of {found.name} expired on {found.expires:%Y-%m-%d %H:%M} UTC and cannot be rotated; "
            "create a new one: teppr keys create"
        )
