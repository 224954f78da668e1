"""TFRecord: what another reader makes of what is written, what real, foreign and broken files say."""

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tfrecord import TFRecordWriter, tfrecord_loader

from teppr.errors import BadFile, MissingExtra
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.formats._tfrecord_write import write_folder
from teppr.formats.tfrecord import PLUGIN as TFRECORD
from teppr.geometry import bitmap_of_mask, box_xywh, mask_of_bitmap, mask_of_shape
from teppr.images import decode, encode_jpeg, encode_png
from teppr.types import Circle, ImageRecord, Polyline, Rect, Region, Shape, Spot, Unread, WholeImage

PLAIN = ReadOptions()
REAL = "metrics_100_formats/data/database/gts/tfrecord_format"
SAME_IN_COCO = "metrics_100_formats/data/database/gts/coco_format_v2/instances_v2.json"
NO_PICTURE = "picture of an image whose file is not known"
MAP = 'item {\n  id: 1\n  name: "person"\n}\nitem { name: \'tv "set"\' id: 2 }\n'
BOX = {
    "image/object/bbox/xmin": ([0.1], "float"),
    "image/object/bbox/xmax": ([0.5], "float"),
    "image/object/bbox/ymin": ([0.25], "float"),
    "image/object/bbox/ymax": ([0.75], "float"),
}
IMAGE = {"image/filename": (b"a.jpg", "byte"), "image/width": (100, "int"), "image/height": (80, "int")}
Said = Mapping[str, tuple[Any, str]]


def foreign(folder: Path, *examples: Said, label_map: str | None = None) -> Path:
    """A file that another writer wrote."""
    folder.mkdir(exist_ok=True)
    writer = TFRecordWriter(str(folder / "data.tfrecord"))
    for example in examples:
        writer.write({**example})
    writer.close()
    if label_map is not None:
        (folder / "label_map.pbtxt").write_text(label_map)
    return folder


def only_record(path: Path, options: ReadOptions = PLAIN) -> ImageRecord:
    (record,) = TFRECORD.read(path, options).records
    assert isinstance(record, ImageRecord)
    return record


def only_region(path: Path, options: ReadOptions = PLAIN) -> Region:
    (region,) = only_record(path, options).regions
    assert isinstance(region, Region)
    return region


def only_unread(path: Path) -> Unread:
    (region,) = only_record(path).regions
    assert isinstance(region, Unread)
    return region


# Real files


def test_a_real_folder_says_what_coco_says_of_the_same_images(data: Path) -> None:
    fact = json.loads((data / "FACTS.json").read_bytes())["metrics_100_formats coco v2"]
    read = [record for record in TFRECORD.read(data / REAL, PLAIN).records if isinstance(record, ImageRecord)]
    coco = FORMATS.load("coco").read(data / SAME_IN_COCO, PLAIN).records
    expected = {record.filename: record for record in coco if isinstance(record, ImageRecord)}

    assert format_of(data / REAL).name == "tfrecord"
    assert len(read) == fact["images"]
    assert sum(len(record.regions) for record in read) == fact["annotations"]
    assert {record.filename for record in read} == expected.keys()
    for record in read:
        other = expected[record.filename]
        assert record.size_wh == other.size_wh
        boxes = Counter((region.label, box_xywh(region.shape)) for region in regions(record))
        assert boxes == Counter((region.label, region.box_xywh_px) for region in regions(other))


def regions(record: ImageRecord) -> list[Region]:
    found = [region for region in record.regions if isinstance(region, Region)]
    assert len(found) == len(record.regions)
    return found


def test_a_file_alone_is_read_as_its_folder_is(data: Path) -> None:
    file = data / REAL / "default.tfrecord"
    assert TFRECORD.sniff(file)
    assert TFRECORD.parts(file) == [file]
    assert list(TFRECORD.read(file, PLAIN).records) == list(TFRECORD.read(data / REAL, PLAIN).records)


