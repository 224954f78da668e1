"""How quick `teppr --help` is, beside Python's own start: the limit. Aim: under 0.3 s.

Run it by: python bench/help.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import typer'": [sys.executable, "-c", "import typer"],
    "teppr --help": [sys.executable, "-m", "teppr", "--help"],
}


def measure() -> dict[str, float]:
    """Median seconds of each command, taken in turn so that a busy neighbour slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


if __name__ == "__main__":
    medians = measure()
    limit = medians["python -c pass"]
    for name, median in medians.items():
        print(f"{name:28} {median:6.3f} s   {median / limit:5.1f} x Python's own start")
