"""`teppr model import`: a network that was made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from teppr.cli.session import Json, Session, note, print_json, say_next
from teppr.errors import BadFile, BadInput

if TYPE_CHECKING:
    from teppr.images import Pixels
    from teppr.workflow.onnx_import import Imported

CHANNELS = 3
MEANS: Mapping[str, tuple[float, ...]] = MappingProxyType({"imagenet": (0.485, 0.456, 0.406)})
DEVIATIONS: Mapping[str, tuple[float, ...]] = MappingProxyType({"imagenet": (0.229, 0.224, 0.225)})
TRIAL_SEED = 7
MOST_SHOWN = 5


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="ONNX file.")],
    decode: Annotated[Literal["yolo", "boxes", "mask", "classes"], typer.Option(help="What its outputs say.")],
    key: Annotated[
        str, typer.Option(help="Make a release of it: <org>-<problem>-<release>; with --out the key of its card.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Make a bundle in this new folder instead of a release.")] = None,
    labels: Annotated[
        str, typer.Option(help="Labels in the network's order: a,b,c or a text file; default: those in the file.")
    ] = "",
    image: Annotated[
        Path | None, typer.Option(help="Photograph for the trial prediction; default: a generated street scene.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Where the trial is drawn; default: <key>.trial.jpg in this folder.")
    ] = None,
    size: Annotated[str, typer.Option(help="Pixels, 640 or 640x480 (w x h), where the file leaves them open.")] = "",
    layout: Annotated[
        Literal["CHW", "HWC", "NCHW", "NHWC"] | None, typer.Option(help="Order of axes, where the file leaves it open.")
    ] = None,
    color_order: Annotated[Literal["RGB", "BGR"], typer.Option(help="Order of colours.")] = "RGB",
    scale: Annotated[
        float | None, typer.Option(help="What pixels 0..255 are multiplied by first; default: 1/255.")
    ] = None,
    mean: Annotated[str, typer.Option(help="Taken off scaled pixels: a,b,c (a number a channel) or imagenet.")] = "",
    std: Annotated[str, typer.Option(help="What is left is divided by this: a,b,c, or imagenet.")] = "",
    letterbox: Annotated[
        bool | None,
        typer.Option(
            "--letterbox/--stretch",
            help="Keep the ratio amid grey, or do not keep it. Default: YOLO is letterboxed; networks of objects that "
            "take any size get the ratio; the rest is stretched.",
        ),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="What scores lower is not shown by default.")] = 0.5,
    outputs: Annotated[
        str, typer.Option(help="Names of the outputs to read, in this order: boxes,labels,scores[,masks].")
    ] = "",
    label_offset: Annotated[
        int | None, typer.Option(help="The network's number of the first label, where the trial does not show it.")
    ] = None,
    box_order: Annotated[
        Literal["xyxy", "xywh", "cxcywh", "yxyx"], typer.Option(help="What the four numbers of a box are.")
    ] = "xyxy",
    box_unit: Annotated[
        Literal["px", "share"], typer.Option(help="Pixels as fed, or shares of width and height.")
    ] = "px",
    style: Annotated[
        Literal["v8", "v5", "end2end"] | None, typer.Option(help="Layout of a YOLO, where its shape fits several.")
    ] = None,
    overlap: Annotated[
        float, typer.Option(min=0, max=1, help="YOLO: of boxes of one label with a greater IoU the best stays.")
    ] = 0.7,
    embedding: Annotated[
        str, typer.Option(help="Tensor of the network that describes an image as a whole, for teppr embed.")
    ] = "",
    licence: Annotated[str, typer.Option(help="Licence of the network, for its card.")] = "",
    as_json: Json = False,
) -> None:
    """Make a release, or a bundle, of an ONNX file that was made elsewhere, once it has been tried.

    The file says what it takes and gives as far as it can; what it cannot say are the options. Everything is checked on
    a trial image, what it finds there is drawn, and only then the release takes its place; what does not fit is said,
    and nothing is made. What it was fed and how its outputs were read is printed: look whether that is as it was
    trained, and look at the picture.

    \b
    Examples:
      teppr model import yolo11n.onnx --decode yolo --key acme-ods-9 --image photo.jpg
      teppr model import resnet.onnx --decode classes --labels cat,dog --mean imagenet --std imagenet --out pets/
      teppr model import rcnn.onnx --decode mask --labels labels.txt --size 800 --label-offset 1 --key acme-ods-10
    """  # noqa: D301 - the \b is for the help's layout
    from teppr.workflow.onnx_feed import Feed
    from teppr.workflow.onnx_import import ImportRequest, import_onnx, key_of_file
    from teppr.workflow.onnx_outputs import Asked

    session: Session = ctx.obj
    if not key and out is None:
        raise BadInput("say where it goes: --key <org>-<problem>-<release> for a release, or --out FOLDER for a bundle")
    name = key or key_of_file(file)
    request = ImportRequest(
        file=file,
        key=name,
        asked=Asked(
            kind=decode,
            labels=labels_of(labels),
            outputs=words_of(outputs),
            label_offset=label_offset,
            box_order=box_order,
            box_unit=box_unit,
            style=style or "",
            overlap_0_1=overlap,
        ),
        feed=Feed(
            size_px=size_of(size),
            layout=(layout or "").removeprefix("N"),
            color_order=color_order,
            scale=scale,
            mean=numbers_of(mean, "--mean", MEANS, color_order),
            std=numbers_of(std, "--std", DEVIATIONS, color_order),
            letterbox=letterbox,
        ),
        score_threshold_0_1=threshold,
        embedding=embedding,
        creator=session.who,
        licence=licence,
    )
    pixels = _trial_image(image, session.settings.max_image_pixels)
    done = import_onnx(request, session.settings.home, pixels, picture or Path(f"{name}.trial.jpg"), out)
    if as_json:
        print_json(_document(done))
        return
    _print(session, done, str(out or name), str(image or "a generated street scene"))


def words_of(text: str) -> tuple[str, ...]:
    """From "a, b,c"."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def labels_of(text: str) -> tuple[str, ...]:
    """From "car,sign", or from a text file with a label a line; raises BadFile."""
    path = Path(text)
    if not text or not path.is_file():
        if path.suffix and "," not in text:
            raise BadFile(f"there is no file of labels {text}")
        return words_of(text)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadFile(f"cannot read labels from {path}: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())


def numbers_of(
    text: str, option: str, named: Mapping[str, tuple[float, ...]], color_order: str
) -> tuple[float, float, float] | None:
    """A number a channel from "0.485,0.456,0.406", one for all, or a name; None from nothing; raises BadInput."""
    if not text:
        return None
    try:
        values = named[text] if text in named else tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    values = values * CHANNELS if len(values) == 1 else values
    if len(values) != CHANNELS:
        raise BadInput(f"{option} is three numbers, one for all channels, or {', '.join(named)}, got {text!r}")
    first, second, third = values[::-1] if text in named and color_order == "BGR" else values
    return first, second, third


def size_of(text: str) -> tuple[int, ...]:
    """From "640" or "640x480"; empty from nothing; raises BadInput."""
    parts = text.lower().split("x") if text else []
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise BadInput(f"a size is a number of pixels or width x height, as in 640 or 640x480, got {text!r}")
    return tuple(int(part) for part in parts)


def _trial_image(path: Path | None, max_pixels: int) -> Pixels:
    import numpy as np

    from teppr import images
    from teppr.scenes.street import scene

    if path is not None:
        return images.read(path, max_pixels=max_pixels)[0]
    return scene(np.random.default_rng(TRIAL_SEED)).pixels


def _document(done: Imported) -> dict[str, object]:
    from teppr.registry.card import card_document

    return {
        "key": done.card.key,
        "path": str(done.bundle),
        "takes": done.takes,
        "gives": done.gives,
        "notes": list(done.notes),
        "trial": {"picture": str(done.picture), "objects": len(done.found), "best": _best(done)},
        "card": card_document(done.card),
    }


def _best(done: Imported) -> list[dict[str, object]]:
    found = done.found
    rows = zip(found.label_ids.tolist(), found.scores_0_1.tolist(), found.boxes_xyxy_px.tolist(), strict=True)
    return [
        {"label": done.card.labels[label_id].name, "score": round(score, 4), "box_xyxy_px": box}
        for label_id, score, box in list(rows)[:MOST_SHOWN]
    ]


def _print(session: Session, done: Imported, place: str, tried_on: str) -> None:
    card = done.card
    names = [label.name for label in card.labels]
    shown = ", ".join(names[:MOST_SHOWN]) + (" ..." if len(names) > MOST_SHOWN else "")
    best = ", ".join(f"{row['label']} {row['score']}" for row in _best(done))
    facts = {
        "bundle": done.bundle,
        "takes": done.takes,
        "together": "several images" if card.batch else "one image at a time",
        "gives": done.gives,
        "labels": f"{len(names)}: {shown}",
        "embedding": f"{card.embedding}, {card.embedding_size} numbers" if card.embedding else "none",
        "trial": f"in {tried_on} {len(done.found)} score {card.score_threshold_0_1:g} or more; best: {best or 'none'}",
        "picture": done.picture,
    }
    for name, value in facts.items():
        typer.echo(f"{name:>10}: {value}")
    for sentence in done.notes:
        note(f"note: {sentence}")
    say_next(session, "predict", place, "PHOTO")
