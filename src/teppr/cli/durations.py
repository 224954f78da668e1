"""Spans and points of time as people type them: 90d, 24h, 2026-03-01."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from teppr.errors import BadInput

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,5})([smhdw])")


def span(text: str, option: str) -> timedelta:
    """As in 90d; raises BadInput naming the option."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BadInput(f"{option} is a number with s, m, h, d or w behind it, as in 90d or 24h, got {text!r}")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def moment(text: str, option: str, now: datetime) -> datetime:
    """A date or time (in UTC where it does not say otherwise), or so long before now; raises BadInput."""
    if _SPAN.fullmatch(text):
        return now - span(text, option)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{option} is a date, a time, or how long ago, as in 2026-03-01, 2026-03-01T14:30 or 7d, got {text!r}"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
