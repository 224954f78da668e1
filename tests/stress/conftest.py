"""What tests of the load tool share."""

import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.stress.pictures import Picture
from teppr.testing.commands import Cli


@pytest.fixture
def nobody() -> str:
    """The address of a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def pictures() -> Sequence[Picture]:
    """Two small files; whether they are images the scripted service does not ask."""
    return [
        Picture(name="a.jpg", media_type="image/jpeg", content=b"first"),
        Picture(name="b.png", media_type="image/png", content=b"second" * 20_000),
    ]


@pytest.fixture
def teppr(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line."""
    return Cli(run, home, capsys)
