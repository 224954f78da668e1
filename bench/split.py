"""How quick and how even the splitter is, beside the package `iterative-stratification` (Sechidis and others, 2011).

Goals, in both cases: ten times as quick, no label missing in a split, no larger deviation, sizes exact.

Each splits in a process of its own, so that the most memory it held is its own: Python, the libraries and the labels
included. What is counted as a deviation: the share of a label's images that a split has, less the share asked for.

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

import numpy as np

from teppr.datasets.matrix import LabelMatrix
from teppr.datasets.split import split
from teppr.types import Ints

SHARES = {"train": 7, "val": 2, "test": 1}
CASES = ((100_000, 100), (1_000_000, 80))
RARE = 10
"""Labels that only three to ten images have."""
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
        rows.append(random.choice(images, random.integers(3, 11), replace=False))
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


def told(matrix: LabelMatrix, at: Ints, seconds: float) -> str:
    """The figures of one split, side by side."""
    shares = np.array(list(SHARES.values())) / sum(SHARES.values())
    size = len(SHARES) * len(matrix.labels)
    have = np.bincount(at[matrix.rows] * len(matrix.labels) + matrix.label_ids, minlength=size)
    have = have.reshape(len(SHARES), -1)
    points = np.abs(have / matrix.totals - shares[:, None]) * 100
    frequent = points[:, matrix.totals >= FREQUENT_IMAGES]
    off = np.abs(np.bincount(at, minlength=len(SHARES)) - shares * len(at)).max()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{seconds:8.2f} {peak_mb:8.0f} {(have == 0).any(axis=0).sum():8} {points.mean():8.3f} {points.max():8.3f} "
        f"{frequent.mean():9.4f} {frequent.max():9.4f} {off:8.0f}"
    )


def main() -> None:
    """Each case by each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, metavar=("WAY", "IMAGES", "LABELS"), help="only this, in this process")
    parser.add_argument("--repeat", type=int, default=3, help="the best of so many times")
    arguments = parser.parse_args()
    if arguments.one:
        way, images, labels = arguments.one
        matrix = labelled(int(images), int(labels))
        run = WAYS[way](matrix)
        start = time.perf_counter()
        at = run()
        print(told(matrix, at, time.perf_counter() - start))
        return
    frequent = f">={FREQUENT_IMAGES} images"
    print(f"{'':28}{'seconds':>8} {'MB':>8} {'missing':>8} {'mean pp':>8} {'max pp':>8} {frequent:>19} {'size off':>8}")
    for images, labels in CASES:
        for way in WAYS:
            name = f"{images:,} x {labels}, {way}"
            if way == REFERENCE and find_spec(REFERENCE) is None:
                print(
                    f"{name:28} not measured: pip install --target FOLDER iterative-stratification; PYTHONPATH=FOLDER"
                )
                continue
            words = [sys.executable, __file__, "--one", way, str(images), str(labels)]
            lines = [
                subprocess.run(words, check=True, capture_output=True, text=True).stdout.rstrip()
                for _ in range(arguments.repeat)
            ]
            print(f"{name:28}{min(lines, key=lambda line: float(line.split()[0]))}")


if __name__ == "__main__":
    main()
