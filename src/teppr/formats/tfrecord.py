"""TFRecord of TensorFlow's Object Detection API: pictures and annotations in files of Examples, labels in a map beside.

Coordinates are shares of the image's size in 32 bits. Pictures are embedded where the records say where their files
are; those that are embedded in what is read stay there, and images are looked for in folders, as for all formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from teppr.errors import BadFile
from teppr.formats._tfrecord_file import check_shards, files_of, looks_like_images
from teppr.formats._tfrecord_messages import check_installed
from teppr.formats._tfrecord_read import records_of_files
from teppr.formats._tfrecord_words import LABEL_MAP, PRECISION_PX, read_label_map
from teppr.formats._tfrecord_write import write_folder, write_splits
from teppr.formats.contract import Format, Reading, ReadOptions, SplitOptions, SplitRecords, WriteReport
from teppr.types import ImageRecord


class TfRecord(Format):
    """TFRecord of TensorFlow's Object Detection API."""

    name = "tfrecord"
    title = "TFRecord of TensorFlow's Object Detection API"
    suffixes = (".tfrecord", ".record", ".tfrecords")
    layout = "folder"
    precision_px = PRECISION_PX
    embeds_images = True
    in_shards = True

    def sniff(self, path: Path) -> bool:
        """Whether the first file that is not empty begins with the Example of an image."""
        try:
            filled = (file for file in files_of(path) if file.is_file() and file.stat().st_size)
            first = next(filled, None)
        except OSError:
            return False
        return first is not None and looks_like_images(first)

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read a folder or one file; raises MissingExtra where the extra `tfrecord` is not installed.

        Labels are the texts in the records or, where those are blank, what the label map says of their numbers; the
        option `label` is that of objects that have neither.
        """
        check_installed()
        files = files_of(path)
        if not files:
            raise BadFile(f"a folder of TFRecord files is needed, {path} holds none")
        if files == [path] and path.is_file() and not path.stat().st_size:
            raise BadFile(f"no TFRecord: {path} is empty")
        check_shards(files)
        labels = read_label_map(files[0].parent / LABEL_MAP)
        return Reading(records=records_of_files(files, labels, options.label))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a folder; what is more than a box becomes a mask, for all objects of its image.

        Images whose size is not known are left out. Raises MissingExtra where the extra `tfrecord` is not installed.
        """
        check_installed()
        return write_folder(records, path)

    def write_splits(
        self, splits: Iterable[SplitRecords], folder: Path, options: SplitOptions
    ) -> dict[str, WriteReport]:
        """Write `train-00000-of-00004.tfrecord` and the like, with one label map."""
        check_installed()
        return write_splits(splits, folder, options.labels, options.shards)

    def parts(self, path: Path) -> Sequence[Path]:
        """The TFRecord files and the label map; of a file given alone only itself."""
        label_map = path / LABEL_MAP
        return sorted([*files_of(path), *([label_map] if label_map.is_file() else [])])

    def image_folders(self, path: Path) -> Sequence[Path]:
        """The folder and `images` in it, and those beside it."""
        folder = path if path.is_dir() else path.parent
        return tuple(place for above in (folder, folder.parent) for place in (above / "images", above))


PLUGIN = TfRecord()
