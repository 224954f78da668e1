"""Commands of `teppr dataset` for whoever wants to see what is in one: pictures, statistics, what training is fed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from teppr.cli.session import Json, Session, note, print_json, progress

Reference: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]|FOLDER", help="The latest version without @VERSION.")
]


def view(
    ctx: typer.Context,
    reference: Reference,
    split: Annotated[str, typer.Option(help="Whose images.")] = "train",
    label: Annotated[list[str] | None, typer.Option(help="Only images with it, and its regions; repeatable.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Images that are shown.")] = 48,
    crops: Annotated[int, typer.Option(min=0, help="Regions that are shown close up, of each label.")] = 24,
    seed: Annotated[int | None, typer.Option(min=0, help="Choose at random by it; default: evenly.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: view-NAME-SPLIT here.")] = None,
    json: Json = False,
) -> None:
    r"""Contact sheets: images with their regions drawn, and regions of each label close up.

    Written are a page that needs nothing beside it, index.html, and the same as PNG sheets.

    \b
    Examples:
      teppr dataset view street
      teppr dataset view street --split val --label door --count 96 --out doors/
      teppr dataset view street --seed 3 --json
    """
    from teppr.datasets.snapshot import find_snapshot
    from teppr.datasets.view import ViewOptions, look_at, write_view

    session: Session = ctx.obj
    settings = session.settings
    snapshot = find_snapshot(settings.home, reference)
    options = ViewOptions(split=split, labels=tuple(label or ()), count=count, crops=crops, seed=seed)
    with progress(f"View {snapshot.reference}") as bar:
        seen = look_at(
            snapshot, options, max_pixels=settings.max_image_pixels, workers=settings.worker_count, progress=bar
        )
    page, *sheets = write_view(seen, out or Path(f"view-{snapshot.name}-{split}"))
    for sentence in seen.unreadable:
        note(f"not shown: {sentence}")
    if json:
        shown = {one.label.name: len(one.crops) for one in seen.labels}
        counts = {"images": len(seen.pictures), "regions": shown, "unreadable": seen.unreadable}
        print_json({"dataset": seen.dataset, "split": split, **counts, "page": page, "sheets": sheets})
        return
    typer.echo(f"{len(seen.pictures)} of {seen.images} images, {sum(len(one.crops) for one in seen.labels)} close-ups")
    typer.echo(f"page: {page}")
    typer.echo(f"sheets: {len(sheets)} PNG files beside it")
