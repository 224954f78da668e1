"""The store of a team: the contract, and what is MongoDB's own."""

from collections.abc import Iterator

import pytest

from teppr.store import Store
from teppr.store.mongo import MongoStore
from teppr.testing.store import StoreContract


class TestMongoStore(StoreContract):
    @pytest.fixture
    def store(self, mongo_url: str) -> Iterator[Store]:
        with MongoStore(mongo_url) as opened:
            yield opened
