"""How much memory a model server may have."""

import subprocess
import sys

import pytest

from teppr.errors import BadInput, Corrupt, Missing
from teppr.serving.memory import check_room, loading, mib_of


@pytest.mark.parametrize(
    ("text", "mib"), [("2GiB", 2048), ("1.5 GiB", 1536), ("800MiB", 800), (" 64 mib ", 64), ("0.5GiB", 512)]
)
def test_a_size_is_read(text: str, mib: int) -> None:
    assert mib_of(text) == mib


@pytest.mark.parametrize("text", ["", "2", "2GB", "-1GiB", "0MiB", "GiB", "nan GiB", "1e3MiB"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="such as 2GiB"):
        mib_of(text)


def test_models_that_leave_no_room_are_refused_with_the_figures() -> None:
    check_room(0, "acme-ods-1")
    check_room(1_000_000, "acme-ods-1")
    with pytest.raises(Missing, match=r"acme-ods-1 need \d+ MiB loaded and warm, and the limit is 1 MiB"):
        check_room(1, "acme-ods-1")


def test_beyond_its_limit_a_process_fails_and_goes_on() -> None:
    script = """
import sys
from teppr.serving.memory import limit_process
limit_process(400)
try:
    large = bytearray(1024**3)
except MemoryError:
    print("refused")
small = bytearray(1024**2)
print("goes on")
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.stdout.split("\n")[:2] == ["refused", "goes on"]


@pytest.mark.parametrize("error", [MemoryError(), Corrupt("it does not load: std::bad_alloc")], ids=["own", "runtime"])
def test_a_model_for_which_there_is_no_memory_is_missing_with_the_figures(error: Exception) -> None:
    says = r"acme-ods-1 cannot be loaded: the limit is 300 MiB, of which \d+ MiB"
    with pytest.raises(Missing, match=says), loading(300, "acme-ods-1"):
        raise error


def test_without_a_limit_or_for_another_reason_it_is_what_it_is() -> None:
    with pytest.raises(MemoryError), loading(0, "acme-ods-1"):
        raise MemoryError
    with pytest.raises(Corrupt, match="no network"), loading(300, "acme-ods-1"):
        raise Corrupt("no network")
