"""`teppr dataset`: create, list, show and verify dataset versions; further commands stand in files beside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli.dataset_export import export
from teppr.cli.dataset_look import inspect, leakage, stats, view
from teppr.cli.dataset_options import Reference
from teppr.cli.dataset_tables import show_dataset, size_of
from teppr.cli.dataset_versions import delete, diff, lineage, pack, unpack
from teppr.cli.problem_options import Problem
from teppr.cli.session import Json, Session, note, print_json, print_table, progress
from teppr.errors import BadInput, Corrupt, SplitRefused

if TYPE_CHECKING:
    from teppr.datasets.snapshot import Snapshot

app = typer.Typer(no_args_is_help=True)

FAR_FROM_ASKED = 0.02
"""A share of the images."""


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the dataset; the version is made from the content.")],
    problem: Problem = "ods",
    labels: Annotated[list[str] | None, typer.Option(help="Only these labels, in this order: a,b,c.")] = None,
    rename: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="Rename or merge; repeatable.")] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="Leave out its regions; repeatable.")] = None,
    other: Annotated[
        str | None, typer.Option(metavar="NAME", help="Call all labels so that --labels does not list.")
    ] = None,
    where: Annotated[str, typer.Option(metavar="EXPRESSION", help="Conditions on images and regions, see above.")] = "",
    annotator: Annotated[list[str] | None, typer.Option(help="Only files of these annotators; repeatable.")] = None,
    min_area: Annotated[float, typer.Option(min=0, help="Leave out smaller regions, in square pixels.")] = 0.0,
    background: Annotated[bool, typer.Option(help="Keep images without regions.")] = True,
    max_background: Annotated[
        str | None, typer.Option(metavar="N|SHARE", help="Keep so many of them, or that share of all images: 500, 10%.")
    ] = None,
    max_per_label: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Leave out images of labels that are in more than N.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="train/val/test or train/val; default 70/20/10.")] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option(metavar="SPLIT=FILE", help="Let annotation files, or lists of images, say the split; repeatable."),
    ] = None,
    folds: Annotated[int | None, typer.Option(help="Instead of --split, so many equal parts fold1, fold2 ...")] = None,
    extend: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Keep the split of every image of this version; assign only the others."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split, other images left out.")] = 0,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="What stays in one split whole: image, batch, annotator, folder, video, or an attribute of images "
            "such as place.",
        ),
    ] = None,
    near_duplicates: Annotated[
        int | None,
        typer.Option(metavar="BITS", help="Keep images in one split whose hashes differ so little, as in 6."),
    ] = None,
    allow_missing: Annotated[list[str] | None, typer.Option(help="Label that a split may lack; repeatable.")] = None,
    pack: Annotated[bool, typer.Option("--pack", help="Copy the images too, so that the folder can travel.")] = False,
    json: Json = False,
) -> None:
    """Make a dataset version from the annotation database: filtered, and split with every label in every split.

    The same annotations and options give the same version. Where labels cannot be in every split, the labels in
    conflict are shown with what would help, and nothing is written (exit code 1).

    A video is told by the images' attribute of that name, else by folder and file name but for the number at its end.
    --extend keeps shares and grouping of that version too, unless they are given.

    \b
    Conditions (--where): FIELD SIGN VALUE, joined by "and" (or commas), "or", "not", and brackets.
      of the image: annotator, batch, file, filename, released (a day), width, height (pixels), image.ATTRIBUTE
      of a region:  label, shape, area (pixels), box_width, box_height, region.ATTRIBUTE
      = and != take alternatives (door|hood) and patterns (images-p1*); numbers and days also < <= > >=
      values with , ( ) = < > are quoted; "unknown" stands for what is not on record
    A condition on the image leaves out images; one that speaks of regions, if only in part, leaves out regions. An
    image none of whose regions is left stays, as background, unless --no-background is given.

    \b
    Caps (--max-per-label, --max-background) leave out images by --seed. An image goes only if all its labels are in
    more than N images: no label falls below N, and rare ones lose nothing; a label may stay above N where its images
    show rarer labels too. --max-background comes last.

    \b
    Examples:
      teppr dataset create street --problem ods --split 70/20/10 --seed 7
      teppr dataset create doors --labels door,hood --where "annotator!=AT3" --min-area 64
      teppr dataset create large --where "released>=2019-02-01 and (area>=4096 or not region.occluded=yes)"
      teppr dataset create even --labels door,hood --other part --max-per-label 500 --max-background 10%
      teppr dataset create cars --rename front_bumper=bumper --rename rear_bumper=bumper --split 80/20
      teppr dataset create road --by video --near-duplicates 6 --split 80/20
      teppr dataset create street --extend 6ae2ad195e98
      teppr dataset create street --folds 5
      teppr dataset create cars --assign train=train_multiclass.json --assign "val=val_*.json"
      teppr dataset create cells --assign train=BCCD/ImageSets/Main/train.txt --assign val=BCCD/ImageSets/Main/val.txt
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets import create as room
    from teppr.datasets.cap import Cap, max_background_of
    from teppr.datasets.select import SelectOptions

    began = time.perf_counter()
    session: Session = ctx.obj
    selection = SelectOptions(
        labels=tuple(_listed(labels)) or None,
        rename=dict(_pair(item, "--rename", "OLD=NEW") for item in rename or ()),
        where=where,
        annotators=tuple(annotator) if annotator else None,
        min_area_px=min_area,
        background=background,
        drop=tuple(_listed(drop)),
        other=other,
        cap=Cap(
            max_per_label=max_per_label,
            max_background=None if max_background is None else max_background_of(max_background),
            seed=seed,
        ),
    )
    options = room.CreateOptions(
        select=selection,
        **_split_options(split, assign, folds),
        extend=extend,
        seed=seed,
        by=by,
        near_duplicates=near_duplicates,
        allow_missing=tuple(_listed(allow_missing)),
        pack=pack,
    )
    home = session.settings.home
    try:
        with session.open_record() as store, progress(f"Dataset {name}") as bar:
            snapshot = room.create(store, home, name, problem, options, bar)
    except SplitRefused as refused:
        _refuse(session, refused, as_json=json)
        raise typer.Exit(refused.exit_code) from None
    show_dataset(session, snapshot, time.perf_counter() - began, as_json=json)
    _say_of(session, snapshot, as_json=json)


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the dataset versions, with their size on disk and when they came there.

    \b
    Examples:
      teppr dataset list
      teppr dataset list --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets.snapshot import dataset_names, dataset_versions, find_snapshot, latest_version

    session: Session = ctx.obj
    home = session.settings.home
    rows: list[dict[str, Any]] = []
    for name in dataset_names(home):
        latest = latest_version(home, name)
        for version in dataset_versions(home, name):
            try:
                snapshot = find_snapshot(home, f"{name}@{version}")
            except Corrupt as error:
                note(f"left out: {error}")
            else:
                rows.append(_listing(snapshot, is_latest=version == latest))
    if json:
        print_json(rows)
        return
    columns = ("dataset", "latest", "images", "regions", "labels", "splits", "packed", "on disk", "created (UTC)")
    print_table(session.console, f"Datasets in {home}", columns, map(_cells, rows))


