"""Pages are escaped, whole, and complain about what nobody gave."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from teppr.pages import write_page


def test_what_a_template_names_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        write_page(tmp_path / "a.html", "teppr.workflow", "report.html", {"made": datetime.now(UTC)}, {"figure": str})
    assert list(tmp_path.iterdir()) == []
