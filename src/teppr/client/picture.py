"""What people give as an image, as the bytes of a file and a name."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from teppr.errors import BadFile, BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

UNNAMED = "image"
MAGIC = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))
AS_IT_IS = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""Modes of Pillow that PNG keeps; the others become RGB first."""
QUICKLY = 1
"""PNG's level of compression: twice the bytes of the best, in a tenth of the time."""


@runtime_checkable
class Array(Protocol):
    """An array in memory, such as NumPy's: uint8 [height, width, 3] in RGB, or [height, width] in grey."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Shape, type and place of the data."""


@runtime_checkable
class Readable(Protocol):
    """A file open for reading bytes."""

    def read(self) -> bytes:
        """All that is left in it."""


Given: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Array | Image"
"""An image: a path, the bytes of a file, an open file, an array in RGB, or an image of Pillow's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as it is sent: the bytes of a file, and the name that its answer has."""

    name: str
    data: bytes

    @property
    def media_type(self) -> str:
        """The content's type, by what it begins with."""
        return next((kind for magic, kind in MAGIC if self.data.startswith(magic)), "application/octet-stream")


def picture_of(given: Given, name: str | None = None) -> Picture:
    """Read or encode what was given; arrays and Pillow's images become PNG, so that no pixel changes.

    Raises BadFile for a file that cannot be read, BadInput for what cannot be an image.
    """
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        try:
            return Picture(name=name or path.name, data=path.read_bytes())
        except OSError as error:
            raise BadFile(f"cannot read {path}: {error.strerror or error}") from error
    if isinstance(given, bytes | bytearray | memoryview):
        return Picture(name=name or UNNAMED, data=bytes(given))
    if isinstance(given, Readable):
        return Picture(name=name or _name_of(given), data=_read(given))
    return Picture(name=name or f"{UNNAMED}.png", data=_encoded(given))


def _name_of(file: Readable) -> str:
    # Files of the operating system have their path here, temporary ones a number.
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) else UNNAMED


def _read(file: Readable) -> bytes:
    data: object = file.read()
    if not isinstance(data, bytes):
        raise BadInput(f"an image's file must give bytes, got {type(data).__name__}: open it with mode 'rb'")
    return data


def _encoded(given: Array | Image) -> bytes:
    import PIL.Image

    image = given if isinstance(given, PIL.Image.Image) else PIL.Image.fromarray(_checked(given))
    if image.mode == "F":
        raise BadInput("an image of floats has no agreed range: give uint8, 0 to 255")
    if image.mode not in AS_IT_IS:
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=QUICKLY)
    return file.getvalue()


def _checked(given: Array) -> Array:
    facts: object = getattr(given, "__array_interface__", None)
    if not isinstance(facts, dict):
        raise BadInput(
            f"an image is a path, bytes, an open file, an array or an image of Pillow's, got {type(given).__name__}"
        )
    shape, kind = tuple(facts["shape"]), str(facts["typestr"])
    grey_or_rgb = len(shape) in {2, 3} and shape[2:] in {(), (3,)} and 0 not in shape
    if not kind.endswith("u1") or not grey_or_rgb:
        raise BadInput(
            f"an array must be uint8 [height, width, 3] in RGB or [height, width] in grey, got {kind} {list(shape)}"
        )
    return given
