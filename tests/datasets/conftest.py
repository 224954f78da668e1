"""An annotation database to make datasets from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from teppr.store.contract import Store
from teppr.store.open import open_store


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    """The empty database of the home."""
    home.mkdir()
    with open_store(f"sqlite:///{home / 'store.db'}") as opened:
        yield opened
