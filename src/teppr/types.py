"""The values that teppr's rooms hand to each other: frozen, checked once when made, trusted after.

Frames and units, everywhere: pixels of the image *as stored* (EXIF orientation not applied), origin at the top left
corner of the top left pixel, x to the right, y down. Boxes in annotations are COCO's (x, y, width, height); boxes in
detections are corners (x0, y0, x1, y1).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import chain
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.errors import BadInput

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]
Point: TypeAlias = tuple[float, float]
Ring: TypeAlias = tuple[Point, ...]

RELEASE_KEY = re.compile(r"[A-Za-z0-9_]+-[A-Za-z0-9_]+-[A-Za-z0-9_][A-Za-z0-9_.-]*")
NOTHING: Mapping[str, Any] = MappingProxyType({})
"""What a mapping is that nobody gave: empty, and nobody can fill it."""


def _nothing() -> Mapping[str, Any]:
    return NOTHING


def _finite(shape: str, **values_px: object) -> None:
    for name, value in values_px.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise BadInput(f"a {shape} needs finite numbers, got {name}={value!r}")


_NUMBERS = {int, float}


def _finite_points(shape: str, points: Ring) -> None:
    # Files hold millions of points: all are looked at together, and one by one only to say which is wrong.
    values = list(chain.from_iterable(points))
    if 2 * len(points) == len(values) and set(map(type, values)) <= _NUMBERS and math.isfinite(sum(values)):
        return
    for x, y in points:
        _finite(shape, x=x, y=y)


# Shapes say where; whether they make sense in their image is for the design rules to find (degenerate, outside ...).


@dataclass(frozen=True, slots=True)
class Rect:
    """An axis-parallel rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: ClassVar[str] = "rect"

    def __post_init__(self) -> None:
        _finite(self.kind, x=self.x, y=self.y, width=self.width, height=self.height)


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle by centre and radius."""

    cx: float
    cy: float
    r: float
    kind: ClassVar[str] = "circle"

    def __post_init__(self) -> None:
        _finite(self.kind, cx=self.cx, cy=self.cy, r=self.r)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse by centre and half axes, turned clockwise on the screen by `theta_rad`."""

    cx: float
    cy: float
    rx: float
    ry: float
    theta_rad: float = 0.0
    kind: ClassVar[str] = "ellipse"

    def __post_init__(self) -> None:
        _finite(self.kind, cx=self.cx, cy=self.cy, rx=self.rx, ry=self.ry, theta_rad=self.theta_rad)


@dataclass(frozen=True, slots=True)
class Polygon:
    """One or more rings that together are one region (parts of an occluded object); not closed, no holes.

    `rings[i]` are the distinct corners in order: the first is not repeated at the end.
    `closed_in_file`: the file did repeat it, so that a writer can give back what was read.
    """

    rings: tuple[Ring, ...]
    closed_in_file: bool = False
    kind: ClassVar[str] = "polygon"

    def __post_init__(self) -> None:
        if not self.rings:
            raise BadInput("a polygon needs at least one ring, got none")
        for ring in self.rings:
            _finite_points(self.kind, ring)


@dataclass(frozen=True, slots=True)
class Polyline:
    """An open line through points in order."""

    points: Ring
    kind: ClassVar[str] = "polyline"

    def __post_init__(self) -> None:
        _finite_points(self.kind, self.points)


@dataclass(frozen=True, slots=True)
class Spot:
    """A single point."""

    cx: float
    cy: float
    kind: ClassVar[str] = "point"

    def __post_init__(self) -> None:
        _finite(self.kind, cx=self.cx, cy=self.cy)


@dataclass(frozen=True, slots=True)
class Mask:
    """A bitmap as COCO's compressed run-length code.

    counts: pycocotools' compressed string
    size_wh: width and height of the image that the code covers, in pixels
    compressed_in_file: False when the file gave the runs as a list of numbers
    """

    counts: str
    size_wh: tuple[int, int]
    compressed_in_file: bool = True
    kind: ClassVar[str] = "mask"

    def __post_init__(self) -> None:
        if min(self.size_wh) < 1:
            raise BadInput(f"a mask needs a width and a height of at least 1 pixel, got {self.size_wh}")


@dataclass(frozen=True, slots=True)
class WholeImage:
    """All of the image: what the label of a classified image is about. It has no corners and counts no area."""

    kind: ClassVar[str] = "image"


