"""What comes out again: statistics, export, verification, tables and pages."""

import csv
import json
import re
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from teppr.annotations.export import export
from teppr.annotations.findings import COLUMNS, finding_row
from teppr.annotations.findings import write_csv as write_findings_csv
from teppr.annotations.pages import SHOWN_PER_RULE, write_findings, write_statistics
from teppr.annotations.report import IngestReport
from teppr.annotations.statistics import statistics_of, write_csv
from teppr.annotations.verify import Difference, verify
from teppr.errors import UnknownName
from teppr.store import FindingQuery, ImageQuery, Store
from teppr.testing.deliveries import Delivery, rect
from teppr.testing.format_memory import MOST_BYTES_BUFFERED
from teppr.testing.large import write_coco
from teppr.types import Provenance, Tally

Take = Callable[..., IngestReport]


@pytest.fixture
def two_files(delivery: Delivery, take: Take) -> list[Path]:
    """A file of each of two annotators: 3 cars and a sign accepted, one region rejected."""
    for name in ("a.png", "b.png"):
        delivery.image(name)
    first = delivery.via({"a.png": [rect(), rect(x=40), rect(x=90)]}, name="1.json")
    second = delivery.via({"a.png": [rect(label="sign", width=40)], "b.png": [rect(side="left")]}, name="2.json")
    take(first, given=Provenance(annotator="AT1", released=date(2026, 1, 15)))
    take(second, given=Provenance(annotator="AT2", released=date(2026, 2, 15)))
    return [first, second]


def test_statistics_count_by_every_group(two_files: list[Path], store: Store) -> None:
    counted = statistics_of(store, "ods")
    assert (counted.files, counted.entries, counted.regions) == (Tally(2, 2, 0), Tally(3, 3, 0), Tally(5, 4, 1))
    car, sign = counted.groups["label"]
    assert (car.value, car.images, car.regions, car.largest_per_image) == ("car", 2, 3, 2)
    assert car.mean_per_image == 1.5
    assert car.mean_box_area_px == car.mean_mask_area_px == 400
    assert car.coverage_0_1 == pytest.approx(1200 / 16000)
    assert (sign.value, sign.mean_box_area_px) == ("sign", 800)
    assert [(row.value, row.regions) for row in counted.groups["annotator"]] == [("AT1", 2), ("AT2", 2)]
    assert [row.value for row in counted.groups["released"]] == ["2026-01-15", "2026-02-15"]
    assert [row.value for row in counted.groups["file"]] == [str(path) for path in two_files]
    assert counted.findings_by("annotator") == {"AT1": {"DR02": 1, "DR12": 1}, "AT2": {"DR02": 1, "DR18": 1}}
    assert statistics_of(store, "rld").regions == Tally()


@pytest.mark.usefixtures("two_files")
def test_statistics_are_written_as_a_table(store: Store, tmp_path: Path) -> None:
    write_csv(statistics_of(store), tmp_path / "stats.csv")
    with (tmp_path / "stats.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"by": "label", "value": "car", "regions": "3"}.items() <= rows[0].items()
    assert {row["by"] for row in rows} >= {"label", "annotator", "file", "released", "shape", "finding"}


@pytest.mark.usefixtures("two_files")
def test_all_findings_are_written_as_a_table(store: Store, tmp_path: Path) -> None:
    findings = list(store.findings(FindingQuery()))
    assert write_findings_csv(iter(findings), tmp_path / "findings.csv") == len(findings)
    with (tmp_path / "findings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    outside = next(row for row in rows if row["rule"] == "DR12")
    assert json.loads(outside["values"])["beyond_px"] == 10
    assert finding_row(findings[0])["severity"] == "warning"


@pytest.mark.usefixtures("two_files")
@pytest.mark.parametrize("format_name", ["coco", "via"])
def test_what_is_exported_is_ingested_again_equal(
    store: Store, take: Take, delivery: Delivery, format_name: str
) -> None:
    path = delivery.folder / f"{format_name}.json"
    report = export(store, ImageQuery(annotators=("AT2",)), format_name, path)
    assert (report.images, report.regions) == (2, 2)
    again = take(path, label_attribute=None if format_name == "coco" else "label")
    assert again.as_dict()["labels"] == {"car": 1, "sign": 1}
    assert again.regions == Tally(2, 2, 0)


def test_an_export_of_ten_times_as_many_images_takes_no_more_memory(store: Store, take: Take, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("few.json", "many.json")]
    for path, images in zip(paths, (40, 400), strict=True):
        write_coco(path, images)
        take(path, open_images=False, given=Provenance(annotator=path.stem))
    peaks = []
    for path in paths:
        tracemalloc.start()
        try:
            export(store, ImageQuery(annotators=(path.stem,)), "coco", tmp_path / "out.json")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] - peaks[0] < MOST_BYTES_BUFFERED


def test_an_unknown_format_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="known: coco"):
        export(store, ImageQuery(), "cocoa", tmp_path / "x.json")