def test_listing_and_sniffing_load_neither_protobuf_nor_torch(data: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from teppr.formats import format_of\n"
        "print(format_of(Path(sys.argv[1])).name, {'google.protobuf', 'torch', 'tfrecord'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", program, str(data / REAL)], capture_output=True, text=True, check=True)
    assert done.stdout == "tfrecord set()\n"


def test_without_the_extra_its_command_is_told(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "crc32c", None)
    with pytest.raises(MissingExtra, match=r"pip install 'teppr\[tfrecord\]'"):
        TFRECORD.read(data / REAL, PLAIN)
    with pytest.raises(MissingExtra):
        TFRECORD.write([], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# What other writers write


def test_boxes_are_shares_of_the_image(tmp_path: Path) -> None:
    said = IMAGE | BOX | {"image/object/class/text": ([b"car"], "byte")}
    region = only_region(foreign(tmp_path / "in", said))
    assert (region.shape, region.label, region.where) == (Rect(10, 20, 40, 40), "car", "objects[0]")


def test_a_label_without_text_is_looked_up(tmp_path: Path) -> None:
    said = IMAGE | BOX | {"image/object/class/label": ([2], "int")}
    assert only_region(foreign(tmp_path / "in", said, label_map=MAP)).label == 'tv "set"'


@pytest.mark.parametrize(
    ("label_map", "message"), [(MAP, "got number 9, which is none of the label map"), (None, "no label_map.pbtxt")]
)
def test_a_label_that_nothing_says_breaks_rule_17(tmp_path: Path, label_map: str | None, message: str) -> None:
    said = IMAGE | BOX | {"image/object/class/label": ([9], "int")}
    found = only_unread(foreign(tmp_path / "in", said, label_map=label_map))
    assert (found.rule, found.where, found.index, found.shape_kind) == ("DR17", "objects[0].class", 0, "rect")
    assert message in found.message


def test_objects_without_a_label_can_be_given_one(tmp_path: Path) -> None:
    folder = foreign(tmp_path / "in", IMAGE | BOX)
    assert only_region(folder).label is None
    assert only_region(folder, ReadOptions(label="thing")).label == "thing"


@pytest.mark.parametrize(
    ("further", "message"),
    [
        ({"image/object/bbox/xmin": ([], "float")}, "four numbers, got [None, 0.25"),
        ({"image/object/bbox/xmin": ([float("nan")], "float")}, "four numbers, got [nan"),
        ({"image/object/bbox/xmin": ([b"0.5"], "byte")}, "four numbers, got [b'0.5'"),
        ({"image/width": (0, "int")}, "shares of the image's width and height, which are not said"),
        ({"image/object/mask": ([b"no picture"], "byte")}, "a mask must be a picture"),
        ({"image/object/mask": ([0.0] * 5, "float")}, "a mask must be a picture, got numbers"),
        ({"image/object/mask": ([encode_png(np.zeros((5, 5, 3), np.uint8))], "byte")}, "must have its image's size"),
    ],
)
def test_an_object_that_is_no_shape_breaks_rule_8(tmp_path: Path, further: Said, message: str) -> None:
    found = only_unread(foreign(tmp_path / "in", {**IMAGE, **BOX, **further}))
    assert (found.rule, found.index) == ("DR08", 0)
    assert message in found.message


def test_no_object_vanishes_where_lists_have_unequal_lengths(tmp_path: Path) -> None:
    said = IMAGE | BOX | {"image/object/class/text": ([b"car", b"van"], "byte")}
    first, second = only_record(foreign(tmp_path / "in", said)).regions
    assert isinstance(first, Region)
    assert isinstance(second, Unread)


def test_the_size_of_an_embedded_picture_counts_where_none_is_said(tmp_path: Path) -> None:
    picture = encode_png(np.zeros((80, 100, 3), np.uint8))
    said = {"image/filename": (b"a.png", "byte"), "image/encoded": (picture, "byte")} | BOX
    assert only_record(foreign(tmp_path / "in", said)).size_wh == (100, 80)


def test_what_has_no_place_is_an_attribute(tmp_path: Path) -> None:
    further = {
        "image/object/difficult": ([1], "int"),
        "image/object/view": ([b"Left"], "byte"),
        "image/object/is_crowd": ([1], "int"),
        "image/object/area": ([0.1], "float"),
        "image/camera": (b"front", "byte"),
        "image/blank": (b"", "byte"),
        "image/depth": (b"\xff\xfe\x00", "byte"),
        "image/position": ([0.5, 2.0], "float"),
    }
    record = only_record(foreign(tmp_path / "in", {**IMAGE, **BOX, **further}))
    (region,) = regions(record)
    assert region.attributes == {"difficult": 1, "view": "Left"}
    assert (region.is_crowd, region.area_px) == (True, 0.1)
    assert record.attributes == {
        "image/camera": "front",
        "image/depth": "(3 bytes)",
        "image/position": [0.5, 2.0],
    }


def test_a_classified_image_is_labelled_as_a_whole(tmp_path: Path) -> None:
    said = IMAGE | {"image/class/label": ([2, 1], "int")}
    found = regions(only_record(foreign(tmp_path / "in", said, label_map=MAP)))
    assert [(region.shape, region.label) for region in found] == [
        (WholeImage(), 'tv "set"'),
        (WholeImage(), "person"),
    ]


def test_a_record_that_names_no_image_is_told_with_its_objects(tmp_path: Path) -> None:
    said = {"image/width": (100, "int"), "image/height": (80, "int"), "image/source_id": (b" ", "byte")} | BOX
    folder = foreign(tmp_path / "in", said, IMAGE)
    entry, region, good = TFRECORD.read(folder, PLAIN).records
    assert isinstance(entry, Unread)
    assert isinstance(region, Unread)
    assert isinstance(good, ImageRecord)
    assert [(part.rule, part.index, part.where) for part in (entry, region)] == [
        ("DR01", None, "record 1"),
        ("DR01", 0, "record 1, objects[0]"),
    ]


def test_the_id_names_an_image_that_has_no_other_name(tmp_path: Path) -> None:
    record = only_record(foreign(tmp_path / "in", {"image/source_id": (b"17", "byte")}))
    assert (record.filename, record.source_id) == ("17", 17)


# Broken files


def damaged(folder: Path, at: int, by: bytes) -> Path:
    foreign(folder, IMAGE, IMAGE | BOX)
    file = folder / "data.tfrecord"
    content = bytearray(file.read_bytes())
    content[at : at + len(by)] = by
    file.write_bytes(content)
    return folder


def test_a_record_whose_checksum_is_wrong_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    bad, good = TFRECORD.read(damaged(tmp_path / "in", 20, b"?"), PLAIN).records
    assert isinstance(bad, Unread)
    assert (bad.rule, bad.where, bad.index) == ("DR01", "record 1", None)
    assert "its checksum is wrong" in bad.message
    assert isinstance(good, ImageRecord)


def test_a_damaged_length_is_refused_before_so_much_is_read(tmp_path: Path) -> None:
    folder = damaged(tmp_path / "in", 0, b"\xff\xff\xff\xff\xff\xff\xff\x7f")
    with pytest.raises(BadFile, match="the checksum of a record's length is wrong at byte 0"):
        list(TFRECORD.read(folder, PLAIN).records)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_file_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    folder = foreign(tmp_path / "in", IMAGE, IMAGE)
    content = (folder / "data.tfrecord").read_bytes()
    for length in (len(content) - cut, len(content) // 2 + cut):
        (folder / "data.tfrecord").write_bytes(content[:length])
        with pytest.raises(BadFile, match="the file ends within"):
            list(TFRECORD.read(folder, PLAIN).records)


def test_a_record_that_is_no_example_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    _write_framed(folder, [b"\xff\xff\xff"])
    (bad,) = TFRECORD.read(folder, PLAIN).records
    assert isinstance(bad, Unread)
    assert "no tf.train.Example" in bad.message
    assert not TFRECORD.sniff(folder)


def _write_framed(folder: Path, records: Sequence[bytes]) -> None:
    folder.mkdir()
    masked = TFRecordWriter.masked_crc
    lengths = [len(record).to_bytes(8, "little") for record in records]
    parts = [
        part
        for length, record in zip(lengths, records, strict=True)
        for part in (length, masked(length), record, masked(record))
    ]
    (folder / "data.tfrecord").write_bytes(b"".join(parts))


def test_a_broken_label_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"cannot read the label map .*label_map\.pbtxt"):
        TFRECORD.read(foreign(tmp_path / "in", IMAGE, label_map="item {"), PLAIN)


@pytest.mark.parametrize(
    "name", ["data-{:05d}-of-00003.tfrecord", "data.record-{:05d}-of-00003", "data-{:05d}-of-00003"]
)
def test_files_that_belong_together_are_read_together_or_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    for i in range(3):
        foreign(folder, IMAGE | {"image/filename": (f"{i}.jpg".encode(), "byte")})
        (folder / "data.tfrecord").rename(folder / name.format(i))
    read = [record for record in TFRECORD.read(folder, PLAIN).records if isinstance(record, ImageRecord)]
    assert [record.filename for record in read] == ["0.jpg", "1.jpg", "2.jpg"]
    assert read[2].where == f"{name.format(2)}, record 1"
    (folder / name.format(1)).unlink()
    with pytest.raises(BadFile, match=f"all of 3 files must be there, {name.format(1)} is not in"):
        TFRECORD.read(folder, PLAIN)


# Writing


def record(*shapes: Shape, **fields: object) -> ImageRecord:
    found = tuple(Region(shape=shape, label="car", index=i, where=f"regions[{i}]") for i, shape in enumerate(shapes))
    return replace(ImageRecord(filename="a.jpg", where="", regions=found, size_wh=(60, 40)), **fields)  # type: ignore[arg-type]


def loaded(folder: Path) -> list[dict[str, Any]]:
    """What another reader finds."""
    return [dict(found) for path in sorted(folder.glob("*.tfrecord")) for found in tfrecord_loader(str(path), None)]


def test_another_reader_finds_the_keys_of_the_object_detection_api(tmp_path: Path) -> None:
    given = record(Rect(6, 10, 30, 20), Rect(0, 0, 60, 40), source_id=7)
    first, second = regions(given)
    given = replace(given, regions=(first, replace(second, label="é", is_crowd=True)))
    report = TFRECORD.write([given], tmp_path / "out")
    (found,) = loaded(tmp_path / "out")
    told = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in found.items()}

    assert told == {
        "image/filename": b"a.jpg",
        "image/source_id": b"7",
        "image/width": [60],
        "image/height": [40],
        "image/object/bbox/xmin": pytest.approx([0.1, 0]),
        "image/object/bbox/ymin": pytest.approx([0.25, 0]),
        "image/object/bbox/xmax": pytest.approx([0.6, 1]),
        "image/object/bbox/ymax": pytest.approx([0.75, 1]),
        "image/object/class/text": [b"car", "é".encode()],
        "image/object/class/label": [1, 2],
        "image/object/is_crowd": [0, 1],
        "image/object/area": [600, 2400],
    }
    assert (tmp_path / "out" / "label_map.pbtxt").read_text("utf-8").count("item {") == 2
    assert report.not_said == {NO_PICTURE: 1}
    assert regions(only_record(tmp_path / "out"))[1].is_crowd


