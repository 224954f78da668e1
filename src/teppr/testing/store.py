"""What every annotation database must do; a back end's tests inherit `StoreContract` and give the `store` fixture."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from teppr.errors import AlreadyThere, BadInput
from teppr.store.contract import Counts, FindingQuery, Fingerprint, ImageQuery, Store, StoredImage
from teppr.testing.store_access import AccessContract
from teppr.testing.store_counts import CountsContract
from teppr.testing.store_records import SHAPES, annotation_file, finding, put, region, stored_image, summary
from teppr.testing.store_succession import SuccessionContract
from teppr.types import AnnotationFile, Polygon, Region, Severity


class StoreContract(SuccessionContract, CountsContract, AccessContract):
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
        assert list(store.images(ImageQuery(with_past=True))) == []
        assert len(list(store.findings(FindingQuery()))) == 1

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

    def test_reading_streams_while_another_is_written(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2)
        put(store, one, [stored_image(one, f"{i}.jpg") for i in range(50)])
        images = store.images(ImageQuery())
        first = next(images)
        put(store, two, [stored_image(two, "later.jpg")])
        names = [first.filename, *(image.filename for image in images)]
        assert [name for name in names if name != "later.jpg"] == [f"{i}.jpg" for i in range(50)]

    def test_images_are_found_by_content_and_name(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2)
        put(store, two, [stored_image(two, "a.jpg", content=1), stored_image(two, "b.jpg", [region()], content=2)])
        put(store, one, [stored_image(one, "a.jpg", content=3), stored_image(one, "c.jpg", content=2)])

        def found(**conditions: Any) -> list[tuple[str, str]]:  # noqa: ANN401
            return [(image.file_sha256, image.filename) for image in store.images(ImageQuery(**conditions))]

        contents = [f"{number:064x}" for number in range(5)]
        assert found(images=(contents[2],)) == [(two.sha256, "b.jpg"), (one.sha256, "c.jpg")]
        assert found(images=(contents[3], contents[4], contents[2]), files=(one.sha256,)) == [
            (one.sha256, "a.jpg"),
            (one.sha256, "c.jpg"),
        ]
        assert found(images=tuple(contents) * 20_000, filename="b.jpg") == [(two.sha256, "b.jpg")]
        assert found(images=()) == []
        assert found(filename="a.jpg") == [(two.sha256, "a.jpg"), (one.sha256, "a.jpg")]
        assert found(filename="a.jpg", images=(contents[2],)) == []
        assert found(filename="A.jpg") == []

    def test_images_of_several_annotators_are_shared(self, store: Store) -> None:
        files = [annotation_file(number, annotator=f"AT{number}") for number in range(1, 5)]
        again = annotation_file(5, annotator="AT1")
        nobody, other = annotation_file(6, annotator=None), annotation_file(7, annotator="AT7", problem="rld")
        old = annotation_file(8, annotator="AT8", released=date(2018, 1, 1))
        new = annotation_file(9, annotator="AT8", batch=old.batch, part=old.part)

        def entry(file: AnnotationFile, content: int) -> StoredImage:
            return stored_image(file, f"{content}.jpg", [region(), region(1)], content=content)

        put(store, files[1], [entry(files[1], 30), entry(files[1], 20)])
        put(store, files[0], [entry(files[0], 20), entry(files[0], 10), entry(files[0], 20), entry(files[0], 40)])
        put(store, files[2], [replace(entry(files[2], 50), sha256="")])
        put(store, files[3], [replace(entry(files[3], 50), sha256="")])
        put(store, again, [entry(again, 10)])
        put(store, nobody, [entry(nobody, 10), entry(nobody, 30)])
        put(store, other, [entry(other, 10)])
        put(store, old, [entry(old, 40)])
        put(store, new, [entry(new, 30)])
        assert list(store.shared_images("ods")) == [
            (entry(files[1], 20), entry(files[0], 20), entry(files[0], 20)),
            (entry(files[1], 30), entry(new, 30)),
        ]
        assert list(store.shared_images("rld")) == []

    def test_every_image_has_one_fingerprint(self, store: Store) -> None:
        one, two = annotation_file(1), annotation_file(2, problem="rld")
        old = annotation_file(3, released=date(2018, 1, 1))
        new = annotation_file(4, batch=old.batch, part=old.part)
        put(store, one, [stored_image(one, "b.jpg", content=2), stored_image(one, "a.jpg", content=2)])
        put(store, two, [stored_image(two, "0.jpg", content=2), stored_image(two, "c.jpg", content=1)])
        put(store, old, [stored_image(old, "old.jpg", content=3)])
        put(store, new, [replace(stored_image(new, "new.jpg", content=4), perceptual_hash=None)])
        put(store, new, [replace(stored_image(new, "new.jpg"), sha256="")], replacing=True)

        def print_of(content: int, name: str) -> Fingerprint:
            return Fingerprint(sha256=f"{content:064x}", perceptual_hash="00ff" * 4, path=f"/images/{name}")

        assert list(store.fingerprints("ods")) == [print_of(2, "a.jpg")]
        assert list(store.fingerprints()) == [print_of(1, "c.jpg"), print_of(2, "0.jpg")]

    def test_text_that_a_database_may_trip_over_comes_back(self, store: Store) -> None:
        file = annotation_file(annotator="A\"T'$1", batch="%_.*[é]\0", path="/jobs/$set.a/€.json")
        attributes = {"$where": {"a.b": [{"": None}]}, "\0": "\0", "half": "\ud800", "big": -(2**80), "n": 1e300}
        image = replace(stored_image(file, "$a.b\n.jpg", [region(label="$label.\0")]), attributes=attributes)
        put(store, file, [image], [replace(finding(file), values=attributes)])
        assert list(store.images(ImageQuery(annotators=("A\"T'$1",), filename="$a.b\n.jpg"))) == [image]
        assert [found.values for found in store.findings(FindingQuery(file=file.path))] == [attributes]
        assert store.region_counts(("label", "batch"))[0]["label"] == "$label.\0"

    @pytest.mark.parametrize(
        "changes",
        [{"filename": "half \ud800"}, {"size_bytes": 2**63}, {"size_wh": (2**64, 1)}],
        ids=["half a character", "a size beyond 64 bits", "a width beyond 64 bits"],
    )
    def test_what_no_database_keeps_is_refused_and_leaves_nothing(self, store: Store, changes: dict[str, Any]) -> None:
        file = annotation_file()
        with pytest.raises(BadInput, match="cannot keep a value"):
            put(store, file, [stored_image(file, "a.jpg"), replace(stored_image(file, "b.jpg"), **changes)])
        self.test_a_new_store_is_empty(store)
        put(store, file)

    def test_an_image_of_very_many_regions_comes_back(self, store: Store) -> None:
        file = annotation_file()
        outline = Polygon((tuple((float(i), i / 3) for i in range(500)),))
        images = [stored_image(file, "a.jpg", [region(i, shape=outline) for i in range(300)]), stored_image(file)]
        put(store, file, images)
        assert list(store.images(ImageQuery())) == images
        assert store.count() == Counts(files=1, images=2, regions=300)
        assert store.region_counts(("label", "shape"))[0]["largest_per_image"] == 300
        assert store.known_image(images[0].sha256) == ("/images/a.jpg",)

    def test_a_store_says_what_it_is(self, store: Store) -> None:
        about = store.about()
        assert "://" in about.url
        assert re.fullmatch(r"\w+ [\d.]+", about.back_end)
        assert about.schema_version >= 1
