"""Prediction on files: all are answered or refused by name, and what is written reads back."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from teppr import images
from teppr.cli.main import run as teppr
from teppr.errors import AlreadyThere, BadImage, BadInput, UnknownName
from teppr.formats import FORMATS, ReadOptions
from teppr.geometry import area, box_xywh
from teppr.images import encode_png
from teppr.metrics.detection import evaluate_files
from teppr.testing.bundles import colored_picture, small_bundle
from teppr.types import ImageRecord, Polygon, Region
from teppr.workflow.inputs import Picture, find_pictures
from teppr.workflow.model import Predictor, open_model
from teppr.workflow.predict import predict_files
from teppr.workflow.prediction_files import saves_of

PATCHES = {
    "a.png": {"stop": (20, 30, 50, 60), "wait": (200, 100, 40, 30)},
    "deep/b.png": {"go": (100, 100, 90, 50)},
    "empty.png": {},
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return small_bundle(tmp_path / "bundle").path


@pytest.fixture
def predictor(home: Path, bundle: Path) -> Predictor:
    return open_model(home, str(bundle))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, patches in PATCHES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(colored_picture(patches)))
    return folder


def test_every_image_of_a_folder_is_answered(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    done = predict_files(predictor, find_pictures([str(photos)]), tmp_path / "out")
    assert (done.images, done.regions, done.refused, done.exit_code) == (3, 3, (), 0)
    assert done.per_label == {"stop": 1, "wait": 1, "go": 1}
    assert done.files.keys() == {"overlay", "via", "coco", "jsonl"}


def test_the_via_file_reads_back_as_annotations(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    done = predict_files(predictor, find_pictures([str(photos)]), tmp_path / "out")
    path = Path(done.files["via"])
    assert FORMATS.load("via").sniff(path)
    records = list(FORMATS.load("via").read(path, ReadOptions(label_attribute="label")).records)
    found = {}
    for record in records:
        assert isinstance(record, ImageRecord)
        assert record.size_bytes == (photos / record.filename).stat().st_size
        for region in record.regions:
            assert isinstance(region, Region)
            assert isinstance(region.shape, Polygon)
            assert region.attributes["score"] == 1.0
            found[record.filename, region.label] = region.shape
    assert found.keys() == {("a.png", "stop"), ("a.png", "wait"), ("deep/b.png", "go")}
    shape = found["a.png", "stop"]
    np.testing.assert_allclose(box_xywh(shape), PATCHES["a.png"]["stop"], atol=0.6)
    assert area(shape) == pytest.approx(50 * 60, rel=0.03)


def test_the_coco_file_loads_in_pycocotools_and_can_be_measured(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    done = predict_files(predictor, find_pictures([str(photos)]), tmp_path / "out")
    path = Path(done.files["coco"])
    coco = COCO(str(path))
    assert len(coco.getImgIds()) == 3
    assert sorted(coco.loadCats([row["category_id"]])[0]["name"] for row in coco.anns.values()) == [
        "go",
        "stop",
        "wait",
    ]
    assert all(coco.annToMask(row).sum() == row["area"] for row in coco.anns.values())
    for iou_type in ("box", "mask"):
        assert evaluate_files(path, path, iou_type).stats[0] == pytest.approx(1)


def test_overlays_are_the_images_with_something_drawn(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    done = predict_files(predictor, find_pictures([str(photos)]), tmp_path / "out", save=["overlay"])
    drawn = sorted(
        path.relative_to(done.files["overlay"]).as_posix() for path in images.find(Path(done.files["overlay"]))
    )
    assert drawn == ["a.png.jpg", "deep/b.png.jpg", "empty.png.jpg"]
    assert not (tmp_path / "out" / "via.json").exists()
    overlay, facts = images.read(Path(done.files["overlay"]) / "a.png.jpg")
    assert facts.size_wh == (320, 240)
    assert np.abs(overlay.astype(int) - colored_picture(PATCHES["a.png"])).max() > 100


def test_every_bad_image_is_answered_or_refused_by_name(predictor: Predictor, data: Path, tmp_path: Path) -> None:
    files = sorted(path for path in (data / "bad_images").rglob("*") if path.is_file())
    assert len(files) > 60
    done = predict_files(predictor, [Picture(path=path, name=str(path)[1:]) for path in files], tmp_path / "out")
    assert done.images + len(done.refused) == len(files)
    assert done.exit_code == 1
    reasons = {Path(refused.file).name: refused.reason for refused in done.refused}
    assert reasons["decompression_bomb.gif"] == "bomb"
    assert reasons["truncated_jpeg.jpg"] == "truncated"
    assert reasons["ABOUT.md"] == "not-an-image"
    assert all(refused.file in refused.message for refused in done.refused)
    # What an evaluation of the same names says is the door's verdict, image by image.
    assert {refused.file for refused in done.refused} == {str(path) for path in files if refusal_of(path)}


def refusal_of(path: Path) -> bool:
    try:
        images.read(path)
    except BadImage:
        return True
    return False


def test_a_threshold_leaves_out_what_scores_lower(predictor: Predictor, tmp_path: Path) -> None:
    # A ring fills only a part of its box, which is the small model's score.
    picture = colored_picture({"stop": (20, 20, 100, 100)})
    picture[40:100, 40:100] = 0
    (tmp_path / "ring.png").write_bytes(encode_png(picture))
    pictures = find_pictures([str(tmp_path / "ring.png")])
    assert predict_files(predictor, pictures, tmp_path / "low", score_threshold_0_1=0.6).regions == 1
    assert predict_files(predictor, pictures, tmp_path / "high", score_threshold_0_1=0.7).regions == 0


def test_pictures_are_found_by_file_folder_pattern_and_list(photos: Path) -> None:
    def names(*given: str) -> list[str]:
        return sorted(picture.name for picture in find_pictures(given))

    assert names(str(photos)) == ["a.png", "deep/b.png", "empty.png"]
    assert names(str(photos / "a.png")) == ["a.png"]
    assert names(str(photos / "*.png")) == ["a.png", "empty.png"]
    assert names(str(photos / "**" / "*.png")) == ["a.png", "deep/b.png", "empty.png"]
    (photos / "list.txt").write_text("a.png\n\ndeep/b.png\n")
    assert names(str(photos / "list.txt")) == ["a.png", "b.png"]
    assert names(str(photos), str(photos / "a.png")) == ["a.png", "deep/b.png", "empty.png"]


def test_the_same_name_in_two_folders_is_kept_apart(photos: Path) -> None:
    (photos / "deep" / "a.png").write_bytes((photos / "a.png").read_bytes())
    found = find_pictures([str(photos / "a.png"), str(photos / "deep" / "a.png")])
    assert [picture.name for picture in found] == ["a.png", (photos / "deep" / "a.png").as_posix().lstrip("/")]


def test_results_of_pictures_from_anywhere_stay_in_their_folder(
    predictor: Predictor, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "deep" / "a.png").write_bytes((photos / "a.png").read_bytes())
    monkeypatch.chdir(photos / "deep")
    out = tmp_path / "out"
    done = predict_files(predictor, find_pictures(["a.png", "../a.png", "./../empty.png"]), out)
    assert done.images == 3
    written = set(tmp_path.rglob("*.jpg"))
    assert len(written) == 3
    assert all(path.is_relative_to(out) for path in written)


def test_a_list_of_anything_at_all_is_refused_line_by_line(predictor: Predictor, photos: Path, tmp_path: Path) -> None:
    (photos / "list.txt").write_bytes(b"a.png\n\xff\xfe\0nowhere\n../photos/empty.png\n")
    done = predict_files(predictor, find_pictures([str(photos / "list.txt")]), tmp_path / "out")
    assert (done.images, [refused.reason for refused in done.refused]) == (2, ["missing"])


def test_an_input_that_means_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no image or video at"):
        find_pictures([str(tmp_path)])
    with pytest.raises(BadInput, match="there is no image or video at"):
        find_pictures([str(tmp_path / "*.png")])


def test_what_to_save_is_checked() -> None:
    assert saves_of("coco, overlay") == ("overlay", "coco")
    with pytest.raises(UnknownName, match="no result to save 'yolo'; known: coco, csv, frames, jsonl, overlay, via"):
        saves_of("via,yolo")


def test_the_command_ends_with_0_1_or_2(
    home: Path, bundle: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--home", str(home), "predict", str(bundle)]
    out = ["--out", str(tmp_path / "out"), "--json"]
    assert teppr([*common, str(photos), *out]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["images"], answer["regions"], answer["model"]) == (3, 3, "acme-ods-1")
    (photos / "broken.jpg").write_text("no image at all")
    assert teppr([*common, str(photos), *out, "--replace"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [(row["reason"], row["file"]) for row in answer["refused"]] == [("not-an-image", str(photos / "broken.jpg"))]
    assert (
        teppr([*common, str(photos / "broken.jpg"), str(photos / "nowhere.jpg"), "--out", str(tmp_path / "none")]) == 2
    )
    shown = capsys.readouterr()
    assert "refused: " in shown.err
    assert not (tmp_path / "none").exists()


def test_a_folder_with_earlier_results_is_refused_and_stays_as_it_is(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict_files(predictor, find_pictures([str(photos / "a.png")]), out, save=saves_of("coco"))
    before = (out / "coco.json").read_bytes()

    with pytest.raises(AlreadyThere, match=r"holds earlier results \(coco.json\): .*--out, or --replace"):
        predict_files(predictor, find_pictures([str(photos)]), out)

    assert [path.name for path in out.iterdir()] == ["coco.json"]
    assert (out / "coco.json").read_bytes() == before


def test_replaced_results_are_gone_whole_and_other_things_stay(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict_files(predictor, find_pictures([str(photos / "a.png")]), out)
    (out / "mine.txt").write_text("mine")

    predict_files(predictor, find_pictures([str(photos / "empty.png")]), out, save=("overlay", "via"), replace=True)

    left = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert left == ["mine.txt", "overlays/empty.png.jpg", "via.json"]
    assert "a.png" not in (out / "via.json").read_text()


def test_what_cannot_be_read_takes_nothing_of_earlier_results_away(
    predictor: Predictor, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict_files(predictor, find_pictures([str(photos / "a.png")]), out)
    (photos / "broken.jpg").write_text("no image at all")

    done = predict_files(predictor, find_pictures([str(photos / "broken.jpg")]), out, replace=True)

    assert (done.exit_code, done.files) == (2, {})
    assert sorted(path.name for path in out.iterdir()) == ["coco.json", "overlays", "predictions.jsonl", "via.json"]
