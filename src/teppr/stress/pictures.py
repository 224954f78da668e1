"""The images that are sent: files as they are, or generated street scenes."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import BadFile, BadInput

GENERATED = 16
MOST_PICTURES, MOST_BYTES = 200, 128 * 1024 * 1024
"""What is kept in memory, so that no disk is read while it is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image file as it is sent."""

    name: str
    media_type: str
    content: bytes


def generated_pictures(count: int = GENERATED) -> list[Picture]:
    """Street scenes as JPEG, the same ones each time."""
    import numpy as np

    from teppr.images import encode_jpeg
    from teppr.scenes.street import scene

    chance = np.random.default_rng(0)
    return [
        Picture(name=f"scene_{i}.jpg", media_type="image/jpeg", content=encode_jpeg(scene(chance).pixels))
        for i in range(count)
    ]


def pictures_in(folder: Path) -> tuple[list[Picture], int]:
    """The files in a folder and below it, and how many were left out beyond what is kept in memory.

    Of many files some are taken, evenly from all over the folder. Whether they are images is for the service to say.
    Raises BadInput where there are none, BadFile where one cannot be read.
    """
    if not folder.is_dir():
        raise BadInput(f"--images must be a folder of images, and {folder} is none")
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not found:
        raise BadInput(f"there is no file in {folder}; without --images generated ones are sent")
    step = max(len(found) / MOST_PICTURES, 1.0)
    taken = [found[int(i * step)] for i in range(min(len(found), MOST_PICTURES))]
    pictures: list[Picture] = []
    room = MOST_BYTES
    for path in taken:
        content = _content(path)
        room -= len(content)
        if pictures and room < 0:
            break
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        pictures.append(Picture(name=path.name, media_type=media_type, content=content))
    return pictures, len(found) - len(pictures)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
