"""The reference pages are what the code says."""

from pathlib import Path
from runpy import run_path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = run_path(str(DOCS / "reference.py"))["PAGES"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_reference_page_is_as_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run: make docs"
