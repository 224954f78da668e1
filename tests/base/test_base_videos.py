"""Videos are read frame by frame at their own times, told when they are broken, and written to play anywhere."""

import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.errors import BadImage, MissingExtra
from teppr.images import Pixels
from teppr.videos import Video, video_to_write

SIZE_WH = (64, 48)


def grey(level: int, size_wh: tuple[int, int] = SIZE_WH) -> Pixels:
    return np.full((size_wh[1], size_wh[0], 3), level, np.uint8)


def write(path: Path, times_s: Sequence[float], size_wh: tuple[int, int] = SIZE_WH) -> Path:
    """A video whose frames get lighter."""
    with video_to_write(path, 25) as writer:
        for i, time_s in enumerate(times_s):
            writer.add(grey(40 + 5 * (i % 40), size_wh), time_s)
    return path


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("steady") / "steady.mp4", [i / 25 for i in range(75)])


def test_frames_come_with_their_numbers_times_and_pixels(steady: Path) -> None:
    with Video(steady) as video:
        frames = list(video.frames())
    assert (video.facts.size_wh, video.facts.codec, video.facts.frames) == (SIZE_WH, "h264", 75)
    assert (video.facts.duration_s, video.facts.rate_hz) == (3.0, 25.0)
    assert [frame.number for frame in frames] == list(range(75))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(75)])
    assert all(abs(int(frame.pixels.mean()) - (40 + 5 * (frame.number % 40))) < 3 for frame in frames)
    assert (video.faults, video.frames_read) == ([], 75)


def test_every_nth_frame_keeps_its_number_and_time(steady: Path) -> None:
    with Video(steady) as video:
        frames = list(video.frames(every=30))
    assert [(frame.number, frame.time_s) for frame in frames] == [(0, 0), (30, 1.2), (60, 2.4)]
    assert video.frames_read == 75


@settings(max_examples=8)
@given(
    gaps_ms=st.lists(st.integers(1, 2000), min_size=1, max_size=8),
    size_wh=st.tuples(st.integers(17, 40), st.integers(17, 40)),
)
def test_what_is_written_is_read_back_at_any_rate_and_size(
    tmp_path_factory: pytest.TempPathFactory, gaps_ms: list[int], size_wh: tuple[int, int]
) -> None:
    times_s = np.cumsum([0, *gaps_ms]) / 1000
    path = write(tmp_path_factory.mktemp("any") / "any.mp4", times_s.tolist(), size_wh)
    with Video(path) as video:
        frames = list(video.frames())
    assert [frame.time_s for frame in frames] == pytest.approx(times_s.tolist(), abs=2e-5)
    assert video.facts.size_wh == tuple(side + side % 2 for side in size_wh)
    assert video.faults == []


def test_a_player_finds_the_way_at_the_beginning_of_the_file(steady: Path) -> None:
    content = steady.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(steady)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.pix_fmt == "yuv420p"


def test_a_video_that_breaks_off_says_where(steady: Path, tmp_path: Path) -> None:
    content = steady.read_bytes()
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    (tmp_path / "cut.mp4").write_bytes(content[:middle])
    with Video(tmp_path / "cut.mp4") as video:
        frames = list(video.frames())
    assert 0 < len(frames) < 75
    assert f"breaks off after {len(frames)} of 75 frames" in video.faults[-1]
    assert "of 3.00 s as declared" in video.faults[-1]


def test_damage_in_the_middle_is_told_and_passed_over(steady: Path, tmp_path: Path) -> None:
    content = bytearray(steady.read_bytes())
    begin = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[begin : begin + 200] = b"\xff" * 200
    (tmp_path / "damaged.mp4").write_bytes(content)
    with Video(tmp_path / "damaged.mp4") as video:
        frames = list(video.frames())
    assert len(frames) > 30
    assert video.faults


def test_what_is_no_video_is_refused_with_the_reason(tmp_path: Path) -> None:
    contents = {
        "empty": b"",
        "not-a-video": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n",
        "lfs-pointer": b"version https://git-lfs.github.com/spec/v1\n",
    }
    for reason, content in contents.items():
        path = tmp_path / f"{reason}.mp4"
        path.write_bytes(content)
        with pytest.raises(BadImage, match=reason) as refused:
            Video(path)
        assert refused.value.reason == reason
    with pytest.raises(BadImage, match="cannot read") as refused:
        Video(tmp_path / "nowhere.mp4")
    assert refused.value.reason == "missing"
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(BadImage, match="a pipe or a device"):
        Video(tmp_path / "pipe.mp4")


def test_frames_beyond_the_limit_are_refused_before_one_is_decoded(steady: Path) -> None:
    with pytest.raises(BadImage, match=r"64 x 48 = 0.0 megapixels; the limit is 0.0 .setting") as refused:
        Video(steady, max_pixels=64 * 48 - 1)
    assert refused.value.reason == "bomb"


def test_a_turn_that_the_file_notes_is_told_and_not_applied(steady: Path, tmp_path: Path) -> None:
    # The matrix of the track header, as phones write it that are held upright.
    content = bytearray(steady.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 4 + 36
    content[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content)
    with Video(tmp_path / "turned.mp4") as video:
        frame = next(video.frames())
    assert frame.rotation_deg == 270
    assert frame.pixels.shape == (48, 64, 3)


def test_without_the_extra_the_command_that_installs_it_is_told(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'teppr\[video\]'"):
        Video(steady)


def test_a_real_video_is_read_whole(data: Path) -> None:
    with Video(data / "video_road" / "solidWhiteRight.mp4") as video:
        frames = [(frame.number, frame.time_s) for frame in video.frames(every=55)]
    assert (video.facts.size_wh, video.frames_read, video.facts.duration_s) == ((960, 540), 221, 8.84)
    assert frames[-1] == (220, 8.8)
    assert video.faults == []
