"""On how many examples a property is tried: a share of what the profile in use asks for."""

from hypothesis import settings


def examples(share: float) -> int:
    """How many examples are `share` of the profile's: above 1 where cases are rare, below where each one is dear."""
    return max(1, round(settings().max_examples * share))
