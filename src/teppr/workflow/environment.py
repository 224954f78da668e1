"""Where a run happened: versions, code and hardware, written down so that it can be repeated."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from teppr import __version__
from teppr.architectures.contract import ARCHITECTURES, Blueprint
from teppr.errors import Missing, MissingExtra

PACKAGES = ("numpy", "onnx", "onnxruntime", "opencv-python-headless", "pillow", "pycocotools", "torch", "torchvision")
"""What decides about the numbers that come out."""


def describe_environment(packages: Sequence[str] = ()) -> dict[str, object]:
    """Versions, the working folder's git commit, and the hardware; `packages` are of interest beside the usual ones."""
    return {
        "teppr": __version__,
        "python": platform.python_version(),
        "prefix": sys.prefix,
        "platform": platform.platform(),
        "packages": {name: found for name in sorted({*PACKAGES, *packages}) if (found := _version(name))},
        "git": _git(Path.cwd()),
        "command": sys.argv,
        "cpu": platform.processor() or platform.machine(),
        "cpu_cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(folder: Path) -> dict[str, object] | None:
    commit = _ask_git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "changed": bool(_ask_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _ask_git(folder: Path, *arguments: str) -> str | None:
    try:
        asked = subprocess.run(  # noqa: S603 - fixed words only
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip()


def required_packages(architecture: Blueprint) -> list[str]:
    """Names of the packages that an architecture requires."""
    return [Requirement(text).name for text in architecture.requirements]


def versions_of(architecture: Blueprint) -> dict[str, str]:
    """The installed versions of what an architecture requires, and of what runs its export."""
    names = (*required_packages(architecture), "onnxruntime")
    return {name: found for name in names if (found := _version(name))}


def require_training(architecture: str) -> None:
    """Raise Missing with the command that installs what training it needs, where it is not installed."""
    if ARCHITECTURES.is_own(architecture):
        if not all(find_spec(name) for name in ("torch", "torchvision", "tensorboard")):
            raise MissingExtra("training", "train")
        return
    found = ARCHITECTURES.load(architecture)
    lacking = [text for text in found.requirements if not _is_met(Requirement(text))]
    if lacking:
        raise Missing(
            f"architecture {architecture} needs {', '.join(lacking)}, which this environment does not have; give it "
            f"one of its own: teppr env create {architecture}"
        )


def _is_met(requirement: Requirement) -> bool:
    installed = _version(requirement.name)
    return installed is not None and requirement.specifier.contains(installed, prereleases=True)
