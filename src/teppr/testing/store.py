"""What every annotation database must do; a back end's tests inherit `StoreContract` and give the `store` fixture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from teppr.errors import AlreadyThere
from teppr.store.contract import (
    FileSummary,
    FindingQuery,
    ImageQuery,
    Store,
    StoredImage,
)
from teppr.types import (
    AnnotationFile,
    Circle,
    Ellipse,
    Finding,
    Mask,
    Polygon,
    Polyline,
    Rect,
    Region,
    Severity,
    Shape,
    Spot,
    Tally,
    WholeImage,
)

INGESTED = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)

SHAPES: tuple[Shape, ...] = (
    Rect(1, 2, 30.5, 4),
    Circle(50, 50, 10),
    Ellipse(50, 50, 20, 10, 0.5),
    Polygon((((0, 0), (10, 0), (10, 10)), ((20, 20), (30, 20), (25.25, 30)))),
    Polygon((((0, 0), (10, 0), (10, 10)),), closed_in_file=True),
    Polyline(((0, 0), (5, 5), (9, 1))),
    Spot(3, 4),
    WholeImage(),
    Mask("04L4", (4, 4)),
    Mask("04L4", (4, 4), compressed_in_file=False),
)


def annotation_file(number: int = 1, **changes: Any) -> AnnotationFile:  # noqa: ANN401
    """A file on its own: no other supersedes it unless the `changes` say so."""
    file = AnnotationFile(
        sha256=f"{number:064x}",
        path=f"/jobs/{number}.json",
        size_bytes=100 + number,
        format="via",
        problem="ods",
        annotator="AT1",
        tool="VIA 2.05",
        batch=f"images-p{number}-230119_AT1",
        part=number,
        cut=date(2019, 1, 23),
        released=date(2019, 2, 1),
    )
    return replace(file, **changes)


def region(index: int = 0, label: str | None = "car", shape: Shape = SHAPES[0]) -> Region:
    """An accepted region."""
    return Region(shape=shape, label=label, index=index, where=f"regions[{index}]", label_attribute="name")


def stored_image(
    file: AnnotationFile, name: str = "a.jpg", regions: Iterable[Region] = (), *, content: int | None = None
) -> StoredImage:
    """An accepted entry of `file`; images of the same `content` have the same bytes."""
    return StoredImage(
        path=f"/images/{name}",
        sha256=f"{hash(name) % 2**64 if content is None else content:064x}",
        size_wh=(200, 100),
        orientation=1,
        filename=name,
        file_sha256=file.sha256,
        regions=tuple(regions),
        annotator=file.annotator,
        batch=file.batch,
        attributes={"caption": 'a "quoted" text, £'},
        size_bytes=1234,
        regions_rejected=2,
    )


def finding(file: AnnotationFile, rule: str = "DR12", severity: Severity = Severity.ERROR) -> Finding:
    """A finding about a region of `file`."""
    return Finding(
        rule=rule,
        severity=severity,
        scope="region",
        message="the shape reaches 50 px beyond its image",
        remedy="Move the points inside the image.",
        file=file.path,
        annotator=file.annotator,
        image="a.jpg",
        region_index=3,
        where="regions[3]",
        values={"beyond_px": 50, "box_xywh_px": [1, 2, 3, 4]},
        shape=SHAPES[0],
        image_path="/images/a.jpg",
    )


def summary(file: AnnotationFile, *, accepted: bool = True, images: int = 1) -> FileSummary:
    """The accounting of `file`."""
    return FileSummary(
        file=file,
        accepted=accepted,
        entries=Tally(3, 2, 1),
        regions=Tally(7, 5, 2),
        images=images,
        labels={"car": 5},
        shapes={"rect": 7},
        findings={"DR12": 2},
        ingested=INGESTED,
    )


def put(
    store: Store,
    file: AnnotationFile,
    images: Iterable[StoredImage] = (),
    findings: Iterable[Finding] = (),
    *,
    accepted: bool = True,
    replacing: bool = False,
) -> None:
    """Write a whole file."""
    with store.writing(file, replace=replacing) as writer:
        writer.add_images(images)
        writer.add_findings(findings)
        writer.finish(summary(file, accepted=accepted))


class StoreContract:
    """Every annotation database passes these."""

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert list(store.files()) == []
        assert list(store.images(ImageQuery())) == []
        assert list(store.findings(FindingQuery())) == []
        assert store.region_counts(("label",)) == []
        assert store.region_counts(()) == []

    def test_what_is_put_comes_back_equal(self, store: Store) -> None:
        file = annotation_file()
        images = [
            stored_image(file, "a.jpg", [region(i, shape=shape) for i, shape in enumerate(SHAPES)]),
            stored_image(file, "b.jpg"),
        ]
        findings = [finding(file), replace(finding(file), shape=None, image=None, region_index=None, values={})]
        put(store, file, images, findings)
        assert list(store.files()) == [summary(file)]
        assert list(store.images(ImageQuery())) == images
        assert list(store.findings(FindingQuery())) == findings
        assert store.find_file(file.sha256, "ods") == summary(file)
        assert store.find_file(file.sha256, "rld") is None

    def test_all_that_a_region_carries_comes_back(self, store: Store) -> None:
        file = annotation_file()
        full = Region(
            shape=SHAPES[3],
            label="crowd of people",
            index=7,
            where="annotations[17]",
            attributes={"note": "£ \"'", "list": [1, 2.5, None, True], "nested": {"a": {}}, "big": 2**70},
            is_crowd=True,
            source_id=2**63 + 5,
            box_xywh_px=(1, 2.5, 3, 4),
            area_px=12.25,
        )
        bare = Region(shape=SHAPES[0], label=None, index=9, where="")
        put(store, file, [stored_image(file, "a.jpg", [full, bare])])
        assert next(store.images(ImageQuery())).regions == (full, bare)

    def test_a_known_file_is_refused_for_its_problem_only(self, store: Store) -> None:
        put(store, annotation_file())
        with pytest.raises(AlreadyThere), store.writing(annotation_file()):
            pass
        put(store, annotation_file(problem="rld"))
        assert len(list(store.files())) == 2

    def test_replacing_leaves_nothing_of_the_earlier(self, store: Store) -> None:
        file = annotation_file()
        put(store, file, [stored_image(file, "a.jpg", [region()], content=1)], [finding(file)])
        put(store, file, [stored_image(file, "b.jpg", content=2)], replacing=True)
        assert [image.filename for image in store.images(ImageQuery())] == ["b.jpg"]
        assert list(store.findings(FindingQuery())) == []
        assert store.known_image(f"{1:064x}") == ()
        assert store.region_counts(()) == []

    def test_an_interrupted_file_leaves_nothing(self, store: Store) -> None:
        file = annotation_file()

        def endless() -> Iterable[StoredImage]:
            yield stored_image(file, "b.jpg", [region()])
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            put(store, file, endless(), [finding(file)])
        self.test_a_new_store_is_empty(store)
        put(store, file)
        assert list(store.images(ImageQuery())) == []

    def test_nothing_is_seen_before_the_end(self, store: Store) -> None:
        file = annotation_file()
        with store.writing(file) as writer:
            writer.add_images([stored_image(file, "a.jpg", [region()])])
            assert list(store.images(ImageQuery())) == []
            assert list(store.files()) == []
            writer.finish(summary(file))
        assert len(list(store.images(ImageQuery()))) == 1

    def test_of_a_rejected_file_only_the_findings_are_kept(self, store: Store) -> None:
        file = annotation_file()
        put(store, file, [stored_image(file, "a.jpg", [region()])], [finding(file)], accepted=False)
        assert list(store.files()) == [summary(file, accepted=False)]
        assert list(store.images(ImageQuery(with_superseded=True))) == []
        assert len(list(store.findings(FindingQuery()))) == 1

    @pytest.mark.parametrize("newer_first", [False, True], ids=["in order", "the newer first"])
    def test_a_newer_release_supersedes_whatever_the_order(self, store: Store, newer_first: bool) -> None:
        old = annotation_file(1, path="/jobs/old.json")
        new = annotation_file(2, path="/jobs/new.json", batch=old.batch, part=old.part, released=date(2019, 3, 1))
        for file in (new, old) if newer_first else (old, new):
            put(store, file, [stored_image(file, f"{file.size_bytes}.jpg", [region()])], [finding(file)])
        by_sha = {found.file.sha256: found.superseded_by for found in store.files()}
        assert by_sha == {old.sha256: new.sha256, new.sha256: None}
        assert [image.file_sha256 for image in store.images(ImageQuery())] == [new.sha256]
        assert len(list(store.images(ImageQuery(with_superseded=True)))) == 2
        assert [found.file for found in store.findings(FindingQuery())] == [new.path]
        assert len(list(store.findings(FindingQuery(with_superseded=True)))) == 2
        assert [found.file for found in store.findings(FindingQuery(file=old.path))] == [old.path]
        assert [found.file.sha256 for found in store.files(with_superseded=False)] == [new.sha256]
        assert store.region_counts(())[0]["regions"] == 1

    @pytest.mark.parametrize(
        "changes",
        [{"annotator": "AT2"}, {"batch": "another"}, {"part": 9}, {"problem": "rld"}, {"released": date(2019, 2, 1)}],
        ids=str,
    )
    def test_other_work_supersedes_nothing(self, store: Store, changes: dict[str, Any]) -> None:
        old = annotation_file(1)
        same: dict[str, Any] = {"batch": old.batch, "part": old.part, "released": date(2019, 3, 1)}
        put(store, old)
        put(store, annotation_file(2, **(same | changes)))
        assert [found.superseded_by for found in store.files()] == [None, None]

    def test_a_rejected_release_supersedes_nothing(self, store: Store) -> None:
        old = annotation_file(1)
        put(store, old)
        put(store, annotation_file(2, batch=old.batch, part=old.part, released=date(2020, 1, 1)), accepted=False)
        assert [found.superseded_by for found in store.files()] == [None, None]

    def test_of_two_files_at_one_path_the_later_counts(self, store: Store) -> None:
        nobody: dict[str, Any] = {"annotator": None, "batch": None, "part": None, "released": None}
        first = annotation_file(1, path="/jobs/a.json", **nobody)
        second = annotation_file(2, path="/jobs/a.json", **nobody)
        put(store, first)
        put(store, second)
        assert [found.superseded_by for found in store.files()] == [second.sha256, None]

    def test_a_delivery_that_is_repeated_on_its_day_counts(self, store: Store) -> None:
        first = annotation_file(1, path="/monday/a.json")
        second = annotation_file(2, path="/friday/a.json", batch=first.batch, part=first.part)
        put(store, first)
        put(store, second)
        assert [found.superseded_by for found in store.files()] == [second.sha256, None]

    def test_images_are_found_by_problem_annotator_and_file(self, store: Store) -> None:
        files = [
            annotation_file(1),
            annotation_file(2, annotator="AT2"),
            annotation_file(3, problem="rld"),
            annotation_file(4, annotator=None),
        ]
        for file in files:
            put(store, file, [stored_image(file, f"{file.part}.jpg")])

        def names(**conditions: Any) -> list[str]:  # noqa: ANN401
            query = ImageQuery(**conditions)
            return [image.filename for image in store.images(query)]

        assert names() == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
        assert names(problem="ods") == ["1.jpg", "2.jpg", "4.jpg"]
        assert names(annotators=("AT1", "AT2"), problem="ods") == ["1.jpg", "2.jpg"]
        assert names(files=(files[2].sha256, files[0].sha256)) == ["1.jpg", "3.jpg"]
        assert names(annotators=()) == []

    def test_findings_are_found_by_each_condition(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2, annotator="AT2", problem="rld")
        put(store, one, [], [finding(one), finding(one, "DR14", Severity.WARNING)])
        put(store, two, [], [finding(two)])

        def found(**conditions: Any) -> list[tuple[str, str]]:  # noqa: ANN401
            query = FindingQuery(**conditions)
            return [(each.file, each.rule) for each in store.findings(query)]

        assert found(problem="rld") == [(two.path, "DR12")]
        assert found(annotator="AT1") == [(one.path, "DR12"), (one.path, "DR14")]
        assert found(file=one.path, rule="DR14") == [(one.path, "DR14")]
        assert found(file=two.sha256) == [(two.path, "DR12")]
        assert found(severity=Severity.WARNING) == [(one.path, "DR14")]

    def test_an_image_is_known_by_its_bytes(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2, annotator="AT2")
        put(store, one, [stored_image(one, "a.jpg", content=5), stored_image(one, "copy.jpg", content=5)])
        put(store, two, [stored_image(two, "a.jpg", content=5)])
        sha256 = f"{5:064x}"
        assert store.known_image(sha256) == ("/images/a.jpg", "/images/copy.jpg")
        assert store.known_image("") == ()
        assert store.annotators_of(sha256, "ods") == ("AT1", "AT2")
        assert store.annotators_of(sha256, "rld") == ()

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

    def test_reading_streams_while_another_is_written(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2)
        put(store, one, [stored_image(one, f"{i}.jpg") for i in range(50)])
        images = store.images(ImageQuery())
        first = next(images)
        put(store, two, [stored_image(two, "later.jpg")])
        names = [first.filename, *(image.filename for image in images)]
        assert [name for name in names if name != "later.jpg"] == [f"{i}.jpg" for i in range(50)]
