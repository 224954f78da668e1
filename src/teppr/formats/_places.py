"""Places in a folder for files that are about images: beside where the image would stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from teppr.files import HALF_WRITTEN

_MOST_NAME_BYTES = 200


def free_place(folder: Path, filename: str, number: int, suffix: str) -> tuple[PurePosixPath, str]:
    """Where a new file for an image stands in the folder of all files, and how it names the image.

    Beside where the image would stand; by its number where that place is taken, or is none.
    suffix: of the new file, with the dot
    """
    image = PurePosixPath(filename)
    if is_place(filename):
        for place in (image.with_suffix(suffix), image.with_name(f"{image.name}{suffix}")):
            if _is_free(folder, place):
                return place, image.name
    return next(place for place in _numbered(number, suffix) if _is_free(folder, place)), filename


def _numbered(number: int, suffix: str) -> Iterator[PurePosixPath]:
    name = f"{number:06d}"
    while True:
        yield PurePosixPath(f"{name}{suffix}")
        name += "_"


def is_place(filename: str) -> bool:
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
