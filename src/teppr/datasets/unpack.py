"""A dataset version out of the file that it travelled in: nothing is believed.

Each member of the file is the one that must come next and has the hash that it must have, so that there is no room for
a name that leads elsewhere, a link, or a file that is larger than what was sent.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from teppr.datasets.document import DatasetDocument, TableEntry, document_bytes, parse_document
from teppr.datasets.snapshot import DOCUMENT, Snapshot
from teppr.datasets.tables import ANNOTATIONS, IMAGE_SCHEMA, IMAGES, read_table
from teppr.datasets.verify import table_differences
from teppr.datasets.write import check_name, checked, placed, say_latest, tidy
from teppr.errors import BadFile, Corrupt
from teppr.files import alone_in
from teppr.progress import QUIET, Progress

TABLES = (ANNOTATIONS, IMAGES)
CHUNK_BYTES = 1 << 20
LARGEST_DOCUMENT_BYTES = 256 << 20
LARGEST_UNFOLDING = 200
"""A table is read only if it says that it is no more than so many times as large in memory as in its file."""

_PACKED = re.compile(r"images/([0-9a-f]{64})(\.[^/\0]+)?")


def unpack(archive: Path, home: Path, progress: Progress = QUIET) -> Snapshot:
    """Put the dataset version of a packed file into a home, whole or not at all; it is the latest from then on.

    All is verified while it is read; where the version is there and packed already, nothing is read but its document.
    Raises BadFile for what is no tar, Corrupt naming the member that is not what it should be.
    """
    with _Reader.opened(archive) as reader:
        document = reader.document()
        folder = home / "datasets" / document.name
        path = folder / document.version
        with alone_in(folder):
            tidy(folder)
            if not (path.exists() and checked(path).document.packed):
                with placed(path) as half:
                    _unpack_into(half, reader, document, progress)
            say_latest(folder, path.name)
    return Snapshot.open(path)


def _unpack_into(half: Path, reader: _Reader, document: DatasetDocument, progress: Progress) -> None:
    (half / DOCUMENT).write_bytes(document_bytes(document))
    for name in TABLES:
        reader.save(name, half / name, document.tables[name].sha256)
        reader.check_size(half / name, document.tables[name])
    if found := list(table_differences(half, document)):
        raise reader.corrupt(found[0].replace(f"{half}/", ""))
    (half / "images").mkdir()
    wanted = reader.images_of(read_table(half / IMAGES, IMAGE_SCHEMA))
    progress.expect(len(wanted))
    for name, sha256 in sorted(wanted.items()):
        reader.save(name, half / name, sha256)
        progress.advance()
    reader.end()


class _Reader:
    """A packed file, read from its beginning to its end, each member the one that must come next."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        self._path = path
        self._tar = tar
        self._folder = ""

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator[_Reader]:
        """Raises BadFile where it is no uncompressed tar."""
        try:
            tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed below
        except (OSError, tarfile.TarError) as error:
            why = getattr(error, "strerror", None) or "it is no uncompressed tar"
            raise BadFile(f"cannot read {path} as a dataset packed by teppr dataset pack: {why}") from error
        with tar:
            yield cls(path, tar)

    def corrupt(self, what: str) -> Corrupt:
        return Corrupt(f"{self._path} is not a dataset as it was packed: {what}; nothing was unpacked, get it again")

    def document(self) -> DatasetDocument:
        """What the first member says; all others must be as it says."""
        member = self._next()
        name, _, rest = (member.name if member else "").partition("/")
        if member is None or not rest.endswith(f"/{DOCUMENT}") or member.size > LARGEST_DOCUMENT_BYTES:
            raise self.corrupt(f"it must begin with <name>/<version>/{DOCUMENT}, got {member and member.name!r}")
        data = b"".join(self._content(member))
        document = parse_document(data, f"{self._path}: {member.name}")
        check_name(document.name)
        if (name, rest) != (document.name, f"{document.version}/{DOCUMENT}"):
            raise self.corrupt(f"{member.name} is of {document.name}@{document.version}")
        if document_bytes(document) != data or not document.packed or set(document.tables) != set(TABLES):
            raise self.corrupt(f"{member.name} is no document of a packed dataset")
        self._folder = f"{document.name}/{document.version}"
        return document

    def save(self, name: str, target: Path, sha256: str) -> None:
        """The next member, which must be `name` and have this hash, as a file."""
        member = self._next()
        if member is None or member.name != f"{self._folder}/{name}":
            raise self.corrupt(f"expected {self._folder}/{name}, got {member.name if member else 'its end'!r}")
        digest = hashlib.sha256()
        with target.open("xb") as file:
            for chunk in self._content(member):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != sha256:
            raise self.corrupt(f"{member.name} has sha256 {digest.hexdigest()[:12]}..., {sha256[:12]}... was packed")

    def end(self) -> None:
        """Raise Corrupt where there is more."""
        if (member := self._next()) is not None:
            raise self.corrupt(f"expected its end, got {member.name!r}")

    def check_size(self, path: Path, entry: TableEntry) -> None:
        """Raise Corrupt for a table that would fill the memory."""
        try:
            facts = pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            raise self.corrupt(f"{path.name} cannot be read: {error}") from error
        in_memory = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
        most_rows = path.stat().st_size if path.name == ANNOTATIONS else self._path.stat().st_size // tarfile.BLOCKSIZE
        if facts.num_rows != entry.rows or facts.num_rows > most_rows:
            raise self.corrupt(f"{path.name} says that it has {facts.num_rows} rows, {entry.rows} were packed")
        if in_memory > LARGEST_UNFOLDING * path.stat().st_size:
            raise self.corrupt(f"{path.name} says that it is {in_memory} bytes in memory")

    def images_of(self, table: pa.Table) -> dict[str, str]:
        """The sha256 of each image by its path, which must follow from it."""
        wanted = dict(zip(table["path"].to_pylist(), table["sha256"].to_pylist(), strict=True))
        for path, sha256 in wanted.items():
            found = _PACKED.fullmatch(path)
            if not found or found[1] != sha256:
                raise self.corrupt(f"{IMAGES} has an image at {path!r}")
        return wanted

    def _next(self) -> tarfile.TarInfo | None:
        """The next member, if there is one; only plain files are any."""
        try:
            member = self._tar.next()
        except (OSError, ValueError, tarfile.TarError) as error:
            raise self.corrupt(f"it cannot be read further: {error}") from error
        self._tar.members.clear()  # type: ignore[attr-defined] # it would remember each
        is_plain = member is None or (member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse())
        if member is not None and not (is_plain and member.size >= 0):
            raise self.corrupt(f"{member.name!r} is no plain file")
        return member

    def _content(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        try:
            with cast("BinaryIO", self._tar.extractfile(member)) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except (OSError, ValueError, tarfile.TarError) as error:
            raise self.corrupt(f"{member.name} cannot be read: {error}") from error