Shape: TypeAlias = Rect | Circle | Ellipse | Polygon | Polyline | Spot | Mask | WholeImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One annotated object.

    label: None where the file gives none (a design rule finds it)
    label_attribute: the attribute whose value the label is; None where the format has labels of its own (COCO)
    attributes: all further attributes as the file gives them, the label's left out
    index: position among its image's regions as read, from 0
    where: path of the region in its document ("regions[3]", "annotations[17]")
    is_crowd: COCO's iscrowd: stands for many objects, neither trained on nor counted as missed
    source_id: the id that the file gives the region (COCO), if any
    box_xywh_px, area_px: as the file states them, where it does (COCO); otherwise they follow from the shape
    """

    shape: Shape
    label: str | None
    index: int
    where: str
    label_attribute: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=_nothing)
    is_crowd: bool = False
    source_id: int | None = None
    box_xywh_px: tuple[float, float, float, float] | None = None
    area_px: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A part of a file (an entry or a region) that cannot be made into a record: counted, reported, never dropped.

    rule: the design rule that it breaks ("DR08", "DR17", "DR01")
    message: what is wrong, with the values
    where: path in the document ("regions[3].shape_attributes.cx")
    values: the offending values as read
    index: position among its image's regions; None for a whole entry
    shape_kind: what the file calls the shape, if it says so
    """

    rule: str
    message: str
    where: str
    values: Mapping[str, Any] = field(default_factory=_nothing)
    index: int | None = None
    shape_kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What one annotation file says about one image.

    filename: as the file names it, with folders if it has them; always with "/" between
    size_bytes, size_wh: as declared by the file; None where it does not say
    regions: in the file's order; the unreadable ones stand among them as `Unread`
    attributes: the file's attributes of the image (VIA file_attributes, COCO's further image keys)
    source_id: the id that the file gives the image (COCO), if any
    where: path of the entry in its document
    path: the image file, where it is known; formats that hold pictures read it when they are written
    """

    filename: str
    where: str
    regions: tuple[Region | Unread, ...]
    size_bytes: int | None = None
    size_wh: tuple[int, int] | None = None
    attributes: Mapping[str, Any] = field(default_factory=_nothing)
    source_id: int | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        if not self.filename:
            raise BadInput(f"an entry needs a file name, got an empty one - at {self.where}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationFile:
    """One delivered annotation file and where it comes from; its identity is the sha256 of its bytes.

    problem: id of the annotation specification it was made for
    format: name of the format it is in ("via", "coco")
    batch, part, annotator, tool, cut, released: from the file name's convention or given; None = unknown
    """

    sha256: str
    path: str
    size_bytes: int
    format: str
    problem: str
    annotator: str | None = None
    tool: str | None = None
    batch: str | None = None
    part: int | None = None
    cut: date | None = None
    released: date | None = None


class Severity(StrEnum):
    """An error rejects what it is about, a warning is accepted and reported, a note feeds other steps."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken design rule, with all that its annotator needs to mend it.

    scope: what it is about, and what an error rejects
    image: file name as the annotation file has it; None where the finding is about the whole file
    region_index: position among the image's regions, from 0
    values: the values that broke the rule
    where: path in the document ("regions[3].shape_attributes.cx")
    remedy: how to mend it, a sentence
    shape, image_path: the region's shape as read and the image file, so that it can be shown; None where it is not
        about a readable region, or the image was not found
    """

    rule: str
    severity: Severity
    scope: Literal["file", "entry", "region"]
    message: str
    remedy: str
    file: str
    annotator: str | None = None
    image: str | None = None
    region_index: int | None = None
    where: str = ""
    values: Mapping[str, Any] = field(default_factory=_nothing)
    shape: Shape | None = None
    image_path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """The objects found in one image, best first.

    size_wh: width and height of the image, in pixels
    boxes_xyxy_px: float32 [n, 4], corners inside the image
    scores_0_1: float32 [n], falling
    label_ids: int64 [n], indices into the model's labels, from 0
    masks: one for each box, or None where the model finds none
    lines: one for each box, from its upper end down, or None where the model finds none
    """

    size_wh: tuple[int, int]
    boxes_xyxy_px: Floats
    scores_0_1: Floats
    label_ids: Ints
    masks: tuple[Mask, ...] | None = None
    lines: tuple[Polyline, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.scores_0_1)
        given = (self.boxes_xyxy_px.shape, self.scores_0_1.shape, self.label_ids.shape)
        shapes = [len(shapes) for shapes in (self.masks, self.lines) if shapes is not None]
        if given != ((n, 4), (n,), (n,)) or any(count != n for count in shapes):
            raise BadInput(
                f"detections need boxes [n, 4], scores [n], labels [n] and n masks or lines or none, got {given} and "
                f"{shapes}"
            )

    def __len__(self) -> int:
        return len(self.scores_0_1)

    def at_least(self, score_0_1: float) -> Detections:
        """Only those with this score or a better one."""
        return self.take(np.flatnonzero(self.scores_0_1 >= score_0_1))

    def take(self, indices: Ints) -> Detections:
        """The ones at `indices`, in that order."""
        return Detections(
            size_wh=self.size_wh,
            boxes_xyxy_px=self.boxes_xyxy_px[indices],
            scores_0_1=self.scores_0_1[indices],
            label_ids=self.label_ids[indices],
            masks=None if self.masks is None else tuple(self.masks[i] for i in indices),
            lines=None if self.lines is None else tuple(self.lines[i] for i in indices),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelInfo:
    """A label as models and datasets know it; its id is its position in their list, from 0.

    color: "#rrggbb", the same label always the same colour
    """

    name: str
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """All that a process needs to know to use a published model: `model.json` of a bundle.

    key: "<org>-<problem>-<release>"
    task: "detect" (boxes), "segment" (boxes and masks), "lanes", "classify"
    image_size_px: the longer side that images are resized to, the ratio kept (see `teppr.images.resize_to_fit`)
    layout: axes of an image as the network takes it, "CHW" or "HWC"
    color_order: "RGB" or "BGR"
    scale: what the pixel values 0..255 are multiplied by before they enter the network
    mean, std: taken off the scaled values, and what is left divided by; a number a channel, in `color_order`
    square: images are stretched to `image_size_px` on both sides instead, as a network of one input size wants them
    size_wh: the width and height that images are stretched to instead, where these are not the same
    letterbox: of a fixed size: the ratio is kept and the image is laid in the middle of grey instead of being stretched
    batch: the network takes several images of one size at a time: [n, 3, h, w], and n is the first axis of each output
    inputs, outputs: names in the ONNX graph, in order
    decode: name of the decoder in `teppr.decode` that turns the outputs into detections
    decode_options: what that decoder is told besides
    embedding: name of the graph's output that describes an image as a whole, by `embedding_size` numbers; "" = none
    score_threshold_0_1: below it a detection is not shown unless asked for
    metrics: {split: {"box": {"map_50": ...}, "mask": {...}}} as measured before publishing
    source: the dataset version, the run id, the weights it began from
    """

    key: str
    architecture: str
    problem: str
    task: str
    labels: tuple[LabelInfo, ...]
    image_size_px: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    decode: str
    layout: str = "CHW"
    color_order: str = "RGB"
    scale: float = 1 / 255
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    square: bool = False
    size_wh: tuple[int, int] | None = None
    letterbox: bool = False
    batch: bool = False
    decode_options: Mapping[str, Any] = field(default_factory=_nothing)
    embedding: str = ""
    embedding_size: int = 0
    score_threshold_0_1: float = 0.5
    metrics: Mapping[str, Any] = field(default_factory=_nothing)
    source: Mapping[str, Any] = field(default_factory=_nothing)
    creator: str = ""
    created: datetime | None = None
    licence: str = ""
    frameworks: Mapping[str, str] = field(default_factory=_nothing)

    def __post_init__(self) -> None:
        if not self.labels:
            raise BadInput(f"a model needs at least one label, got none - model {self.key}")
        for name, given, known in (
            ("layout", self.layout, ("CHW", "HWC")),
            ("color_order", self.color_order, ("RGB", "BGR")),
        ):
            if given not in known:
                raise BadInput(f"{name} is {' or '.join(known)}, got {given!r} - model {self.key}")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise BadInput(f"std must be above 0 for each channel, got {self.std} - model {self.key}")
        if self.letterbox and self.fixed_size_wh is None:
            raise BadInput(f"letterbox needs square or size_wh: the size of the box - model {self.key}")

    @property
    def fixed_size_wh(self) -> tuple[int, int] | None:
        """The only width and height that the network takes; None where it takes any."""
        return self.size_wh or ((self.image_size_px, self.image_size_px) if self.square else None)

    @property
    def learned(self) -> str:
        """The name of what the network was trained for, see `teppr.tasks`; one made elsewhere says only its task."""
        return str(self.source.get("task", self.task))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release key in its three parts: `<org>-<problem>-<release>`; org and problem hold no hyphen."""

    org: str
    problem: str
    release: str

    @property
    def key(self) -> str:
        """The key as people write it."""
        return f"{self.org}-{self.problem}-{self.release}"

    @classmethod
    def parse(cls, key: str) -> Release:
        """From "acme-ods-8"; raises BadInput for anything of another form."""
        if not RELEASE_KEY.fullmatch(key):
            raise BadInput(f"a release key is <org>-<problem>-<release>, as in acme-ods-8, got {key!r}")
        org, problem, release = key.split("-", 2)
        return cls(org=org, problem=problem, release=release)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many were read, and what became of them: read = accepted + rejected."""

    read: int = 0
    accepted: int = 0
    rejected: int = 0

    def __post_init__(self) -> None:
        if self.read != self.accepted + self.rejected:
            raise BadInput(f"read must be accepted + rejected, got {self.read} != {self.accepted} + {self.rejected}")

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.read + other.read, self.accepted + other.accepted, self.rejected + other.rejected)

    def __iter__(self) -> Iterator[int]:
        return iter((self.read, self.accepted, self.rejected))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who made an annotation file, with what and when; None = unknown."""

    annotator: str | None = None
    tool: str | None = None
    batch: str | None = None
    part: int | None = None
    cut: date | None = None
    released: date | None = None
    notes: tuple[str, ...] = field(default=())
