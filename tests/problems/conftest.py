"""A team's own problem, and the command line."""

from pathlib import Path

import pytest

from teppr.cli.main import run
from teppr.testing.commands import Cli
from teppr.testing.deliveries import Delivery
from teppr.testing.problems import ROADWORKS


@pytest.fixture
def cli(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(run, home, capsys)


@pytest.fixture
def roadworks(tmp_path: Path) -> Path:
    """The file of a team's own problem, outside the home."""
    path = tmp_path / "roadworks.yml"
    path.write_text(ROADWORKS, encoding="utf-8")
    return path


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    return Delivery(tmp_path / "delivery")
