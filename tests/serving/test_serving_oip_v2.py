"""The Open Inference Protocol, asked by tritonclient as it is, and by hand."""

import base64
from collections.abc import Iterator
from typing import Any, TypeAlias

import httpx
import numpy as np
import orjson
import pytest
import tritonclient.http as triton
from hypothesis import given, settings
from hypothesis import strategies as st

from teppr.images import decode, encode_png
from teppr.serving.declined import Declined
from teppr.serving.protocols._oip_tensors import read_request
from teppr.testing.bundles import colored_picture

Asking: TypeAlias = Any
"""A client of tritonclient, which has no types."""
KEY = "acme-ods-1"
PATCHES = {"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)}
BOXES = {"stop": [20, 30, 100, 90], "go": [150, 100, 210, 190]}


@pytest.fixture(scope="module")
def asking(client: httpx.Client) -> Iterator[Any]:
    url = client.base_url
    with triton.InferenceServerClient(f"{url.host}:{url.port}") as asking:
        yield asking


def encoded(picture: bytes) -> Any:  # noqa: ANN401 - tritonclient has no types
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([picture], dtype=np.object_))
    return image


def found(result: Any) -> dict[str, list[float]]:  # noqa: ANN401 - tritonclient has no types
    names = [name.decode() if isinstance(name, bytes) else name for name in result.as_numpy("label_names")]
    return dict(zip(names, result.as_numpy("boxes").tolist(), strict=True))


def test_tritonclient_reads_what_serves(asking: Asking) -> None:
    assert asking.is_server_live()
    assert asking.is_server_ready()
    assert asking.get_server_metadata()["name"] == "teppr"
    assert "binary_tensor_data" in asking.get_server_metadata()["extensions"]
    assert asking.is_model_ready(KEY)
    assert asking.is_model_ready(KEY, "1")
    assert not asking.is_model_ready(KEY, "2")
    assert not asking.is_model_ready("acme-ods-9")


