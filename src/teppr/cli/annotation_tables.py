"""Tables of the annotation database for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from teppr.cli.session import Session, note, print_table, say_next

if TYPE_CHECKING:
    from teppr.annotations.report import IngestReport
    from teppr.annotations.statistics import Statistics
    from teppr.store.contract import FindingQuery, Store
    from teppr.types import Finding

FINDINGS_SHOWN = 40
"""So many findings are shown; files and --json hold all."""


def severities_found(store: Store, report: IngestReport) -> dict[str, str]:
    """{rule: how its findings in these files weigh}, as in "49 note" or "2 error, 1 note"."""
    from teppr.store.contract import FindingQuery

    counts: dict[str, Counter[str]] = {}
    for summary in report.summaries:
        for found in store.findings(FindingQuery(file=summary.file.sha256, problem=summary.file.problem)):
            counts.setdefault(found.rule, Counter())[found.severity.value] += 1
    return {rule: ", ".join(f"{times} {name}" for name, times in found.items()) for rule, found in counts.items()}


def show_report(session: Session, report: IngestReport, severities: Mapping[str, str]) -> None:
    """The accounting of an ingest, and the rules that were broken."""
    from teppr.annotations.rules import RULES

    tallies = (("files", report.files), ("entries", report.entries), ("regions", report.regions))
    rows = [(name, *tally) for name, tally in tallies]
    print_table(session.console, "Ingested", ("", "read", "accepted", "rejected"), rows)
    if report.unchanged:
        typer.echo(f"{report.unchanged} of the files were on record already")
    for file in report.rejected:
        typer.echo(f"rejected: {file.file}: {file.reason}")
    for file in report.refused:
        typer.echo(f"not ingested: {file.file}: {file.reason}")
    if report.findings:
        found = [
            (rule, severities.get(rule, str(count)), RULES[rule].checks)
            for rule, count in sorted(report.findings.items())
        ]
        print_table(session.console, "Findings", ("rule", "severity", "what must hold"), found)
        say_next(session, "annotations", "findings", "--html", "findings/")


def show_findings(session: Session, store: Store, query: FindingQuery) -> None:
    """The first findings, one a row."""
    shown, count = [], 0
    folders = _folders(store)
    for found in store.findings(query):
        count += 1
        if count <= FINDINGS_SHOWN:
            place = found.where if found.file in folders and found.where else _place(found)
            shown.append((found.rule, found.severity.value, found.annotator or "", place, found.message))
    if not count:
        typer.echo("no findings")
        return
    columns = ("rule", "severity", "annotator", "where", "what is wrong")
    print_table(session.console, "Findings", columns, shown)
    if count > FINDINGS_SHOWN:
        typer.echo(f"the first {FINDINGS_SHOWN} of {count}; --csv, --html and --json give all")


def _folders(store: Store) -> set[str]:
    """Paths of the documents that are folders of files: only where a finding is in them says in which."""
    from teppr.formats.contract import FORMATS

    files = [summary.file for summary in store.files()]
    # A format on record may be of a package that is no longer installed.
    known = {file.format for file in files}.intersection(FORMATS.names())
    folders = {name for name in known if FORMATS.load(name).layout == "folder"}
    return {file.path for file in files if file.format in folders}


def _place(found: Finding) -> str:
    region = "" if found.region_index is None else f", region {found.region_index}"
    return f"{found.image or Path(found.file).name}{region}"


def show_statistics(session: Session, counted: Statistics) -> None:
    """A table for each group, and the rules broken by annotator."""
    columns = ("images", "regions", "mean", "most", "box px²", "mask px²", "cover %")
    for key, rows in counted.groups.items():
        cells = [
            (
                Path(row.value).name if key == "file" and row.value else row.value or "unknown",
                row.images,
                row.regions,
                round(row.mean_per_image, 2),
                row.largest_per_image,
                round(row.mean_box_area_px),
                round(row.mean_mask_area_px),
                round(100 * row.coverage_0_1, 1),
            )
            for row in rows
        ]
        print_table(session.console, f"By {key}", (key, *columns), cells)
    found = counted.findings_by("annotator")
    broken = [(who or "unknown", rule, n) for who, rules in found.items() for rule, n in sorted(rules.items())]
    print_table(session.console, "Findings", ("annotator", "rule", "times"), broken)


def say_what_is_not_said(not_said: dict[str, int]) -> None:
    """What a format could not say, each with how often."""
    for sentence, times in not_said.items():
        note(f"not written, {times} times: {sentence}")
