"""`teppr env`: an architecture's own environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli.elsewhere import go_to
from teppr.cli.session import Json, Session, note, print_json, print_table, progress, say_next
from teppr.errors import TepprError, UnknownName

if TYPE_CHECKING:
    from teppr.environments.build import Installer, Python
    from teppr.environments.compatibility import Machine
    from teppr.environments.kept import Environment

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
Architecture = Annotated[str, typer.Argument(help="Architecture, as teppr architectures lists it.")]
PythonName = Annotated[str | None, typer.Option("--python", help="Python: a version or a path; default: this one.")]
Cuda = Annotated[str, typer.Option(help="CUDA of the machine's driver, such as 12.4; default: not judged.")]
Cudnn = Annotated[str, typer.Option(help="cuDNN of the machine, such as 9.1; default: not judged.")]
TensorRt = Annotated[str, typer.Option("--tensorrt", help="TensorRT that is wanted too, such as 10.6.")]


@app.callback()
def env() -> None:
    """Make, list, check and remove environments that architectures have of their own."""


@app.command()
def create(
    ctx: typer.Context,
    architecture: Architecture,
    python: PythonName = None,
    cuda: Cuda = "",
    cudnn: Cudnn = "",
    tensorrt: TensorRt = "",
    installer: Annotated[str, typer.Option(help="uv, pip, or auto: uv where it is to be found.")] = "auto",
    replace: Annotated[bool, typer.Option("--replace", help="Make it anew where it is there already.")] = False,
    as_json: Json = False,
) -> None:
    """Make an environment of an architecture's own, with the versions that it requires.

    Commands that need the architecture's framework (train, run, evaluate, predict, publish) then run there by
    themselves. What cannot go together is refused before anything is installed. It is whole or absent; what the
    installer said is kept in <home>/envs/logs.

    \b
    Examples:
      teppr env create patch_boxes
      teppr env create mask_rcnn --python 3.12 --cuda 12.8
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.environments.build import create_environment
    from teppr.environments.wanted import wanted_of

    session: Session = ctx.obj
    wanted, interpreter = wanted_of(architecture), _python(python)
    with progress("environment") as bar:
        made = create_environment(
            session.settings.home,
            wanted,
            python=interpreter,
            machine=_machine(interpreter, cuda, cudnn, tensorrt),
            installer=_installer(installer),
            replace=replace,
            progress=bar,
        )
    if as_json:
        print_json(_about(made))
        return
    typer.echo(f"{made.architecture} runs in {made.path} (Python {made.python}, {len(made.packages)} packages)")
    say_next(session, "train", "FILE")


@app.command("list")
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the environments, and whether each is as its architecture wants it now.

    \b
    Examples:
      teppr env list
      teppr env list --json
    """  # noqa: D301
    from teppr.environments.kept import list_environments

    session: Session = ctx.obj
    found = list_environments(session.settings.home)
    if as_json:
        print_json([_about(one) for one in found])
        return
    if not found:
        note("there are no environments; teppr env create ARCHITECTURE makes one")
        return
    columns = ("environment", "architecture", "python", "packages", "state", "created")
    rows = [
        (one.name, one.architecture, one.python, len(one.packages), _state(one), f"{one.created:%Y-%m-%d %H:%M}")
        for one in found
    ]
    print_table(session.console, "", columns, rows)


@app.command()
def check(
    ctx: typer.Context,
    architecture: Architecture,
    python: PythonName = None,
    cuda: Cuda = "",
    cudnn: Cudnn = "",
    tensorrt: TensorRt = "",
    as_json: Json = False,
) -> None:
    """Say whether what an architecture requires goes together on a machine; nothing is installed.

    Exit code 1 where it does not. What no published table lists is not judged.

    \b
    Examples:
      teppr env check mask_rcnn --cuda 12.4
      teppr env check patch_boxes --python 3.13
    """  # noqa: D301
    from teppr.environments.compatibility import judge, sources
    from teppr.environments.kept import environment_of
    from teppr.environments.wanted import wanted_of

    session: Session = ctx.obj
    wanted = wanted_of(architecture)
    machine = _machine(_python(python), cuda, cudnn, tensorrt)
    judgement = judge(wanted.requirements, machine, wanted.lock)
    there = environment_of(session.settings.home, architecture)
    state = "none yet" if there is None else f"{there.name}, {_state(there)}"
    if as_json:
        releases = {name: {"release": row.version, "source": row.source} for name, row in judgement.releases.items()}
        said = {"fits": True, "releases": releases, "unjudged": judgement.unjudged, "environment": state}
        print_json({"architecture": architecture, **said})
        return
    typer.echo(f"{architecture} requires {', '.join(wanted.requirements)}")
    for name, row in judgement.releases.items():
        typer.echo(f"  {name} {row.version}: goes ({sources()[row.source]})")
    if judgement.unjudged:
        typer.echo(f"  not judged, for no table lists them: {', '.join(judgement.unjudged)}")
    typer.echo(f"environment: {state}")


@app.command()
def remove(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Architecture, or one environment's name.")],
    as_json: Json = False,
) -> None:
    """Remove an architecture's environments, or one by its name.

    \b
    Examples:
      teppr env remove patch_boxes
    """  # noqa: D301
    from teppr.environments.kept import remove_environments

    session: Session = ctx.obj
    gone = [one.name for one in remove_environments(session.settings.home, name)]
    if as_json:
        print_json({"removed": gone})
    else:
        typer.echo(f"removed {', '.join(gone)}")


@app.command("run", context_settings={"allow_interspersed_args": False})
def run_(
    ctx: typer.Context,
    architecture: Architecture,
    words: Annotated[list[str], typer.Argument(help="A command of teppr with its options.")],
    as_json: Json = False,
) -> None:
    """Run any command of teppr in an architecture's environment; its exit code is this one's.

    Options before the architecture are this command's; --json is passed on.

    \b
    Examples:
      teppr env run patch_boxes serve --model acme-ods-8
      teppr env run patch_boxes doctor
    """  # noqa: D301
    from teppr.environments.kept import environment_of, list_environments

    session: Session = ctx.obj
    environment = environment_of(session.settings.home, architecture)
    if environment is None:
        there = [one.architecture for one in list_environments(session.settings.home)]
        raise UnknownName.of("environment of architecture", architecture, there)
    go_to(session, environment, [*session.frame, *words, *(["--json"] if as_json else [])])


def _python(name: str | None) -> Python:
    from teppr.environments.build import Python

    return Python.named(name)


def _machine(python: Python, cuda: str, cudnn: str, tensorrt: str) -> Machine:
    from teppr.environments.compatibility import Machine

    return Machine(python=python.version, cuda=cuda, cudnn=cudnn, tensorrt=tensorrt)


def _installer(name: str) -> Installer:
    installers: dict[str, Installer] = {"auto": "auto", "uv": "uv", "pip": "pip"}
    if name not in installers:
        raise UnknownName.of("installer", name, installers)
    return installers[name]


def _about(one: Environment) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(one) | {"name": one.name, "path": str(one.path), "state": _state(one)}


def _state(one: Environment) -> str:
    """Whether it is as its architecture wants it now."""
    from teppr.environments.wanted import wanted_of

    try:
        return "as wanted" if one.is_as(wanted_of(one.architecture)) else "of other versions: teppr env create"
    except TepprError as error:
        return str(error)
