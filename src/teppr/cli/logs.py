"""`teppr logs`: what the processes of the service say."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from teppr.cli.session import Json, Session, print_json


def logs(
    ctx: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl+C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines of the end.")] = 100,
    process: Annotated[str, typer.Option(help="Only of this process, as teppr status names it.")] = "",
    request: Annotated[str, typer.Option(metavar="ID", help="Only of the request of this X-Request-Id.")] = "",
    as_json: Json = False,
) -> None:
    r"""Show the log of the service in the background.

    With --json: {"lines": [...]}.

    \b
    Examples:
      teppr logs -f
      teppr logs -n 1000 --process acme-ods-8:1
      teppr logs --request b0d6eaab2f8c4f7a8f3c2f1a5c1d9e70
    """
    from teppr.ops import logs as of_service

    session: Session = ctx.obj
    home = session.settings.home
    wanted = of_service.Wanted(process=process, request=request)
    if process:
        of_service.check_process(home, process)
    if follow and not as_json:
        with suppress(KeyboardInterrupt):
            for line in of_service.follow(home, lines, wanted):
                typer.echo(line)
        return
    found = of_service.last_lines(home, lines, wanted)
    if as_json:
        print_json({"lines": found})
    elif found:
        typer.echo("\n".join(found))