def test_tritonclient_reads_a_models_tensors(asking: Asking) -> None:
    metadata = asking.get_model_metadata(KEY)
    assert (metadata["name"], metadata["versions"]) == (KEY, ["1"])
    assert metadata["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [1]}]
    assert {out["name"]: (out["datatype"], out["shape"]) for out in metadata["outputs"]} == {
        "boxes": ("FP32", [-1, 4]),
        "scores": ("FP32", [-1]),
        "labels": ("INT64", [-1]),
        "label_names": ("BYTES", [-1]),
    }
    assert asking.get_model_metadata(KEY, "1") == metadata


def test_tritonclient_infers_from_a_file(asking: Asking, picture: bytes) -> None:
    result = asking.infer(KEY, [encoded(picture)], request_id="7")
    assert found(result) == BOXES
    assert result.get_response()["id"] == "7"
    assert (result.get_response()["model_name"], result.get_response()["model_version"]) == (KEY, "1")
    assert result.as_numpy("boxes").dtype == np.float32
    assert result.as_numpy("labels").tolist() == [0, 1]
    assert result.as_numpy("labels").dtype == np.int64
    assert (result.as_numpy("scores") > 0.9).all()
    assert found(asking.infer(KEY, [encoded(picture)], model_version="1")) == BOXES


@pytest.mark.parametrize("binary", [True, False])
def test_tritonclient_infers_from_pixels_with_outputs_as_they_are_asked_for(asking: Asking, binary: bool) -> None:
    pixels = colored_picture(PATCHES)
    image = triton.InferInput("image", list(pixels.shape), "UINT8")
    image.set_data_from_numpy(pixels, binary_data=binary)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label_names", "boxes")]
    result = asking.infer(KEY, [image], outputs=outputs)
    assert found(result) == BOXES
    assert [output["name"] for output in result.get_response()["outputs"]] == ["label_names", "boxes"]
    assert all(("data" in output) is not binary for output in result.get_response()["outputs"])


def test_an_image_without_objects_has_empty_tensors(asking: Asking) -> None:
    result = asking.infer(KEY, [encoded(encode_png(colored_picture({})))])
    assert result.as_numpy("boxes").shape == (0, 4)
    assert result.as_numpy("scores").shape == (0,)


def test_parameters_go_over_the_models_own(asking: Asking) -> None:
    pixels = colored_picture({"stop": (20, 30, 80, 60)})
    pixels[30:60, 20:100] = (70, 80, 120)
    pixels[30:34, 20:100] = (224, 24, 24)  # the box is filled by 34 rows of 60
    image = encoded(encode_png(pixels))
    assert len(asking.infer(KEY, [image]).as_numpy("scores")) == 1
    strict = asking.infer(KEY, [image], parameters={"score_threshold": 0.9}, priority=2, timeout=20_000_000)
    assert len(strict.as_numpy("scores")) == 0


def test_tritonclient_is_told_what_is_wrong(asking: Asking, picture: bytes) -> None:
    with pytest.raises(triton.InferenceServerException, match="did you mean 'acme-ods-1'") as refusal:
        asking.infer("acme-ods-9", [encoded(picture)])
    assert refusal.value.status() == "404"
    with pytest.raises(triton.InferenceServerException, match="is not an image") as refusal:
        asking.infer(KEY, [encoded(b"text")])
    assert refusal.value.status() == "400"
    with pytest.raises(triton.InferenceServerException, match="no output 'masks'; known: boxes"):
        asking.infer(KEY, [encoded(picture)], outputs=[triton.InferRequestedOutput("masks")])


def infer(client: httpx.Client, document: object, behind: bytes = b"", **headers: str) -> httpx.Response:
    head = orjson.dumps(document)
    said = {"Inference-Header-Content-Length": str(len(head))} if behind else {}
    return client.post(f"/v2/models/{KEY}/infer", content=head + behind, headers={**said, **headers})


def image_of(**others: object) -> dict[str, object]:
    return {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", **others}]}


def test_a_file_may_come_as_base64(client: httpx.Client, picture: bytes) -> None:
    response = infer(client, image_of(data=[base64.b64encode(picture).decode()]))
    outputs = {output["name"]: output for output in response.json()["outputs"]}
    assert outputs["boxes"]["shape"] == [2, 4]
    assert outputs["label_names"]["data"] == ["stop", "go"]
    assert response.headers["x-request-id"]
    assert response.headers["x-content-type-options"] == "nosniff"


PIXELS = {"datatype": "UINT8", "shape": [1, 2, 3]}


@pytest.mark.parametrize(
    ("document", "behind", "says"),
    [
        ([], b"", "the document must be an object"),
        ({}, b"", "inputs"),
        ({"inputs": []}, b"", "inputs"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES"}]}, b"", "image"),
        (image_of(datatype="FP32"), b"", "UINT8"),
        (image_of(), b"", "list of one text"),
        (image_of(data=[7]), b"", "list of one text"),
        (image_of(data=["ä"]), b"", "base64"),
        (image_of(shape=[2], data=["", ""]), b"", "one image a request"),
        (image_of(parameters={"binary_data_size": 7}), b"", "0 bytes are behind"),
        (image_of(parameters={"binary_data_size": 3}), b"abc", "length in 4 bytes"),
        (image_of(parameters={"binary_data_size": 6}), b"\xff\xff\xff\xffab", "length in 4 bytes"),
        (image_of(), b"abc", "3 bytes are behind"),
        (image_of(**PIXELS), b"", "neither"),
        (image_of(**PIXELS, data=[1, 2, 3]), b"", "6 values, got 3"),
        (image_of(**PIXELS, data=[1, 2, 3, 4, 5, 256]), b"", "0..255"),
        (image_of(**PIXELS, data=[[[1, 2, 3], [4, 5, "x"]]]), b"", "0..255"),
        (image_of(datatype="UINT8", shape=[10**9, 10**9, 3], data=[0]), b"", "values, got 1"),
        (image_of(datatype="UINT8", shape=[-1, -1, 3], data=[0, 0, 0]), b"", "height, width, 3"),
        ({**image_of(data=[""]), "parameters": {"sequence_id": 7}}, b"", "sequence_id"),
        ({**image_of(data=[""]), "parameters": {"score_threshold": 7}}, b"", "score_threshold"),
    ],
)  # fmt: skip
def test_a_broken_tensor_is_refused_in_the_protocols_shape(
    client: httpx.Client, document: object, behind: bytes, says: str
) -> None:
    response = infer(client, document, behind)
    assert response.status_code == 400
    assert set(response.json()) == {"error"}
    assert says in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/v2/nope", 404, "there is nothing at '/v2/nope'"),
        ("GET", "/v2/models/acme-ods-1/config", 404, "there is nothing at"),
        ("DELETE", "/v2/models/acme-ods-1", 405, "does not take DELETE; it takes GET"),
    ],
    ids=["path", "extension", "method"],
)
def test_what_is_not_there_is_refused_in_the_protocols_shape(
    client: httpx.Client, method: str, path: str, status: int, says: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert says in answer.json()["error"]


def test_bodies_are_read_within_limits(client: httpx.Client) -> None:
    large = client.post(f"/v2/models/{KEY}/infer", content=bytes(5_000_000))
    assert (large.status_code, set(large.json())) == (413, {"error"})
    for length, status in (("x", 422), ("-1", 422), ("7", 400)):
        headers = {"Inference-Header-Content-Length": length}
        wrong = client.post(f"/v2/models/{KEY}/infer", content=b"{}", headers=headers)
        assert (wrong.status_code, set(wrong.json())) == (status, {"error"})
    packed = client.post(f"/v2/models/{KEY}/infer", content=b"x", headers={"content-encoding": "gzip"})
    assert packed.status_code == 415


@settings(deadline=None)
@given(body=st.binary(max_size=60), header=st.none() | st.integers(0, 70))
def test_no_body_is_more_than_refused(body: bytes, header: int | None) -> None:
    with pytest.raises(Declined):
        read_request(body, header)


@settings(deadline=None)
@given(size=st.tuples(st.integers(1, 9), st.integers(1, 9)), seed=st.integers(0, 1000), binary=st.booleans())
def test_pixels_go_through_the_queue_as_they_are(size: tuple[int, int], seed: int, binary: bool) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    described: dict[str, Any] = {"name": "image", "datatype": "UINT8", "shape": pixels.shape}
    behind = pixels.tobytes() if binary else b""
    described |= {"parameters": {"binary_data_size": len(behind)}} if binary else {"data": pixels.tolist()}
    head = orjson.dumps({"inputs": [described]})
    _, image = read_request(head + behind, len(head))
    np.testing.assert_array_equal(decode(image, name="x")[0], pixels)
