"""Street scenes: signs, lights and cars over varied backgrounds, each with its exact outline.

Pictures are drawn twice as large and scaled down, so that edges are as soft as a camera's. The same generator state
gives the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from teppr.geometry import box_xywh, iou_xyxy, xyxy_of
from teppr.images import Pixels
from teppr.types import Circle, Point, Polygon, Rect, Ring, Shape

Color = tuple[int, int, int]

SIZE_WH = (480, 320)
OVERSAMPLING = 2
LABELS = ("car", "speed_sign", "stop_sign", "traffic_light")
MOST_OBJECTS = 5


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in a scene: its label, and its outline in pixels of the picture."""

    label: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture [height, width, 3] in RGB and what is in it."""

    pixels: Pixels
    objects: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class _Light:
    """The time of day: colours of sky and ground, and how bright everything is."""

    sky_top: Color
    sky_low: Color
    ground: Color
    road: Color
    brightness: float


_LIGHTS = (
    _Light((92, 148, 214), (190, 216, 240), (112, 142, 84), (92, 92, 96), 1.0),
    _Light((150, 158, 168), (205, 208, 212), (118, 120, 96), (84, 86, 90), 0.95),
    _Light((66, 62, 110), (238, 160, 106), (88, 96, 66), (70, 68, 76), 0.85),
    _Light((34, 40, 66), (92, 96, 122), (58, 66, 54), (54, 54, 62), 0.7),
    _Light((120, 180, 232), (232, 238, 244), (196, 184, 150), (120, 118, 116), 1.08),
)


class _Canvas:
    """A picture that is drawn in final pixels and kept enlarged."""

    def __init__(self, size_wh: tuple[int, int]) -> None:
        self.size_wh = size_wh
        width, height = size_wh
        self.pixels: Pixels = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING, 3), np.uint8)

    def polygon(self, points: Ring, color: Color) -> None:
        cv2.fillPoly(self.pixels, [self._corners(points)], color, cv2.LINE_AA)

    def rect(self, x: float, y: float, width: float, height: float, color: Color) -> None:
        self.polygon(((x, y), (x + width, y), (x + width, y + height), (x, y + height)), color)

    def circle(self, cx: float, cy: float, r: float, color: Color) -> None:
        center = round(cx * OVERSAMPLING), round(cy * OVERSAMPLING)
        cv2.circle(self.pixels, center, max(1, round(r * OVERSAMPLING)), color, -1, cv2.LINE_AA)

    def text(self, words: str, cx: float, cy: float, height_px: float, color: Color) -> None:
        scale = height_px * OVERSAMPLING / 22
        thickness = max(1, round(scale * 2.4))
        (width, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        origin = round(cx * OVERSAMPLING - width / 2), round(cy * OVERSAMPLING + height / 2)
        cv2.putText(self.pixels, words, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)

    def finished(self) -> Pixels:
        return np.asarray(cv2.resize(self.pixels, self.size_wh, interpolation=cv2.INTER_AREA), dtype=np.uint8)

    @staticmethod
    def _corners(points: Ring) -> npt.NDArray[np.int32]:
        return np.round(np.asarray(points) * OVERSAMPLING).astype(np.int32).reshape(-1, 1, 2)


def scene(random: np.random.Generator, size_wh: tuple[int, int] = SIZE_WH) -> Scene:
    """One street scene with one to five objects that hardly overlap."""
    canvas = _Canvas(size_wh)
    light = _LIGHTS[random.integers(len(_LIGHTS))]
    horizon = size_wh[1] * random.uniform(0.42, 0.56)
    _background(canvas, random, light, horizon)
    placed: list[Placed] = []
    for _ in range(random.integers(1, MOST_OBJECTS + 1)):
        label = LABELS[random.integers(len(LABELS))]
        if (position := _free_place(random, label, size_wh, horizon, placed)) is not None:
            placed.append(Placed(label, _DRAW[label](canvas, random, *position)))
    return Scene(_camera(canvas.finished(), random, light), tuple(placed))


def _background(canvas: _Canvas, random: np.random.Generator, light: _Light, horizon: float) -> None:
    width, height = canvas.size_wh
    rows = int(horizon * OVERSAMPLING)
    share = np.linspace(0, 1, rows)[:, None]
    sky = np.asarray(light.sky_top) * (1 - share) + np.asarray(light.sky_low) * share
    canvas.pixels[:rows] = sky[:, None, :].astype(np.uint8)
    canvas.rect(0, horizon, width, height - horizon, light.ground)
    _skyline(canvas, random, horizon)
    _road(canvas, random, light, horizon)


def _skyline(canvas: _Canvas, random: np.random.Generator, horizon: float) -> None:
    width, _ = canvas.size_wh
    x = -random.uniform(0, 40)
    while x < width:
        broad = random.uniform(24, 80)
        if random.random() < 0.55:
            _building(canvas, random, x, broad, horizon)
        elif random.random() < 0.8:
            _tree(canvas, random, x + broad / 2, broad, horizon)
        x += broad * random.uniform(0.8, 1.3)


def _building(canvas: _Canvas, random: np.random.Generator, x: float, broad: float, horizon: float) -> None:
    tall = random.uniform(0.25, 0.85) * horizon
    wall = _around(random, _pick(random, ((150, 120, 100), (170, 165, 155), (110, 115, 130), (190, 150, 120))), 18)
    canvas.rect(x, horizon - tall, broad, tall, wall)
    window = _pick(random, ((60, 74, 92), (210, 200, 150), (90, 100, 110)))
    across, up = max(2, int(broad // 14)), max(2, int(tall // 18))
    for column in range(across):
        for row in range(up):
            left = x + (column + 0.25) * broad / across
            canvas.rect(left, horizon - tall + (row + 0.25) * tall / up, broad / across / 2, tall / up / 2, window)


def _tree(canvas: _Canvas, random: np.random.Generator, cx: float, broad: float, horizon: float) -> None:
    tall = random.uniform(0.3, 0.7) * horizon
    canvas.rect(cx - 2, horizon - tall / 2, 4, tall / 2, (84, 62, 44))
    leaves = _around(random, (62, 104, 54), 20)
    for _ in range(6):
        dx, dy = random.uniform(-0.3, 0.3) * broad, random.uniform(-0.25, 0.2) * tall
        canvas.circle(cx + dx, horizon - 0.7 * tall + dy, broad * random.uniform(0.16, 0.3), leaves)


def _road(canvas: _Canvas, random: np.random.Generator, light: _Light, horizon: float) -> None:
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


def _pole(canvas: _Canvas, cx: float, cy: float, size: float) -> None:
    _, height = canvas.size_wh
    canvas.rect(cx - size * 0.035, cy, size * 0.07, min(height - cy, 2.3 * size), (128, 130, 132))


def _stop_sign(canvas: _Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    _pole(canvas, cx, cy, size)
    tilt = random.uniform(-0.07, 0.07)
    corners = _regular(8, cx, cy, size / 2, math.pi / 8 + tilt)
    canvas.polygon(corners, (238, 238, 236))
    canvas.polygon(_regular(8, cx, cy, size * 0.455, math.pi / 8 + tilt), _around(random, (186, 24, 30), 12))
    canvas.text("STOP", cx, cy, size * 0.26, (244, 244, 244))
    return Polygon((corners,))


def _speed_sign(canvas: _Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    _pole(canvas, cx, cy, size)
    canvas.circle(cx, cy, size / 2, _around(random, (200, 26, 34), 10))
    canvas.circle(cx, cy, size * 0.385, (244, 244, 240))
    canvas.text(str(random.choice((30, 50, 60, 80))), cx, cy, size * 0.4, (24, 24, 26))
    return Circle(round(cx, 1), round(cy, 1), round(size / 2, 1))


def _traffic_light(canvas: _Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    broad, tall = 0.46 * size, 1.15 * size
    _pole(canvas, cx, cy + tall / 2, size)
    left, top = cx - broad / 2, cy - tall / 2
    canvas.rect(left, top, broad, tall, _around(random, (34, 36, 38), 8))
    lit = random.integers(3)
    for i, (bright, dark) in enumerate(
        (((250, 60, 50), (78, 30, 30)), ((250, 196, 60), (80, 64, 28)), ((70, 226, 120), (24, 66, 42)))
    ):
        canvas.circle(cx, top + tall * (i + 0.5) / 3, broad * 0.32, bright if i == lit else dark)
    return Rect(round(left, 1), round(top, 1), round(broad, 1), round(tall, 1))


def _car(canvas: _Canvas, random: np.random.Generator, cx: float, cy: float, size: float) -> Shape:
    paint = _around(
        random, _pick(random, ((178, 30, 36), (34, 70, 140), (214, 214, 216), (40, 42, 46), (60, 120, 82))), 14
    )
    return (
        _car_from_behind(canvas, cx, cy, size, paint)
        if random.random() < 0.5
        else _car_from_side(canvas, cx, cy, size, paint, mirrored=bool(random.random() < 0.5))
    )


def _car_from_behind(canvas: _Canvas, cx: float, cy: float, size: float, paint: Color) -> Shape:
    size = 0.8 * size

    def at(*points: Point) -> Ring:
        return tuple((round(cx + x * size, 1), round(cy + y * size, 1)) for x, y in points)

    outline = at(
        (-0.34, -0.36),
        (0.34, -0.36),
        (0.43, -0.08),
        (0.5, 0.02),
        (0.5, 0.36),
        (-0.5, 0.36),
        (-0.5, 0.02),
        (-0.43, -0.08),
    )
    for x in (-0.46, 0.3):
        canvas.polygon(at((x, 0.25), (x + 0.16, 0.25), (x + 0.16, 0.4), (x, 0.4)), (22, 22, 24))
    canvas.polygon(outline, paint)
    canvas.polygon(at((-0.3, -0.31), (0.3, -0.31), (0.37, -0.08), (-0.37, -0.08)), (48, 60, 74))
    for x in (-0.46, 0.32):
        canvas.polygon(at((x, 0.06), (x + 0.14, 0.06), (x + 0.14, 0.15), (x, 0.15)), (226, 48, 40))
    canvas.polygon(at((-0.13, 0.16), (0.13, 0.16), (0.13, 0.23), (-0.13, 0.23)), (232, 232, 226))
    return Polygon((outline[:5] + at((0.46, 0.4), (-0.46, 0.4)) + outline[5:],))


def _car_from_side(canvas: _Canvas, cx: float, cy: float, size: float, paint: Color, *, mirrored: bool) -> Shape:
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


_Draw = Callable[[_Canvas, np.random.Generator, float, float, float], Shape]
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


def _camera(pixels: Pixels, random: np.random.Generator, light: _Light) -> Pixels:
    """What a lens and a sensor add: exposure, a cast, a little blur and noise."""
    gain = light.brightness * random.uniform(0.85, 1.12) * random.uniform(0.95, 1.05, size=3)
    blurred = cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.3, 0.9))
    noise = random.normal(0, random.uniform(1, 6), size=pixels.shape)
    return np.asarray(np.clip(blurred * gain + noise, 0, 255), dtype=np.uint8)


def _regular(corners: int, cx: float, cy: float, radius: float, turned: float) -> Ring:
    angles = [turned + i * 2 * math.pi / corners for i in range(corners)]
    return tuple((round(cx + radius * math.cos(a), 1), round(cy + radius * math.sin(a), 1)) for a in angles)


def _pick(random: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return colors[random.integers(len(colors))]


def _around(random: np.random.Generator, color: Color, spread: int) -> Color:
    red, green, blue = (int(np.clip(part + random.integers(-spread, spread + 1), 0, 255)) for part in color)
    return red, green, blue
