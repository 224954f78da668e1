"""Lanes in the maps of a network: which cells belong together, and the curve along each.

Maps are coarser than the image; all places here are in cells, the centre of the first one at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
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
DOUBTED_ROWS = 2
"""Rows that are missing of each lane as it were: short ones are less sure to be some."""
MOST_POINTS = 24
FARTHEST_OFF_CELLS = 2.0
"""From the curve; rows that lie farther are left out, and the curve is laid again."""
HORIZONS = np.geomspace(1.0, 24.0, 12)
"""Rows above the highest lane's top at which the horizon is tried."""
HELD = np.array([0.01, 0.1])
"""How much a lane's direction and bend are held to those of all lanes together, against its own cells."""
STIFFNESS = 0.1
"""How much all lanes together are held to be straight."""


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
    the horizon shows the distance 1 / r, and the lane at x = a r + b + c / r. Lanes of one road share the horizon, and
    nearly b and c, its direction and its bend; of some horizons the one is taken that all fit best.
    """
    if not tracks:
        return []
    horizons = min(track.y[0] for track in tracks) - HORIZONS
    tried = _Curves.along(tracks, horizons)
    best = int(np.sum([some.sum(axis=1) for some in tried.misfits], axis=0).argmin())
    lanes = (
        _lane(track, horizons[best], weights[best], kept[best], size_hw)
        for track, weights, kept in zip(tracks, tried.weights, tried.kept, strict=True)
    )
    return [lane for lane in lanes if lane is not None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Curves:
    """For each horizon the curves that fit tracks best: x = weights . (r, 1, 1 / r) at rows r below the horizon.

    weights: [tracks, tried, 3]
    kept: which of each track's rows count, [tried, rows] each
    misfits: their squared distances, but none larger than that of a row which lies far off, [tried, rows] each
    """

    weights: Array
    kept: Sequence[npt.NDArray[np.bool_]]
    misfits: Sequence[Array]

    @classmethod
    def along(cls, tracks: Sequence[_Track], horizons: Array) -> _Curves:
        """Laid twice, the second time without the rows that lie far off."""
        terms = [_terms(track.y - horizons[:, None]) for track in tracks]
        first = _fitted(terms, tracks, [np.ones(some.shape[:2], bool) for some in terms])
        near = [off <= FARTHEST_OFF_CELLS for off in _off(terms, tracks, first)]
        kept = [rows | (rows.sum(axis=1, keepdims=True) < FEWEST_ROWS) for rows in near]
        weights = _fitted(terms, tracks, kept)
        misfits = [np.minimum(off, FARTHEST_OFF_CELLS) ** 2 for off in _off(terms, tracks, weights)]
        return cls(weights=weights, kept=kept, misfits=misfits)


def _off(terms: Sequence[Array], tracks: Sequence[_Track], weights: Array) -> list[Array]:
    """How far each row of each track lies from the curves, in cells, [tried, rows] each."""
    return [np.abs(_along(some, w) - track.x) for some, track, w in zip(terms, tracks, weights, strict=True)]


def _lane(
    track: _Track, horizon: float, weights: Array, kept: npt.NDArray[np.bool_], size_hw: tuple[int, ...]
) -> Lane | None:
    """The curve between the track's ends, where it lies in the map; None where it does not."""
    height, width = size_hw
    high, low = track.y[kept][[0, -1]]
    score = track.chance[kept].sum() / (low - high + 1 + DOUBTED_ROWS)
    if low >= height - 2:  # the lower edge of the map is not where a lane ends
        low = height - 0.5
    y = np.linspace(high, low, int(np.clip(low - high + 1, 2, MOST_POINTS)))
    x = _along(_terms(y - horizon), weights)
    inside = np.flatnonzero((x >= -0.5) & (x <= width - 0.5))
    if len(inside) < 2:
        return None
    stretch = slice(inside[0], inside[-1] + 1)
    return Lane(
        label_id=track.label_id,
        score_0_1=float(score),
        x=np.clip(x[stretch], -0.5, width - 0.5),
        y=y[stretch],
    )


def _terms(below: Array) -> Array:
    return np.stack([below, np.ones_like(below), 1 / below], axis=-1)


def _along(terms: Array, weights: Array) -> Array:
    return np.asarray((terms * weights[..., None, :]).sum(axis=-1), np.float64)


def _fitted(terms: Sequence[Array], tracks: Sequence[_Track], kept: Sequence[npt.NDArray[np.bool_]]) -> Array:
    """Least squares of every track, held to what all tracks together say of b and c, [tracks, tried, 3]."""
    counted = zip(terms, tracks, kept, strict=True)
    weighted = [(some * (track.chance * rows)[..., None]).swapaxes(-1, -2) for some, track, rows in counted]
    squares = np.stack([some @ others for some, others in zip(weighted, terms, strict=True)])
    sides = np.stack([some @ track.x for some, track in zip(weighted, tracks, strict=True)])
    shared = _shared(squares, sides)
    held = squares[..., [1, 2], [1, 2]] * HELD
    squares[..., [1, 2], [1, 2]] += held
    sides[..., 1:] += held * shared
    return np.asarray(np.linalg.solve(squares, sides[..., None])[..., 0], np.float64)


def _shared(squares: Array, sides: Array) -> Array:
    """The b and c that fit all tracks together best, each with an a of its own, [tried, 2]."""
    first = squares[..., 0, 1:] / squares[..., 0, :1]
    joint = (squares[..., 1:, 1:] - squares[..., 1:, :1] * first[..., None, :]).sum(axis=0)
    side = (sides[..., 1:] - first * sides[..., :1]).sum(axis=0)
    joint[..., 1, 1] *= 1 + STIFFNESS
    return np.asarray(np.linalg.solve(joint, side[..., None])[..., 0], np.float64)
