"""What is delivered: annotation files and jobs, whom and when they come from, and where their images are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from teppr.annotations.images import ImageFolders
from teppr.annotations.names import provenance_of
from teppr.errors import BadFile
from teppr.files import HALF_WRITTEN, sha256_of_parts
from teppr.formats.contract import FORMATS, Format, format_of
from teppr.problems.contract import Problem
from teppr.types import AnnotationFile, Provenance

MOST_BYTES_TO_EXPLAIN = 50_000_000
"""A file beyond this that no format knows is not parsed merely to say where it breaks."""


def annotation_files(paths: Iterable[Path], format_name: str | None = None) -> list[Path]:
    """The documents themselves: a folder that is one (VOC, YOLO ...), or what is in it, or in its `annotations`.

    In a folder every *.json counts, and whatever else a format knows. Raises BadFile for what is not there, and for a
    folder that holds none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [path] if _is_document(path, format_name) else _delivered_in(path)
            if not inside:
                raise BadFile(f"{path} holds no annotation files that a format knows{_below(path)}")
            found.extend(inside)
        elif path.exists():
            found.append(path)
        else:
            raise BadFile(f"{path} is not there")
    return list(dict.fromkeys(path.absolute() for path in found))


def _is_document(folder: Path, format_name: str | None = None) -> bool:
    if format_name is not None:
        return FORMATS.load(format_name).layout == "folder"
    return any(plugin.layout == "folder" and plugin.sniff(folder) for plugin in FORMATS.all())


def _delivered_in(folder: Path) -> list[Path]:
    """What is in a folder, or else in its `annotations`; folders of images count where there is nothing else."""
    here, below = _inside(folder), _inside(folder / "annotations")
    for found in (here, below):
        if others := [path for path in found if not (path.is_dir() and format_of(path).is_its_images)]:
            return others
    return here or below


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if _is_document(folder):
        return [folder]
    names = [path for path in sorted(folder.iterdir()) if not path.name.startswith(HALF_WRITTEN)]
    return [path for path in names if _is_delivered(path)]


def _below(folder: Path) -> str:
    """What to say of subfolders that would have been taken if they had been named."""
    names = [path.name for path in sorted(folder.iterdir()) if path.is_dir() and (_is_document(path) or _inside(path))]
    return f"; subfolders are not searched: {', '.join(names)}; name them" if names else ""


def _is_delivered(path: Path) -> bool:
    if path.is_dir():
        return _is_document(path)
    suffix = path.suffix.lower()
    plugins = [plugin for plugin in FORMATS.all() if plugin.layout == "file" and suffix in plugin.suffixes]
    return path.is_file() and (suffix == ".json" or any(plugin.sniff(path) for plugin in plugins))


def parts_of(path: Path, format_name: str) -> Sequence[Path]:
    """The files that an annotation document consists of; itself where its format is not known."""
    return FORMATS.load(format_name).parts(path) if format_name in FORMATS.names() else (path,)


def identified(
    path: Path, problem: Problem, given: Provenance, parts: Sequence[Path]
) -> tuple[Provenance, AnnotationFile]:
    """What the document's name says completed by what is `given`, and the document's identity."""
    named = provenance_of(path.name)
    said = {
        name: getattr(given, name)
        for name in ("annotator", "tool", "batch", "part", "cut", "released")
        if getattr(given, name) is not None
    }
    provenance = replace(named, **said)
    file = AnnotationFile(
        sha256=sha256_of_parts(parts, path),
        path=str(path),
        size_bytes=sum(part.stat().st_size for part in parts),
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


def image_folders(
    path: Path, provenance: Provenance, images: Path | None, usual: Sequence[Path] | None = None
) -> ImageFolders:
    """Where to look for the images of an annotation file.

    images: a folder given by the user; otherwise where the format usually has them (`usual`; the file's own folder),
        and in a job `images/<batch>` and `images`, or all batches where the file's is not known
    """
    usual = usual or [path.parent]
    batches = [provenance.batch] if provenance.batch and Path(provenance.batch).name == provenance.batch else []
    if images is not None:
        return ImageFolders([images.absolute(), *(images.absolute() / batch for batch in batches)])
    if path.parent.name != "annotations":
        return ImageFolders(usual)
    of_job = path.parent.parent / "images"
    unknown = sorted(folder for folder in of_job.glob("*") if folder.is_dir()) if not batches else []
    return ImageFolders([*(of_job / batch for batch in batches), of_job, *usual], equals=unknown)


def format_asked(path: Path, name: str | None) -> Format:
    """The format asked for, or the one that knows the file; raises BadFile saying why none does."""
    if name is not None:
        asked = FORMATS.load(name)
        if path.is_dir() and asked.layout != "folder":
            raise BadFile(f"a document of {asked.title} is a file, got the folder {path}")
        return asked
    try:
        return format_of(path)
    except BadFile as error:
        raise BadFile(f"{error}{_why(path)}") from error


def _why(path: Path) -> str:
    if path.suffix.lower() != ".json" or path.stat().st_size > MOST_BYTES_TO_EXPLAIN:
        return ""
    try:
        orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        return f" - it is not JSON: {error}"
    return ""
