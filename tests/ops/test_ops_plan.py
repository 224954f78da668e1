"""What is to run, as the settings say it."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr import settings
from teppr.errors import BadInput
from teppr.ops.plan import ModelPlan, Plan, WebPlan, differences, planned, processes_of
from teppr.serving.server import Address

TOML = """
port = 5000
[serve]
score_threshold = 0.4
[[serve.models]]
model = "acme-ods@production"
processes = 2
memory_limit = "2GiB"
max_wait_ms = 2
[[serve.models]]
models = ["acme-rld-2", "acme-tsr-1", "acme-rld-2"]
"""


def plan(toml: str, tmp_path: Path) -> Plan:
    file = tmp_path / "teppr.toml"
    file.write_text(toml)
    return planned(settings.load({}, file))


def test_the_section_of_the_settings_is_a_plan(tmp_path: Path) -> None:
    found = plan(TOML, tmp_path)
    first, second = found.models
    assert first == ModelPlan(names=("acme-ods@production",), processes=2, memory_limit="2GiB", max_wait_ms=2)
    assert second.names == ("acme-rld-2", "acme-tsr-1")
    assert found.names == ("acme-ods@production", "acme-rld-2", "acme-tsr-1")
    assert found.score_threshold_0_1 == 0.4


def test_without_webs_there_is_one_at_the_port_that_is_set_with_the_first_model(tmp_path: Path) -> None:
    (web,) = plan(TOML, tmp_path).webs
    assert web == WebPlan(address=Address(host="127.0.0.1", port=5000), default="acme-ods@production")


def test_each_web_has_its_port_and_its_default(tmp_path: Path) -> None:
    webs = '[[serve.webs]]\nport = 4041\ndefault = "acme-rld-2"\n[[serve.webs]]\nhost = "::1"\nworkers = 3\n'
    first, second = plan(TOML + webs, tmp_path).webs
    assert first == WebPlan(address=Address(host="127.0.0.1", port=4041), default="acme-rld-2")
    assert second == WebPlan(address=Address(host="::1", port=5000), default="acme-ods@production", workers=3)


def test_where_nothing_is_said_it_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--model.*teppr\.toml\n\n\[\[serve\.models\]\]\nmodel = "):
        plan("", tmp_path)


def test_a_memory_limit_that_is_none_is_refused_with_its_models(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"memory_limit of acme-ods@production: .* such as 2GiB, got 'fifty'"):
        plan(TOML.replace("2GiB", "fifty"), tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("processes = 2", "processes = 3", ["processes of acme-ods@production is 2, asked for 3"]),
        ('memory_limit = "2GiB"', "", ["memory_limit of acme-ods@production is 2GiB, asked for unset"]),
        ("score_threshold = 0.4", "", ["score threshold is 0.4, asked for None"]),
        ("[5000]", "", ["the order of models or webs"]),
        (
            "port = 5000",
            "port = 5001",
            ["web 127.0.0.1:5000 runs and is not asked for", "web 127.0.0.1:5001 is asked for and does not run"],
        ),
    ],
    ids=["processes", "limit", "threshold", "nothing", "port"],
)
def test_what_two_plans_differ_in_is_said(tmp_path: Path, before: str, after: str, says: list[str]) -> None:
    runs = orjson.loads(orjson.dumps(plan(TOML, tmp_path).as_dict()))
    asked = plan(TOML.replace(before, after), tmp_path).as_dict()
    assert differences(runs, asked) == says


def test_two_webs_on_one_port_are_refused_and_on_any_free_one_are_not() -> None:
    models = [ModelPlan(names=("a-b-1",))]

    def webs(port: int) -> Plan:
        return Plan(models=models, webs=[WebPlan(address=Address(host="h", port=port), default="a-b-1")] * 2)

    with pytest.raises(BadInput, match="two webs cannot listen on one port: h 4040"):
        webs(4040)
    assert len(webs(0).webs) == 2


@given(st.lists(st.integers(0, 8), min_size=1, max_size=6))
def test_every_model_gets_a_process_and_those_asked_for(asked: list[int]) -> None:
    models = [ModelPlan(names=(f"a-b-{i}",), processes=processes) for i, processes in enumerate(asked)]
    got = processes_of(Plan(models=models, webs=[]))
    assert all(processes >= 1 for processes in got)
    assert all(processes == wanted for processes, wanted in zip(got, asked, strict=True) if wanted)
