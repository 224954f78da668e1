"""Image folders: real sets, splits, and what lies among the images."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from teppr.errors import AlreadyThere, BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.types import ImageRecord, Rect, Region, WholeImage

FOLDERS = FORMATS.load("imagefolder")


def labels_of(path: Path) -> list[tuple[str, str | None]]:
    found = []
    for record in FOLDERS.read(path, ReadOptions()).records:
        assert isinstance(record, ImageRecord)
        (region,) = record.regions
        assert isinstance(region, Region)
        assert region.shape == WholeImage()
        found.append((record.filename, region.label))
    return found


@pytest.mark.parametrize("name", ["cls_hymenoptera", "cls_gtsrb_8x30"])
def test_real_sets_are_read_to_the_last_image(data: Path, name: str) -> None:
    fact = json.loads((data / "FACTS.json").read_bytes())[name]
    found = labels_of(data / name)
    assert format_of(data / name).name == "imagefolder"
    assert len(found) == fact["images"]
    assert Counter(label for _, label in found) == fact["classes"]
    assert all((data / name / filename).is_file() for filename, _ in found)
    assert "ABOUT.md" in FOLDERS.read(data / name, ReadOptions()).notes[0]


def test_splits_are_kept_as_an_attribute(data: Path, tmp_path: Path) -> None:
    image = next((data / "cls_hymenoptera/ants").iterdir())
    for split in ("train", "val"):
        (tmp_path / split / "ants").mkdir(parents=True)
        shutil.copy(image, tmp_path / split / "ants")
    records = list(FOLDERS.read(tmp_path, ReadOptions()).records)
    assert [record.attributes for record in records if isinstance(record, ImageRecord)] == [
        {"split": "train"},
        {"split": "val"},
    ]


def test_what_is_written_are_copies_by_label(data: Path, tmp_path: Path) -> None:
    image = next((data / "cls_hymenoptera/ants").iterdir())
    whole = Region(shape=WholeImage(), label="ant", index=0, where="")
    box = Region(shape=Rect(0, 0, 1, 1), label="ant", index=0, where="")
    records = [
        ImageRecord(filename="x/a.jpg", where="", regions=(whole,), path=str(image)),
        ImageRecord(filename="b.jpg", where="", regions=(whole,)),
        ImageRecord(filename="c.jpg", where="", regions=(box,), path=str(image)),
    ]
    report = FOLDERS.write(records, tmp_path / "out")
    assert (report.images, report.regions) == (1, 1)
    assert labels_of(tmp_path / "out") == [("ant/a.jpg", "ant")]
    copy = tmp_path / "out/ant/a.jpg"
    assert copy.read_bytes() == image.read_bytes()
    assert not copy.samefile(image)
    told = " ".join(report.not_said)
    assert "file is not known" in told
    assert "rect, for only whole images" in told
    with pytest.raises(AlreadyThere):
        FOLDERS.write(records, tmp_path / "out")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ants").mkdir()
    assert not FOLDERS.sniff(tmp_path)
    with pytest.raises(BadFile, match="holds none"):
        FOLDERS.read(tmp_path, ReadOptions())
