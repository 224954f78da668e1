"""Commands of `teppr dataset` about versions: what differs, where they come from, away with them, and to take along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from teppr.cli.dataset_options import Reference
from teppr.cli.dataset_tables import show_diff, show_lineage, size_of
from teppr.cli.session import Json, Session, note, print_json, progress, say_next
from teppr.errors import AlreadyThere, TepprError

Kind: TypeAlias = Literal["annotator", "file", "dataset", "run", "release"]


def diff(
    ctx: typer.Context,
    one: Reference,
    other: Reference,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 1 where there is a difference.")] = False,
    json: Json = False,
) -> None:
    r"""Compare two dataset versions: images, regions, labels, how they were asked for, annotation files.

    An image is known by its bytes. A region whose shape is the same and whose label is not has another label; one of
    the same label on nearly the same place has another shape. A difference is no error: the exit code is 0.

    \b
    Examples:
      teppr dataset diff street@6ae2ad195e98 street
      teppr dataset diff street /mnt/share/street/6ae2ad195e98 --json
      teppr dataset diff street@6ae2 street@91c0 --exit-code
    """
    from teppr.datasets.diff import diff as run
    from teppr.datasets.snapshot import find_snapshot

    session: Session = ctx.obj
    first, second = (find_snapshot(session.settings.home, reference) for reference in (one, other))
    with progress("Compare") as bar:
        found = run(first, second, bar)
    if json:
        print_json(found.as_dict())
    else:
        show_diff(session, found)
    if exit_code and not found.same:
        raise typer.Exit(1)


def lineage(
    ctx: typer.Context,
    what: Annotated[str, typer.Argument(help="Dataset, release, alias, run, annotation file, annotator.")],
    kind: Annotated[Kind | None, typer.Option(help="Which of several things of the same name.")] = None,
    json: Json = False,
) -> None:
    r"""Show where something comes from and what came of it: annotators, files, datasets, runs, releases.

    Datasets, runs and releases are those in the home; annotation files are those that datasets name, and those in the
    annotation database where there is one. The database is not needed.

    \b
    Examples:
      teppr dataset lineage street
      teppr dataset lineage acme-ods-8
      teppr dataset lineage AT1 --kind annotator
      teppr dataset lineage images-p1-150126_AT1_via205_200126.json --json
    """
    from teppr.datasets.lineage import Lineage
    from teppr.workflow.products import products

    session: Session = ctx.obj
    home = session.settings.home
    known = Lineage(home)
    known.add_products(products(home))
    try:
        with session.open_record() as store:
            known.add_files(store.files())
    except TepprError as error:
        note(f"annotation files are those that datasets name, for the annotation database was not read: {error}")
    for sentence in known.unread:
        note(f"left out: {sentence}")
    found = known.find(what, kind)
    if json:
        print_json([{**node.as_dict(), "from": node.origins(), "made": node.results()} for node in found])
        return
    for node in found:
        show_lineage(session, node)


def delete(
    ctx: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="The version may be shortened.")],
    json: Json = False,
) -> None:
    r"""Delete a dataset version from the home, for good.

    One that a release was made from stays, and the release is named (exit code 1). Runs that were made from it stay as
    they are and are named: they cannot be trained on or evaluated again. Images are deleted only with a packed version;
    elsewhere they are never touched.

    \b
    Examples:
      teppr dataset delete street@6ae2ad195e98
      teppr dataset delete street@6ae2 --json
    """
    from teppr.datasets.delete import delete as run
    from teppr.workflow.products import products

    session: Session = ctx.obj
    home = session.settings.home
    done = run(home, reference, products(home))
    name = f"{done.name}@{done.version}"
    if json:
        print_json({"deleted": name, "runs": list(done.runs), "latest": done.latest})
        return
    for made in done.runs:
        note(f"warning: run {made} was made from it and can no longer be trained on or evaluated")
    typer.echo(f"deleted: {name}; " + (f"{done.name} is now {done.latest}" if done.latest else "it was the last one"))


def pack(
    ctx: typer.Context,
    reference: Reference,
    file: Annotated[Path, typer.Argument(help="File to write, *.tar.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
    json: Json = False,
) -> None:
    r"""Pack a dataset version with its images into one file that travels.

    The images are taken from where they lie, and checked: one that has changed since the dataset was made is refused.
    The same version gives the same file, byte for byte. It is a tar that is not compressed, for images are already.

    \b
    Examples:
      teppr dataset pack street street.tar
      teppr dataset pack street@6ae2ad195e98 /mnt/stick/street.tar --force
    """
    from teppr.datasets.pack import pack as run
    from teppr.datasets.snapshot import find_snapshot

    session: Session = ctx.obj
    snapshot = find_snapshot(session.settings.home, reference)
    if file.exists() and not force:
        raise AlreadyThere(f"{file} is there already; choose another name, or overwrite it: --force")
    with progress(f"Pack {snapshot.reference}") as bar:
        packed = run(snapshot, file, bar)
    if json:
        facts = {"images": packed.images, "size_bytes": packed.size_bytes, "sha256": packed.sha256}
        print_json({"dataset": snapshot.reference, "path": str(packed.path), **facts})
        return
    typer.echo(f"{packed.path}: {packed.images} images, {size_of(packed.size_bytes)}, sha256 {packed.sha256}")
    typer.echo(f"there: teppr dataset unpack {packed.path.name}")


def unpack(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File that was written by teppr dataset pack.")],
    json: Json = False,
) -> None:
    r"""Put a packed dataset version into the home, where training finds it; no annotation database is needed.

    Every file in it is checked by its hash while it is read. Where anything is not as it was packed, nothing is
    unpacked. The version is the dataset's latest from then on.

    \b
    Examples:
      teppr dataset unpack street.tar
      teppr --home /data/teppr dataset unpack /mnt/stick/street.tar --json
    """
    from teppr.datasets.unpack import unpack as run

    session: Session = ctx.obj
    with progress(f"Unpack {file.name}") as bar:
        snapshot = run(file, session.settings.home, bar)
    if json:
        print_json({"dataset": snapshot.reference, "path": snapshot.path, "images": snapshot.document.images})
        return
    typer.echo(f"{snapshot.reference}: {snapshot.document.images} images in {snapshot.path}")
    say_next(session, "dataset", "show", snapshot.reference)
