"""`teppr problems`: annotation specifications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, note, print_json, print_table
from teppr.errors import BadInput

if TYPE_CHECKING:
    from teppr.problems.contract import Problem

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """List, show and check annotation specifications."""


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    r"""List the problems: those of teppr, of installed packages, and a team's own in HOME/problems.

    Exit code 2 where a file of the team's own cannot be used; the others are listed all the same.

    \b
    Examples:
      teppr problems list
      teppr problems list --json
    """
    from teppr.problems.contract import PROBLEMS
    from teppr.problems.find import own_problems

    session: Session = ctx.obj
    own = own_problems(session.settings.home)
    found: list[tuple[Problem, str | None]] = [(problem, None) for problem in PROBLEMS.all()]
    found += [(each.problem, str(each.path)) for each in own.sound]
    if as_json:
        print_json([_listing(problem, file) for problem, file in found])
    else:
        rows = [(each.id, each.title, ", ".join(each.shapes), _labels(each), each.metric, file) for each, file in found]
        print_table(session.console, "Problems", ("id", "title", "shapes", "labels", "metric", "file"), rows)
    for fault in own.faults:
        note(f"error: {fault}")
    if own.faults:
        raise typer.Exit(BadInput.exit_code)


@app.command()
def show(
    ctx: typer.Context,
    problem: Annotated[str, typer.Argument(metavar="ID|FILE", help="Id of a problem, or its file.")],
    as_json: Json = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print it as a file, to make a team's own of.")] = False,
) -> None:
    r"""Show a problem: its labels, shapes, attributes, severities, metric and acceptance.

    \b
    Examples:
      teppr problems show ods
      teppr problems show ods --yaml > roadworks.yml
      teppr problems show roadworks.yml --json
    """
    from teppr.problems.document import document_of, text_of
    from teppr.problems.find import problem_named

    if as_json and as_yaml:
        raise BadInput("give --json or --yaml, got both")
    session: Session = ctx.obj
    found = problem_named(problem, session.settings.home)
    if as_json:
        print_json(document_of(found))
    elif as_yaml:
        typer.echo(text_of(found), nl=False)
    else:
        _show(session, found)


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A team's own problem.")],
    as_json: Json = False,
) -> None:
    r"""Check a team's own problem; what is wrong is said with its line (exit code 2).

    \b
    Examples:
      teppr problems check roadworks.yml
    """
    from teppr.problems.document import document_of, read_problem
    from teppr.problems.find import FOLDER

    session: Session = ctx.obj
    problem = read_problem(file)
    if as_json:
        print_json({"path": str(file), "problem": document_of(problem)})
        return
    typer.echo(f"{file} is sound: {problem.id}, {problem.title}, {_labels(problem)}")
    kept = session.settings.home / FOLDER
    if file.absolute().parent != kept.absolute():
        typer.echo(f"it is given as --problem {file}, or found as --problem {problem.id} once it lies in {kept}")


def _listing(problem: Problem, file: str | None) -> dict[str, object]:
    return {
        "id": problem.id,
        "title": problem.title,
        "shapes": list(problem.shapes),
        "labels": list(problem.label_names),
        "open": problem.is_open,
        "metric": problem.metric,
        "file": file,
    }


def _labels(problem: Problem) -> str:
    if not problem.labels:
        return "any label"
    count = f"{len(problem.labels)} label{'' if len(problem.labels) == 1 else 's'}"
    return f"{count} and any other" if problem.open_labels else count


def _show(session: Session, problem: Problem) -> None:
    session.console.print(f"{problem.id}: {problem.title}", style="bold", markup=False)
    for name, value in _facts(problem):
        session.console.print(f"{name:>19}: {value}", markup=False)
    if problem.labels:
        columns = ("", "label", "aliases", "super-category", "colour")
        print_table(session.console, "labels", columns, list(_label_rows(problem)))


def _facts(problem: Problem) -> Iterator[tuple[str, str]]:
    """What there is to say beside the labels; what is as usual is left out."""
    yield "shapes", ", ".join(problem.shapes)
    yield "labels", _labels(problem)
    if problem.labels_per_image is not None:
        yield "labels per image", str(problem.labels_per_image)
    if problem.category_attributes:
        yield "label attributes", ", ".join(problem.category_attributes)
    for attribute in problem.required_attributes:
        values = f" (one of {', '.join(attribute.values)})" if attribute.values else ""
        yield "required attribute", f"{attribute.name}{values}"
    for rule, severity in problem.severities.items():
        yield "severity", f"{rule} {severity.value}"
    yield "metric", problem.metric
    for figure, wanted in problem.accept.items():
        yield "accepted with", f"{figure} {wanted}"


def _label_rows(problem: Problem) -> Iterator[tuple[str, ...]]:
    from rich.markup import escape

    from teppr.colors import colors_of

    colors = colors_of(problem.label_names, problem.colors)
    for label in problem.labels:
        color = colors[label.name]
        words = (label.name, ", ".join(label.aliases), label.supercategory or "", color)
        yield f"[{color}]███[/]", *map(escape, words)
