"""What an API of the service is: a file in this folder whose `PLUGIN` makes its routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter

from teppr.plugins import Plugins
from teppr.serving.dispatch import Dispatcher
from teppr.serving.refusals import Shape
from teppr.serving.upload import UploadLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What an API is given to answer with."""

    dispatcher: Dispatcher
    upload_limits: UploadLimits
    max_image_pixels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """An API: its name, the path that its routes begin with, and what makes them for a service.

    asking: paths below the prefix at which a person waits for a prediction; refused unread while there is no place
    failure: the JSON in which everything below the prefix says why it does not answer; None = the service's own
    """

    name: str
    prefix: str
    routes: Callable[[Service], APIRouter]
    asking: tuple[str, ...] = ()
    failure: Shape | None = None


PROTOCOLS: Plugins[Api] = Plugins("teppr.serving.protocols", Api, "protocol")
