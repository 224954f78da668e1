"""TFRecord files: records one after the other, each as its length, the length's checksum, its bytes and their checksum.

The reader of the package `tfrecord` passes over both checksums, so that a damaged file would be read as what it is not.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from teppr.errors import BadFile
from teppr.formats._tfrecord_messages import crc32c

_FILE = re.compile(r".+\.(?:tfrecords?|record)|.+-\d{5}-of-\d{5}")
_SHARD = re.compile(r"(.*-)\d{5}-of-(\d{5})(\..*)?")
"""A file of several: what stands before its number, how many there are, and the ending if that comes last."""
_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_PREFIX = re.compile(rb"\x0a[\x80-\xff]*[\x00-\x7f]\x0a[\x80-\xff]*[\x00-\x7f]\x0a[\x00-\x7f]image/", re.DOTALL)
"""How an Example of an image begins: features, a feature, and its key."""


def files_of(path: Path) -> list[Path]:
    """The TFRecord files of a document, sorted: the file itself, or those of the folder."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if _FILE.fullmatch(file.name) and file.is_file())


def check_shards(files: Sequence[Path]) -> None:
    """Raise BadFile where a file is said to be one of several, and another of them is not there."""
    there = {file.name for file in files}
    for before, count, ending in {found.groups("") for name in there if (found := _SHARD.fullmatch(name))}:
        wanted = (f"{before}{number:05d}-of-{count}{ending}" for number in range(int(count)))
        if missing := next((name for name in wanted if name not in there), None):
            raise BadFile(f"all of {int(count)} files must be there, {missing} is not in {files[0].parent}")


def looks_like_images(path: Path) -> bool:
    """Whether the first record of a file is whole and begins as the Example of an image, checksums aside."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
            beginning = file.read(64)
            size = file.seek(0, 2)
    except OSError:
        return False
    if len(header) < _HEADER.size:
        return False
    length, _ = _HEADER.unpack(header)
    return _HEADER.size + length + _CHECKSUM.size <= size and _PREFIX.match(beginning) is not None


def records_of(path: Path) -> Iterator[bytes | None]:
    """The records of a file, None for one whose bytes are not those that were written.

    Raises BadFile where the file ends too early or a length is damaged: where the next record begins is not known then.
    """
    try:
        if not path.is_file():
            raise BadFile(f"{path} is not a file")
        with path.open("rb") as file:
            yield from _records(file, path, path.stat().st_size)
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error


def _records(file: BinaryIO, path: Path, size: int) -> Iterator[bytes | None]:
    while (at := file.tell()) < size:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise BadFile(f"no TFRecord: the file ends within a record's length, at byte {at} of {path}")
        length, checksum = _HEADER.unpack(header)
        if masked(header[:8]) != checksum:
            raise BadFile(f"no TFRecord, or damaged: the checksum of a record's length is wrong at byte {at} of {path}")
        if length + _CHECKSUM.size > size - file.tell():
            raise BadFile(f"no TFRecord: the file ends within the record of {length} bytes at byte {at} of {path}")
        record = file.read(length)
        (checksum,) = _CHECKSUM.unpack(file.read(_CHECKSUM.size))
        yield record if masked(record) == checksum else None


def framed(record: bytes) -> bytes:
    """A record as it stands in a file."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _CHECKSUM.pack(masked(length)), record, _CHECKSUM.pack(masked(record))))


def masked(data: bytes) -> int:
    """The checksum as TFRecord keeps it: turned and shifted, for records may hold checksums themselves."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
