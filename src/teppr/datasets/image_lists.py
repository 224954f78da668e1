"""Lists of images that say a split, a name on each line, as VOC (ImageSets/Main/train.txt) and YOLO have them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from teppr.errors import BadFile
from teppr.images import SUFFIXES

SUFFIX = ".txt"


@dataclass(frozen=True, slots=True)
class ImageList:
    """The images that a file names.

    names: without suffixes of images; of each also its ends, for lists say the folders from elsewhere than annotations
    """

    path: str
    names: frozenset[str]

    @classmethod
    def read(cls, path: str) -> ImageList:
        """Blank lines say nothing; raises BadFile."""
        names: set[str] = set()
        try:
            with Path(path).open(encoding="utf-8", errors="surrogateescape") as file:
                for line in filter(None, map(str.strip, file)):
                    parts = _without_suffix(line).parts
                    names.update("/".join(parts[i:]) for i in range(len(parts)))
        except OSError as error:
            raise BadFile(f"cannot read {path} as a list of images: {error.strerror or error}") from error
        return cls(path, frozenset(names))

    def __contains__(self, filename: str) -> bool:
        return _without_suffix(filename).as_posix() in self.names


def _without_suffix(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
