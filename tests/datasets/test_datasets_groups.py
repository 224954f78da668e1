"""What images have in common, and that it is not torn apart."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.datasets.groups import Grouping, groups_of
from teppr.datasets.unite import SelectedImage
from teppr.errors import BadInput, UnknownName


def image(
    path: str, *attributes: Mapping[str, object], batches: tuple[str, ...] = (), annotators: tuple[str, ...] = ()
) -> SelectedImage:
    return SelectedImage(
        path=f"/images/{path}",
        filename=path.rpartition("/")[2],
        sha256=path,
        size_wh=(10, 10),
        regions=(),
        annotators=annotators,
        batches=batches,
        files=("file",),
        attributes=attributes,
    )


def grouped(by: str, *images: SelectedImage) -> list[int]:
    return list(map(int, groups_of(images, Grouping(by=by)).group_of_image))


def test_images_are_groups_of_their_own() -> None:
    assert grouped("image", image("a.jpg"), image("b.jpg")) == [0, 1]


def test_frames_of_a_video_are_told_by_folder_and_file_name() -> None:
    frames = [
        "x/drive_000001.jpg",
        "x/drive_000250.jpg",
        "y/drive_000001.jpg",
        "x/other-7.png",
        "x/drive.jpg",
        "x/8.png",
    ]

    groups = groups_of([image(path) for path in [*frames, "x/9.png"]], Grouping(by="video"))

    assert groups.group_of_image.tolist() == [0, 0, 1, 2, 3, 4, 4]
    assert groups.alone == 1  # drive.jpg


def test_a_video_that_is_named_goes_before_file_names() -> None:
    one, two = {"video": "monday"}, {"video": "tuesday"}

    images = [image("a_1.jpg", one), image("b_1.jpg", one), image("a_2.jpg", two), image("a_3.jpg"), image("a_4.jpg")]

    assert grouped("video", *images) == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("by", ["place", "field:place"])
def test_any_attribute_of_images_makes_groups(by: str) -> None:
    places: list[Mapping[str, object]] = [
        {"place": "yard"},
        {"place": "hall"},
        {"place": " yard "},
        {"place": ""},
        {},
        {"place": None},
    ]

    groups = groups_of([image(f"{i}.jpg", place) for i, place in enumerate(places)], Grouping(by=by))

    assert groups.group_of_image.tolist() == [0, 1, 0, 2, 3, 4]
    assert groups.alone == 3


def test_an_attribute_may_have_the_name_of_something_else() -> None:
    images = [image(f"{i}.jpg", {"batch": "x"}, batches=(f"b{i}",)) for i in range(2)]

    assert grouped("batch", *images) == [0, 1]
    assert grouped("field:batch", *images) == [0, 0]


def test_an_image_of_which_two_files_say_different_things_joins_both_groups() -> None:
    images = [image("1", {"place": "a"}), image("2", {"place": "b"}), image("3", {"place": "a"}, {"place": "b"})]

    assert grouped("place", *images) == [0, 0, 0]


def test_all_that_an_annotator_did_stays_together() -> None:
    images = [image("1", annotators=("AT1",)), image("2", annotators=("AT2",)), image("3", annotators=("AT1",))]

    assert grouped("annotator", *images) == [0, 1, 0]


def test_an_attribute_that_no_image_has_is_told_with_those_there_are() -> None:
    images = [image("1", {"weather": "rain", "place": "yard"})]

    with pytest.raises(
        UnknownName, match=r"no attribute of images to group by 'wether'; did you mean 'weather'"
    ) as told:
        grouped("wether", *images)
    assert "annotator, batch, folder, image, place, video, weather" in str(told.value)


@pytest.mark.parametrize(
    ("by", "says"),
    [("batch", "a known batch; none"), ("annotator", "a known annotator; none"), ("video", "a number at the end")],
)
def test_groups_of_what_nothing_is_known_are_refused(by: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        grouped(by, image("a.jpg"), image("b.jpg"))


@given(places=st.lists(st.lists(st.sampled_from("abcdef"), max_size=2), min_size=1, max_size=12).filter(any))
def test_what_has_something_in_common_is_in_one_group_and_nothing_else_is(places: list[list[str]]) -> None:
    images = [image(f"{i}.jpg", *({"place": place} for place in own)) for i, own in enumerate(places)]

    groups = grouped("place", *images)

    reached: list[set[object]] = [{*own} or {i} for i, own in enumerate(places)]
    for _ in places:
        reached = [set().union(*(other for other in reached if other & own)) for own in reached]
    expected = [next(j for j, other in enumerate(reached) if other == own) for own in reached]
    assert [groups.index(group) for group in groups] == expected


@pytest.mark.parametrize(
    ("grouping", "text"),
    [
        (Grouping(), "image"),
        (Grouping(by="video", near_duplicates=6), "video and near-duplicates within 6 bits"),
        (Grouping(by="field:batch"), "field:batch"),
    ],
)
def test_a_grouping_is_read_back_from_its_text(grouping: Grouping, text: str) -> None:
    assert str(grouping) == text
    assert Grouping.parse(text) == grouping
