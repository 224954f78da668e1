"""Documents that are folders: their files in order, and names that files may have."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from teppr.errors import BadFile


def files_below(
    folder: Path, suffixes: Collection[str] | None, above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[Path]:
    """All files below `folder` with one of the suffixes (lower case; None: any), in the order of their paths.

    Holds the names of one folder at a time on each level; links are followed, but not round in circles. Raises
    BadFile where a folder cannot be read.

    above: the folders on the way here, as the system numbers them
    """
    for entry in entries_of(folder):
        path = folder / entry.name
        if entry.is_dir():
            here = _number(path)
            if here not in above:
                yield from files_below(path, suffixes, above | {here})
        elif (suffixes is None or path.suffix.lower() in suffixes) and entry.is_file():
            yield path


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, in the order of the names; raises BadFile where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise BadFile(f"cannot read the folder {folder}: {error.strerror or error}") from error


def path_within(name: str) -> PurePosixPath | None:
    """The path that an image's name is, relative to some folder; None where it leads out of it or is none."""
    path = PurePosixPath(name)
    leads_out = path.is_absolute() or ".." in path.parts or "\0" in name
    return None if leads_out or not path.parts else path


def is_free(path: Path) -> bool:
    """Whether a new file can be there, its folders made: nothing is there yet, and a file can have the name."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.lstat()
    except FileNotFoundError:
        return True
    except (FileExistsError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False
    return False


def _number(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
