"""A small real model, made once."""

from pathlib import Path

import pytest

from teppr.registry.bundle import Bundle
from teppr.testing.bundles import small_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """The colour finder, freshly written and free to be spoilt."""
    return small_bundle(tmp_path / "bundle")
