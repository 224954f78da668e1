"""A tensor from within a network as its embedding: feature vectors of networks that were made without them."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from teppr.errors import MissingExtra, UnknownName
from teppr.files import put_copy
from teppr.images import LETTERBOX_GREY
from teppr.registry.bundle import CARD, MANIFEST, NETWORK, Bundle, write_bundle
from teppr.registry.feeding import fit, tensor
from teppr.registry.runtime import pooled
from teppr.types import ModelCard
from teppr.workflow.onnx_file import OnnxFile

SHOWN = 12


def describing(bundle: Bundle, name: str, folder: Path) -> Bundle:
    """The bundle anew, in the folder `folder`, with its network's tensor `name` as embedding; raises as `with_output`
    does.
    """
    folder.mkdir(parents=True)
    network = folder / NETWORK
    with_output(bundle.network, name, network)
    others = [file for file in bundle.path.iterdir() if file.name not in {NETWORK, CARD, MANIFEST}]
    for file in others:
        put_copy(file, folder / file.name, link=True)
    card = with_embedding(bundle.card, network, name)
    return write_bundle(folder / "bundle", card, [network, *others])


def with_output(network: Path, name: str, place: Path) -> None:
    """Write the network to `place` with its tensor `name` as a further output; weights in other files stay there.

    Raises UnknownName naming near ones and the last ones, MissingExtra where ONNX's own library is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingExtra("taking a tensor from within a network", "train") from error
    model = onnx.load(str(network), load_external_data=False)
    names = [output for node in model.graph.node for output in node.output if output]
    if name not in names:
        near = get_close_matches(name, names, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise UnknownName(f"{network} has no tensor {name!r}{hint}; the last of its {len(names)}: {names[-SHOWN:]}")
    if name not in {output.name for output in model.graph.output}:
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    onnx.save(model, str(place))


def with_embedding(card: ModelCard, network: Path, name: str) -> ModelCard:
    """The card with the output `name` of its network as embedding, its size measured on a grey image."""
    file = OnnxFile.open(network)
    has_image_axis = file.taken(card.layout).has_image_axis
    grey = np.full((card.image_size_px, card.image_size_px, 3), LETTERBOX_GREY, np.uint8)
    given = tensor(card, fit(card, grey).pixels, file.kind)
    made = file.run(given[None] if has_image_axis else given)[name]
    vector = pooled(made, has_image_axis=has_image_axis, layout=card.layout)
    return replace(card, embedding=name, embedding_size=len(vector))