GREY = np.full((40, 60, 3), 90, np.uint8)


@pytest.mark.parametrize(
    ("picture", "kind"), [(encode_png(GREY), b"png"), (encode_jpeg(GREY), b"jpeg")], ids=["png", "jpeg"]
)
def test_pictures_are_embedded_as_they_are(tmp_path: Path, picture: bytes, kind: bytes) -> None:
    (tmp_path / "a").write_bytes(picture)
    report = TFRECORD.write([record(path=str(tmp_path / "a"))], tmp_path / "out")
    (found,) = loaded(tmp_path / "out")
    assert (found["image/encoded"], found["image/format"]) == (picture, kind)
    assert report.not_said == {}


def test_another_kind_of_picture_becomes_a_png_and_that_is_told(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "BMP")
    (tmp_path / "a.bmp").write_bytes(buffer.getvalue())
    report = TFRECORD.write([record(path=str(tmp_path / "a.bmp"))], tmp_path / "out")
    (found,) = loaded(tmp_path / "out")
    assert found["image/format"] == b"png"
    assert (decode(found["image/encoded"], name="")[0] == pixels).all()
    assert report.not_said == {"kind of a picture that is neither JPEG nor PNG: it is a PNG now": 1}


def test_a_picture_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    report = TFRECORD.write([record(path=str(tmp_path / "none.jpg"))], tmp_path / "out")
    assert report.not_said == {"picture of an image that cannot be read": 1}
    assert only_record(tmp_path / "out").filename == "a.jpg"