@app.command()
def show(
    ctx: typer.Context,
    reference: Reference,
    all_labels: Annotated[bool, typer.Option("--all", help="All labels, not only the most frequent.")] = False,
    json: Json = False,
) -> None:
    """Show a dataset version: images and regions of each label in each split, beside the shares asked for.

    Below it: how it was split and filtered, the annotation files it was made from, and what was left out and why.

    \b
    Examples:
      teppr dataset show street
      teppr dataset show street --all
      teppr dataset show street@6ae2ad195e98 --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets.snapshot import find_snapshot

    began = time.perf_counter()
    session: Session = ctx.obj
    snapshot = find_snapshot(session.settings.home, reference)
    show_dataset(session, snapshot, time.perf_counter() - began, as_json=json, all_labels=all_labels)


@app.command()
def verify(ctx: typer.Context, reference: Reference, json: Json = False) -> None:
    """Check that a dataset version still is what was written: its tables, its summary, and every image.

    Every finding says what to do.

    \b
    Exit code 0: intact; 1: something has changed, and is named.

    \b
    Examples:
      teppr dataset verify street
      teppr dataset verify /mnt/share/street/6ae2ad195e98
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets.snapshot import find_snapshot

    began = time.perf_counter()
    session: Session = ctx.obj
    changed: list[str] = []
    name = reference
    try:
        snapshot = find_snapshot(session.settings.home, reference)
        name = snapshot.reference
        with progress(f"Verify {name}") as bar:
            changed = snapshot.verify(bar)
    except Corrupt as error:
        changed = [str(error)]
    if json:
        seconds = time.perf_counter() - began
        print_json({"dataset": name, "intact": not changed, "changed": changed, "seconds": seconds})
    else:
        for sentence in changed:
            typer.echo(sentence)
        typer.echo(f"{name} has changed: {len(changed)} finding(s)" if changed else f"{name} is intact")
    if changed:
        raise typer.Exit(1)


