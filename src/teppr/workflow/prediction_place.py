"""Where results of a prediction lie: unfinished in a hidden folder, and by their names when all is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from teppr.errors import AlreadyThere, Missing, Refused
from teppr.files import HALF_WRITTEN, alone_in, sweep
from teppr.workflow.prediction_files import PLACES, Save

PLACING = "placing"
"""The mark that earlier results have given way."""


@contextmanager
def room_in(out: Path) -> Iterator[None]:
    """What cannot be written is said in a sentence; raises Missing."""
    try:
        yield
    except OSError as error:
        raise Missing(
            f"cannot write into {out}: {error.strerror or error}; what was found is kept: mend that, call the same "
            "again, and it goes on"
        ) from error


@contextmanager
def results_in(out: Path, digest: str, *, replace: bool) -> Iterator[Path]:
    """The folder of unfinished results of this request, gone when the block ends well; raises AlreadyThere, Refused."""
    half, was_there = out / f"{HALF_WRITTEN}{digest}", out.exists()
    if replace:
        sweep(out, keep=half)
    elif earlier := [] if (half / PLACING).exists() else [name for name in PLACES.values() if (out / name).exists()]:
        raise AlreadyThere(
            f"{out} holds earlier results ({', '.join(earlier)}): give another folder by --out, or --replace them"
        )
    try:
        with alone_in(half, waits=False):
            for torn in half.rglob(f"{HALF_WRITTEN}*"):
                torn.unlink()
            yield half
    except BlockingIOError as error:
        raise Refused(f"another process predicts the same into {out}; wait for it, or give another --out") from error
    gone = half.rename(out / f"{HALF_WRITTEN}{digest}-done")
    shutil.rmtree(gone, ignore_errors=True)
    if not was_there:
        with suppress(OSError):  # something is in it, as there should be
            out.rmdir()


def put_in_place(half: Path, out: Path, written: Mapping[Save, str]) -> None:
    """Results take their names, the rows last; whoever is killed here goes on from the mark."""
    if not written:
        return
    if not (half / PLACING).exists():
        for name in PLACES.values():
            if (out / name).exists():
                (out / name).rename(half / f"earlier-{name}")
        (half / PLACING).touch()
    for name in (*(place for kind, place in written.items() if kind != "jsonl"), PLACES["jsonl"]):
        if name in written.values() and (half / name).exists():
            (half / name).rename(out / name)
