"""How sure a network is of a label in an image as a whole, from what it says of many places."""

from __future__ import annotations

import torch

NOWHERE = -10.0
"""Log-odds where no place was looked at."""


def over_places(log_odds: torch.Tensor) -> torch.Tensor:
    """From [places, labels] to [labels]: the mean over places that are more likely than not, or else the best place."""
    if not len(log_odds):
        return log_odds.sum(dim=0) + NOWHERE
    likely = log_odds.detach() >= 0
    mean = (log_odds * likely).sum(dim=0) / likely.sum(dim=0).clamp(min=1)
    return torch.where(likely.any(dim=0), mean, log_odds.amax(dim=0))


def against_others(logits: torch.Tensor) -> torch.Tensor:
    """Log-odds of each class [places, classes] against all others together, which a softmax would say."""
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    others = logits[:, None, :].expand(-1, logits.shape[1], -1).masked_fill(own, -torch.inf)
    return logits - others.logsumexp(dim=2)
