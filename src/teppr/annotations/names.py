"""The convention by which annotation files are named, and what a name says.

    images-p1-230119_AT1_via205_010219.json
    |---------------|  |  |  |   |
    images, part 1,    |  |  |   released on 1 Feb 2019
    cut 23 Jan 2019    |  |  version 2.05
                       |  tool
                       annotator

The image batch is the name up to and with the annotator: `images-p1-230119_AT1`.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import PurePath

from teppr.types import Provenance

CONVENTION = "images-p<part>-<ddmmyy>_<annotator>_<tool><version>_<ddmmyy>.json"
SUFFIXES = (".json", ".csv")

_NAME = re.compile(
    r"(?P<batch>images-p(?P<part>\d{1,6})-(?P<cut>\d{6})_(?P<annotator>[^_\s]+))"
    r"_(?P<tool>[A-Za-z]+)(?P<version>\d*)_(?P<released>\d{6})"
)
_TOOLS = {"via": "VIA", "cvat": "CVAT", "coco": "COCO"}
"""Tools whose names are written otherwise than in file names."""


def provenance_of(name: str) -> Provenance:
    """What a file's name says; `notes` says why a name that does not follow the convention says nothing."""
    path = PurePath(name)
    found = _NAME.fullmatch(path.stem)
    if not found or path.suffix.lower() not in SUFFIXES:
        return Provenance(notes=(f"the file name {path.name!r} does not follow {CONVENTION}",))
    dates = {part: _date(found[part]) for part in ("cut", "released")}
    wrong = [found[part] for part, value in dates.items() if value is None]
    if wrong:
        return Provenance(notes=(f"the file name {path.name!r} has {', '.join(wrong)} where a date ddmmyy belongs",))
    return Provenance(
        annotator=found["annotator"],
        tool=_tool(found["tool"], found["version"]),
        batch=found["batch"],
        part=int(found["part"]),
        cut=dates["cut"],
        released=dates["released"],
    )


def _date(ddmmyy: str) -> date | None:
    day, month, year = (int(ddmmyy[i : i + 2]) for i in (0, 2, 4))
    try:
        return date(2000 + year, month, day)
    except ValueError:
        return None


def _tool(name: str, version: str) -> str:
    """Of "via" and "205", "VIA 2.05": the first digit is the major version."""
    title = _TOOLS.get(name.lower(), name)
    number = f"{version[0]}.{version[1:]}" if len(version) > 1 else version
    return f"{title} {number}".strip()
