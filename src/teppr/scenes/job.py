"""A job folder in the making: annotation files, a batch each, their pictures, and the faults planted in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import orjson

from teppr.errors import AlreadyThere, BadInput
from teppr.files import whole_folder, write_json
from teppr.images import encode_jpeg
from teppr.progress import Progress
from teppr.scenes.canvas import Scene
from teppr.types import Circle, Point, Polygon, Polyline, Rect, Shape

Json: TypeAlias = dict[str, Any]
Draw: TypeAlias = Callable[[np.random.Generator], Scene]

EXPECTED = "EXPECTED.json"
BATCHES = ("images-p1-150126_AT1", "images-p2-150126_AT2")
RELEASED = "via205_200126"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What was written: the job's folder, and how much of it there is."""

    job: Path
    images: int
    samples: int
    planted: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked for.

    images: pictures with annotations, half of them each annotator's
    samples: further pictures without annotations
    fewest: images that a job of its kind needs, since each planted fault needs an entry of its own
    """

    job: str
    images: int
    samples: int
    seed: int
    fewest: int

    def __post_init__(self) -> None:
        if self.images < self.fewest or self.samples < 0:
            raise BadInput(
                f"a job needs at least {self.fewest} images and 0 samples, got {self.images} and {self.samples}"
            )


@dataclass(slots=True)
class Release:
    """An annotation file in the making, and the faults planted in it."""

    name: str
    batch: str
    entries: list[tuple[str, Json]] = field(default_factory=list)
    planted: list[Json] = field(default_factory=list)

    def plant(self, rule: str, image: str | None = None, region_index: int | None = None) -> None:
        """List a fault that a checker must find."""
        self.planted.append({"rule": rule, "file": self.name, "image": image, "region_index": region_index})

    def add_picture(self, job: Path, name: str, picture: Scene, random: np.random.Generator) -> None:
        """Write the picture, and an entry of what is in it as a person draws it."""
        path = job / "images" / self.batch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_jpeg(picture.pixels, quality=int(random.integers(84, 95))))
        regions = [region(item.label, _by_hand(item.shape, random)) for item in picture.objects]
        if not regions:
            self.plant("DR07", name)
        self.entries.append((name, entry(name, path.stat().st_size, regions)))

    def write_via(self, folder: Path) -> None:
        """The file as VIA saves it."""
        entries = {f"{name}{entry['size']}": entry for name, entry in self.entries}
        (folder / self.name).write_bytes(orjson.dumps(entries))


def write_job(
    folder: Path,
    order: Order,
    draw: Draw,
    releases: Callable[[Path, np.random.Generator], Sequence[Release]],
    progress: Progress,
) -> Delivered:
    """Write a job, what a checker must find in it, and its samples into `folder`, which must not exist or be empty.

    releases: writes pictures and annotation files into the job's folder
    Raises AlreadyThere for a full folder.
    """
    if folder.exists():
        if any(folder.iterdir()):
            raise AlreadyThere(f"{folder} is not empty; choose a new folder")
        folder.rmdir()
    progress.expect(order.images + order.samples)
    with whole_folder(folder) as half:
        job = half / order.job
        (job / "annotations").mkdir(parents=True)
        written = releases(job, np.random.default_rng([order.seed, 0]))
        _write_samples(job / "samples", order.samples, draw, np.random.default_rng([order.seed, 1]), progress)
        planted = [fault for release in written for fault in release.planted]
        counts = dict(sorted(Counter(fault["rule"] for fault in planted).items()))
        write_json(half / EXPECTED, {"findings": counts, "planted": planted})
    return Delivered(job=folder / order.job, images=order.images, samples=order.samples, planted=counts)


def draw_batches(
    job: Path, order: Order, draw: Draw, stem: str, random: np.random.Generator, progress: Progress
) -> list[Release]:
    """The two annotators' releases with their pictures; their annotation files are still to be written."""
    made = [Release(f"{batch}_{RELEASED}.json", batch) for batch in BATCHES]
    for release, count in zip(made, (order.images // 2, order.images - order.images // 2), strict=True):
        for i in range(count):
            release.add_picture(job, f"{stem}_{release.batch[7:9]}_{i:04d}.jpg", draw(random), random)
            progress.advance()
    return made


def entry(name: str, size_bytes: int, regions: list[Json]) -> Json:
    """An image's entry of a VIA file."""
    return {"filename": name, "size": size_bytes, "regions": regions, "file_attributes": {}}


def region(label: str, shape_attributes: Json) -> Json:
    """A region of an entry."""
    return {"shape_attributes": shape_attributes, "region_attributes": {"label": label}}


def of_points(name: str, points: Sequence[Point]) -> Json:
    """A polygon or a polyline."""
    xs, ys = zip(*points, strict=True)
    return {"name": name, "all_points_x": list(xs), "all_points_y": list(ys)}


def _write_samples(folder: Path, samples: int, draw: Draw, random: np.random.Generator, progress: Progress) -> None:
    folder.mkdir(parents=True)
    for i in range(samples):
        (folder / f"sample_{i:02d}.jpg").write_bytes(encode_jpeg(draw(random).pixels))
        progress.advance()


def _by_hand(shape: Shape, random: np.random.Generator) -> Json:
    """The outline as a person draws it: whole pixels, off by one here and there, inside the picture."""

    def near(value: float) -> int:
        return max(0, round(value + random.uniform(-0.9, 0.9)))

    match shape:
        case Rect(x=x, y=y, width=width, height=height):
            return {"name": "rect", "x": near(x), "y": near(y), "width": near(width), "height": near(height)}
        case Circle(cx=cx, cy=cy, r=r):
            return {"name": "circle", "cx": near(cx), "cy": near(cy), "r": near(r)}
        case Polygon(rings=(points, *_)) | Polyline(points=points):
            return of_points(shape.kind, [(near(x), near(y)) for x, y in points])
        case _:
            raise BadInput(f"no annotator draws a {shape.kind} here")


# Faults that any job may have. Each takes the next untouched entry from the end, spoils it in one way and lists what a
# checker must say.


def next_clean(release: Release) -> tuple[str, Json]:
    """The last entry without a fault."""
    touched = {fault["image"] for fault in release.planted}
    return next((name, entry) for name, entry in reversed(release.entries) if name not in touched)


def add_region(release: Release, rule: str, shape_attributes: Json, region_attributes: Json) -> None:
    """A region that breaks the rule."""
    name, entry = next_clean(release)
    release.plant(rule, name, len(entry["regions"]))
    entry["regions"].append({"shape_attributes": shape_attributes, "region_attributes": region_attributes})


def missing_image(job: Path, release: Release) -> None:
    """An image that was not delivered."""
    name, _ = next_clean(release)
    (job / "images" / release.batch / name).unlink()
    release.plant("DR03", name)


def cut_off_image(job: Path, release: Release) -> None:
    """An image whose end is lacking."""
    name, entry = next_clean(release)
    path = job / "images" / release.batch / name
    path.write_bytes(path.read_bytes()[:4000])
    entry["size"] = 4000
    release.plant("DR04", name)


def wrong_size(_: Path, release: Release) -> None:
    """A declared size that is not the file's."""
    name, entry = next_clean(release)
    entry["size"] += 1000
    release.plant("DR05", name)


def background(_: Path, release: Release) -> None:
    """An entry without regions."""
    name, entry = next_clean(release)
    entry["regions"].clear()
    release.plant("DR07", name)


def repeated(_: Path, release: Release) -> None:
    """The same region twice."""
    name, entry = next_clean(release)
    release.plant("DR15", name, len(entry["regions"]))
    entry["regions"].append(entry["regions"][0])
