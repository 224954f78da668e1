"""Training: a pass over the cells of all images an epoch, by scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPRegressor

from teppr.architectures.contract import Arrays, Epoch, Example, LearnOptions
from teppr_patch_boxes.cells import FEATURES, cell_map, centres, features
from teppr_patch_boxes.network import BOX_UNIT_PX, BOXES, LABELS

HIDDEN = (64, 32)
CORE_SHARE = 0.6
"""Of a box's sides: cells whose centre lies within are what it is learned from."""
BACKGROUND_PER_OBJECT_CELL, LEAST_BACKGROUND = 3, 30
CELLS_PER_IMAGE = 32
"""Of a batch of so many images."""

Floats = npt.NDArray[np.float32]


def learn(examples: Sequence[Example], options: LearnOptions) -> Iterator[Epoch]:
    """An epoch at a time; the cells of the background are others in each."""
    perceptrons = {
        LABELS: _perceptron(options, outputs=options.label_count + 1),
        BOXES: _perceptron(options, outputs=4),
    }
    for name, perceptron in perceptrons.items():
        _fill(perceptron, name, options.weights)
    for epoch in range(options.epochs_done, options.epochs):
        random = np.random.default_rng([options.seed, epoch])
        order = random.permutation(len(examples)).tolist()
        seen = [_cells(examples[i], options.label_count, random) for i in order]
        seen_features, labels, boxes, is_object = (np.concatenate(parts) for parts in zip(*seen, strict=True))
        batch = options.batch_size * CELLS_PER_IMAGE
        losses = {LABELS: _pass(perceptrons[LABELS], seen_features, labels, batch)}
        if is_object.any():
            losses[BOXES] = _pass(perceptrons[BOXES], seen_features[is_object], boxes[is_object], batch)
        yield Epoch(weights=_weights(perceptrons), losses=losses)


def _perceptron(options: LearnOptions, *, outputs: int) -> MLPRegressor:
    perceptron = MLPRegressor(
        HIDDEN,
        batch_size=1,
        learning_rate_init=options.learning_rate,
        alpha=options.weight_decay,
        random_state=options.seed,
    )
    # One pass over nothing, so that its layers are there to be filled.
    return perceptron.partial_fit(np.zeros((1, FEATURES), np.float32), np.zeros((1, outputs), np.float32))


def _pass(perceptron: MLPRegressor, seen: Floats, wanted: Floats, batch: int) -> float:
    """Learn from all once, in batches; the mean loss."""
    perceptron.set_params(batch_size=min(batch, len(seen))).partial_fit(seen, wanted)
    return float(perceptron.loss_)


def _cells(
    example: Example, label_count: int, random: np.random.Generator
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    """Features, wanted labels (one of all, the last is the background), wanted boxes, and which cells are objects."""
    cells = cell_map(example.pixels)
    at = centres((cells.shape[1], cells.shape[2]))
    owner = _owners(at, example.boxes_xyxy_px)
    objects = np.flatnonzero(owner >= 0)
    background = np.flatnonzero(owner < 0)
    count = min(len(background), max(LEAST_BACKGROUND, BACKGROUND_PER_OBJECT_CELL * len(objects)))
    chosen = np.concatenate([objects, random.choice(background, count, replace=False)])
    labels = np.zeros((len(chosen), label_count + 1), np.float32)
    boxes = np.zeros((len(chosen), 4), np.float32)
    is_object = owner[chosen] >= 0
    own = owner[chosen[is_object]]
    labels[is_object, example.label_ids[own]] = 1
    labels[~is_object, label_count] = 1
    corners, here = example.boxes_xyxy_px[own], at[chosen[is_object]]
    boxes[is_object] = np.concatenate([here - corners[:, :2], corners[:, 2:] - here], axis=1) / BOX_UNIT_PX
    return features(cells)[chosen], labels, boxes, is_object


def _owners(at: Floats, boxes: Floats) -> npt.NDArray[np.int64]:
    """Which box each cell belongs to: the smallest whose core it lies in, at least the cell nearest its centre; -1."""
    owner = np.full(len(at), -1, np.int64)
    sides = boxes[:, 2:] - boxes[:, :2]
    for i in np.argsort(-sides.prod(axis=1)).tolist():
        centre = (boxes[i, :2] + boxes[i, 2:]) / 2
        off = np.abs(at - centre)
        owner[(off <= CORE_SHARE / 2 * sides[i]).all(axis=1)] = i
        owner[np.argmin((off * off).sum(axis=1))] = i
    return owner


def _fill(perceptron: MLPRegressor, name: str, weights: Arrays) -> None:
    """Go on from weights, where there are any; the optimiser begins anew."""
    for kind, layers in (("w", perceptron.coefs_), ("b", perceptron.intercepts_)):
        for i, layer in enumerate(layers):
            layer[...] = weights.get(f"{name}/{kind}{i}", layer)


def _weights(perceptrons: Mapping[str, MLPRegressor]) -> dict[str, npt.NDArray[Any]]:
    return {
        f"{name}/{kind}{i}": np.array(layer, np.float32)
        for name, perceptron in perceptrons.items()
        for kind, layers in (("w", perceptron.coefs_), ("b", perceptron.intercepts_))
        for i, layer in enumerate(layers)
    }
