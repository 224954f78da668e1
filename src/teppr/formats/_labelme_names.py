"""Where labelme's files stand, and which images they are about."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath

_DRIVE = re.compile(r"[A-Za-z]:/")


def name_of_image(place: PurePosixPath, image_path: str) -> str:
    """The image's name, from the folder of all files on, of a file that stands at `place` in it."""
    name = image_path.replace("\\", "/")
    if place.parent.name and not _DRIVE.match(name):
        name = posixpath.normpath(posixpath.join(place.parent.as_posix(), name))
    while name.startswith("../") and name != "../":
        name = name.removeprefix("../")
    return name
