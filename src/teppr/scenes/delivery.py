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

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from teppr.errors import AlreadyThere, BadInput
from teppr.files import whole_folder, write_json
from teppr.images import encode_jpeg
from teppr.progress import QUIET, Progress
from teppr.scenes.canvas import Scene
from teppr.scenes.street import scene
from teppr.types import Circle, Point, Polygon, Rect, Shape

Json = dict[str, Any]

JOB = "ods_job_150126"
FIRST, SECOND, CUT_OFF = "images-p1-150126_AT1", "images-p2-150126_AT2", "images-p3-150126_AT2"
RELEASE = "via205_200126"
FEWEST = 48
"""Each planted fault needs an entry of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What was written: the job's folder, and how much of it there is."""

    job: Path
    images: int
    samples: int
    planted: dict[str, int]


@dataclass(slots=True)
class _Release:
    """An annotation file in the making, and the faults planted in it."""

    name: str
    batch: str
    entries: list[tuple[str, Json]] = field(default_factory=list)
    planted: list[Json] = field(default_factory=list)

    def plant(self, rule: str, image: str | None = None, region_index: int | None = None) -> None:
        """List a fault that a checker must find."""
        self.planted.append({"rule": rule, "file": self.name, "image": image, "region_index": region_index})


def deliver(
    folder: Path, *, images: int = 240, samples: int = 12, seed: int = 7, progress: Progress = QUIET
) -> Delivered:
    """Write a job into `folder`, which must not exist or be empty.

    images: pictures with annotations, at least 48, half of them each annotator's
    samples: further pictures without annotations
    The same numbers and seed give the same files. Raises BadInput for too few, AlreadyThere for a full folder.
    """
    if images < FEWEST or samples < 0:
        raise BadInput(f"a job needs at least {FEWEST} images and 0 samples, got {images} and {samples}")
    if folder.exists():
        if any(folder.iterdir()):
            raise AlreadyThere(f"{folder} is not empty; choose a new folder")
        folder.rmdir()
    progress.expect(images + samples)
    with whole_folder(folder) as half:
        job = half / JOB
        releases = _write_releases(job, images, np.random.default_rng([seed, 0]), progress)
        _write_samples(job / "samples", samples, np.random.default_rng([seed, 1]), progress)
        planted = [fault for release in releases for fault in release.planted]
        counts = dict(sorted(Counter(fault["rule"] for fault in planted).items()))
        write_json(half / "EXPECTED.json", {"findings": counts, "planted": planted})
    return Delivered(job=folder / JOB, images=images, samples=samples, planted=counts)


