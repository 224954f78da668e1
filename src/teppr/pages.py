"""Pages for people: one HTML file each, that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from teppr.files import whole_file


def write_page(
    path: Path,
    package: str,
    template: str,
    values: Mapping[str, object],
    filters: Mapping[str, Callable[..., object]],
) -> Path:
    """Fill a template of `package` (its folder `templates`) and write the page, whole or absent.

    Templates of all: "page.html", the frame and its style, and "charts.html", the charts of `teppr.charts` as SVG.
    Values are escaped, `made` says when; one that the template names and nobody gives is an error.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("teppr")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = environment.get_template(template).render({"made": made, **values})
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path
