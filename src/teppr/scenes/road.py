"""Roads of two to five lanes as a driver sees them, with the lines along which their markings run.

The road is flat, its lanes are parallel, and it turns by a steady curvature; metres become pixels by a camera above
it. Lines go on where markings are interrupted, worn, or hidden by a car. The same generator state gives the same
picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from teppr.scenes.canvas import OVERSAMPLING, Canvas, Color, Placed, Scene, around, pick
from teppr.scenes.outdoors import LIGHTS, Light, camera, car_from_behind, sky_and_ground, skyline
from teppr.types import Polyline, Ring

Array = npt.NDArray[np.float64]

SIZE_WH = (640, 360)
LABEL = "lane"
FEWEST_LANES, MOST_LANES = 2, 5
LINE_POINTS = 14
"""Of the longest lines: as many as a person would set."""
SHORTEST_LINE = 0.08
"""Of the picture's height; what can be seen of a marking must be so high to be annotated."""
FARTHEST_M = 400.0
PAINTS: tuple[Color, ...] = ((238, 238, 232), (226, 226, 220), (236, 196, 84))
CAR_PAINTS: tuple[Color, ...] = (
    (178, 30, 36),
    (34, 70, 140),
    (214, 214, 216),
    (40, 42, 46),
    (60, 120, 82),
    (150, 152, 156),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """How metres on the road become pixels.

    vanishing_xy: where a straight road ahead would end
    focal_px: pixels that a metre takes at a distance of a metre
    above_m: the camera's height over the road
    heading, curvature_per_m: of the road, to the right
    """

    size_wh: tuple[int, int]
    vanishing_xy: tuple[float, float]
    focal_px: float
    above_m: float
    heading: float
    curvature_per_m: float

    @property
    def nearest_m(self) -> float:
        """The distance that the picture's lower edge shows."""
        return self.focal_px * self.above_m / (self.size_wh[1] - self.vanishing_xy[1])

    def x_px(self, aside_m: npt.ArrayLike, ahead_m: npt.ArrayLike, up_m: float = 0.0) -> tuple[Array, Array]:
        """Pixels of points so far beside the camera's lane, ahead along the road, and above it."""
        aside, ahead = np.asarray(aside_m, np.float64), np.asarray(ahead_m, np.float64)
        across = aside + self.heading * ahead + self.curvature_per_m * ahead**2 / 2
        x = self.vanishing_xy[0] + self.focal_px * across / ahead
        y = self.vanishing_xy[1] + self.focal_px * (self.above_m - up_m) / ahead
        return np.broadcast_to(x, y.shape), y

    def ahead_m(self, y_px: npt.ArrayLike) -> Array:
        """How far ahead the road is seen at these rows."""
        return self.focal_px * self.above_m / (np.asarray(y_px, np.float64) - self.vanishing_xy[1])

    def strip(self, left_m: float, right_m: float, near_m: float, far_m: float, points: int = 24) -> Ring:
        """A stretch of the road between two lines that run along it."""
        # Evenly over the rows, which a curve in the distance needs and the foreground does not mind.
        ahead = 1 / np.linspace(1 / max(near_m, self.nearest_m * 0.9), 1 / far_m, points)
        (left_x, y), (right_x, _) = self.x_px(left_m, ahead), self.x_px(right_m, ahead)
        return _ring(np.concatenate([left_x, right_x[::-1]]), np.concatenate([y, y[::-1]]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Road:
    """Its markings from left to right, by their places beside the camera's lane."""

    view: _View
    lane_m: float
    lines_m: tuple[float, ...]
    shoulder_m: float

    @property
    def edges_m(self) -> tuple[float, float]:
        """Left and right end of the asphalt."""
        return self.lines_m[0] - self.shoulder_m, self.lines_m[-1] + self.shoulder_m


def road(random: np.random.Generator, size_wh: tuple[int, int] = SIZE_WH) -> Scene:
    """One road, its objects the lines along its markings, from left to right, each from its lower end up."""
    canvas = Canvas(size_wh)
    light = LIGHTS[random.integers(len(LIGHTS))]
    seen = _road(random, size_wh)
    far_m = random.uniform(45, 80)
    horizon = seen.view.vanishing_xy[1]
    sky_and_ground(canvas, light, horizon)
    skyline(canvas, random, horizon)
    _asphalt(canvas, random, seen, light)
    _markings(canvas, random, seen, light)
    for furnish, chance in _FURNITURE:
        if random.random() < chance:
            furnish(canvas, random, seen)
    _shadows(canvas, random, seen)
    _cars(canvas, random, seen)
    _haze(canvas, random, seen, light)
    found = (_line(seen.view, aside_m, far_m) for aside_m in seen.lines_m)
    placed = tuple(Placed(LABEL, Polyline(points)) for points in found if points)
    return Scene(camera(canvas.finished(), random, light), placed)


def _road(random: np.random.Generator, size_wh: tuple[int, int]) -> _Road:
    width, height = size_wh
    lanes = int(random.integers(FEWEST_LANES, MOST_LANES + 1))
    lane_m = random.uniform(3.1, 3.9)
    mine = int(random.integers(lanes))
    drift_m = random.uniform(-0.6, 0.6)
    radius_m = random.uniform(180, 1500)
    view = _View(
        size_wh=size_wh,
        vanishing_xy=(width * random.uniform(0.4, 0.6), height * random.uniform(0.33, 0.47)),
        focal_px=width * random.uniform(0.65, 1.05),
        above_m=random.uniform(1.2, 1.7),
        heading=random.uniform(-0.03, 0.03),
        curvature_per_m=float(random.choice((-1, 0, 1))) / radius_m,
    )
    lines = tuple((i - mine - 0.5) * lane_m + drift_m for i in range(lanes + 1))
    return _Road(view=view, lane_m=lane_m, lines_m=lines, shoulder_m=random.uniform(0.3, 2.5))


def _line(view: _View, aside_m: float, far_m: float) -> Ring:
    """The points along a marking that lie in the picture, from below; none where too little of it does."""
    width, height = view.size_wh
    top = float(view.x_px(aside_m, far_m)[1])
    rows = np.linspace(height - 1.0, top, 20 * LINE_POINTS)
    x, _ = view.x_px(aside_m, view.ahead_m(rows))
    inside = np.flatnonzero((x >= 0) & (x <= width - 1))
    if not len(inside) or rows[inside[0]] - rows[inside[-1]] < SHORTEST_LINE * height:
        return ()
    low, high = rows[inside[0]], rows[inside[-1]]
    count = max(4, round(LINE_POINTS * (low - high) / (height - top)))
    # Denser toward the horizon, where the line bends in the picture.
    ys = high + (low - high) * np.linspace(1, 0, count) ** 1.5
    xs, _ = view.x_px(aside_m, view.ahead_m(ys))
    return _ring(np.clip(xs, 0, width - 1), ys)


def _asphalt(canvas: Canvas, random: np.random.Generator, seen: _Road, light: Light) -> None:
    left, right = seen.edges_m
    base = around(random, light.road, 14)
    canvas.polygon(seen.view.strip(left, right, 1.0, FARTHEST_M, 60), base)
    for _ in range(random.integers(0, 5)):  # patches, and joints that run along the road as markings do
        start, broad, near = random.uniform(left, right), random.uniform(0.05, 2.5), random.uniform(3, 30)
        stop = min(start + broad, right)
        canvas.polygon(seen.view.strip(start, stop, near, near + random.uniform(3, 40)), around(random, base, 12))
    low, high = np.nonzero(_mask(canvas, [seen.view.strip(left, right, 1.0, FARTHEST_M, 60)]))[0][[0, -1]]
    grain = random.standard_normal((high - low + 1, canvas.pixels.shape[1], 1), np.float32) * random.uniform(2, 7)
    rows = canvas.pixels[low : high + 1]
    canvas.pixels[low : high + 1] = np.clip(rows + grain, 0, 255).astype(np.uint8)


def _markings(canvas: Canvas, random: np.random.Generator, seen: _Road, light: Light) -> None:
    last = len(seen.lines_m) - 1
    broad = random.uniform(0.12, 0.24)
    dash, gap = random.uniform(2.5, 6.5), random.uniform(3, 10)
    strength = random.uniform(0.5, 1.0)
    for i, aside in enumerate(seen.lines_m):
        paint = PAINTS[2] if i == 0 and random.random() < 0.3 else pick(random, PAINTS[:2])
        if random.random() < (0.85 if i in (0, last) else 0.12):
            stretches = [(1.0, FARTHEST_M / 2)]
        else:
            starts = np.arange(1.0 - random.uniform(0, dash + gap), FARTHEST_M / 3, dash + gap)
            stretches = [(start, start + dash) for start in starts.tolist() if start + dash > seen.view.nearest_m]
        for near, far in stretches:
            color = _mixed(light.road, paint, strength * random.uniform(0.8, 1.0))
            canvas.polygon(seen.view.strip(aside - broad / 2, aside + broad / 2, near, far, 40), color)


def _rail(canvas: Canvas, random: np.random.Generator, seen: _Road) -> None:
    left, right = seen.edges_m
    aside = left - random.uniform(0.2, 1.5) if random.random() < 0.5 else right + random.uniform(0.2, 1.5)
    ahead = 1 / np.linspace(1 / 2.0, 1 / 120.0, 40)
    (x, low), (_, high) = seen.view.x_px(aside, ahead, 0.35), seen.view.x_px(aside, ahead, random.uniform(0.6, 1.0))
    ring = _ring(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]))
    canvas.polygon(ring, around(random, (150, 152, 154), 12))


def _arrow(canvas: Canvas, random: np.random.Generator, seen: _Road) -> None:
    lane = int(random.integers(len(seen.lines_m) - 1))
    middle, near = seen.lines_m[lane] + seen.lane_m / 2, random.uniform(6, 18)
    paint = _mixed((110, 110, 112), PAINTS[0], random.uniform(0.5, 0.95))
    canvas.polygon(seen.view.strip(middle - 0.1, middle + 0.1, near, near + 2.4), paint)
    x, y = seen.view.x_px([middle - 0.4, middle + 0.4, middle], [near + 2.4, near + 2.4, near + 4.0])
    canvas.polygon(_ring(x, y), paint)


_FURNITURE: Sequence[tuple[Callable[[Canvas, np.random.Generator, _Road], None], float]] = (
    (_rail, 0.5),
    (_arrow, 0.25),
)


def _shadows(canvas: Canvas, random: np.random.Generator, seen: _Road) -> None:
    """Of trees beside the road, and of a bridge across it."""
    left, right = seen.edges_m
    rings = []
    for _ in range(random.integers(0, 7)):
        near, reach = random.uniform(3, 40), random.uniform(1, right - left)
        ends = (left, left + reach) if random.random() < 0.5 else (right - reach, right)
        rings.append(seen.view.strip(*ends, near, near + random.uniform(0.6, 5)))
    if random.random() < 0.15:
        near = random.uniform(6, 40)
        rings.append(seen.view.strip(left - 20, right + 20, near, near + random.uniform(3, 14)))
    if not rings:
        return
    shade = cv2.GaussianBlur(_mask(canvas, rings).astype(np.float32), (0, 0), random.uniform(0.5, 3))
    darker = 1 - random.uniform(0.2, 0.6) * shade[:, :, None]
    canvas.pixels[:] = (canvas.pixels * darker).astype(np.uint8)


def _cars(canvas: Canvas, random: np.random.Generator, seen: _Road) -> None:
    places = [(random.uniform(7, 60), int(random.integers(len(seen.lines_m) - 1))) for _ in range(random.integers(5))]
    for ahead, lane in sorted(places, reverse=True):
        aside = seen.lines_m[lane] + seen.lane_m / 2 + random.uniform(-0.4, 0.4)
        at_x, at_y = seen.view.x_px(aside, ahead)
        size = 1.85 * seen.view.focal_px / ahead / 0.8
        x, y = float(at_x), float(at_y)
        shadow = _ring(x + 0.46 * size * np.cos(_TURN), y + 0.06 * size * np.sin(_TURN))
        canvas.polygon(shadow, (24, 24, 28))
        car_from_behind(canvas, x, y - 0.32 * size, size, around(random, pick(random, CAR_PAINTS), 14))


def _haze(canvas: Canvas, random: np.random.Generator, seen: _Road, light: Light) -> None:
    """The sky's colour over what is far away."""
    density = max(0.0, random.uniform(-0.02, 0.02))
    rows = np.arange(canvas.pixels.shape[0]) / OVERSAMPLING
    ahead = seen.view.ahead_m(np.maximum(rows, seen.view.vanishing_xy[1] + 1))
    share = (1 - np.exp(-density * np.minimum(ahead, 60)))[:, None, None]
    canvas.pixels[:] = (canvas.pixels * (1 - share) + np.asarray(light.sky_low) * share).astype(np.uint8)


_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def _mask(canvas: Canvas, rings: Sequence[Ring]) -> npt.NDArray[np.uint8]:
    mask = np.zeros(canvas.pixels.shape[:2], np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [canvas.corners(ring)], 1)
    return mask


def _mixed(under: Color, over: Color, share: float) -> Color:
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(under, over, strict=True))
    return red, green, blue


def _ring(x: Array, y: Array) -> Ring:
    return tuple(zip(np.round(x, 2).tolist(), np.round(y, 2).tolist(), strict=True))
