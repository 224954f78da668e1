"""Prediction on videos: every frame is answered once, whoever is killed on the way, and can be looked at and used."""

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest
from pycocotools.coco import COCO

from teppr import images
from teppr.cli.main import run as teppr
from teppr.errors import MissingExtra, Refused
from teppr.formats import FORMATS, ReadOptions
from teppr.images import encode_png
from teppr.progress import Progress
from teppr.testing.bundles import classifier_bundle, colored_picture, small_bundle
from teppr.testing.killing import run_killed
from teppr.types import ImageRecord
from teppr.videos import Video, video_to_write
from teppr.workflow.inputs import find_pictures
from teppr.workflow.kept import Row
from teppr.workflow.model import Predictor, open_model
from teppr.workflow.predict import Predicted, predict_files
from teppr.workflow.prediction_files import SAVES

SIZE_WH = (96, 64)
FRAMES = 10


def patch_of(number: int) -> tuple[int, int, int, int]:
    """Where the patch is in a frame: it wanders to the right."""
    return (8 + 4 * number, 16, 24, 32)


def write_video(path: Path, frames: int = FRAMES) -> Path:
    with video_to_write(path, 10) as writer:
        for number in range(frames):
            writer.add(colored_picture({"stop": patch_of(number)}, SIZE_WH), number / 10)
    return path


