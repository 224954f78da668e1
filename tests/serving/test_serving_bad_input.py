"""Whatever a client sends is answered, or refused with a status of 4xx and a sentence; never 500."""

import base64
import io
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from teppr.serving.app import make_app
from teppr.serving.security import OFF
from teppr.testing.examples import examples
from teppr.testing.service import Answering, MakeService

MAX_BYTES = 4 * 1024 * 1024
PREDICT = "/api/vision/v2/predict"


def refused(response: httpx.Response, status: int, word: str | None = None) -> str:
    """The sentence of a refusal that has the one shape."""
    assert response.status_code == status, response.text
    said = response.json()
    assert set(said) == {"error", "code", "detail", "request_id"}
    assert said["code"] == status
    assert said["request_id"] == response.headers["x-request-id"]
    assert word is None or said["error"] == word
    detail = said["detail"]
    assert isinstance(detail, str)
    assert detail
    return detail


def send(client: httpx.Client, data: bytes, name: str = "x.bin") -> httpx.Response:
    return client.post(PREDICT, files={"image": (name, data)})


def test_every_bad_image_is_answered_or_refused_by_name(client: httpx.Client, data: Path) -> None:
    files = sorted(path for path in (data / "bad_images").rglob("*") if path.is_file())
    assert len(files) > 60
    statuses = {}
    for path in files:
        response = send(client, path.read_bytes(), path.name)
        statuses[path.name] = response.status_code
        if response.status_code != 200:
            assert path.name in refused(response, response.status_code)
    assert set(statuses.values()) <= {200, 400, 413, 415}
    assert statuses["hopper.jpg"] == statuses["hopper_16bit_qtables.jpg"] == statuses["pil_sample_cmyk.jpg"] == 200
    assert statuses["LICENSE"] == 400
    assert client.get("/healthz").status_code == 200


def test_every_bad_image_is_answered_the_same_way_as_a_whole_body(client: httpx.Client, data: Path) -> None:
    for path in sorted((data / "bad_images" / "pillow").iterdir()):
        if path.is_file():
            content = path.read_bytes()
            as_body = client.post(PREDICT, content=content, headers={"content-type": "application/octet-stream"})
            assert as_body.status_code == send(client, content, path.name).status_code, path.name


def test_a_text_file_is_no_image(client: httpx.Client) -> None:
    detail = refused(send(client, b"hello,\nthis is text", "notes.txt"), 400, "not-an-image")
    assert "notes.txt is not an image" in detail
    assert "hello" in detail
    assert "(text)" in detail


@pytest.mark.parametrize("kind", ["multipart", "body", "json"])
def test_an_empty_image_is_said_to_be_empty(client: httpx.Client, kind: str) -> None:
    if kind == "multipart":
        response = send(client, b"")
    elif kind == "body":
        response = client.post(PREDICT, content=b"", headers={"content-type": "image/png"})
    else:
        response = client.post(PREDICT, json={"image": ""})
    assert "empty" in refused(response, 400, "empty")


def test_a_hundred_megapixels_are_refused_from_the_header(client: httpx.Client) -> None:
    buffer = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 100_000
    detail = refused(send(client, buffer.getvalue(), "big.png"), 413, "bomb")
    assert "10000 x 10000 = 100.0 megapixels" in detail
    assert "64.0" in detail


def test_a_decompression_bomb_is_refused(client: httpx.Client, data: Path) -> None:
    bomb = (data / "bad_images" / "pillow" / "decompression_bomb.gif").read_bytes()
    refused(send(client, bomb, "bomb.gif"), 413, "bomb")


def test_a_pointer_of_git_lfs_says_what_it_is(client: httpx.Client) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    assert "git lfs pull" in refused(send(client, pointer), 400, "lfs-pointer")


def test_an_upload_that_says_it_is_too_large_is_not_read(client: httpx.Client) -> None:
    assert "4 MiB" in refused(send(client, bytes(MAX_BYTES)), 413, "too-large")


