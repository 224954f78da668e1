"""Files are whole or absent."""

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from teppr import files
from teppr.errors import AlreadyThere, BadFile


class _Broken(Exception):
    pass


def _break_off(file: BinaryIO) -> None:
    file.write(b"ha")
    raise _Broken


def test_a_file_appears_when_the_block_ends_well(tmp_path: Path) -> None:
    with files.whole_file(tmp_path / "new" / "a.txt") as file:
        file.write(b"all")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"all"


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(_Broken), files.whole_file(path) as file:
        _break_off(file)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_folder_appears_whole_and_only_once(tmp_path: Path) -> None:
    with files.whole_folder(tmp_path / "made") as half:
        (half / "a").mkdir()
        (half / "a" / "b.txt").write_text("x")
    assert (tmp_path / "made" / "a" / "b.txt").read_text() == "x"
    with pytest.raises(AlreadyThere), files.whole_folder(tmp_path / "made"):
        pass


def test_a_folder_is_absent_when_filling_fails(tmp_path: Path) -> None:
    with pytest.raises(_Broken), files.whole_folder(tmp_path / "made") as half, (half / "a.txt").open("wb") as file:
        _break_off(file)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    (tmp_path / f"{files.HALF_WRITTEN}1-a").mkdir()
    (tmp_path / f"{files.HALF_WRITTEN}1-a" / "x").write_text("half")
    (tmp_path / f"{files.HALF_WRITTEN}2-b").write_text("half")
    (tmp_path / "kept").write_text("whole")
    assert len(files.sweep(tmp_path)) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert files.sweep(tmp_path / "none") == []


def test_the_same_value_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    files.write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert files.read_json(tmp_path / "a.json") == {"a": [1.5, None], "b": 1}


def test_a_broken_document_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(BadFile, match=r"a\.json as JSON"):
        files.read_json(tmp_path / "a.json")


def test_an_unreadable_file_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        files.sha256_of(tmp_path / "none")


HOLDER = """
import sys
import fcntl
import subprocess
import sys
from pathlib import Path
from teppr.files import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_let_go_when_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (tmp_path / ".lock").open("rb") as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    holder.kill()
    holder.communicate()

    with files.alone_in(tmp_path):
        assert (tmp_path / ".lock").exists()


def test_a_folder_that_was_made_for_nothing_goes_with_its_lock(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.mkdir()
    for folder in (new, old):
        with pytest.raises(BadFile), files.alone_in(folder):
            raise BadFile("nothing will come of it")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]

    with files.alone_in(new):
        (new / "some").touch()
    assert (new / "some").exists()


def test_whoever_waits_for_the_lock_of_a_folder_that_goes_holds_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with files.alone_in(folder):
        holders = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
        ]
    for holder in holders:
        assert holder.stdin is not None
        holder.stdin.close()
    for holder in holders:
        assert holder.stdout is not None
        assert holder.stdout.read() == "held\n"
        assert holder.wait() == 0
        holder.stdout.close()
    assert not folder.exists() or [path.name for path in folder.iterdir()] == [".lock"]


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"as JSON: No such file or directory$"):
        files.read_json(tmp_path / "none.json")


def test_a_link_to_another_file_system_is_symbolic(tmp_path: Path) -> None:
    other = Path("/dev/shm")  # noqa: S108 - a file system of its own on Linux
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system")
    source = tmp_path / "source"
    source.write_text("x")
    place = other / f"teppr-{tmp_path.name}-{tmp_path.stat().st_ino}"
    try:
        files.put_copy(source, place, link=True)
        assert place.is_symlink()
        assert place.read_text() == "x"
    finally:
        place.unlink(missing_ok=True)


@pytest.mark.parametrize("link", [False, True])
def test_what_is_not_there_can_be_neither_copied_nor_linked(tmp_path: Path, link: bool) -> None:
    with pytest.raises(BadFile, match="No such file"):
        files.put_copy(tmp_path / "nothing", tmp_path / "place", link=link)

    assert not (tmp_path / "place").is_symlink()
