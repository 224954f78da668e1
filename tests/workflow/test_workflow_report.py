"""Reports of a really trained run and its release."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from teppr.cli.main import run as teppr
from teppr.datasets.snapshot import find_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.metrics.detection import STATS
from teppr.workflow.report import charts_of, report_on, rows_of, write_report
from teppr.workflow.run import Run, list_runs

pytestmark = pytest.mark.slow
VOID = {"meta", "br", "img", "hr", "link", "input"}


class Page(HTMLParser):
    """A page's headings and addresses; raises where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(data.strip())


def test_the_page_needs_nothing_beside_it(released_home: Path, tmp_path: Path) -> None:
    path = write_report(report_on(released_home, "acme-ods-1"), tmp_path / "report.html")
    text = path.read_text()
    page = Page(text)
    assert page.open == []
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in page.addresses)
    assert not re.search(r"<script|url\(|@import", text)
    assert page.headings == [
        "acme-ods-1",
        "Figures",
        "Labels",
        "Acceptance",
        "Curves",
        "What is taken for what",
        "Images of test",
        "How it was made",
    ]


def test_the_page_shows_truth_and_detections_of_real_images(released_home: Path) -> None:
    examples = report_on(released_home, "acme-ods-1").examples
    assert examples is not None
    shown = [*examples.worst, *examples.best]
    assert shown
    assert all(example.truth for example in examples.best)
    assert all(example.found for example in examples.best)
    wrong = [example.faults.wrong for example in examples.worst]
    assert wrong == sorted(wrong, reverse=True)


def test_the_table_has_every_figure_of_the_evaluation(released_home: Path, tmp_path: Path) -> None:
    report = report_on(released_home, "acme-ods-1")
    path = write_report(report, tmp_path / "figures.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    evaluation = list_runs(released_home)[-1].evaluation["split"]
    value = next(
        row["value"]
        for row in rows
        if (row["split"], row["kind"], row["label"], row["figure"]) == ("test", "mask", "", "map_50")
    )
    assert float(value) == evaluation["test"]["mask"]["map_50"]
    assert {row["figure"] for row in rows} >= {*STATS, "regions", "at_iou/0.75"}
    assert {row["label"] for row in rows} == {"", "circle", "square", "triangle"}
    assert len(rows) == len(list(rows_of(report)))


def test_the_document_holds_evaluation_training_and_release(released_home: Path, tmp_path: Path) -> None:
    path = write_report(report_on(released_home, "acme-ods-1"), tmp_path / "report.json")
    document = json.loads(path.read_text())
    run = list_runs(released_home)[-1]
    assert document["split"] == run.evaluation["split"]
    assert [row["epoch"] for row in document["training"]] == [1, 2, 3, 4]
    assert document["release"]["key"] == "acme-ods-1"
    assert document["run"] == run.id


def test_curves_are_drawn_for_splits_and_training(released_home: Path) -> None:
    titles = [chart.title for chart in charts_of(report_on(released_home, "acme-ods-1"))]
    assert titles == [
        "test, box, IoU 0.50",
        "test, mask, IoU 0.50",
        "val, box, IoU 0.50",
        "val, mask, IoU 0.50",
        "training, loss",
        "training, val",
    ]


def test_labels_have_the_colours_of_the_dataset(released_home: Path, tmp_path: Path) -> None:
    report = report_on(released_home, "acme-ods-1")
    colors = {label.name: label.color for label in find_snapshot(released_home, "shapes").labels}
    assert report.label_colors == colors
    assert {line.name: line.color for line in charts_of(report)[0].lines if line.name in colors} == colors
    page = write_report(report, tmp_path / "report.html").read_text()
    assert all(f'style="background: {color}"' in page for color in colors.values())


def test_a_release_whose_run_is_gone_still_has_its_figures(home: Path, released: Run, tmp_path: Path) -> None:
    shutil.rmtree(released.path)
    report = report_on(home, "acme-ods-1")
    assert report.figures["test"]["box"]["map_50"] is not None
    page = Page(write_report(report, tmp_path / "report.html").read_text())
    assert page.headings == ["acme-ods-1", "Figures", "Labels", "Acceptance", "How it was made"]


def test_a_run_that_is_not_evaluated_says_so(home: Path, evaluated: Run, tmp_path: Path) -> None:
    (evaluated.path / "evaluation.json").unlink()
    text = write_report(report_on(home, evaluated.id), tmp_path / "report.html").read_text()
    assert f"teppr evaluate {evaluated.id}" in text
    assert Page(text).headings == [evaluated.id, "Figures", "Curves", "How it was made"]


def test_images_that_are_gone_are_left_out(home: Path, evaluated: Run, evaluated_home: Path, tmp_path: Path) -> None:
    (evaluated.path / "detections" / "test.json").unlink()
    report = report_on(home, evaluated.id)
    assert report.examples is None
    assert evaluated_home != home
    assert "Images of" not in write_report(report, tmp_path / "report.html").read_text()


def test_names_from_outside_are_written_as_text(home: Path, evaluated: Run, tmp_path: Path) -> None:
    file = evaluated.path / "experiment.yml"
    file.write_text(file.read_text().replace("creator: AIE3", "creator: <script>alert(1)</script>"))
    text = write_report(report_on(home, evaluated.id), tmp_path / "report.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_unknown_names_and_forms_are_refused(home: Path, released_home: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="releases: none yet"):
        report_on(home, "acme-ods-1")
    with pytest.raises(BadInput, match=r"a report ends with \.html, \.csv, \.json, got 'report.pdf'"):
        write_report(report_on(released_home, "acme-ods-1"), tmp_path / "report.pdf")


def test_the_command_writes_where_it_is_told_or_into_the_run(
    home: Path, released: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teppr(["--home", str(home), "report", "acme-ods-1", "--out", str(tmp_path / "r.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(tmp_path / "r.html")]
    assert teppr(["--home", str(home), "report", released.id]) == 0
    assert {path.name for path in released.path.glob("report.*")} == {"report.html", "report.csv", "report.json"}
