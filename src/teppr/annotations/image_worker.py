"""A process that checks images for another one: paths come in, verdicts go out, both as JSON lines in one order.

    python -m teppr.annotations.image_worker MAX_PIXELS

It says "ready" first, and ends with its input, so also when the other process is killed.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from teppr.annotations.images import check_image


def main() -> None:
    """Answer until the input ends."""
    max_pixels = int(sys.argv[1])
    # Whatever a decoder prints must not get among the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass")
    os.dup2(2, 1)
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin.buffer:
        path = Path(json.loads(line.decode("utf-8", "surrogatepass")))
        answers.write(json.dumps(asdict(check_image(path, max_pixels)), ensure_ascii=False) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
