"""`teppr compare`: run against run, with intervals and a verdict for each label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, print_json, print_table, progress

if TYPE_CHECKING:
    from teppr.metrics.bootstrap import Interval
    from teppr.workflow.compare import Compared, Comparison


def compare(
    ctx: typer.Context,
    runs: Annotated[
        list[str], typer.Argument(help="Runs, release keys or aliases; the others are held against the first.")
    ],
    split: Annotated[str, typer.Option(help="Split to compare on; default: test, or else val.")] = "",
    draws: Annotated[int, typer.Option(help="How often images are drawn for the intervals.")] = 400,
    seed: Annotated[int, typer.Option(help="Of the draws; the same gives the same intervals.")] = 7,
    out: Annotated[Path | None, typer.Option(help="File to write: .html, .csv or .json.")] = None,
    as_json: Json = False,
) -> None:
    """Hold evaluated runs against the first one: which figures differ by more than the choice of images explains.

    Images of the split are drawn with repetition, all runs measured on each draw (the paired bootstrap); intervals
    hold 95 % of the draws. A difference is told where its interval leaves zero out. One run alone gets its intervals.

    \b
    Examples:
      teppr compare signs-20261122-091500-3f9a signs-20261123-101500-77c0
      teppr compare acme-ods@production runs/signs-20261123-101500-77c0 --out compare.html
      teppr compare kangaroo-20261123-101500-77c0 --split test --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.workflow.compare import compare_runs, write_comparison

    session: Session = ctx.obj
    with progress("drawing images") as bar:
        comparison = compare_runs(
            session.settings.home,
            runs,
            split=split,
            draws=draws,
            seed=seed,
            progress=bar,
            with_examples=out is not None,
        )
    written = [str(write_comparison(comparison, out))] if out else []
    if as_json:
        print_json(comparison.as_dict() | {"files": written})
        return
    _show(session, comparison)
    for path in written:
        typer.echo(path)


def _show(session: Session, comparison: Comparison) -> None:
    typer.echo(f"{comparison.images} images of {comparison.split} of {comparison.dataset}, {comparison.draws} draws")
    names = [chr(ord("A") + i) for i in range(len(comparison.runs))]
    for name, run in zip(names, comparison.runs, strict=True):
        typer.echo(f"  {name} = {run}")
    columns = ["of", "figure", *names]
    columns += [column for name in names[1:] for column in (f"{name} - A", f"{name} is")]
    for title, rows in (("all labels", comparison.overall), ("by label", comparison.by_label)):
        print_table(session.console, title, columns, [_cells(row) for row in rows])


def _cells(row: Compared) -> list[str]:
    values = [_with(value, interval) for value, interval in zip(row.values, row.intervals, strict=True)]
    for gap, interval, verdict in zip(row.differences, row.difference_intervals, row.verdicts, strict=True):
        values += [_with(gap, interval, sign="+"), str(verdict)]
    return [row.label or row.kind, f"{row.kind} {row.figure}" if row.label else row.figure, *values]


def _with(value: float | None, interval: Interval | None, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{value:{sign}.3f}" + (f" ({interval[0]:{sign}.3f} to {interval[1]:{sign}.3f})" if interval else "")
