"""How a command that needs a training framework goes to where it is: the environment of its architecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from teppr.cli.runs import is_experiment
from teppr.cli.session import Session, note
from teppr.errors import Missing, UnknownName

if TYPE_CHECKING:
    from teppr.environments.kept import Environment


def go_where_it_runs(session: Session, architecture: str | None) -> None:
    """Run this very command in the architecture's environment, and leave with its exit code; go on here where it has
    none, or where this is it. Raises Missing where neither has what it needs.
    """
    from teppr.environments.kept import environment_of

    if architecture is None:
        return
    environment = environment_of(session.settings.home, architecture)
    if environment is not None and not environment.is_this:
        from teppr.environments.wanted import wanted_of

        if not environment.is_as(wanted_of(architecture)):
            raise Missing(
                f"environment {environment.name} was made for other versions of teppr, of {architecture} or of what it "
                f"requires; make it anew: {session.command('env', 'create', architecture)}"
            )
        go_to(session, environment, session.words)
    from teppr.workflow.environment import require_training

    require_training(architecture)


def go_to(session: Session, environment: Environment, words: list[str]) -> None:
    """Run a command in an environment, and leave with its exit code."""
    from teppr.environments.child import run_in

    note(f"runs in {environment.path}")
    raise typer.Exit(run_in(environment, words, threads=session.settings.threads))


def architecture_of(home: Path, reference: str) -> str | None:
    """That of an experiment file or a run; None for a model that needs no training framework, or a file."""
    if is_experiment(reference):
        from teppr.workflow.experiment import read_experiment

        return read_experiment(Path(reference)).architecture
    from teppr.workflow.run import find_run

    try:
        return find_run(home, reference).experiment.architecture
    except UnknownName:
        return None
