"""TFRecord files: framed records with checksums, each a `tf.train.Example`; read and written without TensorFlow.

The framing is 8 bytes of length, their masked CRC32C, the record, its masked CRC32C. The package `tfrecord` checks no
sum, takes any length for true, and imports PyTorch; so the framing is here, and the checksum is the package `crc32c`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from teppr.errors import BadFile, BadInput, MissingExtra

Value: TypeAlias = bytes | float | int
Features: TypeAlias = Mapping[str, Sequence[Value]]
"""Values by the names of their features: all bytes, all floats or all integers."""

_LENGTH, _SUM = struct.Struct("<Q"), struct.Struct("<I")
_MASK = 0xA282EAD8
_LISTS = (("bytes_list", "BytesList", 12), ("float_list", "FloatList", 2), ("int64_list", "Int64List", 3))
"""Kinds of values: field of a feature, its message, the type of its values in protocol buffers."""


class Record(NamedTuple):
    """A record as it stands in a file: its number from 0; `data` is None where its checksum is wrong."""

    number: int
    data: bytes | None


def masked_sum(data: bytes) -> int:
    """The masked CRC32C; raises MissingExtra."""
    try:
        from crc32c import crc32c
    except ImportError as error:
        raise MissingExtra("reading and writing TFRecord", "tfrecord") from error
    value = crc32c(data)
    return (((value >> 15) | (value << 17)) + _MASK) & 0xFFFFFFFF


def write_record(file: BinaryIO, data: bytes) -> int:
    """Put a record; returns how many bytes it takes."""
    length = _LENGTH.pack(len(data))
    framed = length + _SUM.pack(masked_sum(length)) + data + _SUM.pack(masked_sum(data))
    return file.write(framed)


def read_records(path: Path) -> Iterator[Record]:
    """The records in their order; raises BadFile where the framing is broken, for nothing is found behind that."""
    try:
        size = path.stat().st_size if path.is_file() else -1
        if size < 0:
            raise BadFile(f"{path} is not a file")
        with path.open("rb") as file:
            number = 0
            while (at := file.tell()) < size:
                length = _length(file, size, path, number)
                data, checksum = file.read(length), file.read(_SUM.size)
                if len(data) < length or len(checksum) < _SUM.size:
                    raise BadFile(f"cannot read as TFRecord: record {number} at byte {at} of {path} ends too early")
                yield Record(number, data if _SUM.unpack(checksum)[0] == masked_sum(data) else None)
                number += 1
    except OSError as error:
        raise BadFile(f"cannot read {path}: {error.strerror or error}") from error


def _length(file: BinaryIO, size: int, path: Path, number: int) -> int:
    at = file.tell()
    head = file.read(_LENGTH.size + _SUM.size)
    if len(head) == _LENGTH.size + _SUM.size:
        length, checksum = head[: _LENGTH.size], _SUM.unpack(head[_LENGTH.size :])[0]
        count = int(_LENGTH.unpack(length)[0])
        if checksum == masked_sum(length) and count <= size - file.tell():
            return count
    raise BadFile(f"cannot read as TFRecord: no record {number} begins at byte {at} of {path}")


def features_of(data: bytes) -> dict[str, list[Value]]:
    """The features of an example by their names; raises BadInput for other bytes."""
    from google.protobuf.message import DecodeError

    example = _message()()
    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise BadInput("a record must be a tf.train.Example, and cannot be read as one") from error
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[name] = [] if kind is None else list(getattr(feature, kind).value)
    return found


def example_of(features: Features) -> bytes:
    """An example as bytes, the same for the same features; values of a feature are all bytes, floats or integers."""
    example = _message()()
    for name in sorted(features):
        values = features[name]
        field = "bytes_list"
        if values and not isinstance(values[0], bytes):
            field = "float_list" if isinstance(values[0], float) else "int64_list"
        getattr(example.features.feature[name], field).value.extend(values)
    return bytes(example.SerializeToString(deterministic=True))


@cache
def _message() -> type[Any]:
    """The message `tf.train.Example`, by its published definition, in a pool of its own."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="teppr_example.proto", package="teppr.example", syntax="proto3")
    for _, name, kind in _LISTS:
        values = file.message_type.add(name=name).field.add(name="value", number=1, label=3, type=kind)
        if kind != 12:
            values.options.packed = True
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (field, name, _) in enumerate(_LISTS, 1):
        feature.field.add(
            name=field, number=number, label=1, type=11, type_name=f".teppr.example.{name}", oneof_index=0
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=9)
    entry.field.add(name="value", number=2, label=1, type=11, type_name=".teppr.example.Feature")
    features.field.add(name="feature", number=1, label=3, type=11, type_name=".teppr.example.Features.FeatureEntry")
    example = file.message_type.add(name="Example")
    example.field.add(name="features", number=1, label=1, type=11, type_name=".teppr.example.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("teppr.example.Example"))
    return made
