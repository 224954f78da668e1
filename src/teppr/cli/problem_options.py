"""The option --problem: an annotation specification by its id, or by its file."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from teppr.cli.session import Session


def id_of(ctx: typer.Context, name: str | None) -> str | None:
    """The id to look for on record: what a file says, any other name as it is (its file may be elsewhere by now)."""
    from teppr.problems.find import is_path, problem_named

    session: Session = ctx.obj
    return problem_named(name, session.settings.home).id if name and is_path(name) else name


Problem: TypeAlias = Annotated[
    str, typer.Option(metavar="ID|FILE", help="Annotation specification of the files; teppr problems list shows all.")
]
OnlyProblem: TypeAlias = Annotated[
    str | None, typer.Option("--problem", metavar="ID|FILE", callback=id_of, help="Only of this problem.")
]
