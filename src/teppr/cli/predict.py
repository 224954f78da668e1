"""`teppr predict`: find objects in images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teppr.cli.elsewhere import architecture_of, go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, print_table, progress


def predict(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Release key, alias, run, checkpoint file or bundle folder.")],
    inputs: Annotated[list[str], typer.Argument(help="Image files, folders, patterns, or a .txt list of paths.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("predictions"),
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores lower; default: the model's own.")
    ] = None,
    save: Annotated[str, typer.Option(help="What to write: overlay, via, coco.")] = "overlay,via,coco",
    replace: Annotated[
        bool, typer.Option("--replace", help="Let these results take the place of earlier ones in the folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find objects in images with a run or a published model.

    Writes overlays/ (the images with what was found), via.json (opens in the VGG Image Annotator) and coco.json.
    An image that cannot be read is named with the reason, and the rest goes on. A folder with earlier results is
    refused (exit code 1), unless --replace is given; results are there when all images are done, or not at all.

    Exit codes: 0 all images were answered, 1 some were refused, 2 none could be read.

    \b
    Examples:
      teppr predict acme-ods-8 photo.jpg
      teppr predict acme-ods@production photos/ --out found/ --score-threshold 0.7
      teppr predict runs/signs-20261122-091500-3f9a 'photos/*.png' --save via --json
    """  # noqa: D301 - the \b is for the help's layout
    from dataclasses import asdict

    from teppr.workflow.model import open_model
    from teppr.workflow.predict import find_pictures, predict_files, saves_of

    session: Session = ctx.obj
    go_where_it_runs(session, architecture_of(session.settings.home, model))
    wanted = saves_of(save)
    pictures = find_pictures(inputs)
    settings = session.settings
    predictor = open_model(settings.home, model, threads=settings.thread_count, device=settings.device)
    with progress("predicting") as bar:
        done = predict_files(
            predictor,
            pictures,
            out,
            score_threshold_0_1=score_threshold,
            save=wanted,
            replace=replace,
            max_pixels=settings.max_image_pixels,
            progress=bar,
        )
    if as_json:
        print_json(asdict(done))
    else:
        seen = f"{done.regions} objects in {done.images} images"
        typer.echo(f"{seen} by {done.model}, scoring {done.score_threshold_0_1} or more")
        if done.per_label:
            print_table(session.console, "", ("label", "objects"), list(done.per_label.items()))
        for refused in done.refused:
            note(f"refused: {refused.message}")
        for path in done.files.values():
            typer.echo(path)
    if done.exit_code:
        raise typer.Exit(done.exit_code)
