"""Which outputs of a foreign network mean what: told from what it gave for a trial image, and checked on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from teppr.decode import BOX_ORDERS, BOX_UNITS, LOWEST_SCORE_0_1
from teppr.errors import BadInput, UnknownName
from teppr.workflow.onnx_file import Made
from teppr.yolo import STYLES

Array: TypeAlias = npt.NDArray[Any]
Kind: TypeAlias = Literal["yolo", "boxes", "mask", "classes"]

SLACK = 1e-3
"""By which chances may lie beyond 0..1 for rounding's sake."""
SHARES_END = 1.5
"""Boxes that end before are shares of the image, and none beyond are."""
ROLES = ("boxes", "labels", "scores", "masks")
HINTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"boxes": ("box",), "labels": ("label", "class"), "scores": ("score", "conf"), "masks": ("mask",)}
)
"""Parts of names that tell one output from another where their shapes do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was said of the outputs.

    outputs: their names, in the order of `ROLES`; empty = to be told from what they give
    label_offset: the network's number of the first label; None = to be told from what it gives
    style: of `teppr.yolo.STYLES`; "" = to be told from the shape
    overlap_0_1: for YOLO, of two boxes of one label with a greater IoU the better one stays
    """

    kind: Kind
    labels: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    label_offset: int | None = None
    box_order: str = BOX_ORDERS[0]
    box_unit: str = BOX_UNITS[0]
    style: str = ""
    overlap_0_1: float = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How outputs are read: their names, the decoder and its options as a model card has them; said: in words."""

    outputs: tuple[str, ...]
    task: str
    decode: str
    said: str
    options: Mapping[str, Any] = field(default_factory=dict)


class Trial(NamedTuple):
    """What the network gave for one image that it was fed at `fed_wh`."""

    made: Made
    fed_wh: tuple[int, int]

    def __str__(self) -> str:
        return ", ".join(f"{name} {list(values.shape)} {values.dtype}" for name, values in self.made.items())


def reading_of(asked: Asked, trial: Trial) -> Reading:
    """What the outputs mean; raises BadInput saying what does not fit, and what to do."""
    if unknown := [name for name in asked.outputs if name not in trial.made]:
        raise UnknownName.of("output", unknown[0], trial.made)
    broken = [name for name, values in trial.made.items() if values.dtype.kind == "f" and not np.isfinite(values).all()]
    if set(broken) & set(asked.outputs or trial.made):
        raise BadInput(f"the network answers the trial image with values that are no numbers in {', '.join(broken)}")
    return _READERS[asked.kind](asked, trial)


def _yolo(asked: Asked, trial: Trial) -> Reading:
    name, rows = _only(asked, trial, lambda values: values.ndim == 2, "a table [rows, columns] of an image")
    count = len(asked.labels)
    fits = {"v8": rows.shape[0] == 4 + count, "v5": rows.shape[1] == 5 + count, "end2end": rows.shape[1] == 6}
    if asked.style and asked.style not in STYLES:
        raise UnknownName.of("style of YOLO", asked.style, STYLES)
    styles = [style for style, fit in fits.items() if fit and asked.style in {"", style}]
    shapes = f"v8 [{4 + count}, n], v5 [n, {5 + count}], end2end [n, 6]"
    if not styles:
        raise BadInput(
            f"output {name} is {list(rows.shape)} for an image; with {count} labels a YOLO's is {shapes}. It would fit "
            f"{_labels_that_fit(rows.shape)}: mend --labels, or choose another output by --outputs. Of a YOLO that "
            f"gives masks or key points, only one that was exported for boxes is read"
        )
    if len(styles) > 1:
        raise BadInput(
            f"output {name} is {list(rows.shape)} for an image, which may be {' or '.join(styles)}: say which by "
            f"--style ({shapes})"
        )
    style = styles[0]
    last = 5 if style == "end2end" else None
    _check_chances(name, "scores", rows[4:] if style == "v8" else rows[:, 4:last])
    if style == "end2end":
        _check_labels(name, rows[rows[:, 4] >= LOWEST_SCORE_0_1, 5], 0, count)
    options = {"style": style} | ({} if style == "end2end" else {"overlap_0_1": asked.overlap_0_1})
    return Reading(
        outputs=(name,), task="detect", decode="yolo", options=options, said=f"{name} as YOLO {style}: {STYLES[style]}"
    )


def _classes(asked: Asked, trial: Trial) -> Reading:
    count = len(asked.labels)
    name, values = _only(asked, trial, lambda values: values.size == max(values.shape), "a number a label")
    if values.size != count:
        raise BadInput(f"output {name} has {values.size} numbers an image, --labels {count}: they must be as many")
    said = f"{name} as a number a label: chances where they add up to one, otherwise their logits"
    return Reading(outputs=(name,), task="classify", decode="classes", said=said)


def _boxes(asked: Asked, trial: Trial) -> Reading:
    return _objects(asked, trial, ROLES[:3])


def _mask(asked: Asked, trial: Trial) -> Reading:
    return _objects(asked, trial, ROLES)


def _objects(asked: Asked, trial: Trial, roles: Sequence[str]) -> Reading:
    names = dict(zip(roles, asked.outputs, strict=True)) if _named(asked, roles) else _told(trial, roles)
    found = {role: trial.made[name] for role, name in names.items()}
    boxes, labels, scores = found["boxes"].reshape(-1, 4), found["labels"].reshape(-1), found["scores"].reshape(-1)
    if not len(boxes) == len(labels) == len(scores):
        raise BadInput(
            f"boxes, labels and scores must be as many, got {len(boxes)}, {len(labels)} and {len(scores)} in "
            f"{', '.join(names.values())}; name the outputs by --outputs {','.join(roles)}. It gives {trial}"
        )
    _check_chances(names["scores"], "scores", scores)
    likely = scores >= LOWEST_SCORE_0_1
    _check_boxes(names["boxes"], boxes[likely], asked)
    offset = _offset(asked, names["labels"], labels[likely])
    _check_labels(names["labels"], labels[likely], offset, len(asked.labels))
    options: dict[str, Any] = {"label_offset": offset, "box_order": asked.box_order, "box_unit": asked.box_unit}
    if "masks" in names:
        options["masks_over"] = _masks_over(names["masks"], found["masks"], len(boxes), trial.fed_wh)
    told = ", ".join(f"{role} of {name}" for role, name in names.items())
    besides = ", ".join(f"{option.replace('_', ' ')} {value}" for option, value in options.items())
    return Reading(
        outputs=tuple(names.values()),
        task="segment" if "masks" in names else "detect",
        decode="instances" if "masks" in names else "boxes",
        options=options,
        said=f"{told}; {besides}",
    )


_READERS: Mapping[Kind, Callable[[Asked, Trial], Reading]] = MappingProxyType(
    {"yolo": _yolo, "boxes": _boxes, "mask": _mask, "classes": _classes}
)
KINDS_OF_ANSWER: tuple[Kind, ...] = tuple(_READERS)


def _only(asked: Asked, trial: Trial, fits: Callable[[Array], bool], what: str) -> tuple[str, Array]:
    """The one output that is asked for, or that fits, without its axis for several images."""
    _named(asked, ("one",))
    names = asked.outputs or tuple(trial.made)
    fitting = {name: values for name in names if fits(values := _of_one_image(trial.made[name]))}
    if len(fitting) != 1:
        verdict = f"{' and '.join(fitting)} are: choose one by --outputs" if fitting else "none is"
        raise BadInput(f"--decode {asked.kind} reads one output that is {what}; of {trial} {verdict}")
    return next(iter(fitting.items()))


def _of_one_image(values: Array) -> Array:
    return values[0] if values.ndim > 1 and len(values) == 1 else values


def _named(asked: Asked, roles: Sequence[str]) -> bool:
    if asked.outputs and len(asked.outputs) != len(roles):
        raise BadInput(
            f"--decode {asked.kind} reads {len(roles)} outputs ({', '.join(roles)}), --outputs has "
            f"{len(asked.outputs)}: {', '.join(asked.outputs)}"
        )
    return bool(asked.outputs)


def _told(trial: Trial, roles: Sequence[str]) -> dict[str, str]:
    """Which output plays which role, by shape and kind, and where these leave a choice by name."""
    told: dict[str, str] = {}
    for role in roles:
        fitting = [name for name, values in trial.made.items() if name not in told.values() and _FITS[role](values)]
        if role == "labels":  # most are whole numbers; some exporters make floats of them
            fitting = [name for name in fitting if trial.made[name].dtype.kind in "iu"] or fitting
        count = trial.made[told["boxes"]].size // 4 if told else None
        of_all = [name for name in fitting if count is None or len(_of_list(trial.made[name], role)) == count]
        named = [name for name in of_all if any(hint in name.lower() for hint in HINTS[role])]
        choice = of_all if len(of_all) == 1 else named
        if len(choice) != 1:
            raise BadInput(
                f"cannot tell which output holds the {role}: {' or '.join(choice or of_all) or 'none fits'}; name "
                f"them, in this order, by --outputs {','.join(roles)}. It gives {trial}"
            )
        told[role] = choice[0]
    return told


def _of_list(values: Array, role: str) -> Array:
    """The values a detection, without an axis for several images before them."""
    axes = {"boxes": 2, "labels": 1, "scores": 1, "masks": 3}[role]
    with_channel = role == "masks" and values.ndim == axes + 1 and values.shape[1] == 1
    return values[0] if values.ndim > axes + with_channel and len(values) == 1 else values


_FITS: Mapping[str, Callable[[Array], bool]] = MappingProxyType(
    {
        "boxes": lambda values: values.dtype.kind == "f" and _of_list(values, "boxes").shape[1:] == (4,),
        "labels": lambda values: _of_list(values, "labels").ndim == 1,
        "scores": lambda values: values.dtype.kind == "f" and _of_list(values, "scores").ndim == 1,
        "masks": lambda values: values.ndim in {3, 4, 5} and values.shape[-1] > 1,
    }
)


def _labels_that_fit(shape: Sequence[int]) -> str:
    rows, columns = shape
    counts = [f"{count} labels ({style})" for style, count in (("v8", rows - 4), ("v5", columns - 5)) if count > 0]
    return " or ".join(counts) or "none"


def _check_chances(name: str, what: str, values: Array) -> None:
    if values.size and not (values.min() >= -SLACK and values.max() <= 1 + SLACK):
        raise BadInput(
            f"{what} lie within 0..1, output {name} has {values.min():.4g} to {values.max():.4g}: export the network "
            f"with its last sigmoid or softmax, or choose another output by --outputs"
        )


def _check_boxes(name: str, boxes: Array, asked: Asked) -> None:
    """Boxes [n, 4] of detections that score something."""
    if asked.box_order not in BOX_ORDERS or asked.box_unit not in BOX_UNITS:
        raise BadInput(
            f"--box-order is one of {', '.join(BOX_ORDERS)} and --box-unit one of {', '.join(BOX_UNITS)}, got "
            f"{asked.box_order} and {asked.box_unit}"
        )
    if not len(boxes):
        return
    largest = float(np.abs(boxes).max())
    if (largest > SHARES_END) != (asked.box_unit == "px"):
        other = "share" if asked.box_unit == "px" else "px"
        raise BadInput(
            f"with --box-unit {asked.box_unit} boxes of {name} must {'exceed' if other == 'share' else 'stay below'} "
            f"{SHARES_END:g}, the largest number is {largest:.4g}: give --box-unit {other}"
        )
    turned = boxes[:, 2:] < boxes[:, :2]
    if asked.box_order in {"xyxy", "yxyx"} and turned.any(axis=1).mean() > SLACK:
        worst = boxes[turned.any(axis=1)][0]
        raise BadInput(
            f"with --box-order {asked.box_order} a second corner never lies before the first, output {name} has "
            f"{np.round(worst, 2).tolist()}: give --box-order cxcywh (centre and size) or xywh (corner and size)"
        )


def _offset(asked: Asked, name: str, labels: Array) -> int:
    if asked.label_offset is not None:
        return asked.label_offset
    if (labels.round() == 0).any():
        return 0
    if (labels.round() == len(asked.labels)).any():
        return 1
    raise BadInput(
        f"the numbers of output {name} do not show which is the first label's: give --label-offset 0 where they begin "
        f"at 0 (detectron2, ultralytics), 1 where 0 is the background (torchvision); the trial image has "
        f"{sorted({*labels.round().astype(int).tolist()}) or 'none'}, another --image may show it"
    )


def _check_labels(name: str, labels: Array, offset: int, count: int) -> None:
    """Labels [n] of detections that score something."""
    numbers = {*labels.round().astype(int).tolist()}
    if beyond := sorted(numbers - {*range(offset, offset + count)}):
        raise BadInput(
            f"the {count} labels have the numbers {offset} to {offset + count - 1}, output {name} has {beyond} too: "
            f"mend --labels, or --label-offset"
        )


def _masks_over(name: str, masks: Array, count: int, fed_wh: tuple[int, int]) -> str:
    if masks.size != count * masks.shape[-1] * masks.shape[-2]:
        raise BadInput(f"output {name} must have one mask [h, w] for each of {count} boxes, it is {list(masks.shape)}")
    _check_chances(name, "masks", masks)
    return "image" if (masks.shape[-1], masks.shape[-2]) == fed_wh else "box"
