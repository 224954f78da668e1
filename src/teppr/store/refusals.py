"""What every back end refuses in the same words."""

from __future__ import annotations

from teppr.errors import Refused, UnknownName
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
