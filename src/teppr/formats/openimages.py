"""OpenImages: one table of boxes, a row a box; coordinates are shares of the image's width and height.

`IsGroupOf` is a crowd; `IsOccluded`, `IsTruncated`, `IsDepiction`, `IsInside`, `Source` and `Confidence` are the
attributes occluded, truncated, depiction, inside, source and score, where they are given. Numbers may have decimal
commas. Shares become pixels by the columns `ImageWidth` and `ImageHeight`, which only our tables have, or else by the
image's header. An `ImageID` without a suffix is completed from the image that is there. Labels are as the table has
them; their descriptions (`/m/0k4j` is a car) stand in another file, which is not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from teppr.errors import BadFile
from teppr.formats._csv_table import CsvTable
from teppr.formats._openimages_read import OpenImagesReader, Places
from teppr.formats._openimages_words import BOX, IMAGE, LABEL
from teppr.formats._openimages_write import write_table
from teppr.formats._shares import PRECISION_PX
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord


class OpenImages(Format):
    """A table of boxes."""

    name = "openimages"
    title = "OpenImages boxes, CSV"
    suffixes = (".csv",)
    precision_px = PRECISION_PX

    def sniff(self, path: Path) -> bool:
        """Whether the first line names the columns of a table of boxes."""
        try:
            return path.is_file() and CsvTable.of(path, (IMAGE, LABEL, *BOX)) is not None
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read, images in the order of their first rows; raises BadFile for another table."""
        table = CsvTable.of(path, (IMAGE, LABEL, *BOX))
        if table is None:
            raise BadFile(f"a table of OpenImages must have the columns {IMAGE}, {LABEL}, {', '.join(BOX)}: {path}")
        folders = options.images or tuple(self.image_folders(path))
        reader = OpenImagesReader(table=table, places=Places.of(table), folders=folders, label=options.label)
        return Reading(records=reader.records())

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a row for each region; images without any cannot be said, and shapes that are no boxes become boxes."""
        return write_table(records, path)

    def image_folders(self, path: Path) -> Sequence[Path]:
        """The table's folder, and `images` in it or beside it."""
        return (path.parent, path.parent / "images", path.parent.parent / "images")


PLUGIN = OpenImages()
