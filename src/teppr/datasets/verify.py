"""Whether a dataset version still is what was written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from teppr.datasets.count import split_tables
from teppr.datasets.document import DatasetDocument, document_bytes
from teppr.datasets.tables import ANNOTATION_SCHEMA, ANNOTATIONS, IMAGE_SCHEMA, IMAGES, content_hash, read_table
from teppr.errors import BadFile, Corrupt
from teppr.files import sha256_of
from teppr.progress import Progress

PACKED = "images/"
"""Where packed images lie, in the dataset's own folder."""
RESTORE = "bring the folder back from a copy, or delete this version and create or unpack it again"
PUT_BACK = (
    "put the image back, or where images lie elsewhere now, ingest their annotation files again from there "
    "(--again) and create the dataset again"
)


def differences(folder: Path, document: DatasetDocument, progress: Progress) -> Iterator[str]:
    """What is not as it was written, a sentence each with what to do: `dataset.json`, the tables, the images."""
    yield from table_differences(folder, document)
    with suppress(Corrupt):
        yield from _changed_images(folder, document, read_table(folder / IMAGES, IMAGE_SCHEMA), progress)


def table_differences(folder: Path, document: DatasetDocument) -> Iterator[str]:
    """The same of all but the images."""
    if (folder / "dataset.json").read_bytes() != document_bytes(document):
        yield f"{folder / 'dataset.json'} is not byte for byte what was written; {RESTORE}"
    tables: dict[str, pa.Table] = {}
    for name, schema in ((IMAGES, IMAGE_SCHEMA), (ANNOTATIONS, ANNOTATION_SCHEMA)):
        try:
            table = read_table(folder / name, schema)
        except Corrupt as error:
            yield f"{error}; {RESTORE}"
        else:
            tables[name] = table
            yield from _changed_table(folder / name, table, document)
    if len(tables) == 2:
        yield from _wrong_summary(tables[IMAGES], tables[ANNOTATIONS], document)


def _changed_table(path: Path, table: pa.Table, document: DatasetDocument) -> Iterator[str]:
    written = document.tables.get(path.name)
    if written is None:
        yield f"{path} is not listed in dataset.json; {RESTORE}"
    elif table.num_rows != written.rows:
        yield f"{path} has {table.num_rows} rows, {written.rows} were written; {RESTORE}"
    elif content_hash(table) != written.content_sha256:
        yield f"{path} has other content than was written; {RESTORE}"
    elif sha256_of(path) != written.sha256:
        yield (
            f"{path} has the rows that were written, but is not byte for byte the file that dataset.json states: "
            f"its images may be named in other places; {RESTORE}"
        )


def _wrong_summary(images: pa.Table, annotations: pa.Table, document: DatasetDocument) -> Iterator[str]:
    labels = [label.name for label in document.labels]
    label_ids = annotations["label_id"].to_numpy()
    strangers = np.setdiff1d(annotations["image_id"].to_numpy(), images["image_id"].to_numpy())
    if len(strangers):
        yield f"{ANNOTATIONS} has regions of images that {IMAGES} does not have: {strangers[:5].tolist()}; {RESTORE}"
    elif len(label_ids) and not (label_ids.min() >= 0 and label_ids.max() < len(labels)):
        yield f"{ANNOTATIONS} has label ids outside 0..{len(labels) - 1}; {RESTORE}"
    elif split_tables(images, annotations, labels) != document.splits:
        yield f"dataset.json states other counts than its tables have; {RESTORE}"


def _changed_images(folder: Path, document: DatasetDocument, images: pa.Table, progress: Progress) -> Iterator[str]:
    progress.expect(images.num_rows)
    paths = images["path"].to_pylist()
    remedy = RESTORE if document.packed else PUT_BACK
    for path, sha256 in zip(paths, images["sha256"].to_pylist(), strict=True):
        try:
            if document.packed and not path.startswith(PACKED):
                yield f"{path} is not in the dataset's own folder, though dataset.json says so; {RESTORE}"
            elif sha256_of(folder / path) != sha256:
                yield f"{folder / path} is another image than was written: its bytes have changed; {remedy}"
        except BadFile as error:
            yield f"{error} (an image of the dataset); {remedy}"
        progress.advance()
    if document.packed and (folder / PACKED).is_dir():
        for name in sorted({PACKED + path.name for path in (folder / PACKED).iterdir()}.difference(paths)):
            yield f"{folder / name} is no image of the dataset; remove it"
