"""How a YOLO document is laid out: where its label files are, what its classes are called, which images it lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath

import yaml

from teppr.errors import BadFile
from teppr.formats._folder_files import files_below, path_within
from teppr.formats._numbers import whole_number

LABELS = "labels"
IMAGES = "images"
SIZES = "sizes.csv"
"""Our own: `filename,width,height` of every image, in order, so that a document can be read without its images."""
LISTS = ("images.txt", "train.txt", "valid.txt", "val.txt", "test.txt")
"""Lists of images, one on a line, best first."""
_SUFFIXES = (".txt",)
_CONFIGS = ("*.yaml", "*.yml")
_NAMES = ("*.names", "classes.txt", "labels/classes.txt")
"""Files with the name of a class on each line."""
_NO_LABELS = frozenset({*LISTS, "classes.txt", "labels.txt", "readme.txt", "requirements.txt"})
"""Text files that may lie beside label files."""


@dataclass(frozen=True, slots=True)
class LabelFolder:
    """A folder of label files.

    images: what stands before the path of a label file in the name of its image, "" or "train/images/"
    """

    folder: Path
    images: str = ""

    def files(self) -> Iterator[Path]:
        """The label files, in the order of their paths."""
        return filter(self._is_label_file, files_below(self.folder, _SUFFIXES))

    def holds_any(self) -> bool:
        """Whether there is a label file at all."""
        return next(self.files(), None) is not None

    def stems_in(self, folder: Path, entries: Iterable[os.DirEntry[str]]) -> set[str]:
        """The names of the label files directly in one of the folders, without their suffix."""
        files = (folder / entry.name for entry in entries if entry.is_file())
        return {path.stem for path in files if path.suffix.lower() in _SUFFIXES and self._is_label_file(path)}

    def _is_label_file(self, path: Path) -> bool:
        return path.parent != self.folder or path.name.lower() not in _NO_LABELS

    def image_of(self, path: Path) -> str:
        """The name of the image that a label file belongs to, without its suffix."""
        return PurePosixPath(self.images, path.relative_to(self.folder).with_suffix("")).as_posix()

    def file_of(self, image: str) -> Path | None:
        """The label file of an image, if it is here."""
        within = path_within(image.removeprefix(self.images))
        if within is None or not image.startswith(self.images):
            return None
        path = self.folder / within.parent / f"{within.stem}.txt"
        return path if path.is_file() else None


@dataclass(frozen=True)
class YoloSet:
    """A YOLO document; raises BadFile where a file that says how it is laid out cannot be read."""

    root: Path

    @cached_property
    def labels(self) -> tuple[LabelFolder, ...]:
        """`labels`; `train/labels` and the like (Roboflow); `obj_train_data` (darknet); or the folder itself."""
        if (self.root / LABELS).is_dir():
            return (LabelFolder(self.root / LABELS),)
        of_parts = sorted(path for path in self.root.glob(f"*/{LABELS}") if path.is_dir())
        # Without a word of what is in them they may as well be several documents.
        if of_parts and any(path for pattern in _CONFIGS for path in self.root.glob(pattern)):
            return tuple(LabelFolder(path, f"{path.parent.name}/{IMAGES}/") for path in of_parts)
        of_darknet = sorted(path for path in self.root.glob("obj_*_data") if path.is_dir())
        return tuple(map(LabelFolder, of_darknet)) or (LabelFolder(self.root),)

    @property
    def in_folders_of_their_own(self) -> bool:
        """Whether label files have folders named for them."""
        return self.labels != (LabelFolder(self.root),)

    @cached_property
    def names(self) -> Mapping[int, str] | None:
        """What the classes are called; None where nothing says it."""
        for pattern in _CONFIGS:
            for path in sorted(self.root.glob(pattern)):
                if (names := _names_in_yaml(path)) is not None:
                    return names
        for pattern in _NAMES:
            for path in sorted(self.root.glob(pattern)):
                lines = lines_of(path)
                return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
        return None

    @property
    def lists(self) -> tuple[Path, ...]:
        """The lists of images that are there."""
        return tuple(path for path in (self.root / name for name in LISTS) if path.is_file())

    @property
    def sizes(self) -> Path | None:
        """The table of the images' sizes, if it is there."""
        path = self.root / SIZES
        return path if path.is_file() else None

    def parts(self) -> tuple[Path, ...]:
        """All files but the images, sorted."""
        described = {path for pattern in (*_CONFIGS, *_NAMES, "*.data") for path in self.root.glob(pattern)}
        files = {*described, *self.lists, *([self.sizes] if self.sizes else [])}
        return tuple(sorted({*files, *(path for labels in self.labels for path in labels.files())}))

    def looks_like_yolo(self) -> bool:
        """Whether the label files begin with lines of numbers; where there are none, whether all else is there."""
        if not self.in_folders_of_their_own and self.names is None:
            return False
        files = (path for labels in self.labels for path in labels.files())
        first = [line for path in islice(files, 20) for line in islice(lines_of(path), 1)]
        if first:
            return any(map(_is_line, first))
        return self.names is not None and (self.sizes is not None or self.in_folders_of_their_own)


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a text; bytes that are no UTF-8 are replaced. Raises BadFile where it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            yield from file
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error


def image_of_line(line: str) -> str:
    """The name of an image that a list names by its path: what stands behind `images`, `obj_train_data` or "./"."""
    path = PurePosixPath(line.strip().replace("\\", "/"))
    for i in range(len(path.parts) - 2, -1, -1):
        if path.parts[i] == IMAGES or (path.parts[i].startswith("obj_") and path.parts[i].endswith("_data")):
            return PurePosixPath(*path.parts[i + 1 :]).as_posix()
    return str(path_within(path.as_posix()) or path.name)


def _is_line(line: str) -> bool:
    values = line.split()
    try:
        return len(values) >= 5 and all(-1 <= float(value) <= 2 for value in values[1:]) and int(values[0]) >= 0
    except ValueError:
        return False


def _names_in_yaml(path: Path) -> Mapping[int, str] | None:
    """The `names` of a configuration, a list or an object by number; None where it has none."""
    try:
        # All scalars as text: a class may be called `no`, or 7.
        config = yaml.load(path.read_bytes(), yaml.BaseLoader)  # noqa: S506 - makes texts, lists and dicts only
    except (OSError, yaml.YAMLError, RecursionError) as error:
        raise BadFile(f"cannot read {path} as YAML: {error}") from error
    if not isinstance(config, dict) or "names" not in config:
        return None
    if "kpt_shape" in config:
        raise BadFile(f"YOLO boxes or polygons are needed, got key points (kpt_shape) in {path}")
    names = config["names"]
    pairs = (
        list(enumerate(names)) if isinstance(names, list) else list(names.items()) if isinstance(names, dict) else []
    )
    numbered = {whole_number(number, least=0): name for number, name in pairs}
    if None in numbered or not all(isinstance(name, str) for name in numbered.values()) or (names and not pairs):
        raise BadFile(f"names must be a list of texts, or an object of them by number: {path}")
    return {number: name for number, name in numbered.items() if number is not None}
