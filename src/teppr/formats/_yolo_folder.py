"""How YOLO's folders are laid out: where labels, names of classes and names of images stand."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from teppr.errors import BadFile
from teppr.files import HALF_WRITTEN

LABELS = "labels"
DARKNET = "obj_train_data"
DATA = "data.yaml"
IMAGES = "images.txt"
SIZES = "sizes.csv"
SIZE_COLUMNS = ("filename", "width", "height")
_NAMES = ("obj.names", "classes.txt", "classes.names")
_LISTS = (IMAGES, "train.txt", "val.txt", "valid.txt", "test.txt")
_OTHER_TEXTS = frozenset({"classes.txt", "readme.txt", "license.txt", *_LISTS})
_BEFORE_NAMES = ("images/", f"{DARKNET}/")
_SUFFIX = ".txt"
_SKIP = "skip_if_label_file_missing"
_MOST_YAML_BYTES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a folder says beside its labels.

    root: the folder below which the label files stand like the images below theirs
    names: of the classes by their numbers; empty where none are said
    images: names of the images that lists name, in their order, by the name without the ending
    sizes_wh: of images by their names, where a file says them
    skips_unlabelled: whether images without a label file are no part of the set
    """

    root: Path
    names: Mapping[int, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    sizes_wh: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    skips_unlabelled: bool = False


def root_of(folder: Path) -> Path:
    """The folder of the label files."""
    return next((folder / name for name in (LABELS, DARKNET) if (folder / name).is_dir()), folder)


def label_names(folder: Path) -> list[str]:
    """The names of all label files below `root_of` the folder, sorted; names, for a million paths would weigh."""
    root = root_of(folder)
    found: list[str] = []
    for above, folders, names in os.walk(root):
        if root == folder:
            folders.clear()
        within = Path(above).relative_to(root).as_posix()
        prefix = "" if within == "." else f"{within}/"
        wanted = (name for name in names if name.endswith(_SUFFIX) and not name.startswith(HALF_WRITTEN))
        found += [f"{prefix}{name}" for name in wanted if root != folder or name.lower() not in _OTHER_TEXTS]
    return sorted(found)


def other_files(folder: Path) -> list[Path]:
    """The files beside the labels that say something of the set."""
    names = {*_NAMES, *_LISTS, SIZES}
    yamls = [path for pattern in ("*.yaml", "*.yml") for path in folder.glob(pattern)]
    return [*(folder / name for name in sorted(names) if (folder / name).is_file()), *yamls]


def layout_of(folder: Path) -> Layout:
    """Read all that stands beside the labels; raises BadFile naming the file that is wrong."""
    said = _of_yaml(folder)
    return Layout(
        root=root_of(folder),
        names=_names(folder, said),
        images=dict(_listed(folder)),
        sizes_wh=dict(_sizes(folder / SIZES)),
        skips_unlabelled=said.get(_SKIP) is True,
    )


def _of_yaml(folder: Path) -> dict[str, Any]:
    """What the first YAML document says that is a mapping; data.yaml before others."""
    found = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    for path in sorted(found, key=lambda path: (path.name != DATA, path.name)):
        text = _text(path, _MOST_YAML_BYTES)
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise BadFile(f"cannot read {path} as YAML: {str(error).splitlines()[0]}") from error
        if isinstance(value, dict):
            return value
    return {}


def _names(folder: Path, said: Mapping[str, Any]) -> dict[int, str]:
    names = said.get("names")
    if isinstance(names, list):
        return {i: str(name) for i, name in enumerate(names)}
    if isinstance(names, dict):
        try:
            return {int(number): str(name) for number, name in names.items()}
        except (TypeError, ValueError):
            raise BadFile(f"names must be a list, or have numbers for keys, in the YAML file of {folder}") from None
    listed = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    if listed is None:
        return {}
    return {i: line.strip() for i, line in enumerate(_text(listed).rstrip("\n").split("\n")) if line.strip()}


def _listed(folder: Path) -> Iterator[tuple[str, str]]:
    for path in (folder / name for name in _LISTS):
        for line in _text(path).split("\n") if path.is_file() else ():
            if name := _name_within(line.rstrip("\r")):
                yield PurePosixPath(name).with_suffix("").as_posix(), name


def _name_within(line: str) -> str:
    """The image's name below the folder of images, of a path as lists have it."""
    path = line.replace("\\", "/")
    for before in _BEFORE_NAMES:
        if path.startswith(before) or f"/{before}" in path:
            return path.partition(before)[2]
    return path.removeprefix("./") if path.strip() not in ("", ".", "..") else ""


def _sizes(path: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    if not path.is_file():
        return
    rows = csv.reader(_text(path).split("\n"))
    try:
        if tuple(next(rows, ())) != SIZE_COLUMNS:
            raise BadFile(f"{path} must have the columns {','.join(SIZE_COLUMNS)}")
        for row in rows:
            if row:
                name, width, height = row
                yield name, (_side(width), _side(height))
    except (csv.Error, ValueError) as error:
        raise BadFile(f"every row of {path} must hold a name, a width and a height: {error}") from error


def _side(text: str) -> int:
    side = int(text)
    if side < 1:
        raise ValueError(f"a side must be at least 1 pixel, got {side}")
    return side


def text_of(path: Path) -> str:
    """The text of a label file; raises BadFile where it cannot be read, or is none."""
    return _text(path)


def _text(path: Path, most_bytes: int | None = None) -> str:
    try:
        if most_bytes is not None and path.stat().st_size > most_bytes:
            raise BadFile(f"{path} has more than {most_bytes} bytes; it cannot be a description of a set")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"cannot read {path} as text: byte {error.start} is no UTF-8") from error
