"""Which files are meant by what people give: files, folders, patterns, lists."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from teppr import images, videos
from teppr.errors import BadInput

LIST_SUFFIX = ".txt"
MAGIC = re.compile(r"[*?\[]")
"""What makes a path a pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A file to predict on; `name` is what results call it: its path below the folder that was given."""

    path: Path
    name: str

    @property
    def is_video(self) -> bool:
        """It is named like a video, whatever it is."""
        return self.path.suffix.lower() in videos.SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The files that are meant, each once; `repeated`: those that were named again, each time that they were."""

    pictures: tuple[Picture, ...]
    repeated: tuple[Path, ...]


def find_pictures(inputs: Iterable[str], *, with_videos: bool = True) -> list[Picture]:
    """The files of `find_inputs`, without what was said of them twice."""
    return list(find_inputs(inputs, with_videos=with_videos).pictures)


def find_inputs(inputs: Iterable[str], *, with_videos: bool = True) -> Inputs:
    """The files that are meant by files, folders, patterns like "*.jpg", and .txt files with a path a line.

    Folders are searched for files that are named like images, or like videos. A file that is meant twice, by whatever
    path, is predicted once. Raises BadInput where one of the inputs means no file.
    """
    suffixes = images.SUFFIXES | videos.SUFFIXES if with_videos else images.SUFFIXES
    pictures: dict[str, Picture] = {}
    seen: set[Path] = set()
    repeated: list[Path] = []
    for given in inputs:
        found = list(_meant_by(given, suffixes))
        if not found:
            what = "image or video" if with_videos else "image"
            raise BadInput(f"there is no {what} at {given}; give files, folders, patterns or a .txt list of paths")
        for picture in found:
            whole = picture.path.resolve()
            if whole in seen:
                repeated.append(picture.path)
                continue
            seen.add(whole)
            # The same name in two folders: then whole paths tell them apart.
            name = whole.as_posix().lstrip("/") if picture.name in pictures else picture.name
            pictures[name] = Picture(path=picture.path, name=name)
    return Inputs(pictures=tuple(pictures.values()), repeated=tuple(repeated))


def _meant_by(given: str, suffixes: Collection[str]) -> Iterator[Picture]:
    path = Path(given)
    if path.is_dir():
        for found in sorted(below for below in path.rglob("*") if below.suffix.lower() in suffixes):
            if found.is_file():
                yield Picture(path=found, name=found.relative_to(path).as_posix())
    elif path.is_file() and path.suffix == LIST_SUFFIX:
        for line in path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines():
            if line.strip():
                listed = path.parent / line.strip()
                yield Picture(path=listed, name=listed.name)
    elif MAGIC.search(given) and not path.exists():
        parts = [bool(MAGIC.search(part)) for part in path.parts]
        base, pattern = Path(*path.parts[: parts.index(True)]), Path(*path.parts[parts.index(True) :])
        for found in sorted(base.glob(str(pattern))):
            if found.is_file():
                yield Picture(path=found, name=found.relative_to(base).as_posix())
    else:
        # A file that is not there is refused like any that cannot be read, so that the rest goes on.
        yield Picture(path=path, name=path.name)
