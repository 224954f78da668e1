"""What file names say."""

from datetime import date

import pytest

from teppr.annotations.names import provenance_of
from teppr.types import Provenance


def test_a_name_by_the_convention_says_everything() -> None:
    assert provenance_of("images-p1-230119_AT1_via205_010219.json") == Provenance(
        annotator="AT1",
        tool="VIA 2.05",
        batch="images-p1-230119_AT1",
        part=1,
        cut=date(2019, 1, 23),
        released=date(2019, 2, 1),
    )


@pytest.mark.parametrize(
    ("tool", "title"),
    [("via1", "VIA 1"), ("cvat25", "CVAT 2.5"), ("labelstudio123", "labelstudio 1.23"), ("via", "VIA")],
)
def test_the_version_follows_the_tool(tool: str, title: str) -> None:
    assert provenance_of(f"images-p12-230119_AT1_{tool}_010219.json").tool == title


@pytest.mark.parametrize(
    "name",
    [
        "via_region_data.json",
        "images-p1-230119_AT1_via205_010219.xml",
        "images-p1-230119__via205_010219.json",
        "images-p-230119_AT1_via205_010219.json",
        "images-p1-230119_AT1_via205_010219_2.json",
        "",
    ],
)
def test_another_name_says_nothing_and_why(name: str) -> None:
    said = provenance_of(name)
    assert said == Provenance(notes=said.notes)
    assert "does not follow images-p<part>" in said.notes[0]


def test_a_date_that_is_none_is_quoted() -> None:
    assert "310219 where a date" in provenance_of("images-p1-230119_AT1_via205_310219.json").notes[0]
