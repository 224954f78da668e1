"""The images beside a document: found by their names without the ending, and measured, for formats that say neither."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from teppr import images
from teppr.errors import BadImage


class ImagesBeside:
    """The image files below some folders, best folder first; looked through when first asked."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._found: dict[str, tuple[str, Path]] | None = None

    def all(self) -> dict[str, tuple[str, Path]]:
        """{name within its folder, without the ending: (name within its folder, path)}; of equal ones the first."""
        if self._found is None:
            self._found = {}
            for folder in self._folders:
                for path in images.find(folder) if folder.is_dir() else ():
                    name = path.relative_to(folder)
                    self._found.setdefault(name.with_suffix("").as_posix(), (name.as_posix(), path))
        return self._found

    def named(self, stem: str) -> str | None:
        """The name of the image of this name without the ending; None where there is none."""
        found = self.all().get(stem)
        return None if found is None else found[0]

    def size_of(self, name: str) -> tuple[int, int] | None:
        """Width and height that the image of this name declares; None where it is not there, or is none."""
        for folder in self._folders:
            try:
                return images.size_of(folder / name)
            except BadImage:
                continue
        return None
