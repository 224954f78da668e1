"""The page to try the service, and the page that shows its API: files of this package, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

FILES = {
    "/": ("index.html", "text/html"),
    "/docs": ("docs.html", "text/html"),
    "/page/style.css": ("style.css", "text/css"),
    "/page/try.js": ("try.js", "text/javascript"),
    "/page/docs.js": ("docs.js", "text/javascript"),
    "/page/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path on the service -> (file in the folder `page`, its type): a closed list, so no path reaches the file system."""


def router() -> APIRouter:
    """Routes that serve the files, read once."""
    routes = APIRouter(include_in_schema=False)
    for path, (name, media_type) in FILES.items():
        content = files("teppr.serving").joinpath("page", name).read_bytes()
        routes.add_api_route(path, _answering(content, media_type), methods=["GET", "HEAD"], name=path)
    return routes


def _answering(content: bytes, media_type: str) -> Callable[[], Awaitable[Response]]:
    async def page() -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return page
