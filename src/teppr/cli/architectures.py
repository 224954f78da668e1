"""`teppr architectures`: the networks that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from teppr.cli.session import Json, Session, print_json, print_table
from teppr.errors import TepprError

if TYPE_CHECKING:
    from pathlib import Path


def architectures(ctx: typer.Context, as_json: Json = False) -> None:
    """List the network architectures, what each can learn, and where it runs.

    Those of installed packages are found by their entry point (group teppr.architectures). One that has an environment
    of its own runs there: teppr env create.

    \b
    Examples:
      teppr architectures
      teppr architectures --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.architectures.contract import ARCHITECTURES

    session: Session = ctx.obj
    rows = [_about(session.settings.home, name) for name in ARCHITECTURES.names()]
    if as_json:
        print_json(rows)
        return
    columns = ("architecture", "title", "learns", "framework", "from", "runs in")
    cells = [
        (row["name"], row["title"], ", ".join(row["tasks"]), row["framework"], row["package"], row["runs_in"])
        for row in rows
    ]
    print_table(session.console, "", columns, cells)


def _about(home: Path, name: str) -> dict[str, Any]:
    from teppr.architectures.contract import ARCHITECTURES

    package = ARCHITECTURES.package_of(name)
    about = {
        "name": name,
        "package": f"{package.metadata['Name']} {package.version}" if package else "teppr",
        "runs_in": _where(home, name),
    }
    try:
        found = ARCHITECTURES.load(name)
    except (TepprError, ImportError) as error:  # its framework is not here: all that is known is its name
        return {**about, "title": f"not to be loaded here: {error}", "tasks": [], "framework": "", "requirements": []}
    return {
        **about,
        "title": found.title,
        "tasks": list(found.tasks),
        "framework": found.framework,
        "requirements": list(found.requirements),
        "backbones": list(found.backbones),
        "image_sizes_px": list(found.image_sizes_px),
    }


def _where(home: Path, name: str) -> str:
    """The environment's folder, "here", or what has to be done first."""
    from teppr.environments.kept import environment_of
    from teppr.workflow.environment import require_training

    if environment := environment_of(home, name):
        return str(environment.path)
    try:
        require_training(name)
    except TepprError:
        return f"nowhere yet: teppr env create {name}"
    return "here"
