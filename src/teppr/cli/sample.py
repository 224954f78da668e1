"""`teppr sample`: data made from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teppr.cli.session import Json, print_json, progress, say_next

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def sample() -> None:
    """Make sample data."""


@app.command()
def street(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where to write; must not exist or be empty.")],
    images: Annotated[int, typer.Option(help="Pictures with annotations.")] = 240,
    samples: Annotated[int, typer.Option(help="Further pictures without annotations, to predict on.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 7,
    as_json: Json = False,
) -> None:
    r"""Generated street scenes with VIA files of two annotators and planted faults.

    Signs, lights and cars over varied backgrounds. The faults that a checker must find are listed in EXPECTED.json.

    \b
    Examples:
      teppr sample street street/
      teppr annotations ingest street/ods_job_150126/annotations --problem ods
    """
    from teppr.scenes.delivery import deliver

    with progress("drawing street scenes") as bar:
        made = deliver(folder, images=images, samples=samples, seed=seed, progress=bar)
    facts = {"job": str(made.job), "images": made.images, "samples": made.samples, "planted": made.planted}
    if as_json:
        print_json(facts)
        return
    faults = sum(made.planted.values())
    typer.echo(f"{made.images} annotated pictures, {made.samples} samples and {faults} planted faults in {made.job}")
    say_next(ctx.obj, "annotations", "ingest", made.job / "annotations", "--problem", "ods")
