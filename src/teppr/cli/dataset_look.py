"""Commands of `teppr dataset` for whoever wants to see what is in one: pictures, statistics, what training is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.dataset_options import Reference
from teppr.cli.elsewhere import go_where_it_runs
from teppr.cli.session import Json, Session, note, print_json, print_table, progress, say_next
from teppr.errors import BadImage

if TYPE_CHECKING:
    from teppr.datasets.leakage import Leakage
    from teppr.datasets.statistics import SplitStatistics
    from teppr.datasets.view import View

ROWS_SHOWN = 60
UNREADABLE_SHOWN = 10
"""So many pairs are shown; --json holds all."""


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
    _check_any_shown(seen)
    page, *sheets = write_view(seen, out or Path(f"view-{snapshot.name}-{split}"))
    for sentence in seen.unreadable[:UNREADABLE_SHOWN]:
        note(f"not shown: {sentence}")
    if len(seen.unreadable) > UNREADABLE_SHOWN:
        note(f"not shown: {len(seen.unreadable) - UNREADABLE_SHOWN} more")
    if json:
        shown = {one.label.name: len(one.crops) for one in seen.labels}
        counts = {"images": len(seen.pictures), "regions": shown, "unreadable": seen.unreadable}
        print_json({"dataset": seen.dataset, "split": split, **counts, "page": page, "sheets": sheets})
        return
    typer.echo(f"{len(seen.pictures)} of {seen.images} images, {sum(len(one.crops) for one in seen.labels)} close-ups")
    typer.echo(f"page: {page}")
    typer.echo(f"sheets: {len(sheets)} PNG files beside it")


def _check_any_shown(seen: View) -> None:
    is_any_shown = seen.pictures or any(one.crops for one in seen.labels)
    if seen.unreadable and not is_any_shown:
        raise BadImage(
            f"none of the {len(seen.unreadable)} images can be read; the first: {seen.unreadable[0]}; if they were "
            "moved, ingest their annotation files from where they are now (teppr annotations ingest FILE --again) and "
            "create the dataset again",
            reason="missing",
        )


def inspect(
    ctx: typer.Context,
    experiment: Annotated[Path, typer.Argument(help="The experiment file.")],
    count: Annotated[int, typer.Option(min=1, help="Images that are shown, the first of the training.")] = 12,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs that are shown of each.")] = 2,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: inspect-NAME here.")] = None,
    json: Json = False,
) -> None:
    r"""What training feeds its network: images as resized and changed at random, with boxes and masks.

    Taken from training's own pipeline by the experiment's seed, so that it is what the network will see. Written are a
    page that needs nothing beside it, index.html, and the same as PNG sheets.

    \b
    Examples:
      teppr dataset inspect signs.yml
      teppr dataset inspect signs.yml --count 30 --epochs 4 --out fed/
    """
    from teppr.workflow.experiment import read_experiment

    session: Session = ctx.obj
    settings = session.settings
    asked = read_experiment(experiment)
    go_where_it_runs(session, asked.architecture)
    from teppr.workflow.inspect import inspect_training, write_inspection

    with progress(f"Inspect {asked.name}") as bar:
        seen = inspect_training(
            asked, settings.home, count=count, epochs=epochs, max_pixels=settings.max_image_pixels, progress=bar
        )
    page, *sheets = write_inspection(seen, out or Path(f"inspect-{asked.name}"))
    if json:
        images = [
            {
                "filename": image.filename,
                "size_wh": image.size_wh,
                "regions": image.regions,
                "fed": [
                    {
                        "epoch": fed.epoch + 1,
                        "size_wh": fed.size_wh,
                        "boxes_xyxy_px": fed.sample.boxes_xyxy_px.tolist(),
                        "labels": [seen.labels[i].name for i in fed.sample.label_ids.tolist()],
                        "changed_by": fed.changed_by,
                        "vanished": fed.vanished,
                    }
                    for fed in image.fed
                ],
            }
            for image in seen.images
        ]
        print_json({"dataset": seen.dataset, "images": images, "page": page, "sheets": sheets})
        return
    typer.echo(f"{len(seen.images)} images, {len(seen.images[0].fed)} epochs of each")
    typer.echo(f"page: {page}")
    typer.echo(f"sheets: {len(sheets)} PNG files beside it")


def stats(
    ctx: typer.Context,
    reference: Reference,
    html: Annotated[Path | None, typer.Option(help="Write a page with charts to this folder.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all counts to this CSV file.")] = None,
    json: Json = False,
) -> None:
    r"""Sizes, aspect ratios and places of boxes, regions per image, image sizes, and labels together, split by split.

    \b
    Examples:
      teppr dataset stats street
      teppr dataset stats street --html statistics/
      teppr dataset stats street --json
    """
    from teppr.datasets.snapshot import find_snapshot
    from teppr.datasets.statistics import statistics_of, write_csv
    from teppr.datasets.statistics_page import write_statistics_page

    session: Session = ctx.obj
    found = statistics_of(find_snapshot(session.settings.home, reference))
    if csv is not None:
        note(f"{write_csv(found, csv)} rows in {csv}")
    if html is not None:
        note(f"written: {write_statistics_page(found, html)}")
    if json:
        print_json(found.as_dict())
        return
    every = [*found.splits, found.all]
    rows = [[title, *map(figure, every)] for title, figure in FIGURES.items()]
    print_table(session.console, found.dataset, ("", *(one.split for one in every)), rows)
    if html is None:
        say_next(session, "dataset", "stats", reference, "--html", "statistics/")


def leakage(
    ctx: typer.Context,
    reference: Reference,
    within_bits: Annotated[
        int, typer.Option(min=0, max=12, help="Bits of 64 that hashes of alike images may differ in.")
    ] = 6,
    html: Annotated[Path | None, typer.Option(help="Write a page with the pairs side by side to this folder.")] = None,
    json: Json = False,
) -> None:
    r"""Images that are in one split and again in another: the same bytes, or pictures that look alike.

    What was trained on and is measured on makes a network look better than it is. Each image is opened once.

    \b
    Exit code 0: none; 1: some, and how to mend it is said.

    \b
    Examples:
      teppr dataset leakage street
      teppr dataset leakage street --within-bits 4 --html leakage/
    """
    from teppr.datasets.leakage import leakage_of, write_leakage_page
    from teppr.datasets.snapshot import find_snapshot

    session: Session = ctx.obj
    settings = session.settings
    snapshot = find_snapshot(settings.home, reference)
    limits = {"max_pixels": settings.max_image_pixels}
    with progress(f"Leakage of {snapshot.reference}") as bar:
        found = leakage_of(snapshot, within_bits, workers=settings.worker_count, progress=bar, **limits)
    for sentence in found.unreadable:
        note(f"not compared: {sentence}")
    if html is not None:
        note(f"written: {write_leakage_page(found, html, **limits)}")
    if json:
        print_json(found.as_dict())
    else:
        _show_leakage(session, found)
    if found.pairs:
        raise typer.Exit(1)


def _show_leakage(session: Session, found: Leakage) -> None:
    rows = [
        (pair.kind, pair.bits, pair.image.split, pair.image.filename, pair.twin.split, pair.twin.filename)
        for pair in found.pairs[:ROWS_SHOWN]
    ]
    if rows:
        columns = ("kind", "bits", "split", "image", "twin in", "twin")
        print_table(session.console, f"{found.dataset}: images in several splits", columns, rows)
    if len(found.pairs) > ROWS_SHOWN:
        typer.echo(f"the first {ROWS_SHOWN} of {len(found.pairs)}; --html shows more, --json all")
    for row in found.affected:
        twins = row.exact + row.near
        typer.echo(f"{row.split}: {twins} of {row.images} images ({row.share_0_1:.1%}) have a twin in {row.twin_in}")
    if found.pairs:
        typer.echo(f"to mend it: {found.mend}")


def _share(one: SplitStatistics, name: str) -> str:
    return f"{100 * getattr(one, name) / max(one.regions, 1):.1f} %"


def _three(one: SplitStatistics, name: str, form: str) -> str:
    """The 5 %, 50 % and 95 % quantiles."""
    found = one.quantiles[name]
    return " / ".join(form.format(found[share]) for share in ("5%", "50%", "95%")) if found else "-"


FIGURES: Mapping[str, Callable[[SplitStatistics], str]] = {
    "images": lambda one: f"{one.images:,}",
    "images without regions": lambda one: f"{one.per_image.get(0, 0):,}",
    "regions": lambda one: f"{one.regions:,}",
    "regions an image, mean": lambda one: f"{one.mean_per_image:.2f}",
    "regions an image, most": lambda one: f"{max(one.per_image, default=0):,}",
    "small, < 32² px": lambda one: _share(one, "small"),
    "medium, < 96² px": lambda one: _share(one, "medium"),
    "large": lambda one: _share(one, "large"),
    "box width, px: 5 / 50 / 95 %": lambda one: _three(one, "width_px", "{:.0f}"),
    "box height, px": lambda one: _three(one, "height_px", "{:.0f}"),
    "box side by the image's": lambda one: _three(one, "side_0_1", "{:.2f}"),
    "width by height": lambda one: _three(one, "ratio", "{:.2f}"),
}
