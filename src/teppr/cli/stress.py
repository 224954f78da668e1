"""`teppr stress`: load on a prediction service, and what its clients would have seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from teppr.cli.session import Json, Session, note, print_json, print_table, progress
from teppr.errors import AlreadyThere, BadInput

if TYPE_CHECKING:
    from rich.table import Table

    from teppr.stress.measure import Figures, Summary
    from teppr.stress.pictures import Picture
    from teppr.stress.plan import Stage
    from teppr.stress.thresholds import Verdict

CLIENTS = "8"
COLUMNS = ("sent", "rate/s", "p50", "p90", "p95", "p99", "max", "refused", "declined", "errors")


def stress(
    ctx: typer.Context,
    url: Annotated[list[str], typer.Argument(help="Address of a service; several are asked at once.")],
    clients: Annotated[
        str | None,
        typer.Option(help=f"Clients at each URL that send once they are answered, a stage each; default: {CLIENTS}."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Requests a second at each URL, whether answered or not, a stage each.")
    ] = None,
    arrivals: Annotated[
        Literal["poisson", "even"], typer.Option(help="How requests of --rate are spread.")
    ] = "poisson",
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each stage.")] = 10.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of the first stage's load that do not count.")] = 2.0,
    images: Annotated[
        Path | None, typer.Option(help="Folder of images to send as they are; default: generated scenes.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Model to ask for (q); again for more, asked in turn.")
    ] = None,
    priority: Annotated[Literal["interactive", "bulk"] | None, typer.Option(help="Priority to ask for.")] = None,
    key: Annotated[str, typer.Option(help="API key; it is not written into the report.")] = "",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds after which an answer is too late.")] = 30.0,
    path: Annotated[str, typer.Option(help="Route of URLs that have none.")] = "/api/vision/v2/predict",
    retry_after: Annotated[bool, typer.Option(help="Whether refused clients wait as long as the service says.")] = True,
    processes: Annotated[int, typer.Option(min=1, help="Processes that put the load on.")] = 1,
    out: Annotated[
        Path | None, typer.Option(help="New folder for report.html, summary.json, seconds.csv and machine.csv.")
    ] = None,
    max_p50_ms: Annotated[float | None, typer.Option(help="Median of the answers, in every stage.")] = None,
    max_p99_ms: Annotated[float | None, typer.Option(help="99 % of the answers are as quick, in every stage.")] = None,
    min_rate: Annotated[float | None, typer.Option(help="Answers a second of all URLs, in the best stage.")] = None,
    max_errors: Annotated[int, typer.Option(min=0, help="Requests without an answer, or with 5xx other than 503.")] = 0,
    max_declined: Annotated[int, typer.Option(min=0, help="Requests answered with 4xx other than 429.")] = 0,
    max_refused_share: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of requests answered with 429 or 503, 0 to 1.")
    ] = None,
    as_json: Json = False,
) -> None:
    r"""Put load on prediction services, and report what their clients would have seen.

    With --clients each client sends as soon as it was answered. With --rate requests come when they are due, and
    latency counts from then, so that a service that stalls cannot hide it. Refusals (429, 503) and what the service
    finds fault with (other 4xx) are counted apart from errors: 5xx, and no answer at all. A URL may have a route and
    a query of its own. Ctrl+C ends it early and reports what was measured until then.

    \b
    Examples:
      teppr stress http://127.0.0.1:4040
      teppr stress http://127.0.0.1:4040 --clients 1,8,32 --seconds 20 --out load/
      teppr stress http://127.0.0.1:4040 --rate 10,50,100 --max-p99-ms 400 --max-refused-share 0.01
      teppr stress 127.0.0.1:4040 '127.0.0.1:4041?q=acme-rld-2' --images photos/ --processes 2
    """
    from teppr.stress.measure import summary_of
    from teppr.stress.plan import Plan, target_of
    from teppr.stress.run import run
    from teppr.stress.thresholds import Thresholds, verdicts_on

    session: Session = ctx.obj
    plan = Plan(
        targets=tuple(target_of(one, path) for one in dict.fromkeys(url)),
        stages=_stages(clients, rate, seconds, arrivals),
        warm_up_s=warm_up,
        timeout_s=timeout,
        models=tuple(model or ()),
        priority=priority,
        key=key,
        honours_retry_after=retry_after,
        processes=processes,
    )
    if out is not None and out.exists():
        raise AlreadyThere(f"{out} exists already; give --out a new folder, so that no other report is overwritten")
    pictures = _pictures(images)
    total_s = sum(int(stage.seconds) for stage in plan.stages) + int(warm_up)
    with progress("load, seconds", total_s) as bar:
        summary = summary_of(run(plan, pictures, bar))
    thresholds = Thresholds(
        max_p50_ms=max_p50_ms,
        max_p99_ms=max_p99_ms,
        min_answers_per_s=min_rate,
        max_failed=max_errors,
        max_declined=max_declined,
        max_refused_share_0_1=max_refused_share,
    )
    verdicts = verdicts_on(summary, thresholds)
    _report(session, summary, verdicts, out, as_json=as_json)
    if not all(verdict.is_met for verdict in verdicts):
        raise typer.Exit(1)


def _stages(
    clients: str | None, rate: str | None, seconds: float, arrivals: Literal["poisson", "even"]
) -> tuple[Stage, ...]:
    from teppr.stress.plan import closed_stages, open_stages

    if clients is not None and rate is not None:
        raise BadInput("--clients is a closed loop and --rate an open one: give one of them")
    if rate is not None:
        return open_stages(rate, seconds, arrivals)
    return closed_stages(clients or CLIENTS, seconds)


def _pictures(folder: Path | None) -> list[Picture]:
    from teppr.stress.pictures import generated_pictures, pictures_in

    if folder is None:
        return generated_pictures()
    pictures, left_out = pictures_in(folder)
    if left_out:
        note(f"note: {len(pictures)} of {len(pictures) + left_out} files in {folder} are sent, evenly chosen")
    return pictures


def _report(session: Session, summary: Summary, verdicts: list[Verdict], out: Path | None, *, as_json: bool) -> None:
    from teppr.stress.report import document_of, remarks_on, write_report

    if out is not None:
        write_report(summary, verdicts, out)
    if as_json:
        print_json(document_of(summary, verdicts))
        return
    session.console.print(_answers(summary))
    statuses = [(_short(row.target), row.words, row.count, row.detail) for row in summary.statuses]
    print_table(session.console, "What came back", ("of", "answer", "requests", "first sentence"), statuses)
    for remark in remarks_on(summary):
        note(remark)
    for verdict in verdicts:
        typer.echo(f"{'met' if verdict.is_met else 'not met'}: {verdict.sentence}")
    if out is not None:
        typer.echo(f"report: {out / 'report.html'}")


def _answers(summary: Summary) -> Table:
    """A line for each stage, and where several URLs were asked one below it for each; it fits 80 columns."""
    from rich.table import Table

    lines = []
    for stage in summary.stages:
        lines.append((stage.stage.name, *_cells(stage.all)))
        if len(stage.targets) > 1:
            lines += [(f"  {_short(target)}", *_cells(figures)) for target, figures in stage.targets.items()]
    of = f" of {_short(*summary.targets)}" if len(summary.targets) == 1 else ""
    title = f"Answers{of}, times in ms"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0))
    table.add_column("load", overflow="fold")
    for i, name in enumerate(COLUMNS, 1):
        width = max(len(name), *(len(line[i]) for line in lines)) if lines else None
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    for line in lines:
        table.add_row(*line)
    return table


def _cells(figures: Figures) -> list[str]:
    found = figures.latency
    times = (found.p50_ms, found.p90_ms, found.p95_ms, found.p99_ms, found.max_ms) if found else (None,) * 5
    counts = map(str, (figures.refused, figures.declined, figures.failed))
    return [str(figures.requests), f"{figures.answers_per_s:.1f}", *map(_shown, times), *counts]


def _shown(value_ms: float | None) -> str:
    if value_ms is None:
        return "-"
    return f"{value_ms:.{2 if value_ms < 10 else 1 if value_ms < 100 else 0}f}"


def _short(url: str) -> str:
    return url.removeprefix("http://")
