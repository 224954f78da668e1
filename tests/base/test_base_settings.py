"""Settings: environment over file over defaults; unknown is an error."""

from pathlib import Path

import pytest

from teppr import settings
from teppr.errors import BadSettings
from teppr.settings import Settings


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "teppr.toml"
    path.write_text('port = 5000\nhome = "from-file"\n')
    return path


def test_defaults_hold_where_nothing_is_given() -> None:
    assert settings.load({}) == Settings()


def test_the_environment_is_stronger_than_the_file(toml: Path) -> None:
    found = settings.load({"TEPPR_HOME": "from-environment"}, toml)
    assert (found.home, found.port) == (Path("from-environment"), 5000)


def test_the_command_line_is_stronger_than_both(toml: Path) -> None:
    assert settings.load({"TEPPR_PORT": "6000"}, toml, port=7000, home=None).port == 7000


def test_an_unknown_variable_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(
        BadSettings, match=r"unknown setting 'prot' - in environment variable TEPPR_PROT; known: .*port"
    ):
        settings.load({"TEPPR_PROT": "1"})


def test_an_unknown_key_of_the_file_names_the_file(toml: Path) -> None:
    toml.write_text("prot = 1\n")
    with pytest.raises(BadSettings, match=r"unknown setting 'prot' - in .*teppr\.toml"):
        settings.load({}, toml)


def test_a_wrong_value_is_named_with_its_key() -> None:
    with pytest.raises(BadSettings, match=r"setting port: .* got '70000' - in environment variable TEPPR_PORT"):
        settings.load({"TEPPR_PORT": "70000"})


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot read the settings file"):
        settings.load({}, tmp_path / "none.toml")


def test_a_file_that_is_no_toml_is_refused(toml: Path) -> None:
    toml.write_text("port = = 1")
    with pytest.raises(BadSettings, match="cannot read the settings file"):
        settings.load({}, toml)


def test_the_tests_own_variables_are_no_settings() -> None:
    assert settings.load({"TEPPR_TEST_DATA": "/data"}) == Settings()


def test_the_store_lies_in_the_home_unless_told_otherwise() -> None:
    assert Settings(home=Path("h")).store_url == "sqlite:///h/store.db"
    assert Settings(store="mongodb://x").store_url == "mongodb://x"


def test_every_setting_is_documented() -> None:
    assert all(field.description for field in Settings.model_fields.values())


SERVE = """
[serve]
score_threshold = 0.4
[[serve.models]]
model = "acme-ods@production"
processes = 2
memory_limit = "2GiB"
[[serve.models]]
models = ["acme-rld-2", "acme-tsr-1"]
[[serve.webs]]
port = 4041
default = "acme-rld-2"
"""


def test_what_is_served_stands_in_a_section_of_the_file(toml: Path) -> None:
    toml.write_text(SERVE)
    serve = settings.load({}, toml).serve
    assert [model.names for model in serve.models] == [("acme-ods@production",), ("acme-rld-2", "acme-tsr-1")]
    assert (serve.models[0].processes, serve.webs[0].port, serve.score_threshold) == (2, 4041, 0.4)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("[serve]\nmodel = 1", r"unknown setting 'serve\.model' - in .*; known: allow_remote, models, .*webs"),
        ("[[serve.models]]\nmodle = 'a'", r"unknown setting 'serve\.models\.0\.modle' .*; known: gpu_memory_mib, .*"),
        ("[[serve.webs]]\nprot = 1", r"unknown setting 'serve\.webs\.0\.prot' .*; known: default, host, port, workers"),
        ("[[serve.webs]]\nport = 70000", r"setting serve\.webs\.0\.port: .* got 70000"),
        ("[[serve.models]]\nprocesses = 2", r"setting serve\.models\.0: .*either model = NAME or models"),
    ],
    ids=["section", "model", "web", "value", "nothing named"],
)
def test_a_wrong_key_of_a_section_is_named_with_its_place(toml: Path, line: str, says: str) -> None:
    toml.write_text(line)
    with pytest.raises(BadSettings, match=says):
        settings.load({}, toml)


def test_every_key_of_what_is_served_is_documented() -> None:
    sections = (settings.ServePlan, settings.ServedModels, settings.ServedWeb)
    assert all(field.description for section in sections for field in section.model_fields.values())
