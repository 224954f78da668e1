"""TuSimple's lanes: what real and broken lines say, and how lines drawn elsewhere come to rows."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.formats.tusimple import PLUGIN as TUSIMPLE
from teppr.types import ImageRecord, Polyline, Rect, Region, Ring, Shape, Unread

PLAIN = ReadOptions()
SAMPLE = "lanes_tusimple_sample/tusimple_sample_512x288/label_data.json"


def records(folder: Path, *lines: object, options: ReadOptions = PLAIN) -> list[ImageRecord | Unread]:
    path = folder / "lanes.json"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
    return list(TUSIMPLE.read(path, options).records)


def line(*lanes: object, rows: object = (10, 20, 30), **further: object) -> dict[str, Any]:
    return {"lanes": lanes, "h_samples": rows, "raw_file": "clips/1/20.jpg", **further}


def shapes(record: ImageRecord | Unread) -> list[Shape]:
    assert isinstance(record, ImageRecord)
    return [region.shape for region in record.regions if isinstance(region, Region)]


def test_the_sample_is_read_to_the_last_lane(data: Path) -> None:
    fact = json.loads((data / "FACTS.json").read_bytes())["lanes_tusimple_sample"]
    found = [shapes(record) for record in TUSIMPLE.read(data / SAMPLE, PLAIN).records]
    lanes = [shape for each in found for shape in each if isinstance(shape, Polyline)]

    assert format_of(data / SAMPLE).name == "tusimple"
    assert len(found) == fact["label lines"]
    assert len(lanes) == fact["lanes"]
    assert sum(not lane.points for lane in lanes) == fact["lanes with only -2"]
    assert sum(len(lane.points) for lane in lanes) == fact["points other than -2"]


def test_images_lie_beside_the_document(data: Path) -> None:
    (folder,) = TUSIMPLE.image_folders(data / SAMPLE)
    for record in TUSIMPLE.read(data / SAMPLE, PLAIN).records:
        assert isinstance(record, ImageRecord)
        assert (folder / record.filename).is_file()


def test_the_sample_is_written_as_it_was(data: Path, tmp_path: Path) -> None:
    read = [record for record in TUSIMPLE.read(data / SAMPLE, PLAIN).records if isinstance(record, ImageRecord)]
    assert TUSIMPLE.write(read, tmp_path / "out.json").not_said == {}
    before, after = ((path).read_text().splitlines() for path in (data / SAMPLE, tmp_path / "out.json"))
    assert list(map(json.loads, before)) == list(map(json.loads, after))


def test_the_sample_goes_through_via_and_back(data: Path, tmp_path: Path) -> None:
    read = [record for record in TUSIMPLE.read(data / SAMPLE, PLAIN).records if isinstance(record, ImageRecord)]
    via = FORMATS.load("via")
    via.write(read, tmp_path / "via.json")
    back = [record for record in via.read(tmp_path / "via.json", PLAIN).records if isinstance(record, ImageRecord)]
    TUSIMPLE.write(back, tmp_path / "out.json")
    before, after = ((path).read_text().splitlines() for path in (data / SAMPLE, tmp_path / "out.json"))
    assert list(map(json.loads, before)) == list(map(json.loads, after))


def test_a_lane_is_a_line_through_its_points(tmp_path: Path) -> None:
    (record,) = records(tmp_path, line([5, -2, 7.5], [-2, -2, -2], run_time=12.5))
    assert isinstance(record, ImageRecord)
    assert (record.filename, record.where) == ("clips/1/20.jpg", "line 1")
    assert shapes(record) == [Polyline(((5, 10), (7.5, 30))), Polyline(())]
    assert {region.label for region in record.regions if isinstance(region, Region)} == {"lane"}
    assert record.attributes == {"run_time": 12.5, "h_samples": [10, 20, 30]}


def test_rows_that_follow_from_the_points_are_no_attribute(tmp_path: Path) -> None:
    (record,) = records(tmp_path, line([5, 6, 7], [-2, 3, 4]))
    assert isinstance(record, ImageRecord)
    assert record.attributes == {}


def test_another_label_can_be_given(tmp_path: Path) -> None:
    (record,) = records(tmp_path, line([5, 6, 7]), options=ReadOptions(label="boundary"))
    assert isinstance(record, ImageRecord)
    assert [region.label for region in record.regions if isinstance(region, Region)] == ["boundary"]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([1, 2], "an x for each row, got 2 x and 3 rows"),
        ([1, 2, None], "a lane must be a list of numbers"),
        ("lane", "a lane must be a list of numbers, got 'lane'"),
        ([1, 2, True], "a lane must be a list of numbers"),
    ],
)
def test_a_broken_lane_breaks_rule_8_and_the_others_are_read(tmp_path: Path, broken: object, message: str) -> None:
    (record,) = records(tmp_path, line([5, 6, 7], broken))
    assert isinstance(record, ImageRecord)
    good, bad = record.regions
    assert isinstance(good, Region)
    assert isinstance(bad, Unread)
    assert (bad.rule, bad.where, bad.index, bad.shape_kind) == ("DR08", "lanes[1]", 1, "polyline")
    assert message in bad.message


def test_lanes_without_rows_break_rule_8(tmp_path: Path) -> None:
    (record,) = records(tmp_path, {"lanes": [[5, 6]], "raw_file": "a.jpg", "run_time": 3})
    assert isinstance(record, ImageRecord)
    (bad,) = record.regions
    assert isinstance(bad, Unread)
    assert "h_samples must be a list of numbers, got None" in bad.message


def test_an_image_to_be_tested_has_no_lanes_yet(tmp_path: Path) -> None:
    (record,) = records(tmp_path, {"h_samples": [10, 20], "raw_file": "a.jpg"})
    assert isinstance(record, ImageRecord)
    assert (record.regions, record.attributes) == ((), {"h_samples": [10, 20]})


@pytest.mark.parametrize(
    ("broken", "lanes"),
    [
        ('{"lanes": [[1, 2', 0),
        ([1], 0),
        ({"lanes": [[1, 2, 3], [4, 5, 6]], "h_samples": [10, 20, 30]}, 2),
        (line([1, 2, 3]) | {"raw_file": " "}, 1),
        (line() | {"lanes": 5}, 0),
    ],
    ids=["no JSON", "no object", "no name", "a blank name", "no lanes"],
)
def test_a_broken_line_is_told_with_its_lanes_and_the_others_are_read(
    tmp_path: Path, broken: object, lanes: int
) -> None:
    first, *unread, last = records(tmp_path, line([5, 6, 7]), "", broken, line([5, 6, 7]))
    assert isinstance(first, ImageRecord)
    assert isinstance(last, ImageRecord)
    assert [part.index for part in unread if isinstance(part, Unread)] == [None, *range(lanes)]
    assert all(isinstance(part, Unread) and part.rule == "DR01" and "line 3" in part.where for part in unread)


@pytest.mark.parametrize("text", ["", " ", "hello", "[]", "{}", '{"lanes": []}', "\0" * 50])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadFile, match="must be a JSON object a line"):
        records(tmp_path, text)
    assert not TUSIMPLE.sniff(tmp_path / "lanes.json")


def test_it_is_known_by_one_whole_line_among_the_first(tmp_path: Path) -> None:
    assert len(records(tmp_path, "broken", line([5, 6, 7]))) == 2
    assert TUSIMPLE.sniff(tmp_path / "lanes.json")


# Writing


def written(folder: Path, *lanes: Ring, **fields: object) -> tuple[dict[str, Any], dict[str, int]]:
    regions = tuple(
        Region(shape=Polyline(lane), label="lane", index=i, where=f"regions[{i}]") for i, lane in enumerate(lanes)
    )
    record = replace(ImageRecord(filename="a.jpg", where="", regions=regions), **fields)  # type: ignore[arg-type]
    report = TUSIMPLE.write([record], folder / "out.json")
    (text,) = (folder / "out.json").read_text().splitlines()
    return json.loads(text), report.not_said


CROSSING = "points of a lane, which is written where it crosses the rows of h_samples"


def test_points_at_common_rows_come_as_they_are(tmp_path: Path) -> None:
    document, not_said = written(tmp_path, ((1.5, 10), (2, 20)), ((5, 20), (6, 30)), ())
    assert document == {
        "lanes": [[1.5, 2, -2], [-2, 5, 6], [-2, -2, -2]],
        "h_samples": [10, 20, 30],
        "raw_file": "a.jpg",
    }
    assert not_said == {}


def test_a_lane_drawn_upwards_is_turned_and_that_is_told(tmp_path: Path) -> None:
    document, not_said = written(tmp_path, ((2, 20), (1, 10)))
    assert (document["lanes"], document["h_samples"]) == ([[1, 2]], [10, 20])
    assert not_said == {"that a lane was drawn upwards": 1}


def test_lanes_at_rows_of_their_own_are_written_where_they_cross_every_tenth(tmp_path: Path) -> None:
    document, not_said = written(tmp_path, ((0, 5), (30, 35)), ((7, 12), (7, 28), (9, 28), (9, 41)))
    assert document["h_samples"] == [10, 20, 30, 40]
    assert document["lanes"] == [[5, 15, 25, -2], [-2, 7, 9, 9]]
    assert not_said == {CROSSING: 2}


def test_in_an_image_of_tusimple_s_height_its_own_rows_are_taken(tmp_path: Path) -> None:
    document, _ = written(tmp_path, ((0, 200), (0, 700)), ((5, 313), (5, 600)), size_wh=(1280, 720))
    assert document["h_samples"] == list(range(160, 720, 10))


def test_rows_that_the_image_brings_are_kept(tmp_path: Path) -> None:
    rows = [40, 30, 20, 10]
    document, not_said = written(tmp_path, ((1, 40), (2, 20)), ((0, 15), (0, 35)), attributes={"h_samples": rows})
    assert document["h_samples"] == rows
    assert document["lanes"] == [[1, -2, 2, -2], [-2, 0, 0, -2]]
    assert not_said == {CROSSING: 1}


def test_a_lane_between_two_rows_is_told(tmp_path: Path) -> None:
    document, not_said = written(tmp_path, ((1, 11), (2, 19)), ((0, 0), (0, 100)))
    assert document["lanes"][0] == [-2] * 11
    assert not_said == {CROSSING: 2, "lane that crosses no row of h_samples": 1}


def test_a_lane_of_few_points_is_whole_where_the_image_brings_no_rows(tmp_path: Path) -> None:
    document, _ = written(tmp_path, ((0, 0), (30, 30)), ((5, 10), (5, 13)))
    assert document["lanes"] == [[0, 10, 20, 30], [-2, 5, -2, -2]]


def test_a_point_at_the_x_that_means_none_is_told(tmp_path: Path) -> None:
    _, not_said = written(tmp_path, ((-2, 10), (5, 20)))
    assert not_said == {CROSSING: 1}


def test_lanes_of_an_absurd_height_do_not_fill_the_memory(tmp_path: Path) -> None:
    document, _ = written(tmp_path, ((0, 0), (1, 1e12)), ((0, 5), (1, 5)))
    assert len(document["h_samples"]) < 3000


def test_what_the_format_has_no_word_for_is_told(tmp_path: Path) -> None:
    lane = Region(shape=Polyline(((1, 2),)), label="left", index=0, where="", attributes={"kind": "dashed"})
    box = Region(shape=Rect(1, 2, 3, 4), label="lane", index=1, where="")
    unnamed = Region(shape=Polyline(()), label=None, index=2, where="")
    record = ImageRecord(
        filename="a.jpg",
        where="",
        regions=(lane, box, unnamed),
        size_bytes=5,
        size_wh=(10, 20),
        source_id=1,
        attributes={"lanes": 2, "h_samples": "none"},
    )
    report = TUSIMPLE.write([record], tmp_path / "out.json")
    assert (report.images, report.regions) == (1, 2)
    assert report.not_said == {
        "size of an image in bytes": 1,
        "width and height of an image": 1,
        "id of an image": 1,
        "attribute 'lanes' of an image, whose name the lanes need": 1,
        "attribute 'h_samples' of an image, whose name the lanes need": 1,
        "label of a lane": 1,
        "attributes of a lane": 1,
        "rect, which is no lane": 1,
        "that a lane has no label": 1,
    }
