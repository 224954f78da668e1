"""Images from files that may be anything: opened within limits, decoded whole, or refused with a reason.

The one door for pixels: design-rule checks, training, prediction and the service all come through here, so that a
file is the same image, or the same refusal, everywhere.
"""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from teppr.errors import BadImage

Pixels = npt.NDArray[np.uint8]

DEFAULT_MAX_PIXELS = 64_000_000
MOST_PIXELS = 2 * 89_478_485
"""Beyond twice its `MAX_IMAGE_PIXELS` Pillow opens nothing, whatever `max_pixels` says."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
ORIENTATION_TAG = 0x0112
BYTES_PER_PIXEL = 8
"""Of the largest raw pixels that are decoded: four channels of 16 bits."""
BYTES_BESIDE_PIXELS = 64_000_000
"""Room for metadata and for further frames of an animation."""
HASHED_PX = 32
"""Side of the picture that an image's perceptual hash is made of."""
SAMPLED_PX = 8 * HASHED_PX
LETTERBOX_GREY = 114
"""What lies around a letterboxed image, as detectors of the YOLO family have it in training."""
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".mpo", ".apng"}
)
"""Endings of the files that a folder is searched for; whatever their content is."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Formats that are decoded (multi-picture JPEGs among them); icons, textures and the like are refused by name."""

_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    NotImplementedError,
    OverflowError,
    AttributeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on broken files, by trial on files made to break them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of an image once it has been decoded whole.

    size_wh: stored pixels, EXIF orientation not applied
    orientation: EXIF orientation 1..8; 1 = as stored
    frames: more than 1 for animations and multi-page files, of which the first is used
    """

    size_wh: tuple[int, int]
    format: str
    mode: str
    orientation: int
    frames: int


def decode(data: bytes, *, name: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[Pixels, ImageFacts]:
    """Pixels [height, width, 3] in RGB of the first frame, as stored, and the facts.

    Sixteen-bit greys are scaled to eight by their range, transparency is laid on white, CMYK becomes RGB.
    Raises BadImage (see its `reason`) before any pixel is decoded where the declared size exceeds `max_pixels`.
    """
    with _decoded(data, name=name, max_pixels=max_pixels) as (image, facts):
        return _rgb(image), facts


def inspect(data: bytes, *, name: str, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[ImageFacts, str]:
    """The facts and the perceptual hash of an image that is decoded whole; half as long as `decode` takes.

    Raises BadImage exactly where `decode` does.
    """
    with _decoded(data, name=name, max_pixels=max_pixels) as (image, facts):
        # Its pixels need not leave the decoder's memory, unless they must be made RGB first.
        return facts, _hash_of(image if image.mode in {"RGB", "L"} else Image.fromarray(_rgb(image)))


@contextmanager
def _decoded(data: bytes, *, name: str, max_pixels: int) -> Iterator[tuple[Image.Image, ImageFacts]]:
    """The first frame, decoded whole, while the block lasts; what fails in it is BadImage too."""
    image = _open(data, name=name, max_pixels=max_pixels)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about odd metadata; pixels are what counts here
            image.load()
            facts = ImageFacts(
                size_wh=image.size,
                format=image.format or "",
                mode=image.mode,
                orientation=_orientation(image),
                frames=getattr(image, "n_frames", 1),
            )
            yield image, facts
    except Image.DecompressionBombError as error:
        raise _bomb(f"a part of {name} declares more than {MOST_PIXELS / 1e6:.0f} megapixels", max_pixels) from error
    except _DECODING_ERRORS as error:
        raise BadImage(f"{name} does not decode whole: {_say(error)}", reason="truncated") from error
    finally:
        image.close()


def read(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[Pixels, ImageFacts]:
    """The same for a file; raises BadImage as `decode` and `read_bytes` do."""
    return decode(read_bytes(path, max_pixels=max_pixels), name=str(path), max_pixels=max_pixels)


def read_bytes(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bytes:
    """The bytes of an image file, not decoded.

    Raises BadImage with reason "missing" for what is not there, cannot be read or is no regular file (a pipe would
    never end), and "too-large" for more bytes than an image of `max_pixels` can need, before any is read.
    """
    most_bytes = max_pixels * BYTES_PER_PIXEL + BYTES_BESIDE_PIXELS
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(f"cannot read {path}: it is a folder, a pipe or a device, not a file", reason="missing")
        size_bytes = status.st_size
        if size_bytes > most_bytes:
            raise BadImage(
                f"{path} has {size_bytes / 1e6:.0f} MB; an image within the limit of {max_pixels / 1e6:.1f} "
                f"megapixels has at most {most_bytes / 1e6:.0f}",
                reason="too-large",
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        raise BadImage(f"cannot read {path}: {getattr(error, 'strerror', None) or error}", reason="missing") from error


def size_of(path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> tuple[int, int]:
    """Width and height that an image file declares, its pixels not decoded; raises BadImage as `read_bytes` does."""
    with _open(read_bytes(path, max_pixels=max_pixels), name=str(path), max_pixels=max_pixels) as image:
        return image.size


def find(folder: Path) -> list[Path]:
    """All files below `folder` that are named like images, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def size_to_fit(size_wh: tuple[int, int], longer_side_px: int) -> tuple[int, int]:
    """Width and height with the ratio kept and the longer side as asked; never below 1 pixel."""
    factor = longer_side_px / max(size_wh)
    return max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor))


