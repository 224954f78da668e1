"""A bundle's network, run for real."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teppr.errors import BadInput, Corrupt
from teppr.geometry import area, box_xywh
from teppr.registry.bundle import NETWORK, Bundle, write_bundle
from teppr.registry.runtime import Runtime, providers
from teppr.testing.bundles import classifier_bundle, colored_picture
from teppr.testing.examples import examples


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    from teppr.testing.bundles import small_bundle

    return Runtime(small_bundle(tmp_path_factory.mktemp("models") / "bundle"))


def test_what_is_in_the_picture_is_found_where_it_is(runtime: Runtime) -> None:
    picture = colored_picture({"stop": (20, 30, 50, 60), "wait": (200, 100, 40, 30)}, (320, 240))
    found = runtime.predict(picture)
    assert [runtime.card.labels[i].name for i in found.label_ids] == ["stop", "wait"]
    np.testing.assert_array_equal(found.boxes_xyxy_px, [[20, 30, 70, 90], [200, 100, 240, 130]])
    assert found.masks is not None
    assert [box_xywh(mask) for mask in found.masks] == [(20, 30, 50, 60), (200, 100, 40, 30)]
    assert area(found.masks[0]) == 50 * 60


def test_an_empty_picture_has_nothing(runtime: Runtime) -> None:
    found = runtime.predict(colored_picture({}))
    assert len(found) == 0
    assert found.size_wh == (320, 240)


@settings(max_examples=examples(0.4), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(width=st.integers(1, 700), height=st.integers(1, 700))
def test_any_size_of_image_is_answered_in_its_own_pixels(runtime: Runtime, width: int, height: int) -> None:
    patch = (width // 4, height // 4, max(1, width // 2), max(1, height // 2))
    found = runtime.predict(colored_picture({"go": patch}, (width, height)))
    assert found.size_wh == (width, height)
    if min(width, height) >= 32:
        x, y, w, h = patch
        slack = 2 * max(width, height) / 320 + 1  # a pixel of the network, both ways
        np.testing.assert_allclose(found.boxes_xyxy_px[0], [x, y, x + w, y + h], atol=slack)


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(np.zeros((5, 5), np.uint8), id="grey"),
        pytest.param(np.zeros((5, 5, 4), np.uint8), id="four channels"),
        pytest.param(np.zeros((0, 5, 3), np.uint8), id="no rows"),
        pytest.param(np.zeros((5, 5, 3), np.float32), id="floats"),
    ],
)
def test_what_is_no_image_is_refused(runtime: Runtime, pixels: np.ndarray) -> None:
    with pytest.raises(BadInput, match=r"an image must be uint8 \[height, width, 3\], got"):
        runtime.predict(pixels)


def test_threads_get_the_answers_to_their_own_images(runtime: Runtime) -> None:
    pictures = [colored_picture({"stop": (i, 2 * i, 30, 30)}) for i in range(40)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(runtime.predict, pictures))
    assert [answer.boxes_xyxy_px[0, :2].tolist() for answer in answers] == [[i, 2 * i] for i in range(40)]


def plain(label: str, size_wh: tuple[int, int] = (40, 30)) -> np.ndarray:
    return colored_picture({label: (0, 0, *size_wh)}, size_wh)


@pytest.fixture(scope="module", params=[True, False], ids=["in one run", "one by one"])
def classifier(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    return Runtime(classifier_bundle(tmp_path_factory.mktemp("models") / "bundle", batch=request.param))


def names_of(runtime: Runtime, pictures: Sequence[np.ndarray]) -> list[str | None]:
    """The likeliest label of each picture; None for one that the network does not run on."""
    found = runtime.predict_many([runtime.feed(picture) for picture in pictures])
    return [None if isinstance(one, Corrupt) else runtime.card.labels[one.label_ids[0]].name for one in found]


def test_many_images_are_answered_in_their_order(classifier: Runtime) -> None:
    labels = ["go", "stop", "wait", "stop", "go"]
    assert names_of(classifier, [plain(label, (40 + i, 30)) for i, label in enumerate(labels)]) == labels


def test_of_many_images_the_one_that_fails_fails_alone(classifier: Runtime) -> None:
    black = np.zeros((30, 40, 3), np.uint8)
    pictures = [plain("go"), black, plain("wait"), black, plain("stop")]
    assert names_of(classifier, pictures) == ["go", None, "wait", None, "stop"]
    with pytest.raises(Corrupt, match="does not run on an image"):
        classifier.predict(black)


def test_no_images_have_no_answers(classifier: Runtime) -> None:
    assert classifier.predict_many([]) == []


def test_images_of_several_sizes_are_answered_as_each_alone(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path / "bundle")
    runtime = Runtime(rewritten(bundle, tmp_path, square=False))
    pictures = [plain("go"), plain("stop", (30, 40)), plain("wait"), plain("stop", (90, 10))]
    together = runtime.predict_many([runtime.feed(picture) for picture in pictures])
    for found, picture in zip(together, pictures, strict=True):
        assert not isinstance(found, Corrupt)
        alone = runtime.predict(picture)
        assert (found.size_wh, found.label_ids.tolist()) == (alone.size_wh, alone.label_ids.tolist())
        np.testing.assert_allclose(found.scores_0_1, alone.scores_0_1, rtol=1e-5)


def test_a_network_for_one_image_does_not_pass_for_one_of_many(tmp_path: Path) -> None:
    bundle = classifier_bundle(tmp_path / "bundle", batch=False)
    with pytest.raises(Corrupt, match=r"must take any number of images, \[n, 3, h, w\], .* it takes \[3, 'h', 'w'\]"):
        Runtime(rewritten(bundle, tmp_path, batch=True))


def rewritten(bundle: Bundle, folder: Path, **changed: object) -> Bundle:
    return write_bundle(folder / "changed", replace(bundle.card, **changed), [bundle.network])  # type: ignore[arg-type]


def test_a_network_that_is_none_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    fake = tmp_path / NETWORK
    fake.write_bytes(b"not a network")
    with pytest.raises(Corrupt, match=r"model\.onnx does not load as an ONNX network"):
        Runtime(write_bundle(tmp_path / "fake", bundle.card, [fake]))


def test_a_card_of_another_network_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match=r"not the network of its card: it has inputs \['image'\]"):
        Runtime(rewritten(bundle, tmp_path, inputs=("picture",)))


def test_an_unknown_decoder_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match=r"asks for the decoder 'tea leaves'; known: \['boxes'"):
        Runtime(rewritten(bundle, tmp_path, decode="tea leaves"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        pytest.param({"margin": 3}, r"'instances' margin = 3; it takes label_offset \(int\)", id="name"),
        pytest.param({"label_offset": "one"}, "label_offset = 'one'; it takes", id="kind"),
        pytest.param({"box_order": "xyz"}, "there is no order of a box's numbers 'xyz'", id="value"),
        pytest.param({"masks_over": "all"}, "there is no extent of masks 'all'; .*known: box, image", id="extent"),
    ],
)
def test_what_a_decoder_does_not_know_is_refused_when_it_is_loaded(
    bundle: Bundle, tmp_path: Path, options: dict[str, object], says: str
) -> None:
    with pytest.raises(Corrupt, match=says):
        Runtime(rewritten(bundle, tmp_path, decode_options=options))


def test_labels_that_the_card_does_not_have_are_refused(bundle: Bundle, tmp_path: Path) -> None:
    runtime = Runtime(rewritten(bundle, tmp_path, labels=bundle.card.labels[:1]))
    assert len(runtime.predict(colored_picture({"stop": (20, 30, 50, 60)}))) == 1
    with pytest.raises(Corrupt, match=r"answers with labels of the numbers \[1\]; its card has 1, from 0"):
        runtime.predict(colored_picture({"go": (20, 30, 50, 60)}))


def test_a_letterboxed_image_is_answered_in_its_own_pixels(bundle: Bundle, tmp_path: Path) -> None:
    runtime = Runtime(rewritten(bundle, tmp_path, size_wh=(320, 320), letterbox=True))
    found = runtime.predict(colored_picture({"stop": (20, 30, 50, 60)}, (160, 120)))
    np.testing.assert_array_equal(found.boxes_xyxy_px, [[20, 30, 70, 90]])
    assert found.masks is not None
    assert box_xywh(found.masks[0]) == (20, 30, 50, 60)


def test_an_embedding_that_the_network_does_not_give_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(Corrupt, match=r"the card says \['image'\] and \[.*'vector'\]"):
        Runtime(rewritten(bundle, tmp_path, embedding="vector", embedding_size=3))


def test_an_embedding_of_another_size_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    runtime = Runtime(rewritten(bundle, tmp_path, embedding="scores", embedding_size=7))
    with pytest.raises(Corrupt, match="describes an image by 3 numbers; its card says 7"):
        runtime.embed(colored_picture({}))


def test_prediction_needs_no_training_framework(bundle: Bundle) -> None:
    program = f"""
import json, sys
from pathlib import Path
import numpy as np
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime, providers
Runtime(Bundle.open(Path({str(bundle.path)!r}))).predict(np.zeros((9, 9, 3), np.uint8))
print(json.dumps(sorted({{"torch", "torchvision", "onnx", "matplotlib", "pandas"}} & sys.modules.keys())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_what_a_network_runs_on_is_the_best_there_is() -> None:
    here = ["CPUExecutionProvider", "CUDAExecutionProvider", "AzureExecutionProvider"]
    assert [name for name, _ in providers(available=here)] == ["CUDAExecutionProvider", "CPUExecutionProvider"]
    assert [name for name, _ in providers()][-1] == "CPUExecutionProvider"


def test_a_limit_of_the_gpus_memory_is_told_to_the_providers_that_have_one() -> None:
    """No GPU is here: what ONNX Runtime is told is what can be looked at."""
    options = dict(providers(4096, available=["CUDAExecutionProvider", "CPUExecutionProvider"]))
    assert options["CUDAExecutionProvider"]["gpu_mem_limit"] == str(4096 * 1024 * 1024)
    assert options["CPUExecutionProvider"] == {}
