"""The walk over JSON documents: finds what is there, and refuses whatever is not JSON to the letter."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadFile
from teppr.formats import FORMATS, ReadOptions, format_of
from teppr.formats._json_file import DEPTH_LIMIT, JsonFile
from teppr.types import ImageRecord, Polygon, Region

# A surrogate has no form in UTF-8.
texts = st.text(st.characters(exclude_categories=["Cs"]))
values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    # A surrogate has no form in UTF-8.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


def walk(path: Path) -> object:
    """The whole document, taken apart as deep as the first level."""
    document = JsonFile(path)
    found: object
    match document.peek():
        case "{":
            found = {key: document.value() for key in document.members()}
        case "[":
            found = [value for _, value in document.loaded()]
        case _:
            found = document.value()
    document.finish()
    return found


@given(value=values, indent=st.sampled_from([None, 0, 3]), ascii_only=st.booleans())
def test_a_document_is_found_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, value: object, indent: int | None, ascii_only: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    assert walk(path) == value


@given(text=st.text('[]{}":,-1e.\\ \ttruefalsn/u0', max_size=14))
def test_a_document_is_refused_exactly_where_a_strict_parser_refuses_it(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "text.json"
    path.write_text(text, encoding="utf-8")
    try:
        expected = orjson.loads(text)
    except orjson.JSONDecodeError:
        with pytest.raises(BadFile):
            walk(path)
    else:
        assert walk(path) == expected


def bad_json(data: Path) -> list[Path]:
    files = sorted((data / "bad_json").glob("n_*.json"))
    assert len(files) == 103
    return files


def test_every_malformed_document_is_refused(data: Path) -> None:
    for path in bad_json(data):
        with pytest.raises(BadFile, match="as JSON"):
            walk(path)


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_refuses_every_malformed_document(data: Path, name: str) -> None:
    plugin = FORMATS.load(name)
    for path in bad_json(data):
        assert not plugin.sniff(path)
        with pytest.raises(BadFile, match=path.name.replace("+", r"\+")):
            list(plugin.read(path, ReadOptions()).records)


@pytest.mark.parametrize("name", ["via_claw/val/via_region_data.json", "via_tool_samples/coco/coco_2017_snippet.json"])
def test_a_document_cut_off_anywhere_is_refused(data: Path, tmp_path: Path, name: str) -> None:
    whole = (data / name).read_bytes()
    path = tmp_path / "cut.json"
    formats = [plugin for plugin in FORMATS.all() if plugin.layout == "file"]
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        for plugin in formats:
            with pytest.raises(BadFile):
                list(plugin.read(path, ReadOptions()).records)


def test_whoever_looks_for_the_format_is_told_where_a_document_breaks(data: Path) -> None:
    with pytest.raises(BadFile, match="as JSON: nested deeper than 32 levels at line 1"):
        format_of(data / "bad_json/n_structure_100000_opening_arrays.json")
    for path in bad_json(data):
        with pytest.raises(BadFile, match="as JSON"):
            format_of(path)


def test_a_message_says_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1,\n "b" 2}')
    with pytest.raises(BadFile, match=r"expected a key in quotes and ':' at line 2, column 2 \(byte 10\) of .*a\.json"):
        walk(path)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2]}')
    assert walk(path) == {"a": [1, 2]}


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}', encoding="utf-16")
    with pytest.raises(BadFile, match="as JSON"):
        walk(path)


@pytest.mark.parametrize(("levels", "fits"), [(DEPTH_LIMIT, True), (DEPTH_LIMIT + 1, False)])
def test_a_piece_may_be_nested_so_deep(tmp_path: Path, levels: int, fits: bool) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": ' + "[" * levels + "]" * levels + "}")
    if fits:
        assert isinstance(walk(path), dict)
    else:
        with pytest.raises(BadFile, match=f"deeper than {DEPTH_LIMIT}"):
            walk(path)


def test_members_that_nobody_reads_are_passed_by_but_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": {"b": [1, {}]}, "c": 01}')
    with pytest.raises(BadFile, match="leading zero"):
        list(JsonFile(path).members())


def test_equal_keys_are_both_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": 1, "a": 2}')
    assert list(JsonFile(path).members()) == ["a", "a"]


def _says_corners(name: str) -> bool:
    """Whether all corners of a polygon are in a document; other formats say boxes, masks, labels, or sample lines."""
    return "polygon" in FORMATS.load(name).shapes and name not in {"openimages", "tfrecord"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FORMATS.names() if _says_corners(name)])
def test_a_large_file_is_read_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "large.json"
    ring = tuple((i + 0.25, i * 7 % 2000 / 2 + 0.5) for i in range(2000))
    plugin = FORMATS.load(name)
    region = Region(shape=Polygon((ring,)), label="coast", index=0, where="regions[0]")
    image = ImageRecord(filename="0.jpg", where="", regions=(region,), size_wh=(2001, 1001))
    plugin.write((replace(image, filename=f"{i}.jpg") for i in range(2000)), path)
    # A process of its own, for memory that others gave back may count as used or not.
    program = (
        "import psutil, sys; from pathlib import Path; from teppr.formats import FORMATS, ReadOptions\n"
        "def used(): return psutil.Process().memory_info().rss\n"
        f"plugin, before = FORMATS.load({name!r}), used()\n"
        "records = plugin.read(Path(sys.argv[1]), ReadOptions()).records\n"
        "samples = [used(), *(used() for _ in records)]\n"
        "print(len(samples) - 1, max(samples) - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    count, most_bytes = map(int, done.stdout.split())
    assert count == 2000
    assert sum(part.stat().st_size for part in plugin.parts(path)) > 30e6
    assert most_bytes < 25e6
