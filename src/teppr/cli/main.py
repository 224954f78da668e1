"""The command `teppr`: what there is, and the one place where errors become sentences and exit codes.

Exit codes: 0 fine, 1 findings or criteria not met, 2 wrong input, 3 something needed is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from teppr import __version__
from teppr.cli.session import Session, print_json
from teppr.errors import TepprError


class Entry(NamedTuple):
    """Where a command lives; imported only when it is asked for."""

    module: str
    attribute: str
    panel: str
    help: str


ANNOTATIONS, WORKFLOW, SERVICE, SETUP = "Annotations and datasets", "Workflow", "Service", "Set-up"
COMMANDS: dict[str, Entry] = {
    "sample": Entry("sample", "app", SETUP, "Make sample data: generated street scenes with annotation files."),
    "demo": Entry("demo", "demo", SETUP, "Run the whole line once, from annotation files to a prediction."),
    "doctor": Entry("doctor", "doctor", SETUP, "Say what is installed, what is missing, and which settings hold."),
    "annotations": Entry("annotations", "app", ANNOTATIONS, "Ingest, check, count, export and convert annotations."),
    "problems": Entry("problems", "app", ANNOTATIONS, "List, show and check annotation specifications."),
    "dataset": Entry("dataset", "app", ANNOTATIONS, "Create, look at, compare and export dataset versions."),
    "store": Entry("store", "app", ANNOTATIONS, "Show the annotation database, or copy it into another."),
    "train": Entry("train", "train", WORKFLOW, "Train a network as an experiment file says."),
    "evaluate": Entry("evaluate", "evaluate", WORKFLOW, "Measure a run or a model, or any COCO results."),
    "predict": Entry("predict", "predict", WORKFLOW, "Find objects in images with a run or a published model."),
    "embed": Entry("embed", "embed", WORKFLOW, "Describe images by feature vectors, for search."),
    "publish": Entry("publish", "publish", WORKFLOW, "Make a release of a run, if it meets its criteria."),
    "report": Entry("report", "report", WORKFLOW, "Write a run's or a release's report."),
    "compare": Entry("compare", "compare", WORKFLOW, "Hold runs against each other, with intervals and verdicts."),
    "run": Entry("run", "run", WORKFLOW, "Do all stages of an experiment file."),
    "architectures": Entry("architectures", "architectures", WORKFLOW, "List the networks, and where each runs."),
    "env": Entry("env", "app", WORKFLOW, "Make, list, check and remove environments of architectures' own."),
    "model": Entry("model", "app", WORKFLOW, "List, show, verify, import and look inside models."),
    "serve": Entry("serve", "serve", SERVICE, "Answer predictions over HTTP: queue, model servers and web at once."),
    "up": Entry("up", "up", SERVICE, "The same in the background, as teppr.toml says."),
    "down": Entry("up", "down", SERVICE, "End the service in the background."),
    "status": Entry("status", "status", SERVICE, "Show the service's processes, what waits, and where names lead."),
    "logs": Entry("logs", "logs", SERVICE, "Show what the service's processes say."),
    "load": Entry("loading", "load", SERVICE, "Serve another model by the service that runs."),
    "unload": Entry("loading", "unload", SERVICE, "Serve a model no longer."),
    "swap": Entry("loading", "swap", SERVICE, "Let another model take the place of one, without a pause."),
    "route": Entry("route", "route", SERVICE, "Say which models answer to a name: canary, shadow, the way back."),
    "web": Entry("web", "web", SERVICE, "The web alone, on any machine that reaches the queue."),
    "model-server": Entry("model_server", "model_server", SERVICE, "A model server alone, on any machine."),
    "keys": Entry("keys", "app", SERVICE, "Create, list, rotate and revoke the keys that clients ask with."),
    "audit": Entry("audit", "audit", SERVICE, "Say who changed what, and when."),
    "stress": Entry("stress", "stress", SERVICE, "Put load on prediction services and report what clients would see."),
}


FRAME = frozenset({"--home", "--config"})
"""Options of `teppr` itself that are taken behind the command as well."""

EPILOG = """\b
Exit codes:
  0 fine   1 findings or criteria not met   2 wrong input   3 something needed is missing

\b
Examples:
  teppr demo                                        the whole line in about five minutes
  teppr annotations ingest FILE.json --problem ods  check annotation files, keep what is right
  teppr COMMAND --help                              more about one command
"""


def teppr(
    ctx: typer.Context,
    home: Annotated[Path | None, typer.Option(help="Folder of everything that teppr keeps.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; default: teppr.toml here.")] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    """From annotators' files to a prediction service and back."""
    if version:
        typer.echo(f"teppr {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit
    ctx.obj = Session(home=home, config=config, words=ctx.obj or ())


def build(asked: str | None) -> typer.Typer:
    """The command line with the command `asked` imported and signposts for the others, so that help is quick."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "terminal_width": 110},
    )
    app.callback(invoke_without_command=True, epilog=EPILOG)(teppr)
    for name, entry in COMMANDS.items():
        command = _signpost if name != asked else getattr(import_module(f"teppr.cli.{entry.module}"), entry.attribute)
        _keep_lines_of_examples(command)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=entry.help, rich_help_panel=entry.panel)
        else:
            app.command(name, help=entry.help if command is _signpost else None, rich_help_panel=entry.panel)(command)
    return app


def _keep_lines_of_examples(command: Callable[..., None] | typer.Typer) -> None:
    # A backspace tells click to keep a paragraph's lines; raw docstrings hold it as a backslash and a b.
    if isinstance(command, typer.Typer):
        callbacks = [found.callback for found in command.registered_commands if found.callback]
    else:
        callbacks = [command]
    for callback in callbacks:
        callback.__doc__ = (callback.__doc__ or "").replace("\\b\n", "\b\n")


def _signpost() -> None:
    """Stand for a command in the overview."""


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run with these arguments; returns the exit code, and prints what went wrong as a sentence."""
    frame, words = _frame_and_command(arguments)
    asked = next((word for word in words if word in COMMANDS), None)
    try:
        build(asked)([*frame, *words], prog_name="teppr", obj=[*frame, *words])
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except BrokenPipeError:
        # Whoever read the output has had enough (as in `teppr ... | head`): nothing is wrong.
        sys.stderr.close()
    except TepprError as error:
        _say(error, as_json="--json" in arguments)
        return error.exit_code
    return 0


def _frame_and_command(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The options that every command has (`FRAME`), wherever among the words they stand, and the other words."""
    frame: list[str] = []
    words: list[str] = []
    left = iter(arguments)
    for word in left:
        if word == "--":
            words += [word, *left]
        elif word.partition("=")[0] not in FRAME:
            words.append(word)
        elif "=" in word or (value := next(left, None)) is None:
            (frame if "=" in word else words).append(word)
        else:
            frame += [word, value]
    return frame, words


def _say(error: TepprError, *, as_json: bool) -> None:
    if as_json:
        print_json({"error": type(error).__name__, "detail": str(error), "exit_code": error.exit_code})
    typer.echo(f"error: {error}", err=True)
