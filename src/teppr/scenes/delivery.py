"""A job folder as annotators deliver it, with every kind of fault that annotators make planted and listed.

ods_job_150126/
annotations/images-p1-150126_AT1_via205_200126.json      two annotators, by the naming convention
annotations/images-p2-150126_AT2_via205_200126.json
annotations/extra-pictures.json                          a name that says nothing
annotations/images-p3-150126_AT2_via205_200126.json      cut off in the middle
images/images-p1-150126_AT1/*.jpg ...
samples/*.jpg                                            pictures that nobody annotated, to predict on
EXPECTED.json                                                what a checker must find, no more and no less
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson

from teppr.progress import QUIET, Progress
from teppr.scenes import job as parts
from teppr.scenes.job import Delivered, Json, Order, Release, entry, next_clean, write_job
from teppr.scenes.street import scene
from teppr.types import Point

JOB = "ods_job_150126"
CUT_OFF = "images-p3-150126_AT2"
FEWEST = 48


def deliver(
    folder: Path, *, images: int = 240, samples: int = 12, seed: int = 7, progress: Progress = QUIET
) -> Delivered:
    """Write a job into `folder`, which must not exist or be empty.

    images: pictures with annotations, at least 48, half of them each annotator's
    samples: further pictures without annotations
    The same numbers and seed give the same files. Raises BadInput for too few, AlreadyThere for a full folder.
    """
    order = Order(job=JOB, images=images, samples=samples, seed=seed, fewest=FEWEST)

    def releases(job: Path, random: np.random.Generator) -> list[Release]:
        return _write_releases(job, order, random, progress)

    return write_job(folder, order, scene, releases, progress)


def _write_releases(job: Path, order: Order, random: np.random.Generator, progress: Progress) -> list[Release]:
    first, second = parts.draw_batches(job, order, scene, "street", random, progress)
    extra = Release("extra-pictures.json", "extra")
    for spoil in _SPOIL:
        spoil(job, first)
    _annotated_twice(job, first, second)
    extra.add_picture(job, "walk_0000.jpg", scene(random), random)
    extra.plant("DR02")
    for release in (first, second, extra):
        release.write_via(job / "annotations")
    cut = Release(f"{CUT_OFF}_{parts.RELEASED}.json", CUT_OFF)
    whole = (job / "annotations" / second.name).read_bytes()
    (job / "annotations" / cut.name).write_bytes(whole[: len(whole) // 3])
    cut.plant("DR01")
    return [first, second, extra, cut]


def _add_region(release: Release, rule: str, shape_attributes: Json, region_attributes: Json | None = None) -> None:
    attributes = {"label": "car"} if region_attributes is None else region_attributes
    parts.add_region(release, rule, shape_attributes, attributes)


def _polygon(points: Sequence[Point]) -> Json:
    return parts.of_points("polygon", points)


# Faults, see `teppr.scenes.job`.


def _other_letter_case(job: Path, release: Release) -> None:
    name, _ = next_clean(release)
    path = job / "images" / release.batch / name
    path.rename(path.with_suffix(".JPG"))
    release.plant("DR03", name)


def _lfs_pointer(job: Path, release: Release) -> None:
    name, entry = next_clean(release)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 52011\n".encode()
    (job / "images" / release.batch / name).write_bytes(pointer)
    entry["size"] = len(pointer)
    release.plant("DR04", name)


def _no_number(_: Path, release: Release) -> None:
    _add_region(release, "DR08", {"name": "rect", "x": 40, "y": None, "width": 30, "height": 30})


def _unequal_lengths(_: Path, release: Release) -> None:
    _add_region(release, "DR08", {"name": "polygon", "all_points_x": [10, 60, 60], "all_points_y": [10, 10]})


def _wrong_shape(_: Path, release: Release) -> None:
    _add_region(release, "DR09", {"name": "polyline", "all_points_x": [10, 90], "all_points_y": [300, 250]})


def _no_label(_: Path, release: Release) -> None:
    _add_region(release, "DR10", {"name": "rect", "x": 6, "y": 6, "width": 20, "height": 20}, {})


def _blank_label(_: Path, release: Release) -> None:
    _add_region(release, "DR10", {"name": "rect", "x": 6, "y": 6, "width": 20, "height": 20}, {"label": " "})


def _far_outside(_: Path, release: Release) -> None:
    _add_region(release, "DR12", {"name": "rect", "x": 440, "y": 40, "width": 90, "height": 30})


def _just_outside(_: Path, release: Release) -> None:
    _add_region(release, "DR12", {"name": "rect", "x": 441, "y": 40, "width": 40, "height": 30})


def _no_area(_: Path, release: Release) -> None:
    _add_region(release, "DR13", {"name": "rect", "x": 200, "y": 300, "width": 0, "height": 14})


def _two_corners(_: Path, release: Release) -> None:
    _add_region(release, "DR13", _polygon([(10, 10), (60, 60), (10, 10)]))


def _crossing(_: Path, release: Release) -> None:
    _add_region(release, "DR14", _polygon([(10, 270), (70, 310), (70, 270), (10, 308)]))


_SPOIL: tuple[Callable[[Path, Release], None], ...] = (
    parts.missing_image,
    _other_letter_case,
    parts.cut_off_image,
    _lfs_pointer,
    parts.wrong_size,
    parts.background,
    _no_number,
    _unequal_lengths,
    _wrong_shape,
    _no_label,
    _blank_label,
    _far_outside,
    _just_outside,
    _no_area,
    _two_corners,
    _crossing,
    parts.repeated,
)


def _annotated_twice(job: Path, first: Release, second: Release) -> None:
    """AT2 was given copies of three of AT1's pictures as well: the same bytes in two batches, two opinions."""
    for name, original in list(_untouched(first))[:3]:
        copy = f"copy_of_{name}"
        source = job / "images" / first.batch / name
        (job / "images" / second.batch / copy).write_bytes(source.read_bytes())
        regions = [orjson.loads(orjson.dumps(region)) for region in original["regions"]]
        second.entries.append((copy, entry(copy, original["size"], regions)))
        second.plant("DR06", copy)
        second.plant("DR18", copy)


def _untouched(release: Release) -> Iterator[tuple[str, Json]]:
    touched = {fault["image"] for fault in release.planted}
    return ((name, entry) for name, entry in release.entries if name not in touched)
