"""What the tests of formats share: the counts that another program found in the real files."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def facts(data: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((data / "FACTS.json").read_bytes())
    return loaded
