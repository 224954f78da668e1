"""What lies around a road, by day and by night: light, sky, houses, trees, cars, and the camera that sees them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from teppr.images import Pixels
from teppr.scenes.canvas import OVERSAMPLING, Canvas, Color, around, pick
from teppr.types import Point, Polygon, Ring, Shape


@dataclass(frozen=True, slots=True)
class Light:
    """The time of day: colours of sky and ground, and how bright everything is."""

    sky_top: Color
    sky_low: Color
    ground: Color
    road: Color
    brightness: float


LIGHTS = (
    Light((92, 148, 214), (190, 216, 240), (112, 142, 84), (92, 92, 96), 1.0),
    Light((150, 158, 168), (205, 208, 212), (118, 120, 96), (84, 86, 90), 0.95),
    Light((66, 62, 110), (238, 160, 106), (88, 96, 66), (70, 68, 76), 0.85),
    Light((34, 40, 66), (92, 96, 122), (58, 66, 54), (54, 54, 62), 0.7),
    Light((120, 180, 232), (232, 238, 244), (196, 184, 150), (120, 118, 116), 1.08),
)


def sky_and_ground(canvas: Canvas, light: Light, horizon: float) -> None:
    """Fill the picture above and below the horizon."""
    width, height = canvas.size_wh
    rows = int(horizon * OVERSAMPLING)
    share = np.linspace(0, 1, rows)[:, None]
    sky = np.asarray(light.sky_top) * (1 - share) + np.asarray(light.sky_low) * share
    canvas.pixels[:rows] = sky[:, None, :].astype(np.uint8)
    canvas.rect(0, horizon, width, height - horizon, light.ground)


def skyline(canvas: Canvas, random: np.random.Generator, horizon: float) -> None:
    """Houses and trees along the horizon."""
    width, _ = canvas.size_wh
    x = -random.uniform(0, 40)
    while x < width:
        broad = random.uniform(24, 80)
        if random.random() < 0.55:
            _building(canvas, random, x, broad, horizon)
        elif random.random() < 0.8:
            _tree(canvas, random, x + broad / 2, broad, horizon)
        x += broad * random.uniform(0.8, 1.3)


def _building(canvas: Canvas, random: np.random.Generator, x: float, broad: float, horizon: float) -> None:
    tall = random.uniform(0.25, 0.85) * horizon
    wall = around(random, pick(random, ((150, 120, 100), (170, 165, 155), (110, 115, 130), (190, 150, 120))), 18)
    canvas.rect(x, horizon - tall, broad, tall, wall)
    window = pick(random, ((60, 74, 92), (210, 200, 150), (90, 100, 110)))
    across, up = max(2, int(broad // 14)), max(2, int(tall // 18))
    for column in range(across):
        for row in range(up):
            left = x + (column + 0.25) * broad / across
            canvas.rect(left, horizon - tall + (row + 0.25) * tall / up, broad / across / 2, tall / up / 2, window)


def _tree(canvas: Canvas, random: np.random.Generator, cx: float, broad: float, horizon: float) -> None:
    tall = random.uniform(0.3, 0.7) * horizon
    canvas.rect(cx - 2, horizon - tall / 2, 4, tall / 2, (84, 62, 44))
    leaves = around(random, (62, 104, 54), 20)
    for _ in range(6):
        dx, dy = random.uniform(-0.3, 0.3) * broad, random.uniform(-0.25, 0.2) * tall
        canvas.circle(cx + dx, horizon - 0.7 * tall + dy, broad * random.uniform(0.16, 0.3), leaves)


def car_from_behind(canvas: Canvas, cx: float, cy: float, size: float, paint: Color) -> Shape:
    """A car that drives ahead, 0.8 of `size` wide, its wheels' lower edge 0.32 of it below the centre."""
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


def camera(pixels: Pixels, random: np.random.Generator, light: Light) -> Pixels:
    """What a lens and a sensor add: exposure, a cast, a little blur and noise."""
    gain = light.brightness * random.uniform(0.85, 1.12) * random.uniform(0.95, 1.05, size=3)
    blurred = cv2.GaussianBlur(pixels, (0, 0), random.uniform(0.3, 0.9))
    noise = random.normal(0, random.uniform(1, 6), size=pixels.shape)
    return np.asarray(np.clip(blurred * gain + noise, 0, 255), dtype=np.uint8)
