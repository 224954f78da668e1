"""Pascal VOC: a folder of XML files, one an image; ImageNet's are of the same form.

Corners are taken as they stand: x = xmin, y = ymin, width = xmax - xmin, height = ymax - ymin. VOC's own documents
number pixels from 1 and count both corners in, but the tools that write its files today do not: in a published set of
273 boxes that is there in seven formats, COCO (1 and 2), CVAT, ImageNet and VOC agree to the last digit without any
shift, OpenImages to 3e-8 px and YOLO to 4e-4 px, which is what their decimals leave. Taking 1 off would move every box
by a pixel against its other versions. A box with xmin >= xmax comes out as it is, for the design rules to find.

The files lie in the folder itself, or in its `Annotations`, `annotations` or `annots`; each may lie in folders of
their own. `<polygon>` is Roboflow's: <x1>, <y1>, <x2> ..., beside the box that every reader of VOC sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath

from teppr.errors import BadFile
from teppr.formats._folder_files import entries_of, files_below
from teppr.formats._images import find_image
from teppr.formats._voc_read import VocReader, parsed
from teppr.formats._voc_write import ANNOTATIONS, write_folder, write_splits
from teppr.formats.contract import Format, Reading, ReadOptions, SplitOptions, SplitRecords, WriteReport
from teppr.images import SUFFIXES
from teppr.types import ImageRecord, Unread

IMAGES = "JPEGImages"
_PLACES = (ANNOTATIONS, "annotations", "annots")
_SUFFIXES = (".xml",)
_CHILDREN = frozenset({"filename", "size", "object"})
_MOST_LOOKED_AT = 5
"""So many files are tried before a folder is no VOC's: the first may be broken."""


class Voc(Format):
    """Pascal VOC."""

    name = "voc"
    title = "Pascal VOC, a folder of XML files"
    suffixes = _SUFFIXES
    layout = "folder"
    precision_px = 1e-9
    shapes = frozenset({"rect", "polygon"})
    keeps_order = False

    def sniff(self, path: Path) -> bool:
        """Whether one of the first files is VOC's."""
        try:
            return any(map(_is_voc, islice(_likely_files(path), _MOST_LOOKED_AT)))
        except BadFile:
            return False

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read, in the order of the files' paths; raises BadFile where there are none.

        An image is called what `<filename>` says. Where that has no suffix, or no folder though the XML file lies in
        one, the image is looked for; where it is not found, it has the XML file's folder.
        """
        place = _place(path)
        folders = options.images or tuple(self.image_folders(path))
        reader = VocReader(options=options, find_image=lambda given, part: _named(given, part, folders))
        if path.is_file():
            return Reading(records=iter([*reader.read(parsed(path), path.name)]), entries=1)
        count = sum(1 for _ in files_below(place, _SUFFIXES))
        if not count and place == path:
            raise BadFile(f"{path} holds no XML files of VOC, nor does its folder {' or '.join(_PLACES)}")
        return Reading(records=_records(place, reader), entries=count)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write `Annotations/<name>.xml` for each image; circles and the like become boxes, masks polygons."""
        return write_folder(records, path)

    def write_splits(
        self,
        splits: Iterable[SplitRecords],
        folder: Path,
        options: SplitOptions,  # noqa: ARG002 - labels stand as names
    ) -> dict[str, WriteReport]:
        """Write one document of all, and `ImageSets/Main/train.txt` and the like."""
        return write_splits(splits, folder)

    def images_of_split(self, split: str) -> str:  # noqa: ARG002 - all lie together
        """`JPEGImages`."""
        return IMAGES

    def parts(self, path: Path) -> Sequence[Path]:
        """The XML files."""
        return (path,) if path.is_file() else tuple(files_below(_place(path), _SUFFIXES))

    def image_folders(self, path: Path) -> Sequence[Path]:
        """`JPEGImages` or `images` beside the files, or where the files are."""
        place = path.parent if path.is_file() else _place(path)
        beside = (place.parent / IMAGES, place.parent / "images")
        return (*beside, place / "images", place, place.parent)


PLUGIN = Voc()


def _place(path: Path) -> Path:
    """The folder of the XML files."""
    if not path.exists():
        raise BadFile(f"{path} is not there")
    if (path / ANNOTATIONS).is_dir():
        return path / ANNOTATIONS
    return next((place for place in (path, *(path / name for name in _PLACES[1:])) if any(_directly_in(place))), path)


def _directly_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        files = (folder / entry.name for entry in entries_of(folder))
        yield from (file for file in files if file.suffix.lower() in _SUFFIXES and file.is_file())


def _likely_files(path: Path) -> Iterator[Path]:
    """The files that tell whether this is VOC's; only folders below `Annotations` are searched."""
    if path.is_file():
        yield from [path] if path.suffix.lower() in _SUFFIXES else []
    elif path.is_dir():
        place = _place(path)
        yield from files_below(place, _SUFFIXES) if place.name == ANNOTATIONS else _directly_in(place)


def _is_voc(file: Path) -> bool:
    try:
        return any(child.tag in _CHILDREN for child in parsed(file))
    except BadFile:
        return False


def _records(place: Path, reader: VocReader) -> Iterator[ImageRecord | Unread]:
    for file in files_below(place, _SUFFIXES):
        part = file.relative_to(place).as_posix()
        try:
            root = parsed(file)
        except BadFile as error:
            yield Unread(rule="DR01", message=str(error), where=part)
        else:
            yield from reader.read(root, part)


def _named(given: str, part: str, folders: Sequence[Path]) -> tuple[str, str | None] | None:
    """An image's name and path: as given, completed by suffix and folder, or by the name of the XML file."""
    own = PurePosixPath(part)
    in_folder = (own.parent / given).as_posix() if given else own.with_suffix("").as_posix()
    if "/" in given or (given and own.parent == PurePosixPath() and Path(given).suffix.lower() in SUFFIXES):
        return given, None
    for name in dict.fromkeys([given or in_folder, in_folder]):
        if found := find_image(name, folders):
            return found.filename, str(found.path)
    return (in_folder, None) if given else None
