"""A network of PyTorch, looked into by hooks on its layers: what they make of an image, and what it changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from teppr.anatomy.layers import MAP_AXES, Layer, choose_maps, multiply_adds
from teppr.anatomy.preferred import preferred_image
from teppr.anatomy.subject import About, Heat, Subject
from teppr.anatomy.weights import WeightFigures, figures_of
from teppr.architectures.contract import Architecture
from teppr.images import LETTERBOX_GREY, Pixels, resize_for_network
from teppr.types import Detections, Floats
from teppr.workflow.checkpoint import Trained

COSTLY = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)

ALL = "all"
"""The training stage of which it is said what is trained; every architecture has it."""


class TorchSubject(Subject):
    """See `Subject`."""

    method: ClassVar[str] = (
        "the slope of the label's log-odds, over all places where it is seen, at each cell of the backbone's features, "
        "times these features, summed over channels, what speaks against left out (HiResCAM, Draelos & Carin 2020; "
        "where a mean over all places follows the features, this is Grad-CAM, Selvaraju et al. 2017)"
    )

    def __init__(self, about: About, trained: Trained) -> None:
        super().__init__(about)
        self._trained = trained
        self._network = trained.network.eval()
        trained.architecture.trainable(self._network, ALL)  # which says what is
        self._modules = dict(self._network.named_modules())

    def layers(self, images: Sequence[Pixels]) -> tuple[Layer, ...]:
        """See `Subject`."""
        side = self.about.image_size_px
        watch = _Watch()
        with ExitStack() as hooks:
            for name, module in self._modules.items():
                hooks.enter_context(module.register_forward_hook(watch.hook(name)))
            for pixels in images or [np.full((side, side, 3), LETTERBOX_GREY, np.uint8)]:
                self.find(pixels)
                watch.images += 1
        return tuple(
            self._layer(name, module, watch, with_silent=bool(images)) for name, module in self._modules.items()
        )

    def weights(self) -> tuple[WeightFigures, ...]:
        """See `Subject`."""
        transposed = {id(m.weight) for m in self._modules.values() if isinstance(m, nn.ConvTranspose2d)}
        found = [
            figures_of(name, value.detach().float().cpu().numpy(), 1 if id(value) in transposed else 0)
            for name, value in self._network.named_parameters()
        ]
        buffers = [
            figures_of(name, value.float().cpu().numpy())
            for name, value in self._network.named_buffers()
            if value.is_floating_point() and not value.isfinite().all()
        ]
        return (*found, *buffers)

    def maps(self, pixels: Pixels, names: Sequence[str]) -> Mapping[str, Floats]:
        """See `Subject`."""
        with self._kept(names) as made:
            self.find(pixels)
        return {name: made[name][0].float().cpu().numpy() for name in names}

    def find(self, pixels: Pixels) -> Detections:
        """See `Subject`."""
        return self._trained.predict(pixels)

    @property
    def has_gradients(self) -> bool:
        """See `Subject`."""
        return type(self._trained.architecture).label_scores is not Architecture.label_scores

    def gradients(self, pixels: Pixels) -> Sequence[Heat]:
        """See `Subject`."""
        image = self._as_fed(pixels).requires_grad_()
        names = self._trained.architecture.feature_layers(self._network)
        names = names or choose_maps(self.layers([pixels]), 1)
        with self._kept(names) as made, torch.enable_grad():
            scores = self._trained.architecture.label_scores(self._network, image)
        features = [made[name] for name in names]
        return [self._heat(i, scores[i], features) for i in range(len(self.about.labels))]

    def preferred(self, layer: str, channel: int, seed: int) -> Pixels:
        """See `Subject`."""
        module, run = self._modules[layer], self._trained.architecture.label_scores
        device = next(self._network.parameters()).device

        def excitement(image: torch.Tensor) -> torch.Tensor:
            made: list[torch.Tensor] = []

            def keep(_module: nn.Module, _given: object, output: torch.Tensor) -> None:
                made.append(output[0, channel].mean().cpu())
                raise _Reached

            with module.register_forward_hook(keep), suppress(_Reached):
                run(self._network, image.to(device))
            return made[0]

        return preferred_image(excitement, seed=seed)

    def _layer(self, name: str, module: nn.Module, watch: _Watch, *, with_silent: bool) -> Layer:
        within = [key for key in self._modules if not name or key == name or key.startswith(f"{name}.")]
        parameters = list(module.parameters())
        return Layer(
            name=name,
            kind=type(module).__name__,
            depth=name.count(".") + 1 if name else 0,
            shape=watch.shapes.get(name, ()),
            parameters=sum(parameter.numel() for parameter in parameters),
            trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
            multiply_adds=sum(watch.costs[key] for key in within),
            is_leaf=not any(True for _ in module.children()),
            silent=watch.silent(name) if with_silent else None,
        )

    def _heat(self, label_id: int, score: torch.Tensor, features: Sequence[torch.Tensor]) -> Heat:
        slopes = torch.autograd.grad(score, features, retain_graph=True, materialize_grads=True)
        size = max((tuple(feature.shape[-2:]) for feature in features), key=np.prod)
        whole = torch.zeros(1, 1, *size, device=score.device)
        for feature, slope in zip(features, slopes, strict=True):
            heat = (feature * slope).sum(dim=1, keepdim=True).clamp(min=0).detach()
            heat = nn.functional.interpolate(heat, size=size, mode="bilinear", align_corners=False)
            whole += heat * (feature.shape[-2] * feature.shape[-1])  # a coarse cell's share, spread over its area
        heat_0_1: Floats = (whole / whole.max().clamp(min=1e-12))[0, 0].float().cpu().numpy()
        return Heat(label_id=label_id, score=float(score.detach()), heat=heat_0_1)

    def _as_fed(self, pixels: Pixels) -> torch.Tensor:
        fed = resize_for_network(pixels, self.about.image_size_px, square=self._trained.architecture.square)
        device = next(self._network.parameters()).device
        return torch.from_numpy(fed.transpose(2, 0, 1).copy()).to(device).float() * (1 / 255)

    @contextmanager
    def _kept(self, names: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
        """What these layers make the first time that they run, while it lasts."""
        made: dict[str, torch.Tensor] = {}

        def keeper(name: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
            def keep(_module: nn.Module, _given: object, output: torch.Tensor) -> None:
                made.setdefault(name, output)

            return keep

        with ExitStack() as hooks:
            for name in names:
                hooks.enter_context(self._modules[name].register_forward_hook(keeper(name)))
            yield made


class _Reached(Exception):
    """The layer that was asked for has run."""


class _Watch:
    """What hooks have seen of all layers."""

    def __init__(self) -> None:
        self.images = 0
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.costs: Counter[str] = Counter()
        self._ranges: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def hook(self, name: str) -> Callable[[nn.Module, Sequence[object], object], None]:
        """For the layer of this name."""

        def see(module: nn.Module, given: Sequence[object], made: object) -> None:
            if not isinstance(made, torch.Tensor):
                return
            self.shapes.setdefault(name, tuple(made.shape))
            if not self.images and isinstance(module, COSTLY) and isinstance(given[0], torch.Tensor):
                kind, weight = type(module).__name__, module.weight.shape
                self.costs[name] += multiply_adds(kind, weight, given[0].shape, made.shape)
            if made.ndim == MAP_AXES and len(made) == 1:
                self._stretch(name, made)

        return see

    def silent(self, name: str) -> int | None:
        """Channels that were the same everywhere."""
        if name not in self._ranges:
            return None
        low, high = self._ranges[name]
        return int((low == high).sum())

    def _stretch(self, name: str, made: torch.Tensor) -> None:
        low, high = made.amin(dim=(0, 2, 3)), made.amax(dim=(0, 2, 3))
        if name in self._ranges:
            before = self._ranges[name]
            low, high = torch.minimum(low, before[0]), torch.maximum(high, before[1])
        self._ranges[name] = low, high
