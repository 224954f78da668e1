"""Rows as Parquet tables: nothing is lost, and the same rows are the same bytes."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.datasets.tables import (
    ANNOTATION_SCHEMA,
    IMAGE_SCHEMA,
    ImageRow,
    RegionRow,
    annotations_table,
    content_hash,
    images_table,
    read_table,
    shape_from_numbers,
    shape_to_numbers,
    write_table,
)
from teppr.errors import Corrupt
from teppr.types import Circle, Ellipse, Mask, Polygon, Polyline, Rect, Shape, Spot

numbers = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
rings = st.lists(st.tuples(numbers, numbers), max_size=5).map(tuple)
shapes: st.SearchStrategy[Shape] = st.one_of(
    st.builds(Rect, numbers, numbers, numbers, numbers),
    st.builds(Circle, numbers, numbers, numbers),
    st.builds(Ellipse, numbers, numbers, numbers, numbers, numbers),
    st.lists(rings, min_size=1, max_size=3).map(lambda found: Polygon(tuple(found))),
    st.builds(Polyline, rings),
    st.builds(Spot, numbers, numbers),
    st.builds(Mask, st.text("PQ01n", max_size=9), st.tuples(st.integers(1, 9), st.integers(1, 9))),
)


def row_of(*found: Shape, path: str = "/images/a.jpg", label: str = "door") -> ImageRow:
    regions = [RegionRow(shape=shape, label=label, box_xywh_px=(0, 0, 1, 1), area_px=1) for shape in found]
    return ImageRow(path=path, filename="a.jpg", sha256="aa", size_wh=(9, 9), split="train", regions=tuple(regions))


@given(shapes)
def test_a_shape_comes_back_from_its_numbers(shape: Shape) -> None:
    counts = shape.counts if isinstance(shape, Mask) else None

    assert shape_from_numbers(shape.kind, shape_to_numbers(shape), counts) == shape


def test_an_unknown_kind_of_shape_is_corrupt() -> None:
    with pytest.raises(Corrupt, match="got 'cube'"):
        shape_from_numbers("cube", [[1.0]], None)


def test_tables_come_back_from_their_files(tmp_path: Path) -> None:
    rows = [row_of(Rect(1, 2, 3, 4), Polygon((((0, 0), (5, 0), (5, 5)), ((7, 7), (8, 7), (8, 8)))))]
    images, annotations = images_table(rows), annotations_table(rows, ["hood", "door"])

    write_table(tmp_path / "i", images)
    write_table(tmp_path / "a", annotations)

    assert read_table(tmp_path / "i", IMAGE_SCHEMA).equals(images)
    assert read_table(tmp_path / "a", ANNOTATION_SCHEMA).equals(annotations)
    assert annotations["label_id"].to_pylist() == [1, 1]


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_table(tmp_path / name, annotations_table([row_of(Circle(1, 2, 3))] * 3, ["door"]))

    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_where_an_image_lies_is_not_its_content_but_its_label_is() -> None:
    here, there = row_of(Spot(1, 1), path="/here/a.jpg"), row_of(Spot(1, 1), path="/there/a.jpg")
    door, hood = row_of(Spot(1, 1)), row_of(Spot(1, 1), label="hood")

    assert content_hash(images_table([here])) == content_hash(images_table([there]))
    assert content_hash(annotations_table([door], ["door"])) != content_hash(annotations_table([hood], ["hood"]))


def test_the_content_hash_stays_what_it_is() -> None:
    # A version in a release must mean the same for ever: this digest may not change.
    rows = [row_of(Rect(1, 2.5, 3, 4), Circle(1, 1, 0.1))]

    assert content_hash(images_table(rows))[:12] == "efbf05ed87c3"
    assert content_hash(annotations_table(rows, ["door"]))[:12] == "0ec7fabd2f59"


def test_other_columns_are_corrupt(tmp_path: Path) -> None:
    write_table(tmp_path / "t", pa.table({"image_id": [1]}))

    with pytest.raises(Corrupt, match="other columns than were written"):
        read_table(tmp_path / "t", IMAGE_SCHEMA)


def test_what_is_no_table_is_corrupt(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"no table")

    with pytest.raises(Corrupt, match="cannot be read as the table"):
        read_table(tmp_path / "t", IMAGE_SCHEMA)