def test_an_image_whose_size_is_not_known_is_left_out(tmp_path: Path) -> None:
    report = TFRECORD.write([record(Spot(1, 2), size_wh=None), record(size_wh=None)], tmp_path / "out")
    assert (report.images, report.regions) == (1, 0)
    assert report.not_said["image whose width and height are not known, with its regions"] == 1
    assert only_record(tmp_path / "out").size_wh is None


def test_masks_come_back_bit_by_bit_and_boxes_beside_them_stay_boxes(tmp_path: Path) -> None:
    bitmap = np.random.default_rng(1).integers(0, 2, (40, 60), np.uint8)
    mask, box = mask_of_bitmap(bitmap), Rect(10.4, 5.5, 20.3, 10)
    report = TFRECORD.write([record(mask, box)], tmp_path / "out")
    (found,) = loaded(tmp_path / "out")
    drawn = [decode(picture, name="")[0][..., 0] > 0 for picture in found["image/object/mask"].tolist()]
    assert (drawn[0] == bitmap).all()
    assert drawn[1].sum() == bitmap_of_mask(mask_of_shape(box, (60, 40))).sum()
    assert [region.shape for region in regions(only_record(tmp_path / "out"))] == [mask, box]
    assert report.not_said == {NO_PICTURE: 1}


