"""The memory that a model server may have."""

import pytest

from teppr.errors import BadInput, Corrupt, Missing
from teppr.serving.memory import check_room, loading, mib_of


@pytest.mark.parametrize(("text", "mib"), [("2GiB", 2048), ("1.5 GiB", 1536), ("800mib", 800)])
def test_a_size_is_read(text: str, mib: int) -> None:
    assert mib_of(text) == mib


@pytest.mark.parametrize("text", ["2GB", "0MiB", "much", "-1GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="a number with MiB or GiB"):
        mib_of(text)


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


def test_what_leaves_no_room_for_requests_is_missing_with_the_figures() -> None:
    check_room(0, "acme-ods-1")
    check_room(100_000, "acme-ods-1")
    with pytest.raises(Missing, match=r"acme-ods-1 need \d+ MiB loaded and warm, and the limit is 10 MiB"):
        check_room(10, "acme-ods-1")
