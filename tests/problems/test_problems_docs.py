"""The page about problems says what is so."""

import re
from pathlib import Path

from teppr.problems.contract import ALWAYS_ERRORS, PROBLEMS
from teppr.problems.document import DOCUMENTS, parse_problem
from teppr.testing.commands import Cli
from teppr.types import Severity

PAGE = (Path(__file__).parents[2] / "docs" / "problems.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_has_every_key() -> None:
    keys = re.findall(r"^(\w+):", EXAMPLE, re.MULTILINE)
    assert sorted(keys) == sorted(DOCUMENTS.model.__dataclass_fields__)


def test_the_example_is_a_sound_problem(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "roadworks.yml"
    path.write_text(EXAMPLE, encoding="utf-8")
    assert cli("problems", "check", path) == 0
    problem = parse_problem(EXAMPLE, name="example")
    assert problem.label_of("traffic cone") == "cone"
    assert problem.severities == {"DR14": Severity.ERROR, "DR07": Severity.NOTE}


def test_the_table_has_the_problems_of_teppr_with_their_shapes() -> None:
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in PAGE.splitlines() if line.startswith("| `")]
    shown = {row[0].strip("`"): tuple(row[2].split(" (")[0].split(", ")) for row in rows}
    assert shown == {name: PROBLEMS.load(name).shapes for name in ("ods", "rld", "rbd", "cls")}


def test_the_page_names_the_rules_that_are_always_errors() -> None:
    assert f"{', '.join(ALWAYS_ERRORS[:-1])} and {ALWAYS_ERRORS[-1]} are\nalways errors" in PAGE
