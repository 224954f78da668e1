"""A version that goes on from an older one: nothing that was assigned moves, and what cannot go on is refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from teppr.datasets.create import CreateOptions, create
from teppr.datasets.document import SplitRecord
from teppr.datasets.select import SelectOptions
from teppr.datasets.snapshot import Snapshot
from teppr.errors import BadInput, Refused, SplitRefused, UnknownName
from teppr.store.contract import Store, StoredImage
from teppr.testing.datasets import HALVES, put_file, stored_image
from teppr.types import Rect

BOX = Rect(1, 1, 2, 2)


def doors(*names: object) -> list[StoredImage]:
    return [stored_image(str(name), ("door", BOX)) for name in names]


def made(store: Store, home: Path, options: CreateOptions) -> Snapshot:
    return create(store, home, "set", "ods", options)


def splits_of(snapshot: Snapshot) -> dict[str, str]:
    return {image.filename: split for split in snapshot.splits for image in snapshot.images(split)}


@pytest.mark.parametrize("seed", range(3))
def test_old_images_stay_and_new_ones_bring_the_shares_back(store: Store, home: Path, seed: int) -> None:
    put_file(store, "a.json", doors(*range(40)))
    first = made(store, home, CreateOptions(shares={"train": 7, "val": 2, "test": 1}))
    put_file(store, "b.json", doors(*range(40, 100)))

    second = made(store, home, CreateOptions(extend=first.version, seed=seed))

    assert splits_of(first).items() <= splits_of(second).items()
    assert [second.document.splits[split].images for split in second.splits] == [70, 20, 10]
    record = second.document.split
    assert (record.extends, record.shares) == (first.reference, first.document.split.shares)
    assert second.version == made(store, home, CreateOptions(extend=first.reference, seed=seed)).version


def test_extending_by_nothing_is_the_same_split(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*range(20)))
    first = made(store, home, CreateOptions())

    assert splits_of(made(store, home, CreateOptions(extend="set"))) == splits_of(first)


def test_a_new_label_gets_into_every_split(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*range(20)))
    first = made(store, home, CreateOptions())
    put_file(store, "b.json", [stored_image(f"h{i}", ("hood", BOX)) for i in range(3)])

    second = made(store, home, CreateOptions(extend=first.reference))

    assert all(table.per_label["hood"].images == 1 for table in second.document.splits.values())
    assert splits_of(first).items() <= splits_of(second).items()


def test_a_label_that_only_old_images_have_is_refused_because_they_stay(store: Store, home: Path) -> None:
    put_file(store, "a.json", [*doors(*range(6)), stored_image("h1", ("hood", BOX)), stored_image("h2", ("hood", BOX))])
    first = made(store, home, CreateOptions(shares={"train": 1}))

    with pytest.raises(SplitRefused, match="the kept assignment is the reason"):
        made(store, home, CreateOptions(extend=first.reference, shares=HALVES))

    made(store, home, CreateOptions(shares=HALVES))


def test_an_image_that_is_drawn_anew_stays_where_it_was(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*range(10)))
    first = made(store, home, CreateOptions(shares=HALVES))
    put_file(store, "b.json", [stored_image("3#again", ("hood", BOX))])
    put_file(store, "c.json", [stored_image("new", ("hood", BOX))])

    second = made(store, home, CreateOptions(extend=first.reference))

    by_content = {image.sha256: split for split in first.splits for image in first.images(split)}
    again = {image.sha256: split for split in second.splits for image in second.images(split)}
    assert by_content.items() <= again.items()


def test_a_frame_more_goes_where_its_video_is_though_nobody_says_so_again(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*(f"clip{clip}_{i:03}" for clip in "abcd" for i in range(3))))
    first = made(store, home, CreateOptions(shares=HALVES, by="video"))
    put_file(store, "b.json", doors(*(f"clip{clip}_{i:03}" for clip in "abcde" for i in range(3, 6))))

    second = made(store, home, CreateOptions(extend=first.reference))

    places = splits_of(second)
    assert len({places[f"clipa_{i:03}.jpg"] for i in range(6)}) == 1
    assert len({places[f"clipe_{i:03}.jpg"] for i in range(3, 6)}) == 1
    assert second.document.split.group_by == "video"


def test_images_of_two_splits_that_belong_together_now_are_refused(store: Store, home: Path) -> None:
    put_file(store, "a.json", [replace(image, attributes={"place": "yard"}) for image in doors(1, 2, 3, 4)])
    first = made(store, home, CreateOptions(shares=HALVES))

    with pytest.raises(
        Refused, match=r"1 group\(s\) of set@\w+ would be in several: '\d.jpg' in \w+ and '\d.jpg' in"
    ) as told:
        made(store, home, CreateOptions(extend=first.reference, by="place"))

    assert "split all images anew without --extend" in str(told.value)
    assert "train" in str(told.value)
    assert "val" in str(told.value)


def test_a_new_image_like_two_old_ones_of_different_splits_is_refused(store: Store, home: Path) -> None:
    hashes = ["00000000000000ff", "0000000000000000"]
    put_file(
        store, "a.json", [replace(image, perceptual_hash=text) for image, text in zip(doors(1, 2), hashes, strict=True)]
    )
    first = made(store, home, CreateOptions(shares=HALVES, near_duplicates=4))
    put_file(store, "b.json", [replace(*doors(3), perceptual_hash="000000000000000f")])

    with pytest.raises(Refused, match="belong together now"):
        made(store, home, CreateOptions(extend=first.reference))


def test_what_is_not_taken_any_more_is_counted(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*range(10)))
    first = made(store, home, CreateOptions(shares=HALVES))
    second = made(store, home, CreateOptions(extend=first.reference, select=SelectOptions(where="filename!=3.jpg")))

    assert second.document.left_out[f"images of {first.reference} that are not taken any more"] == 1
    assert splits_of(second).items() <= splits_of(first).items()


def test_a_split_more_is_filled_from_new_images(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*range(10)))
    first = made(store, home, CreateOptions(shares=HALVES))
    put_file(store, "b.json", doors(*range(10, 15)))

    second = made(store, home, CreateOptions(extend=first.reference, shares={"train": 1, "val": 1, "holdout": 1}))

    assert second.document.splits["holdout"].images == 5


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (CreateOptions(extend="other"), UnknownName, "no dataset 'other'"),
        (CreateOptions(extend="set", shares={"a": 1, "b": 1}), BadInput, "train, val is not among a, b"),
        (CreateOptions(extend="set", assign={"train": ("a.json",)}), BadInput, "--extend is for the splitter"),
        (CreateOptions(by="video", assign={"train": ("a.json",)}), BadInput, "--by is for the splitter"),
    ],
)
def test_what_cannot_be_extended_is_told(
    store: Store, home: Path, options: CreateOptions, error: type[Exception], says: str
) -> None:
    put_file(store, "a.json", doors(*range(10)))
    made(store, home, CreateOptions(shares=HALVES))

    with pytest.raises(error, match=says):
        made(store, home, options)


def test_a_version_split_by_files_is_extended_by_shares_that_are_given(store: Store, home: Path) -> None:
    put_file(store, "a.json", doors(*range(5)))
    put_file(store, "b.json", doors(*range(5, 10)))
    first = made(store, home, CreateOptions(assign={"train": ("a.json",), "val": ("b.json",)}))

    with pytest.raises(BadInput, match=r"was not split by shares: say the shares of all its images with --split"):
        made(store, home, CreateOptions(extend=first.reference))
    second = made(store, home, CreateOptions(extend=first.reference, shares=HALVES))

    assert splits_of(second) == splits_of(first)


def test_a_record_that_extends_nothing_is_written_as_ever() -> None:
    assert set(SplitRecord(method="shares").model_dump()) == {
        "method",
        "shares",
        "files",
        "seed",
        "group_by",
        "allow_missing",
    }
    assert SplitRecord(method="shares", extends="a@1", alone=2).model_dump()["alone"] == 2
