"""Commands of `teppr annotations` that write annotation files: what is on record, or a file in another format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from teppr.cli.annotation_tables import say_what_is_not_said
from teppr.cli.on_record import check_annotator, sha256_on_record
from teppr.cli.problem_options import OnlyProblem
from teppr.cli.session import Json, Session, note, print_json, progress
from teppr.errors import AlreadyThere

if TYPE_CHECKING:
    from teppr.formats.contract import WriteReport

Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")]


def export(
    ctx: typer.Context,
    target: Annotated[Path, typer.Argument(help="File to write.")],
    format_name: Annotated[str, typer.Option("--format", help="Format to write.")] = "coco",
    problem: OnlyProblem = None,
    annotator: Annotated[list[str] | None, typer.Option(help="Only of this annotator; may be repeated.")] = None,
    file: Annotated[list[str] | None, typer.Option(help="Only of this annotation file: path, or sha256.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    r"""Write what was accepted as one annotation file.

    What the format cannot say is counted and named. A file that is there already is refused (exit code 1) unless
    --force is given.

    \b
    Examples:
      teppr annotations export all.json --format coco
      teppr annotations export at1.json --format via --annotator AT1 --problem ods
    """
    from teppr.annotations.export import export as run
    from teppr.store.contract import ImageQuery

    session: Session = ctx.obj
    with session.open_record() as store, progress("writing annotations") as bar:
        for name in annotator or ():
            check_annotator(store, name)
        query = ImageQuery(
            problem=problem,
            annotators=tuple(annotator) if annotator else None,
            files=sha256_on_record(store, file) if file else None,
        )
        _refuse_to_overwrite(target, force=force)
        report = run(store, query, format_name, target, bar)
    if as_json:
        print_json({"path": str(target), **_written(report)})
        return
    typer.echo(f"{report.images} images with {report.regions} regions in {target}")
    say_what_is_not_said(report.not_said)


def convert(
    source: Annotated[Path, typer.Argument(help="Annotation file to read.")],
    target: Annotated[Path, typer.Argument(help="File to write.")],
    format_name: Annotated[str, typer.Option("--format", help="Format to write.")] = "coco",
    label_attribute: Annotated[str | None, typer.Option(help="Attribute whose value is the label.")] = None,
    label: Annotated[str | None, typer.Option(help="The one label of regions without attributes.")] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the images; gives widths and heights that the source does not say.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    r"""Turn an annotation file into another format, without the database; nothing is checked.

    A file that is there already is refused (exit code 1) unless --force is given.

    \b
    Examples:
      teppr annotations convert via_region_data.json coco.json --format coco --label-attribute name
      teppr annotations convert instances.json via.json --format via
      teppr annotations convert via_region_data.json coco.json --images photos/
    """
    from teppr.annotations.convert import convert as run
    from teppr.formats.contract import ReadOptions

    _refuse_to_overwrite(target, force=force)
    with progress("converting") as bar:
        done = run(
            source, target, format_name, ReadOptions(label_attribute=label_attribute, label=label), bar, images=images
        )
    for sentence in done.notes:
        note(sentence)
    if as_json:
        names = {"path": str(target), "from": done.source_format, "to": done.target_format}
        print_json({**names, **_written(done.report)})
        return
    report = done.report
    formats = f"{done.source_format} to {done.target_format}"
    typer.echo(f"{report.images} images with {report.regions} regions from {formats} in {target}")
    say_what_is_not_said(report.not_said)
    if report.sizes_missing:
        remedy = "; give --images FOLDER" if images is None else ""
        note(f"width and height of {report.sizes_missing} images are not known{remedy}")
    for part in done.examples:
        note(f"not read: {part.message} - at {part.where}")


def _refuse_to_overwrite(target: Path, *, force: bool) -> None:
    if target.is_file() and not force:
        raise AlreadyThere(f"{target} is there already; choose another name, or overwrite it: --force")


def _written(report: WriteReport) -> dict[str, object]:
    said = {"images": report.images, "regions": report.regions, "sizes_missing": report.sizes_missing}
    return {**said, "not_said": report.not_said}