def test_other_shapes_become_masks_or_boxes_and_that_is_told(tmp_path: Path) -> None:
    shapes = (Circle(20, 20, 10), Polyline(((1, 2), (11, 22))), Spot(3, 4), mask_of_shape(Rect(5, 6, 7, 8), (60, 40)))
    report = TFRECORD.write([record(*shapes)], tmp_path / "out")
    circle, line, spot, block = (region.shape for region in regions(only_record(tmp_path / "out")))
    assert circle == mask_of_shape(shapes[0], (60, 40))
    assert (line, spot, block) == (Rect(1, 2, 10, 20), Rect(3, 4, 0, 0), Rect(5, 6, 7, 8))
    assert report.not_said == {
        NO_PICTURE: 1,
        "circle, as a mask": 1,
        "polyline, as its box": 1,
        "point, as its box": 1,
        "mask, as its box": 1,
    }


def test_a_mask_of_another_size_than_its_image_becomes_its_box(tmp_path: Path) -> None:
    mask = mask_of_shape(Circle(8, 8, 5), (20, 20))
    report = TFRECORD.write([record(mask)], tmp_path / "out")
    assert only_region(tmp_path / "out").shape == Rect(*box_xywh(mask))
    assert report.not_said == {NO_PICTURE: 1, "mask, as its box": 1}


