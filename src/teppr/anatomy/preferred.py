"""A picture that excites one channel as far as it goes, by gradient ascent from noise.

After "Feature Visualization" (Olah, Mordvintsev, Schubert, Distill 2017): the picture is kept as a spectrum whose
frequencies learn alike, so that fine noise does not win, and it is moved a little before every step, so that what is
found holds wherever it lies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from teppr.images import Pixels

SIDE_PX = 128
STEPS = 64
RATE = 0.08
JITTER_PX = 8
FIRST_SPREAD, LOUDER = 0.01, 2.0
DECAY = 1.0
"""Frequency f weighs 1 / f to this, as in photographs."""
CONTRAST = 4.0


def preferred_image(excitement: Callable[[torch.Tensor], torch.Tensor], *, seed: int = 0, steps: int = STEPS) -> Pixels:
    """The picture [128, 128, 3] after so many steps, the same for the same seed.

    excitement: of a picture [3, h, w] in 0..1, with a slope
    """
    random = torch.Generator().manual_seed(seed)
    spread = FIRST_SPREAD
    spectrum = _noise(random, spread)
    optimizer = torch.optim.Adam([spectrum], lr=RATE)
    for _ in range(steps):
        x, y = torch.randint(-JITTER_PX, JITTER_PX + 1, (2,), generator=random).tolist()
        with torch.enable_grad():
            joy = excitement(_picture(spectrum).roll((y, x), dims=(1, 2)))
            (slope,) = torch.autograd.grad(-joy, [spectrum])
        if not slope.any() and joy > 0:  # as excited as it can be
            break
        if not slope.any():  # nothing leads on from here: a channel may answer to nothing that is so faint
            spread *= LOUDER
            spectrum.data = _noise(random, spread).data
            continue
        spectrum.grad = slope
        optimizer.step()
    picture = _picture(spectrum.detach()).permute(1, 2, 0).numpy()
    return (picture * 255).round().astype(np.uint8)


def _noise(random: torch.Generator, spread: float) -> torch.Tensor:
    noise = torch.randn((3, SIDE_PX, SIDE_PX // 2 + 1, 2), generator=random)
    return (noise * spread).requires_grad_()


def _picture(spectrum: torch.Tensor) -> torch.Tensor:
    frequency = torch.hypot(torch.fft.fftfreq(SIDE_PX)[:, None], torch.fft.rfftfreq(SIDE_PX)[None])
    weight = 1 / frequency.clamp(min=1 / SIDE_PX) ** DECAY
    waves = torch.view_as_complex(spectrum) * weight
    picture: torch.Tensor = (torch.fft.irfft2(waves, s=(SIDE_PX, SIDE_PX), norm="ortho") / CONTRAST).sigmoid()
    return picture
