"""TuSimple's lanes: the real frames, and lines that cannot be read."""

import json
from pathlib import Path

import pytest

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.types import ImageRecord, Polyline, Rect, Region, Unread

TUSIMPLE = FORMATS.load("tusimple")
SAMPLE = "lanes_tusimple_sample/tusimple_sample_512x288/label_data.json"


def records_of(path: Path) -> list[ImageRecord]:
    records = list(TUSIMPLE.read(path, ReadOptions()).records)
    assert all(isinstance(record, ImageRecord) for record in records)
    return [record for record in records if isinstance(record, ImageRecord)]


def lanes_of(records: list[ImageRecord]) -> list[Polyline]:
    regions = [region for record in records for region in record.regions if isinstance(region, Region)]
    return [region.shape for region in regions if isinstance(region.shape, Polyline)]


def test_real_frames_are_read_to_the_last_point(data: Path) -> None:
    fact = json.loads((data / "FACTS.json").read_bytes())["lanes_tusimple_sample"]
    records = records_of(data / SAMPLE)
    lanes = lanes_of(records)
    assert format_of(data / SAMPLE).name == "tusimple"
    assert len(records) == fact["label lines"]
    assert len(lanes) == fact["lanes"]
    assert sum(not lane.points for lane in lanes) == fact["lanes with only -2"]
    assert sum(len(lane.points) for lane in lanes) == fact["points other than -2"]
    assert all((data / SAMPLE).parent.joinpath(record.filename).is_file() for record in records)


def test_real_frames_come_back_as_they_were(data: Path, tmp_path: Path) -> None:
    records = records_of(data / SAMPLE)
    report = TUSIMPLE.write(records, tmp_path / "a.json")
    again = records_of(tmp_path / "a.json")
    assert report.not_said == {}
    assert [record.filename for record in again] == [record.filename for record in records]
    assert lanes_of(again) == lanes_of(records)


def lines(tmp_path: Path, *frames: object) -> Path:
    path = tmp_path / "a.json"
    path.write_text("".join(f"{frame if isinstance(frame, str) else json.dumps(frame)}\n" for frame in frames))
    return path


FRAME = {"lanes": [[-2, 5, 6]], "h_samples": [10, 20, 30], "raw_file": "a.jpg"}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        pytest.param("{", "as JSON", id="half a frame"),
        pytest.param("[1]", "must be an object", id="a list"),
        pytest.param({**FRAME, "raw_file": " "}, "must name its image", id="no image"),
        pytest.param({**FRAME, "h_samples": ["a"]}, "numbers h_samples", id="rows that are no numbers"),
    ],
)
def test_a_frame_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, frame: object, message: str) -> None:
    good, bad, other = TUSIMPLE.read(lines(tmp_path, FRAME, frame, FRAME), ReadOptions()).records
    assert isinstance(good, ImageRecord)
    assert isinstance(other, ImageRecord)
    assert isinstance(bad, Unread)
    assert (bad.rule, bad.where, bad.index) == ("DR01", "line 2", None)
    assert message in bad.message


@pytest.mark.parametrize("lane", [[1, 2], "x", [1, None, 3]], ids=str)
def test_a_lane_that_cannot_be_read_is_told_with_its_place(tmp_path: Path, lane: object) -> None:
    (record,) = records_of(lines(tmp_path, {**FRAME, "lanes": [[1, 2, 3], lane]}))
    good, bad = record.regions
    assert isinstance(good, Region)
    assert isinstance(bad, Unread)
    assert (bad.rule, bad.where, bad.index) == ("DR08", "lanes[1]", 1)


def test_a_file_whose_first_line_is_no_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="line 1"):
        TUSIMPLE.read(lines(tmp_path, "[", FRAME), ReadOptions())


def test_lanes_with_points_at_different_heights_share_the_rows(tmp_path: Path) -> None:
    first, second = Polyline(((1, 10), (2, 20))), Polyline(((5, 15), (6, 20), (7, 40)))
    regions = tuple(Region(shape=each, label="lane", index=i, where="") for i, each in enumerate((first, second)))
    box = Region(shape=Rect(0, 0, 1, 1), label="lane", index=2, where="")
    report = TUSIMPLE.write([ImageRecord(filename="a.jpg", where="", regions=(*regions, box))], tmp_path / "b.json")
    assert report.not_said == {"rect, which is no lane": 1}
    assert json.loads((tmp_path / "b.json").read_text())["h_samples"] == [10, 15, 20, 40]
    assert lanes_of(records_of(tmp_path / "b.json")) == [first, second]
