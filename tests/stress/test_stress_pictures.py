"""What is sent."""

from pathlib import Path

import pytest

from teppr.errors import BadInput
from teppr.images import decode
from teppr.stress.pictures import generated_pictures, pictures_in
from teppr.stress.requests import body_of


def test_generated_pictures_are_images_and_the_same_each_time() -> None:
    pictures = generated_pictures(3)
    assert len({picture.content for picture in pictures}) == 3
    assert pictures == generated_pictures(3)
    for picture in pictures:
        decode(picture.content, name=picture.name)


def test_files_of_a_folder_are_sent_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.png").write_bytes(b"no image at all")
    (tmp_path / "below" / "a.jpg").write_bytes(b"")
    (tmp_path / ".hidden").write_bytes(b"not this")
    pictures, left_out = pictures_in(tmp_path)
    assert [(one.name, one.media_type, one.content) for one in pictures] == [
        ("b.png", "image/png", b"no image at all"),
        ("a.jpg", "image/jpeg", b""),
    ]
    assert left_out == 0


def test_of_many_files_some_are_taken_from_all_over_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(25):
        (tmp_path / f"{i:02}.jpg").write_bytes(b"12345")
    monkeypatch.setattr("teppr.stress.pictures.MOST_PICTURES", 10)
    pictures, left_out = pictures_in(tmp_path)
    assert [one.name for one in pictures] == [f"{int(i * 2.5):02}.jpg" for i in range(10)]
    assert left_out == 15
    monkeypatch.setattr("teppr.stress.pictures.MOST_BYTES", 22)
    pictures, left_out = pictures_in(tmp_path)
    assert (len(pictures), left_out) == (4, 21)


def test_a_folder_without_files_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no file"):
        pictures_in(tmp_path)
    with pytest.raises(BadInput, match="must be a folder"):
        pictures_in(tmp_path / "nowhere")


def test_a_name_cannot_end_the_forms_header() -> None:
    (picture,) = generated_pictures(1)
    body = body_of(type(picture)(name='a"\r\nX: y.jpg', media_type="image/jpeg", content=b""))
    assert b'filename="a___X: y.jpg"\r\n' in body
