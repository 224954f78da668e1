"""Street scenes: signs, lights and cars over varied backgrounds, each with its exact outline.

The same generator state gives the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from teppr.geometry import box_xywh, iou_xyxy, xyxy_of
from teppr.scenes.canvas import Canvas, Color, Placed, Scene, around, pick
from teppr.scenes.outdoors import LIGHTS, Light, camera, car_from_behind, sky_and_ground, skyline
from teppr.types import Circle, Point, Polygon, Rect, Ring, Shape

SIZE_WH = (480, 320)
LABELS = ("car", "speed_sign", "stop_sign", "traffic_light")
MOST_OBJECTS = 5


def scene(random: np.random.Generator, size_wh: tuple[int, int] = SIZE_WH) -> Scene:
    """One street scene with one to five objects that hardly overlap."""
    canvas = Canvas(size_wh)
    light = LIGHTS[random.integers(len(LIGHTS))]
    horizon = size_wh[1] * random.uniform(0.42, 0.56)
    _background(canvas, random, light, horizon)
    placed: list[Placed] = []
    for _ in range(random.integers(1, MOST_OBJECTS + 1)):
        label = LABELS[random.integers(len(LABELS))]
        if (position := _free_place(random, label, size_wh, horizon, placed)) is not None:
            placed.append(Placed(label, _DRAW[label](canvas, random, *position)))
    return Scene(camera(canvas.finished(), random, light), tuple(placed))


def _background(canvas: Canvas, random: np.random.Generator, light: Light, horizon: float) -> None:
    sky_and_ground(canvas, light, horizon)
    skyline(canvas, random, horizon)
    _road(canvas, random, light, horizon)


def _road(canvas: Canvas, random: np.random.Generator, light: Light, horizon: float) -> None:
    width, height = canvas.size_wh
    vanishing = width * random.uniform(0.35, 0.65)
    left, right = -width * random.uniform(0.05, 0.4), width * (1 + random.uniform(0.05, 0.4))
    canvas.polygon(((vanishing - 6, horizon), (vanishing + 6, horizon), (right, height), (left, height)), light.road)
    middle = (left + right) / 2
    for i in range(7):
        near, far = (i + 0.55) / 7, i / 7
        y0, y1 = horizon + (height - horizon) * far**1.8, horizon + (height - horizon) * near**1.8
        x0, x1 = vanishing + (middle - vanishing) * far**1.8, vanishing + (middle - vanishing) * near**1.8
        half0, half1 = 0.5 + 4 * far, 0.5 + 4 * near
        mark = ((x0 - half0, y0), (x0 + half0, y0), (x1 + half1, y1), (x1 - half1, y1))
        canvas.polygon(mark, (216, 214, 200))


def _free_place(
    random: np.random.Generator, label: str, size_wh: tuple[int, int], horizon: float, placed: list[Placed]
) -> tuple[float, float, float] | None:
    """Centre x, centre y and size in pixels of a spot that nothing else takes; None after some tries."""
    width, height = size_wh
    taken = [box_xywh(item.shape) for item in placed]
    for _ in range(20):
        if label == "car":
            size = random.uniform(54, 150)
            cy = min(height - 0.36 * size, random.uniform(horizon + 0.1 * size, height - 0.3 * size))
        else:
            size = random.uniform(22, 58)
            cy = random.uniform(max(size, 0.3 * horizon), horizon + 10)
        cx = random.uniform(0.55 * size, width - 0.55 * size)
        box = (cx - 0.6 * size, cy - 0.6 * size, 1.2 * size, 1.2 * size)
        if not taken or float(iou_xyxy(xyxy_of([box]), xyxy_of(taken)).max()) < 0.02:
            return cx, cy, size
    return None


def _pole(canvas: Canvas, cx: float, cy: float, size: float) -> None:
    _, height = canvas.size_wh
    canvas.rect(cx - size * 0.035, cy, size * 0.07, min(height - cy, 2.3 * size), (128, 130, 132))


def _stop_sign(canvas: Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    _pole(canvas, cx, cy, size)
    tilt = random.uniform(-0.07, 0.07)
    corners = _regular(8, cx, cy, size / 2, math.pi / 8 + tilt)
    canvas.polygon(corners, (238, 238, 236))
    canvas.polygon(_regular(8, cx, cy, size * 0.455, math.pi / 8 + tilt), around(random, (186, 24, 30), 12))
    canvas.text("STOP", cx, cy, size * 0.26, (244, 244, 244))
    return Polygon((corners,))


def _speed_sign(canvas: Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    _pole(canvas, cx, cy, size)
    canvas.circle(cx, cy, size / 2, around(random, (200, 26, 34), 10))
    canvas.circle(cx, cy, size * 0.385, (244, 244, 240))
    canvas.text(str(random.choice((30, 50, 60, 80))), cx, cy, size * 0.4, (24, 24, 26))
    return Circle(round(cx, 1), round(cy, 1), round(size / 2, 1))


def _traffic_light(canvas: Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    broad, tall = 0.46 * size, 1.15 * size
    _pole(canvas, cx, cy + tall / 2, size)
    left, top = cx - broad / 2, cy - tall / 2
    canvas.rect(left, top, broad, tall, around(random, (34, 36, 38), 8))
    lit = random.integers(3)
    for i, (bright, dark) in enumerate(
        (((250, 60, 50), (78, 30, 30)), ((250, 196, 60), (80, 64, 28)), ((70, 226, 120), (24, 66, 42)))
    ):
        canvas.circle(cx, top + tall * (i + 0.5) / 3, broad * 0.32, bright if i == lit else dark)
    return Rect(round(left, 1), round(top, 1), round(broad, 1), round(tall, 1))


def _car(canvas: Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    paint = around(
        random, pick(random, ((178, 30, 36), (34, 70, 140), (214, 214, 216), (40, 42, 46), (60, 120, 82))), 14
    )
    return (
        car_from_behind(canvas, cx, cy, size, paint)
        if random.random() < 0.5
        else _car_from_side(canvas, cx, cy, size, paint, mirrored=bool(random.random() < 0.5))
    )


def _car_from_side(canvas: Canvas, cx: float, cy: float, size: float, paint: Color, *, mirrored: bool) -> Shape:
    turn = -1 if mirrored else 1

    def at(*points: Point) -> Ring:
        return tuple((round(cx + turn * x * size, 1), round(cy + y * size, 1)) for x, y in points)

    body = at(
        (-0.5, -0.02),
        (-0.36, -0.06),
        (-0.22, -0.2),
        (0.14, -0.21),
        (0.28, -0.06),
        (0.46, -0.02),
        (0.5, 0.1),
        (-0.5, 0.12),
    )
    canvas.polygon(body, paint)
    canvas.polygon(at((-0.29, -0.06), (-0.19, -0.17), (-0.04, -0.17), (-0.04, -0.06)), (54, 66, 80))
    canvas.polygon(at((0.0, -0.06), (0.0, -0.17), (0.12, -0.17), (0.21, -0.06)), (54, 66, 80))
    for x in (-0.29, 0.29):
        (wheel,) = at((x, 0.11))
        canvas.circle(*wheel, 0.095 * size, (20, 20, 22))
        canvas.circle(*wheel, 0.045 * size, (150, 152, 156))
    below = at(*_wheel_arc(0.29), *_wheel_arc(-0.29))
    return Polygon((body[:7] + below + body[7:],))


_Draw = Callable[[Canvas, np.random.Generator, float, float, float], Shape]
_DRAW: dict[str, _Draw] = {
    "car": _car,
    "speed_sign": _speed_sign,
    "stop_sign": _stop_sign,
    "traffic_light": _traffic_light,
}


def _wheel_arc(x: float) -> Ring:
    """The lower edge of a wheel around (x, 0.11) as the outline goes: from right to left."""
    angles = [i * math.pi / 6 for i in range(7)]
    return tuple((x + 0.095 * math.cos(a), 0.11 + 0.095 * math.sin(a)) for a in angles)


def _regular(corners: int, cx: float, cy: float, radius: float, turned: float) -> Ring:
    angles = [turned + i * 2 * math.pi / corners for i in range(corners)]
    return tuple((round(cx + radius * math.cos(a), 1), round(cy + radius * math.sin(a), 1)) for a in angles)
