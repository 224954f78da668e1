"""What is delivered: annotation files and jobs, whom and when they come from, and where their images are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import orjson

from teppr.annotations.images import ImageFolders
from teppr.annotations.names import provenance_of
from teppr.errors import BadFile
from teppr.files import HALF_WRITTEN, sha256_of
from teppr.formats.contract import FORMATS, Format, format_of
from teppr.problems.contract import Problem
from teppr.types import AnnotationFile, Provenance

MOST_BYTES_TO_EXPLAIN = 50_000_000
"""A file beyond this that no format knows is not parsed merely to say where it breaks."""


def annotation_files(paths: Iterable[Path]) -> list[Path]:
    """The files themselves: of a folder all *.json in it, of a job folder those in its `annotations`.

    Raises BadFile for what is not there, and for a folder that holds none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = _json_files(path) or _json_files(path / "annotations")
            if not inside:
                raise BadFile(f"{path} holds no annotation files (*.json)")
            found.extend(inside)
        elif path.exists():
            found.append(path)
        else:
            raise BadFile(f"{path} is not there")
    return list(dict.fromkeys(path.absolute() for path in found))


def _json_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.is_file() and not path.name.startswith(HALF_WRITTEN))


def identified(path: Path, problem: Problem, given: Provenance) -> tuple[Provenance, AnnotationFile]:
    """What the file's name says completed by what is `given`, and the file's identity."""
    named = provenance_of(path.name)
    said = {
        name: getattr(given, name)
        for name in ("annotator", "tool", "batch", "part", "cut", "released")
        if getattr(given, name) is not None
    }
    provenance = replace(named, **said)
    file = AnnotationFile(
        sha256=sha256_of(path),
        path=str(path),
        size_bytes=path.stat().st_size,
        format="unknown",
        problem=problem.id,
        annotator=provenance.annotator,
        tool=provenance.tool,
        batch=provenance.batch,
        part=provenance.part,
        cut=provenance.cut,
        released=provenance.released,
    )
    return provenance, file


def image_folders(path: Path, provenance: Provenance, images: Path | None) -> ImageFolders:
    """Where to look for the images of an annotation file.

    images: a folder given by the user; otherwise the file's own folder, and in a job `images/<batch>` and `images`,
        or all batches where the file's is not known
    """
    batches = [provenance.batch] if provenance.batch and Path(provenance.batch).name == provenance.batch else []
    if images is not None:
        return ImageFolders([images.absolute(), *(images.absolute() / batch for batch in batches)])
    if path.parent.name != "annotations":
        return ImageFolders([path.parent])
    of_job = path.parent.parent / "images"
    unknown = sorted(folder for folder in of_job.glob("*") if folder.is_dir()) if not batches else []
    return ImageFolders([*(of_job / batch for batch in batches), of_job, path.parent], equals=unknown)


def format_asked(path: Path, name: str | None) -> Format:
    """The format asked for, or the one that knows the file; raises BadFile saying why none does."""
    if name is not None:
        return FORMATS.load(name)
    try:
        return format_of(path)
    except BadFile as error:
        raise BadFile(f"{error}{_why(path)}") from error


def _why(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES_TO_EXPLAIN:
        return ""
    try:
        orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        return f" - it is not JSON: {error}"
    return ""
