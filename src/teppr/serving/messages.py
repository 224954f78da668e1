"""What the service answers, field by field: the source of the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from teppr.types import ModelCard, Release


class FileAttributes(BaseModel):
    """The image as it was decoded; regions are in its stored pixels, EXIF orientation not applied."""

    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    uuid: str = Field(description="Identity of this answer.")


class RegionAttributes(BaseModel):
    """What was found."""

    label: str
    score: float = Field(ge=0, le=1)
    color: str = Field(description="#rrggbb; the same label always has the same one.")


class AnsweredRegion(BaseModel):
    """Where something was found, and what: a region of the VGG Image Annotator."""

    shape_attributes: dict[str, Any] = Field(
        description="rect: x, y, width, height; polygon, polyline: all_points_x, all_points_y; in pixels.",
        examples=[{"name": "rect", "x": 10.0, "y": 20.0, "width": 64.0, "height": 48.0}],
    )
    region_attributes: RegionAttributes


class AnsweredImage(BaseModel):
    """An entry of the VGG Image Annotator."""

    filename: str
    size: int = Field(description="Bytes of the upload.")
    file_attributes: FileAttributes
    regions: list[AnsweredRegion] = Field(description="Best score first.")


class Answer(BaseModel):
    """A prediction; the whole answer, saved as a file, opens as a VIA export."""

    api: str = Field(examples=["vision/v2"])
    type: str = Field(description="Key of the model that answered.", examples=["acme-ods-8"])
    dnnarch: str = Field(description="Its network architecture.", examples=["mask_rcnn"])
    result: dict[str, AnsweredImage] = Field(description="The image's file name -> what was found.")
    status_code: int = Field(examples=[200])
    timings: dict[str, float] = Field(description="Seconds: read, wait, decode, predict, total.")


class ImageFailure(BaseModel):
    """Why an image of a batch has no entry."""

    error: str = Field(description="One word for machines.", examples=["truncated"])
    code: int = Field(description="The status of HTTP that it would have had alone.", examples=[400])
    detail: str = Field(description="A sentence for people, with the values.")


class BatchAnswer(Answer):
    """Predictions for several images; status_code is 207 where some of them failed."""

    failures: dict[str, ImageFailure] = Field(description="The image's file name -> why it has no entry.")


class Queued(BaseModel):
    """What waits to be computed."""

    id: str = Field(description="The request's id, by which the answer is fetched.")
    status: str = Field(examples=["queued"])
    url: str = Field(description="Where the answer will be.")


class Failure(BaseModel):
    """The one shape of everything that is no answer."""

    error: str = Field(description="One word for machines.", examples=["unknown-model"])
    code: int = Field(description="The status of HTTP.", examples=[404])
    detail: str = Field(description="A sentence for people, with the values.")
    request_id: str = Field(description="Also in the header X-Request-Id, and in the service's log.")


class AnsweredLabel(BaseModel):
    """A label that a model knows."""

    name: str
    color: str


class ModelFacts(BaseModel):
    """A model that is served."""

    key: str
    org: str
    problem: str
    release: str
    default: bool = Field(description="Whether it answers where a request names none.")
    architecture: str
    task: str = Field(
        description="detect: boxes; segment: boxes and outlines; lanes: lines; classify: the whole image."
    )
    labels: list[AnsweredLabel]
    image_size_px: int = Field(description="The longer side that images are resized to; of a square, both.")
    score_threshold: float = Field(description="What scores lower is left out where a request does not say.")
    metrics: dict[str, Any] = Field(description="As measured before publishing.")
    created: datetime | None
    licence: str


class Models(BaseModel):
    """The models that fit what was asked."""

    models: list[ModelFacts]


class Route(BaseModel):
    """One thing that can be asked."""

    method: str
    path: str
    summary: str


class Specification(BaseModel):
    """What this API offers, for clients that find out by themselves."""

    api: str
    version: str = Field(description="Of teppr.")
    default_model: str
    models: list[str]
    routes: list[Route]
    limits: dict[str, int | float] = Field(description="How much one request may ask for.")
    docs: str


def model_facts(card: ModelCard, *, default: bool, score_threshold: float) -> ModelFacts:
    """A model card as the API tells it."""
    release = Release.parse(card.key)
    return ModelFacts(
        key=card.key,
        org=release.org,
        problem=release.problem,
        release=release.release,
        default=default,
        architecture=card.architecture,
        task=card.task,
        labels=[AnsweredLabel(name=label.name, color=label.color) for label in card.labels],
        image_size_px=card.image_size_px,
        score_threshold=score_threshold,
        metrics=dict(card.metrics),
        created=card.created,
        licence=card.licence,
    )
