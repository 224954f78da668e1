"""What a store keeps of who may ask the service, and of who changed what: a contract of its own beside annotations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from teppr.keys import ApiKey
from teppr.types import NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A change that was made.

    when: in UTC
    who: "alice@host" at the command line, "key 1a2b3c4d (name)" through the service
    what: as in "key created"
    subject: what was changed, as in "key 1a2b3c4d"
    details: values that JSON can say; never a secret
    """

    when: datetime
    who: str
    what: str
    subject: str
    details: Mapping[str, object] = field(default_factory=lambda: NOTHING)


class Access(ABC):
    """Keys and the audit log of a store; belongs to the store's thread and ends with it.

    Whatever changes keys takes the entry that tells of it: both are written, or neither. The log only ever grows.
    """

    @abstractmethod
    def put(self, key: ApiKey, entry: AuditEntry) -> None:
        """Keep a new key. Raises AlreadyThere where its id or hash is on record."""

    @abstractmethod
    def all_keys(self) -> Iterator[ApiKey]:
        """All keys that were ever made, oldest first."""

    @abstractmethod
    def find(self, sha256: str) -> ApiKey | None:
        """The key with this hash, whatever its state."""

    @abstractmethod
    def revoke(self, key_id: str, entry: AuditEntry) -> None:
        """Take a key back as of `entry.when`; it stays on record. Raises UnknownName, Refused for one taken back."""

    @abstractmethod
    def rotate(self, key_id: str, successor: ApiKey, until: datetime, entry: AuditEntry) -> None:
        """Keep the key's successor, whose id is noted with the key, and let the key expire at `until`.

        Where it expires earlier anyhow, that stays. Raises UnknownName, Refused for a key that holds no more
        or has a successor, AlreadyThere as `put`.
        """

    @abstractmethod
    def note(self, entry: AuditEntry) -> None:
        """Write down a change of something else than keys."""

    @abstractmethod
    def audit(self, since: datetime | None = None) -> Iterator[AuditEntry]:
        """What was written down, newest first; only what happened at `since` or later."""
