"""Reading YOLO: which images and label files belong together, and what their lines say."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from reprlib import repr as short

from teppr.errors import BadFile
from teppr.formats._folder_files import entries_of
from teppr.formats._images import NoSize, entry_without_size, find_image, look_at
from teppr.formats._numbers import number_of_text, whole_number
from teppr.formats._shape_words import opened
from teppr.formats._yolo_set import LabelFolder, YoloSet, image_of_line, lines_of
from teppr.images import SUFFIXES
from teppr.types import ImageRecord, Polygon, Rect, Region, Shape, Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An image and its label file, as far as they are there.

    image: its name; None for a label file that no image belongs to
    where: what says that it is an entry
    size_wh: as our own table states it
    """

    image: str | None
    labels: Path | None
    where: str
    size_wh: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloReader:
    """Reads one document; the images are looked for in `folders`, best first."""

    document: YoloSet
    folders: Sequence[Path]

    def records(self) -> Iterator[ImageRecord | Unread]:
        """An entry for each image, with a label file or without, and one for each label file without an image."""
        names = self.document.names or {}
        for entry in self._entries():
            found = self._size(entry)
            lines = [] if entry.labels is None else _Labels(entry.labels, self._part(entry.labels)).lines()
            if isinstance(found, NoSize):
                yield from entry_without_size(found, entry.where, ((line.where, line.kind) for line in lines))
                continue
            size_wh, path = found
            yield ImageRecord(
                filename=entry.image or "",
                where=entry.where,
                regions=tuple(line.region(size_wh, names) for line in lines),
                size_wh=size_wh,
                path=None if path is None else str(path),
            )

    def _part(self, path: Path) -> str:
        return path.relative_to(self.document.root).as_posix()

    def _size(self, entry: _Entry) -> tuple[tuple[int, int], Path | None] | NoSize:
        if entry.image is None:
            places = ", ".join(map(str, self.folders))
            return NoSize(rule="DR03", message=f"no image belongs to the label file {entry.where!r} in {places}")
        if entry.size_wh is not None:
            there = find_image(entry.image, self.folders)
            return entry.size_wh, None if there is None else there.path
        found = look_at(entry.image, self.folders)
        if isinstance(found, NoSize):
            return found
        return found[1], found[0].path

    def _entries(self) -> Iterator[_Entry]:
        """In the order of our table of sizes, of the lists of images, or else of the folders."""
        if self.document.sizes is not None:
            yield from self._listed(_sizes_in(self.document.sizes))
        elif self.document.lists:
            yield from self._listed(self._of_lists())
        else:
            for labels in self.document.labels:
                yield from self._of_folder(labels, labels.folder)

    def _listed(self, images: Iterator[_Entry]) -> Iterator[_Entry]:
        """The images with their label files, and then the label files that are of none of these images."""
        used: set[str] = set()
        for entry in images:
            labels = next(filter(None, (folder.file_of(entry.image or "") for folder in self.document.labels)), None)
            if labels is not None:
                used.add(self._part(labels))
            yield _Entry(image=entry.image, labels=labels, where=entry.where, size_wh=entry.size_wh)
        for folder in self.document.labels:
            for path in folder.files():
                if (part := self._part(path)) not in used:
                    there = find_image(folder.image_of(path), self.folders)
                    yield _Entry(image=None if there is None else there.filename, labels=path, where=part)

    def _of_lists(self) -> Iterator[_Entry]:
        seen: set[str] = set()
        for path in self.document.lists:
            for number, line in enumerate(lines_of(path), 1):
                image = image_of_line(line) if line.strip() else ""
                if image and image not in seen:
                    seen.add(image)
                    yield _Entry(image=image, labels=None, where=f"{path.name}:{number}")

    def _of_folder(self, labels: LabelFolder, folder: Path) -> Iterator[_Entry]:
        """The images of the folders of the same name, and the label files, by their common stems."""
        inside = entries_of(folder)
        below = [folder / entry.name for entry in inside if entry.is_dir()]
        within = folder.relative_to(labels.folder).as_posix()
        stems = labels.stems_in(folder, inside)
        name = PurePosixPath(labels.images, within).as_posix()
        # A folder that only holds folders says nothing of the images beside them.
        images = self._images_in(name) if stems or not below else {}
        for stem in sorted({*stems, *images}):
            path = folder / f"{stem}.txt" if stem in stems else None
            for image in images.get(stem, [None]):
                where = image or self._part(path or folder)
                yield _Entry(image=image, labels=path, where=where)
        for path in below:
            yield from self._of_folder(labels, path)

    def _images_in(self, name: str) -> dict[str, list[str | None]]:
        """{stem: names of images} of the folders of that name."""
        found = {
            entry.name
            for folder in self.folders
            if (folder / name).is_dir()
            for entry in entries_of(folder / name)
            if Path(entry.name).suffix.lower() in SUFFIXES
        }
        stems: dict[str, list[str | None]] = {}
        for image in sorted(found):
            stems.setdefault(Path(image).stem, []).append(PurePosixPath(name, image).as_posix())
        return stems


