"""labelme: a folder of JSON files, one an image; or one such file.

An image is named from its file's place: `street/a.json` that says `a.jpg` is about `street/a.jpg`, and one that says
`../images/a.jpg` about `images/a.jpg`, which is looked for beside the folder too. Pictures within files are passed by.
labelme shows images turned as their EXIF orientation says, and its coordinates are those of the turned image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from reprlib import repr as short
from typing import Any

from teppr.errors import BadFile
from teppr.files import HALF_WRITTEN
from teppr.formats._json_file import JsonFile
from teppr.formats._labelme_names import name_of_image
from teppr.formats._labelme_region import regions_of
from teppr.formats._labelme_words import FLAGS, TOP_WORDS
from teppr.formats._labelme_write import LABELS, write_folder
from teppr.formats._numbers import whole_number
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Region, Unread, WholeImage

_PICTURE = "imageData"
_MOST_TRIED = 20
"""Files of a folder of which one must be labelme's."""
_MOST_KEYS = 32
"""Keys of a file among which `shapes` must be; labelme has seven."""


class Labelme(Format):
    """labelme: a folder of JSON files; flags of an image are an attribute or, if images are to be labelled, labels."""

    name = "labelme"
    title = "labelme, a folder of JSON files"
    suffixes = (".json",)
    layout = "folder"
    precision_px = 1e-8

    def sniff(self, path: Path) -> bool:
        """Whether a file, or one of the first of a folder, has labelme's shapes."""
        return any(map(_looks_like_labelme, islice(self.parts(path), _MOST_TRIED)))

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; a file of a folder that cannot be read is an entry that cannot be read."""
        parts = self.parts(path)
        if not parts and not (path / LABELS).is_file():
            raise BadFile(f"a labelme folder must hold JSON files, {path} holds none")
        if path.is_dir():
            return Reading(records=_entries(parts, path, options), entries=len(parts))
        record = _record(JsonFile(path), PurePosixPath(path.name), options)
        return Reading(records=iter([record]), entries=1)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write a file an image, where labelme looks for it: `street/a.json` for `street/a.jpg`."""
        return write_folder(records, path)

    def images_of_split(self, split: str) -> str:
        """Beside their files, where labelme looks for them."""
        return split

    def parts(self, path: Path) -> Sequence[Path]:
        """All JSON files below a folder."""
        if not path.is_dir():
            return (path,)
        files = (part for part in path.rglob("*") if part.suffix.lower() == ".json" and part.is_file())
        return sorted(part for part in files if not part.name.startswith(HALF_WRITTEN))

    def image_folders(self, path: Path) -> Sequence[Path]:
        """The folder itself and the one that it lies in."""
        folder = path if path.is_dir() else path.parent
        return (folder, folder.parent)


PLUGIN = Labelme()


def _looks_like_labelme(path: Path) -> bool:
    try:
        document = JsonFile(path)
        if document.peek() != "{":
            return False
        seen = set()
        for key in islice(document.members(), _MOST_KEYS):
            seen.add(key)
            if key != "shapes":
                document.span()
            elif document.peek() != "[":
                return False
            # The first shape tells, so that a file cut off among them is still known for what it is.
            elif (first := next(map(document.load, document.elements()), None)) is not None:
                return isinstance(first, dict) and "points" in first
    except BadFile:
        return False
    return {"shapes", "imagePath"} <= seen


def _entries(parts: Iterable[Path], folder: Path, options: ReadOptions) -> Iterator[ImageRecord | Unread]:
    for part in parts:
        place = PurePosixPath(part.relative_to(folder).as_posix())
        try:
            yield _record(JsonFile(part), place, options)
        except BadFile as error:
            yield Unread(rule="DR01", message=str(error), where=str(place))


def _record(document: JsonFile, place: PurePosixPath, options: ReadOptions) -> ImageRecord:
    fields = _fields(document)
    width, height = (whole_number(fields.get(f"image{side}"), least=1) for side in ("Width", "Height"))
    size_wh = None if width is None or height is None else (width, height)
    regions = list(regions_of(fields["shapes"], size_wh, options.label))
    flags = fields.pop(FLAGS, None) or {}
    if options.image_labels and isinstance(flags, dict):
        regions += _labels_of_image(flags, len(regions))
        flags = {name: ticked for name, ticked in flags.items() if ticked is not True}
    return ImageRecord(
        filename=name_of_image(place, fields["imagePath"]),
        where=str(place),
        regions=tuple(regions),
        size_bytes=whole_number(fields.get("size_bytes"), least=0),
        size_wh=size_wh,
        attributes=_attributes(fields, size_wh) | ({FLAGS: flags} if flags else {}),
    )


def _fields(document: JsonFile) -> dict[str, Any]:
    """What a file says but for the picture; raises BadFile where it is none of labelme's."""
    if document.peek() != "{":
        document.check()
        raise BadFile(f"a labelme file must be an object, got another value in {document.path}")
    fields: dict[str, Any] = {}
    for key in document.members():
        if key in fields:
            raise BadFile(f"{key!r} must stand once, or one would hide the other, stands twice in {document.path}")
        fields[key] = document.span() if key == _PICTURE else document.value()
    document.finish()
    if not isinstance(fields.get("shapes"), list):
        raise BadFile(
            f"a labelme file must have a list of shapes, got {short(fields.get('shapes'))} in {document.path}"
        )
    if not isinstance(fields.get("imagePath"), str) or not fields["imagePath"].strip():
        got = short(fields.get("imagePath"))
        raise BadFile(f"a labelme file must name its image, got imagePath={got} in {document.path}")
    return fields


def _labels_of_image(flags: dict[str, Any], first_index: int) -> Iterator[Region]:
    ticked = (name for name, value in flags.items() if value is True and name.strip())
    for index, name in enumerate(ticked, first_index):
        yield Region(shape=WholeImage(), label=name, label_attribute=FLAGS, index=index, where=FLAGS)


def _attributes(fields: dict[str, Any], size_wh: tuple[int, int] | None) -> dict[str, Any]:
    """What has no place in a record, or is not what it should be."""
    nested = fields.get("attributes")
    taken = {
        "imageWidth": size_wh,
        "imageHeight": size_wh,
        "size_bytes": whole_number(fields.get("size_bytes"), least=0),
        "attributes": nested if isinstance(nested, dict) else None,
    }
    further = {
        name: value
        for name, value in fields.items()
        if name not in TOP_WORDS or (name in taken and taken[name] is None and value is not None)
    }
    return further | (nested if isinstance(nested, dict) else {})
