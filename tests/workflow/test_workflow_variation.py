import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadExperiment
from teppr.workflow.experiment import Experiment, parse_experiment
from teppr.workflow.variation import combinations, value_at, varied

SIGNS = "{name: signs, dataset: signs, train: {stages: [{epochs: 3, layers: heads, learning_rate: 1e-3}]}}"


def signs(text: str = SIGNS) -> Experiment:
    return parse_experiment(text, name="signs.yml")


def test_a_value_is_exchanged_and_all_else_stays() -> None:
    other = varied(signs(), {"train.stages[0].learning_rate": 0.01, "train.image_size_px": 160})
    assert other.train.stages[0].learning_rate == 0.01
    assert other.train.image_size_px == 160
    assert other.train.stages[0].layers == "heads"
    assert other.train.seed == signs().train.seed


def test_what_was_not_given_is_still_not_given() -> None:
    other = varied(signs("{name: signs, dataset: signs}"), {"train.stages[0].epochs": 2})
    assert other.train.model_fields_set == {"stages"}
    assert other.train.stages[0].learning_rate == 1e-3


def test_a_section_that_was_not_there_is_made() -> None:
    other = varied(signs(), {"train.early_stop.patience_epochs": 2})
    assert other.train.early_stop is not None
    assert other.train.early_stop.patience_epochs == 2


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("train.sed", 1, "train.sed: unknown key; did you mean 'seed'?"),
        ("train.seed", -1, "train.seed: input should be greater than or equal to 0, got -1"),
        ("train.stages[3].epochs", 1, "nothing stands at train.stages[3].epochs: there are 1, and 3 is asked for"),
        ("train.seed.more", 1, "train.seed: input should be a valid integer, got {'more': 1}"),
        ("train..seed", 1, "a value is named like train.stages[0].learning_rate, got 'train..seed'"),
        ("architecture", "mask_cnn", "there is no architecture 'mask_cnn'"),
    ],
)
def test_a_wrong_path_or_value_is_said(path: str, value: int, says: str) -> None:
    with pytest.raises(BadExperiment) as refused:
        varied(signs(), {path: value})
    assert says in str(refused.value)


@given(
    st.fixed_dictionaries(
        {
            "train.seed": st.integers(0, 9),
            "train.batch_size": st.integers(1, 9),
            "train.stages[0].learning_rate": st.floats(1e-6, 1),
            "train.augment": st.sampled_from([[], ["flip_horizontal"], ["color_jitter", "blur"]]),
        }
    )
)
def test_what_was_put_stands_where_it_was_put(settings: dict[str, int]) -> None:
    other = varied(signs(), settings)
    assert {path: value_at(other, path) for path in settings} == settings
    assert varied(other, settings) == other


def test_nothing_stands_in_a_section_that_is_not_there() -> None:
    assert value_at(signs(), "publish.key") is None


def test_a_grid_is_every_combination_and_the_last_path_varies_first() -> None:
    assert combinations({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


@pytest.mark.parametrize(
    ("grid", "line", "says"),
    [
        ("train.seed: [1, -1]", 4, "grid.train.seed[1]: train.seed: input should be greater than or equal to 0"),
        ("train.sede: [1]", 4, "grid.train.sede[0]: train.sede: unknown key; did you mean 'seed'?"),
        ("train.seed: []", 4, "grid.train.seed: tuple should have at least 1 item"),
        ("train.seed: 3", 4, "grid.train.seed: input should be a valid tuple, got 3"),
        ("grid: [3]", 4, "grid.grid[0]: "),
        (f"train.seed: {list(range(1001))}", 3, "grid: a grid has at most 1000 experiments, got 1001"),
    ],
)
def test_a_grid_is_checked_when_the_file_is_read(grid: str, line: int, says: str) -> None:
    with pytest.raises(BadExperiment) as refused:
        signs(f"name: signs\ndataset: signs\ngrid:\n  {grid}\n")
    assert f"signs.yml:{line}: {says}" in str(refused.value)