def _sizes_in(path: Path) -> Iterator[_Entry]:
    """The rows of our table of sizes; a size that is none is looked for in the image."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                width, height = (whole_number(row.get(side), least=1) for side in ("width", "height"))
                size_wh = None if width is None or height is None else (width, height)
                image = row.get("filename") or ""
                yield _Entry(image=image or None, labels=None, where=f"{path.name}:{rows.line_num}", size_wh=size_wh)
    except (OSError, csv.Error) as error:
        raise BadFile(f"cannot read {path} as a table: {error}") from error


@dataclass(frozen=True, slots=True)
class _Labels:
    """A label file; `part` is its path in the document."""

    path: Path
    part: str

    def lines(self) -> Iterator[_Line]:
        """Those that are not blank."""
        index = 0
        for number, text in enumerate(lines_of(self.path), 1):
            if text.strip():
                yield _Line(words=text.split(), index=index, where=f"{self.part}:{number}")
                index += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One region: its class, and four numbers for a box, five for one with a score, or six and more for a polygon."""

    words: list[str]
    index: int
    where: str

    @property
    def kind(self) -> str | None:
        """What the line is the form of."""
        count = len(self.words) - 1
        if count in (4, 5):
            return Rect.kind
        return Polygon.kind if count >= 6 else None

    def region(self, size_wh: tuple[int, int], names: Mapping[int, str]) -> Region | Unread:
        """The region in pixels, or why there is none."""
        values = [number_of_text(word) for word in self.words]
        if None in values:
            word = self.words[values.index(None)]
            return self._unread("DR08", f"a line must hold numbers, got {short(word)}", word)
        number, *shares = (value for value in values if value is not None)
        label = whole_number(number, least=0)
        if label is None:
            return self._unread("DR17", f"a class must be a whole number from 0, got {self.words[0]}", self.words[0])
        if self.kind is None or (self.kind == Polygon.kind and len(shares) % 2):
            message = f"a line must hold 4 numbers of a box, 5 with a score, or x and y of 3 corners, got {len(shares)}"
            return self._unread("DR08", message, len(shares))
        return Region(
            shape=_shape(shares, size_wh),
            label=names.get(label, str(label)),
            attributes={"score": shares[4]} if len(shares) == 5 else {},
            index=self.index,
            where=self.where,
        )

    def _unread(self, rule: str, message: str, value: object) -> Unread:
        return Unread(
            rule=rule,
            message=message,
            where=self.where,
            values={"value": value},
            index=self.index,
            shape_kind=self.kind,
        )


def _shape(shares: Sequence[float], size_wh: tuple[int, int]) -> Shape:
    width, height = size_wh
    if len(shares) >= 6:
        return opened([tuple((x * width, y * height) for x, y in zip(shares[::2], shares[1::2], strict=True))])
    cx, cy, box_width, box_height = shares[:4]
    return Rect((cx - box_width / 2) * width, (cy - box_height / 2) * height, box_width * width, box_height * height)
