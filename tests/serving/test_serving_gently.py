"""Work at low priority."""

import os
import sys
import threading

import pytest

from teppr.errors import Missing
from teppr.serving.gently import LOW, at_low_priority


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of threads")
def test_the_work_has_a_low_priority_and_who_asked_for_it_keeps_its_own() -> None:
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def work() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert at_low_priority(work) == min(19, max(LOW, before))
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before


def test_what_the_work_raises_is_raised() -> None:
    def fail() -> None:
        raise Missing("no model")

    with pytest.raises(Missing, match="no model"):
        at_low_priority(fail)
