"""`teppr model`: published models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli.model_import import import_
from teppr.cli.model_inspect import inspect
from teppr.cli.session import Json, Session, note, print_json, print_table
from teppr.errors import TepprError

if TYPE_CHECKING:
    from teppr.registry.acceptance import Verdict
    from teppr.registry.releases import Registry, ReleaseInfo, ReleaseRecord
    from teppr.tasks.contract import Task

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
Key = Annotated[str, typer.Argument(help="Release key or alias.")]


@app.callback()
def model() -> None:
    """List, show, verify and import published models, and look inside any model."""


app.command("import")(import_)
app.command()(inspect)


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List all releases with their aliases and figures.

    \b
    Examples:
      teppr model list
      teppr model list --json
    """  # noqa: D301 - the \b is for the help's layout
    session: Session = ctx.obj
    releases = _registry(session).list()
    if as_json:
        print_json([info.as_dict() for info in releases])
        return
    if not releases:
        note("there are no releases yet; teppr publish makes one of a run")
        return
    columns = ("key", "aliases", "architecture", "on test", "accepted", "created")
    print_table(session.console, "", columns, [_row(info) for info in releases])


@app.command()
def show(ctx: typer.Context, key: Key, as_json: Json = False) -> None:
    """Show a release: where it comes from, its figures, its criteria and its card.

    \b
    Examples:
      teppr model show acme-ods-8
      teppr model show acme-ods@production --json
    """  # noqa: D301
    from dataclasses import asdict

    from teppr.registry.card import card_document

    session: Session = ctx.obj
    registry = _registry(session)
    info = registry.release(key)
    bundle = registry.find(key)
    if as_json:
        whole = asdict(info.record) | {"aliases": list(info.aliases), "path": str(info.bundle_path)}
        print_json(whole | {"card": card_document(bundle.card)})
        return
    for name, value in _facts(info).items():
        typer.echo(f"{name:>13}: {value}")
    typer.echo(f"{'labels':>13}: {', '.join(label.name for label in bundle.card.labels)}")
    shown = _task_of(info).headline
    print_table(session.console, "figures", ("split", "of", *shown), _figures(info, shown))
    if info.record.acceptance:
        print_verdicts(session, info.record.acceptance)


@app.command()
def verify(
    ctx: typer.Context,
    keys: Annotated[list[str] | None, typer.Argument(help="Release keys or aliases; default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Compare every file of releases with what was published; exit code 1 where one differs.

    \b
    Examples:
      teppr model verify
      teppr model verify acme-ods-8
    """  # noqa: D301
    session: Session = ctx.obj
    registry = _registry(session)
    asked = keys or [info.record.key for info in registry.list()]
    problems = {key: registry.verify(key) for key in asked}
    if as_json:
        print_json({"releases": len(problems), "problems": {key: found for key, found in problems.items() if found}})
    else:
        for key, found in problems.items():
            typer.echo(f"{key}: {'; '.join(found) or 'as published'}")
    if any(problems.values()):
        raise typer.Exit(1)


@app.command()
def alias(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="<org>-<problem>@<name>, like acme-ods@production.")],
    key: Annotated[str, typer.Argument(help="The release that it shall mean.")],
    as_json: Json = False,
) -> None:
    """Let an alias mean a release from now on; what it meant before stays on record.

    \b
    Examples:
      teppr model alias acme-ods@production acme-ods-8
      teppr model alias acme-ods@staging acme-ods-9
    """  # noqa: D301
    session: Session = ctx.obj
    info = _registry(session).point(name, key)
    if as_json:
        print_json(info.as_dict())
    else:
        typer.echo(f"{name} is {info.record.key}")


def print_verdicts(session: Session, verdicts: tuple[Verdict, ...]) -> None:
    """The table of criteria for people."""
    rows = [
        (row.criterion, row.wanted, "undefined" if row.got is None else f"{row.got:.4g}", _word(row), row.detail)
        for row in verdicts
    ]
    columns = ("criterion", "wanted", "got", "verdict", "detail")
    shown = len(columns) if any(row.detail for row in verdicts) else len(columns) - 1
    print_table(session.console, "criteria", columns[:shown], [row[:shown] for row in rows])


def _word(verdict: Verdict) -> str:
    return "met" if verdict.met else "NOT MET"


def _registry(session: Session) -> Registry:
    from teppr.registry.releases import Registry

    return Registry(session.settings.home)


def _row(info: ReleaseInfo) -> tuple[object, ...]:
    record = info.record
    created = f"{record.created:%Y-%m-%d %H:%M}"
    return record.key, ", ".join(info.aliases), record.architecture, _main_figure(info), _accepted(record), created


def _accepted(record: ReleaseRecord) -> str:
    if record.was_imported:
        return "made elsewhere, not judged"
    return "yes" if record.accepted else f"forced: {record.why}"


def _task_of(info: ReleaseInfo) -> Task:
    """By which its figures are named."""
    from teppr.registry.bundle import Bundle
    from teppr.tasks.contract import TASKS

    return TASKS.load(Bundle.open(info.bundle_path).card.learned)


def _main_figure(info: ReleaseInfo) -> str:
    """The one by which its network was chosen, on test; a list shows broken releases too, without figures."""
    try:
        task = _task_of(info)
    except TepprError:
        return ""
    value = info.record.metrics.get("test", {}).get(task.kinds[0], {}).get(task.followed[0])
    return "" if value is None else f"{task.followed[0]} {value:.3f}"


def _facts(info: ReleaseInfo) -> dict[str, object]:
    record = info.record
    measured: dict[str, Any] = dict(record.measured)
    latency, parity = measured.get("latency_ms"), measured.get("parity")
    facts: dict[str, object] = {
        "key": record.key,
        "aliases": ", ".join(info.aliases) or "none",
        "architecture": record.architecture,
        "problem": record.problem,
        "run": record.run,
        "dataset": record.dataset,
        "creator": record.creator or "unknown",
        "created": f"{record.created:%Y-%m-%d %H:%M}",
        "accepted": _accepted(record),
    }
    if latency:
        facts["latency"] = f"p50 {latency['p50']} ms, p95 {latency['p95']} ms ({latency['machine']})"
    if parity:
        facts["parity"] = f"{parity['agreed']} of {parity['compared']} detections agree in {parity['images']} images"
    return facts | {"folder": info.bundle_path}


def _figures(info: ReleaseInfo, shown: Sequence[str]) -> list[tuple[object, ...]]:
    return [
        (split, kind, *(figures.get(name) for name in shown))
        for split, kinds in info.record.metrics.items()
        for kind, figures in kinds.items()
    ]
