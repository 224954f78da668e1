"""API keys: who may ask the service, for how much; the key itself is never kept, only what it is recognised by."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Literal, TypeAlias

from teppr.errors import BadInput

LONGEST_NAME = 100
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SECRET_DIGITS = 43
"""62 ** 43 is more than 2 ** 256."""

KEY = re.compile(rf"tpr_(?P<id>[0-9a-f]{{8}})_[0-9A-Za-z]{{{SECRET_DIGITS}}}")
"""The form of a key: `tpr_<id>_<secret>`."""

_BEGINNING = re.compile(r"(tpr_[0-9a-f]{8}_)[0-9A-Za-z]+")

State: TypeAlias = Literal["holds", "expired", "revoked"]


class Role(StrEnum):
    """What a key may do: each role may do what those before it may."""

    CLIENT = "client"
    ANNOTATOR = "annotator"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, needed: Role) -> bool:
        """Whether who has this role may do what needs that one."""
        return _RANK[self] >= _RANK[needed]


_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """How much one client may ask for; None = as much as all may.

    max_waiting: requests of it that may be waiting or under way at a time
    """

    requests_per_minute: int | None = None
    max_waiting: int | None = None

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "max_waiting"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BadInput(f"a key's {name} must be at least 1, got {value}")


NO_LIMITS = KeyLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept; all times are in UTC.

    id: of 8 hex digits; shown, logged, and part of the key
    name: of the client that has it; several keys may be one client's
    sha256: of the whole key
    expires: from when on it holds no more; None = never
    revoked: since when it was taken back; None while it holds
    replaced_by: id of the key that was made in its place
    """

    id: str
    name: str
    role: Role
    sha256: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    replaced_by: str | None = None
    limits: KeyLimits = NO_LIMITS

    def __post_init__(self) -> None:
        name = self.name
        if not name.isprintable() or name != name.strip() or not 0 < len(name) <= LONGEST_NAME:
            # It is shown in logs and tables, where it must not write lines of its own.
            raise BadInput(
                f"a client's name has 1 to {LONGEST_NAME} printable characters, none of them a space at an end, "
                f"got {name[: 2 * LONGEST_NAME]!r}"
            )

    def state(self, now: datetime) -> State:
        """What the key is at that time."""
        if self.revoked is not None:
            return "revoked"
        return "holds" if self.expires is None or now < self.expires else "expired"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is kept, and its whole text, which is there this once."""

    kept: ApiKey
    text: str = field(repr=False)


def new_key(
    name: str, role: Role, *, created: datetime, lifetime: timedelta | None = None, limits: KeyLimits = NO_LIMITS
) -> NewKey:
    """Make a key for a client; lifetime: how long it holds, None = for ever."""
    key_id = secrets.token_hex(4)
    text = f"tpr_{key_id}_{''.join(secrets.choice(DIGITS) for _ in range(SECRET_DIGITS))}"
    expires = None if lifetime is None else created + lifetime
    kept = ApiKey(
        id=key_id, name=name, role=role, sha256=hash_of(text), created=created, expires=expires, limits=limits
    )
    return NewKey(kept, text)


def hash_of(key: str) -> str:
    """What a key is recognised by.

    A plain quick hash is right here: a key is 256 random bits, which nobody finds by trying. The slow hashes made for
    passwords guard what people can remember, and would let anyone keep the service busy with wrong keys.
    """
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def without_secrets(text: str) -> str:
    """The text with the secret part of each key in it, cut off or whole, left out."""
    return _BEGINNING.sub(r"\1...", text)
