"""The checks of regions: each looks at one region in its image and says what breaks its rule, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from teppr.annotations.crossing import crosses_itself
from teppr.annotations.rules import ERROR, NOTE, WARNING, Broken
from teppr.geometry import area, box_xywh, clip_shape
from teppr.measures import Measure, measure
from teppr.problems.contract import Problem
from teppr.types import Circle, Ellipse, Mask, Polygon, Polyline, Rect, Region, Shape, WholeImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a check knows beside the region.

    size_wh: the image's size in pixels; None where it is not known, and nothing can be outside
    firsts: {label and bounds, as a repetition has them too: regions that differ, in their order}
    image_labels: {label: index of the first region that gives it to the whole image}, in their order
    Both grow as the entry's regions become subjects, in their order.
    """

    problem: Problem
    size_wh: tuple[int, int] | None
    clip_tolerance_px: float
    firsts: dict[object, tuple[Region, ...]] = field(default_factory=dict)
    image_labels: dict[str, int] = field(default_factory=dict)


class Subject(NamedTuple):
    """A region as the checks see it, measured once.

    label: the region's, its alias applied; None for a blank one
    beyond_px: how far it reaches beyond its image; 0 inside, on the edge, and where the image's size is not known
    shape: the region's, clipped to the image where it reaches beyond by no more than is tolerated
    measure: of `shape`; `may_cross` is the unclipped one's
    first: index of the first region of the entry with the same shape and label; its own where it is the first
    """

    region: Region
    around: Surroundings
    label: str | None
    beyond_px: float
    shape: Shape
    measure: Measure
    first: int


def subject_of(region: Region, measured: Measure, around: Surroundings) -> Subject:
    """A region with what was measured of it, clipped where it reaches beyond its image a little."""
    shape, size_wh, problem = region.shape, around.size_wh, around.problem
    bounds = measured[:4]
    beyond_px = 0.0 if size_wh is None else _reach_beyond_px(measured, size_wh)
    if size_wh is not None and 0 < beyond_px <= around.clip_tolerance_px:
        shape = clip_shape(shape, size_wh)
        measured = measure([shape], crossings=False)[0]._replace(may_cross=measured.may_cross)
    label = problem.label_of(region.label) if region.label is not None and region.label.strip() else None
    if isinstance(shape, WholeImage) and label is not None:
        around.image_labels.setdefault(label, region.index)
    first = _first_alike(region, (label, bounds), around)
    return Subject(
        region=region, around=around, label=label, beyond_px=beyond_px, shape=shape, measure=measured, first=first
    )


Check: TypeAlias = Callable[[Subject], Broken | None]


def shape_is_allowed(subject: Subject) -> Broken | None:
    """DR09."""
    kind, problem = subject.region.shape.kind, subject.around.problem
    if kind in problem.shapes:
        return None
    message = f"a {kind} is no shape of {problem.id}; allowed: {', '.join(problem.shapes)}"
    return Broken(rule="DR09", message=message, values={"shape": kind})


def is_labelled(subject: Subject) -> Broken | None:
    """DR10; also that an image as a whole has no more labels than the problem allows."""
    region, problem, labels = subject.region, subject.around.problem, subject.around.image_labels
    if subject.label is None:
        return Broken(rule="DR10", message="the region has no label", values={"attributes": dict(region.attributes)})
    most = problem.labels_per_image
    if most is None or not isinstance(region.shape, WholeImage):
        return None
    if subject.label in list(labels)[:most]:
        return None
    first = next(iter(labels))
    message = (
        f"the image is labelled {subject.label!r}, and by region {labels[first]} {first!r} already; "
        f"{problem.id} allows {most} label{'s' if most > 1 else ''} an image"
    )
    return Broken(rule="DR10", message=message, values={"label": subject.label, "labels": dict(labels)})