def test_what_is_missing_or_changed_is_found(two_files: list[Path], store: Store, delivery: Delivery) -> None:
    assert verify(store).differences == ()
    first, second = two_files
    first.write_bytes(first.read_bytes() + b" ")
    second.unlink()
    (delivery.folder / "b.png").unlink()
    delivery.image("a.png", seed=9)
    result = verify(store, "ods", workers=2)
    a, b = str(delivery.folder / "a.png"), str(delivery.folder / "b.png")
    assert (result.files, result.images) == (2, 3)
    assert set(result.differences) == {
        Difference(what="annotation file", problem="changed", path=str(first), file=str(first)),
        Difference(what="annotation file", problem="missing", path=str(second), file=str(second)),
        Difference(what="image", problem="changed", path=a, file=str(first)),
        Difference(what="image", problem="changed", path=a, file=str(second)),
        Difference(what="image", problem="missing", path=b, file=str(second)),
    }


@pytest.mark.usefixtures("two_files")
def test_every_annotator_has_a_page_that_needs_nothing_else(store: Store, tmp_path: Path) -> None:
    written = write_findings(store.findings(FindingQuery()), tmp_path / "pages")
    assert [path.name for path in written] == ["index.html", "findings-AT1.html", "findings-AT2.html"]
    page = written[1].read_text(encoding="utf-8")
    assert "the shape reaches 10 px beyond its image" in page
    assert "data:image/jpeg;base64," in page
    assert "beyond_px = 10" in page
    for path in written:
        links = re.findall(r'(?:src|href)="([^"#]+)"', path.read_text(encoding="utf-8"))
        assert all(link.startswith("data:") or (path.parent / link).is_file() for link in links)


def test_what_annotators_write_is_shown_and_never_run(
    delivery: Delivery, take: Take, store: Store, tmp_path: Path
) -> None:
    evil = "<script>alert(1)</script>"
    delivery.image("a.png")
    take(delivery.via({"a.png": [rect(x=95, label=evil), rect(x=95, label=evil)], f"{evil}.png": []}))
    pages = write_findings(store.findings(FindingQuery()), tmp_path)
    pages.append(write_statistics(statistics_of(store), store, tmp_path / "stats.html"))
    assert not any(evil in path.read_text(encoding="utf-8") for path in pages)


def test_a_page_shows_a_bounded_number_and_counts_the_rest(
    delivery: Delivery, take: Take, store: Store, tmp_path: Path
) -> None:
    delivery.image("a.png")
    n = SHOWN_PER_RULE + 5
    take(delivery.via({"a.png": [rect(x=90 + i / 100) for i in range(n)]}))
    page = write_findings(store.findings(FindingQuery(rule="DR12")), tmp_path)[1].read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == SHOWN_PER_RULE
    assert f"The first {SHOWN_PER_RULE} of {n}" in page


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "polygon", "all_points_x": [], "all_points_y": []},
        {"name": "polygon", "all_points_x": [1e300, -1e300, 5], "all_points_y": [0, 1e300, -1e308]},
        {"name": "circle", "cx": 1e9, "cy": -1e9, "r": 1e12},
        {"name": "point", "cx": 5, "cy": 500000},
        {"name": "polyline", "all_points_x": [3], "all_points_y": [3]},
        {"name": "ellipse", "cx": 10, "cy": 10, "rx": -5, "ry": 0},
    ],
    ids=str,
)
def test_any_shape_can_be_shown(
    delivery: Delivery, take: Take, store: Store, tmp_path: Path, shape: dict[str, object]
) -> None:
    delivery.image("a.png")
    take(delivery.via({"a.png": [rect() | {"shape_attributes": shape}]}))
    assert write_findings(store.findings(FindingQuery()), tmp_path)[1].stat().st_size > 1000


@pytest.mark.usefixtures("two_files")
def test_the_page_of_statistics_shows_samples(store: Store, tmp_path: Path) -> None:
    path = write_statistics(statistics_of(store, "ods"), store, tmp_path / "stats.html")
    page = path.read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 3
    assert "AT2" in page


def test_the_page_of_an_empty_database_says_so(store: Store, tmp_path: Path) -> None:
    assert "There are none" in write_findings([], tmp_path)[0].read_text(encoding="utf-8")
    write_statistics(statistics_of(store), store, tmp_path / "stats.html")
