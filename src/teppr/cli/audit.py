"""`teppr audit`: who changed what, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, note, print_json, print_table

if TYPE_CHECKING:
    from teppr.store import AuditEntry

ROWS_SHOWN = 60
"""So many entries are shown; --json holds all."""


def audit(
    ctx: typer.Context,
    since: Annotated[
        str | None, typer.Option(help="Only from this date or time (UTC) on, or of the last, as in 7d.")
    ] = None,
    as_json: Json = False,
) -> None:
    r"""Say who changed what, and when, newest first. The log only grows: nothing in it can be changed.

    With --json: [{"when", "who", "what", "subject", "details"}].

    \b
    Examples:
      teppr audit
      teppr audit --since 7d
      teppr audit --since 2026-03-01 --json
    """
    from teppr.cli.durations import moment
    from teppr.store import open_store

    session: Session = ctx.obj
    earliest = None if since is None else moment(since, "--since", datetime.now(UTC))
    with open_store(session.settings.store_url, make=False) as store:
        entries = store.access.audit(earliest)
        if as_json:
            print_json([_document(entry) for entry in entries])
        else:
            _show(session, entries)


def _show(session: Session, entries: Iterable[AuditEntry]) -> None:
    first = list(islice(entries, ROWS_SHOWN + 1))
    if not first:
        note("nothing was changed in that time")
        return
    rows = [
        (f"{entry.when:%Y-%m-%d %H:%M:%S}", entry.who, entry.what, entry.subject, _told(entry))
        for entry in first[:ROWS_SHOWN]
    ]
    print_table(session.console, "Audit log, times in UTC", ("when", "who", "what", "of", "details"), rows)
    if len(first) > ROWS_SHOWN:
        note(f"the newest {ROWS_SHOWN} are shown; --since and --json give others")


def _told(entry: AuditEntry) -> str:
    return ", ".join(f"{name}: {value}" for name, value in entry.details.items() if value is not None)


def _document(entry: AuditEntry) -> dict[str, object]:
    return {
        "when": entry.when,
        "who": entry.who,
        "what": entry.what,
        "subject": entry.subject,
        "details": dict(entry.details),
    }
