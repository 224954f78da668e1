"""What a service tells of itself, and when it is believed."""

import os
from pathlib import Path

from teppr.files import alone_in
from teppr.ops import state
from teppr.ops.state import ProcessState, ServiceState

STATE = ServiceState(
    pid=os.getpid(),
    ready=True,
    queue_url="unix:///q",
    desk="desk",
    plan={"models": []},
    processes=(
        ProcessState(name="a-b-1:1", kind="model server", pid=1, runs=True, restarts=0, models=("a-b-1",)),
        ProcessState(name="web:1", kind="web", pid=2, runs=True, restarts=0, url="http://h:1", default="a-b-1"),
    ),
)


def test_what_is_told_is_believed_while_the_lock_is_held(home: Path) -> None:
    with alone_in(home / "queue"):
        state.write(home, STATE)
        assert state.read(home) == STATE
        assert STATE.urls == ["http://h:1"]
    assert state.told(home) == STATE
    assert state.read(home) is None


def test_of_a_service_that_is_gone_nothing_is_believed(home: Path) -> None:
    assert state.read(home) is None
    with alone_in(home / "queue"):
        state.write(home, STATE)
        state.forget(home)
        assert state.read(home) is None


def test_what_another_version_told_is_not_believed(home: Path) -> None:
    with alone_in(home / "queue"):
        (home / "queue" / state.FILE).write_text('{"pid": 1, "colour": "red"}')
        assert state.read(home) is None
