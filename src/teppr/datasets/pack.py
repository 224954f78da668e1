"""A dataset version in one file that travels, images and all: an uncompressed tar.

Its members, in this order, and nothing else:

    <name>/<version>/dataset.json
    <name>/<version>/annotations.parquet
    <name>/<version>/images.parquet
    <name>/<version>/images/<sha256>.<suffix>        each image once, sorted

The same version gives the same bytes by the same Parquet library, whether its images lay in the folder or elsewhere.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

import pyarrow as pa

from teppr.datasets.document import document_bytes
from teppr.datasets.snapshot import DOCUMENT, Snapshot
from teppr.datasets.tables import ANNOTATIONS, IMAGE_SCHEMA, IMAGES, put_table
from teppr.datasets.write import checked, packed_path
from teppr.errors import BadFile, BadInput, Corrupt
from teppr.files import sha256_of, whole_file
from teppr.progress import QUIET, Progress

SUFFIX = ".tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A file that was written.

    sha256: of the file, to compare it by where it arrives
    """

    path: Path
    images: int
    size_bytes: int
    sha256: str


def pack(snapshot: Snapshot, target: Path, progress: Progress = QUIET) -> Packed:
    """Write a dataset version with its images into one file, whole or absent; a file of that name is replaced.

    Raises BadInput for a name that does not end in .tar, BadFile for an image that is gone, Corrupt where an image or
    a table is not what it was when the dataset was made.
    """
    if target.suffix != SUFFIX:
        raise BadInput(f"a packed dataset is an uncompressed tar, name it *{SUFFIX}, got {target}")
    checked(snapshot.path)
    images = snapshot.images_table
    wanted = [packed_path(*pair) for pair in zip(images["sha256"].to_pylist(), images["path"].to_pylist(), strict=True)]
    sources = dict(zip(wanted, zip(images["path"].to_pylist(), images["sha256"].to_pylist(), strict=True), strict=True))
    progress.expect(len(sources))
    with whole_file(target) as file, _Archive(file, snapshot.reference.replace("@", "/")) as archive:
        for name, data in _head(snapshot, wanted).items():
            archive.add(name, io.BytesIO(data), len(data))
        for name, (path, sha256) in sorted(sources.items()):
            archive.add_image(name, snapshot.path / path, sha256)
            progress.advance()
    return Packed(path=target, images=len(sources), size_bytes=target.stat().st_size, sha256=sha256_of(target))


def _head(snapshot: Snapshot, paths: list[str]) -> dict[str, bytes]:
    """The document and the tables as a packed version has them."""
    document, images = snapshot.document, snapshot.images_table
    annotations = (snapshot.path / ANNOTATIONS).read_bytes()
    if document.packed:
        table = (snapshot.path / IMAGES).read_bytes()
    else:
        sink = io.BytesIO()
        place = images.schema.get_field_index("path")
        put_table(images.set_column(place, IMAGE_SCHEMA.field(place), pa.array(paths, pa.string())), sink)
        table = sink.getvalue()
    entry = document.tables[IMAGES].model_copy(update={"sha256": hashlib.sha256(table).hexdigest()})
    tables = {**document.tables, IMAGES: entry}
    whole = document.model_copy(update={"packed": True, "tables": tables})
    return {DOCUMENT: document_bytes(whole), ANNOTATIONS: annotations, IMAGES: table}


class _Archive:
    """A tar on its way, in which nothing says who wrote it, or when."""

    def __init__(self, file: BinaryIO, folder: str) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed on exit
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def add(self, name: str, content: BinaryIO, size: int) -> None:
        member = tarfile.TarInfo(f"{self._folder}/{name}")
        member.size = size
        self._tar.addfile(member, content)
        self._tar.members.clear()  # type: ignore[attr-defined] # it would remember each of a million

    def add_image(self, name: str, path: Path, sha256: str) -> None:
        try:
            with path.open("rb") as file:
                hashing = _Hashing(file)
                self.add(name, cast("BinaryIO", hashing), path.stat().st_size)
        except OSError as error:
            raise BadFile(f"cannot pack {path}: {error.strerror or error}; teppr dataset verify lists all") from error
        if hashing.hexdigest() != sha256:
            raise Corrupt(
                f"{path} is another image than the dataset was made of: its bytes have changed since; put it back"
            )


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._digest.update(data)
        return data

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
