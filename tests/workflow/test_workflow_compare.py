"""Run against run, on a really trained run and on what becomes of it when it finds less."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from teppr.cli.main import run as teppr
from teppr.errors import BadInput
from teppr.files import write_json
from teppr.workflow.compare import Comparison, Verdict, compare_runs, write_comparison
from teppr.workflow.run import Run

pytestmark = pytest.mark.slow
DRAWS = 40


@pytest.fixture
def worse(evaluated: Run) -> Run:
    """The run without what it found in all images but a third of test's."""
    other = Run(evaluated.path.with_name("worse-run"))
    shutil.copytree(evaluated.path, other.path)
    path = other.path / "detections" / "test.json"
    write_json(path, [row for row in json.loads(path.read_text()) if row["image_id"] % 3 == 0])
    return other


def test_a_run_does_not_differ_from_itself(evaluated: Run, home: Path) -> None:
    comparison = compare_runs(home, [evaluated.id, evaluated.id], draws=DRAWS)
    assert {row.verdicts[0] for row in comparison.rows} <= {Verdict.ALIKE, Verdict.UNKNOWN}
    assert all(row.differences[0] in {0.0, None} for row in comparison.rows)
    assert not comparison.gained
    assert not comparison.lost


def test_figures_are_those_of_the_evaluation_and_lie_within_their_intervals(evaluated: Run, home: Path) -> None:
    comparison = compare_runs(home, [evaluated.id], draws=DRAWS)
    figures = evaluated.evaluation["split"]["test"]
    for row in comparison.overall:
        assert row.values == (figures[row.kind][row.figure],)
    main = next(row for row in comparison.overall if row.figure == "map_50")
    assert main.intervals[0] is not None
    assert main.intervals[0][0] <= (main.values[0] or 0) <= main.intervals[0][1]


def test_who_finds_less_is_worse_and_its_images_are_shown(evaluated: Run, worse: Run, home: Path) -> None:
    comparison = compare_runs(home, [evaluated.id, worse.id], draws=DRAWS)
    recall = next(row for row in comparison.overall if row.figure == "mar_100" and row.kind == "box")
    assert recall.verdicts == (Verdict.WORSE,)
    assert comparison.lost
    assert not comparison.gained
    back = compare_runs(home, [worse.id, evaluated.id], draws=DRAWS)
    assert next(row for row in back.overall if row.figure == "mar_100").verdicts == (Verdict.BETTER,)


def test_draws_are_the_same_for_the_same_seed(evaluated: Run, home: Path) -> None:
    def intervals(seed: int) -> list[object]:
        rows = compare_runs(home, [evaluated.id], draws=DRAWS, seed=seed).overall
        return [row.intervals for row in rows]

    assert intervals(3) == intervals(3)
    assert intervals(3) != intervals(4)


def test_it_is_written_as_a_page_a_table_and_a_document(evaluated: Run, worse: Run, home: Path, tmp_path: Path) -> None:
    comparison: Comparison = compare_runs(home, [evaluated.id, worse.id], draws=DRAWS)
    page = write_comparison(comparison, tmp_path / "compare.html").read_text()
    assert "Images that went worse" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    with write_comparison(comparison, tmp_path / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * len(comparison.rows)
    assert {row["verdict"] for row in rows if row["run"] == worse.id} == {row.verdicts[0] for row in comparison.rows}
    document = json.loads(write_comparison(comparison, tmp_path / "compare.json").read_text())
    assert document["runs"] == [evaluated.id, worse.id]
    with pytest.raises(BadInput, match=r"ends with \.html, \.csv, \.json"):
        write_comparison(comparison, tmp_path / "compare.pdf")


def test_what_cannot_be_compared_is_said(evaluated: Run, worse: Run, home: Path) -> None:
    with pytest.raises(BadInput, match="at least 20 draws, got 3"):
        compare_runs(home, [evaluated.id], draws=3)
    (worse.path / "detections" / "test.json").unlink()
    with pytest.raises(BadInput, match=r"worse-run was not evaluated on test; do it: teppr evaluate worse-run"):
        compare_runs(home, [evaluated.id, worse.id], draws=DRAWS)
    (worse.path / "evaluation.json").unlink()
    with pytest.raises(BadInput, match="worse-run was not evaluated"):
        compare_runs(home, [evaluated.id, worse.id], draws=DRAWS)


def test_the_command_shows_the_verdicts(
    evaluated: Run, worse: Run, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--home", str(home), "compare", evaluated.id, worse.id, "--draws", str(DRAWS)]
    assert teppr(words) == 0
    assert "worse" in capsys.readouterr().out
    assert teppr([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["draws"] == DRAWS
