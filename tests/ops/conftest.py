"""A picture to ask with."""

import pytest

from teppr.images import encode_png
from teppr.testing.bundles import colored_picture

PATCHES = {"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)}


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG of 320 x 240 pixels with one "stop" and one "go"."""
    return encode_png(colored_picture(PATCHES))
