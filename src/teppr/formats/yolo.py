"""YOLO: a folder with a label file an image, as ultralytics, darknet and label tools lay them out.

`labels/a/b.txt` is about the image `a/b` with any ending, below `images`. Since a label file says neither name nor
size of its image, the images are looked at, or the lists `images.txt`, `train.txt` and the sizes in `sizes.csv` that
our writer puts beside the labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from teppr.errors import BadFile
from teppr.formats._beside import ImagesBeside
from teppr.formats._shares import PRECISION_PX
from teppr.formats._yolo_folder import IMAGES, Layout, label_names, layout_of, other_files, root_of, text_of
from teppr.formats._yolo_labels import lines_of, looks_like_labels, regions_of_lines
from teppr.formats._yolo_write import write_folder
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Unread

_MOST_TRIED = 20
"""Label files of which one must look like YOLO's."""
_FOLDERS = ("images", "obj_train_data")


class Yolo(Format):
    """YOLO: boxes and polygons of one ring; images without a label file are background."""

    name = "yolo"
    title = "YOLO (ultralytics, darknet), a folder of label files"
    suffixes = (".txt",)
    layout = "folder"
    precision_px = PRECISION_PX

    def sniff(self, path: Path) -> bool:
        """Whether one of the first label files begins like YOLO's, or our list of images is there."""
        if not path.is_dir():
            return False
        return (path / IMAGES).is_file() or any(
            _looks_like_yolo(root_of(path) / name) for name in islice(label_names(path), _MOST_TRIED)
        )

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; raises BadFile where what stands beside the labels is broken."""
        if not path.is_dir():
            raise BadFile(f"a YOLO document is a folder of label files, got {path}")
        reading = _Reading(path, options.images or tuple(self.image_folders(path)))
        return Reading(records=reading.records(), notes=reading.notes, entries=len(reading.stems))

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write labels as ultralytics has them, with names of classes and images, and the images' sizes."""
        return write_folder(records, path)

    def parts(self, path: Path) -> Sequence[Path]:
        """Label files, and what stands beside them."""
        root = root_of(path)
        return sorted({*(root / name for name in label_names(path)), *other_files(path)})

    def image_folders(self, path: Path) -> Sequence[Path]:
        """`images` in the folder or beside it, darknet's one folder for both, and the folder itself."""
        near = [above / name for above in (path, path.parent) for name in _FOLDERS]
        return tuple(place for place in (*near, path) if place.is_dir()) or (path,)


PLUGIN = Yolo()


class _Reading:
    """A folder being read.

    stems: of label files and images, by which they belong together: first those that lists name, then sorted
    """

    def __init__(self, folder: Path, image_folders: Sequence[Path]) -> None:
        self._folder = folder
        self._layout: Layout = layout_of(folder)
        self._labelled = {name.removesuffix(".txt") for name in label_names(folder)}
        if not self._labelled and not (folder / IMAGES).is_file() and not self._layout.images:
            raise BadFile(f"a YOLO folder must hold label files, {folder} holds none")
        self._beside = ImagesBeside(image_folders)
        self.notes: tuple[str, ...] = ()
        self.stems = list(dict.fromkeys((*self._layout.images, *sorted(self._with_images()))))

    def records(self) -> Iterator[ImageRecord | Unread]:
        for stem in self.stems:
            yield from self._entry(stem)

    def _with_images(self) -> set[str]:
        """The stems of label files, and of the images that have none."""
        stems = self._labelled
        if len(self._layout.sizes_wh) and set(self._layout.images) >= stems:
            return stems  # the list says which images there are
        # A folder of images that was given may be the one of a split: labels/train/a.txt is about its a.jpg.
        last = {stem.rpartition("/")[2] for stem in stems}
        bare = {stem for stem in self._beside.all() if stem not in stems and ("/" in stem or stem not in last)}
        if bare and self._layout.skips_unlabelled:
            self.notes = (f"{len(bare)} images have no label file and are left out, as the folder's YAML file says",)
            return stems
        return stems | bare

    def _entry(self, stem: str) -> Iterator[ImageRecord | Unread]:
        path = self._layout.root / f"{stem}.txt" if stem in self._labelled else None
        where = stem if path is None else path.relative_to(self._folder).as_posix()
        try:
            text = "" if path is None else text_of(path)
        except BadFile as error:
            yield Unread(rule="DR01", message=str(error), where=where)
            return
        filename = self._filename(stem)
        size_wh = None if filename is None else self._size_of(filename)
        if filename is not None and (size_wh is not None or not text.strip()):
            regions = () if size_wh is None else tuple(regions_of_lines(text, where, size_wh, self._layout.names))
            yield ImageRecord(filename=filename, where=where, regions=regions, size_wh=size_wh)
            return
        why = "is not there" if filename is None else "is not there, or its size cannot be read"
        message = f"the image of {where} {why}, and coordinates are shares of its size; say where images are"
        yield Unread(rule="DR03", message=message, where=where, values={"image": filename or stem})
        for index, (number, _) in enumerate(lines_of(text)):
            yield Unread(rule="DR03", message=message, where=f"{where}:{number}", index=index)

    def _filename(self, stem: str) -> str | None:
        beside = self._beside.named(stem) or self._layout.images.get(stem)
        return beside or self._beside.named(stem.rpartition("/")[2])

    def _size_of(self, filename: str) -> tuple[int, int] | None:
        return self._layout.sizes_wh.get(filename) or self._beside.size_of(filename)


def _looks_like_yolo(path: Path) -> bool:
    try:
        return looks_like_labels(text_of(path))
    except BadFile:
        return False
