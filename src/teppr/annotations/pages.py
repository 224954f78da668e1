"""Pages for people: findings with the faulty region drawn, a page for each annotator; and what the database holds.

A page is one file that needs nothing beside it, so that it can be sent.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

import orjson

from teppr.annotations.names import provenance_of
from teppr.annotations.pictures import Pictures
from teppr.annotations.rules import RULES, Rule
from teppr.annotations.statistics import Statistics, regions_per_image
from teppr.annotations.told import Told, told
from teppr.charts import bar_chart, time_chart
from teppr.colors import color_of, colors_of
from teppr.pages import write_page
from teppr.store.contract import ImageQuery, Store, StoredImage
from teppr.types import AnnotationFile, Finding, Severity

SHOWN_PER_RULE = 60
"""So many findings of a rule are shown on a page, each with its picture; the others are counted."""
SAMPLES = 24
"""So many annotated images are shown on the page of statistics."""


def _checks(rule: str) -> str:
    return RULES[rule].checks if rule in RULES else rule


def _most_count(by: Mapping[str | None, Mapping[str, int]]) -> int:
    return max((n for counts in by.values() for n in counts.values()), default=1)


def _severity(rule: str) -> Severity:
    return RULES[rule].severity if rule in RULES else Severity.NOTE


FILTERS: Mapping[str, Callable[..., object]] = {
    "checks": _checks,
    "severity": _severity,
    "most_count": _most_count,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A finding as a page shows it."""

    finding: Finding
    told: Told
    picture: str | None
    values: str