def _write_releases(job: Path, images: int, random: np.random.Generator, progress: Progress) -> list[_Release]:
    (job / "annotations").mkdir(parents=True)
    first = _Release(f"{FIRST}_{RELEASE}.json", FIRST)
    second = _Release(f"{SECOND}_{RELEASE}.json", SECOND)
    extra = _Release("extra-pictures.json", "extra")
    for release, count in ((first, images // 2), (second, images - images // 2)):
        for i in range(count):
            _add_picture(job, release, f"street_{release.batch[7:9]}_{i:04d}.jpg", scene(random), random)
            progress.advance()
    for spoil in _SPOIL:
        spoil(job, first)
    _annotated_twice(job, first, second)
    _add_picture(job, extra, "walk_0000.jpg", scene(random), random)
    extra.plant("DR02")
    for release in (first, second, extra):
        _write_via(job / "annotations" / release.name, release)
    cut = _Release(f"{CUT_OFF}_{RELEASE}.json", CUT_OFF)
    whole = (job / "annotations" / second.name).read_bytes()
    (job / "annotations" / cut.name).write_bytes(whole[: len(whole) // 3])
    cut.plant("DR01")
    return [first, second, extra, cut]


def _write_samples(folder: Path, samples: int, random: np.random.Generator, progress: Progress) -> None:
    folder.mkdir(parents=True)
    for i in range(samples):
        (folder / f"sample_{i:02d}.jpg").write_bytes(encode_jpeg(scene(random).pixels))
        progress.advance()


def _add_picture(job: Path, release: _Release, name: str, picture: Scene, random: np.random.Generator) -> None:
    path = job / "images" / release.batch / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(picture.pixels, quality=int(random.integers(84, 95))))
    regions = [_region(item.label, _by_hand(item.shape, random)) for item in picture.objects]
    if not regions:
        release.plant("DR07", name)
    release.entries.append((name, _entry(name, path.stat().st_size, regions)))


def _entry(name: str, size_bytes: int, regions: list[Json]) -> Json:
    return {"filename": name, "size": size_bytes, "regions": regions, "file_attributes": {}}


def _region(label: str, shape_attributes: Json) -> Json:
    return {"shape_attributes": shape_attributes, "region_attributes": {"label": label}}


def _by_hand(shape: Shape, random: np.random.Generator) -> Json:
    """The outline as a person draws it: whole pixels, off by one here and there, inside the picture."""

    def near(value: float) -> int:
        return max(0, round(value + random.uniform(-0.9, 0.9)))

    match shape:
        case Rect(x=x, y=y, width=width, height=height):
            return {"name": "rect", "x": near(x), "y": near(y), "width": near(width), "height": near(height)}
        case Circle(cx=cx, cy=cy, r=r):
            return {"name": "circle", "cx": near(cx), "cy": near(cy), "r": near(r)}
        case Polygon(rings=(ring, *_)):
            return _polygon([(near(x), near(y)) for x, y in ring])
        case _:
            raise BadInput(f"no annotator draws a {shape.kind} here")


def _polygon(points: list[Point]) -> Json:
    xs, ys = zip(*points, strict=True)
    return {"name": "polygon", "all_points_x": list(xs), "all_points_y": list(ys)}


def _write_via(path: Path, release: _Release) -> None:
    entries = {f"{name}{entry['size']}": entry for name, entry in release.entries}
    path.write_bytes(orjson.dumps(entries))


# Faults. Each takes the next untouched entry from the end, spoils it in one way and lists what a checker must say.


def _next_clean(release: _Release) -> tuple[str, Json]:
    touched = {fault["image"] for fault in release.planted}
    return next((name, entry) for name, entry in reversed(release.entries) if name not in touched)


def _add_region(release: _Release, rule: str, shape_attributes: Json, region_attributes: Json | None = None) -> None:
    name, entry = _next_clean(release)
    release.plant(rule, name, len(entry["regions"]))
    attributes = {"label": "car"} if region_attributes is None else region_attributes
    entry["regions"].append({"shape_attributes": shape_attributes, "region_attributes": attributes})


def _missing_image(job: Path, release: _Release) -> None:
    name, _ = _next_clean(release)
    (job / "images" / release.batch / name).unlink()
    release.plant("DR03", name)


def _other_letter_case(job: Path, release: _Release) -> None:
    name, _ = _next_clean(release)
    path = job / "images" / release.batch / name
    path.rename(path.with_suffix(".JPG"))
    release.plant("DR03", name)


def _cut_off_image(job: Path, release: _Release) -> None:
    name, entry = _next_clean(release)
    path = job / "images" / release.batch / name
    path.write_bytes(path.read_bytes()[:4000])
    entry["size"] = 4000
    release.plant("DR04", name)


def _lfs_pointer(job: Path, release: _Release) -> None:
    name, entry = _next_clean(release)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 52011\n".encode()
    (job / "images" / release.batch / name).write_bytes(pointer)
    entry["size"] = len(pointer)
    release.plant("DR04", name)


def _wrong_size(_: Path, release: _Release) -> None:
    name, entry = _next_clean(release)
    entry["size"] += 1000
    release.plant("DR05", name)


def _background(_: Path, release: _Release) -> None:
    name, entry = _next_clean(release)
    entry["regions"].clear()
    release.plant("DR07", name)


def _no_number(_: Path, release: _Release) -> None:
    _add_region(release, "DR08", {"name": "rect", "x": 40, "y": None, "width": 30, "height": 30})


def _unequal_lengths(_: Path, release: _Release) -> None:
    _add_region(release, "DR08", {"name": "polygon", "all_points_x": [10, 60, 60], "all_points_y": [10, 10]})


def _wrong_shape(_: Path, release: _Release) -> None:
    _add_region(release, "DR09", {"name": "polyline", "all_points_x": [10, 90], "all_points_y": [300, 250]})


def _no_label(_: Path, release: _Release) -> None:
    _add_region(release, "DR10", {"name": "rect", "x": 6, "y": 6, "width": 20, "height": 20}, {})


def _blank_label(_: Path, release: _Release) -> None:
    _add_region(release, "DR10", {"name": "rect", "x": 6, "y": 6, "width": 20, "height": 20}, {"label": " "})


def _far_outside(_: Path, release: _Release) -> None:
    _add_region(release, "DR12", {"name": "rect", "x": 440, "y": 40, "width": 90, "height": 30})


def _just_outside(_: Path, release: _Release) -> None:
    _add_region(release, "DR12", {"name": "rect", "x": 441, "y": 40, "width": 40, "height": 30})


def _no_area(_: Path, release: _Release) -> None:
    _add_region(release, "DR13", {"name": "rect", "x": 200, "y": 300, "width": 0, "height": 14})


def _two_corners(_: Path, release: _Release) -> None:
    _add_region(release, "DR13", _polygon([(10, 10), (60, 60), (10, 10)]))


def _crossing(_: Path, release: _Release) -> None:
    _add_region(release, "DR14", _polygon([(10, 270), (70, 310), (70, 270), (10, 308)]))


def _repeated(_: Path, release: _Release) -> None:
    name, entry = _next_clean(release)
    release.plant("DR15", name, len(entry["regions"]))
    entry["regions"].append(entry["regions"][0])


_SPOIL: tuple[Callable[[Path, _Release], None], ...] = (
    _missing_image,
    _other_letter_case,
    _cut_off_image,
    _lfs_pointer,
    _wrong_size,
    _background,
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
    _repeated,
)


def _annotated_twice(job: Path, first: _Release, second: _Release) -> None:
    """AT2 was given copies of three of AT1's pictures as well: the same bytes in two batches, two opinions."""
    for name, entry in list(_untouched(first))[:3]:
        copy = f"copy_of_{name}"
        source = job / "images" / first.batch / name
        (job / "images" / second.batch / copy).write_bytes(source.read_bytes())
        regions = [orjson.loads(orjson.dumps(region)) for region in entry["regions"]]
        second.entries.append((copy, _entry(copy, entry["size"], regions)))
        second.plant("DR06", copy)
        second.plant("DR18", copy)


def _untouched(release: _Release) -> Iterator[tuple[str, Json]]:
    touched = {fault["image"] for fault in release.planted}
    return ((name, entry) for name, entry in release.entries if name not in touched)
