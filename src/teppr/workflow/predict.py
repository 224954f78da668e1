"""Prediction on images and videos: what can be read is answered, what cannot is named, nothing stops the rest.

What has been found is kept row by row, so that whoever is killed and started again goes on where it was.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import orjson

from teppr import images
from teppr.drawing import draw, drawn_detections
from teppr.errors import BadImage, Corrupt, MissingExtra
from teppr.files import whole_file
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.progress import QUIET, Progress
from teppr.types import Detections
from teppr.videos import Frame, Video, VideoFacts, VideoWriter, pyav, video_to_write
from teppr.workflow.ahead import groups_ahead
from teppr.workflow.inputs import Picture
from teppr.workflow.kept import Kept, Row
from teppr.workflow.model import Predictor
from teppr.workflow.prediction_files import PLACES, USUAL_SAVES, WRITERS, Save
from teppr.workflow.prediction_place import put_in_place, results_in, room_in
from teppr.workflow.prediction_rows import KEYS, detections_of, frame_name, nothing_in, row_of

VIDEOS_DONE = "videos.jsonl"
"""Beside the rows of unfinished results: videos that are done whole."""
FRAME_QUALITY = 95
"""Of frames that are saved to be annotated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedImage:
    """A file that got no prediction, or not all of it; `reason` is one word for machines (see `BadImage`), `message` a
    sentence.
    """

    file: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedVideo:
    """What became of a video.

    frames: read; predicted: of these, every n-th that was answered
    seconds: from its first frame to the last one read
    rotation_deg: how players turn it, counter-clockwise; predictions are on frames as stored, not turned
    fault: what was wrong with it, in words; empty = read whole
    """

    file: str
    frames: int
    predicted: int
    seconds: float
    size_wh: tuple[int, int]
    rate_hz: float
    rotation_deg: int
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What became of the files.

    images, frames: those that were answered, of image files and of videos
    regions: detections at or above the threshold; per_label: their number by label
    resumed: answers of an earlier start that was cut off, which were not predicted again
    files: what was written, by kind
    """

    model: str
    score_threshold_0_1: float
    images: int
    regions: int
    per_label: dict[str, int]
    refused: tuple[RefusedImage, ...]
    files: dict[str, str]
    seconds: float
    frames: int = 0
    videos: tuple[PredictedVideo, ...] = ()
    resumed: int = 0

    @property
    def exit_code(self) -> int:
        """0 all were answered, 1 some were refused or broke off, 2 nothing could be read."""
        return 2 if not self.images + self.frames else 1 if self.refused else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of predictions is asked for.

    score_threshold_0_1: what scores lower is left out
    every: of a video, each frame whose number divides by it
    """

    score_threshold_0_1: float
    save: tuple[Save, ...]
    every: int
    max_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shown:
    """An image, or a frame; without pixels where the answer is kept and they are not needed."""

    picture: Picture
    pixels: Pixels | None
    frame: Frame | None = None

    @property
    def key(self) -> tuple[str, int | None]:
        return self.picture.name, None if self.frame is None else self.frame.number


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    picture: Picture
    facts: VideoFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A video that is through; without facts where it was at an earlier start."""

    picture: Picture
    facts: VideoFacts | None = None
    frames: int = 0
    faults: tuple[str, ...] = ()


_Event: TypeAlias = _Shown | _Begun | _Ended | RefusedImage


def predict_files(
    predictor: Predictor,
    pictures: Sequence[Picture],
    out: Path,
    *,
    score_threshold_0_1: float | None = None,
    save: Collection[Save] = USUAL_SAVES,
    replace: bool = False,
    every: int = 1,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
) -> Predicted:
    """Predict on each file and write into the folder `out` (see `PLACES`): all results, or none where it is cut off.

    Cut off and called again with the same, it goes on where it was: what is kept is not predicted again.

    score_threshold_0_1: what scores lower is left out; None takes the model's own
    replace: earlier results in `out` give way to these; otherwise they raise AlreadyThere
    every: of videos, each frame whose number, from 0, divides by it
    Raises MissingExtra where all files are videos and nothing is installed to read them, Missing where the disk is
    full.
    """
    begun_at = time.perf_counter()
    if pictures and all(picture.is_video for picture in pictures):
        pyav()
    asked = Asked(
        score_threshold_0_1=predictor.score_threshold_0_1 if score_threshold_0_1 is None else score_threshold_0_1,
        save=tuple(kind for kind in PLACES if kind in save),
        every=every,
        max_pixels=max_pixels,
    )
    with (
        room_in(out),
        results_in(out, _digest(predictor, pictures, asked), replace=replace) as half,
        Kept(half / PLACES["jsonl"], KEYS) as kept,
        Kept(half / VIDEOS_DONE, ("file",)) as videos_done,
    ):
        work = _Work(predictor, asked, half, kept, videos_done, progress)
        work.all_of(pictures)
        written = _write(kept, half, predictor, asked.save)
        put_in_place(half, out, written)
        return work.summary({kind: str(out / place) for kind, place in written.items()}, begun_at)


class _Work:
    """Predictions into a folder of unfinished results."""

    def __init__(
        self, predictor: Predictor, asked: Asked, half: Path, kept: Kept, videos_done: Kept, progress: Progress
    ) -> None:
        self._predictor, self._asked, self._half, self._progress = predictor, asked, half, progress
        self._kept, self._videos_done = kept, videos_done
        self._resumed = len(kept)
        self._refused: list[RefusedImage] = []
        self._overlay: VideoWriter | None = None
        self._video = ExitStack()
        self._rotation_deg, self._last_s, self._failed = 0, 0.0, 0

    def all_of(self, pictures: Sequence[Picture]) -> None:
        """Predict on each; decoding goes on in a thread meanwhile."""
        self._progress.expect(sum(self._steps_of(picture) for picture in pictures))
        with self._video:
            for group in groups_ahead(self._events(pictures), self._predictor.most_together):
                self._answer(group)

    def summary(self, files: dict[str, str], begun_at: float) -> Predicted:
        """What became of it all."""
        per_label: Counter[str] = Counter()
        frames = 0
        for row in self._kept:
            frames += "frame" in row
            per_label.update(region["label"] for region in row["regions"])
        return Predicted(
            model=self._predictor.name,
            score_threshold_0_1=self._asked.score_threshold_0_1,
            images=len(self._kept) - frames,
            frames=frames,
            regions=per_label.total(),
            per_label=dict(per_label.most_common()),
            refused=tuple(self._refused),
            videos=tuple(PredictedVideo(**row | {"size_wh": tuple(row["size_wh"])}) for row in self._videos_done),
            files=files,
            seconds=round(time.perf_counter() - begun_at, 3),
            resumed=self._resumed,
        )

    # What there is to answer: in the thread that decodes.

    def _steps_of(self, picture: Picture) -> int:
        if picture.is_video and picture.path.is_file():
            with suppress(BadImage, MissingExtra), Video(picture.path, max_pixels=self._asked.max_pixels) as video:
                return -(-video.facts.frames // self._asked.every)
        return 1

    def _events(self, pictures: Sequence[Picture]) -> Generator[_Event, None, None]:
        for picture in pictures:
            try:
                yield from self._frames_of(picture) if picture.is_video else self._image_of(picture)
            except BadImage as error:
                yield RefusedImage(file=str(picture.path), reason=error.reason, message=str(error))
            except MissingExtra as error:
                yield RefusedImage(
                    file=str(picture.path), reason="unsupported", message=f"cannot read {picture.path}: {error}"
                )

    def _image_of(self, picture: Picture) -> Iterator[_Event]:
        if (picture.name, None) in self._kept:
            yield _Shown(picture=picture, pixels=None)
        else:
            pixels, _ = images.read(picture.path, max_pixels=self._asked.max_pixels)
            yield _Shown(picture=picture, pixels=pixels)

    def _frames_of(self, picture: Picture) -> Iterator[_Event]:
        if (picture.name,) in self._videos_done:
            yield _Ended(picture=picture)
            return
        with Video(picture.path, max_pixels=self._asked.max_pixels) as video:
            yield _Begun(picture=picture, facts=video.facts)
            faults = video.faults
            try:
                for frame in video.frames(self._asked.every):
                    yield _Shown(picture=picture, pixels=frame.pixels, frame=frame)
            except BadImage as error:  # a frame beyond the limit: what came before it counts
                faults = [*faults, str(error)]
            yield _Ended(picture=picture, facts=video.facts, frames=video.frames_read, faults=tuple(faults))

    # The answers: in the thread that called.

    def _answer(self, group: Sequence[_Event]) -> None:
        new = [event for event in group if isinstance(event, _Shown) and event.key not in self._kept]
        pixels = [event.pixels for event in new if event.pixels is not None]
        found = dict(zip(new, self._predictor.predict_many(pixels) if pixels else [], strict=True))
        for event in group:
            match event:
                case RefusedImage():
                    self._refused.append(event)
                    self._progress.advance(news=event.file)
                case _Begun():
                    self._begin(event)
                case _Ended():
                    self._end(event)
                case _Shown(frame=None):
                    self._take_image(event, found.get(event))
                case _Shown():
                    self._take_frame(event, found.get(event))

    def _take_image(self, shown: _Shown, found: Detections | Corrupt | None) -> None:
        picture = shown.picture
        if isinstance(found, Corrupt):
            self._refused.append(RefusedImage(file=str(picture.path), reason="model-failed", message=str(found)))
        elif found is None or shown.pixels is None:
            self._progress.skip(1)
            return
        else:
            row = self._row(shown, found, picture.path.stat().st_size)
            if "overlay" in self._asked.save:
                place = _named(PLACES["overlay"], picture.name, ".jpg", ".jpeg")
                self._write_picture(place, self._drawn(shown.pixels, row))
            self._kept.add(row)
        self._progress.advance(news=picture.name)

    def _take_frame(self, shown: _Shown, found: Detections | Corrupt | None) -> None:
        frame, pixels = shown.frame, shown.pixels
        if frame is None or pixels is None:
            return
        row = self._kept.get(shown.key)
        if isinstance(found, Detections):
            size_bytes = -1
            if "frames" in self._asked.save:
                place = f"{PLACES['frames']}/{frame_name(shown.picture.name, frame.number)}"
                size_bytes = self._write_picture(place, pixels, quality=FRAME_QUALITY)
            row = self._row(shown, found, size_bytes)
            self._kept.add(row)
            self._progress.advance(news=f"{shown.picture.name} {frame.time_s:.1f} s")
        elif row is not None:
            self._progress.skip(1)
        else:
            self._failed += 1
        if self._overlay is not None:
            self._overlay.add(self._drawn(pixels, row), frame.time_s)
        self._rotation_deg, self._last_s = frame.rotation_deg, frame.time_s

    def _begin(self, begun: _Begun) -> None:
        self._rotation_deg, self._last_s, self._failed = 0, 0.0, 0
        if "overlay" in self._asked.save:
            place = self._half / _named(PLACES["overlay"], begun.picture.name, ".mp4")
            writer = video_to_write(place, begun.facts.rate_hz / self._asked.every)
            self._overlay = self._video.enter_context(writer)

    def _end(self, ended: _Ended) -> None:
        name, facts = ended.picture.name, ended.facts
        if facts is not None:
            self._video.close()
            self._overlay = None
            failed = [f"{self._failed} frames the model fails on"] if self._failed else []
            row: Row = {
                "file": name,
                "frames": ended.frames,
                "predicted": -(-ended.frames // self._asked.every) - self._failed,
                "seconds": self._last_s,
                "size_wh": facts.size_wh,
                "rate_hz": round(facts.rate_hz, 3),
                "rotation_deg": self._rotation_deg,
                "fault": "; ".join([*ended.faults, *failed]),
            }
            self._videos_done.add(row)
        done = self._videos_done.get((name,)) or {}
        if facts is None:
            self._progress.skip(done.get("predicted", 0))
        if fault := done.get("fault"):
            path = ended.picture.path
            self._refused.append(RefusedImage(file=str(path), reason="truncated", message=f"{path}: {fault}"))

    def _row(self, shown: _Shown, found: Detections, size_bytes: int) -> Row:
        found = found.at_least(self._asked.score_threshold_0_1)
        return row_of(shown.picture.name, size_bytes, found, self._predictor.labels, shown.frame)

    def _drawn(self, pixels: Pixels, row: Row | None) -> Pixels:
        found = nothing_in(pixels) if row is None else detections_of(row)
        return draw(pixels, drawn_detections(found, self._predictor.labels))

    def _write_picture(self, place: str, pixels: Pixels, quality: int = 88) -> int:
        content = images.encode_jpeg(pixels, quality)
        with whole_file(self._half / place) as file:
            file.write(content)
        return len(content)


def _write(kept: Kept, half: Path, predictor: Predictor, save: Sequence[Save]) -> dict[Save, str]:
    """The files of all rows together; returns what there is now: {kind: name in the folder}."""
    if not len(kept):
        return {}
    for kind in save:
        if kind in WRITERS:
            WRITERS[kind](half / PLACES[kind], kept, predictor.labels, predictor.name)
    # Of the folders only those into which something was to be written: there may be no video, or only videos.
    return {kind: PLACES[kind] for kind in save if (half / PLACES[kind]).exists()}


def _digest(predictor: Predictor, pictures: Sequence[Picture], asked: Asked) -> str:
    """What tells this request from others: the model, what is asked, and the files as they are now."""
    facts: list[Any] = [predictor.name, predictor.sha256, asked]
    for picture in pictures:
        facts.append((picture.name, str(picture.path.absolute())))
        with suppress(OSError, ValueError):
            status = picture.path.stat()
            facts.append((status.st_size, status.st_mtime_ns))
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()[:32]


def _named(folder: str, name: str, *suffixes: str) -> str:
    """The name below a folder, with the first of the suffixes added where it has none of them."""
    has_one = PurePosixPath(name).suffix.lower() in suffixes
    return f"{folder}/{name if has_one else name + suffixes[0]}"
