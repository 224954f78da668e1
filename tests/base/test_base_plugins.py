"""Plug-ins are found by folder and by entry point."""

import importlib.metadata
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from teppr import plugins
from teppr.errors import UnknownName
from teppr.plugins import BrokenPlugin, Plugins
from teppr.problems import PROBLEMS, Problem


def test_a_file_in_the_folder_is_a_plugin() -> None:
    assert "ods" in PROBLEMS.names()
    assert PROBLEMS.load("ods").id == "ods"


def test_what_belongs_to_the_folder_itself_is_no_plugin() -> None:
    assert not {"contract", "document", "find"} & set(PROBLEMS.names())


def test_an_unknown_plugin_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="there is no problem 'odd'; did you mean 'ods'"):
        PROBLEMS.load("odd")


def _installed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    found = EntryPoints([EntryPoint(name, value, "teppr.problems")])
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.select(group=group))
    assert importlib.metadata.EntryPoint is EntryPoint


def test_an_installed_package_adds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, "mine", "teppr.problems.ods:PLUGIN")
    assert "mine" in PROBLEMS.names()
    assert PROBLEMS.load("mine").id == "ods"


def test_an_installed_plugin_that_does_not_import_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, "mine", "no_such_module_of_mine:PLUGIN")
    with pytest.raises(BrokenPlugin, match=r"problem 'mine'.*does not import") as caught:
        PROBLEMS.load("mine")
    assert isinstance(caught.value.__cause__, ImportError)


def test_an_installed_plugin_whose_value_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = "from teppr.problems import Problem\nPLUGIN = Problem(id='road-works', title='x', shapes=('rect',))\n"
    (tmp_path / "wrong_problem_of_mine.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    _installed(monkeypatch, "mine", "wrong_problem_of_mine:PLUGIN")
    with pytest.raises(BrokenPlugin, match=r"(?s)problem 'mine'.*part of release keys, got 'road-works'"):
        PROBLEMS.load("mine")


def test_a_plugin_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch, "mine", "teppr.errors:TepprError")
    with pytest.raises(BrokenPlugin, match="must be a Problem"):
        PROBLEMS.load("mine")


def test_listing_imports_nothing() -> None:
    found: Plugins[Problem] = Plugins("teppr.architectures", Problem, "architecture")
    assert "mask_rcnn" in found.names()
