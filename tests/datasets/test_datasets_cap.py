"""Caps on frequent labels and on the background, whatever images show."""

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from teppr.datasets.cap import Cap, capped, max_background_of
from teppr.datasets.tables import RegionRow
from teppr.datasets.unite import SelectedImage
from teppr.types import Rect


def image(number: int, labels: Iterable[str]) -> SelectedImage:
    box = Rect(0, 0, 1, 1)
    return SelectedImage(
        path="",
        filename=f"{number}.jpg",
        sha256=sha256(str(number).encode()).hexdigest(),
        size_wh=(9, 9),
        regions=tuple(RegionRow(shape=box, label=label, box_xywh_px=(0, 0, 1, 1), area_px=1) for label in labels),
        annotators=(),
        batches=(),
        files=(),
    )


SCENES = st.lists(st.frozensets(st.sampled_from("abcd")), max_size=40).map(
    lambda scenes: [image(number, sorted(labels)) for number, labels in enumerate(scenes)]
)


def counted(images: Iterable[SelectedImage]) -> Counter[str]:
    return Counter(label for image in images for label in {region.label for region in image.regions})


@given(SCENES, st.integers(1, 8), st.integers(0, 3))
def test_no_label_falls_below_its_cap_and_none_could_be_nearer(
    images: list[SelectedImage], most: int, seed: int
) -> None:
    kept, left_out = capped(images, Cap(max_per_label=most, seed=seed))

    before, after = counted(images), counted(kept)
    assert all(after[label] >= min(before[label], most) for label in before)
    # Whatever is above its cap cannot go: each of its images shows a label that is not.
    assert not any(image.regions and all(after[region.label] > most for region in image.regions) for image in kept)
    assert left_out["images left out by --max-per-label"] == len(images) - len(kept)
    assert [each for each in images if each in kept] == kept


@given(SCENES, st.fractions(0, Fraction(99, 100)) | st.integers(0, 50))
def test_background_is_at_most_what_is_asked_and_nothing_else_goes(
    images: list[SelectedImage], most: int | Fraction
) -> None:
    kept, _ = capped(images, Cap(max_background=most))

    bare = sum(not each.regions for each in kept)
    there = sum(not each.regions for each in images)
    assert len(kept) - bare == len(images) - there
    if isinstance(most, int):
        assert bare == min(there, most)
    else:
        assert bare <= most * len(kept)
        assert bare == there or bare + 1 > most * (len(kept) + 1)


@given(SCENES, st.permutations(range(40)))
def test_the_order_of_images_does_not_matter(images: list[SelectedImage], order: list[int]) -> None:
    cap = Cap(max_per_label=2, max_background=1, seed=5)
    mixed = [images[i] for i in order if i < len(images)]

    assert {each.sha256 for each in capped(images, cap)[0]} == {each.sha256 for each in capped(mixed, cap)[0]}


def test_numbers_and_shares_of_background_are_told_apart() -> None:
    given_texts = ("0", "500", "0.1", "10%", "2.5%", ".5")

    assert [max_background_of(text) for text in given_texts] == [
        0,
        500,
        Fraction(1, 10),
        Fraction(1, 10),
        Fraction(1, 40),
        Fraction(1, 2),
    ]
    assert isinstance(max_background_of("0.0"), Fraction)
