"""The checks of regions: each looks at one region in its image and says what breaks its rule, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from teppr.annotations.crossing import crosses_itself
from teppr.annotations.rules import NOTE, WARNING, Broken
from teppr.geometry import area, box_xywh, clip_shape, points_of, ring_area
from teppr.problems.contract import Problem
from teppr.types import Circle, Ellipse, Mask, Polygon, Polyline, Rect, Region, Ring, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a check knows beside the region.

    size_wh: the image's size in pixels; None where it is not known, and nothing can be outside
    earlier: {what is the same in a repetition: index} of the regions before this one
    """

    problem: Problem
    size_wh: tuple[int, int] | None
    clip_tolerance_px: float
    earlier: Mapping[object, int]


Check: TypeAlias = Callable[[Region, Surroundings], Broken | None]


def shape_is_allowed(region: Region, around: Surroundings) -> Broken | None:
    """DR09."""
    kind, allowed = region.shape.kind, around.problem.shapes
    if kind in allowed:
        return None
    message = f"a {kind} is no shape of {around.problem.id}; allowed: {', '.join(allowed)}"
    return Broken(rule="DR09", message=message, values={"shape": kind})


def is_labelled(region: Region, _: Surroundings) -> Broken | None:
    """DR10."""
    if region.label is not None and region.label.strip():
        return None
    return Broken(rule="DR10", message="the region has no label", values={"attributes": dict(region.attributes)})


def label_is_known(region: Region, around: Surroundings) -> Broken | None:
    """DR11."""
    problem = around.problem
    if not region.label or not region.label.strip() or problem.knows(problem.label_of(region.label)):
        return None
    message = f"{region.label!r} is no label of {problem.id}; known: {', '.join(problem.labels)}"
    return Broken(rule="DR11", message=message, values={"label": region.label})


def lies_inside(region: Region, around: Surroundings) -> Broken | None:
    """DR12; a point on the image's right or lower edge is inside."""
    size_wh = around.size_wh
    if size_wh is None:
        return None
    width, height = size_wh
    if isinstance(region.shape, Mask) and region.shape.size_wh != size_wh:
        own = region.shape.size_wh
        message = f"the mask is of an image of {own[0]} x {own[1]} pixels, this one has {width} x {height}"
        return Broken(rule="DR12", message=message, values={"mask_size_wh": own, "size_wh": size_wh})
    beyond_px = reach_beyond_px(region.shape, size_wh)
    if beyond_px <= 0:
        return None
    values = {"box_xywh_px": box_xywh(region.shape), "size_wh": size_wh, "beyond_px": beyond_px}
    reach = f"the shape reaches {beyond_px:.4g} px beyond its image of {width} x {height} pixels"
    if beyond_px <= around.clip_tolerance_px:
        return Broken(rule="DR12", message=f"{reach}, and was clipped", values=values, severity=NOTE)
    return Broken(rule="DR12", message=f"{reach}; tolerated: {around.clip_tolerance_px:g} px", values=values)


def is_not_degenerate(region: Region, around: Surroundings) -> Broken | None:
    """DR13, of what is left of the shape inside the image where a part of it was clipped."""
    shape = region.shape
    if around.size_wh and reach_beyond_px(shape, around.size_wh) <= around.clip_tolerance_px:
        shape = _inside(shape, around)
    reason = degeneracy(shape)
    if reason:
        return Broken(rule="DR13", message=reason, values={"box_xywh_px": box_xywh(shape), "area_px": area(shape)})
    if isinstance(shape, Polygon) and (flat := [i for i, ring in enumerate(shape.rings) if _flat(ring)]):
        message = f"{len(flat)} of the polygon's {len(shape.rings)} rings enclose nothing, and were left out"
        return Broken(rule="DR13", message=message, values={"rings": flat}, severity=WARNING)
    return None


def does_not_cross_itself(region: Region, _: Surroundings) -> Broken | None:
    """DR14."""
    if not isinstance(region.shape, Polygon):
        return None
    for i, ring in enumerate(region.shape.rings):
        pair = crosses_itself(ring)
        if pair:
            (first, second), n = pair, len(ring)
            message = (
                f"the edges {first}-{(first + 1) % n} and {second}-{(second + 1) % n} of the polygon "
                f"of {n} corners cross each other"
            )
            return Broken(rule="DR14", message=message, values={"ring": i, "edges": [first, second]})
    return None


