"""Images found and checked: in order, within bounds, and no process left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from teppr.annotations.images import (
    AHEAD_PER_WORKER,
    FEW,
    Checked,
    Elsewhere,
    ImageChecker,
    ImageFolders,
    NotUsable,
    check_image,
)
from teppr.errors import Missing
from teppr.testing.deliveries import Delivery

MANY = FEW + 20


DEADLY = """
import os
from pathlib import Path
from teppr.annotations import image_worker

def look(path, max_pixels, look=image_worker.check_image):
    if path.stem in {"7", "30", "31"}:
        os._exit(1)
    return look(path, max_pixels)

image_worker.check_image = look
image_worker.main()
"""
"""A worker that dies as a decoder dies on a hostile file."""


@pytest.fixture
def pictures(delivery: Delivery) -> list[tuple[int, Path | None]]:
    return [(i, delivery.image(f"{i}.png", (8, 8 + i))) for i in range(MANY)]


def test_verdicts_come_in_order_from_several_processes(pictures: list[tuple[int, Path | None]]) -> None:
    pictures[5] = (5, None)
    with ImageChecker(2) as checker:
        verdicts = list(checker.check(pictures))
    assert [i for i, _ in verdicts] == list(range(MANY))
    assert verdicts[5][1] is None
    sizes = [verdict.size_wh for _, verdict in verdicts if isinstance(verdict, Checked)]
    assert sizes == [(8, 8 + i) for i in range(MANY) if i != 5]


def test_no_more_is_held_than_keeps_the_processes_busy(pictures: list[tuple[int, Path | None]]) -> None:
    taken = 0

    def counted() -> Iterator[tuple[int, Path | None]]:
        nonlocal taken
        for item in pictures * 4:
            taken += 1
            yield item

    with ImageChecker(2) as checker:
        for handed_out, _ in enumerate(checker.check(counted()), start=1):
            assert taken <= max(FEW, handed_out + 2 * AHEAD_PER_WORKER) + 1


def test_an_image_that_kills_its_decoder_is_refused_and_no_other(pictures: list[tuple[int, Path | None]]) -> None:
    with ImageChecker(2, command=[sys.executable, "-c", DEADLY]) as checker:
        verdicts = dict(checker.check(pictures))
    refused = {i: verdict for i, verdict in verdicts.items() if isinstance(verdict, NotUsable)}
    assert list(verdicts) == list(range(MANY))
    assert list(refused) == [7, 30, 31]
    assert "died" in refused[7].message


def test_processes_that_do_not_start_are_no_fault_of_the_images(pictures: list[tuple[int, Path | None]]) -> None:
    dead = [sys.executable, "-c", "raise SystemExit"]
    with ImageChecker(2, command=dead) as checker, pytest.raises(Missing, match="does not start"):
        list(checker.check(pictures))


@pytest.mark.slow
def test_a_caller_that_is_no_guarded_script_may_ingest(delivery: Delivery, tmp_path: Path) -> None:
    path = delivery.via({delivery.image(f"{i}.png").name: [] for i in range(MANY)})
    script = tmp_path / "script.py"
    script.write_text(INGEST_UNTIL_KILLED.replace('if __name__ == "__main__":', "if True:"), encoding="utf-8")
    command = [sys.executable, str(script), f"sqlite:///{tmp_path / 's.db'}", str(path)]
    done = subprocess.run(command, input=b"", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"half way\n", b"")


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    verdict = check_image(tmp_path / "pipe.jpg")
    assert isinstance(verdict, NotUsable)
    assert verdict.reason == "missing"


def test_a_file_beyond_all_limits_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as file:
        file.truncate(2**40)
    verdict = check_image(path)
    assert isinstance(verdict, NotUsable)
    assert verdict.reason == "too-large"


def test_folders_are_tried_in_their_order(delivery: Delivery) -> None:
    delivery.image("one/a.png")
    delivery.image("two/a.png")
    delivery.image("two/b.png")
    folders = ImageFolders([delivery.folder / "one", delivery.folder / "two", delivery.folder / "none"])
    assert folders.find("a.png") == delivery.folder / "one/a.png"
    assert folders.find("b.png") == delivery.folder / "two/b.png"
    assert folders.would_be("c.png") == delivery.folder / "one/c.png"
    missing = folders.find("c.png")
    assert isinstance(missing, Elsewhere)
    assert missing.reason == "missing"


INGEST_UNTIL_KILLED = """
import sys
from pathlib import Path
from teppr.annotations.ingest import IngestOptions, ingest
from teppr.problems import PROBLEMS
from teppr.progress import Progress
from teppr.store import open_store

class Tell(Progress):
    entries = 0
    def advance(self, steps=1, *, news=None):
        self.entries += steps
        if self.entries == 30:
            print("half way", flush=True)
            sys.stdin.read()

if __name__ == "__main__":
    url, path = sys.argv[1:]
    with open_store(url) as store:
        ingest([Path(path)], store, PROBLEMS.load("ods"), IngestOptions(workers=2), Tell())
"""


@pytest.mark.slow
def test_a_killed_ingest_leaves_neither_records_nor_processes(delivery: Delivery, tmp_path: Path) -> None:
    from teppr.annotations.ingest import ingest
    from teppr.problems import PROBLEMS
    from teppr.store import ImageQuery, open_store

    path = delivery.via({delivery.image(f"{i}.png").name: [] for i in range(MANY)})
    script = tmp_path / "child.py"
    script.write_text(INGEST_UNTIL_KILLED, encoding="utf-8")
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    command = [sys.executable, str(script), url, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half way\n"
        workers = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert workers
    assert not alive
    with open_store(url) as store:
        assert list(store.files()) == []
        assert list(store.images(ImageQuery(with_past=True))) == []
        report = ingest([path], store, PROBLEMS.load("ods"))
        assert report.entries.accepted == len(list(store.images(ImageQuery()))) == MANY
