"""Lanes in the maps of a network: which cells belong together, and the curve along each.

Maps are coarser than the image; all places here are in cells, the centre of the first one at (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

LANE_CHANCE = 0.5
"""From it on a cell is a part of a lane."""
CENTRE_APART, CENTRE_NEAR = 3.0, 0.5
"""What a network is taught (the discriminative loss): centres of lanes lie so far apart in the space of embeddings, and
cells so near their lane's centre.
"""
REACH = CENTRE_APART / 2
MOST_CELLS = 4000
MOST_CLUSTERS = 24
SHIFTS = 8
FEWEST_ROWS = 4
MOST_POINTS = 24
FARTHEST_OFF_CELLS = 2.0
"""From the curve; rows that lie farther are left out, and the curve is laid again."""
HORIZONS = np.geomspace(1.0, 24.0, 12)
"""Rows above the highest lane's top at which the horizon is tried."""
STIFFNESS = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lane:
    """A lane in the cells of its map.

    label_id: from 0
    x, y: float64 [n], from the top down
    """

    label_id: int
    score_0_1: float
    x: Array
    y: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Track:
    """The cells of one lane row by row: the middle of each row's, and how sure they are.

    chance: of the surest cell of each row
    """

    label_id: int
    x: Array
    y: Array
    chance: Array


def find_lanes(chances: npt.ArrayLike, embeddings: npt.ArrayLike) -> list[Lane]:
    """The lanes in the chance of each label at each cell, [1 + labels, h, w], the first of the background, and the
    cells' places in the space of embeddings, [size, h, w]; best first.
    """
    maps, places = np.asarray(chances, np.float64), np.asarray(embeddings, np.float64)
    lane_chance = 1 - maps[0]
    rows, columns = np.nonzero(lane_chance > LANE_CHANCE)
    if len(rows) > MOST_CELLS:
        kept = np.linspace(0, len(rows) - 1, MOST_CELLS).astype(np.int64)
        rows, columns = rows[kept], columns[kept]
    of_cells = clusters(places[:, rows, columns].T, lane_chance[rows, columns])
    tracks = []
    for cluster in range(int(of_cells.max(initial=-1)) + 1):
        mine = of_cells == cluster
        if (track := _track(maps, lane_chance, rows[mine], columns[mine])) is not None:
            tracks.append(track)
    found = _curves(tracks, lane_chance.shape)
    return sorted(found, key=lambda lane: -lane.score_0_1)


def clusters(places: Array, weights: Array) -> Indices:
    """The number of each point's cluster, from 0; -1 for what is left over after `MOST_CLUSTERS`.

    Mean shift: around the surest point that is free, a ball moves to the middle of what it holds until it rests.
    """
    of_points = np.full(len(places), -1, np.int64)
    for cluster in range(MOST_CLUSTERS):
        free = np.flatnonzero(of_points < 0)
        if not len(free):
            break
        mine = places[free]
        centre = mine[weights[free].argmax()]
        inside = _within(mine, centre)
        for _ in range(SHIFTS):
            centre = mine[inside].mean(axis=0)
            moved = _within(mine, centre)
            if np.array_equal(moved, inside) or not moved.any():
                break
            inside = moved
        of_points[free[inside]] = cluster
    return of_points


def _within(places: Array, centre: Array) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = ((places - centre) ** 2).sum(axis=1) < REACH**2
    return inside


def _track(maps: Array, lane_chance: Array, rows: Indices, columns: Indices) -> _Track | None:
    """The middle of a cluster's cells in each row; None for too few rows."""
    height = lane_chance.shape[0]
    sure = lane_chance[rows, columns]
    weight = np.bincount(rows, sure, height)
    y = np.flatnonzero(weight)
    if len(y) < FEWEST_ROWS:
        return None
    surest = np.zeros(height)
    np.maximum.at(surest, rows, sure)
    label_id = int(maps[1:, rows, columns].sum(axis=1).argmax())
    x = np.bincount(rows, sure * columns, height)[y] / weight[y]
    return _Track(label_id=label_id, x=x, y=y.astype(np.float64), chance=surest[y])


