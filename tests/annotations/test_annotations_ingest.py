"""Ingest: full accounting, once only, releases, rejection, and where images are looked for."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teppr.annotations.report import IngestReport
from teppr.errors import BadFile, BadInput
from teppr.files import sha256_of
from teppr.problems import Problem
from teppr.store import FindingQuery, ImageQuery, Store
from teppr.testing.deliveries import Delivery, rect
from teppr.testing.examples import examples
from teppr.types import Finding, Provenance, Severity

Take = Callable[..., IngestReport]
Found = Callable[[], list[Finding]]


def _rules(findings: list[Finding]) -> list[tuple[str, str | None]]:
    return [(finding.rule, finding.image) for finding in findings]


def test_all_that_is_read_is_accepted_or_rejected(delivery: Delivery, take: Take, found: Found, store: Store) -> None:
    for name in ("a.png", "b.png"):
        delivery.image(name)
    path = delivery.via(
        {"a.png": [rect(), rect(x=90), rect(x=40, label=" ")], "b.png": [], "none.png": [rect(), rect(x=50)]}
    )
    report = take(path)
    answer = report.as_dict()
    assert answer.pop("seconds") == pytest.approx(report.seconds, abs=1e-3)
    assert answer == {
        "files": {"read": 1, "accepted": 1, "rejected": 0, "unchanged": 0},
        "entries": {"read": 3, "accepted": 2, "rejected": 1},
        "regions": {"read": 5, "accepted": 1, "rejected": 4},
        "images": 2,
        "labels": {"car": 1},
        "shapes": {"rect": 5},
        "findings": {"DR02": 1, "DR03": 1, "DR07": 1, "DR10": 1, "DR12": 1},
        "refused": [],
    }
    assert report.exit_code == 1
    assert _rules(found()) == [("DR12", "a.png"), ("DR10", "a.png"), ("DR07", "b.png"), ("DR03", "none.png")]
    images = list(store.images(ImageQuery()))
    assert [(image.filename, len(image.regions), image.regions_rejected) for image in images] == [
        ("a.png", 1, 2),
        ("b.png", 0, 0),
    ]
    assert images[0].path == str(delivery.folder / "a.png")
    assert images[0].size_wh == (100, 80)


def test_a_finding_says_all_that_is_needed_to_mend_it(delivery: Delivery, take: Take, found: Found) -> None:
    image = delivery.image("a.png")
    path = delivery.via({"a.png": [rect(), rect(x=90)]}, name="images-p1-230119_AT1_via205_010219.json")
    take(path)
    (finding,) = found()
    assert (finding.rule, finding.severity, finding.scope) == ("DR12", Severity.ERROR, "region")
    assert (finding.file, finding.annotator, finding.image) == (str(path), "AT1", "a.png")
    assert (finding.region_index, finding.where) == (1, "regions[1]")
    assert finding.values["beyond_px"] == 10
    assert finding.remedy
    assert finding.image_path == str(image)
    assert finding.shape is not None


def test_the_same_file_twice_changes_nothing(delivery: Delivery, take: Take, store: Store) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": [rect(), rect(x=90)]})
    first = take(path)
    on_record = [list(store.files()), list(store.images(ImageQuery()))]
    copy = shutil.copy(path, delivery.folder / "copy.json")
    again = take(path, Path(copy))
    assert [list(store.files()), list(store.images(ImageQuery()))] == on_record
    assert again.unchanged == 2
    assert again.regions == first.regions + first.regions
    assert again.exit_code == first.exit_code == 1


def test_a_file_is_checked_anew_when_asked(delivery: Delivery, take: Take, found: Found) -> None:
    path = delivery.via({"a.png": [rect()]})
    assert take(path).exit_code == 1
    delivery.image("a.png")
    assert take(path).exit_code == 1
    assert take(path, again=True).exit_code == 0
    assert found() == []


def test_a_newer_release_takes_the_place_of_the_older(delivery: Delivery, take: Take, store: Store) -> None:
    delivery.image("a.png")
    old = delivery.via({"a.png": [rect()]}, name="images-p1-230119_AT1_via205_010219.json")
    new = delivery.via({"a.png": [rect(), rect(x=40)]}, name="images-p1-230119_AT1_via205_020219.json")
    take(new)
    take(old)
    assert [image.regions_rejected + len(image.regions) for image in store.images(ImageQuery())] == [2]
    assert {Path(each.file.path).name: each.superseded_by is None for each in store.files()} == {
        new.name: True,
        old.name: False,
    }


def test_provenance_comes_from_the_name_or_is_given(delivery: Delivery, take: Take, store: Store) -> None:
    delivery.image("a.png")
    given = Provenance(annotator="AT9", tool="VIA", batch="b", released=date(2020, 1, 2))
    report = take(delivery.via({"a.png": [rect()]}), given=given)
    assert "DR02" not in report.findings
    (summary,) = store.files()
    assert (summary.file.annotator, summary.file.released) == ("AT9", date(2020, 1, 2))


def test_a_file_with_errors_is_rejected_whole_when_asked(
    delivery: Delivery, take: Take, found: Found, store: Store
) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": [rect(), rect(x=40), rect(x=90)]})
    report = take(path, refuse_errors=True)
    assert (report.files.rejected, report.entries.rejected, report.regions.rejected) == (1, 1, 3)
    assert _rules(found()) == [("DR12", "a.png")]
    assert list(store.images(ImageQuery())) == []
    assert report.as_dict()["labels"] == {}


def test_a_sound_file_is_accepted_when_errors_are_refused(delivery: Delivery, take: Take) -> None:
    delivery.image("a.png")
    assert take(delivery.via({"a.png": [rect()]}), refuse_errors=True).exit_code == 0


def test_severities_are_the_problems(delivery: Delivery, take: Take, ods: Problem, store: Store) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": [rect(), rect()], "b.png": []})
    strict = replace(ods, id="strict", severities={"DR02": Severity.ERROR})
    mild = replace(ods, id="mild", severities={"DR15": Severity.WARNING})
    assert take(path, problem=strict).files.rejected == 1
    report = take(path, problem=mild)
    assert report.files.accepted == 1
    assert [len(image.regions) for image in store.images(ImageQuery(problem="mild"))] == [2]


def test_a_file_that_does_not_parse_is_on_record_with_that_alone(delivery: Delivery, take: Take, found: Found) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": [rect(), rect(x=90)]})
    path.write_bytes(path.read_bytes()[:-30])
    report = take(path)
    assert report.exit_code == 2
    assert report.as_dict()["findings"] == {"DR01": 1}
    assert _rules(found()) == [("DR01", None)]


def test_one_broken_file_does_not_stop_the_others(delivery: Delivery, take: Take, store: Store) -> None:
    delivery.image("a.png")
    delivery.via({"a.png": [rect()]}, name="2.json")
    (delivery.folder / "1.json").write_text("{", encoding="utf-8")
    (delivery.folder / "3.json").write_text('{"some": "settings"}', encoding="utf-8")
    report = take(delivery.folder)
    assert (report.files.read, report.files.accepted, report.files.rejected) == (3, 1, 2)
    assert report.exit_code == 1
    assert len(list(store.images(ImageQuery()))) == 1


@pytest.mark.parametrize("name", ["none.json", "empty"])
def test_what_is_not_there_is_refused(delivery: Delivery, take: Take, name: str) -> None:
    (delivery.folder / "empty").mkdir(parents=True)
    with pytest.raises(BadFile, match=name):
        take(delivery.folder / name)


def test_a_file_that_is_not_utf8_is_rejected(delivery: Delivery, take: Take) -> None:
    path = delivery.via({"a.png": [rect()]})
    path.write_bytes(path.read_bytes().replace(b"car", b"c\xffr"))
    assert take(path).as_dict()["findings"] == {"DR01": 1}


@pytest.mark.parametrize("where", ["label", "filename", "attribute"])
def test_half_characters_and_endless_numbers_do_no_harm(delivery: Delivery, take: Take, where: str) -> None:
    half = "\ud83d"
    delivery.image("a.png")
    name = half if where == "filename" else "a.png"
    attributes = {"label": half} if where == "label" else {"other": half, "number": 10**400}
    path = delivery.via({name: [rect(**attributes)]})
    report = take(path)
    assert report.files.read == 1
    assert report.entries.read == report.entries.accepted + report.entries.rejected


def test_regions_of_several_readers_are_counted(delivery: Delivery, take: Take, found: Found) -> None:
    delivery.image("a.png")
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 9, "bbox": [40, 10, 20, 20], "area": 400, "iscrowd": 0},
            {"id": 3, "image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
        ],
    }
    path = delivery.folder / "coco.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    report = take(path)
    assert (report.entries.read, report.entries.accepted) == (1, 1)
    assert (report.regions.read, report.regions.accepted, report.regions.rejected) == (3, 1, 2)
    assert sorted(finding.rule for finding in found()) == ["DR17", "DR17"]


# Where images are looked for


def test_images_of_a_job_are_in_its_batches_folder(delivery: Delivery, take: Take, store: Store) -> None:
    batch = "images-p1-230119_AT1"
    image = delivery.image(f"images/{batch}/a.png")
    delivery.image("images/images-p2-230119_AT1/a.png", seed=5)
    delivery.via({"a.png": [rect()]}, name=f"annotations/{batch}_via205_010219.json")
    assert take(delivery.folder).exit_code == 0
    assert [found.path for found in store.images(ImageQuery())] == [str(image)]


def test_a_file_of_unknown_batch_finds_an_image_that_is_there_once(
    delivery: Delivery, take: Take, found: Found
) -> None:
    delivery.image("images/one/a.png")
    delivery.image("images/one/b.png")
    delivery.image("images/two/b.png", seed=5)
    report = take(delivery.via({"a.png": [rect()], "b.png": [rect()]}, name="annotations/via.json"))
    assert report.entries.accepted == 1
    (finding,) = found()
    assert finding.values == {"reason": "several"}


def test_images_may_be_given(delivery: Delivery, take: Take) -> None:
    delivery.image("elsewhere/sub/a.png")
    path = delivery.via({"./sub/a.png": [rect()]})
    assert take(path).exit_code == 1
    assert take(path, images=delivery.folder / "elsewhere", again=True).exit_code == 0


@pytest.mark.parametrize(
    "name", ["../secret.png", "/etc/passwd", "a/../../secret.png", "C:\\secret.png", "\\\\host\\s.png"]
)
def test_no_name_leads_out_of_the_images(delivery: Delivery, take: Take, found: Found, name: str) -> None:
    delivery.image("../secret.png")
    take(delivery.via({name: [rect()]}))
    (finding,) = found()
    assert (finding.rule, finding.values["reason"]) == ("DR03", "outside")


@pytest.mark.parametrize(
    ("there", "named"), [("A.PNG", "a.png"), ("Sub/a.png", "sub/a.png"), ("e\u0301.png", "\xe9.png")]
)
def test_another_spelling_is_said(delivery: Delivery, take: Take, found: Found, there: str, named: str) -> None:
    delivery.image(there)
    take(delivery.via({named: [rect()]}))
    (finding,) = found()
    assert (finding.rule, finding.values["reason"]) == ("DR03", "spelling")
    assert repr(there) in finding.message


@pytest.mark.parametrize("opened", [True, False])
def test_sizes_are_as_declared_where_images_are_not_opened(
    delivery: Delivery,
    take: Take,
    store: Store,
    opened: bool,
) -> None:
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [90, 10, 20, 20], "iscrowd": 0}],
    }
    path = delivery.via({})
    path.write_text(json.dumps(document), encoding="utf-8")
    report = take(path, open_images=opened)
    assert set(report.findings) == {"DR02", "DR03" if opened else "DR12"}
    assert [(image.size_wh, image.sha256) for image in store.images(ImageQuery())] == (
        [] if opened else [((100, 80), "")]
    )


def test_without_a_declared_size_images_must_be_opened(delivery: Delivery, take: Take, found: Found) -> None:
    delivery.image("a.png")
    take(delivery.via({"a.png": [rect()]}), open_images=False)
    (finding,) = found()
    assert (finding.rule, finding.values["reason"]) == ("DR03", "not-opened")


# What is known of images


def test_a_wrong_declared_size_is_warned_of(delivery: Delivery, take: Take, found: Found) -> None:
    delivery.image("a.png")
    assert take(delivery.via({"a.png": [rect()]}, size=5)).exit_code == 0
    (finding,) = found()
    assert (finding.rule, finding.values["declared_bytes"]) == ("DR05", 5)


def test_the_same_bytes_under_several_names_are_named(delivery: Delivery, take: Take, found: Found) -> None:
    shutil.copy(delivery.image("a.png"), delivery.folder / "b.png")
    assert take(delivery.via({"a.png": [rect()], "b.png": [rect()]})).exit_code == 0
    (finding,) = found()
    assert (finding.rule, finding.image, finding.values["count"]) == ("DR06", "b.png", 1)
    assert "a.png" in finding.message


def test_the_same_image_by_several_annotators_is_noted(delivery: Delivery, take: Take, found: Found) -> None:
    delivery.image("a.png")
    take(delivery.via({"a.png": [rect()]}, name="1.json"), given=Provenance(annotator="AT1"))
    take(delivery.via({"a.png": [rect(x=11)]}, name="2.json"), given=Provenance(annotator="AT2"))
    (finding,) = found()
    assert (finding.rule, finding.severity, finding.values["annotators"]) == ("DR18", Severity.NOTE, ["AT1"])


def test_a_tie_for_the_label_stops_the_ingest(delivery: Delivery, take: Take, store: Store) -> None:
    delivery.image("a.png")
    path = delivery.via({"a.png": [rect(label="", kind="car", size="big")]})
    with pytest.raises(BadInput, match=r"'kind'.*'size'"):
        take(path, label_attribute=None)
    assert list(store.files()) == []


def test_many_images_are_checked_by_several_processes(delivery: Delivery, take: Take, found: Found) -> None:
    names = [f"{i:02d}.png" for i in range(40)]
    for i, name in enumerate(names):
        delivery.image(name, seed=i)
    (delivery.folder / "33.png").write_bytes(b"")
    report = take(delivery.via({name: [rect()] for name in names}), workers=2)
    assert (report.entries.read, report.entries.accepted) == (40, 39)
    assert _rules(found()) == [("DR04", "33.png")]


def test_bad_json_is_refused_file_by_file(data: Path, take: Take, store: Store) -> None:
    files = sorted((data / "bad_json").glob("*.json"))
    report = take(*files)
    assert report.files.read == len(files) == 103
    assert report.files.rejected == len({path.read_bytes() for path in files}) + report.unchanged
    assert report.as_dict()["findings"] == {"DR01": 103}
    assert all(summary.findings == {"DR01": 1} for summary in store.files())


def test_every_bad_image_is_refused_or_accepted_by_rule(
    data: Path, delivery: Delivery, take: Take, found: Found
) -> None:
    folder = data / "bad_images"
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".md", ""})
    path = delivery.via({str(file.relative_to(folder)): [rect(0, 0, 1, 1)] for file in files})
    report = take(path, images=folder, workers=2)
    refused = {finding.image: finding for finding in found() if finding.rule == "DR04"}
    assert report.entries.read == len(files) == 69
    assert report.entries.rejected == len(refused)
    reasons = {Path(str(name)).name: finding.values["reason"] for name, finding in refused.items()}
    assert reasons == {
        "badwidth.bmp": "bomb",
        "reallybig.bmp": "bomb",
        "shortfile.bmp": "truncated",
        "broken.png": "not-an-image",
        "broken_data_stream.png": "truncated",
        "crash-63b1dffefc8c075ddc606c0a2f5fdc15ece78863.tif": "truncated",
        "crash-754d9c7ec485ffb76a90eeaab191ef69a2a3a3cd.sgi": "not-an-image",
        "decompression_bomb.gif": "bomb",
        "decompression_bomb.ico": "not-an-image",
        "truncated_end_chunk.png": "truncated",
        "truncated_image.png": "truncated",
        "truncated_jpeg.jpg": "truncated",
        "unimplemented_pfflags.dds": "not-an-image",
    }
    turned = [finding for finding in found() if finding.rule == "DR05" and finding.severity is Severity.NOTE]
    assert len(turned) == 17


@pytest.fixture(autouse=True)
def _no_leftovers(tmp_path: Path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob(".half-written-*"))


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
shape_words = st.fixed_dictionaries(
    {"name": st.sampled_from(["rect", "circle", "ellipse", "polygon", "polyline", "point"]) | anything},
    optional={
        key: st.integers(-5, 120) | st.lists(st.integers(-5, 120), max_size=5) | anything
        for key in ("x", "y", "width", "height", "cx", "cy", "r", "rx", "ry", "theta", "all_points_x", "all_points_y")
    },
)
labels = st.dictionaries(st.sampled_from(["label", "other"]), anything, max_size=2) | anything
regions = st.fixed_dictionaries({"shape_attributes": shape_words | anything, "region_attributes": labels}) | anything
entries = st.fixed_dictionaries(
    {
        "filename": st.sampled_from(["a.png", "none.png"]) | anything,
        "regions": st.lists(regions, max_size=4) | anything,
    },
    optional={"size": anything, "file_attributes": anything},
)


@given(st.dictionaries(st.text(max_size=5), entries | anything, min_size=1, max_size=4))
@settings(max_examples=examples(0.6), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_entry_holds_it_is_counted_and_never_crashes(
    delivery: Delivery, take: Take, store: Store, document: dict[str, Any]
) -> None:
    delivery.image("a.png")
    sound = {"filename": "a.png", "size": -1, "regions": [rect()], "file_attributes": {}}
    path = delivery.via({})
    path.write_text(json.dumps({"a.png-1": sound} | document), encoding="utf-8")
    report = take(path, again=True)
    summary = next(found for found in store.files() if found.file.sha256 == sha256_of(path))
    assert report.entries.read >= 1 or report.files.rejected == 1
    assert (
        summary.images == report.entries.accepted == len(list(store.images(ImageQuery(files=(summary.file.sha256,)))))
    )
    assert sum(summary.shapes.values()) == report.regions.read
    assert sum(summary.labels.values()) == report.regions.accepted
    rejections = [
        found for found in store.findings(FindingQuery(file=summary.file.sha256)) if found.severity == "error"
    ]
    assert bool(rejections) == (report.exit_code > 0)
