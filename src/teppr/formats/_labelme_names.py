"""Where labelme's files stand, and which images they are about."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from teppr.files import HALF_WRITTEN

_DRIVE = re.compile(r"[A-Za-z]:/")
_MOST_NAME_BYTES = 200


def name_of_image(place: PurePosixPath, image_path: str) -> str:
    """The image's name, from the folder of all files on, of a file that stands at `place` in it."""
    name = image_path.replace("\\", "/")
    if place.parent.name and not _DRIVE.match(name):
        name = posixpath.normpath(posixpath.join(place.parent.as_posix(), name))
    while name.startswith("../") and name != "../":
        name = name.removeprefix("../")
    return name


def free_place(folder: Path, filename: str, number: int) -> tuple[PurePosixPath, str]:
    """Where a new file for an image stands in the folder of all files, and how it names the image.

    Beside where the image would stand, as labelme has it; by its number where that place is taken, or is none.
    """
    image = PurePosixPath(filename)
    if _is_plain(filename):
        for place in (image.with_suffix(".json"), image.with_name(f"{image.name}.json")):
            if _is_free(folder, place):
                return place, image.name
    return next(place for place in _numbered(number) if _is_free(folder, place)), filename


def _numbered(number: int) -> Iterator[PurePosixPath]:
    name = f"{number:06d}"
    while True:
        yield PurePosixPath(f"{name}.json")
        name += "_"


def _is_plain(filename: str) -> bool:
    """Whether a file of that name may stand in a folder."""
    path = PurePosixPath(filename)
    if path.as_posix() != filename or not path.name or path.is_absolute() or ".." in path.parts:
        return False
    try:
        longest = max(len(part.encode()) for part in path.parts)
    except UnicodeEncodeError:
        return False
    return longest <= _MOST_NAME_BYTES and "\0" not in filename and not path.name.startswith(HALF_WRITTEN)


def _is_free(folder: Path, place: PurePosixPath) -> bool:
    above = [folder / parent for parent in place.parents if parent.name]
    return not (folder / place).exists() and not any(parent.is_file() for parent in above)
