import os
from pathlib import Path

import pytest

from teppr.experiments.outcome import Outcome, Verdict
from teppr.experiments.queue_folder import QueueFolder
from teppr.files import read_json


@pytest.fixture
def queue(tmp_path: Path) -> QueueFolder:
    folder = tmp_path / "queue"
    folder.mkdir()
    return QueueFolder(folder)


def put(queue: QueueFolder, name: str, *, at: int) -> Path:
    """A file that was put in so many seconds after another day's noon."""
    path = queue.path / name
    path.write_text(name, encoding="utf-8")
    os.utime(path, (1_000_000_000 + at, 1_000_000_000 + at))
    return path


def outcome(verdict: Verdict, reason: str = "") -> Outcome:
    return Outcome(name="a.yml", verdict=verdict, reason=reason)


def test_the_oldest_is_taken_first(queue: QueueFolder) -> None:
    put(queue, "a.yml", at=2)
    oldest = put(queue, "b.yml", at=1)
    with queue.taking() as taken:
        assert taken == oldest


def test_what_one_has_another_does_not_get(queue: QueueFolder) -> None:
    first, second = put(queue, "a.yml", at=1), put(queue, "b.yml", at=2)
    other = QueueFolder(queue.path)
    with queue.taking() as a, other.taking() as b, other.taking() as c:
        assert (a, b, c) == (first, second, None)


def test_what_was_let_go_without_being_put_away_waits_again(queue: QueueFolder) -> None:
    path = put(queue, "a.yml", at=1)
    with queue.taking() as taken:
        assert taken == path
    with queue.taking() as again:
        assert again == path


def test_a_file_that_was_put_in_a_moment_ago_may_not_be_whole_yet(queue: QueueFolder) -> None:
    path = put(queue, "a.yml", at=1)
    os.utime(path)
    with queue.taking() as taken:
        assert taken is None
    assert queue.has_unsettled()


@pytest.mark.parametrize("name", ["notes.txt", ".hidden.yml", ".half-written-1-a.yml"])
def test_only_experiment_files_are_taken(queue: QueueFolder, name: str) -> None:
    put(queue, name, at=1)
    assert queue.waiting() == []


@pytest.mark.parametrize(("verdict", "place"), [(Verdict.DONE, "done"), (Verdict.WRONG, "failed")])
def test_a_file_is_put_away_with_the_reason_beside_it(queue: QueueFolder, verdict: Verdict, place: str) -> None:
    path = put(queue, "a.yml", at=1)
    with queue.taking():
        away = queue.put_away(path, [outcome(Verdict.DONE), outcome(verdict, "why")])
    assert away == queue.path / place / "a.yml"
    assert away.read_text(encoding="utf-8") == "a.yml"
    about = read_json(away.with_name("a.yml.json"))
    assert isinstance(about, dict)
    assert about["verdict"] == place
    assert about["experiments"][1]["reason"] == "why"
    assert queue.waiting() == []


def test_a_second_file_of_a_name_takes_no_other_ones_place(queue: QueueFolder) -> None:
    for _ in range(2):
        path = put(queue, "a.yml", at=1)
        with queue.taking():
            queue.put_away(path, [outcome(Verdict.DONE)])
    assert sorted(path.name for path in (queue.path / "done").glob("*.yml")) == ["a-2.yml", "a.yml"]
