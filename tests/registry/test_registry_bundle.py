"""A bundle is read as it was written, or refused by the name of what was changed."""

import json
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import AlreadyThere, BadInput, Corrupt
from teppr.files import sha256_of, write_json
from teppr.registry.bundle import CARD, MANIFEST, NETWORK, Bundle, verify, write_bundle
from teppr.registry.card import card_document, read_card
from teppr.types import LabelInfo, ModelCard

names = st.text(min_size=1, max_size=8)
figures = st.dictionaries(names, st.floats(0, 1) | st.none(), max_size=3)
cards = st.builds(
    ModelCard,
    key=st.from_regex(r"[a-z]{1,4}-[a-z]{3}-[0-9]{1,3}", fullmatch=True),
    architecture=names,
    problem=names,
    task=st.sampled_from(["detect", "segment"]),
    labels=st.lists(st.builds(LabelInfo, name=names, color=st.just("#102030")), min_size=1, max_size=3).map(tuple),
    image_size_px=st.integers(1, 4096),
    inputs=st.just(("image",)),
    outputs=st.lists(names, max_size=3).map(tuple),
    decode=names,
    scale=st.floats(0.001, 1),
    mean=st.none() | st.tuples(*[st.floats(0, 1)] * 3),
    std=st.none() | st.tuples(*[st.floats(0.01, 1)] * 3),
    size_wh=st.none() | st.tuples(*[st.integers(1, 4096)] * 2),
    layout=st.sampled_from(["CHW", "HWC"]),
    color_order=st.sampled_from(["RGB", "BGR"]),
    decode_options=st.dictionaries(names, st.integers() | names | st.floats(0, 1), max_size=2),
    embedding=st.just("") | names,
    embedding_size=st.integers(0, 2048),
    metrics=st.dictionaries(names, st.dictionaries(st.just("box"), figures), max_size=2),
    source=st.dictionaries(names, names, max_size=2),
    created=st.none() | st.datetimes(timezones=st.just(UTC)),
    frameworks=st.dictionaries(names, names, max_size=2),
)


@given(card=cards)
def test_a_card_reads_back_as_it_was_written(card: ModelCard) -> None:
    data = json.dumps(card_document(card)).encode()
    assert read_card(data, "model.json") == card


def test_a_card_that_was_written_before_a_field_was_known_means_what_it_meant(bundle: Bundle) -> None:
    document = card_document(bundle.card)
    for later in ("mean", "std", "size_wh", "letterbox", "decode_options", "embedding", "embedding_size"):
        del document[later]
    assert read_card(json.dumps(document).encode(), "model.json") == bundle.card


def test_a_bundle_opens_as_it_was_written(bundle: Bundle) -> None:
    assert Bundle.open(bundle.path) == bundle
    assert verify(bundle.path) == []
    assert json.loads((bundle.path / MANIFEST).read_text())["files"].keys() == {NETWORK, CARD}


@pytest.mark.parametrize("name", [NETWORK, CARD])
def test_a_changed_byte_is_refused_by_the_name_of_its_file(bundle: Bundle, name: str) -> None:
    file = bundle.path / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(Corrupt, match=f"{name} is not what was written: sha256 .* is listed"):
        Bundle.open(bundle.path)


def test_a_shortened_file_is_refused_by_name_and_size(bundle: Bundle) -> None:
    bundle.network.write_bytes(bundle.network.read_bytes()[:-1])
    with pytest.raises(Corrupt, match=r"model\.onnx is not what was written: \d+ bytes are listed, it has \d+"):
        Bundle.open(bundle.path)


def test_missing_and_additional_files_are_refused_by_name(bundle: Bundle) -> None:
    bundle.network.rename(bundle.path / "other.onnx")
    with pytest.raises(Corrupt, match=r"model\.onnx is listed in .* not there; .*other\.onnx is not listed"):
        Bundle.open(bundle.path)


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        pytest.param("{", "as JSON", id="not JSON"),
        pytest.param("[]", "is no manifest", id="list"),
        pytest.param('{"format": 1, "files": {"a": 3}}', r"sha256 and size_bytes, got 3 - at files\.a", id="entry"),
        pytest.param('{"format": 99, "files": {}}', "has the format 99, this teppr reads 1", id="newer"),
        pytest.param('{"format": 1, "files": {}}', r"model\.json must be part of a bundle", id="nothing listed"),
    ],
)
def test_a_broken_manifest_is_refused(bundle: Bundle, manifest: str, says: str) -> None:
    (bundle.path / MANIFEST).write_text(manifest)
    with pytest.raises(Corrupt, match=says):
        Bundle.open(bundle.path)


def change_card(bundle: Bundle, **changed: object) -> None:
    """Write another card, and a manifest to which it fits."""
    document = json.loads((bundle.path / CARD).read_text()) | changed
    write_json(bundle.path / CARD, document)
    manifest: dict[str, Any] = json.loads((bundle.path / MANIFEST).read_text())
    size_bytes = (bundle.path / CARD).stat().st_size
    manifest["files"][CARD] = {"sha256": sha256_of(bundle.path / CARD), "size_bytes": size_bytes}
    write_json(bundle.path / MANIFEST, manifest)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        pytest.param({"classes": 3}, r"unknown keys \['classes'\]; known: .*'architecture'", id="unknown key"),
        pytest.param(
            {"labels": [{"name": "a", "color": "#000000", "colour": 1}]}, r"unknown keys \['colour'\]", id="in label"
        ),
        pytest.param({"image_size_px": "big"}, r"valid integer - at image_size_px", id="kind"),
        pytest.param({"labels": 5}, r"model\.json is no model card: .* - at labels", id="labels"),
        pytest.param({"labels": []}, r"at least one label", id="no labels"),
    ],
)
def test_a_card_of_another_form_is_refused(bundle: Bundle, changed: dict[str, object], says: str) -> None:
    change_card(bundle, **changed)
    with pytest.raises(Corrupt, match=says):
        Bundle.open(bundle.path)


def test_a_folder_that_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        Bundle.open(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"it has no MANIFEST\.json"):
        Bundle.open(tmp_path)


def test_a_bundle_is_never_written_over_another(bundle: Bundle) -> None:
    with pytest.raises(AlreadyThere):
        write_bundle(bundle.path, bundle.card, [bundle.network])


def test_a_bundle_needs_its_network(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a bundle's files are model\.onnx"):
        write_bundle(tmp_path / "other", replace(bundle.card, creator="me"), [bundle.path / CARD])
    assert not (tmp_path / "other").exists()
