"""Problems by name: those of teppr and of installed packages, a team's own in the home, or a file by its path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from teppr.errors import BadProblem, UnknownName
from teppr.problems.contract import PROBLEMS, Problem
from teppr.problems.document import read_problem

FOLDER = "problems"
"""Of the home: a team's own problems lie in it, each a YAML file."""
SUFFIXES = frozenset({".yml", ".yaml"})


@dataclass(frozen=True, slots=True)
class OwnProblem:
    """A team's own: its file, and what it says."""

    path: Path
    problem: Problem


@dataclass(frozen=True, slots=True)
class OwnProblems:
    """A team's own problems.

    sound: those that can be used, in the order of their files' names
    faults: what is wrong with the other files, a sentence for each thing
    """

    sound: Sequence[OwnProblem]
    faults: Sequence[str]


def problem_named(name: str, home: Path) -> Problem:
    """The problem with this id, or in this file.

    Raises BadProblem for a file that is wrong, UnknownName listing the known ones.
    """
    if is_path(name):
        return read_problem(Path(name))
    try:
        return PROBLEMS.load(name)
    except UnknownName:
        return _own_named(name, home)


def colors_named(names: Iterable[str], home: Path) -> dict[str, str]:
    """The colours that these problems give labels, {label: "#rrggbb"}; one that is not there any more gives none."""
    colors: dict[str, str] = {}
    for name in names:
        try:
            colors.update(problem_named(name, home).colors)
        except (UnknownName, BadProblem):
            continue
    return colors


def is_path(name: str) -> bool:
    """Whether a name is that of a file; ids have neither suffix nor folder."""
    return Path(name).suffix in SUFFIXES or len(Path(name).parts) > 1


def own_problems(home: Path) -> OwnProblems:
    """All files of the home's folder of problems; of two with the same id neither can be meant."""
    read: list[OwnProblem] = []
    faults: list[str] = []
    for path in sorted(path for path in (home / FOLDER).glob("*") if path.suffix in SUFFIXES):
        try:
            read.append(OwnProblem(path, read_problem(path)))
        except BadProblem as error:
            faults.append(str(error))
    files: dict[str, list[OwnProblem]] = {}
    for own in read:
        files.setdefault(own.problem.id, []).append(own)
    faults += [
        f"{' and '.join(str(own.path) for own in same)} have the same id {id_!r}: change one"
        for id_, same in files.items()
        if len(same) > 1
    ]
    return OwnProblems([own for own in read if len(files[own.problem.id]) == 1], faults)


def _own_named(name: str, home: Path) -> Problem:
    own = own_problems(home)
    by_id = {found.problem.id: found.problem for found in own.sound}
    if name in by_id:
        return by_id[name]
    unknown = UnknownName.of("problem", name, [*PROBLEMS.names(), *by_id])
    if own.faults:
        faults = "\n".join(own.faults)
        raise BadProblem(f"{unknown}; and of a team's own in {home / FOLDER} some cannot be used:\n{faults}")
    raise UnknownName(f"{unknown}; a team's own is given by its file's path, or found by its id in {home / FOLDER}")
