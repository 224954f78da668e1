"""Images that are in several splits."""

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from teppr.cli.main import run
from teppr.datasets.document import SplitRecord
from teppr.datasets.leakage import leakage_of, write_leakage_page
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.tables import ImageRow
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import BadInput
from teppr.files import sha256_of
from teppr.images import encode_jpeg, encode_png, perceptual_hash, read
from teppr.testing.datasets import small_snapshot

BY_SHARES = SplitRecord(method="shares", shares={"train": 0.7, "val": 0.3})
BY_FILES = SplitRecord(method="files", files={"train": ["a"], "val": ["b"]})


def scenes(count: int, folder: Path) -> list[Path]:
    """Pictures that have nothing in common."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for i in range(count):
        coarse = np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8)
        path = folder / f"{i}.png"
        path.write_bytes(encode_png(np.kron(coarse, np.ones((20, 20, 1), np.uint8))))
        paths.append(path)
    return paths


def pressed(path: Path) -> Path:
    """The same picture with other bytes."""
    other = path.with_suffix(".jpg")
    other.write_bytes(encode_jpeg(read(path)[0], 60))
    return other


def made_of(home: Path, split: SplitRecord = BY_SHARES, **splits: list[Path]) -> Snapshot:
    rows = [
        ImageRow(
            path=str(path),
            filename=path.name,
            sha256=sha256_of(path),
            size_wh=(160, 160),
            split=name,
            regions=(),
        )
        for name, paths in splits.items()
        for path in paths
    ]
    return write_snapshot(home, Content(name="made", problem="ods", labels=("a",), rows=rows, split=split))


def test_the_same_bytes_and_what_looks_alike_are_found_with_their_twins(home: Path, tmp_path: Path) -> None:
    a, b, c, d = scenes(4, tmp_path)
    found = leakage_of(made_of(home, train=[a, b], val=[c, pressed(b)], test=[a, d]))
    exact, near = found.pairs
    assert (exact.kind, exact.bits) == ("exact", 0)
    assert (exact.image.split, exact.image.path, exact.twin.split, exact.twin.path) == ("test", a, "train", a)
    assert (near.kind, near.image.filename, near.twin.filename) == ("near", "1.jpg", "1.png")
    affected = [(row.split, row.twin_in, row.exact, row.near, row.images) for row in found.affected]
    assert affected == [("val", "train", 0, 1, 2), ("test", "train", 1, 0, 2), ("test", "val", 0, 0, 2)]
    assert found.compared == 6


def test_what_is_alike_within_one_split_is_no_leak(home: Path, tmp_path: Path) -> None:
    a, b = scenes(2, tmp_path)
    assert leakage_of(made_of(home, train=[a, pressed(a)], val=[b])).pairs == ()


def test_an_image_has_its_nearest_twin_however_many_there_are(home: Path, tmp_path: Path) -> None:
    a, b = scenes(2, tmp_path)
    found = leakage_of(made_of(home, train=[b, pressed(a), a], val=[replaced(a, tmp_path)]), 12)
    (pair,) = found.pairs
    hashes = {path: perceptual_hash(read(path)[0]) for path in (a, a.with_suffix(".jpg"))}
    mine = int(perceptual_hash(read(pair.image.path)[0]), 16)
    assert pair.bits == min((int(text, 16) ^ mine).bit_count() for text in hashes.values())


def replaced(path: Path, folder: Path) -> Path:
    """A picture that is a little different."""
    pixels = read(path)[0].copy()
    pixels[:20, :20] //= 2
    other = folder / "changed.png"
    other.write_bytes(encode_png(pixels))
    return other


@pytest.mark.parametrize("within_bits", [0, 6, 12])
def test_twins_are_those_that_trying_all_pairs_gives(home: Path, within_bits: int) -> None:
    snapshot = small_snapshot(home, images=60, image_size_px=64)
    found = leakage_of(snapshot, within_bits, workers=2)
    told = {(pair.image.split, pair.image.filename, pair.twin.split): pair.bits for pair in found.pairs}

    hashes = {
        split: {image.filename: int(perceptual_hash(read(image.path)[0]), 16) for image in snapshot.images(split)}
        for split in snapshot.splits
    }
    expected = {}
    for first, second in combinations(snapshot.splits, 2):
        for name, mine in hashes[second].items():
            nearest = min((mine ^ other).bit_count() for other in hashes[first].values())
            if nearest <= within_bits:
                expected[second, name, first] = nearest
    assert told == expected
    assert within_bits < 12 or expected


def test_images_that_cannot_be_opened_are_told_and_compared_by_their_bytes(home: Path, tmp_path: Path) -> None:
    a, b = scenes(2, tmp_path)
    snapshot = made_of(home, train=[a], val=[b, a])
    a.unlink()
    found = leakage_of(snapshot)
    assert [pair.kind for pair in found.pairs] == ["exact"]
    assert found.compared == 1
    assert [str(a) in sentence for sentence in found.unreadable] == [True, True]
    assert str(a) in write_leakage_page(found, tmp_path / "out").read_text()


def test_how_to_mend_it_depends_on_who_split(home: Path, tmp_path: Path) -> None:
    (a,) = scenes(1, tmp_path)
    by_shares = leakage_of(made_of(home, train=[a], val=[pressed(a)]), 4)
    words = "teppr dataset create made --problem ods --split 70/30 --near-duplicates 4"
    assert by_shares.mend.endswith(words)
    by_files = leakage_of(made_of(home / "other", BY_FILES, train=[a], val=[pressed(a)]))
    assert "--assign" in by_files.mend


def test_a_distance_at_which_all_look_alike_is_refused(home: Path) -> None:
    with pytest.raises(BadInput, match="0 to 12 of 64 bits, got 13"):
        leakage_of(small_snapshot(home), 13)


def test_the_page_shows_pairs_side_by_side_and_needs_nothing_beside_it(home: Path, tmp_path: Path) -> None:
    a, b = scenes(2, tmp_path)
    found = leakage_of(made_of(home, train=[a, b], val=[pressed(a), b]))
    text = write_leakage_page(found, tmp_path / "out").read_text()
    assert len(re.findall(r'<img src="data:image/jpeg;base64,', text)) == 4
    assert "same bytes" in text
    assert "near-duplicates 6" in text
    none = write_leakage_page(replace(found, pairs=()), tmp_path / "none").read_text()
    assert "There are none." in none


def test_the_command_ends_with_1_where_there_is_any(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = scenes(2, tmp_path)
    made_of(home, train=[a], val=[pressed(a), b])
    assert run(["--home", str(home), "dataset", "leakage", "made"]) == 1
    told = capsys.readouterr().out
    assert "val: 1 of 2 images (50.0%) have a twin in train" in told
    assert "--near-duplicates 6" in told
    assert run(["--home", str(home), "dataset", "leakage", "made", "--json"]) == 1
    (pair,) = json.loads(capsys.readouterr().out)["pairs"]
    assert (pair["kind"], pair["image"]["filename"], pair["twin"]["filename"]) == ("near", "0.jpg", "0.png")


def test_the_command_ends_with_0_where_there_is_none(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = scenes(2, tmp_path)
    made_of(home, train=[a], val=[b])
    assert run(["--home", str(home), "dataset", "leakage", "made", "--html", str(tmp_path / "out"), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["mend"] is None
    assert str(tmp_path / "out" / "leakage.html") in told.err
