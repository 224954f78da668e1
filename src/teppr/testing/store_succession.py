"""What every annotation database must do when releases supersede each other and are withdrawn."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from teppr.errors import Refused, UnknownName
from teppr.store.contract import FindingQuery, ImageQuery, Store, Withdrawal
from teppr.testing.store_records import annotation_file, current, finding, put, region, stored_image, summary
from teppr.types import AnnotationFile

WHEN = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)


def release(month: int, **changes: Any) -> AnnotationFile:  # noqa: ANN401
    """The release of a month: all of the same work, "2.json" of February."""
    same: dict[str, Any] = {"batch": "images-p1-230119_AT1", "part": 1, "released": date(2019, month, 1)}
    return annotation_file(month, **(same | changes))


class SuccessionContract:
    """The newest release counts, and an older one again when it is taken back."""

    @pytest.mark.parametrize("newer_first", [False, True], ids=["in order", "the newer first"])
    def test_a_newer_release_supersedes_whatever_the_order(self, store: Store, newer_first: bool) -> None:
        old = annotation_file(1, path="/jobs/old.json")
        new = annotation_file(2, path="/jobs/new.json", batch=old.batch, part=old.part, released=date(2019, 3, 1))
        for file in (new, old) if newer_first else (old, new):
            put(store, file, [stored_image(file, f"{file.size_bytes}.jpg", [region()])], [finding(file)])
        by_sha = {found.file.sha256: found.superseded_by for found in store.files()}
        assert by_sha == {old.sha256: new.sha256, new.sha256: None}
        assert [image.file_sha256 for image in store.images(ImageQuery())] == [new.sha256]
        assert len(list(store.images(ImageQuery(with_past=True)))) == 2
        assert [found.file for found in store.findings(FindingQuery())] == [new.path]
        assert len(list(store.findings(FindingQuery(with_past=True)))) == 2
        assert [found.file for found in store.findings(FindingQuery(file=old.path))] == [old.path]
        assert [found.file.sha256 for found in store.files(with_past=False)] == [new.sha256]
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

    def test_a_withdrawn_release_stays_on_record_and_the_one_before_is_current_again(self, store: Store) -> None:
        for month in (2, 3, 4):
            file = release(month)
            put(store, file, [stored_image(file, f"{month}.jpg", [region()])], [finding(file)])
        assert current(store) == ["4.json"]
        store.withdraw(release(4).sha256, "ods", why="the wrong folder", when=WHEN)
        assert current(store) == ["3.json"]
        withdrawn = store.find_file(release(4).sha256, "ods")
        assert withdrawn == summary(release(4), withdrawn=Withdrawal(when=WHEN, why="the wrong folder"))
        assert [found.superseded_by for found in store.files()] == [release(3).sha256, None, None]
        assert [image.filename for image in store.images(ImageQuery())] == ["3.jpg"]
        assert len(list(store.images(ImageQuery(with_past=True)))) == 3
        assert [found.file for found in store.findings(FindingQuery())] == [release(3).path]
        assert len(list(store.findings(FindingQuery(with_past=True)))) == 3
        assert [found.file for found in store.findings(FindingQuery(file=release(4).path))] == [release(4).path]
        assert [row["file"] for row in store.region_counts(("file",))] == [release(3).sha256]
        assert store.annotators_of(f"{4:064x}", "ods") == ()

    def test_withdrawing_one_in_the_middle_leaves_the_newest_current(self, store: Store) -> None:
        for month in (2, 3, 4):
            put(store, release(month))
        store.withdraw(release(3).sha256, "ods", why="empty", when=WHEN)
        assert [found.superseded_by for found in store.files()] == [release(4).sha256, release(4).sha256, None]
        store.withdraw(release(4).sha256, "ods", why="empty too", when=WHEN)
        assert current(store) == ["2.json"]

    @pytest.mark.parametrize("order", [(2, 4, 3), (4, 2, 3), (3, 4, 2)], ids=str)
    def test_the_newest_of_those_that_a_withdrawn_one_had_superseded_is_current(
        self, store: Store, order: tuple[int, ...]
    ) -> None:
        for month in order:
            put(store, release(month))
        store.withdraw(release(4).sha256, "ods", why="empty", when=WHEN)
        assert current(store) == ["3.json"]

    def test_withdrawing_touches_its_own_problem_only(self, store: Store) -> None:
        for problem in ("ods", "rld"):
            put(store, release(2, problem=problem))
            put(store, release(3, problem=problem))
        store.withdraw(release(3).sha256, "rld", why="empty", when=WHEN)
        assert [found.file.problem for found in store.files(with_past=False)] == ["ods", "rld"]
        assert current(store) == ["3.json", "2.json"]

    def test_a_withdrawn_file_comes_back_when_it_is_put_again(self, store: Store) -> None:
        put(store, release(2))
        put(store, release(3))
        store.withdraw(release(3).sha256, "ods", why="empty", when=WHEN)
        put(store, release(3), replacing=True)
        assert current(store) == ["3.json"]
        found = store.find_file(release(3).sha256, "ods")
        assert found == summary(release(3))

    def test_a_withdrawn_release_supersedes_nothing_and_is_not_superseded(self, store: Store) -> None:
        put(store, release(4))
        store.withdraw(release(4).sha256, "ods", why="empty", when=WHEN)
        put(store, release(3))
        put(store, release(5))
        assert [found.superseded_by for found in store.files()] == [None, release(5).sha256, None]

    def test_only_what_is_on_record_and_holds_is_withdrawn(self, store: Store) -> None:
        put(store, release(2))
        for sha256, problem in ((release(3).sha256, "ods"), (release(2).sha256, "rld")):
            with pytest.raises(UnknownName, match="no annotation file"):
                store.withdraw(sha256, problem, why="empty", when=WHEN)
        store.withdraw(release(2).sha256, "ods", why="the wrong folder", when=WHEN)
        with pytest.raises(Refused, match=r"2026-02-03: the wrong folder.*--again"):
            store.withdraw(release(2).sha256, "ods", why="another reason", when=WHEN)
        assert [found.withdrawn for found in store.files()] == [Withdrawal(when=WHEN, why="the wrong folder")]

    def test_a_rejected_file_may_be_withdrawn_with_its_findings(self, store: Store) -> None:
        put(store, release(2), [], [finding(release(2))], accepted=False)
        store.withdraw(release(2).sha256, "ods", why="not ours", when=WHEN)
        assert list(store.files(with_past=False)) == []
        assert list(store.findings(FindingQuery())) == []

    def test_a_release_that_is_rejected_when_it_is_put_again_gives_its_place_back(self, store: Store) -> None:
        put(store, release(2))
        put(store, release(3))
        put(store, release(3), accepted=False, replacing=True)
        assert current(store) == ["2.json"]

    def test_a_release_that_is_another_annotators_when_it_is_put_again_gives_its_place_back(self, store: Store) -> None:
        put(store, release(2))
        put(store, release(3))
        put(store, release(3, annotator="AT2"), replacing=True)
        assert current(store) == ["2.json", "3.json"]

    def test_an_older_release_that_is_put_again_stays_superseded(self, store: Store) -> None:
        put(store, release(2))
        put(store, release(3))
        put(store, release(2), replacing=True)
        assert current(store) == ["3.json"]

    def test_a_copy_keeps_the_states_that_it_is_given(self, store: Store) -> None:
        given = [
            summary(release(2), superseded_by="f" * 64),
            summary(release(4), withdrawn=Withdrawal(when=WHEN, why="empty")),
            summary(release(3)),
            summary(release(1)),
        ]
        for each in given:
            with store.writing(each.file, settle=False) as writer:
                writer.finish(each)
        assert list(store.files()) == given

    def test_what_is_given_is_of_no_account_where_it_is_settled(self, store: Store) -> None:
        with store.writing(release(2)) as writer:
            writer.finish(summary(release(2), superseded_by="f" * 64, withdrawn=Withdrawal(when=WHEN, why="empty")))
        assert list(store.files()) == [summary(release(2))]

    def test_a_copy_that_replaces_stays_at_its_place(self, store: Store) -> None:
        files = [release(month, batch=f"batch {month}") for month in (2, 3, 4)]
        for file in files:
            put(store, file, [stored_image(file, f"{file.size_bytes}.jpg", content=7)])
        newer = summary(files[0], withdrawn=Withdrawal(when=WHEN, why="empty"))
        with store.writing(files[0], replace=True, settle=False) as writer:
            writer.add_images([stored_image(files[0], "new.jpg", content=7)])
            writer.finish(newer)
        assert list(store.files()) == [newer, *map(summary, files[1:])]
        everything = store.images(ImageQuery(with_past=True))
        assert [image.filename for image in everything] == ["new.jpg", "103.jpg", "104.jpg"]

    def test_an_order_that_is_not_that_of_the_images_is_kept_among_shared_ones(self, store: Store) -> None:
        files = [annotation_file(number, annotator=f"AT{number}") for number in (1, 2)]
        for file in (*files, files[0]):
            with store.writing(file, replace=True, settle=False) as writer:
                writer.add_images([stored_image(file, "a.jpg", content=7)])
                writer.finish(summary(file))
        assert [[entry.annotator for entry in entries] for entries in store.shared_images("ods")] == [["AT1", "AT2"]]
