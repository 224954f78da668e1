"""`teppr status`: how the service does."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from teppr.cli.loading import running_service
from teppr.cli.route import percents, print_shadows
from teppr.cli.session import Json, Session, print_json, print_table

if TYPE_CHECKING:
    from teppr.ops.status import ProcessFacts, Status

COLUMNS = ("process", "state", "pid", "up", "restarts", "images", "images/s", "ms an image", "MiB", "limit")


def status(ctx: typer.Context, as_json: Json = False) -> None:
    r"""Show the processes of the service, what waits for its models, and where names lead.

    Exit code 0: all is as planned, 1: something is down or starting, 3: nothing runs. With --json: {"fine", "ready",
    "pid", "queue", "processes": [...], "waiting": [{"model", "interactive", "bulk"}], "routes", "shadows", "others"}.

    \b
    Examples:
      teppr status
      teppr status --json
    """
    from teppr.ops.status import status_of

    session: Session = ctx.obj
    found = status_of(running_service(session))
    if as_json:
        print_json(found.as_dict())
    else:
        _print(session, found)
    if not found.fine:
        raise typer.Exit(1)


def _print(session: Session, found: Status) -> None:
    console = session.console
    print_table(console, "Processes", COLUMNS, [_row(process) for process in found.processes])
    webs = [
        (process.url, process.answers_with, process.default if process.default != process.answers_with else "")
        for process in found.processes
        if process.url
    ]
    print_table(console, "Webs", ("address", "answers with", "by way of"), webs)
    waiting = [(row.model, row.interactive, row.bulk) for row in found.waiting]
    print_table(console, "Waiting", ("model", "interactive", "bulk"), waiting)
    if found.routes:
        routes = [(name, percents(route.shares), percents(route.shadows)) for name, route in found.routes.items()]
        print_table(console, "Routes", ("name", "leads to", "shadows"), routes)
    if found.shadows:
        print_shadows(session, found.shadows)
    for other in found.others:
        console.print(f"also behind this queue: {other}")
    console.print("all as planned" if found.fine else "not all as planned; teppr logs says more")


def _row(process: ProcessFacts) -> tuple[object, ...]:
    up = None if process.uptime_s is None else str(timedelta(seconds=int(process.uptime_s)))
    figures = (process.images_a_second, process.image_ms, process.memory_mib)
    shown = ["" if figure is None else f"{figure:.1f}" for figure in figures]
    images = "" if process.images is None else process.images
    return (process.name, process.state, process.pid, up, process.restarts, images, *shown, process.memory_limit)
