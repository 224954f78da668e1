"""Conversions: nothing is lost on the way there and back, and what is is told."""

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from teppr.annotations.convert import MOST_EXAMPLES, convert
from teppr.errors import BadFile, BadInput, UnknownName
from teppr.formats import FORMATS, ReadOptions
from teppr.images import read
from teppr.progress import Progress
from teppr.types import ImageRecord, Region, Unread

VIA_FILES = {
    "via_balloon_val/val/via_region_data.json": None,
    "via_car_damage/train/car-damage-train.json": None,
    "via_car_damage/train/train_multiclass.json": None,
    "via_car_damage/train/via_region_data.json": None,
    "via_car_damage/val/car-damage-val.json": None,
    "via_car_damage/val/val_multiclass.json": None,
    "via_car_damage/val/via_region_data.json": None,
    "via_claw/train/via_region_data.json": None,
    "via_claw/val/via_region_data.json": None,
    "via_tool_samples/face_track_annotation/sherlock_ep01_tracks_FRCNN.json": None,
    "via_tool_samples/testdata/sample_img5_region_data.json": "shape",
    "via_tool_samples/unit_test/unit_test_annotation2.json": None,
}
"""All VIA files and, where a reader must be told, the attribute that is the label."""


class Steps(Progress):
    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None

    def advance(self, steps: int = 1, *, news: str | None = None) -> None:  # noqa: ARG002
        self.done += steps

    def expect(self, total: int) -> None:
        self.total = total


def told(path: Path, options: ReadOptions) -> list[ImageRecord]:
    """What a VIA file says, without the path that leads there."""
    found = [record for record in FORMATS.load("via").read(path, options).records if isinstance(record, ImageRecord)]
    return [replace(record, where="") for record in found]


@pytest.mark.parametrize("name", VIA_FILES)
def test_from_via_to_coco_and_back_nothing_is_lost(data: Path, tmp_path: Path, name: str) -> None:
    options, source = ReadOptions(label_attribute=VIA_FILES[name]), data / name
    there = convert(source, tmp_path / "coco.json", "coco", options)
    back = convert(tmp_path / "coco.json", tmp_path / "via.json", "via")

    assert (there.source_format, there.target_format, back.source_format) == ("via", "coco", "coco")
    assert there.report.not_said == {}
    before, after = told(source, options), told(tmp_path / "via.json", options)
    assert before == after
    assert all(isinstance(region, Region) for record in after for region in record.regions)
    # Only the numbers that COCO gave stay behind, and boxes and areas, which follow from the shapes.
    assert back.report.not_said.keys() <= {
        "id of an image",
        "id of a region",
        "box and area of a region as stated, beside its shape",
    }


@pytest.mark.parametrize("name", VIA_FILES)
def test_pycocotools_loads_what_comes_from_via(data: Path, tmp_path: Path, name: str) -> None:
    options = ReadOptions(label_attribute=VIA_FILES[name])
    report = convert(data / name, tmp_path / "coco.json", "coco", options).report
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(tmp_path / "coco.json"))
    assert (len(coco.imgs), len(coco.anns)) == (report.images, report.regions)
    records = told(data / name, options)
    by_name = {image["file_name"]: len(coco.getAnnIds(imgIds=number)) for number, image in coco.imgs.items()}
    assert by_name == {record.filename: len(record.regions) for record in records}


def test_a_project_and_its_export_say_the_same(data: Path, tmp_path: Path) -> None:
    folder = data / "via_car_damage/train"
    convert(folder / "car-damage-train.json", tmp_path / "out.json", "via")
    assert told(tmp_path / "out.json", ReadOptions()) == told(folder / "via_region_data.json", ReadOptions())


def test_one_label_can_be_given_to_all(data: Path, tmp_path: Path) -> None:
    source = data / "via_balloon_val/val/via_region_data.json"
    done = convert(source, tmp_path / "coco.json", "coco", ReadOptions(label="balloon"))
    document = json.loads((tmp_path / "coco.json").read_bytes())
    assert [category["name"] for category in document["categories"]] == ["balloon"]
    assert {found["category_id"] for found in document["annotations"]} == {1}
    assert done.notes == ("50 of 50 regions carry no attribute and are labelled 'balloon', as given",)


