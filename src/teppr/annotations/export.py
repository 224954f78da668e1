"""The annotation database, or a part of it, as a file for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from teppr.formats.contract import FORMATS, WriteReport
from teppr.progress import QUIET, Progress
from teppr.store.contract import ImageQuery, Store, StoredImage
from teppr.types import NOTHING, ImageRecord


def export(store: Store, query: ImageQuery, format_name: str, path: Path, progress: Progress = QUIET) -> WriteReport:
    """Write the accepted entries of current files; the file is whole or absent, memory does not grow with it."""
    format_ = FORMATS.load(format_name)
    return format_.write(_records(store, query, progress), path)


def record_of(image: StoredImage) -> ImageRecord:
    """An entry on record as formats write it."""
    return ImageRecord(
        filename=image.filename,
        where="",
        regions=image.regions,
        size_bytes=image.size_bytes,
        size_wh=image.size_wh,
        attributes=image.attributes or NOTHING,
        path=image.path,
    )


def _records(store: Store, query: ImageQuery, progress: Progress) -> Iterator[ImageRecord]:
    for image in store.images(query):
        yield record_of(image)
        progress.advance()
