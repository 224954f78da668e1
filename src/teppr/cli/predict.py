"""`teppr predict`: find objects in images and videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.elsewhere import architecture_of, go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, print_table, progress
from teppr.errors import BadInput

if TYPE_CHECKING:
    from teppr.workflow.predict import Predicted

INTERRUPTED = 130
"""Exit code of what Ctrl+C ended, as shells have it."""
MOST_NAMED = 5
"""Files that are named where many could be."""


def predict(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Release key, alias, run, checkpoint file or bundle folder.")],
    inputs: Annotated[
        list[str],
        typer.Argument(help="Images, videos, folders, patterns, a .txt list of paths, - for paths on stdin."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("predictions"),
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out what scores lower; default: the model's own.")
    ] = None,
    save: Annotated[
        str, typer.Option(help="What to write: overlay, via, coco, jsonl, csv, frames.")
    ] = "overlay,via,coco,jsonl",
    every: Annotated[int, typer.Option(min=1, help="Of videos, take each so-many-th frame only.")] = 1,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let these results take the place of earlier ones in the folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find objects in images and videos with a run or a published model.

    Writes overlays/ (images and videos with what was found), via.json (opens in the VGG Image Annotator), coco.json and
    predictions.jsonl (a line an image or frame); if asked, predictions.csv and frames/ (the frames of videos as images,
    by the names that via.json and coco.json call them). Videos need the extra: pip install 'teppr[video]'.

    What cannot be read is named with the reason, and the rest goes on. Results are there when all is done, or not at
    all; a command that was cut off goes on where it was when it is called again. A folder with earlier results is
    refused (exit code 1), unless --replace is given.

    Exit codes: 0 all was answered, 1 some was refused or broke off, 2 nothing could be read.

    \b
    Examples:
      teppr predict acme-ods-8 photo.jpg
      teppr predict acme-rld-1 road.mp4 --every 5 --out road/
      teppr predict acme-ods@production photos/ --out found/ --score-threshold 0.7
      teppr predict acme-ods-8 tour.mp4 --every 25 --save via,frames
      find photos -name '*.png' | teppr predict runs/signs-20261122-091500-3f9a - --save via --json
    """  # noqa: D301 - the \b is for the help's layout
    from dataclasses import asdict

    from teppr.workflow.inputs import find_inputs
    from teppr.workflow.model import open_model
    from teppr.workflow.predict import predict_files
    from teppr.workflow.prediction_files import saves_of

    session: Session = ctx.obj
    go_where_it_runs(session, architecture_of(session.settings.home, model))
    wanted = saves_of(save)
    found = find_inputs(_with_standard_input(inputs))
    if found.repeated:
        names = ", ".join(str(path) for path in found.repeated[:MOST_NAMED])
        more = len(found.repeated) - MOST_NAMED
        note(f"named more than once and predicted once: {names}{f' and {more} more' if more > 0 else ''}")
    settings = session.settings
    predictor = open_model(settings.home, model, threads=settings.thread_count, device=settings.device)
    try:
        with progress("predicting") as bar:
            done = predict_files(
                predictor,
                found.pictures,
                out,
                score_threshold_0_1=score_threshold,
                save=wanted,
                replace=replace,
                every=every,
                max_pixels=settings.max_image_pixels,
                progress=bar,
            )
    except KeyboardInterrupt:
        note("interrupted: what was found is kept, and the same command goes on with it")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(asdict(done))
    else:
        typer.echo(f"{_seen(done)} by {done.model}, scoring {done.score_threshold_0_1} or more")
        for video in done.videos:
            turned = f", as stored: players turn it by {video.rotation_deg} degrees" if video.rotation_deg else ""
            typer.echo(f"{video.file}: {video.predicted} of {video.frames} frames, {video.seconds:.2f} s{turned}")
        if done.per_label:
            print_table(session.console, "", ("label", "objects"), list(done.per_label.items()))
        for refused in done.refused:
            note(f"refused: {refused.message}")
        for path in done.files.values():
            typer.echo(path)
    if done.exit_code:
        raise typer.Exit(done.exit_code)


def _with_standard_input(inputs: list[str]) -> list[str]:
    """What was given, with the paths on standard input, one a line, in place of "-"."""
    if "-" not in inputs:
        return inputs
    lines = [line.strip() for line in typer.get_text_stream("stdin") if line.strip()]
    if not lines:
        raise BadInput("there is no path on standard input; give a path a line, as find does")
    place = inputs.index("-")
    return [*inputs[:place], *lines, *(given for given in inputs[place + 1 :] if given != "-")]


def _seen(done: Predicted) -> str:
    """How much was found in what, in words."""
    counts = [(done.images, "images"), (done.frames, "frames")]
    within = " and ".join(f"{count} {what}" for count, what in counts if count) or "0 images"
    resumed = f" ({done.resumed} of them at an earlier start)" if done.resumed else ""
    return f"{done.regions} objects in {within}{resumed}"
