"""Prediction on files and folders: what can be read is answered, what cannot is named, nothing stops the rest."""

from __future__ import annotations

import re
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args
from uuid import uuid4

from teppr import images
from teppr.answers import via_entry
from teppr.drawing import draw, drawn_detections
from teppr.errors import AlreadyThere, BadImage, BadInput, Corrupt, UnknownName
from teppr.files import HALF_WRITTEN, sweep, whole_file, write_json
from teppr.geometry import area, rle_of_mask, xywh_of
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.progress import QUIET, Progress
from teppr.types import Detections
from teppr.workflow.model import Predictor

Save: TypeAlias = Literal["overlay", "via", "coco"]
SAVES: tuple[Save, ...] = get_args(Save)
VIA_FILE, COCO_FILE, OVERLAYS = "via.json", "coco.json", "overlays"
LIST_SUFFIX = ".txt"
MAGIC = re.compile(r"[*?\[]")
"""What makes a path a pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A file to predict on; `name` is what results call it: its path below the folder that was given."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedImage:
    """A file that got no prediction; `reason` is one word for machines (see `BadImage`), `message` a sentence."""

    file: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What became of the files.

    regions: detections at or above the threshold; per_label: their number by label
    files: what was written, by kind
    """

    model: str
    score_threshold_0_1: float
    images: int
    regions: int
    per_label: dict[str, int]
    refused: tuple[RefusedImage, ...]
    files: dict[str, str]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 all were answered, 1 some were refused, 2 nothing could be read."""
        return 2 if not self.images else 1 if self.refused else 0


@dataclass(slots=True)
class _Results:
    via: dict[str, Any] = field(default_factory=dict)
    coco_images: list[dict[str, Any]] = field(default_factory=list)
    coco_annotations: list[dict[str, Any]] = field(default_factory=list)
    per_label: Counter[str] = field(default_factory=Counter)


def saves_of(text: str) -> tuple[Save, ...]:
    """From "overlay,via,coco"; raises UnknownName listing the known ones."""
    wanted = [word.strip() for word in text.split(",")]
    if unknown := [word for word in wanted if word not in SAVES]:
        raise UnknownName.of("result to save", unknown[0], SAVES)
    return tuple(save for save in SAVES if save in wanted)


def find_pictures(inputs: Iterable[str]) -> list[Picture]:
    """The files that are meant by image files, folders, patterns like "*.jpg", and .txt files with a path a line.

    Folders are searched for files that are named like images. Raises BadInput where one of the inputs means no file.
    """
    pictures: dict[str, Picture] = {}
    for given in inputs:
        found = list(_pictures_of(given))
        if not found:
            raise BadInput(f"there is no image at {given}; give image files, folders, patterns or a .txt list of paths")
        for picture in found:
            taken = pictures.get(picture.name)
            if taken is None or taken.path == picture.path:
                pictures[picture.name] = picture
            else:  # the same name in two folders: then whole paths tell them apart
                name = picture.path.resolve().as_posix().lstrip("/")
                pictures[name] = Picture(path=picture.path, name=name)
    return list(pictures.values())


def predict_files(
    predictor: Predictor,
    pictures: Sequence[Picture],
    out: Path,
    *,
    score_threshold_0_1: float | None = None,
    save: Collection[Save] = SAVES,
    replace: bool = False,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
) -> Predicted:
    """Predict on each file and write into the folder `out`: all results, or none where it is cut off.

    via.json: a VIA file of all images; coco.json: a COCO file whose annotations have scores; overlays/: the images
    with what was found drawn on them
    score_threshold_0_1: what scores lower is left out; None takes the model's own
    replace: earlier results in `out` give way to these; otherwise they raise AlreadyThere
    """
    begun_at = time.perf_counter()
    threshold = predictor.score_threshold_0_1 if score_threshold_0_1 is None else score_threshold_0_1
    results, refused = _Results(), []
    progress.expect(len(pictures))
    with _all_or_none(out, replace=replace) as half:
        for picture in pictures:
            try:
                pixels, _ = images.read(picture.path, max_pixels=max_pixels)
                found = predictor.predict(pixels).at_least(threshold)
            except (BadImage, Corrupt) as error:
                reason = error.reason if isinstance(error, BadImage) else "model-failed"
                refused.append(RefusedImage(file=str(picture.path), reason=reason, message=str(error)))
            else:
                _take(results, picture, found, predictor)
                if "overlay" in save:
                    _write_overlay(half / OVERLAYS, picture, pixels, found, predictor)
            progress.advance(news=picture.name)
        written = _write(results, half, predictor, save) if results.coco_images else {}
    return Predicted(
        model=predictor.name,
        score_threshold_0_1=threshold,
        images=len(results.coco_images),
        regions=results.per_label.total(),
        per_label=dict(results.per_label.most_common()),
        refused=tuple(refused),
        files={kind: str(out / name) for kind, name in written.items()},
        seconds=round(time.perf_counter() - begun_at, 3),
    )


@contextmanager
def _all_or_none(out: Path, *, replace: bool) -> Iterator[Path]:
    """Where to write results, which are moved into `out` when all is done; what else lies there stays."""
    names = (OVERLAYS, VIA_FILE, COCO_FILE)
    if replace:
        sweep(out)
    elif earlier := [name for name in names if (out / name).exists()]:
        raise AlreadyThere(
            f"{out} holds earlier results ({', '.join(earlier)}): give another folder by --out, or --replace them"
        )
    half = out / f"{HALF_WRITTEN}{uuid4().hex}"
    try:
        yield half
        if half.exists():
            for name in names:
                if (out / name).exists():
                    (out / name).rename(half / f"earlier-{name}")
                if (half / name).exists():
                    (half / name).rename(out / name)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _pictures_of(given: str) -> Iterator[Picture]:
    path = Path(given)
    if path.is_dir():
        for found in images.find(path):
            yield Picture(path=found, name=found.relative_to(path).as_posix())
    elif path.is_file() and path.suffix == LIST_SUFFIX:
        for line in path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines():
            if line.strip():
                listed = path.parent / line.strip()
                yield Picture(path=listed, name=listed.name)
    elif MAGIC.search(given) and not path.exists():
        parts = [bool(MAGIC.search(part)) for part in path.parts]
        base, pattern = Path(*path.parts[: parts.index(True)]), Path(*path.parts[parts.index(True) :])
        for found in sorted(base.glob(str(pattern))):
            if found.is_file():
                yield Picture(path=found, name=found.relative_to(base).as_posix())
    else:
        # A file that is not there is refused like any that cannot be read, so that the rest goes on.
        yield Picture(path=path, name=path.name)


def _take(results: _Results, picture: Picture, found: Detections, predictor: Predictor) -> None:
    size_bytes = picture.path.stat().st_size
    results.via[f"{picture.name}{size_bytes}"] = via_entry(picture.name, size_bytes, found, predictor.labels)
    width, height = found.size_wh
    image_id = len(results.coco_images) + 1
    results.coco_images.append({"id": image_id, "file_name": picture.name, "width": width, "height": height})
    for row in coco_rows(image_id, found):
        results.coco_annotations.append(row | {"id": len(results.coco_annotations) + 1})
    results.per_label.update(predictor.labels[label_id].name for label_id in found.label_ids.tolist())


def coco_rows(image_id: int, found: Detections) -> list[dict[str, Any]]:
    """Detections as COCO annotations with scores; category ids are label ids from 1, as COCO's begin."""
    boxes = xywh_of(found.boxes_xyxy_px)
    rows: list[dict[str, Any]] = [
        {
            "image_id": image_id,
            "category_id": label_id + 1,
            "bbox": [round(value, 2) for value in box],
            "area": box[2] * box[3],
            "iscrowd": 0,
            "score": round(score, 6),
        }
        for box, score, label_id in zip(
            boxes.tolist(), found.scores_0_1.tolist(), found.label_ids.tolist(), strict=True
        )
    ]
    for row, mask in zip(rows, found.masks or (), strict=found.masks is not None):
        row["segmentation"] = rle_of_mask(mask) | {"counts": mask.counts}
        row["area"] = area(mask)
    return rows


def _write_overlay(folder: Path, picture: Picture, pixels: Pixels, found: Detections, predictor: Predictor) -> None:
    name = picture.name if picture.name.lower().endswith((".jpg", ".jpeg")) else f"{picture.name}.jpg"
    with whole_file(folder / name) as file:
        file.write(images.encode_jpeg(draw(pixels, drawn_detections(found, predictor.labels))))


def _write(results: _Results, out: Path, predictor: Predictor, save: Collection[Save]) -> dict[str, str]:
    """The files of all images together; returns what there is now: {kind: name in the folder}."""
    written = {"overlay": OVERLAYS} if "overlay" in save else {}
    if "via" in save:
        write_json(out / VIA_FILE, results.via)
        written["via"] = VIA_FILE
    if "coco" in save:
        categories = [{"id": i, "name": label.name} for i, label in enumerate(predictor.labels, start=1)]
        document = {"info": {"description": f"predictions of {predictor.name}"}, "categories": categories}
        write_json(
            out / COCO_FILE,
            document | {"images": results.coco_images, "annotations": results.coco_annotations},
        )
        written["coco"] = COCO_FILE
    return written