@app.command()
def path(ctx: typer.Context, reference: Reference, json: Json = False) -> None:
    """Print the folder of a dataset version.

    \b
    Examples:
      teppr dataset path street
      ls "$(teppr dataset path street)"
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets.snapshot import find_snapshot

    session: Session = ctx.obj
    snapshot = find_snapshot(session.settings.home, reference)
    if json:
        print_json({"dataset": snapshot.reference, "path": snapshot.path})
    else:
        typer.echo(snapshot.path)


def _say_of(session: Session, snapshot: Snapshot, *, as_json: bool) -> None:
    """What is remarkable about a dataset that was made, and what is done next with it."""
    document = snapshot.document
    if document.split.alone:
        note(f"images that lack what the others are grouped by, each a group of its own: {document.split.alone}")
    for sentence in _far_from_asked(snapshot):
        note(sentence)
    if not as_json:
        trained = snapshot.name if "train" in snapshot.splits else f"{snapshot.name}#{snapshot.splits[0]}"
        typer.echo(f"next: an experiment file that says 'dataset: {trained}', and {session.command('train', 'FILE')}")


def _far_from_asked(snapshot: Snapshot) -> Iterator[str]:
    """Splits whose share of the images is another than was asked by more than whole images explain."""
    document = snapshot.document
    whole = (
        "groups stay whole (--by, --near-duplicates)" if document.split.group_by != "image" else "copies stay together"
    )
    for split, asked in document.split.shares.items():
        share = document.splits[split].images / max(document.images, 1)
        if abs(share - asked) > max(FAR_FROM_ASKED, 1.5 / max(document.images, 1)):
            yield (
                f"{split} has {share:.1%} of the images, asked was {asked:.1%}: {whole}, and every label has to be in "
                "every split"
            )


def _split_options(split: str | None, assign: list[str] | None, folds: int | None) -> dict[str, Any]:
    from teppr.datasets.split import folds_of, shares_of

    options = {"--split": split, "--assign": " ".join(assign or ()), "--folds": folds}
    given = [f"{option} {value}" for option, value in options.items() if value]
    if len(given) > 1:
        raise BadInput(f"give --split or --assign or --folds, got {' and '.join(given)}")
    if folds is not None:
        return {"shares": folds_of(folds)}
    if split:
        return {"shares": shares_of(split)}
    files: dict[str, tuple[str, ...]] = {}
    for item in assign or ():
        place, pattern = _pair(item, "--assign", "SPLIT=FILE")
        files[place] = (*files.get(place, ()), pattern)
    return {"assign": files}


def _listed(items: list[str] | None) -> Iterator[str]:
    for item in items or ():
        yield from (part.strip() for part in item.split(",") if part.strip())


def _pair(item: str, option: str, form: str) -> tuple[str, str]:
    left, sign, right = (part.strip() for part in item.partition("="))
    if not (left and sign and right):
        raise BadInput(f"{option} wants {form}, got {item!r}")
    return left, right


def _refuse(session: Session, refused: SplitRefused, *, as_json: bool) -> None:
    if as_json:
        print_json({"refused": refused.conflicts})
    else:
        rows = [
            [row["label"], row["groups"], row["splits"], "\n".join(f"- {remedy}" for remedy in _sentences(row))]
            for row in refused.conflicts
        ]
        print_table(session.console, "Labels in conflict", ("label", "groups", "splits", "what would help"), rows)
    note(f"error: {refused}")


def _sentences(row: dict[str, Any]) -> list[str]:
    return list(row["remedies"])


def _listing(snapshot: Snapshot, *, is_latest: bool) -> dict[str, Any]:
    from teppr.datasets.snapshot import created

    document = snapshot.document
    return {
        "name": snapshot.name,
        "version": snapshot.version,
        "latest": is_latest,
        "problem": snapshot.problem,
        "images": document.images,
        "regions": document.regions,
        "labels": [label.name for label in snapshot.labels],
        "splits": list(snapshot.splits),
        "packed": document.packed,
        "size_bytes": snapshot.size_bytes,
        "created": created(snapshot.path).isoformat(timespec="seconds"),
        "path": str(snapshot.path),
    }


def _cells(row: dict[str, Any]) -> list[object]:
    """A listing for people."""
    latest, packed = ("yes" if row[key] else "" for key in ("latest", "packed"))
    size, date = size_of(row["size_bytes"]), row["created"][:16].replace("T", " ")
    reference, splits = f"{row['name']}@{row['version']}", " ".join(row["splits"])
    return [reference, latest, row["images"], row["regions"], len(row["labels"]), splits, packed, size, date]


for command in (view, stats, inspect, leakage, diff, lineage, export, pack, unpack, delete):
    app.command()(command)