def test_an_upload_without_a_length_is_read_up_to_the_limit_only(client: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 100 * MAX_BYTES:
            sent += 65536
            yield bytes(65536)

    response = client.post(PREDICT, content=endless(), headers={"content-type": "image/png"})
    refused(response, 413, "too-large")
    assert sent < 20 * MAX_BYTES  # what the sockets' buffers took, and no more


@pytest.mark.parametrize(
    ("header", "body", "status"),
    [
        ("multipart/form-data", b"--x--\r\n", 400),
        ("multipart/form-data; boundary=", b"--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"", 422),
        ("multipart/form-data; boundary=x", b"no part at all", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n',
            422,
        ),
        ("multipart/form-data; boundary=x", b"--x\r\ncontent-disposition: form-data\r\n\r\nabc\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nabc\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=" + "b" * 4000, b"--b", 400),
        (
            "multipart/form-data; boundary=x; charset=hex",
            b'--x\r\ncontent-disposition: form-data; name="image"; filename="a"\r\n\r\nabc\r\n--x--\r\n',
            400,
        ),
        ("multipart/form-data; boundary=x", b"\xff" * 5000, 400),
    ],
    ids=[
        "no boundary",
        "empty boundary",
        "no body",
        "garbage",
        "cut off",
        "no name",
        "no disposition",
        "long boundary",
        "charset that is none",
        "binary garbage",
    ],
)
def test_a_broken_multipart_body_is_refused(client: httpx.Client, header: str, body: bytes, status: int) -> None:
    refused(client.post(PREDICT, content=body, headers={"content-type": header}), status)


def test_a_form_without_the_image_names_the_fields_it_has(client: httpx.Client, picture: bytes) -> None:
    detail = refused(client.post(PREDICT, files={"photo": ("p.png", picture)}), 422, "no-image")
    assert "photo" in detail
    assert "-F image=@photo.jpg" in detail


def test_an_image_field_that_is_text_is_no_file(client: httpx.Client) -> None:
    body = b'--x\r\ncontent-disposition: form-data; name="image"\r\n\r\nabc\r\n--x--\r\n'
    refused(client.post(PREDICT, content=body, headers={"content-type": "multipart/form-data; boundary=x"}), 422)


def test_two_images_are_one_too_many(client: httpx.Client, picture: bytes) -> None:
    files = [("image", ("a.png", picture)), ("image", ("b.png", picture))]
    assert "1" in refused(client.post(PREDICT, files=files), 400, "bad-multipart")


def test_too_many_fields_are_refused(client: httpx.Client, picture: bytes) -> None:
    fields = {f"f{i}": "x" for i in range(50)}
    refused(client.post(PREDICT, files={"image": ("p.png", picture)}, data=fields), 400, "bad-multipart")


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "bad-json"),
        (b"", 400, "bad-json"),
        (b"\xff\xfe", 400, "bad-json"),
        (b'{"image":' + b"[" * 100_000, 400, "bad-json"),
        (b'{"image":"\\ud800"}', 400, None),
        (b"[]", 422, "no-image"),
        (b'"text"', 422, "no-image"),
        (b'{"image": 7}', 422, "no-image"),
        (b'{"image": "not base64!"}', 400, "bad-base64"),
        (b'{"image": "\xc3\xa9"}', 400, "bad-base64"),
        (b'{"image": "aaaaa"}', 400, "bad-base64"),
        (b'{"image": "", "score_threshold": "much"}', 422, "invalid"),
        (b'{"image": "", "filename": 7}', 422, "invalid"),
        (b'{"image": "", "other": 7}', 422, "invalid"),
    ],
    ids=[
        "cut off", "empty", "not utf-8", "deep", "half a letter", "list", "text", "number", "words", "accent", "odd",
        "score", "name", "unknown key",
    ],
)  # fmt: skip
def test_a_broken_json_document_is_refused(client: httpx.Client, body: bytes, status: int, word: str | None) -> None:
    refused(client.post(PREDICT, content=body, headers={"content-type": "application/json"}), status, word)


def test_an_unknown_field_is_refused_with_the_known_ones(client: httpx.Client, picture: bytes) -> None:
    response = client.post(PREDICT, files={"image": ("p.png", picture)}, data={"score_treshold": "0.5"})
    detail = refused(response, 422, "invalid")
    assert "score_treshold" in detail
    assert "score_threshold" in detail


@pytest.mark.parametrize("score", ["-0.1", "1.1", "nan", "inf", "much", ""])
def test_a_score_outside_0_to_1_is_refused(client: httpx.Client, picture: bytes, score: str) -> None:
    files = {"image": ("p.png", picture)}
    for response in (
        client.post(PREDICT, files=files, params={"score_threshold": score}),
        client.post(PREDICT, files=files, data={"score_threshold": score}),
    ):
        assert "score_threshold" in refused(response, 422, "invalid")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"score_threshold": "1.1"}, "score_threshold must be at most 1, got '1.1'"),
        ({"score_threshold": "-0.1"}, "score_threshold must be at least 0, got '-0.1'"),
        ({"score_threshold": "much"}, "score_threshold must be a number, got 'much'"),
        ({"score_threshold": "inf"}, "score_threshold must be a finite number, got 'inf'"),
        ({"timeout_s": "0"}, "timeout_s must be above 0, got '0'"),
        ({"priority": "soon"}, "priority must be 'interactive' or 'bulk', got 'soon'"),
        ({"q": "a" * 201}, f"q must be of at most 200 characters, got '{'a' * 80}'"),
        ({"nope": "1"}, "nope is unknown, got '1'"),
    ],
    ids=["above", "below", "text", "infinite", "zero", "word", "long", "unknown"],
)
def test_what_is_wrong_with_a_field_is_said_in_words(
    client: httpx.Client, picture: bytes, asked: dict[str, str], says: str
) -> None:
    for response in (
        client.post(PREDICT, files={"image": ("p.png", picture)}, params=asked),
        client.post(PREDICT, files={"image": ("p.png", picture)}, data=asked),
    ):
        assert refused(response, 422, "invalid").startswith(says)


