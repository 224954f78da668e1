import pytest
import torch

from teppr.anatomy.layers import Layer, asked_maps, choose_maps, multiply_adds
from teppr.errors import UnknownName


def layer(name: str, shape: tuple[int, ...]) -> Layer:
    return Layer(
        name=name, kind="Conv2d", depth=1, shape=shape, parameters=1, trainable=1, multiply_adds=1, is_leaf=True
    )


LAYERS = (
    layer("body.0", (1, 8, 32, 32)),
    layer("body.1", (1, 8, 32, 32)),
    layer("body.2", (1, 16, 16, 16)),
    layer("head.0", (1, 16, 16, 16)),
    layer("head.1", (4, 16, 14, 14)),
    layer("pool", (1, 16, 1, 1)),
)


def test_of_each_size_the_last_within_the_body_is_chosen() -> None:
    assert choose_maps(LAYERS, 4) == ("body.1", "body.2")
    assert choose_maps(LAYERS, 1) == ("body.2",)
    assert choose_maps((), 4) == ()


def test_a_layer_that_makes_no_map_is_refused_with_those_that_do() -> None:
    assert asked_maps(LAYERS, ["head.0"]) == ("head.0",)
    with pytest.raises(UnknownName, match=r"'pool' makes no map .*body"):
        asked_maps(LAYERS, ["pool"])
    with pytest.raises(UnknownName, match=r"'body\.3' is not there.*body\.2"):
        asked_maps(LAYERS, ["body.3"])


@pytest.mark.parametrize(
    ("module", "given", "wanted"),
    [
        (torch.nn.Conv2d(4, 8, 3, padding=1, groups=2), (1, 4, 5, 6), 5 * 6 * 8 * 2 * 9),
        (torch.nn.ConvTranspose2d(4, 8, 2, stride=2), (1, 4, 5, 6), 5 * 6 * 4 * 8 * 4),
        (torch.nn.Linear(10, 3), (7, 10), 7 * 30),
    ],
    ids=["groups", "transposed", "matrix"],
)
def test_multiply_adds_are_those_of_the_sums(module: torch.nn.Module, given: tuple[int, ...], wanted: int) -> None:
    weight, made = module.get_parameter("weight").shape, module(torch.zeros(given)).shape
    assert multiply_adds(type(module).__name__, weight, given, made) == wanted
