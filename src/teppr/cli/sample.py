"""`teppr sample`: data made from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, print_json, progress, say_next

if TYPE_CHECKING:
    from teppr.scenes.job import Delivered

Folder = Annotated[Path, typer.Argument(help="Where to write; must not exist or be empty.")]
Images = Annotated[int, typer.Option(help="Pictures with annotations.")]
Samples = Annotated[int, typer.Option(help="Further pictures without annotations, to predict on.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same files.")]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def sample() -> None:
    """Make sample data."""


@app.command()
def street(
    ctx: typer.Context,
    folder: Folder,
    images: Images = 240,
    samples: Samples = 12,
    seed: Seed = 7,
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
    _say(ctx, made, "ods", as_json=as_json)


@app.command()
def road(
    ctx: typer.Context,
    folder: Folder,
    images: Images = 240,
    samples: Samples = 12,
    seed: Seed = 7,
    form: Annotated[
        str, typer.Option("--format", help="Of the annotation files: via, or tusimple (without planted faults).")
    ] = "via",
    as_json: Json = False,
) -> None:
    r"""Generated roads of two to five lanes with a line along each marking, for the problem rld.

    Curves, dashed and solid markings, shadows, cars, haze, day and night, by two annotators. The faults that a checker
    must find are listed in EXPECTED.json.

    \b
    Examples:
      teppr sample road road/
      teppr annotations ingest road/rld_job_150126/annotations --problem rld
    """
    from teppr.scenes.road_delivery import deliver_roads

    with progress("drawing roads") as bar:
        made = deliver_roads(folder, images=images, samples=samples, seed=seed, form=form, progress=bar)
    _say(ctx, made, "rld", as_json=as_json)


def _say(ctx: typer.Context, made: Delivered, problem: str, *, as_json: bool) -> None:
    facts = {"job": str(made.job), "images": made.images, "samples": made.samples, "planted": made.planted}
    if as_json:
        print_json(facts)
        return
    faults = sum(made.planted.values())
    typer.echo(f"{made.images} annotated pictures, {made.samples} samples and {faults} planted faults in {made.job}")
    say_next(ctx.obj, "annotations", "ingest", made.job / "annotations", "--problem", problem)
