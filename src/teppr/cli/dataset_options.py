"""The argument that names a dataset version."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Reference: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]|FOLDER", help="The latest version without @VERSION.")
]
