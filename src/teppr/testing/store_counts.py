"""What every annotation database must count."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.geometry import area, box_xywh
from teppr.store.contract import Counts, GroupKey, ImageQuery, Store, StoredImage
from teppr.testing.examples import examples
from teppr.testing.store_records import annotation_file, finding, put, region, stored_image
from teppr.types import AnnotationFile, Circle, Polygon, Rect, Region, Shape

FILE_VALUES: Mapping[str, Callable[[AnnotationFile], Any]] = {
    "annotator": lambda file: file.annotator,
    "file": lambda file: file.sha256,
    "batch": lambda file: file.batch,
    "released": lambda file: file.released,
}
REGION_VALUES: Mapping[str, Callable[[Region], Any]] = {
    "label": lambda found: found.label,
    "shape": lambda found: found.shape.kind,
}
GROUPINGS: tuple[tuple[GroupKey, ...], ...] = (
    (),
    ("label",),
    ("shape",),
    ("annotator",),
    ("file",),
    ("batch",),
    ("released",),
    ("shape", "annotator"),
    ("released", "label"),
    ("batch", "file", "annotator"),
    ("label", "shape"),
    ("shape", "batch", "label"),
)

_shapes: st.SearchStrategy[Shape] = st.sampled_from(
    [Rect(0, 0, 10, 20.5), Rect(1, 1, 0.1, 0.2), Circle(50, 50, 10), Polygon((((0, 0), (10, 0), (10, 10)),))]
)
_regions = st.tuples(st.sampled_from(["car", "sign", "Sign", "", None]), _shapes)
_images = st.lists(_regions, max_size=4)
_files = st.fixed_dictionaries(
    {
        "annotator": st.sampled_from(["AT1", "AT2", None]),
        "batch": st.sampled_from(["b1", "b2", None]),
        "part": st.none(),
        "released": st.none() | st.dates(),
    }
)
_problems = (f"problem {number}" for number in count())


def counted(
    images: Iterable[StoredImage], files: Mapping[str, AnnotationFile], by: tuple[GroupKey, ...]
) -> list[dict[str, Any]]:
    """What `region_counts` is to give, counted one region after the other."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(Counter[str])
    for image in images:
        of_image: Counter[tuple[Any, ...]] = Counter()
        for found in image.regions:
            file = files[image.file_sha256]
            key = tuple(FILE_VALUES[name](file) if name in FILE_VALUES else REGION_VALUES[name](found) for name in by)
            of_image[key] += 1
            _, _, width, height = box_xywh(found.shape)
            groups[key]["regions"] += 1
            groups[key]["box_area_px"] += width * height
            groups[key]["mask_area_px"] += area(found.shape)
        for key, regions in of_image.items():
            groups[key]["images"] += 1
            groups[key]["image_area_px"] += image.size_wh[0] * image.size_wh[1]
            groups[key]["largest_per_image"] = max(groups[key]["largest_per_image"], regions)
    ordered = sorted(groups, key=lambda key: [(value is not None, value) for value in key])
    return [dict(zip(by, key, strict=True)) | {**groups[key]} for key in ordered]


class CountsContract:
    """Counts are those of the records, however they are kept."""

    def test_regions_are_counted_by_every_key(self, store: Store) -> None:
        one = annotation_file(1)
        two = annotation_file(2, annotator=None, batch=None, released=None)
        box, disc = Rect(0, 0, 10, 20), Circle(50, 50, 10)
        put(
            store,
            one,
            [stored_image(one, "a.jpg", [region(0, "car", box), region(1, "car", box), region(2, "sign", disc)])],
        )
        put(store, two, [stored_image(two, "b.jpg", [region(0, "car", box)]), stored_image(two, "empty.jpg")])
        car = {"images": 2, "image_area_px": 40000, "regions": 3, "largest_per_image": 2, "box_area_px": 600.0}
        sign = {"images": 1, "image_area_px": 20000, "regions": 1, "largest_per_image": 1, "box_area_px": 400.0}
        disc_area = pytest.approx(314.159265)
        assert store.region_counts(("label",)) == [
            {"label": "car", **car, "mask_area_px": 600.0},
            {"label": "sign", **sign, "mask_area_px": disc_area},
        ]
        assert [(row["annotator"], row["regions"]) for row in store.region_counts(("annotator",))] == [
            (None, 1),
            ("AT1", 3),
        ]
        assert [row["released"] for row in store.region_counts(("released",))] == [None, date(2019, 2, 1)]
        assert [row["file"] for row in store.region_counts(("file",))] == [one.sha256, two.sha256]
        assert [row["batch"] for row in store.region_counts(("batch",))] == [None, one.batch]
        by_two = [
            (row["shape"], row["annotator"], row["regions"]) for row in store.region_counts(("shape", "annotator"))
        ]
        assert by_two == [("circle", "AT1", 1), ("rect", None, 1), ("rect", "AT1", 2)]
        assert store.region_counts(("label",), "rld") == []

    def test_counts_never_disagree_with_the_regions(self, store: Store) -> None:
        # Given inside: a method that several classes inherit would be one property of several stores.
        @given(st.lists(st.tuples(_files, st.lists(_images, max_size=3)), max_size=4))
        @settings(deadline=None, max_examples=examples(0.25))
        def they_agree(given_files: list[tuple[dict[str, Any], list[list[tuple[str | None, Shape]]]]]) -> None:
            problem = next(_problems)
            files: dict[str, AnnotationFile] = {}
            for number, (changes, images) in enumerate(given_files):
                file = annotation_file(number, problem=problem, **changes)
                files[file.sha256] = file
                regions = [[region(i, *of_region) for i, of_region in enumerate(of_image)] for of_image in images]
                put(store, file, [stored_image(file, f"{i}.jpg", found) for i, found in enumerate(regions)])
            for by in GROUPINGS:
                found = [dict(row) for row in store.region_counts(by, problem)]
                expected = counted(store.images(ImageQuery(problem=problem)), files, by)
                for row in expected:
                    for name in ("box_area_px", "mask_area_px"):
                        row[name] = pytest.approx(row[name])
                assert found == expected, by

        they_agree()

    def test_an_image_that_is_declared_absurdly_large_is_counted(self, store: Store) -> None:
        file = annotation_file()
        images = [stored_image(file, f"{name}.jpg", [region()], size_wh=(2**40, 2**40)) for name in "ab"]
        put(store, file, images)
        for by in ((), ("label", "shape")):
            assert store.region_counts(by)[0]["image_area_px"] == pytest.approx(2.0**81)

    def test_records_are_counted_as_a_whole_by_file_and_by_problem(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2, problem="rld")
        assert store.count() == Counts()
        put(store, one, [stored_image(one, "a.jpg", [region(0), region(1)]), stored_image(one, "b.jpg")])
        put(store, two, [stored_image(two, "c.jpg", [region()])], [finding(two), finding(two), finding(two)])
        first, second = Counts(files=1, images=2, regions=2), Counts(files=1, images=1, regions=1, findings=3)
        assert store.count() == Counts(files=2, images=3, regions=3, findings=3)
        assert store.count(one.sha256) == store.count(problem="ods") == first
        assert store.count(two.sha256) == store.count(two.sha256, "rld") == second
        assert store.count(two.sha256, "ods") == Counts()
