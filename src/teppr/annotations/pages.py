"""Pages for people: findings with the faulty region drawn, a page for each annotator; and what the database holds.

A page is one file that needs nothing beside it, so that it can be sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from teppr.annotations.pictures import Pictures
from teppr.annotations.rules import RULES, Rule
from teppr.annotations.statistics import Statistics
from teppr.colors import color_of
from teppr.pages import write_page
from teppr.store.contract import ImageQuery, Store
from teppr.types import Finding

SHOWN_PER_RULE = 60
"""So many findings of a rule are shown on a page, each with its picture; the others are counted."""
SAMPLES = 24
"""So many annotated images are shown on the page of statistics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A finding as a page shows it."""

    finding: Finding
    picture: str | None
    values: str


@dataclass(slots=True, kw_only=True)
class AnnotatorPage:
    """The findings of one annotator; None = unknown."""

    annotator: str | None
    counts: Counter[str] = field(default_factory=Counter)
    severities: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    shown: dict[str, list[Shown]] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Of the page; made of the annotator's name in letters that every file system takes."""
        return f"findings-{re.sub(r'[^A-Za-z0-9]+', '-', self.annotator or 'unknown')}.html"

    @property
    def rules(self) -> list[Rule]:
        """Those that were broken."""
        return [RULES[rule] for rule in sorted(self.counts) if rule in RULES]

    def add(self, finding: Finding, pictures: Pictures) -> None:
        """Count a finding, and show it while there is room."""
        self.counts[finding.rule] += 1
        self.severities[finding.severity.value] += 1
        self.files.add(finding.file)
        shown = self.shown.setdefault(finding.rule, [])
        if len(shown) < SHOWN_PER_RULE:
            picture = pictures.of_finding(finding)
            shown.append(Shown(finding=finding, picture=picture, values=_values(finding.values)))


def write_findings(findings: Iterable[Finding], folder: Path) -> list[Path]:
    """Write `index.html` and a page for each annotator into `folder`; returns their paths, the index first."""
    pages: dict[str | None, AnnotatorPage] = {}
    pictures = Pictures()
    for finding in findings:
        page = pages.setdefault(finding.annotator, AnnotatorPage(annotator=finding.annotator))
        page.add(finding, pictures)
    ordered = sorted(pages.values(), key=lambda page: page.annotator or "")
    index = _write(folder / "index.html", "index.html", pages=ordered)
    return [index, *(_write(folder / page.file_name, "findings.html", page=page) for page in ordered)]


def write_statistics(statistics: Statistics, store: Store, path: Path) -> Path:
    """Write the page of statistics with pictures of annotated samples."""
    pictures = Pictures()
    samples = []
    for image in islice(_with_regions(store, statistics.problem), SAMPLES):
        picture = pictures.of_image(image)
        if picture is not None:
            samples.append((image, picture))
    return _write(path, "statistics.html", statistics=statistics, samples=samples)


def _with_regions(store: Store, problem: str | None) -> Iterable[Any]:
    """Images to show: with regions, and spread over files, a few of each."""
    of_file: Counter[str] = Counter()
    for image in store.images(ImageQuery(problem=problem)):
        if image.regions and image.sha256 and of_file[image.file_sha256] < SAMPLES // 3:
            of_file[image.file_sha256] += 1
            yield image


def _write(path: Path, template: str, **values: object) -> Path:
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    shared: dict[str, object] = {"made": made, "limit": SHOWN_PER_RULE}
    return write_page(path, "teppr.annotations", template, shared | values, {"color": color_of})


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    text = orjson.dumps(value, default=str).decode() if not isinstance(value, str) else value
    return text if len(text) <= 160 else f"{text[:157]}..."
