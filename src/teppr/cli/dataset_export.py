"""`teppr dataset export`: the splits of a dataset version as files for other programs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from teppr.cli.dataset_options import Reference
from teppr.cli.session import Json, Session, note, print_json, print_table, progress

if TYPE_CHECKING:
    from teppr.formats.contract import WriteReport


def export(
    ctx: typer.Context,
    reference: Reference,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; it must not exist yet.")],
    format_name: Annotated[
        str, typer.Option("--format", help="Format to write: coco, yolo, voc, tfrecord ...")
    ] = "coco",
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeatable.")] = None,
    images: Annotated[
        Literal["copy", "link", "none"], typer.Option(help="Copy the images, link them, or write annotations only.")
    ] = "copy",
    shards: Annotated[int | None, typer.Option(min=1, help="Files of each split, of TFRecord.")] = None,
    json: Json = False,
) -> None:
    r"""Write the splits of a dataset version for other programs; the folder is whole or absent.

    Labels have the same numbers in every split. What the format cannot say is counted and named. Copied images are
    compared with their checksums, linked ones are not. Links are hard, or symbolic where OUT is on another file system.

    \b
    What is in OUT:
      yolo         data.yaml, labels/train, images/train ...: ready for ultralytics
      coco         train.json, val.json ... and images
      voc          Annotations, ImageSets/Main/train.txt ... and JPEGImages
      tfrecord     train-00000-of-00004.tfrecord ... with the pictures inside, and label_map.pbtxt
      imagefolder  train/LABEL ...
      others       a file or a folder for each split, and images

    \b
    Examples:
      teppr dataset export street out/ --format yolo
      teppr dataset export street@6ae2ad195e98 out/ --split train --split val --format coco --images link
      teppr dataset export street out/ --format tfrecord --shards 4
    """
    from teppr.datasets.export import ExportOptions
    from teppr.datasets.export import export as run
    from teppr.datasets.snapshot import find_snapshot

    began = time.perf_counter()
    session: Session = ctx.obj
    snapshot = find_snapshot(session.settings.home, reference)
    options = ExportOptions(splits=tuple(split or ()), images=images, shards=shards)
    with progress(f"Export {snapshot.reference}") as bar:
        reports = run(snapshot, format_name, out, options, bar)
    if images == "link":
        verify = session.command("dataset", "verify", reference)
        note(f"linked images are not compared with their checksums, and who edits one edits the dataset's: {verify}")
    if json:
        splits = {name: _said(report) for name, report in reports.items()}
        head = {"dataset": snapshot.reference, "format": format_name, "path": str(out)}
        print_json({**head, "splits": splits, "seconds": time.perf_counter() - began})
        return
    rows = [[name, report.images, report.regions] for name, report in reports.items()]
    print_table(session.console, "Written", ("split", "images", "regions"), rows)
    for name, report in reports.items():
        for sentence, times in report.not_said.items():
            note(f"{name}: not written, {times} times: {sentence}")
    typer.echo(f"{snapshot.reference} as {format_name} in {out}")


def _said(report: WriteReport) -> dict[str, object]:
    return {"images": report.images, "regions": report.regions, "not_said": report.not_said}
