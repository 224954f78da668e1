"""Feature vectors: near for what looks alike, of regions as of images, written in three forms."""

import json
from pathlib import Path

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch

from teppr.architectures.contract import BuildOptions, torch_architecture
from teppr.cli.main import run
from teppr.errors import AlreadyThere, BadInput, Corrupt, UnknownName
from teppr.images import Pixels, encode_png, find, read
from teppr.registry.bundle import Bundle, write_bundle
from teppr.registry.runtime import Runtime, pooled
from teppr.testing.bundles import classifier_bundle, colored_picture, small_bundle
from teppr.testing.commands import Cli
from teppr.types import LabelInfo, ModelCard
from teppr.workflow.embed import check_place, embed_files, embedder, write_vectors
from teppr.workflow.inner_tensor import with_output
from teppr.workflow.inputs import Picture

PHOTOGRAPHS = 12
INNER = "means"
"""A tensor of the tests' classifier: the image's mean colour."""


@pytest.fixture
def teppr(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(run, home, capsys)


@pytest.fixture(scope="module")
def mask_rcnn(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    """A Mask R-CNN with the features of ImageNet, as published."""
    torch.manual_seed(7)
    architecture = torch_architecture("mask_rcnn")
    options = BuildOptions(
        label_count=1, image_size_px=224, backbone="mobilenet_v2", weights="imagenet", task="segment"
    )
    folder = tmp_path_factory.mktemp("mask_rcnn")
    exported = architecture.export(architecture.build(options), folder, 224)
    card = ModelCard(
        key="acme-ods-1",
        architecture="mask_rcnn",
        problem="ods",
        task="segment",
        labels=(LabelInfo(name="kangaroo", color="#204060"),),
        image_size_px=224,
        inputs=exported.inputs,
        outputs=exported.outputs,
        decode=exported.decode,
        embedding=exported.embedding,
        embedding_size=exported.embedding_size,
    )
    return Runtime(write_bundle(folder / "bundle", card, exported.files))


@pytest.fixture(scope="module")
def photographs(data: Path) -> list[Pixels]:
    return [read(path)[0] for path in find(data / "voc_kangaroo")[:PHOTOGRAPHS]]


def near_duplicate(pixels: Pixels) -> Pixels:
    """The same a little closer, darker, and mirrored."""
    height, width = pixels.shape[:2]
    part = pixels[height // 20 : -height // 20, width // 20 : -width // 20, :]
    return np.ascontiguousarray((part[:, ::-1] * 0.85).astype(np.uint8))


@pytest.mark.slow
def test_near_photographs_are_near_by_cosine(mask_rcnn: Runtime, photographs: list[Pixels]) -> None:
    vectors = np.stack([mask_rcnn.embed(pixels) for pixels in photographs])
    others = np.stack([mask_rcnn.embed(near_duplicate(pixels)) for pixels in photographs])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosines = others @ vectors.T
    assert cosines.argmax(axis=1).tolist() == [*range(len(photographs))]
    apart = vectors @ vectors.T
    assert np.diag(cosines).min() > np.sort(apart, axis=1)[:, :-1].max()


@pytest.mark.slow
def test_a_region_is_near_the_image_that_shows_it_alone(mask_rcnn: Runtime, photographs: list[Pixels]) -> None:
    pixels = photographs[0]
    height, width = pixels.shape[:2]
    boxes = [[0, 0, width / 2, height / 2], [width / 2 - 0.5, height / 3, width, height], [-9, -9, 0, 0]]
    vectors = mask_rcnn.embed_regions(pixels, boxes)
    assert vectors.shape == (3, mask_rcnn.card.embedding_size)
    alone = mask_rcnn.embed(np.ascontiguousarray(pixels[: -(-height // 2), : -(-width // 2)]))
    np.testing.assert_allclose(vectors[0], alone, atol=1e-6)
    assert mask_rcnn.embed_regions(pixels, []).shape == (0, mask_rcnn.card.embedding_size)


@pytest.mark.slow
def test_predictions_are_the_same_with_and_without_an_embedding(mask_rcnn: Runtime, photographs: list[Pixels]) -> None:
    before = mask_rcnn.predict(photographs[0])
    found, vector = mask_rcnn.predict_and_embed(photographs[0])
    np.testing.assert_array_equal(found.boxes_xyxy_px, before.boxes_xyxy_px)
    np.testing.assert_array_equal(vector, mask_rcnn.embed(photographs[0]))


@pytest.mark.parametrize("batch", [True, False], ids=["in one run", "one by one"])
def test_a_tensor_of_a_network_is_taken_where_it_has_no_embedding(tmp_path: Path, batch: bool) -> None:
    bundle = classifier_bundle(tmp_path / "bundle", batch=batch)
    with pytest.raises(BadInput, match="its card names no embedding; choose a tensor of its network with teppr embed"):
        Runtime(bundle).embed(colored_picture({}))
    with embedder(tmp_path, str(bundle.path), output=INNER) as runtime:
        red = np.full((20, 30, 3), (250, 10, 10), np.uint8)
        made = runtime.embed_many([runtime.feed(red), runtime.feed(colored_picture({})), runtime.feed(red)])
        vectors = [vector for vector in made if not isinstance(vector, Corrupt)]
        assert runtime.card.embedding_size == 3
        np.testing.assert_allclose(vectors[0], np.array([250, 10, 10]) / np.linalg.norm([250, 10, 10]), atol=1e-3)
        np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-6)
    assert Bundle.open(bundle.path).card.embedding == ""


def test_a_tensor_that_is_not_there_is_refused_with_near_ones(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path / "bundle")
    with pytest.raises(UnknownName, match=r"no tensor 'mean'; did you mean 'means'.*; the last of its \d+: \["):
        with_output(bundle.network, "mean", tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("shape", "has_image_axis", "layout", "length"),
    [
        ((5,), False, "CHW", 5),
        ((1, 5), True, "CHW", 5),
        ((1, 5), False, "CHW", 5),
        ((1, 5, 2, 3), True, "CHW", 5),
        ((1, 5, 2, 3), False, "CHW", 5),
        ((5, 2, 3), False, "CHW", 5),
        ((2, 3, 5), False, "HWC", 5),
        ((1, 7, 5), True, "CHW", 5),
        ((7, 5), False, "CHW", 5),
    ],
)
def test_a_map_of_features_is_told_by_its_means(
    shape: tuple[int, ...], has_image_axis: bool, layout: str, length: int
) -> None:
    vector = pooled(np.ones(shape, np.float32), has_image_axis=has_image_axis, layout=layout)
    assert vector.tolist() == [1] * length


def test_what_is_no_vector_of_an_image_is_refused() -> None:
    with pytest.raises(BadInput, match=r"an embedding is \[c\], .* of an image, got \[2, 2, 2, 2, 2\]"):
        pooled(np.zeros((2, 2, 2, 2, 2)), has_image_axis=False, layout="CHW")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    patches = {"stop": (20, 30, 50, 60), "wait": (200, 100, 40, 30)}
    (tmp_path / "a.png").write_bytes(encode_png(colored_picture(patches)))
    (tmp_path / "b.png").write_bytes(encode_png(colored_picture({})))
    (tmp_path / "c.png").write_bytes(b"no image")
    return [Picture(path=tmp_path / name, name=name) for name in ("a.png", "b.png", "c.png")]


def test_images_and_their_regions_are_written_in_three_forms(tmp_path: Path, pictures: list[Picture]) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    inner = onnx.load(str(bundle.network)).graph.node[1].output[0]  # how far each pixel is from a label's colour
    with embedder(tmp_path, str(bundle.path), output=inner) as runtime:
        done = embed_files(runtime, pictures, with_regions=True)
    assert [(row.image, row.region, row.label) for row in done.rows] == [
        ("a.png", None, None), ("a.png", 0, "stop"), ("a.png", 1, "wait"), ("b.png", None, None),
    ]  # fmt: skip
    assert ([item.reason for item in done.refused], done.exit_code) == (["not-an-image"], 1)
    for name in ("v.npz", "v.parquet", "v.json"):
        write_vectors(tmp_path / name, done)
    with np.load(tmp_path / "v.npz") as written:
        np.testing.assert_array_equal(written["vectors"], done.vectors)
        assert written["images"].tolist() == ["a.png", "a.png", "a.png", "b.png"]
        assert written["boxes_xyxy_px"][1].tolist() == [20, 30, 70, 90]
        assert str(written["model"]) == "acme-ods-1"
    table = pq.read_table(tmp_path / "v.parquet")
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float32), done.vectors)
    assert table["region"].to_pylist() == [None, 0, 1, None]
    assert table.schema.metadata[b"embedding"].decode() == inner
    document = json.loads((tmp_path / "v.json").read_text())
    np.testing.assert_allclose(document["rows"][0]["vector"], done.vectors[0], rtol=1e-6)


def test_where_vectors_are_written_is_looked_at_first(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"end with \.npz, \.parquet, \.json, got .*vectors\.csv"):
        check_place(tmp_path / "vectors.csv", replace=False)
    (tmp_path / "v.npz").touch()
    with pytest.raises(AlreadyThere, match="is there already"):
        check_place(tmp_path / "v.npz", replace=False)
    check_place(tmp_path / "v.npz", replace=True)


def test_the_command_writes_vectors(tmp_path: Path, teppr: Cli, pictures: list[Picture]) -> None:
    bundle = classifier_bundle(tmp_path / "bundle")
    given = [picture.path for picture in pictures]
    said = ["--model", bundle.path, "--output", INNER, "--out", tmp_path / "v.npz"]
    assert teppr("embed", *given, *said, "--json") == 1
    told = teppr.json
    assert (told["size"], told["vectors"], told["images"], told["embedding"]) == (3, 2, 2, INNER)
    assert teppr("embed", given[0], *said, "--replace") == 0
    assert f"1 vectors of images, 3 numbers each, by acme-cls-1\n{tmp_path / 'v.npz'}" in teppr.out
    assert teppr("embed", given[2], *said, "--replace") == 2
    assert teppr("embed", given[0], *said) == 1
    assert "is there already" in teppr.err
