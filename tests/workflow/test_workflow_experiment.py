from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.errors import BadExperiment
from teppr.tasks.contract import TASKS
from teppr.workflow.experiment import Experiment, parse_experiment, read_experiment

WHOLE = """\
name: signs-baseline
creator: AIE3
dataset: signs@3f9a1c22b7d0
architecture: mask_rcnn
train:
  from: imagenet
  backbone: mobilenet_v2
  image_size_px: 320
  batch_size: 4
  stages: [{epochs: 4, layers: heads, learning_rate: 1.0e-3}, {epochs: 8, layers: all, learning_rate: 5e-4}]
  augment: [flip_horizontal, color_jitter]
  early_stop: {metric: val/map_50, patience_epochs: 5}
  seed: 7
evaluate: {on: [val, test], iou: [0.5, 0.75], score_threshold: 0.05}
predict: {input: samples/, score_threshold: 0.5, save: [overlay, via, coco]}
publish:
  key: acme-ods-8
  accept: {test/map_50: ">= 0.60", test/map_50/per_label: ">= 0.30", versus_production: ">= -0.01"}
report: {formats: [html, csv, json]}
"""


def test_the_specified_file_is_read() -> None:
    experiment = parse_experiment(WHOLE, name="exp.yml")
    assert experiment.train.weights == "imagenet"
    assert experiment.train.epochs == 12
    assert experiment.train.stages[1].learning_rate == 5e-4
    assert experiment.evaluate.on == ("val", "test")
    assert experiment.publish is not None
    assert experiment.publish.accept["versus_production"] == ">= -0.01"


def test_name_and_dataset_are_all_that_must_be_given() -> None:
    experiment = parse_experiment("{name: a, dataset: b}", name="exp.yml")
    assert experiment.architecture == "mask_rcnn"
    assert experiment.train.best_by(TASKS.load("segment")) == "val/map_50"


@pytest.mark.parametrize("text", [WHOLE, "{name: a, dataset: b}"], ids=["whole", "shortest"])
def test_the_effective_experiment_reads_back_the_same(text: str) -> None:
    experiment = parse_experiment(text, name="exp.yml")
    assert parse_experiment(experiment.to_yaml(), name="again") == experiment


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("  seed: 7", "  sed: 7"), 13, "train.sed: unknown key; did you mean 'seed'?; known: from, backbone"),
        (("layers: heads", "layer: heads"), 10, "train.stages[0].layer: unknown key; did you mean 'layers'?"),
        (("epochs: 8", "epochs: 0"), 10, "train.stages[1].epochs: input should be greater than 0, got 0"),
        (("mask_rcnn", "mask_cnn"), 4, "architecture: there is no architecture 'mask_cnn'; known: "),
        (("color_jitter", "colour"), 11, "unknown augmentation 'colour'; known: blur, color_jitter"),
        (
            ("overlay", "pictures"),
            15,
            "predict.save[0]: input should be 'overlay', 'via', 'coco', 'jsonl', 'csv' or 'frames'",
        ),
        (("acme-ods-8", "acme"), 17, "publish.key: a release key is <org>-<problem>-<release>"),
        (('">= 0.60"', '"0.60"'), 18, 'a criterion is like ">= 0.60"'),
        (("val/map_50, p", "map, p"), 12, "there is no figure of an epoch 'map'"),
        (("dataset: signs@3f9a1c22b7d0", ""), 1, "dataset: is missing"),
        (("seed: 7", "seed: 7\n  seed: 8"), 14, "key 'seed' stands twice"),
        (("creator: AIE3", "creator: [AIE3"), 3, "not valid YAML"),
        (("1.0e-3", ".nan"), 10, "learning_rate: input should be a finite number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said_with_its_line(change: tuple[str, str], line: int, says: str) -> None:
    with pytest.raises(BadExperiment) as caught:
        parse_experiment(WHOLE.replace(*change), name="exp.yml")
    assert says in str(caught.value)
    assert f"exp.yml:{line}:" in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(BadExperiment) as caught:
        parse_experiment("{name: a, dataset: b, train: {batch_size: 0, seed: -1}, treain: 3}", name="exp.yml")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "\x00", "!!python/object:os.system {}", "{a: b: c}"])
def test_what_is_no_experiment_is_refused(text: str) -> None:
    with pytest.raises(BadExperiment, match=r"exp\.yml"):
        parse_experiment(text, name="exp.yml")


@given(st.text(max_size=60))
def test_any_text_is_an_experiment_or_refused_with_a_sentence(text: str) -> None:
    with suppress(BadExperiment):
        assert isinstance(parse_experiment(text, name="exp.yml"), Experiment)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadExperiment, match=r"cannot read the experiment file .*none\.yml"):
        read_experiment(tmp_path / "none.yml")


def test_the_fingerprint_follows_the_training_only() -> None:
    experiment = parse_experiment(WHOLE, name="exp.yml")
    other_key = parse_experiment(WHOLE.replace("acme-ods-8", "acme-ods-9"), name="exp.yml")
    other_seed = parse_experiment(WHOLE.replace("seed: 7", "seed: 8"), name="exp.yml")
    assert experiment.training_fingerprint() == other_key.training_fingerprint()
    assert experiment.training_fingerprint() != other_seed.training_fingerprint()


@pytest.mark.parametrize("name", ["true_story", "False-alarms", "trueish"])
def test_a_name_may_begin_like_a_truth_value(name: str) -> None:
    assert parse_experiment(f"{{name: {name}, dataset: signs}}", name="exp.yml").name == name


@pytest.mark.parametrize(
    ("figure", "near"),
    [
        ("test/mapp", "test/map"),
        ("tset/map_50", "test/map_50"),
        ("test/map_50/per_lable", "test/map_50/per_label"),
        ("test/masks/map_75", "test/mask/map_75"),
        ("latency_ms_p59", "latency_ms_p5"),
        ("test/at_iou/0.55", "test/at_iou/0.5"),
    ],
)
def test_a_criterion_that_nothing_will_measure_is_refused_with_its_line_and_the_nearest_figure(
    figure: str, near: str
) -> None:
    with pytest.raises(BadExperiment) as refused:
        parse_experiment(WHOLE.replace("  accept: {test/map_50:", f"  accept:\n    {{{figure}:"), name="exp.yml")
    message = str(refused.value)
    assert message.startswith(f"exp.yml:19: publish.accept.{figure}: there is no figure '{figure}'; did you mean")
    assert f"'{near}" in message


def test_a_criterion_about_a_split_that_is_not_measured_is_refused() -> None:
    with pytest.raises(BadExperiment, match="there is no figure 'test/map_50'; did you mean 'val/map_50'"):
        parse_experiment(WHOLE.replace("evaluate: {on: [val, test]", "evaluate: {on: [val]"), name="exp.yml")


def test_a_comparison_that_cannot_be_read_is_refused_with_its_line() -> None:
    with pytest.raises(BadExperiment, match=r"exp.yml:18: publish.accept.test/map_50: a criterion is like"):
        parse_experiment(WHOLE.replace('">= 0.60"', '"=> 0.60"'), name="exp.yml")


@pytest.mark.parametrize(
    "figure",
    ["test/box/map_50", "val/mask/map_small", "val/mask/map_75/per_label", "test/at_iou/0.75", "latency_ms_p95"],
)
def test_any_figure_that_will_be_measured_may_be_a_criterion(figure: str) -> None:
    parsed = parse_experiment(WHOLE.replace("versus_production", figure), name="exp.yml")
    assert parsed.publish is not None
    assert figure in parsed.publish.accept
