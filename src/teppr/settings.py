"""Everything that can be set, in one place: the environment `TEPPR_*` over `teppr.toml` over the defaults.

Read once at the start, frozen, passed down. An unknown key is an error that lists the known ones.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from teppr.errors import BadSettings

PREFIX = "TEPPR_"
FILE_NAME = "teppr.toml"
NOT_SETTINGS = frozenset({"TEPPR_TEST_DATA"})
"""Variables of the same prefix that are for the tests of teppr, not for teppr."""

OF_THIS_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"})

Megapixels = Annotated[float, Field(gt=0, le=178)]
"""Beyond 178.9 the decoder opens nothing (`images.MOST_PIXELS`)."""


class ServedModels(BaseModel):
    """`[[serve.models]]`: a model, or several in one process, and the processes that serve it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("", description="Release, alias or bundle folder.")
    models: tuple[str, ...] = Field((), description="Instead of `model`: several that share one process.")
    processes: int = Field(0, ge=0, description="Model server processes; 0 = a share of the cores.")
    memory_limit: str = Field("", description="Memory that each process may have: 2GiB, 800MiB; empty = no limit.")
    gpu_memory_mib: int = Field(
        0, ge=0, description="Memory of the GPU that each process may have, in MiB; 0 = no limit."
    )
    max_batch: int = Field(
        0, ge=0, description="Images that go through a network together; 0 = 8 on a GPU, 2 without one."
    )
    max_wait_ms: int = Field(0, ge=0, description="How long a batch that is not full waits for more images.")

    @property
    def names(self) -> tuple[str, ...]:
        """All that one process serves."""
        return self.models or (self.model,)

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if bool(self.model) == bool(self.models):
            raise ValueError("needs either model = NAME or models = [NAME, ...]")
        return self


class ServedWeb(BaseModel):
    """`[[serve.webs]]`: a port that clients ask, and the model that answers where they name none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int | None = Field(None, ge=0, le=65535, description="Default: the setting `port`.")
    host: str | None = Field(None, description="Default: the setting `host`.")
    default: str = Field("", description="Key, alias or <org>-<problem>; empty = the first model.")
    workers: int = Field(0, ge=0, description="Web processes; 0 = one for every two cores.")


class ServePlan(BaseModel):
    """`[serve]`: what `teppr serve` and `teppr up` run where the command line names no model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[ServedModels, ...] = Field((), description="What is served: `[[serve.models]]`, once for each.")
    webs: tuple[ServedWeb, ...] = Field((), description="Ports: `[[serve.webs]]`, once for each; none = one.")
    score_threshold: float | None = Field(
        None, ge=0, le=1, description="Leave out what scores lower; default: each model's own."
    )
    allow_remote: bool = Field(False, description="Listen where other machines reach it, although keys are off.")


class Settings(BaseModel):
    """The effective settings; the text of each field is its documentation (`docs/settings.md`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(Path("teppr-home"), description="Folder of everything that teppr keeps.")
    store: str = Field("", description="Annotation database as URL; empty = sqlite:///<home>/store.db.")
    host: str = Field("127.0.0.1", description="Address that the prediction service listens on.")
    keys: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the prediction service asks for keys; auto = on unless only this machine reaches it.",
    )
    port: int = Field(4040, ge=0, le=65535, description="Port of the prediction service; 0 = any free one.")
    workers: int = Field(0, ge=0, description="Processes for checking images; 0 = as many as cores.")
    max_upload_mib: float = Field(32.0, gt=0, description="Largest upload that the service reads, in MiB.")
    redis_url: str = Field(
        "", description="The service's queue, Valkey or Redis, as URL; empty = the service starts one of its own."
    )
    max_requests: int = Field(
        256, ge=1, description="Requests that a web process reads and answers at a time; more are refused with 503."
    )
    queue_wait_s: float = Field(
        0.7, gt=0, description="A request of a person that would wait longer for a model is refused at once, with 503."
    )
    max_bulk: int = Field(10_000, ge=1, description="Requests of priority bulk that may wait for a model.")
    predict_timeout_s: float = Field(
        30.0, gt=0, le=3600, description="Deadline of a prediction that names none, in seconds; 504 after it."
    )
    keep_results_s: float = Field(
        3600.0,
        gt=0,
        le=86_400,
        description="How long answers to `predictq` are kept, in seconds; also their deadline where none is named.",
    )
    max_batch_images: int = Field(32, ge=1, description="Images that one request of `predict/batch` may bring.")
    upload_timeout_s: float = Field(30.0, gt=0, description="How long an upload to the service may take, in seconds.")
    log_format: Literal["auto", "text", "json"] = Field(
        "auto",
        description="What the service logs on standard error: text, a JSON document a line, or auto: text in a "
        "terminal, else JSON.",
    )
    max_image_megapixels: Megapixels = Field(
        64.0, description="Largest image that is decoded, at most 178; beyond it a file counts as a decompression bomb."
    )
    clip_tolerance_px: float = Field(
        2.0,
        ge=0,
        description="How far a shape may reach beyond its image and is clipped rather than rejected.",
    )
    device: str = Field("auto", description="Where to train: auto, cpu, cuda or cuda:N.")
    threads: int = Field(
        1,
        ge=0,
        description="Threads of a training or prediction process; 0 = as many as cores. Several beside a busy "
        "neighbour wait for each other: six times slower than one.",
    )
    serve: ServePlan = Field(
        ServePlan(), description="What `teppr serve` and `teppr up` run; a section of teppr.toml, see below."
    )

    @property
    def store_url(self) -> str:
        """The annotation database's URL, the default filled in."""
        return self.store or f"sqlite:///{self.home / 'store.db'}"

    @property
    def max_image_pixels(self) -> int:
        """The pixel limit as a number of pixels."""
        return int(self.max_image_megapixels * 1_000_000)

    @property
    def worker_count(self) -> int:
        """The processes for checking images, the default filled in."""
        return self.workers or os.cpu_count() or 1

    @property
    def thread_count(self) -> int:
        """The threads of one process, the default filled in."""
        return self.threads or os.cpu_count() or 1


