from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from teppr.anatomy.anatomy import Anatomy, LookOptions, look_inside
from teppr.anatomy.layers import choose_maps
from teppr.anatomy.onnx_subject import OnnxSubject
from teppr.anatomy.opened import open_subject
from teppr.anatomy.page import bars, short_count, write_anatomy
from teppr.architectures.contract import BuildOptions, torch_architecture
from teppr.errors import UnknownName
from teppr.images import encode_png, read
from teppr.testing.bundles import colored_picture, small_bundle
from teppr.types import LabelInfo, ModelCard
from teppr.workflow.checkpoint import Checkpoint
from teppr.workflow.compute import Compute
from teppr.workflow.facts import NetworkFacts
from teppr.workflow.trained import open_trained

SIDE_PX = 64
FEATURES = "pyramid.body.16"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    path.write_bytes(encode_png(colored_picture({"stop": (40, 60, 60, 60), "go": (200, 80, 40, 40)})))
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learned nothing, with a broken and a dead tensor in it."""
    torch.manual_seed(3)
    network = torch_architecture("fcos").build(
        BuildOptions(label_count=2, image_size_px=SIDE_PX, backbone="mobilenet_v2", weights="scratch", task="detect")
    )
    with torch.no_grad():
        network.get_parameter("sides.weight")[0, 0, 0, 0] = torch.nan
        network.get_parameter("tower.1.0.weight")[5] = 0
    facts = NetworkFacts(
        architecture="fcos",
        backbone="mobilenet_v2",
        image_size_px=SIDE_PX,
        labels=(LabelInfo(name="stop", color="#e01818"), LabelInfo(name="go", color="#18b030")),
        task="detect",
        problem="ods",
        dataset="none",
        run="none",
    )
    path = tmp_path_factory.mktemp("checkpoint") / "best.pt"
    Checkpoint(facts=facts, weights=network.state_dict()).write(path)
    return path


@pytest.fixture(scope="module")
def anatomy(checkpoint: Path, photo: Path) -> Anatomy:
    options = LookOptions(layers=(FEATURES,), labels=("go", "stop"), channels=3, preferred=1)
    return look_inside(photo.parent, str(checkpoint), [photo], options=options, compute=Compute(device="cpu"))


def test_the_tree_adds_up(anatomy: Anatomy) -> None:
    whole = anatomy.whole
    assert whole.parameters == sum(figures.count for figures in anatomy.weights)
    assert whole.parameters == sum(layer.parameters for layer in anatomy.layers if layer.depth == 1)
    assert whole.multiply_adds == sum(layer.multiply_adds for layer in anatomy.layers if layer.depth == 1) > 0
    assert 0 < (whole.trainable or 0) <= whole.parameters
    shapes = {layer.name: layer.shape for layer in anatomy.layers}
    assert shapes[FEATURES] == (1, 160, 2, 2)


def test_flaws_of_weights_are_named(anatomy: Anatomy) -> None:
    flaws = {figures.name: figures.flaws for figures in anatomy.flawed}
    assert flaws["sides.weight"] == ("1 not finite",)
    assert flaws["tower.1.0.weight"] == ("1 of 64 channels dead",)


def test_an_image_has_maps_and_an_overlay_for_each_label_asked(anatomy: Anatomy) -> None:
    (seen,) = anatomy.seen
    (maps,) = seen.maps
    assert (maps.layer, maps.channels, maps.places_wh) == (FEATURES, 160, (2, 2))
    responses = [item.response for item in maps.strongest]
    assert len(responses) == 3
    assert responses == sorted(responses, reverse=True)
    assert [overlay.label for overlay in seen.overlays] == ["stop", "go"]
    for overlay in seen.overlays:
        assert overlay.picture.shape == seen.picture.shape
        assert 0 <= overlay.heat.min() <= overlay.heat.max() <= 1
    assert [item.channel for item in anatomy.preferred] == [maps.strongest[0].channel]


def test_a_page_needs_nothing_beside_it(anatomy: Anatomy, tmp_path: Path) -> None:
    (page,) = write_anatomy(anatomy, tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "HiResCAM" in text
    assert "1 of 64 channels dead" in text
    assert 'src="http' not in text
    page, data, *overlays = write_anatomy(anatomy, tmp_path / "folder")
    assert page.name == "index.html"
    assert data.is_file()
    assert [path.name for path in overlays] == ["1-photo-stop.png", "1-photo-go.png"]


def test_a_bundle_without_its_run_is_looked_into_by_trial(photo: Path, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    anatomy = look_inside(tmp_path, str(bundle.path), [photo], options=LookOptions(channels=3))
    (seen,) = anatomy.seen
    assert {overlay.label for overlay in seen.overlays} == {"stop", "go"}
    assert min(overlay.inside_0_1 or 0 for overlay in seen.overlays) > 0.3
    assert "occlusion" in anatomy.method
    assert anatomy.preferred == ()
    assert anatomy.notes == ("No layer makes a map of an image, so that there are none to draw.",)


@pytest.mark.slow
def test_an_export_has_the_layers_and_maps_of_its_network(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    # Given the same network as a checkpoint and as an ONNX file
    network = open_subject(tmp_path, str(checkpoint), Compute(device="cpu"))
    trained = open_trained(checkpoint)
    exported = trained.export(tmp_path)
    card = ModelCard(
        key="acme-ods-1",
        architecture="fcos",
        problem="ods",
        task="detect",
        labels=trained.facts.labels,
        image_size_px=SIDE_PX,
        square=True,
        batch=True,
        inputs=exported.inputs,
        outputs=exported.outputs,
        decode=exported.decode,
    )
    file = OnnxSubject(network.about, onnx.load(str(exported.files[0])), card, network.find, "model.onnx")
    pixels, _ = read(photo)
    # Then both say the same of it
    ours, theirs = network.layers([pixels]), file.layers([pixels])
    assert theirs[0].multiply_adds == ours[0].multiply_adds
    assert theirs[0].parameters == pytest.approx(ours[0].parameters, rel=0.02)  # normalisation is within convolutions
    (last,) = choose_maps(theirs, 1)
    (wanted,) = network.maps(pixels, [FEATURES]).values()
    np.testing.assert_allclose(file.maps(pixels, [last])[last], wanted, atol=1e-3)


@pytest.mark.parametrize(
    "options", [LookOptions(layers=("nowhere",)), LookOptions(labels=("zebra",))], ids=["layer", "label"]
)
def test_what_is_not_there_is_refused_with_what_is(options: LookOptions, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "bundle")
    with pytest.raises(UnknownName, match=r"nowhere|zebra"):
        look_inside(tmp_path, str(bundle.path), options=options)


def test_counts_are_short_and_bars_have_their_heights() -> None:
    assert [short_count(count) for count in (0, 999, 1234, 3_542_112, 2e9)] == ["0", "999", "1.23 k", "3.54 M", "2 G"]
    assert bars([0, 4, 1]) == "M4 26v-26.0h3v26.0zM8 26v-13.0h3v13.0z"
