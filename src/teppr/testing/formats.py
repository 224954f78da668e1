"""What every annotation format must do. Authors of a format inherit `FormatContract` and supply the fixture `plugin`;
`teppr.testing.format_memory` has what it may take.

@pytest.fixture(scope="module")
def plugin() -> Format:
return MyFormat()


class TestMyFormat(FormatContract):
pass
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from teppr.errors import AlreadyThere, BadInput
from teppr.files import sha256_of_parts
from teppr.formats import Format, ReadOptions, SplitOptions, SplitRecords, format_of
from teppr.geometry import mask_of_bitmap, rings_of
from teppr.testing.examples import examples
from teppr.types import (
    Circle,
    Ellipse,
    ImageRecord,
    Polygon,
    Polyline,
    Rect,
    Region,
    Ring,
    Shape,
    Spot,
    Unread,
    WholeImage,
)

SIZE_WH = (640, 480)

_words = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\\"), min_size=1, max_size=12)
names = _words.filter(lambda text: bool(text.strip()))
"""Labels, file names: any text that is not blank."""
numbers = st.integers(-3000, 9000) | st.floats(-3000, 9000)
points = st.tuples(numbers, numbers)


def _open(ring: Ring) -> bool:
    return len(ring) < 2 or ring[0] != ring[-1]


_rings = st.lists(points, max_size=6).map(tuple).filter(_open)
_masks = st.builds(
    lambda bits, shape, compressed: replace(
        mask_of_bitmap(np.resize(np.array(bits, np.uint8), shape)), compressed_in_file=compressed
    ),
    st.lists(st.integers(0, 1), min_size=1, max_size=40),
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.booleans(),
).filter(lambda mask: bool(rings_of(mask)))

SHAPES: dict[str, st.SearchStrategy[Shape]] = {
    "rect": st.builds(Rect, numbers, numbers, numbers, numbers),
    "circle": st.builds(Circle, numbers, numbers, numbers),
    "ellipse": st.builds(Ellipse, numbers, numbers, numbers, numbers, st.floats(-4, 4)),
    "polygon": st.builds(lambda ring: Polygon((ring,)), _rings),
    "polygon that repeats its first corner": st.builds(
        lambda ring: Polygon((ring,), closed_in_file=True), _rings.filter(bool)
    ),
    "polygon of several rings": st.builds(
        lambda rings: Polygon(tuple(rings)), st.lists(_rings, min_size=2, max_size=3)
    ),
    "polyline": st.builds(Polyline, st.lists(points, max_size=6).map(tuple)),
    "point": st.builds(Spot, numbers, numbers),
    "mask": _masks,
    "image": st.just(WholeImage()),
}
"""Any valid shape, by kind; degenerate ones too, for those are for the design rules to find."""

PLAUSIBLE: dict[str, Shape] = {
    "rect": Rect(10, 20, 30, 40),
    "circle": Circle(50, 60, 7.5),
    "ellipse": Ellipse(50, 60, 20, 10, 0.5),
    "polygon": Polygon((((10, 20), (40, 20), (40.5, 60), (12, 58)),)),
    "polyline": Polyline(((10, 20), (40, 20), (40.5, 60))),
    "point": Spot(50, 60),
    "mask": mask_of_bitmap(np.pad(np.ones((40, 30), np.uint8), ((20, 420), (10, 600)))),
    "image": WholeImage(),
}
"""A shape of each kind, as it might stand in an image of 640 x 480 pixels."""

_values = names | st.integers(-(2**53), 2**53) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
_attributes = st.dictionaries(names.filter(lambda name: name not in ("label", "class")), _values, max_size=3)


@dataclass(frozen=True)
class Document:
    """Records that one file can hold: one attribute holds all labels, no id stands twice."""

    records: tuple[ImageRecord, ...]
    label_attribute: str | None

    @property
    def regions(self) -> list[Region]:
        """All regions of all images."""
        return [region for record in self.records for region in record.regions if isinstance(region, Region)]

    @property
    def options(self) -> ReadOptions:
        """What a reader must be told to find the labels."""
        labelled = any(region.label is not None for region in self.regions)
        return ReadOptions(label_attribute=self.label_attribute or "label") if labelled else ReadOptions()


@st.composite
def documents(draw: st.DrawFn, shapes: st.SearchStrategy[Shape], *, rich: bool = False) -> Document:
    """Records of up to three images; `rich` ones bring ids, boxes, areas and sizes of their own too."""
    label_attribute = draw(st.sampled_from([None, "label", "class"]))
    count = draw(st.integers(0, 3))
    ids = iter(draw(st.lists(st.integers(0, 2**40), unique=True, min_size=20, max_size=20)))
    records = []
    for i in range(count):
        regions = [draw(_region(shapes, j, label_attribute)) for j in range(draw(st.integers(0, 3)))]
        record = ImageRecord(filename=draw(names), where=f"[{i}]", regions=tuple(regions), attributes=draw(_attributes))
        record = replace(record, size_bytes=draw(st.none() | st.integers(0, 2**40)))
        records.append(draw(_enriched(record, ids)) if rich else record)
    document = Document(tuple(records), label_attribute)
    if any(region.label is not None for region in document.regions):
        return document
    # Where nothing is labelled, whatever attribute there is might be taken for the label.
    return Document(tuple(map(_bare, records)), label_attribute)


def _bare(record: ImageRecord) -> ImageRecord:
    regions = [replace(region, attributes={}) for region in record.regions if isinstance(region, Region)]
    return replace(record, regions=tuple(regions))


@st.composite
def _region(draw: st.DrawFn, shapes: st.SearchStrategy[Shape], index: int, label_attribute: str | None) -> Region:
    label = draw(st.none() | names)
    return Region(
        shape=draw(shapes),
        label=label,
        label_attribute=None if label is None else label_attribute,
        attributes=draw(_attributes),
        index=index,
        where=f"regions[{index}]",
    )


@st.composite
def _enriched(draw: st.DrawFn, record: ImageRecord, ids: Iterator[int]) -> ImageRecord:
    regions = tuple(
        replace(
            region,
            is_crowd=draw(st.booleans()),
            source_id=draw(st.sampled_from([None, next(ids)])),
            box_xywh_px=draw(st.none() | st.tuples(numbers, numbers, numbers, numbers)),
            area_px=draw(st.none() | numbers),
        )
        for region in record.regions
        if isinstance(region, Region)
    )
    size_wh = draw(st.none() | st.tuples(st.integers(1, 20000), st.integers(1, 20000)))
    return replace(record, regions=regions, size_wh=size_wh, source_id=draw(st.sampled_from([None, next(ids)])))


_OF_REGIONS = (
    ("shape", "label", "attributes", "index", "is_crowd"),
    ("label_attribute", "source_id", "box_xywh_px", "area_px"),
)
"""What must come back, and what must where it was given."""


def differences(
    written: Sequence[ImageRecord], read: Sequence[ImageRecord | Unread], precision_px: float = 0.0
) -> list[str]:
    """What reading gives otherwise than it was written; paths aside, and what was left to the format (ids, boxes).

    precision_px: by how much a coordinate may differ
    """
    if len(written) != len(read):
        return [f"{len(written)} entries written, {len(read)} read"]
    found = []
    for before, after in zip(written, read, strict=True):
        if isinstance(after, Unread):
            found.append(f"{before.where}: {after.message}")
            continue
        found += _changed(before, after, ("filename", "size_bytes", "size_wh", "attributes"), ("source_id",))
        found += [] if len(before.regions) == len(after.regions) else [f"{before.where}: another number of regions"]
        for one, other in zip(before.regions, after.regions, strict=False):
            found += _changed(one, other, *_OF_REGIONS, precision_px)
    return found


def _changed(
    before: object, after: object, exact: Iterable[str], if_given: Iterable[str], precision_px: float = 0.0
) -> list[str]:
    names = [*exact, *(name for name in if_given if getattr(before, name, None) is not None)]
    pairs = [(name, getattr(before, name, None), getattr(after, name, None)) for name in names]
    return [
        f"{name}: wrote {old!r}, read {new!r}"
        for name, old, new in pairs
        if old != new and not (name == "shape" and nearly_equal(old, new, precision_px))
    ]


def nearly_equal(one: object, other: object, precision_px: float) -> bool:
    """Whether two shapes are of one kind and no number in them differs by more."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return abs(one - other) <= precision_px
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(nearly_equal(a, b, precision_px) for a, b in zip(one, other, strict=True))
    if type(one) is type(other) and is_dataclass(one) and is_dataclass(other):
        return all(
            nearly_equal(getattr(one, each.name), getattr(other, each.name), precision_px) for each in fields(one)
        )
    return one == other


