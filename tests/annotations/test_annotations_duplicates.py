"""Images that are there several times."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from teppr.annotations.duplicates import COLUMNS, duplicates_of, write_csv, write_page
from teppr.annotations.images import Checked, check_image
from teppr.annotations.report import IngestReport
from teppr.cli.main import run
from teppr.errors import BadInput
from teppr.images import encode_jpeg, perceptual_hash, read
from teppr.scenes.street import scene
from teppr.store import ImageQuery, Store
from teppr.testing.deliveries import Delivery, rect

Take = Callable[..., IngestReport]


@pytest.fixture
def street(delivery: Delivery) -> Path:
    """Two scenes; of the first a copy, and one that is smaller and saved anew."""
    random = np.random.default_rng(7)
    first, second = (scene(random).pixels for _ in range(2))
    delivery.folder.mkdir()
    (delivery.folder / "a.jpg").write_bytes(encode_jpeg(first))
    (delivery.folder / "copy.jpg").write_bytes(encode_jpeg(first))
    smaller = np.asarray(cv2.resize(first, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), np.uint8)
    (delivery.folder / "small.jpg").write_bytes(encode_jpeg(smaller, quality=60))
    (delivery.folder / "other.jpg").write_bytes(encode_jpeg(second))
    return delivery.via({name: [rect()] for name in ("a.jpg", "copy.jpg", "small.jpg", "other.jpg")})


def test_a_checked_image_has_its_hash_and_keeps_it_on_record(street: Path, take: Take, store: Store) -> None:
    take(street)
    path = street.with_name("a.jpg")
    verdict = check_image(path)
    assert isinstance(verdict, Checked)
    assert verdict.perceptual_hash == perceptual_hash(read(path)[0])
    first = next(store.images(ImageQuery()))
    assert (first.filename, first.perceptual_hash) == ("a.jpg", verdict.perceptual_hash)


def test_copies_and_what_looks_alike_come_together(street: Path, take: Take, store: Store) -> None:
    take(street)
    found = duplicates_of(store, "ods")
    assert found.images == 3
    (group,) = found.groups
    assert (group.kind, group.paths) == ("near", 3)
    names = [sorted(Path(path).name for path in image.paths) for image in group.images]
    assert sorted(names) == [["a.jpg", "copy.jpg"], ["small.jpg"]]
    assert group.images[0].bits == 0
    assert max(image.bits for image in group.images) <= 6
    assert duplicates_of(store, "rld").images == 0


def test_copies_alone_are_exact(delivery: Delivery, take: Take, store: Store) -> None:
    content = delivery.image("a.png").read_bytes()
    (delivery.folder / "b.png").write_bytes(content)
    delivery.image("c.png")
    take(delivery.via({name: [] for name in ("a.png", "b.png", "c.png")}))
    (group,) = duplicates_of(store).groups
    assert (group.kind, group.paths) == ("exact", 2)


def test_images_that_were_not_opened_are_not_compared(street: Path, take: Take, store: Store) -> None:
    take(street, open_images=False)
    assert duplicates_of(store).as_dict() == {"within": 6, "images": 0, "groups": []}


def test_another_distance_is_refused(store: Store) -> None:
    with pytest.raises(BadInput, match="0 to 12 of 64 bits, got 40"):
        duplicates_of(store, within_bits=40)


def test_tables_and_pages_show_every_file(street: Path, take: Take, store: Store, tmp_path: Path) -> None:
    take(street)
    found = duplicates_of(store)
    assert write_csv(found, tmp_path / "d.csv") == 3
    with (tmp_path / "d.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert {Path(row["path"]).name for row in rows} == {"a.jpg", "copy.jpg", "small.jpg"}
    page = write_page(found, tmp_path / "d.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg") == 2
    assert "Look alike: 3 files" in page


def test_the_command_prints_groups(street: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--home", str(home), "annotations", "ingest", str(street)]) == 0
    capsys.readouterr()
    html, table = street.with_name("d.html"), street.with_name("d.csv")
    words = ["--home", str(home), "annotations", "duplicates"]
    assert run([*words, "--html", str(html), "--csv", str(table)]) == 0
    assert "1 groups among 3 images" in capsys.readouterr().out
    assert html.is_file()
    assert table.is_file()
    assert run([*words, "--json", "--within", "0"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["within"], result["images"]) == (0, 3)
    (group,) = result["groups"]
    assert {Path(path).name for image in group["images"] for path in image["paths"]} >= {"a.jpg", "copy.jpg"}
