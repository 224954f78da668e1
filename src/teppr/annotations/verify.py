"""The annotation database held against the files that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from teppr.annotations.delivery import parts_of
from teppr.errors import BadFile
from teppr.files import sha256_of, sha256_of_parts
from teppr.progress import QUIET, Progress
from teppr.store.contract import ImageQuery, Store, StoredImage
from teppr.types import AnnotationFile

AT_ONCE = 256
"""Images that are hashed together; bounds what is held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A file that is not as it was when it was ingested.

    what: "annotation file" or "image"; problem: "missing" or "changed"
    file: the annotation file that it belongs to
    """

    what: Literal["annotation file", "image"]
    problem: Literal["missing", "changed"]
    path: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was compared, and what differs."""

    files: int
    images: int
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, object]:
        """The object that `teppr annotations verify --json` prints."""
        rows = [{name: getattr(row, name) for name in row.__slots__} for row in self.differences]
        return {"files": self.files, "images": self.images, "differences": rows}


def verify(store: Store, problem: str | None = None, *, workers: int = 1, progress: Progress = QUIET) -> Verification:
    """Hash every current annotation file and every image on record again.

    Images that were never opened have no checksum and are not compared.
    """
    names: dict[str, str] = {}
    differences: list[Difference] = []
    for summary in store.files(problem, with_past=False):
        path = summary.file.path
        names[summary.file.sha256] = path
        found = _document_problem(Path(path), summary.file)
        if found:
            differences.append(Difference(what="annotation file", problem=found, path=path, file=path))
    images = 0
    with ThreadPoolExecutor(workers) as pool:
        for batch in _batches(image for image in store.images(ImageQuery(problem=problem)) if image.sha256):
            images += len(batch)
            for image, problem_found in zip(batch, pool.map(_image_problem, batch), strict=True):
                if problem_found:
                    of_file = names.get(image.file_sha256, image.file_sha256)
                    found_here = Difference(what="image", problem=problem_found, path=image.path, file=of_file)
                    differences.append(found_here)
            progress.advance(len(batch))
    return Verification(files=len(names), images=images, differences=tuple(differences))


def _document_problem(path: Path, file: AnnotationFile) -> Literal["missing", "changed"] | None:
    try:
        found = sha256_of_parts(parts_of(path, file.format), path)
    except BadFile:
        return "missing"
    return None if found == file.sha256 else "changed"


def _image_problem(image: StoredImage) -> Literal["missing", "changed"] | None:
    return _problem(image.path, image.sha256)


def _problem(path: str, sha256: str) -> Literal["missing", "changed"] | None:
    try:
        return None if sha256_of(Path(path)) == sha256 else "changed"
    except BadFile:
        return "missing"


def _batches(images: Iterator[StoredImage]) -> Iterator[list[StoredImage]]:
    while batch := list(islice(images, AT_ONCE)):
        yield batch