def test_what_cannot_be_read_is_counted_and_exemplified(tmp_path: Path) -> None:
    bad = {"image_id": 1, "category_id": None, "bbox": "none"}
    lost = {"image_id": 5, "category_id": None, "bbox": [1, 2, 3, 4]}
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2}]
    source = tmp_path / "in.json"
    source.write_text(json.dumps({"images": images, "annotations": [bad] * 30 + [lost], "categories": []}))
    done = convert(source, tmp_path / "out.json", "via")
    assert (done.report.images, done.report.regions) == (1, 0)
    assert done.report.not_said == {
        "id of an image": 1,
        "region that could not be read (DR08)": 30,
        "entry (DR01)": 1,
        "region of no entry (DR17)": 1,
    }
    assert len(done.examples) == MOST_EXAMPLES
    assert all(isinstance(part, Unread) for part in done.examples)


def test_sizes_come_from_the_images_where_the_source_has_none(data: Path, tmp_path: Path) -> None:
    folder = data / "via_claw/train"
    done = convert(folder / "via_region_data.json", tmp_path / "coco.json", "coco", images=folder)
    document = json.loads((tmp_path / "coco.json").read_bytes())
    sizes = [read(folder / image["file_name"])[1].size_wh for image in document["images"]]
    assert [(image["width"], image["height"]) for image in document["images"]] == sizes
    assert done.report.not_said == {}


def test_images_that_cannot_be_opened_have_no_size_and_that_is_told(data: Path, tmp_path: Path) -> None:
    source = data / "via_claw/train/via_region_data.json"
    (tmp_path / "img003.png").write_text("no image")
    done = convert(source, tmp_path / "coco.json", "coco", images=tmp_path)
    assert done.report.sizes_missing == 2


def test_sizes_that_nothing_says_are_missed_in_coco(data: Path, tmp_path: Path) -> None:
    done = convert(data / "via_claw/train/via_region_data.json", tmp_path / "coco.json", "coco")
    assert done.report.sizes_missing == done.report.images > 0


def test_an_answer_of_the_service_says_the_sizes(tmp_path: Path) -> None:
    entry = {"filename": "a.jpg", "size": 9, "regions": [], "file_attributes": {"width": 640, "height": 480}}
    source = tmp_path / "answer.json"
    source.write_text(json.dumps({"api": "vision/v2", "result": {"a.jpg9": entry}}))
    done = convert(source, tmp_path / "coco.json", "coco")
    (image,) = json.loads((tmp_path / "coco.json").read_bytes())["images"]
    assert (image["width"], image["height"], done.report.sizes_missing) == (640, 480, 0)


def test_progress_counts_the_entries(data: Path, tmp_path: Path) -> None:
    steps = Steps()
    convert(data / "via_car_damage/val/val_multiclass.json", tmp_path / "out.json", "coco", progress=steps)
    assert (steps.done, steps.total) == (8, 8)


def test_a_source_that_breaks_leaves_the_target_as_it_was(data: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in.json", tmp_path / "out.json"
    source.write_bytes((data / "via_claw/val/via_region_data.json").read_bytes()[:-1])
    target.write_text("before")
    with pytest.raises(BadFile, match="ends too early"):
        convert(source, target, "coco")
    assert target.read_text() == "before"


def test_a_file_may_be_converted_onto_itself(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes((data / "via_claw/val/via_region_data.json").read_bytes())
    before = told(path, ReadOptions())
    convert(path, path, "via")
    assert told(path, ReadOptions()) == before


def test_what_cannot_be_done_is_refused(data: Path, tmp_path: Path) -> None:
    source = data / "via_claw/val/via_region_data.json"
    with pytest.raises(UnknownName, match="coco"):
        convert(source, tmp_path / "out.json", "cocoa")
    with pytest.raises(BadFile, match="is of no known format; known: coco"):
        convert(data / "FACTS.json", tmp_path / "out.json", "coco")
    with pytest.raises(BadFile, match="is not a file"):
        convert(tmp_path / "nothing.json", tmp_path / "out.json", "coco")
    with pytest.raises(BadInput, match="got the folder"):
        convert(source, tmp_path, "coco")