def _curves(tracks: list[_Track], size_hw: tuple[int, ...]) -> list[Lane]:
    """The curve of each track: a parabola on a flat road, seen in perspective.

    On the road, a lane lies so far aside at a distance: a + b d + c d^2. Seen from above it, a row that lies r below
    the horizon shows the distance 1 / r, and the lane at x = a r + b + c / r. All lanes share the horizon; of some the
    one is taken that they fit best.
    """
    if not tracks:
        return []
    horizons = min(track.y[0] for track in tracks) - HORIZONS
    tried = [_Curves.along(track, horizons) for track in tracks]
    best = int(np.sum([curves.misfits for curves in tried], axis=0).argmin())
    lanes = (_lane(track, curves, best, size_hw) for track, curves in zip(tracks, tried, strict=True))
    return [lane for lane in lanes if lane is not None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curves:
    """For each horizon the curve that fits a track best: x = weights . (r, 1, 1 / r) at rows r below the horizon.

    horizons: [tried]
    weights: [tried, 3]
    kept: which of the track's rows count, [tried, rows]
    misfits: sums of the squared distances, [tried]
    """

    horizons: Array
    weights: Array
    kept: npt.NDArray[np.bool_]
    misfits: Array

    @classmethod
    def along(cls, track: _Track, horizons: Array) -> _Curves:
        """Laid twice, the second time without the rows that lie far off."""
        terms = _terms(track.y[None] - horizons[:, None])
        kept = np.ones(terms.shape[:2], bool)
        off = np.abs(_along(terms, _fitted(terms, track, kept)) - track.x)
        near = off <= FARTHEST_OFF_CELLS
        kept = near | (near.sum(axis=1, keepdims=True) < FEWEST_ROWS)
        weights = _fitted(terms, track, kept)
        off = np.minimum(np.abs(_along(terms, weights) - track.x), FARTHEST_OFF_CELLS)
        return cls(horizons=horizons, weights=weights, kept=kept, misfits=(off**2).sum(axis=1))


def _lane(track: _Track, curves: _Curves, best: int, size_hw: tuple[int, ...]) -> Lane | None:
    """The curve between the track's ends, where it lies in the map; None where it does not."""
    height, width = size_hw
    kept = curves.kept[best]
    high, low = track.y[kept][[0, -1]]
    score = track.chance[kept].sum() / (low - high + 1)
    if low >= height - 2:  # the lower edge of the map is not where a lane ends
        low = height - 0.5
    y = np.linspace(high, low, int(np.clip(low - high + 1, 2, MOST_POINTS)))
    x = _along(_terms(y - curves.horizons[best]), curves.weights[best])
    inside = np.flatnonzero((x >= -0.5) & (x <= width - 0.5))
    if len(inside) < 2:
        return None
    stretch = slice(inside[0], inside[-1] + 1)
    return Lane(
        label_id=track.label_id,
        score_0_1=float(min(score, 1.0)),
        x=np.clip(x[stretch], -0.5, width - 0.5),
        y=y[stretch],
    )


def _terms(below: Array) -> Array:
    return np.stack([below, np.ones_like(below), 1 / below], axis=-1)


def _along(terms: Array, weights: Array) -> Array:
    return np.asarray((terms * weights[..., None, :]).sum(axis=-1), np.float64)


def _fitted(terms: Array, track: _Track, kept: npt.NDArray[np.bool_]) -> Array:
    # Columns of one size, so that the stiffness, which keeps short lanes straight, means the same for each.
    size = np.linalg.norm(terms, axis=-2, keepdims=True)
    scaled = terms / size
    weighted = (scaled * (track.chance * kept)[..., None]).swapaxes(-1, -2)
    stiff = np.diag([0.0, 0.0, STIFFNESS])
    solved = np.linalg.solve(weighted @ scaled + stiff, weighted @ track.x[:, None])
    return np.asarray(solved[..., 0] / size[..., 0, :], np.float64)