def rows_of(out: Path) -> list[Row]:
    return [orjson.loads(line) for line in (out / "predictions.jsonl").read_bytes().splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle, and one with a video and an image in it; only to be looked at."""
    folder = tmp_path_factory.mktemp("videos")
    small_bundle(folder / "bundle")
    (folder / "given").mkdir()
    write_video(folder / "given" / "clip.mp4")
    (folder / "given" / "a.png").write_bytes(encode_png(colored_picture({"go": (8, 8, 40, 40)}, SIZE_WH)))
    return folder


@pytest.fixture(scope="module")
def predictor(place: Path) -> Predictor:
    return open_model(place / "home", str(place / "bundle"))


@pytest.fixture(scope="module")
def whole(predictor: Predictor, place: Path) -> tuple[Predicted, Path]:
    """Everything that there is to save of the video and the image."""
    out = place / "whole"
    return predict_files(predictor, find_pictures([str(place / "given")]), out, save=SAVES), out


def test_each_frame_has_a_row_with_its_time_and_what_was_found(whole: tuple[Predicted, Path]) -> None:
    done, out = whole
    assert (done.images, done.frames, done.regions, done.exit_code) == (1, FRAMES, FRAMES + 1, 0)
    assert [(row["file"], row.get("frame"), row.get("time_s")) for row in rows_of(out)] == [
        ("a.png", None, None),
        *(("clip.mp4", number, pytest.approx(number / 10)) for number in range(FRAMES)),
    ]
    for row in rows_of(out)[1:]:
        (region,) = row["regions"]
        x, y, width, height = patch_of(row["frame"])
        assert region["label"] == "stop"
        np.testing.assert_allclose(region["box_xyxy_px"], (x, y, x + width, y + height), atol=2.5)
    (video,) = done.videos
    assert (video.frames, video.predicted, video.seconds, video.fault) == (FRAMES, FRAMES, 0.9, "")


def test_the_overlay_is_a_video_of_the_same_frames_with_something_drawn(
    whole: tuple[Predicted, Path], place: Path
) -> None:
    done, _ = whole
    with Video(Path(done.files["overlay"]) / "clip.mp4") as drawn, Video(place / "given" / "clip.mp4") as given:
        pairs = list(zip(drawn.frames(), given.frames(), strict=True))
    assert drawn.facts.duration_s == given.facts.duration_s
    for one, other in pairs:
        assert one.time_s == other.time_s
        difference = np.abs(one.pixels.astype(int) - other.pixels).max(axis=2)
        assert difference.max() > 60
        assert np.median(difference) < 8


def test_frames_are_saved_by_the_names_that_via_and_coco_files_call_them(whole: tuple[Predicted, Path]) -> None:
    done, out = whole
    records = FORMATS.load("via").read(Path(done.files["via"]), ReadOptions(label_attribute="label")).records
    names = [record.filename for record in records if isinstance(record, ImageRecord)]
    saved = sorted(path.name for path in (out / "frames").iterdir())
    assert saved == [f"clip.mp4_{number:06d}.jpg" for number in range(FRAMES)]
    assert sorted(names) == ["a.png", *saved]
    entry = json.loads((out / "via.json").read_text())[f"{saved[3]}{(out / 'frames' / saved[3]).stat().st_size}"]
    assert entry["file_attributes"] == {"width": 96, "height": 64, "video": "clip.mp4", "frame": 3, "time_s": 0.3}
    coco = COCO(done.files["coco"])
    assert [image["file_name"] for image in coco.dataset["images"]] == ["a.png", *saved]
    assert all(coco.annToMask(row).sum() == row["area"] for row in coco.anns.values())


def test_the_table_has_a_line_a_detection(whole: tuple[Predicted, Path]) -> None:
    done, _ = whole
    lines = list(csv.DictReader(Path(done.files["csv"]).read_text().splitlines()))
    assert len(lines) == done.regions
    assert (lines[0]["image"], lines[0]["frame"], lines[0]["label"]) == ("a.png", "", "go")
    assert (lines[4]["image"], lines[4]["frame"], lines[4]["time_s"]) == ("clip.mp4_000003.jpg", "3", "0.3")
    assert float(lines[4]["x0"]) == pytest.approx(patch_of(3)[0], abs=2.5)


def test_a_saved_frame_is_answered_as_it_was_in_the_video(
    whole: tuple[Predicted, Path], predictor: Predictor, tmp_path: Path
) -> None:
    _, out = whole
    predict_files(predictor, find_pictures([str(out / "frames" / "clip.mp4_000005.jpg")]), tmp_path / "out")
    (alone,), (_, *of_video) = rows_of(tmp_path / "out"), rows_of(out)
    np.testing.assert_allclose(alone["regions"][0]["box_xyxy_px"], of_video[5]["regions"][0]["box_xyxy_px"], atol=1.5)


def test_networks_that_take_several_images_get_several_frames(place: Path, tmp_path: Path) -> None:
    classifier_bundle(tmp_path / "bundle")
    predictor = open_model(tmp_path, str(tmp_path / "bundle"))
    assert predictor.most_together > 1
    predict_files(predictor, find_pictures([str(place / "given")]), tmp_path / "out")
    assert [row["regions"][0]["label"] for row in rows_of(tmp_path / "out")]
    assert [row.get("frame") for row in rows_of(tmp_path / "out")] == [None, *range(FRAMES)]


def test_every_nth_frame_only(predictor: Predictor, place: Path, tmp_path: Path) -> None:
    done = predict_files(predictor, find_pictures([str(place / "given" / "clip.mp4")]), tmp_path / "out", every=4)
    assert [row["frame"] for row in rows_of(tmp_path / "out")] == [0, 4, 8]
    with Video(Path(done.files["overlay"]) / "clip.mp4") as video:
        assert [frame.time_s for frame in video.frames()] == [0, 0.4, 0.8]
    assert (done.videos[0].frames, done.videos[0].predicted) == (FRAMES, 3)


def test_of_a_video_that_breaks_off_what_was_there_is_answered(
    predictor: Predictor, place: Path, tmp_path: Path
) -> None:
    whole = write_video(tmp_path / "whole.mp4", 40).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: (len(whole) + whole.index(b"mdat")) // 2])
    (tmp_path / "no.mp4").write_text("no video at all")
    given = [str(tmp_path / "cut.mp4"), str(tmp_path / "no.mp4"), str(place / "given" / "a.png")]
    done = predict_files(predictor, find_pictures(given), tmp_path / "out")
    assert done.exit_code == 1
    assert 0 < done.frames < 40
    assert [(Path(item.file).name, item.reason) for item in done.refused] == [
        ("cut.mp4", "truncated"),
        ("no.mp4", "not-a-video"),
    ]
    assert f"breaks off after {done.frames} of 40 frames" in done.refused[0].message
    assert (Path(done.files["overlay"]) / "cut.mp4").is_file()
    assert not (Path(done.files["overlay"]) / "no.mp4").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from teppr.progress import Progress
from teppr.testing.killing import die_at
from teppr.workflow.inputs import find_pictures
from teppr.workflow.model import open_model
from teppr.workflow.predict import predict_files
from teppr.workflow.prediction_files import SAVES

place, out, moment, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

class Deadly(Progress):
    left = count
    def advance(self, steps=1, *, news=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

predictor = open_model(place / "home", str(place / "bundle"))
pictures = find_pictures([str(place / "given")])
if moment != "answer":
    die_at("os.rename", count, about=moment)
progress = Deadly() if moment == "answer" else Progress()
predict_files(predictor, pictures, out, save=SAVES, replace=True, progress=progress)
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "count", "kept"),
    [
        pytest.param("answer", 6, 6, id="amid the video"),
        pytest.param("frames/", 4, 4, id="while a frame is saved"),
        pytest.param("earlier-via.json", 1, FRAMES + 1, id="while earlier results give way"),
        pytest.param("via.json", 3, FRAMES + 1, id="while results take their names"),
    ],
)
def test_who_is_killed_goes_on_where_it_was(
    whole: tuple[Predicted, Path],
    predictor: Predictor,
    place: Path,
    tmp_path: Path,
    moment: str,
    count: int,
    kept: int,
) -> None:
    out = tmp_path / "out"
    predict_files(predictor, find_pictures([str(place / "given" / "a.png")]), out, save=("via", "overlay"))

    run_killed(KILLED, place, out, moment, count)
    (half,) = [path for path in out.iterdir() if path.name.startswith(".half-written-")]
    with (half / "predictions.jsonl").open("ab") as file:
        file.write(b'{"file":"clip.mp4","frame":7,"ti')

    done = predict_files(predictor, find_pictures([str(place / "given")]), out, save=SAVES, replace=True)
    assert done.resumed == kept
    assert contents(out) == contents(whole[1])


def test_what_is_asked_anew_is_not_mixed_with_what_was_kept(
    predictor: Predictor, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = find_pictures([str(place / "given" / "clip.mp4")])

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "encode_jpeg", fail)
    for every in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            predict_files(predictor, given, tmp_path / "out", every=every, save=("frames", "jsonl"))
    monkeypatch.undo()
    assert len(list((tmp_path / "out").iterdir())) == 2
    done = predict_files(predictor, given, tmp_path / "out", every=2, replace=True)
    assert (done.resumed, done.frames) == (0, 5)
    assert not list((tmp_path / "out").glob(".half-written-*"))


def test_two_processes_do_not_write_the_same_results(predictor: Predictor, place: Path, tmp_path: Path) -> None:
    given, out = find_pictures([str(place / "given")]), tmp_path / "out"

    class Rival(Progress):
        def advance(self, steps: int = 1, *, news: str | None = None) -> None:
            del steps, news
            with pytest.raises(Refused, match="another process predicts the same into"):
                predict_files(predictor, given, out)

    assert predict_files(predictor, given, out, progress=Rival()).exit_code == 0


def test_the_real_road_is_predicted_to_a_video_of_the_same_length(
    predictor: Predictor, data: Path, tmp_path: Path
) -> None:
    done = predict_files(predictor, find_pictures([str(data / "video_road")]), tmp_path / "out", every=22)
    assert (done.frames, done.exit_code) == (11, 0)
    with Video(Path(done.files["overlay"]) / "solidWhiteRight.mp4") as video:
        assert [frame.time_s for frame in video.frames()] == pytest.approx([0.88 * i for i in range(11)])
    assert (video.facts.size_wh, video.faults) == ((960, 540), [])


def test_without_the_extra_images_go_on_and_videos_say_what_to_install(
    predictor: Predictor, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    done = predict_files(predictor, find_pictures([str(place / "given")]), tmp_path / "out")
    assert (done.images, done.frames, done.exit_code) == (1, 0, 1)
    assert "pip install 'teppr[video]'" in done.refused[0].message
    with pytest.raises(MissingExtra):
        predict_files(predictor, find_pictures([str(place / "given" / "clip.mp4")]), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_command_takes_paths_on_standard_input_and_tells_what_is_named_twice(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text(f"{place / 'given' / 'a.png'}\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{place / 'given' / 'clip.mp4'}\n\n{tmp_path / 'list.txt'}\n"))
    words = ["predict", str(place / "bundle"), "-", str(place / "given"), "--out", str(tmp_path / "out")]
    assert teppr(["--home", str(tmp_path / "home"), *words, "--every", "5", "--save", "csv"]) == 0
    shown = capsys.readouterr()
    assert "named more than once and predicted once: " in shown.err
    assert "3 objects in 1 images and 2 frames" in shown.out
    assert "clip.mp4: 2 of 10 frames" in shown.out
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert teppr(["--home", str(tmp_path / "home"), "predict", str(place / "bundle"), "-"]) == 2
    assert "no path on standard input" in capsys.readouterr().err
