"""`teppr model inspect`: a look inside a trained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, note, print_json, print_table, progress

if TYPE_CHECKING:
    from teppr.anatomy.anatomy import Anatomy

SHOWN_DEPTH, SHOWN_FLAWS = 3, 8


def inspect(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="Release key, alias, run id, bundle folder or checkpoint.")],
    image: Annotated[
        list[Path] | None, typer.Option(help="Image to look at with the network's eyes; may be given several times.")
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option(help="Layer whose maps are shown; default: the last of each size in the body.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Label that is shown over images; default: those found in each.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Page (.html), or a folder for page, data and overlays; default: inside-<model>.html here."),
    ] = None,
    channels: Annotated[int, typer.Option(min=1, max=256, help="Channels shown of each layer.")] = 12,
    overlays: Annotated[bool, typer.Option(help="Show over images where labels are seen.")] = True,
    preferred: Annotated[
        int, typer.Option(min=0, max=64, help="Channels of each layer whose preferred picture is found; 0 = none.")
    ] = 4,
    seed: Annotated[int, typer.Option(help="Of the noise that preferred pictures begin with.")] = 7,
    as_json: Json = False,
) -> None:
    """Look inside a network: layers, weights, what layers make of images, what answers rest on, what channels prefer.

    One page that needs nothing beside it. Weights are marked where numbers are none (NaN, infinite) and where whole
    channels are dead. Overlays show by gradients where each label is seen; where a network has none (an ONNX file
    without its run), by covering parts of the image, some 200 predictions an image. Preferred pictures take about a
    second each on a processor. --no-overlays and --preferred 0 leave these out.

    With --json: all but the pictures; they are on the page all the same where --out says so.

    \b
    Examples:
      teppr model inspect acme-ods-8 --image photo.jpg
      teppr model inspect runs/signs-20260101-101500-1a2b --image a.jpg --image b.jpg --label stop --out inside/
      teppr model inspect acme-ods@production --preferred 0 --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.anatomy.anatomy import LookOptions, look_inside
    from teppr.anatomy.page import write_anatomy
    from teppr.cli.elsewhere import architecture_of, go_where_it_runs
    from teppr.workflow.compute import Compute

    session: Session = ctx.obj
    settings = session.settings
    go_where_it_runs(session, architecture_of(settings.home, model))
    options = LookOptions(
        layers=tuple(layer or ()),
        labels=tuple(label or ()),
        channels=channels,
        with_overlays=overlays,
        preferred=preferred,
        seed=seed,
    )
    with progress("looking inside") as bar:
        anatomy = look_inside(
            settings.home,
            model,
            image or (),
            options=options,
            compute=Compute(device=settings.device, threads=settings.thread_count),
            max_pixels=settings.max_image_pixels,
            progress=bar,
        )
    place = out or (None if as_json else Path(f"inside-{Path(anatomy.about.name).name}.html"))
    written = write_anatomy(anatomy, place) if place else []
    if as_json:
        print_json(anatomy.as_dict() | {"files": [str(path) for path in written]})
        return
    _print(session, anatomy)
    typer.echo(written[0])


def _print(session: Session, anatomy: Anatomy) -> None:
    from teppr.anatomy.page import short_count

    whole = anatomy.whole
    rows = [
        (
            "  " * layer.depth + (layer.short or anatomy.about.name),
            layer.kind,
            " x ".join(map(str, layer.shape)),
            short_count(layer.parameters),
            f"{100 * layer.parameters / max(whole.parameters, 1):.1f} %",
            "" if layer.trainable is None else short_count(layer.trainable),
            short_count(layer.multiply_adds),
        )
        for layer in anatomy.layers
        if layer.depth <= SHOWN_DEPTH and layer.parameters
    ]
    columns = ("layer", "kind", "makes", "parameters", "share", "trainable", "multiply-adds")
    print_table(session.console, f"{anatomy.about.name}: {anatomy.about.source}", columns, rows)
    seen = [
        (one.name, overlay.label, overlay.score, None if overlay.inside_0_1 is None else f"{overlay.inside_0_1:.0%}")
        for one in anatomy.seen
        for overlay in one.overlays
    ]
    if seen:
        print_table(session.console, "overlays", ("image", "label", "score", "light within what is found"), seen)
    for figures in anatomy.flawed[:SHOWN_FLAWS]:
        note(f"{figures.name}: {', '.join(figures.flaws)}")
    if len(anatomy.flawed) > SHOWN_FLAWS:
        note(f"and {len(anatomy.flawed) - SHOWN_FLAWS} more tensors with flaws, on the page")
    for sentence in anatomy.notes:
        note(f"note: {sentence}")