def label_is_known(subject: Subject) -> Broken | None:
    """DR11."""
    label, problem = subject.label, subject.around.problem
    if label is None or problem.knows(label):
        return None
    message = f"{label!r} is no label of {problem.id}; known: {', '.join(problem.label_names)}"
    return Broken(rule="DR11", message=message, values={"label": label})


def lies_inside(subject: Subject) -> Broken | None:
    """DR12; a point on the image's right or lower edge is inside."""
    shape, size_wh = subject.region.shape, subject.around.size_wh
    if size_wh is None:
        return None
    width, height = size_wh
    if isinstance(shape, Mask) and shape.size_wh != size_wh:
        own = shape.size_wh
        message = f"the mask is of an image of {own[0]} x {own[1]} pixels, this one has {width} x {height}"
        # It cannot be clipped, so that no problem can make it mild.
        return Broken(rule="DR12", message=message, values={"mask_size_wh": own, "size_wh": size_wh}, severity=ERROR)
    beyond_px, tolerance_px = subject.beyond_px, subject.around.clip_tolerance_px
    if beyond_px <= 0:
        return None
    values = {"box_xywh_px": box_xywh(shape), "size_wh": size_wh, "beyond_px": beyond_px}
    reach = f"the shape reaches {beyond_px:.4g} px beyond its image of {width} x {height} pixels"
    if beyond_px <= tolerance_px:
        return Broken(rule="DR12", message=f"{reach}, and was clipped", values=values, severity=NOTE)
    return Broken(rule="DR12", message=f"{reach}; tolerated: {tolerance_px:g} px", values=values)


def is_not_degenerate(subject: Subject) -> Broken | None:
    """DR13, of what is left of the shape inside the image where a part of it was clipped."""
    shape, flat = subject.shape, subject.measure.flat_rings
    reason = degeneracy(shape, subject.measure)
    if reason:
        return Broken(rule="DR13", message=reason, values={"box_xywh_px": box_xywh(shape), "area_px": area(shape)})
    if isinstance(shape, Polygon) and flat:
        message = f"{len(flat)} of the polygon's {len(shape.rings)} rings enclose nothing, and were left out"
        return Broken(rule="DR13", message=message, values={"rings": list(flat)}, severity=WARNING)
    return None


def does_not_cross_itself(subject: Subject) -> Broken | None:
    """DR14."""
    shape = subject.region.shape
    if not isinstance(shape, Polygon) or not subject.measure.may_cross:
        return None
    for i, ring in enumerate(shape.rings):
        pair = crosses_itself(ring)
        if pair:
            (first, second), n = pair, len(ring)
            message = (
                f"the edges {first}-{(first + 1) % n} and {second}-{(second + 1) % n} of the polygon "
                f"of {n} corners cross each other"
            )
            return Broken(rule="DR14", message=message, values={"ring": i, "edges": [first, second]})
    return None


def is_no_repetition(subject: Subject) -> Broken | None:
    """DR15."""
    first = subject.first
    if first == subject.region.index:
        return None
    message = f"region {subject.region.index} has the same shape and label as region {first}"
    return Broken(rule="DR15", message=message, values={"first": first, "label": subject.label})


def attributes_are_given(subject: Subject) -> Broken | None:
    """DR16."""
    region = subject.region
    missing, wrong = [], {}
    for required in subject.around.problem.required_attributes:
        value = region.label if required.name == region.label_attribute else region.attributes.get(required.name)
        words = _words_of(value)
        if not words:
            missing.append(required.name)
        elif required.values and not set(words).issubset(required.values):
            wrong[required.name] = value
    if not missing and not wrong:
        return None
    parts = [f"{name!r} is not given" for name in missing]
    parts += [f"{name!r} has the value {value!r}, which is not allowed" for name, value in wrong.items()]
    message = f"required attributes: {'; '.join(parts)}"
    return Broken(rule="DR16", message=message, values={"missing": missing, "wrong": wrong})


