"""A bundle's network, run for real."""

import json
import subprocess
import sys
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
from teppr.registry.runtime import Runtime
from teppr.testing.bundles import colored_picture


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


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def test_prediction_needs_no_training_framework(bundle: Bundle) -> None:
    program = f"""
import json, sys
from pathlib import Path
import numpy as np
from teppr.registry.bundle import Bundle
from teppr.registry.runtime import Runtime
Runtime(Bundle.open(Path({str(bundle.path)!r}))).predict(np.zeros((9, 9, 3), np.uint8))
print(json.dumps(sorted({{"torch", "torchvision", "onnx", "matplotlib", "pandas"}} & sys.modules.keys())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