@pytest.mark.parametrize("name", ["acme-ods-9", "nonsense", "../../etc/passwd", "a\x00b", "ä" * 50, "acme-ods@none"])
def test_an_unknown_model_is_refused_with_those_there_are(client: httpx.Client, picture: bytes, name: str) -> None:
    response = client.post(PREDICT, files={"image": ("p.png", picture)}, params={"q": name})
    assert "acme-ods-1, acme-rld-2" in refused(response, 404, "unknown-model")


def test_a_name_beyond_all_measure_is_refused(client: httpx.Client, picture: bytes) -> None:
    response = client.post(PREDICT, files={"image": ("p.png", picture)}, params={"q": "a" * 5000})
    assert len(refused(response, 422, "invalid")) < 500


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "video/mp4", "/;;;"])
def test_another_type_of_content_is_refused_with_those_taken(client: httpx.Client, picture: bytes, kind: str) -> None:
    detail = refused(client.post(PREDICT, content=picture, headers={"content-type": kind}), 415, "unsupported-type")
    assert "multipart/form-data" in detail


def test_a_path_that_is_not_there_is_refused_in_the_same_shape(client: httpx.Client) -> None:
    for path in ("/nope", "/api/vision/v2/nope", "/page/../../../etc/passwd", "/page/%2e%2e/app.py", "/page/nope.js"):
        refused(client.get(path), 404, "not-found")


def test_a_method_that_is_not_taken_is_refused_with_those_that_are(client: httpx.Client) -> None:
    assert "POST" in refused(client.get(PREDICT), 405, "method-not-allowed")
    refused(client.delete("/healthz"), 405)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a b.jpg", "a b.jpg"),
        ("..", "image"),
        ("tab\there\x07.png", "tabhere.png"),
        ("Straße ünd 日本.png", "Straße ünd 日本.png"),
    ],
)
def test_a_file_name_is_a_key_and_no_path(client: httpx.Client, picture: bytes, given: str, key: str) -> None:
    document = {"image": base64.b64encode(picture).decode(), "filename": given}
    assert list(client.post(PREDICT, json=document).json()["result"]) == [key]


def test_when_all_places_are_taken_it_says_when_to_come_back(
    make_service: MakeService, answering: Answering, picture: bytes
) -> None:
    small = make_service(max_requests=2)
    with answering(make_app(small, OFF)) as client:
        with ExitStack() as places:
            for _ in range(2):
                places.enter_context(small.dispatcher.place())
            response = send(client, picture)
            assert client.get("/healthz").status_code == 200
        assert "max_requests" in refused(response, 503, "busy")
        assert int(response.headers["retry-after"]) >= 1
        assert send(client, picture).status_code == 200


def test_an_upload_that_takes_too_long_is_given_up(make_service: MakeService, answering: Answering) -> None:
    with answering(make_app(make_service(timeout_s=0.2), OFF)) as client:
        url = client.base_url
        with socket.create_connection((url.host, url.port or 80), timeout=30) as slow:
            slow.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc" % PREDICT.encode())
            said = slow.recv(65536)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in said.lower()


def test_a_client_that_hangs_up_leaves_its_place(make_service: MakeService, answering: Answering) -> None:
    with answering(make_app(make_service(timeout_s=30, max_requests=4), OFF)) as client:
        url = client.base_url
        for _ in range(8):
            with socket.create_connection((url.host, url.port or 80), timeout=30) as gone:
                gone.sendall(b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc" % PREDICT.encode())
        assert client.get("/healthz").status_code == 200


KINDS = st.sampled_from(["multipart/form-data; boundary=x", "application/json", "image/png", "", "multipart/form-data"])
BODIES = st.binary(max_size=300) | st.builds(
    lambda head, body: b"--x\r\n" + head + b"\r\n\r\n" + body + b"\r\n--x--\r\n",
    st.sampled_from(
        [
            b'content-disposition: form-data; name="image"; filename="a"',
            b"content-disposition: form-data; name=image; filename*=utf-8''%ff%00",
            b'content-disposition: form-data; name="score_threshold"',
            b"content-type: image/png",
        ]
    )
    | st.binary(max_size=40),
    st.binary(max_size=100),
)


@settings(max_examples=examples(1.5))
@given(kind=KINDS, body=BODIES)
def test_no_body_makes_the_service_fail(client: httpx.Client, kind: str, body: bytes) -> None:
    response = client.post(PREDICT, content=body, headers={"content-type": kind})
    refused(response, response.status_code)
    assert 400 <= response.status_code < 500