def place_in(folder: Path, plugin: Format) -> Path:
    """Where a document of the format may be written."""
    return folder / ("document" if plugin.layout == "folder" else f"file{plugin.suffixes[0]}")


class FormatContract:
    """Every format passes these; subclass and supply the fixture `plugin`, of module or wider scope."""

    def test_it_says_what_it_is(self, plugin: Format) -> None:
        assert plugin.name.isidentifier()
        assert plugin.title
        assert plugin.suffixes
        assert all(suffix.startswith(".") for suffix in plugin.suffixes)

    @pytest.mark.parametrize("kind", SHAPES)
    @settings(max_examples=examples(0.2), deadline=None)
    @given(data=st.data())
    def test_what_is_written_is_read_again(self, plugin: Format, kind: str, data: st.DataObject) -> None:
        _there_and_back(plugin, data.draw(documents(SHAPES[kind])))

    @settings(max_examples=examples(0.5), deadline=None)
    @given(document=documents(st.one_of(*SHAPES.values()), rich=True))
    def test_what_records_bring_beside_shapes_is_written_or_told(self, plugin: Format, document: Document) -> None:
        _there_and_back(plugin, document)

    def test_what_it_writes_it_knows_again_and_no_other_format_does(self, plugin: Format, tmp_path: Path) -> None:
        path = place_in(tmp_path, plugin)
        plugin.write(street(plugin, 3), path)
        assert plugin.sniff(path)
        assert format_of(path).name == plugin.name
        parts = plugin.parts(path)
        assert list(parts) == sorted(parts)
        assert all(part.is_file() for part in parts)

    def test_splits_are_written_each_with_its_images(self, plugin: Format, tmp_path: Path) -> None:
        records = list(street(plugin, 5))
        splits = [SplitRecords(name="train", records=records[:3]), SplitRecords(name="val", records=records[3:])]
        reports = plugin.write_splits(splits, tmp_path, SplitOptions(labels=("sign 0", "sign 1", "sign 2")))
        assert {name: report.images for name, report in reports.items()} == {"train": 3, "val": 2}
        assert sum(report.regions for report in reports.values()) == sum(len(record.regions) for record in records)
        assert any(path.is_file() for path in tmp_path.rglob("*"))

    def test_regions_that_could_not_be_read_are_told(self, plugin: Format, tmp_path: Path) -> None:
        unread = Unread(rule="DR08", message="no number", where="regions[1]", index=1)
        records = [replace(record, regions=(*record.regions[:1], unread)) for record in street(plugin, 2)]
        report = plugin.write(records, place_in(tmp_path, plugin))
        assert report.regions == 2
        assert sum(times for what, times in report.not_said.items() if "DR08" in what) == 2

    def test_a_writing_that_fails_leaves_what_was_there(self, plugin: Format, tmp_path: Path) -> None:
        path = place_in(tmp_path, plugin)
        with pytest.raises(ZeroDivisionError):
            plugin.write(_failing(plugin), path)
        assert list(tmp_path.iterdir()) == []
        plugin.write(street(plugin, 2), path)
        before = sha256_of_parts(plugin.parts(path), path)
        with pytest.raises(AlreadyThere if plugin.layout == "folder" else ZeroDivisionError):
            plugin.write(_failing(plugin), path)
        assert sha256_of_parts(plugin.parts(path), path) == before
        assert list(tmp_path.iterdir()) == [path]

    @settings(max_examples=examples(0.6), deadline=None)
    @given(content=st.binary(max_size=60) | st.text('[]{}":,1e \n\tatru\\', max_size=60).map(str.encode))
    def test_whatever_a_file_holds_it_is_read_or_refused(self, plugin: Format, content: bytes) -> None:
        with TemporaryDirectory() as folder:
            path = place_in(Path(folder), plugin)
            if plugin.layout == "folder":
                path.mkdir()
                path = path / f"file{plugin.suffixes[0]}"
            path.write_bytes(content)
            path = place_in(Path(folder), plugin)
            plugin.sniff(path)
            _read_or_refuse(plugin, path)

    @settings(max_examples=examples(0.6), deadline=None)
    @given(data=st.data())
    def test_a_damaged_file_is_read_or_refused(self, plugin: Format, data: st.DataObject) -> None:
        with TemporaryDirectory() as folder:
            path = place_in(Path(folder), plugin)
            plugin.write(street(plugin, 2), path)
            part = data.draw(st.sampled_from([part for part in plugin.parts(path) if part.stat().st_size]))
            content = bytearray(part.read_bytes())
            at = data.draw(st.integers(0, len(content) - 1))
            content[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
            part.write_bytes(content)
            plugin.sniff(path)
            _read_or_refuse(plugin, path)

    def test_what_is_no_file_is_refused(self, plugin: Format, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "nothing"):
            assert not plugin.sniff(path)
            with pytest.raises(BadInput):
                list(plugin.read(path, ReadOptions()).records)


def _there_and_back(plugin: Format, document: Document) -> None:
    with TemporaryDirectory() as folder:
        path = place_in(Path(folder), plugin)
        report = plugin.write(iter(document.records), path)
        reading = plugin.read(path, document.options)
        read = list(reading.records)
    assert reading.entries in (None, len(read))
    assert len(read) == report.images
    written = document.records
    if not plugin.keeps_order:
        read.sort(key=_name_of)
        written = tuple(sorted(written, key=_name_of))
    if not report.not_said:
        assert report.images == len(document.records)
        assert report.regions == len(document.regions)
        assert differences(written, read, plugin.precision_px) == []


def _name_of(part: ImageRecord | Unread) -> str:
    return part.filename if isinstance(part, ImageRecord) else part.where


def _read_or_refuse(plugin: Format, path: Path) -> None:
    with suppress(BadInput):
        for record in plugin.read(path, ReadOptions()).records:
            assert isinstance(record, ImageRecord | Unread)


def street(plugin: Format, count: int, regions: int = 4) -> Iterator[ImageRecord]:
    """Plausible records of a shape that the format can say, with pictures where it holds them."""
    picture = _picture() if plugin.is_its_images else None
    for i in range(count):
        drawn = tuple(
            Region(
                shape=_plausible(plugin, j),
                label=f"sign {(i + j) % 3}",
                index=j,
                where=f"regions[{j}]",
                source_id=i * regions + j + 1,
            )
            for j in range(regions if "rect" in plugin.shapes or "polyline" in plugin.shapes else 1)
        )
        yield ImageRecord(
            filename=f"street/{i:06d}.png",
            where=f"[{i}]",
            regions=drawn,
            size_wh=SIZE_WH,
            source_id=i + 1,
            path=picture,
        )


def _plausible(plugin: Format, j: int) -> Shape:
    if "rect" in plugin.shapes:
        return Rect(10 + j, 20, 30, 40)
    return Polyline(((10 + j, 20), (30 + j, 40))) if "polyline" in plugin.shapes else WholeImage()


@cache
def _picture() -> str:
    path = Path(mkdtemp()) / "picture.png"
    Image.new("RGB", SIZE_WH).save(path)
    return str(path)


def _failing(plugin: Format) -> Iterator[ImageRecord]:
    yield from street(plugin, 1)
    raise ZeroDivisionError
