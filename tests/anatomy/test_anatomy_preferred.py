import numpy as np
import torch

from teppr.anatomy.preferred import preferred_image


def redness(image: torch.Tensor) -> torch.Tensor:
    return torch.relu(image[0] - image[1:].mean(dim=0) - 0.05).mean()  # noise is too faint for it at first


def test_the_picture_is_what_is_wanted_and_the_same_again() -> None:
    first, second = (preferred_image(redness, seed=3, steps=40) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert redness(torch.from_numpy(first).permute(2, 0, 1) / 255) > 0.1
