"""How much memory an export takes, and whether it grows: 20,000 regions beside 200,000, in every format.

What was exported is converted again, to COCO or, from it, to VIA: a reader may keep what its format's structure forces.

Run it by: python bench/export.py [--regions 20000 200000] [--formats coco via]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from teppr.formats import FORMATS
from teppr.testing.large import REGIONS_PER_IMAGE

PEAK = """
import resource, runpy, sys, time
start = time.perf_counter()
sys.argv = ["teppr", *sys.argv[1:]]
try:
    runpy.run_module("teppr", run_name="__main__")
except SystemExit as leaving:
    if leaving.code:
        raise
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{peak_mb:.1f} {time.perf_counter() - start:.2f}", file=sys.stderr)
"""
"""Runs a command in this process and says the most memory that it held, in MB, and the seconds that it took."""


def peak_of(store: Path, *words: str) -> tuple[float, float]:
    """Most memory in MB and seconds of `teppr WORDS`."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "TEPPR_STORE": f"sqlite:///{store}"},
    )
    peak_mb, seconds = done.stderr.strip().splitlines()[-1].split()
    return float(peak_mb), float(seconds)


def growth(commands: Mapping[int, tuple[str, ...]], folder: Path) -> str:
    """A command's most memory for each number of regions, the greater one's share of the lesser, and the speed."""
    peaks = {count: peak_of(folder / f"{count}.db", "annotations", *words) for count, words in commands.items()}
    (low, _), (high, seconds) = peaks.values()
    return f"{low:7.1f} MB  {high:7.1f} MB  x{high / low:.2f}  {max(commands) / seconds:9.0f} regions/s"


def main() -> None:
    """Fill two stores, export both in every format, convert what was exported, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, nargs=2, default=(20_000, 200_000))
    parser.add_argument("--formats", nargs="+", default=FORMATS.names(), choices=FORMATS.names())
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        for count in options.regions:
            source = folder / f"{count}.json"
            # In a process of its own: what a process once held counts for all that it starts.
            made = f"write_coco(Path({str(source)!r}), {count // REGIONS_PER_IMAGE})"
            make = f"from teppr.testing.large import write_coco; from pathlib import Path; {made}"
            subprocess.run([sys.executable, "-c", make], check=True)
        ingests = {count: ("ingest", str(folder / f"{count}.json"), "--no-images") for count in options.regions}
        print(f"{'ingest':20}  {growth(ingests, folder)}")
        for plugin in map(FORMATS.load, options.formats):
            files = {count: str(folder / f"{plugin.name}-{count}{plugin.suffixes[0]}") for count in options.regions}
            exports = {count: ("export", file, "--format", plugin.name) for count, file in files.items()}
            print(f"{'export ' + plugin.name:20}  {growth(exports, folder)}")
            target = "coco" if plugin.name != "coco" else "via"
            converts = {
                count: ("convert", file, f"{file}.{target}", "--format", target) for count, file in files.items()
            }
            print(f"{'convert ' + plugin.name:20}  {growth(converts, folder)}")


if __name__ == "__main__":
    main()
