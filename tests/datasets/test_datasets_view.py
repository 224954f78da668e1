"""Contact sheets of datasets."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from teppr.cli.main import run
from teppr.colors import rgb_of
from teppr.datasets.document import SplitRecord
from teppr.datasets.tables import ImageRow, RegionRow
from teppr.datasets.view import ViewOptions, look_at, write_view
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import BadInput, UnknownName
from teppr.images import decode, read
from teppr.testing.datasets import small_snapshot
from teppr.types import WholeImage


def test_the_images_of_the_split_and_close_ups_of_each_label_are_shown(home: Path) -> None:
    snapshot = small_snapshot(home, images=20)
    view = look_at(snapshot, ViewOptions(count=5, crops=3))

    train = snapshot.images("train")
    assert (view.images, len(view.pictures)) == (len(train), 5)
    assert view.regions == sum(len(image.label_ids) for image in train)
    assert [seen.label.name for seen in view.labels] == ["circle", "square", "triangle"]
    for i, seen in enumerate(view.labels):
        assert seen.regions == sum((image.label_ids == i).sum() for image in train)
        assert len(seen.crops) == 3
    assert view.unreadable == ()


def test_images_are_chosen_evenly_or_by_a_seed_and_always_the_same(home: Path) -> None:
    snapshot = small_snapshot(home, images=30)
    names = [image.filename for image in snapshot.images("train")]

    def chosen(seed: int | None) -> list[str]:
        view = look_at(snapshot, ViewOptions(count=6, crops=2, seed=seed), workers=2)
        return [picture.name for picture in view.pictures]

    evenly = chosen(None)
    assert evenly == [names[i] for i in np.linspace(0, len(names) - 1, 6).round().astype(int)]
    assert chosen(None) == evenly
    assert chosen(3) == chosen(3) == sorted(chosen(3))
    assert len({tuple(chosen(seed)) for seed in range(5)}) > 1


def test_a_close_up_shows_its_own_region_outlined_in_the_labels_colour(home: Path) -> None:
    snapshot = small_snapshot(home, images=5, image_size_px=256)
    view = look_at(snapshot, ViewOptions(crops=1))
    for seen in view.labels:
        (crop,) = seen.crops
        pixels = decode(crop.jpeg, name=crop.name)[0].astype(int)
        near = np.abs(pixels - rgb_of(seen.label.color)).max(axis=2) < 90
        assert near.any()
        width, height = map(int, re.findall(r"\d+", crop.said))
        assert 0 < width < 256
        assert 0 < height < 256


def test_one_label_is_looked_at_alone(home: Path) -> None:
    snapshot = small_snapshot(home, images=20)
    view = look_at(snapshot, ViewOptions(labels=("square",)))
    with_square = [image.filename for image in snapshot.images("train") if 1 in image.label_ids]
    assert [picture.name for picture in view.pictures] == with_square
    assert [seen.label.name for seen in view.labels] == ["square"]
    assert view.labels[0].images == view.images == len(with_square)


def test_page_and_sheets_need_nothing_beside_them(home: Path, tmp_path: Path) -> None:
    view = look_at(small_snapshot(home, images=40), ViewOptions(count=20, crops=4))
    page, *sheets = write_view(view, tmp_path / "out")
    text = page.read_text()
    assert text.count("<img src=") == text.count('src="data:image/jpeg;base64,') == 20 + 3 * 4
    assert "http" not in re.sub(r"data:[^\"]*", "", text)
    assert [sheet.name for sheet in sheets] == [
        "train-images-1.png",
        "train-images-2.png",
        "train-001-circle-1.png",
        "train-002-square-1.png",
        "train-003-triangle-1.png",
    ]
    assert all(read(sheet)[1].format == "PNG" for sheet in sheets)


def test_labels_of_whole_images_are_shown_by_the_images(home: Path) -> None:
    small_snapshot(home)
    image = next((home / "pictures").rglob("*.png"))
    row = ImageRow(
        path=str(image),
        filename=image.name,
        sha256="0" * 64,
        size_wh=(128, 96),
        split="train",
        regions=(RegionRow(shape=WholeImage(), label="day", box_xywh_px=(0, 0, 0, 0), area_px=0),),
    )
    record = SplitRecord(method="files", files={"train": ["a"]})
    made = write_snapshot(home, Content(name="days", problem="cls", labels=("day",), rows=[row], split=record))
    view = look_at(made)
    assert [crop.said for crop in view.labels[0].crops] == ["whole image"]
    assert view.pictures[0].said == "1 region, 128 x 96 px"


def test_an_image_that_cannot_be_read_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = small_snapshot(home)
    lost = snapshot.images("train")[1].path
    lost.unlink()
    out = home / "out"
    assert run(["--home", str(home), "dataset", "view", "shapes", "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 5
    assert str(lost) in told["unreadable"][0]
    assert str(lost) in (out / "index.html").read_text()


def test_of_many_images_that_cannot_be_read_the_first_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *others = small_snapshot(home, images=25).images("train")
    for image in others:
        image.path.write_bytes(b"no picture")
    out = home / "out"
    assert run(["--home", str(home), "dataset", "view", "shapes", "--out", str(out)]) == 0
    told = capsys.readouterr()
    notes = [line for line in told.err.splitlines() if line.startswith("not shown: ")]
    assert [str(image.path) in line for image, line in zip(others[:10], notes, strict=False)] == [True] * 10
    assert notes[10:] == ["not shown: 4 more"]
    assert told.out.startswith("1 of 15 images")
    assert first.filename in (out / "index.html").read_text()


@pytest.mark.parametrize("mode", [[], ["--json"]], ids=["people", "machines"])
def test_images_that_were_moved_are_refused_with_what_mends_it(
    home: Path, mode: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    snapshot = small_snapshot(home)
    (home / "pictures").rename(home / "elsewhere")
    out = home / "out"
    assert run(["--home", str(home), "dataset", "view", "shapes", "--out", str(out), *mode]) == 2
    told = capsys.readouterr()
    lost = snapshot.images("train")[0].path
    assert f"none of the 6 images can be read; the first: cannot read {lost}: No such file" in told.err
    assert "teppr annotations ingest FILE --again" in told.err
    assert "page" not in told.out
    assert not out.exists()


def test_close_ups_are_shown_where_no_image_can_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snapshot = small_snapshot(home)
    snapshot.images("train")[0].path.unlink()
    options = ["--count", "1", "--out", str(home / "out")]
    assert run(["--home", str(home), "dataset", "view", "shapes", *options]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("0 of 6 images")
    assert "not shown: cannot read" in told.err


def test_what_is_not_there_is_refused_with_what_is(home: Path) -> None:
    snapshot = small_snapshot(home)
    with pytest.raises(UnknownName, match=r"no label of shapes@\w+ 'cat'; known: circle, square, triangle"):
        look_at(snapshot, ViewOptions(labels=("cat",)))
    with pytest.raises(UnknownName, match="known: test, train, val"):
        look_at(snapshot, ViewOptions(split="night"))
    with pytest.raises(BadInput, match="got 0 images"):
        look_at(snapshot, ViewOptions(count=0))


def test_the_command_says_where_the_page_is(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_snapshot(home)
    monkeypatch.chdir(tmp_path)
    assert run(["--home", str(home), "dataset", "view", "shapes", "--split", "val", "--label", "circle"]) == 0
    assert "page: view-shapes-val/index.html" in capsys.readouterr().out
    assert (tmp_path / "view-shapes-val" / "index.html").is_file()
