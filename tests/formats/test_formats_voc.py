"""Pascal VOC: real folders to the last object, what XML can and cannot hold, and files that break."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.errors import BadFile, BadInput
from teppr.formats import FORMATS, Format, ReadOptions, format_of
from teppr.formats._voc_read import parsed
from teppr.formats.contract import WriteReport
from teppr.images import encode_png
from teppr.testing.examples import examples
from teppr.testing.formats import Document, differences, documents, names, numbers
from teppr.types import NOTHING, Circle, ImageRecord, Polygon, Rect, Region, Shape, Unread, WholeImage

SETS = {
    "voc_kangaroo": "voc_kangaroo",
    "voc_kangaroo/annots": "voc_kangaroo",
    "voc_bccd/BCCD": "voc_bccd",
    "metrics_100_formats/data/database/gts/pascalvoc_format": "metrics_100_formats pascalvoc",
    "metrics_100_formats/toyexample/gts_vocpascal_format": "metrics_100_formats toyexample",
}

FILE = """<annotation>
  <folder>JPEGImages</folder>
  <filename>{filename}</filename>
  <size><width>40</width><height>30</height><depth>3</depth></size>
  <object>
    <name>cat</name>
    {inside}
  </object>
</annotation>
"""
BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11.5</xmax><ymax>22</ymax></bndbox>"


@pytest.fixture(scope="module")
def voc() -> Format:
    return FORMATS.load("voc")


def in_folder(folder: Path, **files: str) -> Path:
    """A folder of XML files by their stems."""
    for stem, text in files.items():
        (folder / f"{stem}.xml").write_text(text)
    return folder


def read(plugin: Format, path: Path, options: ReadOptions | None = None) -> list[ImageRecord | Unread]:
    return list(plugin.read(path, options or ReadOptions()).records)


def record_in(plugin: Format, folder: Path, inside: str, filename: str = "a.jpg") -> ImageRecord:
    """The record of one file with one object."""
    (record,) = read(plugin, in_folder(folder, a=FILE.format(inside=inside, filename=filename)))
    assert isinstance(record, ImageRecord)
    return record


def region_in(plugin: Format, folder: Path, inside: str) -> Region:
    (region,) = record_in(plugin, folder, inside).regions
    assert isinstance(region, Region)
    return region


def record(*regions: Region | Unread, filename: str = "a.jpg", size_wh: tuple[int, int] | None = None) -> ImageRecord:
    return ImageRecord(filename=filename, where="[0]", regions=regions, size_wh=size_wh)


def region(shape: Shape, label: str = "cat", attributes: Mapping[str, Any] = NOTHING) -> Region:
    return Region(shape=shape, label=label, attributes=attributes, index=0, where="regions[0]")


def there_and_back(plugin: Format, *records: ImageRecord, path: Path) -> tuple[WriteReport, list[ImageRecord | Unread]]:
    report = plugin.write(records, path)
    return report, read(plugin, path)


@pytest.mark.parametrize("name", SETS)
def test_a_real_folder_is_read_to_the_last_object(data: Path, facts: dict[str, Any], name: str) -> None:
    fact = facts[SETS[name]]
    plugin = format_of(data / name)
    records = [record for record in read(plugin, data / name) if isinstance(record, ImageRecord)]
    regions = [region for record in records for region in record.regions if isinstance(region, Region)]
    boxes = [region.shape for region in regions if isinstance(region.shape, Rect)]

    assert plugin.name == "voc"
    assert len(records) == plugin.read(data / name, ReadOptions()).entries == fact["xml"]
    assert len(regions) == sum(len(record.regions) for record in records) == fact["objects"]
    assert Counter(region.label for region in regions) == fact["classes"]
    assert (
        sum(box.width <= 0 or box.height <= 0 for box in boxes) == fact["degenerate boxes (xmin>=xmax or ymin>=ymax)"]
    )
    assert sum(region.attributes.get("difficult") == 1 for region in regions) == fact["difficult"]
    assert sum(region.attributes.get("truncated") == 1 for region in regions) == fact["truncated"]
    assert sum(not record.regions for record in records) == fact["xml without objects"]
    assert all(record.size_wh for record in records)
    assert len({record.filename for record in records}) == len(records)


@pytest.mark.parametrize("name", SETS)
def test_the_images_of_a_real_folder_are_where_they_usually_are(
    data: Path, facts: dict[str, Any], name: str, voc: Format
) -> None:
    folders = voc.image_folders(data / name)
    found = [any((folder / part.filename).is_file() for folder in folders) for part in named(voc, data / name)]
    there = facts[SETS[name]]["xml"] if "database" not in name else 0
    assert sum(found) == there


def named(plugin: Format, path: Path) -> list[ImageRecord]:
    return [part for part in read(plugin, path) if isinstance(part, ImageRecord)]


@pytest.mark.parametrize("name", SETS)
def test_a_real_folder_comes_back_as_it_was(data: Path, tmp_path: Path, name: str, voc: Format) -> None:
    records = named(voc, data / name)
    report, again = there_and_back(voc, *records, path=tmp_path / "again")
    assert report.not_said == {}
    assert differences(sorted(records, key=lambda one: Path(one.filename).stem), again, voc.precision_px) == []


def test_imagenet_is_read_like_voc(data: Path, facts: dict[str, Any], voc: Format) -> None:
    records = named(voc, data / "metrics_100_formats/data/database/gts/imagenet_format")
    fact = facts["metrics_100_formats: the same boxes in several formats"]["imagenet"]
    assert sum(len(record.regions) for record in records) == fact


def test_corners_are_taken_as_they_stand(tmp_path: Path, voc: Format) -> None:
    assert region_in(voc, tmp_path, BOX).shape == Rect(1, 2, 10.5, 20)


def test_a_box_inside_out_is_kept_for_the_design_rules(tmp_path: Path, voc: Format) -> None:
    inside = "<bndbox><xmin>9</xmin><ymin>2</ymin><xmax>4</xmax><ymax>2</ymax></bndbox>"
    assert region_in(voc, tmp_path, inside).shape == Rect(9, 2, -5, 0)


def test_a_polygon_of_roboflow_is_read_beside_its_box(tmp_path: Path, voc: Format) -> None:
    polygon = "<polygon><x1>1</x1><y1>2</y1><x2>11</x2><y2>2</y2><x3>5</x3><y3>22</y3></polygon>"
    found = region_in(voc, tmp_path, BOX + polygon)
    assert found.shape == Polygon((((1, 2), (11, 2), (5, 22)),))
    assert found.box_xywh_px == (1, 2, 10.5, 20)


def test_further_elements_are_attributes(tmp_path: Path, voc: Format) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
    named = "<attributes><attribute><name>colour</name><value>red</value></attribute></attributes>"
    found = region_in(voc, tmp_path, f"{BOX}<pose>Left</pose><difficult>1</difficult><score>0.5</score>{part}{named}")
    assert found.attributes == {
        "pose": "Left",
        "difficult": 1,
        "score": "0.5",
        "part": {"name": "head", "bndbox": {"xmin": "1"}},
        "colour": "red",
    }


@pytest.mark.parametrize(
    ("inside", "where"),
    [
        (BOX.replace("1</xmin", "one</xmin"), "a.xml:7 object[0].bndbox.xmin"),
        (BOX.replace("11.5", "nan"), "a.xml:7 object[0].bndbox.xmax"),
        (BOX.replace("<ymax>22</ymax>", ""), "a.xml:7 object[0].bndbox.ymax"),
        ("", "a.xml:5 object[0]"),
        ("<polygon><x1>1</x1></polygon>", "a.xml:7 object[0].polygon"),
        ("<polygon><x1>1</x1><y2>1</y2></polygon>", "a.xml:7 object[0].polygon.y1"),
    ],
    ids=["text", "nan", "no side", "no box", "odd", "other corner"],
)
def test_an_object_without_numbers_says_file_line_and_element(
    tmp_path: Path, voc: Format, inside: str, where: str
) -> None:
    (unread,) = record_in(voc, tmp_path, inside).regions
    assert isinstance(unread, Unread)
    assert (unread.rule, unread.where, unread.index) == ("DR08", where, 0)


@pytest.mark.parametrize(
    "broken",
    [
        "<annotation><object></annotation>",
        "<annotations/>",
        "",
        "no xml",
        "<a>" * 1000 + "</a>" * 1000,
        '<?xml version="1.0" encoding="none"?><annotation/>',
        '<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>&b;</filename></annotation>',
    ],
    ids=["unclosed", "another root", "empty", "text", "deep", "encoding", "entity"],
)
def test_a_file_that_does_not_parse_is_an_entry_among_the_others(tmp_path: Path, voc: Format, broken: str) -> None:
    folder = in_folder(tmp_path, a=broken, b=FILE.format(filename="b.jpg", inside=BOX))
    unread, record = read(voc, folder)
    assert isinstance(unread, Unread)
    assert (unread.rule, unread.where, unread.index) == ("DR01", "a.xml", None)
    assert isinstance(record, ImageRecord)
    assert voc.sniff(folder)
    with pytest.raises(BadFile):
        read(voc, folder / "a.xml")


def test_entities_are_not_expanded(tmp_path: Path, voc: Format) -> None:
    layers = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    bomb = f'<!DOCTYPE a [<!ENTITY l0 "laugh">{layers}]><annotation><filename>&l9;</filename></annotation>'
    (unread,) = read(voc, in_folder(tmp_path, a=bomb))
    assert isinstance(unread, Unread)
    assert "entities" in unread.message


def test_one_file_is_a_document_too(tmp_path: Path, voc: Format) -> None:
    path = in_folder(tmp_path, a=FILE.format(filename="a.jpg", inside=BOX)) / "a.xml"
    assert format_of(path).name == "voc"
    assert list(voc.parts(path)) == [path]
    (record,) = read(voc, path)
    assert isinstance(record, ImageRecord)


def test_a_name_without_a_suffix_is_found_among_the_images(tmp_path: Path, voc: Format) -> None:
    for folder in ("Annotations/n01", "JPEGImages/n01"):
        (tmp_path / folder).mkdir(parents=True)
    (image := tmp_path / "JPEGImages/n01/a_1.JPEG").write_bytes(b"")
    in_folder(tmp_path / "Annotations/n01", a_1=FILE.format(filename="a_1", inside=BOX))
    (record,) = read(voc, tmp_path)
    assert isinstance(record, ImageRecord)
    assert (record.filename, record.path) == ("n01/a_1.JPEG", str(image))


def test_a_file_in_a_folder_of_its_own_names_the_image_there(tmp_path: Path, voc: Format) -> None:
    (tmp_path / "Annotations/night").mkdir(parents=True)
    in_folder(tmp_path / "Annotations/night", a=FILE.format(filename="a.jpg", inside=BOX))
    (record,) = read(voc, tmp_path)
    assert isinstance(record, ImageRecord)
    assert record.filename == "night/a.jpg"


def test_a_file_that_names_no_image_has_that_of_its_own_name(tmp_path: Path, voc: Format) -> None:
    text = FILE.format(filename="", inside=BOX)
    (tmp_path / "b.png").write_bytes(encode_png(np.zeros((2, 2, 3), np.uint8)))
    in_folder(tmp_path, a=text, b=text)
    entry, unread, record = read(voc, tmp_path)
    assert isinstance(entry, Unread)
    assert (entry.rule, entry.index) == ("DR01", None)
    assert isinstance(unread, Unread)
    assert (unread.rule, unread.index) == ("DR01", 0)
    assert isinstance(record, ImageRecord)
    assert record.filename == "b.png"


def test_a_size_that_is_none_stays_as_an_attribute(tmp_path: Path, voc: Format) -> None:
    text = FILE.format(filename="a.jpg", inside=BOX).replace("<width>40", "<width>0")
    (record,) = read(voc, in_folder(tmp_path, a=text))
    assert isinstance(record, ImageRecord)
    assert record.size_wh is None
    assert record.attributes["size"] == {"width": "0", "height": "30", "depth": 3}


def test_an_object_without_a_name_takes_the_label_that_is_given(tmp_path: Path, voc: Format) -> None:
    folder = in_folder(tmp_path, a=FILE.format(filename="a.jpg", inside=BOX).replace("<name>cat</name>", ""))
    labels = []
    for options in (ReadOptions(), ReadOptions(label="thing")):
        (record,) = read(voc, folder, options)
        assert isinstance(record, ImageRecord)
        labels += [region.label for region in record.regions if isinstance(region, Region)]
    assert labels == [None, "thing"]


def test_readers_of_voc_find_what_they_expect_and_we_do_not_take_it_for_said(tmp_path: Path, voc: Format) -> None:
    written = record(region(Rect(1, 2, 3, 4), attributes={"truncated": 1}), size_wh=(40, 30))
    _, (again,) = there_and_back(voc, written, path=tmp_path / "set")
    text = (tmp_path / "set/Annotations/a.xml").read_text()
    assert isinstance(again, ImageRecord)
    assert again.attributes == {}
    assert [one.attributes for one in again.regions if isinstance(one, Region)] == [{"truncated": 1}]
    assert all(f"<{tag}" in text for tag in ("difficult", "pose", "truncated", "depth", "filename"))


def test_no_element_that_readers_of_voc_look_for_has_an_attribute_of_its_own(tmp_path: Path, voc: Format) -> None:
    # Readers that make a dict of the document take such an element for a dict, and fail where they want a number.
    written = record(region(Rect(1, 2, 3, 4), attributes={"seen": False}), size_wh=(40, 30))
    _, (again,) = there_and_back(voc, written, path=tmp_path / "set")
    root = parsed(tmp_path / "set/Annotations/a.xml")
    assert [element.tag for element in root.iter() if element.attrib] == ["attribute"]
    assert isinstance(again, ImageRecord)
    assert [one.attributes for one in again.regions if isinstance(one, Region)] == [{"seen": False}]


def test_of_two_images_of_one_stem_the_second_is_left_out_and_told(tmp_path: Path, voc: Format) -> None:
    images = [record(region(Rect(1, 2, 3, 4)), filename=name) for name in ("a/b.jpg", "a/b.png", "b.jpg", "../b.jpg")]
    report, again = there_and_back(voc, *images, path=tmp_path / "set")
    assert [one.filename for one in again if isinstance(one, ImageRecord)] == ["a/b.jpg", "b.jpg"]
    assert (report.images, report.regions) == (2, 2)
    assert report.not_said["region of an image that was left out"] == 2
    assert [part.relative_to(tmp_path).as_posix() for part in voc.parts(tmp_path / "set")] == [
        "set/Annotations/a/b.xml",
        "set/Annotations/b.xml",
    ]


@pytest.mark.parametrize("name", ["a" * 300 + ".jpg", "b.xml/c.jpg"], ids=["too long", "below a file"])
def test_an_image_whose_name_no_file_can_have_is_left_out_and_told(tmp_path: Path, voc: Format, name: str) -> None:
    report, again = there_and_back(voc, record(filename="b.jpg"), record(filename=name), path=tmp_path / "set")
    assert len(again) == report.images == 1
    assert sum(report.not_said.values()) == 1


def test_shapes_that_voc_has_not_become_boxes_and_are_told(tmp_path: Path, voc: Format) -> None:
    written = record(region(Circle(10, 10, 4)), region(WholeImage()))
    report, (again,) = there_and_back(voc, written, path=tmp_path / "set")
    assert isinstance(again, ImageRecord)
    assert [one.shape for one in again.regions if isinstance(one, Region)] == [Rect(6, 6, 8, 8)]
    assert report.not_said == {"circle, as its box": 1, "label of a whole image": 1}


def test_characters_that_xml_has_not_are_replaced_and_told(tmp_path: Path, voc: Format) -> None:
    written = record(region(Rect(1, 2, 3, 4), label="a\x0bb\uffff"))
    report, (again,) = there_and_back(voc, written, path=tmp_path / "set")
    assert isinstance(again, ImageRecord)
    assert [one.label for one in again.regions if isinstance(one, Region)] == ["a\ufffdb\ufffd"]
    assert report.not_said == {"character that XML cannot hold, replaced by U+FFFD": 1}


_texts = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFD), max_size=8).filter(
    lambda text: not any(ord(character) < 32 and character not in "\t\n\r" for character in text)
)
_flags = st.sampled_from([0, 1, 2, True, "0", "1", "Unspecified", "", 0.5, -1, None])
_trees = st.recursive(
    _texts | _flags,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_texts, inside, max_size=3),
    max_leaves=6,
)
_attributes = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("pose", "truncated", "difficult", "occluded"), _flags)
    | dict.fromkeys(("part", "folder", "depth", "segmented", "source", " ", "colour", "attributes"), _trees),
)


@given(document=documents(st.builds(Rect, numbers, numbers, numbers, numbers)), attributes=_attributes)
def test_attributes_come_back_whatever_they_are(document: Document, attributes: dict[str, Any]) -> None:
    plugin = FORMATS.load("voc")
    written = [
        replace(
            one,
            filename=f"{i}.jpg",
            size_bytes=None,
            size_wh=(40, 30) if i else None,
            attributes=dict(one.attributes) | attributes,
            regions=tuple(replace(each, attributes=attributes) for each in one.regions if isinstance(each, Region)),
        )
        for i, one in enumerate(document.records)
    ]
    with TemporaryDirectory() as folder:
        report, again = there_and_back(plugin, *written, path=Path(folder) / "set")
    if not report.not_said:
        assert differences(written, again, plugin.precision_px) == []
    assert set(report.not_said) <= {"character that XML cannot hold, replaced by U+FFFD"}


_tags = st.sampled_from(
    [
        *("annotation", "object", "bndbox", "polygon", "name", "filename", "size", "width", "xmin", "x1", "y1"),
        *("attributes", "attribute", "value", "part"),
    ]
)
_pieces = st.one_of(
    st.builds("<{}>".format, _tags),
    st.builds("</{}>".format, _tags),
    st.sampled_from(["1", "-1e999", "nan", "x", "&amp;", "&#0;", "<!-- -->", "<![CDATA[1]]>", "<?a?>", BOX]),
    names,
)


@settings(max_examples=examples(1.5))
@given(pieces=st.lists(_pieces, max_size=25), at=st.integers(0, 400))
def test_whatever_xml_says_it_is_read_or_refused(pieces: list[str], at: int) -> None:
    plugin = FORMATS.load("voc")
    whole = FILE.format(filename="a.jpg", inside=BOX)
    with TemporaryDirectory() as name:
        folder = in_folder(Path(name), a=whole[:at] + "".join(pieces) + whole[at:], b="".join(pieces))
        plugin.sniff(folder)
        assert all(isinstance(part, ImageRecord | Unread) for part in read(plugin, folder))
        for part in plugin.parts(folder):
            with suppress(BadInput):
                read(plugin, part)