def test_flags_that_all_objects_have_are_written(tmp_path: Path) -> None:
    given = record(Rect(1, 2, 3, 4), Rect(5, 6, 7, 8))
    flags: tuple[dict[str, Any], ...] = ({"difficult": 1, "truncated": True, "note": "x"}, {"difficult": 0})
    given = replace(
        given, regions=tuple(replace(each, attributes=said) for each, said in zip(regions(given), flags, strict=True))
    )
    report = TFRECORD.write([given], tmp_path / "out")
    assert [region.attributes for region in regions(only_record(tmp_path / "out"))] == [
        {"difficult": 1},
        {"difficult": 0},
    ]
    assert report.not_said == {NO_PICTURE: 1, "attribute of a region": 2}


def test_labels_of_whole_images_come_last_and_come_back(tmp_path: Path) -> None:
    whole = Region(shape=WholeImage(), label="road", index=0, where="")
    given = record(Rect(1, 2, 3, 4))
    report = TFRECORD.write([replace(given, regions=(whole, *given.regions))], tmp_path / "out")
    box, image = regions(only_record(tmp_path / "out"))
    assert (box.shape, image.shape, image.label) == (Rect(1, 2, 3, 4), WholeImage(), "road")
    assert report.not_said == {NO_PICTURE: 1, "order of regions: labels of the whole image come last": 1}


def test_a_full_file_is_followed_by_another(tmp_path: Path) -> None:
    given = [record(Rect(i, 2, 3, 4), filename=f"{i}.jpg") for i in range(12)]
    write_folder(given, tmp_path / "out", most_bytes=1000)
    names = [path.name for path in TFRECORD.parts(tmp_path / "out")]
    assert names[0] == f"data-00000-of-{len(names) - 1:05d}.tfrecord"
    assert len(names) > 3
    read = [each for each in TFRECORD.read(tmp_path / "out", PLAIN).records if isinstance(each, ImageRecord)]
    assert [each.filename for each in read] == [each.filename for each in given]


def test_from_coco_all_boxes_come_back(data: Path, tmp_path: Path) -> None:
    records = [r for r in FORMATS.load("coco").read(data / SAME_IN_COCO, PLAIN).records if isinstance(r, ImageRecord)]
    boxes = [
        replace(
            each,
            regions=tuple(
                replace(region, shape=Rect(*region.box_xywh_px)) for region in regions(each) if region.box_xywh_px
            ),
        )
        for each in records
    ]
    report = TFRECORD.write(boxes, tmp_path / "out")
    assert (report.images, report.regions) == (len(records), sum(len(each.regions) for each in records))
    read = [each for each in TFRECORD.read(tmp_path / "out", PLAIN).records if isinstance(each, ImageRecord)]
    for before, after in zip(boxes, read, strict=True):
        assert [(r.label, r.shape) for r in regions(before)] == [(r.label, r.shape) for r in regions(after)]


@pytest.mark.slow
def test_many_pictures_are_read_in_little_memory(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(pixels))
    image = record(Rect(1, 2, 3, 4), path=str(tmp_path / "a.png"))
    TFRECORD.write((replace(image, filename=f"{i}.png") for i in range(2000)), tmp_path / "out")
    program = (
        "import psutil, sys; from pathlib import Path; from teppr.formats import FORMATS, ReadOptions\n"
        "def used(): return psutil.Process().memory_info().rss\n"
        "plugin = FORMATS.load('tfrecord')\n"
        "records = plugin.read(Path(sys.argv[1]), ReadOptions()).records\n"
        "before = used()\n"
        "samples = [used(), *(used() for _ in records)]\n"
        "print(len(samples) - 1, max(samples) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    count, most_bytes = map(int, done.stdout.split())
    assert count == 2000
    assert sum(part.stat().st_size for part in TFRECORD.parts(tmp_path / "out")) > 30e6
    assert most_bytes < 25e6
