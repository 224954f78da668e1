"""Which release of the same work takes the place of which: one rule for every back end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What of a file on record decides whose place it takes.

    key: what the back end knows it by
    order: its place in the order of ingest
    stands: whether it is accepted and not withdrawn
    """

    key: Any
    order: int
    sha256: str
    problem: str
    path: str
    annotator: str | None
    batch: str | None
    part: int | None
    released: date | None
    superseded_by: str | None
    stands: bool


class Ledger(Protocol):
    """What a back end must be able to look up and write down; each in the order of ingest."""

    def rivals(self, release: Release) -> Sequence[Release]:
        """Other current files of the same problem: of the same batch, part and annotator, or at the same path."""

    def superseded_by(self, release: Release) -> Sequence[Release]:
        """Files of the same problem whose place the release has taken."""

    def supersede(self, release: Release, by_sha256: str | None) -> None:
        """Write down what has taken the release's place; None = nothing."""


def settle(ledger: Ledger, release: Release) -> None:
    """Say anew what supersedes what after a release was put, replaced or withdrawn; repeating it changes nothing."""
    freed = ledger.superseded_by(release)
    for older in freed:
        ledger.supersede(older, release.superseded_by)
    if release.superseded_by is None:
        for older in freed:
            if older.stands:
                _compete(ledger, older)
    if release.stands:
        _compete(ledger, release)


def _compete(ledger: Ledger, release: Release) -> None:
    for rival in ledger.rivals(release):
        earlier, later = (release, rival) if release.order < rival.order else (rival, release)
        if _takes_place(later, earlier):
            ledger.supersede(earlier, later.sha256)
        elif earlier.released and later.released and earlier.released > later.released:
            ledger.supersede(later, earlier.sha256)


def _takes_place(later: Release, earlier: Release) -> bool:
    if later.path == earlier.path:
        return True
    if later.released is None or earlier.released is None:
        return False
    same_name = later.path.rpartition("/")[2] == earlier.path.rpartition("/")[2]
    return later.released > earlier.released or (later.released == earlier.released and same_name)
