"""The page of a look inside: one HTML file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from teppr.anatomy.anatomy import Anatomy
from teppr.files import whole_file, write_json
from teppr.images import Pixels, encode_png
from teppr.pages import write_page
from teppr.pictures import data_url

PAGE, DATA = "index.html", "anatomy.json"
BIN_PX, TALLEST_PX = 4, 26
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def write_anatomy(anatomy: Anatomy, place: Path) -> list[Path]:
    """Write the page; returns the paths written, the page first.

    place: a file that ends with .html, or a folder, for index.html, anatomy.json and the overlays as PNG files
    """
    if place.suffix == ".html":
        return [_write_page(anatomy, place)]
    page = _write_page(anatomy, place / PAGE)
    write_json(place / DATA, anatomy.as_dict())
    written = [page, place / DATA]
    for number, seen in enumerate(anatomy.seen, 1):
        for overlay in seen.overlays:
            path = place / f"{number}-{Path(seen.name).stem}-{overlay.label.replace('/', '_')}.png"
            _write_png(path, overlay.picture)
            written.append(path)
    return written


def short_count(count: float) -> str:
    """In three figures: 3 542 112 as "3.54 M"."""
    size, unit = next(((size, unit) for size, unit in UNITS if count >= size), (1, ""))
    return f"{count / size:.3g} {unit}".strip()


def bars(counts: Sequence[int]) -> str:
    """A small histogram as the path of an SVG, `BIN_PX` a bin, `TALLEST_PX` high; roots, so that tails are seen."""
    most = max(counts, default=0) or 1
    heights = [(count / most) ** 0.5 * TALLEST_PX for count in counts]
    return "".join(
        f"M{i * BIN_PX} {TALLEST_PX}v{-height:.1f}h{BIN_PX - 1}v{height:.1f}z"
        for i, height in enumerate(heights)
        if height
    )


def _write_page(anatomy: Anatomy, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    filters: dict[str, Callable[..., object]] = {"url": data_url, "short": short_count, "bars": bars}
    return write_page(path, "teppr.anatomy", "anatomy.html", {"anatomy": anatomy}, filters)


def _write_png(path: Path, picture: Pixels) -> None:
    with whole_file(path) as file:
        file.write(encode_png(picture))
