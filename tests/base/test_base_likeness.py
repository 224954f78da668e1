"""Images that look alike: the hash, and groups of hashes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.errors import BadInput
from teppr.images import decode as decode_image
from teppr.images import encode_jpeg, perceptual_hash
from teppr.likeness import MOST_BITS, distinct_hashes, groups_alike, near_pairs
from teppr.scenes.street import scene

hashes = st.integers(0, 2**64 - 1)
flips = st.lists(st.integers(0, 63), max_size=8)


def differing_bits(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def by_trying_all(texts: list[str], within: int) -> list[int]:
    group = list(range(len(texts)))
    for i, one in enumerate(texts):
        for j, other in enumerate(texts[:i]):
            if differing_bits(one, other) <= within:
                low, high = sorted((group[i], group[j]))
                group = [low if member == high else member for member in group]
    numbers: dict[int, int] = {}
    return [numbers.setdefault(member, len(numbers)) for member in group]


@given(
    seeds=st.lists(hashes, min_size=1, max_size=4),
    changes=st.lists(st.tuples(st.integers(0, 3), flips), max_size=12),
    within=st.integers(0, MOST_BITS),
)
@settings(deadline=None)
def test_groups_are_those_that_trying_all_pairs_gives(
    seeds: list[int], changes: list[tuple[int, list[int]]], within: int
) -> None:
    values = list(seeds)
    for which, bits in changes:
        values.append(values[which % len(values)] ^ sum(1 << bit for bit in set(bits)))
    texts = [f"{value:016x}" for value in values]
    assert groups_alike(texts, within).tolist() == by_trying_all(texts, within)


@given(
    seeds=st.lists(hashes, min_size=1, max_size=3),
    changes=st.lists(flips, max_size=8),
    within=st.integers(0, MOST_BITS),
)
@settings(deadline=None)
def test_pairs_are_those_that_trying_all_gives_with_their_bits(
    seeds: list[int], changes: list[list[int]], within: int
) -> None:
    values = seeds + [seeds[0] ^ sum(1 << bit for bit in set(bits)) for bits in changes]
    distinct, place = distinct_hashes(f"{value:016x}" for value in values)
    assert distinct[place].tolist() == values
    found = {
        (min(one, other), max(one, other), bits)
        for rows in near_pairs(distinct, within)
        for one, other, bits in zip(*(row.tolist() for row in rows), strict=True)
    }
    plain = distinct.tolist()
    bits_of = {(i, j): (plain[i] ^ plain[j]).bit_count() for j in range(len(plain)) for i in range(j)}
    assert found == {(i, j, bits) for (i, j), bits in bits_of.items() if bits <= within}


def test_a_chain_of_likeness_is_one_group() -> None:
    texts = [f"{(1 << 6 * i) - 1:016x}" for i in range(8)]
    assert differing_bits(texts[0], texts[-1]) == 42
    assert groups_alike(texts, 6).tolist() == [0] * 8
    assert groups_alike(texts, 5).tolist() == list(range(8))


def test_no_images_make_no_groups() -> None:
    assert groups_alike([]).tolist() == []


@pytest.mark.parametrize("within", [-1, MOST_BITS + 1])
def test_other_distances_are_refused(within: int) -> None:
    with pytest.raises(BadInput, match="near-duplicates differ in 0 to"):
        groups_alike(["0" * 16], within)


def test_an_image_keeps_its_hash_when_it_is_saved_anew() -> None:
    pixels = scene(np.random.default_rng(7)).pixels
    first = perceptual_hash(pixels)
    assert len(first) == 16
    worse, _ = decode_image(encode_jpeg(pixels, quality=40), name="worse")
    smaller = np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
    darker = (pixels * 0.8).astype(np.uint8)
    for changed in (worse, smaller, darker):
        assert differing_bits(first, perceptual_hash(changed)) <= 6


def test_other_images_have_other_hashes() -> None:
    random = np.random.default_rng(7)
    pictures = [random.integers(0, 255, (60, 80, 3), np.uint8) for _ in range(20)]
    found = [perceptual_hash(pixels) for pixels in pictures]
    assert groups_alike(found, 6).tolist() == list(range(20))


def test_images_of_one_colour_and_of_one_pixel_have_a_hash() -> None:
    for shape in ((1, 1, 3), (7, 300, 3)):
        assert perceptual_hash(np.full(shape, 90, np.uint8)) == "8000000000000000"
