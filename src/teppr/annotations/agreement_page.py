"""Agreement for people: a page with the disagreements drawn, and a table of all objects."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from teppr.annotations.agreement import KEPT, NO_REGION, Agreement, PairAgreement, Said, SeenObject, SharedImage
from teppr.annotations.pages import write_html
from teppr.annotations.pictures import FAULTY, Pictures
from teppr.colors import colors_of
from teppr.drawing import Drawn
from teppr.files import whole_file
from teppr.geometry import box_xywh
from teppr.types import Rect

COLUMNS = ("sha256", "image", "object", "annotator", "label", "region_index", "similarity_0_1", "agreed")
"""Columns of the table; a row for each object and annotator, `label` and `region_index` blank for no region."""
PICTURE_PX = 640
FRAME_PX = 6.0
"""Between what is disagreed on and its frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """The labels of two annotators against each other.

    rows: {label of the first: [how often the second said each of `columns`]}; the last row and column are no region
    most: the largest count of different labels, for shading
    """

    columns: list[Said]
    rows: dict[Said, list[int]]
    most: int

    @classmethod
    def of(cls, pair: PairAgreement) -> Confusion:
        """Only with labels that one of the two gave."""
        given = sorted({label for said in pair.confusion for label in said if label is not None})
        names: list[Said] = [*given, NO_REGION]
        rows = {a: [pair.confusion[a, b] for b in names] for a in names}
        return cls(columns=names, rows=rows, most=max((n for (a, b), n in pair.confusion.items() if a != b), default=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownImage:
    """An image with its disagreements.

    said: what its annotators say of the objects that they disagree on, a sentence each
    """

    shared: SharedImage
    picture: str | None
    said: list[str]


def write_agreement(agreement: Agreement, folder: Path) -> Path:
    """Write `index.html` into `folder`: figures, and the images with the most disagreement; returns its path."""
    colors = colors_of(agreement.annotators)
    pictures = Pictures()
    return write_html(
        folder / "index.html",
        "agreement.html",
        agreement=agreement,
        colors=colors,
        kept=KEPT,
        pairs=[(pair, Confusion.of(pair)) for _, pair in sorted(agreement.pairs.items())],
        images=[_shown(shared, colors, pictures) for shared in agreement.worst],
    )


def _shown(shared: SharedImage, colors: dict[str, str], pictures: Pictures) -> ShownImage:
    disagreed = [found for found in shared.objects if not found.agreed]
    outlines = [drawn for found in shared.objects for drawn in _outlines(found, colors)]
    frames = [_frame(found, number) for number, found in enumerate(disagreed, start=1)]
    picture = pictures.of_shapes(shared.image.path, [*outlines, *frames], PICTURE_PX)
    return ShownImage(shared=shared, picture=picture, said=[_sentence(found) for found in disagreed])


def _outlines(found: SeenObject, colors: dict[str, str]) -> Iterator[Drawn]:
    for name, region in found.regions.items():
        yield Drawn(shape=region.shape, caption="", color=colors[name])


def _frame(found: SeenObject, number: int) -> Drawn:
    """Around what is disagreed on, with the number under which the page says what."""
    boxes = [box_xywh(region.shape) for region in found.regions.values()]
    x0, y0 = min(x for x, *_ in boxes) - FRAME_PX, min(y for _, y, *_ in boxes) - FRAME_PX
    x1, y1 = max(x + w for x, _, w, _ in boxes) + FRAME_PX, max(y + h for _, y, _, h in boxes) + FRAME_PX
    return Drawn(shape=Rect(x0, y0, x1 - x0, y1 - y0), caption=str(number), color=FAULTY)


def _sentence(found: SeenObject) -> str:
    parts = [f"{name}: {'no region' if label is NO_REGION else label or '?'}" for name, label in found.labels.items()]
    overlap = "" if found.similarity_0_1 is None else f" (overlap {found.similarity_0_1:.2f})"
    return ", ".join(parts) + overlap


def written(images: Iterable[SharedImage], path: Path) -> Iterator[SharedImage]:
    """Pass images on and write their objects to a CSV file of COLUMNS, which is there once the last was taken."""
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="", errors="replace")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for shared in images:
            writer.writerows(_rows(shared))
            yield shared
        text.detach()  # flushes, and leaves closing to `whole_file`


def _rows(shared: SharedImage) -> Iterator[dict[str, object]]:
    for i, found in enumerate(shared.objects):
        for name, label in found.labels.items():
            region = found.regions.get(name)
            yield {
                "sha256": shared.image.sha256,
                "image": shared.image.filename,
                "object": i,
                "annotator": name,
                "label": label,
                "region_index": None if region is None else region.index,
                "similarity_0_1": found.similarity_0_1,
                "agreed": found.agreed,
            }