def _words_of(value: object) -> list[str]:
    """The values of an attribute as a problem's file writes them: of a checkbox those that are ticked."""
    match value:
        case None:
            return []
        case bool():
            return ["true" if value else "false"]
        case dict():
            return [str(word) for word, ticked in value.items() if ticked in (True, "true")]
        case list() | tuple():
            return [word for each in value for word in _words_of(each)]
        case _:
            return [str(value)] if str(value).strip() else []


CHECKS: tuple[Check, ...] = (
    shape_is_allowed,
    is_labelled,
    label_is_known,
    lies_inside,
    is_not_degenerate,
    does_not_cross_itself,
    is_no_repetition,
    attributes_are_given,
)
"""All that is checked of a region, in the order in which it is reported."""


def check(subject: Subject) -> Iterator[Broken]:
    """Everything that is wrong with a region, so that its annotator hears of it at once."""
    for look in CHECKS:
        broken = look(subject)
        if broken:
            yield broken


def as_kept(subject: Subject) -> tuple[Region, Measure]:
    """An accepted region as it goes on record, with its measure: clipped, without flat rings, its alias applied."""
    region, around = subject.region, subject.around
    shape, measured = subject.shape, subject.measure
    if subject.beyond_px > around.clip_tolerance_px and around.size_wh is not None:
        # Only where the problem makes no error of it.
        shape = clip_shape(shape, around.size_wh)
        measured = measure([shape], crossings=False)[0]
    flat = measured.flat_rings
    if flat and isinstance(shape, Polygon) and len(flat) < len(shape.rings):
        shape = replace(shape, rings=tuple(ring for i, ring in enumerate(shape.rings) if i not in flat))
        measured = measure([shape], crossings=False)[0]
    label = region.label if subject.label is None else subject.label
    if shape is not region.shape:
        # What the file states of box and area was of the shape before.
        return replace(region, shape=shape, label=label, box_xywh_px=None, area_px=None), measured
    return (region if label == region.label else replace(region, label=label)), measured


def _first_alike(region: Region, key: object, around: Surroundings) -> int:
    """Index of the first region of this shape among those of the same key; its own if there is none."""
    earlier = around.firsts.get(key, ())
    for other in earlier:
        if _as_drawn(other.shape) == _as_drawn(region.shape):
            return other.index
    around.firsts[key] = (*earlier, region)
    return region.index


def _as_drawn(shape: Shape) -> Shape:
    return replace(shape, closed_in_file=False) if isinstance(shape, Polygon) and shape.closed_in_file else shape


def _reach_beyond_px(measured: Measure, size_wh: tuple[int, int]) -> float:
    """How far a shape's outermost point lies beyond the image; 0 for one inside or on the edge."""
    width, height = size_wh
    return max(-measured.x0, -measured.y0, measured.x1 - width, measured.y1 - height, 0.0)


def degeneracy(shape: Shape, measured: Measure) -> str | None:
    """What makes a shape enclose nothing, or None."""
    if isinstance(shape, Polygon) and not measured.flat_rings:
        return None  # as nearly all are
    match shape:
        case Rect(width=width, height=height) if width <= 0 or height <= 0:
            return f"the rectangle has a width of {width:g} and a height of {height:g} pixels"
        case Circle(r=r) if r <= 0:
            return f"the circle has a radius of {r:g} pixels"
        case Ellipse(rx=rx, ry=ry) if rx <= 0 or ry <= 0:
            return f"the ellipse has half axes of {rx:g} and {ry:g} pixels"
        case Polygon(rings=rings) if len(measured.flat_rings) == len(rings):
            corners = len({point for ring in rings for point in ring})
            return f"the polygon of {corners} distinct corners encloses no area"
        case Polyline(points=points) if len(set(points)) < 2:
            return f"the line has {len(set(points))} distinct points, it needs 2"
        case Mask() if measured.area_px2 == 0:
            return "the mask is empty"
        case _:
            return None
