"""Pages for people: one HTML file each, that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from teppr.files import whole_file


def write_page(
    path: Path,
    package: str,
    template: str,
    values: Mapping[str, object],
    filters: Mapping[str, Callable[..., object]],
) -> Path:
    """Fill a template of `package` (its folder `templates`) and write the page, whole or absent.

    Values are escaped; one that the template names and nobody gives is an error.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    text = environment.get_template(template).render(values)
    with whole_file(path) as file:
        file.write(text.encode("utf-8", "replace"))
    return path