def resize_for_network(pixels: Pixels, image_size_px: int, *, square: bool) -> Pixels:
    """The image as a network takes it: what training and prediction both feed it, to the bit."""
    return resize_to_square(pixels, image_size_px) if square else resize_to_fit(pixels, image_size_px)


def resize_to_fit(pixels: Pixels, longer_side_px: int) -> Pixels:
    """The image at `size_to_fit`."""
    height, width = pixels.shape[:2]
    return _resized(pixels, size_to_fit((width, height), longer_side_px))


def resize_to_square(pixels: Pixels, side_px: int) -> Pixels:
    """The image stretched to a square, for networks of one input size."""
    return stretch(pixels, (side_px, side_px))


def stretch(pixels: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """The image at this width and height, its ratio not kept."""
    return _resized(pixels, size_wh)


def letterbox(pixels: Pixels, size_wh: tuple[int, int]) -> tuple[Pixels, tuple[int, int, int, int]]:
    """The image as large as fits into `size_wh` with its ratio kept, amid grey; and its corners (x0, y0, x1, y1)."""
    height, width = pixels.shape[:2]
    factor = min(size_wh[0] / width, size_wh[1] / height)
    inner_wh = max(1, round(width * factor)), max(1, round(height * factor))
    # Of an odd number of grey lines the one more is below or to the right, where detectors are trained to have it.
    left, top = ((outer - inner) // 2 for outer, inner in zip(size_wh, inner_wh, strict=True))
    boxed = np.full((size_wh[1], size_wh[0], 3), LETTERBOX_GREY, np.uint8)
    boxed[top : top + inner_wh[1], left : left + inner_wh[0]] = _resized(pixels, inner_wh)
    return boxed, (left, top, left + inner_wh[0], top + inner_wh[1])


def _resized(pixels: Pixels, new_wh: tuple[int, int]) -> Pixels:
    height, width = pixels.shape[:2]
    if new_wh == (width, height):
        return pixels
    shrinks = new_wh[0] * new_wh[1] < width * height
    resized = cv2.resize(pixels, new_wh, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def perceptual_hash(pixels: Pixels) -> str:
    """16 hex digits that differ in few of their 64 bits between images that look alike (pHash).

    The image in grey at 32 x 32, of its cosine transform the 8 x 8 lowest frequencies, row by row: a bit says whether
    one is above their median. Another size, compression or brightness changes few bits; a crop or a turn changes many.
    Images of one colour all have the same.
    """
    return _hash_of(Image.fromarray(pixels))


def _hash_of(image: Image.Image) -> str:
    # Of large images a grid of 64 pixels for each that is wanted: as good as all of them, and five times as quick.
    grid = image.resize((SAMPLED_PX, SAMPLED_PX), Image.Resampling.NEAREST) if min(image.size) > SAMPLED_PX else image
    small = grid.resize((HASHED_PX, HASHED_PX), Image.Resampling.BOX).convert("L")
    lowest = cv2.dct(np.asarray(small, dtype=np.float32))[:8, :8]
    return np.packbits(lowest > np.median(lowest)).tobytes().hex()


def encode_png(pixels: Pixels) -> bytes:
    """RGB pixels as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def encode_jpeg(pixels: Pixels, quality: int = 88) -> bytes:
    """RGB pixels as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _open(data: bytes, *, name: str, max_pixels: int) -> Image.Image:
    if not data:
        raise BadImage(f"{name} is empty (0 bytes)", reason="empty")
    if data.startswith(LFS_POINTER):
        raise BadImage(
            f"{name} is a Git-LFS pointer, not the image itself; fetch it with: git lfs pull",
            reason="lfs-pointer",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the limit below is ours and stricter
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise BadImage(_not_an_image(data, name), reason="not-an-image") from error
    except Image.DecompressionBombError as error:
        raise _bomb(f"{name} declares more than {MOST_PIXELS / 1e6:.0f} megapixels", max_pixels) from error
    except _DECODING_ERRORS as error:
        raise BadImage(f"{name} has a broken header: {_say(error)}", reason="truncated") from error
    width, height = image.size
    if width * height > max_pixels or width < 1 or height < 1:
        image.close()
        raise _bomb(f"{name} declares {width} x {height} = {width * height / 1e6:.1f} megapixels", max_pixels)
    return image


def _bomb(says: str, max_pixels: int) -> BadImage:
    return BadImage(f"{says}; the limit is {max_pixels / 1e6:.1f} (setting max_image_megapixels)", reason="bomb")


def _not_an_image(data: bytes, name: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = Image.open(io.BytesIO(data)).format
    except (*_DECODING_ERRORS, UnidentifiedImageError):
        kind = None
    if kind:
        return f"{name} is a {kind} file, which is not supported; supported: {', '.join(FORMATS)}"
    begins = data[:12]
    is_text = all(byte >= ord(" ") or byte in b"\t\n\r" for byte in begins) and begins.isascii()
    looks_like = "text" if is_text else "unknown binary data"
    return f"{name} is not an image: it begins with {begins!r} ({looks_like})"


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except _DECODING_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith(("I", "F")):
        return _eight_bit_grey(np.asarray(image, dtype=np.float64))
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        with_alpha = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(background, with_alpha).convert("RGB"))
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _eight_bit_grey(values: npt.NDArray[np.float64]) -> Pixels:
    # Medical and depth images use any part of sixteen bits: scale by the range that is there.
    values = np.nan_to_num(values)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    return np.repeat(scaled.astype(np.uint8)[:, :, None], 3, axis=2)


def _say(error: BaseException) -> str:
    return str(error) or type(error).__name__
