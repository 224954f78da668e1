"""A tensor from within a network as one of its outputs: for feature vectors of networks that were made without them."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from teppr.errors import MissingExtra, UnknownName

SHOWN = 12


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