@dataclass(slots=True, kw_only=True)
class AnnotatorPage:
    """The findings of one annotator; None = unknown.

    counts: {rule: {severity: how often}}
    files: {path: what is on record of it, None where that is not known}
    """

    annotator: str | None
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    severities: Counter[str] = field(default_factory=Counter)
    files: dict[str, AnnotationFile | None] = field(default_factory=dict)
    shown: dict[str, list[Shown]] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Of the page; made of the annotator's name in letters that every file system takes."""
        return f"findings-{re.sub(r'[^A-Za-z0-9]+', '-', self.annotator or 'unknown')}.html"

    @property
    def rules(self) -> list[Rule]:
        """Those that were broken, the worst first."""
        worst = {rule: min(map(list(Severity).index, map(Severity, counts))) for rule, counts in self.counts.items()}
        return [RULES[rule] for rule in sorted(self.counts, key=lambda rule: (worst[rule], rule)) if rule in RULES]

    @property
    def releases(self) -> list[Release]:
        """The annotation files that the findings are about, in the order of their names."""
        return sorted((Release.of(path, file) for path, file in self.files.items()), key=lambda one: one.name)

    def add(self, finding: Finding, file: AnnotationFile | None, pictures: Pictures) -> None:
        """Count a finding, and show it while there is room."""
        self.counts.setdefault(finding.rule, Counter())[finding.severity.value] += 1
        self.severities[finding.severity.value] += 1
        self.files[finding.file] = file
        shown = self.shown.setdefault(finding.rule, [])
        if len(shown) < SHOWN_PER_RULE:
            said = told(finding)
            picture = pictures.of_finding(finding)
            shown.append(Shown(finding=finding, told=said, picture=picture, values=_values(said.values)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A delivered file as its annotator knows it.

    said: problem, batch, tool and date, as far as they are known
    next_name: how the mended file is to be called, so that it takes this one's place; None where names say nothing
    """

    name: str
    said: str
    next_name: str | None

    @classmethod
    def of(cls, path: str, file: AnnotationFile | None) -> Release:
        """Of the file at a path, and what is on record of it."""
        name = PurePath(path).name
        released = f"released {file.released:%d %B %Y}" if file and file.released else None
        known = (file.problem, file.batch, file.tool, released) if file else ()
        stem, suffix = PurePath(name).stem, PurePath(name).suffix
        follows = not provenance_of(name).notes
        return cls(
            name=name,
            said=", ".join(text for text in known if text),
            next_name=f"{stem.rpartition('_')[0]}_<ddmmyy>{suffix}" if follows else None,
        )


def write_findings(findings: Iterable[Finding], folder: Path, files: Iterable[AnnotationFile] = ()) -> list[Path]:
    """Write `index.html` and a page for each annotator into `folder`; returns their paths, the index first.

    A page tells of no other annotator, so that it can be sent to its own; the index is for who sends them.

    files: what is on record of the files that the findings are about
    """
    on_record = {file.path: file for file in files}
    pages: dict[str | None, AnnotatorPage] = {}
    pictures = Pictures()
    for finding in findings:
        page = pages.setdefault(finding.annotator, AnnotatorPage(annotator=finding.annotator))
        page.add(finding, on_record.get(finding.file), pictures)
    ordered = sorted(pages.values(), key=lambda page: page.annotator or "")
    index = write_html(folder / "index.html", "index.html", pages=ordered)
    return [index, *(write_html(folder / page.file_name, "findings.html", page=page) for page in ordered)]


def write_statistics(
    statistics: Statistics, store: Store, path: Path, colors: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """Write the page of statistics with charts, and pictures of annotated samples.

    All entries are gone through once, to count their regions.

    colors: of labels that have one of their own, {label: "#rrggbb"}; the others keep away from them
    """
    labels, annotators, days = (statistics.groups[key] for key in ("label", "annotator", "released"))
    colors = colors_of([row.value for row in labels if row.value is not None], colors)
    samples = _Samples(colors)
    per_image = regions_per_image(map(samples.see, store.images(ImageQuery(problem=statistics.problem))))
    dated = [(date.fromisoformat(row.value), row.regions) for row in days if row.value is not None]
    color = _colorist(colors)
    return write_html(
        path,
        "statistics.html",
        colors,
        statistics=statistics,
        by_label=bar_chart([(row.value or "unlabelled", row.regions, color(row.value or "?")) for row in labels]),
        by_annotator=bar_chart([(row.value or "unknown", row.regions, None) for row in annotators]),
        over_days=time_chart(dated),
        per_image=per_image,
        undated=sum(row.regions for row in days if row.value is None),
        rules=sorted({row.rule for row in statistics.findings}),
        samples=samples.shown,
    )


class _Samples:
    """Pictures of entries with regions, spread over files, a few of each.

    shown: entries with their pictures
    """

    def __init__(self, colors: Mapping[str, str]) -> None:
        self.shown: list[tuple[StoredImage, str]] = []
        self._colors = colors
        self._pictures = Pictures()
        self._of_file: Counter[str] = Counter()

    def see(self, image: StoredImage) -> int:
        """Keep the entry's picture while there is room; how many regions it has."""
        has_room = len(self.shown) < SAMPLES and self._of_file[image.file_sha256] < SAMPLES // 3
        if has_room and image.regions and image.sha256:
            self._of_file[image.file_sha256] += 1
            picture = self._pictures.of_image(image, self._colors)
            if picture is not None:
                self.shown.append((image, picture))
        return len(image.regions)


def write_html(
    path: Path, template: str, label_colors: Mapping[str, str] = MappingProxyType({}), **values: object
) -> Path:
    """Fill one of the templates beside this module; labels have the colours that are given, or those of their names."""
    filters = {**FILTERS, "color": _colorist(label_colors)}
    return write_page(path, "teppr.annotations", template, {"limit": SHOWN_PER_RULE, **values}, filters)


def _colorist(colors: Mapping[str, str]) -> Callable[[str], str]:
    return lambda label: colors.get(label) or color_of(label)


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in values.items())


def _short(value: object) -> str:
    text = orjson.dumps(value, default=str).decode() if not isinstance(value, str) else value
    return text if len(text) <= 160 else f"{text[:157]}..."
