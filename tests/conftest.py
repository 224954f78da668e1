"""What all tests share: the real data, and a home of their own."""

import os
from pathlib import Path

import hypothesis
import pytest

CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# Test processes run side by side: one with several threads would only wait for the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault of an example's; what may land is tried on the same examples each time.
hypothesis.settings.register_profile("teppr", deadline=None, derandomize=CI)
hypothesis.settings.load_profile("teppr")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets: TEPPR_TEST_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("TEPPR_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "FACTS.json").is_file():
        message = f"no test data in {folder}: set TEPPR_TEST_DATA"
        pytest.fail(message) if CI else pytest.skip(message)
    return folder.resolve()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty TEPPR_HOME."""
    return tmp_path / "home"
