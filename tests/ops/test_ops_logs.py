"""The log of a service in the background."""

from pathlib import Path

import pytest

from teppr.errors import BadInput, UnknownName
from teppr.ops import logs

LINES = [
    "2026-01-01 10:00:00,000 [web:1] INFO POST /predict 200",
    "2026-01-01 10:00:01,000 [a-b-1:1] WARNING slow",
    "2026-01-01 10:00:02,000 [web:1] INFO GET / 200",
]


@pytest.fixture
def log(home: Path) -> Path:
    path = logs.rotated(home)
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_the_last_lines_come_in_order(home: Path, log: Path) -> None:
    assert log == logs.path_of(home)
    assert logs.last_lines(home, 2) == LINES[1:]
    assert logs.last_lines(home, 0) == []


def test_of_one_process_only_its_lines_come(home: Path, log: Path) -> None:
    assert log.exists()
    assert logs.last_lines(home, 9, logs.Wanted(process="web:1")) == [LINES[0], LINES[2]]


def test_of_one_request_only_its_lines_come(home: Path, log: Path) -> None:
    text = "2026-01-01 10:00:03,000 [web:1] INFO POST /predict 200 91.7 ms {} -"
    as_json = '{{"level":"info","process":"web:2","message":"GET /","request_id":"{}"}}'
    wrote = [line.format(each) for line in (text, as_json) for each in ("a-1", "a-12", "b.a-1")]
    with log.open("a") as file:
        file.write("\n".join(wrote) + "\n")
    assert logs.last_lines(home, 9, logs.Wanted(request="a-1")) == [wrote[0], wrote[3]]
    assert logs.last_lines(home, 9, logs.Wanted(request="a-1", process="web:2")) == [wrote[3]]
    assert logs.last_lines(home, 9, logs.Wanted(request="a.1")) == []


def test_a_process_that_there_is_none_of_is_refused_with_those_there_are(home: Path, log: Path) -> None:
    with log.open("a") as file:
        file.write('{"time":"2026","level":"info","process":"queue","pid":1,"message":"[no] process"}\n')
    logs.check_process(home, "web:1")
    logs.check_process(home, "queue")
    with pytest.raises(UnknownName, match=r"no process 'web:2'; did you mean 'web:1'\?; known: a-b-1:1, queue, web:1$"):
        logs.check_process(home, "web:2")


def test_without_a_log_it_says_what_writes_one(home: Path) -> None:
    with pytest.raises(BadInput, match="teppr up"):
        logs.last_lines(home, 9)


def test_a_log_that_has_grown_is_put_aside_and_the_oldest_goes(
    home: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_BYTES", 10)
    for i in range(5):
        log.write_text(f"{i}, a line longer than the bound\n")
        logs.rotated(home)
    kept = {path.name: path.read_text()[0] for path in log.parent.iterdir()}
    assert kept == {"service.log.1": "4", "service.log.2": "3", "service.log.3": "2"}


def test_a_log_that_is_small_goes_on(home: Path, log: Path) -> None:
    logs.rotated(home)
    assert log.read_text().splitlines() == LINES


def test_what_is_written_from_now_on_is_followed_into_a_new_file(home: Path, log: Path) -> None:
    steps = iter(["one\ntw", "o\n"])

    def meanwhile(_seconds: float) -> None:
        text = next(steps, None)
        if text is None:
            log.replace(log.with_suffix(".old"))
            text = "three\n"
        with log.open("a") as file:
            file.write(text)

    followed = logs.follow(home, 1, wait=meanwhile)
    assert [next(followed) for _ in range(4)] == [LINES[-1], "one", "two", "three"]
    followed.close()


def test_the_sentences_on_what_went_wrong_are_found_behind_a_place(log: Path) -> None:
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write("error: no model\nand no port\n2026-01-01 10:00:03,000 [web:1] INFO fine\nerror: no queue\n")
    assert logs.sentences_after(log, offset) == ["no model", "and no port", "no queue"]
    assert logs.sentences_after(log, log.stat().st_size) == []
