"""YOLO: a folder of label files, one an image, a line a region; numbers are shares of the image's width and height.

Four layouts are read: Ultralytics' (`data.yaml`, `labels/...` beside `images/...`), Roboflow's (`train/labels` beside
`train/images`), darknet's (`obj.data`, `obj.names`, `train.txt`, `obj_train_data`), and bare folders of label files,
the classes named by any YAML file or `classes.txt` there. A line is a class and four numbers (a box by its middle),
five (with a score), or x and y of three corners and more (a polygon). A class without a name is called by its number.

Shares become pixels by the image's size. It is taken from the document's `sizes.csv`, which only ours have, or else
from the image's header; a label file whose image is not there cannot be read, and comes out as an `Unread` entry with
its regions. An image without a label file is an entry without regions, a background.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from teppr.errors import BadFile
from teppr.formats._shares import PRECISION_PX
from teppr.formats._yolo_read import YoloReader
from teppr.formats._yolo_set import IMAGES, YoloSet
from teppr.formats._yolo_write import write_folder, write_splits
from teppr.formats.contract import Format, Reading, ReadOptions, SplitOptions, SplitRecords, WriteReport
from teppr.types import ImageRecord


class Yolo(Format):
    """YOLO boxes and polygons."""

    name = "yolo"
    title = "YOLO boxes and polygons, a folder of label files"
    suffixes = (".txt",)
    layout = "folder"
    precision_px = PRECISION_PX
    shapes = frozenset({"rect", "polygon"})

    def sniff(self, path: Path) -> bool:
        """Whether label files lie where they do in one of the layouts, and one of the first begins with a line."""
        try:
            return path.is_dir() and YoloSet(path).looks_like_yolo()
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read, in the order of `sizes.csv`, of the lists of images, or else of the folders.

        Of folders of images only those count that have a folder of label files of the same name.
        """
        if not path.is_dir():
            raise BadFile(f"a YOLO document is a folder, got {path}")
        document = YoloSet(path)
        if (
            document.names is None
            and document.sizes is None
            and not any(labels.holds_any() for labels in document.labels)
        ):
            raise BadFile(f"{path} holds no label files of YOLO, and nothing that names its classes")
        reader = YoloReader(document=document, folders=options.images or tuple(self.image_folders(path)))
        notes = () if document.names else ("nothing names the classes: labels are their numbers",)
        return Reading(records=reader.records(), notes=notes)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write as Ultralytics lays it out, without the images; what is neither box nor polygon becomes one of them."""
        return write_folder(records, path)

    def write_splits(
        self, splits: Iterable[SplitRecords], folder: Path, options: SplitOptions
    ) -> dict[str, WriteReport]:
        """Write one document of all, as Ultralytics trains on it: `data.yaml`, `labels/train` and the like."""
        return write_splits(splits, folder, options.labels)

    def images_of_split(self, split: str) -> str:
        """`images/train` and the like."""
        return f"{IMAGES}/{split}"

    def parts(self, path: Path) -> Sequence[Path]:
        """Label files, lists, and what names classes and sizes."""
        return YoloSet(path).parts()

    def image_folders(self, path: Path) -> Sequence[Path]:
        """`images` in the folder or beside it, where the label files are, and the folder itself."""
        return (path / IMAGES, path.parent / IMAGES, *(labels.folder for labels in YoloSet(path).labels), path)


PLUGIN = Yolo()