def variables_for_others() -> dict[str, str]:
    """The variables of this process for one of another environment: without those that say where Python has its
    packages.
    """
    return {name: value for name, value in os.environ.items() if name not in OF_THIS_PYTHON}


def variables_for_children() -> dict[str, str]:
    """The variables of this process, for one of the same Python."""
    return dict(os.environ)


def load(environment: Mapping[str, str] | None = None, file: Path | None = None, **overrides: object) -> Settings:
    """Read the settings.

    environment: where `TEPPR_*` are looked up; the process's own by default
    file: the TOML file; `teppr.toml` of the working folder by default, where there is one
    overrides: what the command line gave; None means not given
    Raises BadSettings naming the key, where it stands and the known ones.
    """
    values, origin = _given(environment, file, overrides)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise BadSettings("\n".join(_explain(dict(item), origin) for item in error.errors())) from None


def origins(
    environment: Mapping[str, str] | None = None, file: Path | None = None, **overrides: object
) -> dict[str, str]:
    """Where each setting that `load` gives comes from, in words; "default" where nobody set it."""
    _, origin = _given(environment, file, overrides)
    return dict.fromkeys(Settings.model_fields, "default") | origin


def _given(
    environment: Mapping[str, str] | None, file: Path | None, overrides: Mapping[str, object]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values that somebody set, and where: {name: value}, {name: where}."""
    variables = os.environ if environment is None else environment
    path = file or Path(FILE_NAME)
    from_file = _from_file(path, must_exist=file is not None)
    from_environment = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in variables.items()
        if name.startswith(PREFIX) and name not in NOT_SETTINGS
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    origin = (
        dict.fromkeys(from_file, str(path))
        | {name: f"environment variable {PREFIX}{name.upper()}" for name in from_environment}
        | dict.fromkeys(given, "command line")
    )
    return {**from_file, **from_environment, **given}, origin


def _from_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    if not path.exists() and not must_exist:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSettings(
            f"cannot read the settings file {path}: {getattr(error, 'strerror', None) or error}"
        ) from error


def _explain(item: dict[str, Any], origin: Mapping[str, str]) -> str:
    key = ".".join(map(str, item["loc"]))
    where = origin.get(str(item["loc"][0]), "command line")
    if item["type"] == "extra_forbidden":
        known = sorted(_section_at(item["loc"][:-1]).model_fields)
        return f"unknown setting {key!r} - in {where}; known: {', '.join(known)}"
    return f"setting {key}: {item['msg']}, got {item['input']!r} - in {where}"


def _section_at(path: Sequence[str | int]) -> type[BaseModel]:
    """The section that a path of keys and places in lists leads to."""
    section: type[BaseModel] = Settings
    for key in path:
        if isinstance(key, str):
            annotation = section.model_fields[key].annotation
            section = next(kind for kind in (annotation, *get_args(annotation)) if _is_section(kind))
    return section


def _is_section(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
