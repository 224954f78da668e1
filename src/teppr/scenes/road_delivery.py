"""A job folder of roads as annotators deliver it: lines along the markings, by VIA or in TuSimple's form.

rld_job_150126/
annotations/images-p1-150126_AT1_via205_200126.json      two annotators, by the naming convention
annotations/images-p2-150126_AT2_via205_200126.json
images/images-p1-150126_AT1/*.jpg ...
samples/*.jpg                                            pictures that nobody annotated, to predict on
EXPECTED.json                                            what a checker must find, no more and no less

In TuSimple's form the annotation files are lines of JSON, and no faults are planted.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import orjson

from teppr.errors import UnknownName
from teppr.progress import QUIET, Progress
from teppr.scenes import job as parts
from teppr.scenes.job import Delivered, Json, Order, Release, write_job
from teppr.scenes.road import LABEL, SIZE_WH, road

JOB = "rld_job_150126"
FEWEST = 24
TUSIMPLE_RELEASED = "tusimple1_200126"
NO_POINT = -2
"""TuSimple's x where a lane has no point at a row."""

Form: TypeAlias = Literal["via", "tusimple"]
FORMS: tuple[Form, ...] = get_args(Form)


def deliver_roads(
    folder: Path,
    *,
    images: int = 240,
    samples: int = 12,
    seed: int = 7,
    form: str = "via",
    progress: Progress = QUIET,
) -> Delivered:
    """Write a job into `folder`, which must not exist or be empty.

    images: pictures with annotations, at least 24, half of them each annotator's
    samples: further pictures without annotations
    form: "via" or "tusimple"
    The same numbers and seed give the same files. Raises BadInput for too few, AlreadyThere for a full folder.
    """
    if form not in FORMS:
        raise UnknownName.of("form of lane annotations", form, FORMS)
    order = Order(job=JOB, images=images, samples=samples, seed=seed, fewest=FEWEST)

    def releases(job: Path, random: np.random.Generator) -> list[Release]:
        made = parts.draw_batches(job, order, road, "road", random, progress)
        if form == "tusimple":
            return [_write_tusimple(job / "annotations", release) for release in made]
        for spoil in _SPOIL:
            spoil(job, made[0])
        for release in made:
            release.write_via(job / "annotations")
        return made

    return write_job(folder, order, road, releases, progress)


def _write_tusimple(folder: Path, release: Release) -> Release:
    """The same lines by their x at common rows; there is no release of VIA's."""
    written = Release(f"{release.batch}_{TUSIMPLE_RELEASED}.json", release.batch)
    height = SIZE_WH[1]
    rows = np.arange(height * 2 // 9, height, height // 72)
    with (folder / written.name).open("wb") as file:
        for name, entry in release.entries:
            lanes = [_at_rows(region["shape_attributes"], rows) for region in entry["regions"]]
            file.write(orjson.dumps({"lanes": lanes, "h_samples": rows.tolist(), "raw_file": name}) + b"\n")
    return written


def _at_rows(line: Json, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[float]:
    # The points go up; interpolation wants them in rising order.
    xs = np.interp(rows, line["all_points_y"][::-1], line["all_points_x"][::-1], left=NO_POINT, right=NO_POINT)
    lane: list[float] = np.round(xs, 1).tolist()
    return lane


# Faults, see `teppr.scenes.job`.


def _add_line(release: Release, rule: str, points: list[tuple[float, float]], label: str | None = LABEL) -> None:
    attributes = {} if label is None else {"label": label}
    parts.add_region(release, rule, parts.of_points("polyline", points), attributes)


def _unequal_lengths(_: Path, release: Release) -> None:
    uneven = {"name": "polyline", "all_points_x": [10, 60, 90], "all_points_y": [300, 250]}
    parts.add_region(release, "DR08", uneven, {"label": LABEL})


def _a_box(_: Path, release: Release) -> None:
    box = {"name": "rect", "x": 40, "y": 200, "width": 60, "height": 40}
    parts.add_region(release, "DR09", box, {"label": LABEL})


def _no_label(_: Path, release: Release) -> None:
    _add_line(release, "DR10", [(20, 340), (120, 280)], None)


def _far_outside(_: Path, release: Release) -> None:
    _add_line(release, "DR12", [(600, 340), (760, 280)])


def _one_point(_: Path, release: Release) -> None:
    _add_line(release, "DR13", [(300, 300)])


_SPOIL: tuple[Callable[[Path, Release], None], ...] = (
    parts.missing_image,
    parts.cut_off_image,
    parts.wrong_size,
    parts.background,
    _unequal_lengths,
    _a_box,
    _no_label,
    _far_outside,
    _one_point,
    parts.repeated,
)
