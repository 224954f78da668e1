"""What the perceptrons see: for each cell of the image its colours and their spread, and those of its surroundings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from teppr.images import Pixels

Floats = npt.NDArray[np.float32]

CELL_PX = 8
NEAR, FAR = 1, 3
"""Distances, in cells, of the 5 x 5 cells that are looked at, twice: around the cell, and wider."""
SIDE = 5
CHANNELS = 6
FEATURES = 2 * CHANNELS * SIDE * SIDE
CENTRE, GAIN = 0.5, 4.0
"""Values in 0..1 as the perceptrons get them: around zero, and of about its size."""
LEAST_VARIANCE = 1e-4


def cell_map(pixels: Pixels) -> Floats:
    """[6, rows, columns]: mean and spread of each colour in each whole cell."""
    rows, columns = pixels.shape[0] // CELL_PX, pixels.shape[1] // CELL_PX
    values = pixels[: rows * CELL_PX, : columns * CELL_PX].astype(np.float32) * np.float32(1 / 255)
    cells = values.reshape(rows, CELL_PX, columns, CELL_PX, 3)
    mean = cells.mean(axis=(1, 3))
    variance = np.maximum((cells * cells).mean(axis=(1, 3)) - mean * mean, LEAST_VARIANCE)
    both = np.concatenate([(mean - CENTRE) * GAIN, np.sqrt(variance) * GAIN], axis=2)
    return np.ascontiguousarray(both.transpose(2, 0, 1), dtype=np.float32)


def features(cells: Floats) -> Floats:
    """[rows * columns, FEATURES]: what lies around each cell, near and far; beyond the edge its cells go on."""
    reach = FAR * (SIDE // 2)
    padded = np.pad(cells, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    _, rows, columns = cells.shape
    seen = []
    for distance in (NEAR, FAR):
        offsets = [reach + distance * (i - SIDE // 2) for i in range(SIDE)]
        seen += [padded[:, y : y + rows, x : x + columns] for y in offsets for x in offsets]
    stacked = np.stack(seen)  # [50, 6, rows, columns]
    return np.ascontiguousarray(stacked.reshape(FEATURES, rows * columns).T)


def centres(shape: tuple[int, int]) -> Floats:
    """[rows * columns, 2]: x and y of each cell's centre, in pixels."""
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    return ((np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * CELL_PX).astype(np.float32)
