"""The messages that TFRecord files hold: TensorFlow's Example, and the label map beside it.

They are declared here, in a pool of their own: the package `tfrecord` has Example as well, but loads PyTorch where that
is installed, and two declarations of one message in one pool are an error.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from teppr.errors import MissingExtra

_PACKAGE = "teppr"
_BYTES, _FLOAT, _INT32, _INT64, _STRING, _MESSAGE = 12, 2, 5, 3, 9, 11
"""Kinds of field, by protobuf's numbers."""

_MESSAGES: dict[str, tuple[tuple[str, int | str, bool], ...]] = {
    "BytesList": (("value", _BYTES, True),),
    "FloatList": (("value", _FLOAT, True),),
    "Int64List": (("value", _INT64, True),),
    "Feature": (
        ("bytes_list", "BytesList", False),
        ("float_list", "FloatList", False),
        ("int64_list", "Int64List", False),
    ),
    # A map is a list of its entries.
    "Entry": (("key", _STRING, False), ("value", "Feature", False)),
    "Features": (("feature", "Entry", True),),
    "Example": (("features", "Features", False),),
    "Item": (("name", _STRING, False), ("id", _INT32, False), ("display_name", _STRING, False)),
    "LabelMap": (("item", "Item", True),),
}
"""{message: its fields from number 1 on, as (name, kind or message, whether there may be several)}."""


class Messages(NamedTuple):
    """The classes of the messages."""

    example: Any
    label_map: Any


@cache
def messages() -> Messages:
    """The classes; raises MissingExtra where protobuf is not installed."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError as error:
        raise _missing() from error
    file = descriptor_pb2.FileDescriptorProto(name="tfrecord.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for number, (name, kind, repeated) in enumerate(fields, 1):
            field = declared.field.add(name=name, number=number, label=3 if repeated else 1)
            field.type = kind if isinstance(kind, int) else _MESSAGE
            if isinstance(kind, str):
                field.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    example, label_map = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("Example", "LabelMap")
    )
    return Messages(example, label_map)


def check_installed() -> None:
    """Raise MissingExtra where what TFRecord files need is not installed."""
    messages()
    crc32c(b"")


def crc32c(data: bytes) -> int:
    """The checksum of the bytes; raises MissingExtra where its package is not installed."""
    try:
        import crc32c as package
    except ImportError as error:
        raise _missing() from error
    return package.crc32c(data)


def _missing() -> MissingExtra:
    return MissingExtra("reading and writing TFRecord files", "tfrecord")
