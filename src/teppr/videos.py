"""Videos as streams of frames, one at a time in memory, and their way back into a file that every player plays.

The one door for moving pixels, as `teppr.images` is for those that stand still: pixels as stored (a rotation that the
file notes is told, not applied), within the same limit. PyAV is the extra `video`, imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from teppr.errors import BadImage, MissingExtra
from teppr.images import DEFAULT_MAX_PIXELS, LFS_POINTER, Pixels

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
        *(".wmv", ".flv", ".ogv", ".3gp"),
    }
)
"""Endings of the files that are taken for videos; whatever their content is."""
CONTAINERS = "mov,matroska,webm,avi,mpeg,mpegts,asf,flv,ogg"
"""What is read: no playlists, which would name other files and addresses."""
TICKS_PER_S = 90_000
"""Clock of what is written: whole ticks for every usual rate, 30000/1001 too."""
LOST_S = 1.0
"""What ends so much before the length that it declares has broken off; sound may be longer than the picture."""
USUAL_RATE_HZ = 25.0
HD_HEIGHT_PX = 720
"""From here on colours that the file says nothing of are those of HDTV."""
HDTV, LIMITED_RANGE = 1, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What a video's header says.

    size_wh: stored pixels, whatever turn is noted
    frames, duration_s: as declared, 0 where nothing is
    """

    size_wh: tuple[int, int]
    codec: str
    rate_hz: float
    frames: int
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of a video.

    number: from 0; time_s: since the first frame
    pixels: [height, width, 3] in RGB
    rotation_deg: counter-clockwise, for players to apply; 0 = as stored
    is_damaged: the decoder had to guess a part of it
    """

    number: int
    time_s: float
    pixels: Pixels
    rotation_deg: int
    is_damaged: bool


def pyav() -> ModuleType:
    """The package PyAV; raises MissingExtra where it is not installed."""
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingExtra("reading and writing videos", "video") from error
    return av


class Video:
    """A video file that is open for reading; a context manager.

    frames_read: decoded so far, shown or passed over
    faults: what was found wrong so far, in words; complete when the frames are
    """

    def __init__(self, path: Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Open the file; raises BadImage (see its `reason`) and MissingExtra, before any frame is decoded."""
        self._av = pyav()
        self._name, self._max_pixels = str(path), max_pixels
        self.frames_read = 0
        self.faults: list[str] = []
        self._container = self._open(path)
        with ExitStack() as otherwise:
            otherwise.callback(self._container.close)
            if not self._container.streams.video:
                raise BadImage(f"{path} has no pictures, only other streams", reason="not-a-video")
            self._stream: VideoStream = self._container.streams.video[0]
            self.facts = self._facts()
            self._rate_hz = self.facts.rate_hz or USUAL_RATE_HZ
            self._check(*self.facts.size_wh)
            self._stream.codec_context.options = {"max_pixels": str(max_pixels)}
            self._stream.thread_type = "AUTO"
            otherwise.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """The frames in the order in which they are shown, numbers 0, `every`, twice that ...; once.

        What cannot be decoded is passed over and told in `faults`. Raises BadImage where a frame is beyond the limit.
        """
        begun_s: float | None = None
        time_s, damaged = 0.0, 0
        for number, frame in enumerate(self._decoded()):
            # Streams without a clock have no times: then the rate says them.
            said_s = number / self._rate_hz if frame.pts is None else frame.time
            begun_s = said_s if begun_s is None else begun_s
            time_s = said_s - begun_s
            damaged += frame.is_corrupt
            self.frames_read += 1
            if number % every:
                continue
            self._check(frame.width, frame.height)
            yield Frame(
                number=number,
                time_s=round(time_s, 6),
                pixels=_rgb(frame),
                rotation_deg=int(frame.rotation) % 360,
                is_damaged=bool(frame.is_corrupt),
            )
        self._sum_up(damaged, time_s)

    def _decoded(self) -> Iterator[VideoFrame]:
        faults, first = 0, ""
        try:
            for packet in self._container.demux(self._stream):
                try:
                    frames = packet.decode()
                except self._av.error.FFmpegError as error:
                    faults, first = faults + 1, first or str(error.strerror)
                else:
                    yield from frames
        except self._av.error.FFmpegError as error:
            self.faults.append(f"cannot be read on: {error.strerror}")
        if faults:
            self.faults.append(f"{faults} pieces do not decode ({first})")

    def _sum_up(self, damaged: int, time_s: float) -> None:
        frames = self.frames_read
        if damaged:
            self.faults.append(f"{damaged} frames are damaged")
        shown_s = time_s + 1 / self._rate_hz if frames else 0.0
        if self.facts.duration_s - shown_s > LOST_S or (self.faults and frames < self.facts.frames):
            of = f" of {self.facts.frames}" if self.facts.frames else ""
            self.faults.append(
                f"breaks off after {frames}{of} frames, {shown_s:.2f} of {self.facts.duration_s:.2f} s as declared"
            )

    def _open(self, path: Path) -> InputContainer:
        try:
            if not path.is_file() and path.exists():
                raise BadImage(f"cannot read {path}: it is a folder, a pipe or a device, not a file", reason="missing")
            with path.open("rb") as file:
                begins = file.read(len(LFS_POINTER))
        except (OSError, ValueError) as error:  # ValueError: a name with a null character
            raise BadImage(
                f"cannot read {path}: {getattr(error, 'strerror', None) or error}", reason="missing"
            ) from error
        if not begins:
            raise BadImage(f"{path} is empty (0 bytes)", reason="empty")
        if begins == LFS_POINTER:
            raise BadImage(
                f"{path} is a Git-LFS pointer, not the video itself; fetch it with: git lfs pull", reason="lfs-pointer"
            )
        allowed = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        try:
            container: InputContainer = self._av.open(f"file:{path}", options=allowed)
        except self._av.error.FFmpegError as error:
            raise BadImage(
                f"{path} does not open as a video: {error.strerror}; it is something else, or its end is missing",
                reason="not-a-video",
            ) from error
        return container

    def _facts(self) -> VideoFacts:
        stream, container = self._stream, self._container
        duration_s = 0.0
        if stream.duration and stream.time_base:
            duration_s = float(stream.duration * stream.time_base)
        elif container.duration and len(container.streams) == 1:  # of several, the length may be another's
            duration_s = container.duration / self._av.time_base
        rate_hz = float(stream.average_rate or stream.guessed_rate or 0)
        return VideoFacts(
            size_wh=(stream.codec_context.width, stream.codec_context.height),
            codec=stream.codec_context.name,
            rate_hz=rate_hz,
            frames=stream.frames or round(duration_s * rate_hz),
            duration_s=duration_s,
        )

    def _check(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise BadImage(
                f"{self._name} declares frames of {width} x {height} = {width * height / 1e6:.1f} megapixels; the "
                f"limit is {self._max_pixels / 1e6:.1f} (setting max_image_megapixels)",
                reason="bomb",
            )


class VideoWriter:
    """An H.264 file (MP4, yuv420p) that grows by pictures with their times, and plays in players and browsers.

    The first picture's size is the video's, made even by repeating its last row or column; others are stretched to it.
    """

    def __init__(self, container: OutputContainer, rate_hz: float) -> None:
        self._container = container
        self._rate = Fraction(rate_hz or USUAL_RATE_HZ).limit_denominator(1001)
        self._stream: VideoStream | None = None
        self._size_wh = (0, 0)
        self._last_tick = -1

    def add(self, pixels: Pixels, time_s: float) -> None:
        """Show an RGB image [h, w, 3] from `time_s` on, until the next one's time."""
        height, width = pixels.shape[:2]
        stream = self._stream or self._begin((width, height))
        if (width, height) != self._size_wh:
            pixels = np.asarray(cv2.resize(pixels, self._size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        even = np.pad(pixels, ((0, pixels.shape[0] % 2), (0, pixels.shape[1] % 2), (0, 0)), mode="edge")
        av = pyav()
        shown: VideoFrame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        frame = shown.reformat(format="yuv420p", dst_colorspace=HDTV, dst_color_range=LIMITED_RANGE)
        self._last_tick = max(self._last_tick + 1, round(time_s * TICKS_PER_S))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, TICKS_PER_S)
        frame.duration = round(TICKS_PER_S / self._rate)
        self._container.mux(stream.encode(frame))

    def end(self) -> None:
        """Write what the encoder holds back."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _begin(self, size_wh: tuple[int, int]) -> VideoStream:
        options = {"preset": "veryfast", "crf": "23"}
        stream: VideoStream = self._container.add_stream("libx264", rate=self._rate, options=options)
        stream.width, stream.height = (side + side % 2 for side in size_wh)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
        for name in ("colorspace", "color_primaries", "color_trc"):
            setattr(stream.codec_context, name, HDTV)
        stream.codec_context.color_range = LIMITED_RANGE
        self._stream, self._size_wh = stream, size_wh
        return stream


@contextmanager
def video_to_write(path: Path, rate_hz: float) -> Iterator[VideoWriter]:
    """A video to add pictures to; unfinished, and unreadable, until the block has ended well.

    rate_hz: pictures a second on the whole; each has its own time
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyav().open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        writer = VideoWriter(container, rate_hz)
        yield writer
        writer.end()


def _rgb(frame: VideoFrame) -> Pixels:
    hdtv = frame.colorspace == HDTV or (frame.height >= HD_HEIGHT_PX and frame.colorspace in {0, 2})
    made = frame.reformat(format="rgb24", src_colorspace=HDTV) if hdtv else frame.reformat(format="rgb24")
    return np.asarray(made.to_ndarray(), dtype=np.uint8)
