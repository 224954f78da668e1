"""Every format that is found, by folder or entry point, keeps the contract."""

import pytest

from teppr.formats import FORMATS, Format
from teppr.testing.format_memory import FormatMemoryContract
from teppr.testing.formats import FormatContract


@pytest.fixture(scope="module", params=FORMATS.names())
def plugin(request: pytest.FixtureRequest) -> Format:
    return FORMATS.load(request.param)


class TestEveryFormat(FormatContract):
    """Nothing to add."""


@pytest.mark.slow
class TestTheMemoryOfEveryFormat(FormatMemoryContract):
    """Nothing to add."""


def test_the_formats_of_the_package_are_found() -> None:
    assert {"coco", "via"} <= set(FORMATS.names())
