"""An architecture of an installed package, for tests that need one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from teppr.testing.packages import write_package


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that `colour_boxes` is installed in."""
    folder = write_package(tmp_path / "installed")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("teppr_colour_boxes", None)
