"""`teppr evaluate`: measure a run or a model on a dataset, or any COCO results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from teppr.cli.elsewhere import architecture_of, go_where_it_runs
from teppr.cli.runs import named_run
from teppr.cli.session import Json, Session, print_json, print_table, progress, say_next
from teppr.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from teppr.settings import Settings


def evaluate(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="Run, experiment file, release key, alias, checkpoint or bundle folder.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset to measure on; default: the run's own.")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Split to measure; again for more.")] = None,
    truth: Annotated[Path | None, typer.Option(help="COCO ground truth file, with --predictions.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="COCO results file to score against --truth.")] = None,
    iou_type: Annotated[Literal["box", "mask"], typer.Option(help="What of COCO files is compared.")] = "box",
    as_json: Json = False,
) -> None:
    """Measure a run or a model on the splits of a dataset, or any COCO results against any COCO ground truth.

    A run is measured on its own dataset, and the figures are kept in the run (evaluation.json). Any model can be
    measured on any dataset; labels are matched by name. Figures are COCO's; one that nothing defines is empty.

    \b
    Examples:
      teppr evaluate signs-20261122-091500-3f9a
      teppr evaluate acme-ods-8 --dataset signs --split val
      teppr evaluate --truth instances.json --predictions results.json --iou-type mask --json
    """  # noqa: D301 - the \b is for the help's layout
    if truth is not None or predictions is not None:
        if truth is None or predictions is None or model is not None:
            raise BadInput("files are scored with --truth FILE and --predictions FILE, both and without a model")
        _files(ctx.obj, truth, predictions, iou_type, as_json=as_json)
    elif model is None:
        raise BadInput("give a run or a model, or --truth FILE and --predictions FILE: teppr evaluate --help")
    else:
        session: Session = ctx.obj
        go_where_it_runs(session, architecture_of(session.settings.home, model))
        _model(session, model, dataset, tuple(split or ()), as_json=as_json)


def _files(
    session: Session, truth: Path, predictions: Path, iou_type: Literal["box", "mask"], *, as_json: bool
) -> None:
    from teppr.metrics.detection import LABEL_STATS, evaluate_files

    metrics = evaluate_files(truth, predictions, iou_type)
    if as_json:
        print_json({"iou_type": iou_type, "stats": metrics.stats} | metrics.as_dict())
        return
    print_table(session.console, f"{predictions.name} ({iou_type})", ("figure", "value"), _coco_names(metrics.stats))
    _labels_table(session, "by label", LABEL_STATS, metrics.as_dict()["per_label"])


def _coco_names(stats: Sequence[float]) -> list[tuple[str, float | None]]:
    ious, sizes = ("0.50:0.95", "0.50", "0.75"), ("small", "medium", "large")
    names = [f"AP  IoU {iou}, all sizes, 100 detections" for iou in ious]
    names += [f"AP  IoU 0.50:0.95, {size}, 100 detections" for size in sizes]
    names += [f"AR  IoU 0.50:0.95, all sizes, {most} detections" for most in (1, 10, 100)]
    names += [f"AR  IoU 0.50:0.95, {size}, 100 detections" for size in sizes]
    return [(name, None if value < 0 else value) for name, value in zip(names, stats, strict=True)]


def _model(session: Session, reference: str, dataset: str | None, splits: tuple[str, ...], *, as_json: bool) -> None:
    from teppr.workflow.evaluate import evaluate_model

    settings = session.settings
    with progress("evaluating") as bar:
        common: dict[str, Any] = {
            "splits": splits,
            "device": settings.device,
            "progress": bar,
            "max_pixels": settings.max_image_pixels,
        }
        if dataset is not None:
            threads = settings.thread_count
            result = evaluate_model(settings.home, reference, dataset, threads=threads, **common)
        else:
            result = _measured_run(settings, reference, common)
    if as_json:
        print_json({name: value for name, value in result.items() if name != "details"})
    else:
        _show(session, result)
        _say_what_next(session, result)


def _measured_run(settings: Settings, reference: str, common: Mapping[str, Any]) -> dict[str, Any]:
    from teppr.workflow.compute import Compute
    from teppr.workflow.evaluate import evaluate_run

    try:
        run = named_run(settings.home, reference)
    except UnknownName as error:
        raise UnknownName(f"{error}; to measure a release or a file, say on what: --dataset NAME") from error
    with Compute(device=settings.device, threads=settings.thread_count).ready():
        return evaluate_run(run, settings.home, **common)


def _show(session: Session, result: Mapping[str, Any]) -> None:
    from teppr.tasks.contract import TASKS

    task = TASKS.load(result["task"])
    typer.echo(f"{result.get('run') or result['model']} on {result['dataset']}")
    rows = [
        (split, kind, *(figures[name] for name in task.headline))
        for split, kinds in result["split"].items()
        for kind, figures in kinds.items()
    ]
    print_table(session.console, "", ("split", "of", *task.headline), rows)
    for split, kinds in result["split"].items():
        for kind, figures in kinds.items():
            _labels_table(session, f"{split}, {kind}", task.label_figures, figures["per_label"])


def _say_what_next(session: Session, result: Mapping[str, Any]) -> None:
    if run := result.get("run"):
        published = named_run(session.settings.home, run).experiment.publish
        say_next(session, "publish" if published else "report", run)


def _labels_table(
    session: Session, title: str, columns: Sequence[str], per_label: Mapping[str, Mapping[str, Any]]
) -> None:
    rows = [(label, figures["regions"], *(figures[name] for name in columns)) for label, figures in per_label.items()]
    print_table(session.console, title, ("label", "regions", *columns), rows)
