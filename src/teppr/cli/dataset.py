"""`teppr dataset`: create, list, show and verify dataset versions."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from teppr.cli.dataset_look import inspect, leakage, stats, view
from teppr.cli.problem_options import Problem
from teppr.cli.session import Json, Session, note, print_json, print_table, progress
from teppr.errors import BadInput, Corrupt, SplitRefused

if TYPE_CHECKING:
    from teppr.datasets.snapshot import Snapshot

app = typer.Typer(no_args_is_help=True)

Reference = Annotated[str, typer.Argument(metavar="NAME[@VERSION]|FOLDER", help="The latest version without @VERSION.")]
Grouping: TypeAlias = Literal["image", "batch", "folder"]
BAR_CELLS = 20
INKS = "█▓▒░▞"
"""A filling for each split in turn."""


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the dataset; the version is made from the content.")],
    problem: Problem = "ods",
    labels: Annotated[list[str] | None, typer.Option(help="Only these labels, in this order: a,b,c.")] = None,
    rename: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="Rename or merge; repeatable.")] = None,
    where: Annotated[str, typer.Option(help="Conditions on annotator, batch, file, filename, label, shape.")] = "",
    annotator: Annotated[list[str] | None, typer.Option(help="Only files of these annotators; repeatable.")] = None,
    min_area: Annotated[float, typer.Option(min=0, help="Leave out smaller regions, in square pixels.")] = 0.0,
    background: Annotated[bool, typer.Option(help="Keep images without regions.")] = True,
    split: Annotated[str | None, typer.Option(help="train/val/test or train/val; default 70/20/10.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option(metavar="SPLIT=FILE", help="Let annotation files say the split; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another split.")] = 0,
    group_by: Annotated[Grouping, typer.Option(help="What stays in one split whole.")] = "image",
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

    \b
    Conditions (--where): field=value or field!=value, joined by "and" or commas; values may have * and ?, list
    alternatives by |, and be quoted; "unknown" stands for what is not on record.

    \b
    Examples:
      teppr dataset create street --problem ods --split 70/20/10 --seed 7
      teppr dataset create doors --labels door,hood --where "annotator!=AT3" --min-area 64
      teppr dataset create cars --rename front_bumper=bumper --rename rear_bumper=bumper --split 80/20
      teppr dataset create road --near-duplicates 6 --split 80/20
      teppr dataset create cars --assign train=train_multiclass.json --assign "val=val_*.json"
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets import create as room
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
    )
    options = room.CreateOptions(
        select=selection,
        **_split_options(split, assign),
        seed=seed,
        group_by=group_by,
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
    _show(session, snapshot, time.perf_counter() - began, as_json=json)
    if not json:
        typer.echo(f"next: an experiment file that says 'dataset: {name}', and {session.command('train', 'FILE')}")


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> None:
    """List the dataset versions.

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
            snapshot = find_snapshot(home, f"{name}@{version}")
            rows.append(_listing(snapshot, is_latest=version == latest))
    if json:
        print_json(rows)
        return
    columns = ("dataset", "latest", "images", "regions", "labels", "splits")
    cells = [[f"{row['name']}@{row['version']}", *(_cell(key, row[key]) for key in columns[1:])] for row in rows]
    print_table(session.console, f"Datasets in {home}", columns, cells)


@app.command()
def show(ctx: typer.Context, reference: Reference, json: Json = False) -> None:
    """Show a dataset version: images and regions of each label in each split.

    \b
    Examples:
      teppr dataset show street
      teppr dataset show street@6ae2ad195e98 --json
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.datasets.snapshot import find_snapshot

    began = time.perf_counter()
    session: Session = ctx.obj
    snapshot = find_snapshot(session.settings.home, reference)
    _show(session, snapshot, time.perf_counter() - began, as_json=json)


@app.command()
def verify(ctx: typer.Context, reference: Reference, json: Json = False) -> None:
    """Check that a dataset version still is what was written: its tables, its summary, and every image.

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


for command in (inspect, leakage, stats, view):
    app.command()(command)


def _split_options(split: str | None, assign: list[str] | None) -> dict[str, Any]:
    from teppr.datasets.split import shares_of

    if assign and split:
        raise BadInput(f"give --split or --assign, got both: --split {split} and --assign {' '.join(assign)}")
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


def _show(session: Session, snapshot: Snapshot, seconds: float, *, as_json: bool) -> None:
    document = snapshot.document
    labels = [label.name for label in snapshot.labels]
    if as_json:
        splits = {split: document.splits[split].model_dump() for split in snapshot.splits}
        for table in splits.values():
            table["per_label"] = {label: table["per_label"][label] for label in labels}
        head = {"name": snapshot.name, "version": snapshot.version, "problem": snapshot.problem, "labels": labels}
        print_json({**head, "splits": splits, "seconds": seconds})
        return
    legend = " ".join(f"{_ink(i)} {split}" for i, split in enumerate(snapshot.splits))
    title = f"{snapshot.reference}: images / regions ({legend})"
    print_table(session.console, title, ("label", *snapshot.splits, "images"), _label_rows(snapshot, labels))
    for reason, count in document.left_out.items():
        note(f"{reason}: {count}")
    typer.echo(snapshot.path)


def _label_rows(snapshot: Snapshot, labels: Iterable[str]) -> Iterator[list[object]]:
    tables = [snapshot.document.splits[split] for split in snapshot.splits]
    width = max(len(f"{table.regions:,}") for table in tables)
    for label in labels:
        counts = [table.per_label[label] for table in tables]
        yield _label_row(label, [(count.images, count.regions) for count in counts], width)
    yield _label_row("all", [(table.images, table.regions) for table in tables], width)


def _label_row(label: str, counts: list[tuple[int, int]], width: int) -> list[object]:
    cells = [f"{images:>{width},} / {regions:>{width},}" for images, regions in counts]
    return [label, *cells, _bar([images for images, _ in counts])]


def _ink(split: int) -> str:
    return INKS[split % len(INKS)]


def _bar(counts: list[int]) -> str:
    """The shares of the splits side by side."""
    total, bar, so_far = sum(counts), "", 0
    for i, count in enumerate(counts):
        so_far += count
        bar += _ink(i) * (round(BAR_CELLS * so_far / total) - len(bar) if total else 0)
    return bar


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
        "path": str(snapshot.path),
    }


def _cell(key: str, value: Any) -> object:  # noqa: ANN401 - any value of a listing
    if key == "labels":
        return len(value)
    if key == "latest":
        return "yes" if value else ""
    return " ".join(value) if key == "splits" else value
