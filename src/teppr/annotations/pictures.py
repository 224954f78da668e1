"""Pictures of findings and of annotated images for pages, as data URLs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from teppr.drawing import Drawn, drawn_regions
from teppr.errors import BadImage
from teppr.images import DEFAULT_MAX_PIXELS, Pixels, read
from teppr.pictures import close_up, data_url, thumbnail
from teppr.store.contract import StoredImage
from teppr.types import Finding, WholeImage

PICTURE_PX = 320
"""Longer side of a picture."""
FAULTY = "#ff2d55"


class Pictures:
    """Makes pictures; remembers the image that was opened last, since findings come image by image."""

    def __init__(self, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        self._max_pixels = max_pixels
        self._path: str | None = None
        self._pixels: Pixels | None = None

    def of_finding(self, finding: Finding) -> str | None:
        """The region in its surroundings, or the whole image; None where there is nothing to show."""
        pixels = self._open(finding.image_path)
        if pixels is None:
            return None
        if finding.shape is None or isinstance(finding.shape, WholeImage):
            return data_url(thumbnail(pixels, (), PICTURE_PX))
        return data_url(close_up(pixels, Drawn(shape=finding.shape, caption="", color=FAULTY), PICTURE_PX))

    def of_image(self, image: StoredImage, colors: Mapping[str, str] = MappingProxyType({})) -> str | None:
        """The image with its regions, in the colours of their labels."""
        return self.of_shapes(image.path, drawn_regions(image.regions, colors))

    def of_shapes(self, path: str, shapes: Iterable[Drawn], longer_side_px: int = PICTURE_PX) -> str | None:
        """The image with these shapes, given in its pixels."""
        pixels = self._open(path)
        if pixels is None:
            return None
        return data_url(thumbnail(pixels, shapes, longer_side_px))

    def _open(self, path: str | None) -> Pixels | None:
        if path != self._path:
            self._path = path
            try:
                self._pixels = None if path is None else read(Path(path), max_pixels=self._max_pixels)[0]
            except BadImage:
                self._pixels = None
        return self._pixels
