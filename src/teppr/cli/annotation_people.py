"""Commands of `teppr annotations` for those who lead annotators: how far they agree, and what they were given twice."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from teppr.cli.session import Json, Session, note, print_json, print_table, progress

if TYPE_CHECKING:
    from teppr.annotations.agreement import Agreement

ROWS_SHOWN = 60
"""So many files are shown; files and --json hold all."""


def agreement(
    ctx: typer.Context,
    problem: Annotated[str, typer.Option(help="Annotation specification of the files.")] = "ods",
    iou: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Overlap from which on two regions are one object.")
    ] = 0.5,
    csv: Annotated[
        Path | None, typer.Option(help="Write every object, as each annotator has it, to this file.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the disagreements drawn to this folder.")] = None,
    as_json: Json = False,
) -> None:
    r"""How far annotators agree on images that several of them worked on.

    Regions are matched one to one by overlap (lines and points by distance). Krippendorff's alpha counts an object that
    an annotator has not drawn as disagreement; 1 is full agreement, 0 what chance would give.

    \b
    Examples:
      teppr annotations agreement --problem ods
      teppr annotations agreement --iou 0.7 --html agreement/
    """
    from teppr.annotations.agreement import Agreement, compared
    from teppr.annotations.agreement_page import write_agreement, written
    from teppr.problems import PROBLEMS

    session: Session = ctx.obj
    result = Agreement(problem=PROBLEMS.load(problem).id, least_0_1=iou)
    with session.open_record() as store, progress("comparing annotators") as bar:
        images = compared(store.shared_images(problem), iou, bar)
        for shared in images if csv is None else written(images, csv):
            result.add(shared)
    if csv is not None:
        note(f"written: {csv}")
    if html is not None:
        note(f"written: {write_agreement(result, html)}")
    if as_json:
        print_json(result.as_dict())
    else:
        _show_agreement(session, result)


def duplicates(
    ctx: typer.Context,
    problem: Annotated[str | None, typer.Option(help="Only of this problem.")] = None,
    within: Annotated[
        int, typer.Option(min=0, max=12, help="Bits of 64 that hashes of alike images may differ in.")
    ] = 6,
    csv: Annotated[Path | None, typer.Option(help="Write all to this CSV file.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the pictures side by side to this file.")] = None,
    as_json: Json = False,
) -> None:
    r"""Images that are there several times: copies of the same bytes, and pictures that look alike.

    \b
    Examples:
      teppr annotations duplicates
      teppr annotations duplicates --within 4 --html duplicates.html
    """
    from teppr.annotations.duplicates import duplicates_of, write_csv, write_page

    session: Session = ctx.obj
    with session.open_record() as store:
        found = duplicates_of(store, problem, within)
    if csv is not None:
        note(f"{write_csv(found, csv)} rows in {csv}")
    if html is not None:
        note(f"written: {write_page(found, html)}")
    if as_json:
        print_json(found.as_dict())
        return
    typer.echo(f"{len(found.groups)} groups among {found.images} images")
    rows = [
        (number, group.kind, image.bits, Path(path).name, str(Path(path).parent))
        for number, group in enumerate(found.groups)
        for image in group.images
        for path in image.paths
    ]
    if rows:
        print_table(session.console, "Duplicates", ("group", "kind", "bits", "image", "in"), rows[:ROWS_SHOWN])
    if len(rows) > ROWS_SHOWN:
        typer.echo(f"the first {ROWS_SHOWN} of {len(rows)}; --csv, --html and --json give all")


def history(
    ctx: typer.Context,
    image: Annotated[str, typer.Argument(help="Image as its annotation file names it, or its sha256.")],
    problem: Annotated[str | None, typer.Option(help="Only of this problem.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with each version drawn to this file.")] = None,
    as_json: Json = False,
) -> None:
    r"""All entries of an image over all files, past ones as well: who, when, how many regions, and what became of them.

    \b
    Examples:
      teppr annotations history street_p1_0001.jpg
      teppr annotations history street_p1_0001.jpg --html history.html
    """
    from teppr.annotations.history import history_of, write_page
    from teppr.problems.find import colors_named

    session: Session = ctx.obj
    with session.open_record() as store:
        versions = history_of(store, image, problem)
    if html is not None:
        colors = colors_named(sorted({version.release.file.problem for version in versions}), session.settings.home)
        note(f"written: {write_page(image, versions, html, colors)}")
    if as_json:
        print_json([version.as_dict() for version in versions])
        return
    rows = [
        (
            file.released or "unknown",
            file.annotator or "unknown",
            Path(file.path).name,
            file.tool,
            file.problem,
            version.image.sha256[:12],
            len(version.image.regions),
            version.state,
        )
        for version in versions
        for file in (version.release.file,)
    ]
    columns = ("released", "annotator", "file", "tool", "problem", "sha256", "regions", "state")
    print_table(session.console, f"History of {image}", columns, rows)


def withdraw(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="Annotation file on record: path, or sha256.")],
    why: Annotated[str, typer.Option(help="For what reason, for those who ask later.")],
    problem: Annotated[
        str | None, typer.Option(help="Of which problem, where the file is on record for several.")
    ] = None,
    as_json: Json = False,
) -> None:
    r"""Take a release back: it stays on record and counts no more; the release before it is current again.

    Ingesting the same file with --again brings it back.

    \b
    Examples:
      teppr annotations withdraw images-p1-150126_AT1_via205_200126.json --why "made with last year's labels"
    """
    from teppr.annotations.history import withdraw as run

    session: Session = ctx.obj
    key = file if len(file) == 64 and not Path(file).exists() else str(Path(file).absolute())
    with session.open_record() as store:
        done = run(store, key, why, datetime.now(UTC), problem)
    if as_json:
        print_json(done.as_dict())
        return
    typer.echo(f"withdrawn: {Path(done.release.file.path).name}")
    for path in done.current_again:
        typer.echo(f"current again: {Path(path).name}")


def _show_agreement(session: Session, result: Agreement) -> None:
    if not result.images:
        typer.echo("no image was annotated by several annotators")
        return
    typer.echo(f"{result.images} images shared, {result.objects} objects, Krippendorff's alpha {_figure(result.alpha)}")
    pairs = [
        (
            " and ".join(pair.annotators),
            pair.images,
            "{} / {}".format(*pair.regions),
            pair.matched,
            *map(_figure, (pair.matched_0_1, pair.mean_similarity_0_1, pair.same_label_0_1, pair.kappa)),
        )
        for _, pair in sorted(result.pairs.items())
    ]
    columns = ("annotators", "images", "regions", "matched", "share", "mean overlap", "same label", "kappa")
    print_table(session.console, "Annotators", columns, pairs)
    labels = [(label or "?", result.times(label), _figure(result.alpha_of_label(label))) for label in result.labels]
    print_table(session.console, "Labels", ("label", "regions", "alpha"), labels)
    confused = [
        (*pair.annotators, *("no region" if label is None else label or "?" for label in said), n)
        for _, pair in sorted(result.pairs.items())
        for said, n in pair.confusion.most_common()
        if said[0] != said[1]
    ]
    if confused:
        print_table(session.console, "Disagreements", ("one", "another", "one says", "another says", "times"), confused)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
