"""How quick and how even the splitter is, beside the package `iterative-stratification` (Sechidis and others, 2011).

Goals, in both cases: ten times as quick, no label missing in a split, no larger deviation, sizes exact.

A deviation is the difference of the share of a label's images that a split has from the share asked for, in percentage
points. The line `least possible` says what it is at least for each label by itself, as images are whole and every label
is in every split: a label of three images is a third in each. Who leaves labels out of splits may stay below it.

Each splits in a process of its own, so that the most memory it held is its own: Python, the libraries and the labels
included.

Run it by: python bench/split.py
The other one is no part of teppr: pip install --target FOLDER iterative-stratification, and PYTHONPATH=FOLDER.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import product

import numpy as np
import numpy.typing as npt

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.split import split
from teppr.types import Ints

Floats = npt.NDArray[np.float64]

SHARES = {"train": 7, "val": 2, "test": 1}
CASES = ((100_000, 100), (1_000_000, 80))
RARE = 10
"""Labels that only three to ten images have, in turn."""
FREQUENT_IMAGES = 100
REFERENCE = "iterstrat"


def labelled(images: int, labels: int) -> LabelMatrix:
    """Two labels an image, frequencies by a power law, and some rare ones."""
    random = np.random.default_rng(5)
    frequency = 1 / np.arange(1, labels - RARE + 1)
    counts = random.poisson(2, images)
    rows = [np.repeat(np.arange(images), counts)]
    columns = [random.choice(labels - RARE, counts.sum(), p=frequency / frequency.sum())]
    for label in range(labels - RARE, labels):
        rows.append(random.choice(images, 3 + label % 8, replace=False))
        columns.append(np.full(len(rows[-1]), label))
    entries = np.unique(np.concatenate(rows) * labels + np.concatenate(columns))
    starts = np.concatenate([[0], np.cumsum(np.bincount(entries // labels, minlength=images))])
    names = tuple(f"label {i}" for i in range(labels))
    return LabelMatrix(labels=names, starts=starts, label_ids=entries % labels, counts=np.ones(len(entries), np.int64))


def ours(matrix: LabelMatrix) -> Callable[[], Ints]:
    """The splitter of `teppr dataset create`."""
    sizes = np.ones(matrix.group_count, np.int64)
    return lambda: split(sizes, matrix, SHARES).split_of_group


def theirs(matrix: LabelMatrix) -> Callable[[], Ints]:
    """Train and the rest, then the rest: their splitter knows two sides only."""
    splitter = import_module(f"{REFERENCE}.ml_stratifiers").MultilabelStratifiedShuffleSplit
    table = np.zeros((matrix.group_count, len(matrix.labels)), np.uint8)
    table[matrix.rows, matrix.label_ids] = 1
    train, val, test = SHARES.values()

    def run() -> Ints:
        at = np.zeros(len(table), np.int64)
        first = splitter(n_splits=1, test_size=(val + test) / (train + val + test), random_state=0)
        ((_, rest),) = first.split(table, table)
        second = splitter(n_splits=1, test_size=test / (val + test), random_state=0)
        ((in_val, in_test),) = second.split(table[rest], table[rest])
        at[rest[in_val]], at[rest[in_test]] = 1, 2
        return at

    return run


WAYS = {"teppr": ours, REFERENCE: theirs}


def least(totals: Ints) -> tuple[Floats, Floats]:
    """The least mean and the least largest deviation of labels on so many images each, all in every split."""
    shares = np.array(list(SHARES.values())) / sum(SHARES.values())
    asked = np.maximum(np.floor(totals[:, None] * shares), 1)
    tries = np.array(list(product(range(-2, 3), repeat=len(SHARES))))
    have = asked[:, None, :] + tries
    points = np.abs(have / totals[:, None, None] - shares) * 100
    points[(have < 1).any(axis=2) | (have.sum(axis=2) != totals[:, None])] = np.inf
    return points.mean(axis=2).min(axis=1), points.max(axis=2).min(axis=1)


def told(matrix: LabelMatrix, at: Ints, seconds: float) -> str:
    """The figures of one split, side by side."""
    shares = np.array(list(SHARES.values())) / sum(SHARES.values())
    size = len(SHARES) * len(matrix.labels)
    have = np.bincount(at[matrix.rows] * len(matrix.labels) + matrix.label_ids, minlength=size)
    have = have.reshape(len(SHARES), -1)
    points = np.abs(have / matrix.totals - shares[:, None]) * 100
    off = np.abs(np.bincount(at, minlength=len(SHARES)) - shares * len(at)).max()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    missing = int((have == 0).any(axis=0).sum())
    shown = figures(matrix, points.mean(axis=0), points.max(axis=0))
    return f"{seconds:8.2f} {peak_mb:8.0f} {missing:8} {shown} {off:8.0f}"


def figures(matrix: LabelMatrix, mean: Floats, largest: Floats) -> str:
    """Mean and largest deviation over all labels and over frequent ones."""
    often = matrix.totals >= FREQUENT_IMAGES
    return f"{mean.mean():8.3f} {largest.max():8.3f} {mean[often].mean():9.4f} {largest[often].max():9.4f}"


def measured(way: str, images: int, labels: int, repeat: int) -> str:
    """The figures of the quickest of some runs; how to get the other one where it is not there."""
    if way == REFERENCE and find_spec(REFERENCE) is None:
        return "not measured: pip install --target FOLDER iterative-stratification, and PYTHONPATH=FOLDER"
    words = [sys.executable, __file__, "--one", way, str(images), str(labels)]
    runs = [subprocess.run(words, check=True, capture_output=True, text=True).stdout.rstrip() for _ in range(repeat)]
    return min(runs, key=lambda line: float(line.split()[0]))


def one(way: str, images: int, labels: int) -> str:
    """Split in this process."""
    matrix = labelled(images, labels)
    run = WAYS[way](matrix)
    start = time.perf_counter()
    at = run()
    return told(matrix, at, time.perf_counter() - start)


def main() -> None:
    """Each case by each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, metavar=("WAY", "IMAGES", "LABELS"), help="only this, in this process")
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many times")
    arguments = parser.parse_args()
    if arguments.one:
        way, images, labels = arguments.one
        print(one(way, int(images), int(labels)))
        return
    frequent = f">={FREQUENT_IMAGES} images"
    print(f"{'':32}{'seconds':>8} {'MB':>8} {'missing':>8} {'mean pp':>8} {'max pp':>8} {frequent:>19} {'size off':>8}")
    for images, labels in CASES:
        case = f"{images:,} x {labels}"
        matrix = labelled(images, labels)
        print(f"{f'{case}, least possible':50}{0:8} {figures(matrix, *least(matrix.totals))} {0:8}")
        for way in WAYS:
            print(f"{f'{case}, {way}':32}{measured(way, images, labels, arguments.repeat)}")


if __name__ == "__main__":
    main()
