"""Findings as rows for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import orjson

from teppr.files import whole_file
from teppr.types import Finding

COLUMNS = (
    "rule",
    "severity",
    "scope",
    "file",
    "annotator",
    "image",
    "region_index",
    "where",
    "message",
    "values",
    "remedy",
)
"""Keys of a finding in JSON and columns in CSV; stable."""


def finding_row(finding: Finding) -> dict[str, object]:
    """A finding under the names of COLUMNS."""
    row = {name: getattr(finding, name) for name in COLUMNS}
    return row | {"severity": finding.severity.value, "values": dict(finding.values)}


def write_csv(findings: Iterable[Finding], path: Path) -> int:
    """Write all to one CSV file, `values` as JSON; returns how many."""
    count = 0
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="", errors="replace")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for finding in findings:
            row = finding_row(finding)
            writer.writerow(row | {"values": orjson.dumps(row["values"], default=str).decode()})
            count += 1
        text.detach()  # flushes, and leaves closing to `whole_file`
    return count