def is_no_repetition(region: Region, around: Surroundings) -> Broken | None:
    """DR15."""
    first = around.earlier.get(sameness(region))
    if first is None:
        return None
    message = f"region {region.index} has the same shape and label as region {first}"
    return Broken(rule="DR15", message=message, values={"first": first, "label": region.label})


def attributes_are_given(region: Region, around: Surroundings) -> Broken | None:
    """DR16."""
    missing, wrong = [], {}
    for required in around.problem.required_attributes:
        value = region.label if required.name == region.label_attribute else region.attributes.get(required.name)
        if value is None or not str(value).strip():
            missing.append(required.name)
        elif required.values and str(value) not in required.values:
            wrong[required.name] = value
    if not missing and not wrong:
        return None
    parts = [f"{name!r} is not given" for name in missing]
    parts += [f"{name!r} has the value {value!r}, which is not allowed" for name, value in wrong.items()]
    return Broken(
        rule="DR16", message=f"required attributes: {'; '.join(parts)}", values={"missing": missing, "wrong": wrong}
    )


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


def check_region(region: Region, around: Surroundings) -> Iterator[Broken]:
    """Everything that is wrong with a region, so that its annotator hears of it at once."""
    for check in CHECKS:
        broken = check(region, around)
        if broken:
            yield broken


def as_kept(region: Region, around: Surroundings) -> Region:
    """An accepted region as it goes on record: clipped, its flat rings left out, the label's alias applied."""
    shape = _inside(region.shape, around)
    if isinstance(shape, Polygon):
        sound = tuple(ring for ring in shape.rings if not _flat(ring))
        if sound and len(sound) < len(shape.rings):
            shape = replace(shape, rings=sound)
    label = None if region.label is None else around.problem.label_of(region.label)
    if shape is not region.shape:
        # What the file states of box and area was of the shape before.
        return replace(region, shape=shape, label=label, box_xywh_px=None, area_px=None)
    return region if label == region.label else replace(region, label=label)


def sameness(region: Region) -> object:
    """What two regions have in common when one repeats the other."""
    shape = region.shape
    if isinstance(shape, Polygon):
        shape = replace(shape, closed_in_file=False)
    return shape, region.label


def reach_beyond_px(shape: Shape, size_wh: tuple[int, int]) -> float:
    """How far a shape's outermost point lies beyond the image; 0 for one inside or on the edge."""
    width, height = size_wh
    return max((max(-x, -y, x - width, y - height, 0) for x, y in points_of(shape)), default=0)


def degeneracy(shape: Shape) -> str | None:
    """What makes a shape enclose nothing, or None."""
    match shape:
        case Rect(width=width, height=height) if width <= 0 or height <= 0:
            return f"the rectangle has a width of {width:g} and a height of {height:g} pixels"
        case Circle(r=r) if r <= 0:
            return f"the circle has a radius of {r:g} pixels"
        case Ellipse(rx=rx, ry=ry) if rx <= 0 or ry <= 0:
            return f"the ellipse has half axes of {rx:g} and {ry:g} pixels"
        case Polygon(rings=rings) if all(map(_flat, rings)):
            corners = len({point for ring in rings for point in ring})
            return f"the polygon of {corners} distinct corners encloses no area"
        case Polyline(points=points) if len(set(points)) < 2:
            return f"the line has {len(set(points))} distinct points, it needs 2"
        case Mask() if area(shape) == 0:
            return "the mask is empty"
        case _:
            return None


def _flat(ring: Ring) -> bool:
    return len(set(ring)) < 3 or ring_area(ring) == 0


def _inside(shape: Shape, around: Surroundings) -> Shape:
    size_wh = around.size_wh
    if size_wh is None or isinstance(shape, Mask) or reach_beyond_px(shape, size_wh) <= 0:
        return shape
    return clip_shape(shape, size_wh)
