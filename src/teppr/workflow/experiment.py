"""The experiment file: one YAML document that says all about a run, checked whole before anything starts."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

import orjson
from pydantic import Field, JsonValue, field_validator, model_validator

from teppr.architectures.contract import ARCHITECTURES
from teppr.document import DocumentKind, Part, wrong_at, yaml_of
from teppr.errors import BadExperiment, BadInput, UnknownName
from teppr.problems.contract import Criteria
from teppr.tasks.contract import TASKS, Task
from teppr.types import Release
from teppr.workflow.augment import AUGMENTATIONS
from teppr.workflow.criteria import check_figure, check_followed
from teppr.workflow.prediction_files import USUAL_SAVES, Save
from teppr.workflow.search_space import Tune
from teppr.workflow.variation import MOST_EXPERIMENTS, value_at, varied

Score = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class Stage(Part):
    """Some epochs in which the same layers are trained; the learning rate rises and falls once within it."""

    epochs: int = Field(gt=0, description="Times that every training image is seen.")
    layers: str = Field(default="all", description='What is trained: "heads" leaves the backbone as it is, or "all".')
    learning_rate: float = Field(gt=0, description="The highest learning rate of the stage.")


class EarlyStop(Part):
    """When to stop before the last epoch, and by which metric the best weights are chosen.

    "val/map_50" is the boxes'; "val/mask/map_50" is the masks'.
    """

    metric: str | None = Field(
        default=None,
        description='What must get better: "val/map_50", "val/mask/map", "val/accuracy", "loss" ...; default: as the '
        "dataset's kind is judged, for boxes val/map_50.",
    )
    patience_epochs: int = Field(
        default=5, gt=0, description="Epochs without a better value after which training stops."
    )

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str | None) -> str | None:
        try:
            if metric is not None:
                check_followed(metric, TASKS.all())
        except UnknownName as error:
            raise ValueError(str(error)) from error
        return metric


class Train(Part):
    """How the network learns."""

    weights: str = Field(
        default="imagenet",
        alias="from",
        description="Weights to start from: imagenet, scratch, a run id, a release key, a checkpoint or weights file.",
    )
    backbone: str | None = Field(
        default=None, description="The network's feature extractor; default: the architecture's."
    )
    image_size_px: int = Field(default=320, ge=64, le=4096, description="Images are resized to this longer side.")
    batch_size: int = Field(default=2, gt=0, description="Images per step.")
    stages: tuple[Stage, ...] = Field(
        default=(Stage(epochs=12, layers="all", learning_rate=1e-3),),
        min_length=1,
        description="What is trained, in order.",
    )
    augment: tuple[str, ...] = Field(
        default=("flip_horizontal", "color_jitter"), description="Random changes to training images, applied in order."
    )
    weight_decay: float = Field(default=1e-4, ge=0, description="AdamW's weight decay.")
    early_stop: EarlyStop | None = Field(
        default=None, description="When to stop before the last epoch; default: never."
    )
    validate_images: int = Field(default=100, ge=0, description="Images of val measured after each epoch; 0 = all.")
    validate_every_epochs: int = Field(default=1, gt=0, description="Epochs between two measurements.")
    checkpoint_every_steps: int = Field(default=200, gt=0, description="Steps between two checkpoints within an epoch.")
    time_limit_minutes: float | None = Field(
        default=None, gt=0, description="Training stops well-ordered after this time."
    )
    seed: int = Field(default=7, ge=0, description="Where all randomness comes from.")

    @field_validator("augment")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in AUGMENTATIONS]:
            raise ValueError(f"unknown augmentation {unknown[0]!r}; known: {', '.join(sorted(AUGMENTATIONS))}")
        return names

    @property
    def epochs(self) -> int:
        """Epochs of all stages together."""
        return sum(stage.epochs for stage in self.stages)

    def best_by(self, task: Task) -> str:
        """The metric by which the best weights are chosen."""
        return (self.early_stop and self.early_stop.metric) or f"val/{task.followed[0]}"

    def judged_by(self, task: Task) -> Self:
        """The same with the metric said."""
        if self.early_stop is None:
            return self
        return self.model_copy(update={"early_stop": self.early_stop.model_copy(update={"metric": self.best_by(task)})})


class Evaluate(Part):
    """What is measured."""

    on: tuple[str, ...] = Field(
        default=("val", "test"), min_length=1, description="Splits; those the dataset lacks are skipped."
    )
    iou: tuple[Share, ...] = Field(
        default=(0.5, 0.75), description="Overlaps for which figures are given beside COCO's."
    )
    score_threshold: Score = Field(default=0.05, description="Detections below this score are not counted.")


ReportFormat = Literal["html", "csv", "json"]


class Predict(Part):
    """On what to try the trained network."""

    input: Path = Field(description="An image, a video, a folder of them or a list of paths.")
    score_threshold: Score = Field(default=0.5, description="Detections below this score are left out.")
    save: tuple[Save, ...] = Field(default=USUAL_SAVES, description="What is written.")
    every: int = Field(default=1, ge=1, description="Of videos, each so-many-th frame is taken.")


class Publish(Part):
    """Under which key to release the model, and what it must reach."""

    key: str = Field(description="<org>-<problem>-<release>.")
    accept: Criteria = Field(
        default_factory=dict, description='Criteria that must hold, such as {test/map_50: ">= 0.60"}.'
    )
    licence: str = Field(default="", description="The licence of the weights.")

    @field_validator("key")
    @classmethod
    def _key(cls, key: str) -> str:
        try:
            return Release.parse(key).key
        except BadInput as error:
            raise ValueError(str(error)) from error


class Report(Part):
    """In which forms the results are written."""

    formats: tuple[ReportFormat, ...] = Field(default=get_args(ReportFormat), description="What is written.")


class Experiment(Part):
    """All that a run is made from; the text of each field is its documentation."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="Begins the ids of its runs.")
    creator: str = Field(default="", description="Who answers for it.")
    dataset: str = Field(
        min_length=1,
        description="name@version, name (the newest), or a snapshot folder; with #fold2 behind it, fold2 is val and "
        "all others are train.",
    )
    architecture: str = Field(default="mask_rcnn", description="The network's architecture.")
    task: str | None = Field(
        default=None,
        description="What is learned: detect, segment ...; default: the richest that dataset and architecture allow.",
    )
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    predict: Predict | None = None
    publish: Publish | None = None
    report: Report = Report()
    grid: dict[str, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] | None = Field(
        default=None,
        min_length=1,
        description="Lists of values by path, such as {train.image_size_px: [160, 192]}: teppr run does an experiment "
        "for every combination.",
    )
    tune: Tune | None = None

    @field_validator("architecture")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in ARCHITECTURES.names():
            raise ValueError(f"there is no architecture {name!r}; known: {', '.join(ARCHITECTURES.names())}")
        return name

    @field_validator("task")
    @classmethod
    def _known_task(cls, name: str | None) -> str | None:
        if name is not None and name not in TASKS.names():
            raise ValueError(f"there is no task {name!r}; known: {', '.join(TASKS.names())}")
        return name

    @model_validator(mode="after")
    def _criteria_can_be_judged(self) -> Self:
        for figure in self.publish.accept if self.publish else ():
            try:
                check_figure(figure, self.evaluate.on, self.evaluate.iou, TASKS.all())
            except UnknownName as error:
                raise wrong_at(str(error), "publish", "accept", figure) from error
        return self

    @model_validator(mode="after")
    def _grid_is_sound(self) -> Self:
        for path, values in (self.grid or {}).items():
            for i, value in enumerate(values):
                try:
                    varied(self.itself, {path: value})
                except BadExperiment as error:
                    raise wrong_at(str(error), "grid", path, i) from error
        if (count := math.prod(map(len, (self.grid or {}).values()))) > MOST_EXPERIMENTS:
            raise wrong_at(f"a grid has at most {MOST_EXPERIMENTS} experiments, got {count}", "grid")
        return self

    @model_validator(mode="after")
    def _space_is_sound(self) -> Self:
        if self.tune is None:
            return self
        if self.tune.metric is not None:
            try:
                check_followed(self.tune.metric, TASKS.all())
            except UnknownName as error:
                raise wrong_at(str(error), "tune", "metric") from error
        for path, dimension in self.tune.space.items():
            try:
                possible = [value_at(varied(self.itself, {path: value}), path) for value in dimension.probes()]
                own = value_at(self.itself, path)
            except BadExperiment as error:
                raise wrong_at(str(error), "tune", "space", path) from error
            if own not in possible and not dimension.has(own):
                message = (
                    f"the file's own value must be one that is tried, for comparison, got {orjson.dumps(own).decode()}"
                )
                raise wrong_at(message, "tune", "space", path)
        return self

    @property
    def itself(self) -> Self:
        """The experiment as its file has it, without those that are to be made from it."""
        return self.model_copy(update={"grid": None, "tune": None})

    def to_yaml(self) -> str:
        """The effective experiment, defaults filled in, as a file that reads back to the same."""
        value = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return yaml_of(value)

    def training_fingerprint(self) -> str:
        """The same for experiments whose training is the same, whatever else they ask for."""
        said = {"name", "dataset", "architecture", "train"} | ({"task"} if self.task else set())
        what = self.model_dump(mode="json", include=said)
        return hashlib.sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()


EXPERIMENTS = DocumentKind(
    model=Experiment,
    noun="experiment",
    form="an experiment is a mapping with name, dataset, train ...",
    error=BadExperiment,
)


def read_experiment(path: Path) -> Experiment:
    """The experiment in a file; raises BadExperiment with file, line, key and the known keys."""
    return EXPERIMENTS.read(path)


def parse_experiment(text: str, *, name: str) -> Experiment:
    """The experiment in a text; `name` is what messages call it."""
    return EXPERIMENTS.parse(text, name=name)
