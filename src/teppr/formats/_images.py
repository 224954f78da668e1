"""Images of formats that do not say all of an image: its full name, or its size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import BadImage
from teppr.formats._folder_files import path_within
from teppr.images import SUFFIXES, size_of
from teppr.types import Unread

_ENDINGS = ("", *sorted(SUFFIXES), *sorted(suffix.upper() for suffix in SUFFIXES))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image that is there; `filename` is what it was asked for by, completed by its suffix."""

    filename: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSize:
    """Why the size of an image is not known, and the rule that it breaks."""

    rule: str
    message: str


def find_image(name: str, folders: Sequence[Path]) -> FoundImage | None:
    """The image of that name, or of that name and a suffix, in the first folder that has it; never outside of one."""
    within = path_within(name)
    if within is None:
        return None
    endings = _ENDINGS[:1] if within.suffix.lower() in SUFFIXES else _ENDINGS
    for folder in folders:
        for ending in endings:
            path = folder / f"{within}{ending}"
            if path.is_file():
                return FoundImage(filename=f"{name}{ending}", path=path)
    return None


def look_at(name: str, folders: Sequence[Path]) -> tuple[FoundImage, tuple[int, int]] | NoSize:
    """An image with its width and height, as its header declares them."""
    found = find_image(name, folders)
    if found is None:
        places = ", ".join(map(str, folders))
        return NoSize(rule="DR03", message=f"{name!r} is not in {places}, and its width and height are not known")
    try:
        return found, size_of(found.path)
    except BadImage as error:
        return NoSize(rule="DR04", message=str(error))


def entry_without_size(problem: NoSize, where: str, regions: Iterable[tuple[str, str | None]]) -> Iterator[Unread]:
    """An entry that cannot be read since shares of an unknown size are no pixels, and each of its regions.

    regions: where each is, and what the file calls its shape
    """
    yield Unread(rule=problem.rule, message=problem.message, where=where)
    message = f"the image of this region cannot be measured: {problem.message}"
    for index, (place, kind) in enumerate(regions):
        yield Unread(rule=problem.rule, message=message, where=place, index=index, shape_kind=kind)
