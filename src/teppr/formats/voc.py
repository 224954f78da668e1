"""Pascal VOC, also in ImageNet's form: a folder of XML files, one an image; or one such file.

Corners are taken as they stand. By its definition VOC counts pixels from 1, but the tools that write it put the edges
of their boxes there as coordinates: the same boxes stand in COCO's, CVAT's and YOLO's files without a shift.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from teppr.errors import BadFile
from teppr.files import HALF_WRITTEN
from teppr.formats._beside import ImagesBeside
from teppr.formats._numbers import whole_number
from teppr.formats._voc_region import region_of_object
from teppr.formats._voc_words import IMAGE_WORDS, USUAL_DEPTH, attributes_of, text_of
from teppr.formats._voc_write import write_folder
from teppr.formats._xml_file import beginning, root_of
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.images import SUFFIXES
from teppr.types import ImageRecord, Unread

_ROOT = "annotation"
_WITHIN = "Annotations"
_FOLDERS = ("JPEGImages", "images", "Images")
_MOST_TRIED = 20
"""Files of a folder of which one must be VOC's."""


class Voc(Format):
    """Pascal VOC: a box an object; a polygon beside it where the file has one."""

    name = "voc"
    title = "Pascal VOC and ImageNet, a folder of XML files"
    suffixes = (".xml",)
    layout = "folder"
    precision_px = 1e-6

    def sniff(self, path: Path) -> bool:
        """Whether a file, or one of the first of a folder, has VOC's root."""
        return any(map(_looks_like_voc, islice(self.parts(path), _MOST_TRIED)))

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; a file of a folder that cannot be read is an entry that cannot be read."""
        parts = self.parts(path)
        if path.is_dir() and not parts and not path.joinpath(_WITHIN).is_dir():
            raise BadFile(f"a VOC folder must hold XML files, {path} holds none")
        beside = ImagesBeside(options.images or self.image_folders(path))
        if path.is_dir():
            return Reading(records=_entries(parts, path, beside, options), entries=len(parts))
        return Reading(records=iter([_record(path, PurePosixPath(path.name), beside, options)]), entries=1)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a file an image into `Annotations`; what is no box or polygon becomes its box, and is told."""
        return write_folder(records, path, _WITHIN)

    def parts(self, path: Path) -> Sequence[Path]:
        """All XML files below a folder's `Annotations`, or those in the folder itself."""
        if not path.is_dir():
            return (path,)
        within = path / _WITHIN
        found = within.rglob("*.xml") if within.is_dir() else path.glob("*.xml")
        return sorted(part for part in found if part.is_file() and not part.name.startswith(HALF_WRITTEN))

    def image_folders(self, path: Path) -> Sequence[Path]:
        """`JPEGImages` or `images`, in the folder or beside it, and the folder itself."""
        folder = path if path.is_dir() else path.parent
        near = [above / name for above in (folder, folder.parent) for name in _FOLDERS]
        return tuple(place for place in (*near, folder) if place.is_dir()) or (folder,)


PLUGIN = Voc()


def _looks_like_voc(path: Path) -> bool:
    try:
        root, first = beginning(path)
    except BadFile:
        return False
    return root == _ROOT and first not in {"version", "meta"}


def _entries(
    parts: Iterable[Path], folder: Path, beside: ImagesBeside, options: ReadOptions
) -> Iterator[ImageRecord | Unread]:
    for part in parts:
        place = PurePosixPath(part.relative_to(folder).as_posix())
        try:
            yield _record(part, place, beside, options)
        except BadFile as error:
            yield Unread(rule="DR01", message=str(error), where=str(place))


def _record(path: Path, place: PurePosixPath, beside: ImagesBeside, options: ReadOptions) -> ImageRecord:
    root = root_of(path)
    if root.tag != _ROOT:
        raise BadFile(f"a VOC file must hold <{_ROOT}>, got <{root.tag[:40]}> in {path}")
    size_wh = _size_of(root)
    objects = root.findall("object")
    return ImageRecord(
        filename=_filename(root, place, beside),
        where=str(place),
        regions=tuple(region_of_object(element, i, options) for i, element in enumerate(objects)),
        size_wh=size_wh,
        attributes=attributes_of(root, IMAGE_WORDS) | _depth(root),
    )


def _filename(root: Element, place: PurePosixPath, beside: ImagesBeside) -> str:
    """The image's name; ImageNet leaves the ending out, and some files the name."""
    name = text_of(root, "filename").replace("\\", "/") or place.stem
    if PurePosixPath(name).suffix.lower() in SUFFIXES:
        return name
    found = beside.named(name)
    return name if found is None else found


def _size_of(root: Element) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    width, height = (whole_number(text_of(size, side), least=1) for side in ("width", "height"))
    return None if width is None or height is None else (width, height)


def _depth(root: Element) -> dict[str, str]:
    size = root.find("size")
    depth = "" if size is None else text_of(size, "depth")
    return {"depth": depth} if depth.strip() not in ("", USUAL_DEPTH) else {}
