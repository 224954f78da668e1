"""Models that come, go, change places and share requests while a service answers."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from teppr.registry.releases import Registry
from teppr.testing.background import Up, up
from teppr.testing.bundles import small_bundle
from teppr.testing.releases import small_release
from teppr.testing.service import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for release in range(1, 5):
        small_release(home, f"acme-ods-{release}")
    small_release(home, "acme-rld-1")
    Registry(home).point("acme-ods@production", "acme-ods-1")
    return home


@pytest.fixture
def service(home: Path) -> Iterator[Up]:
    with up(home, "--model", "acme-ods@production", "--port", 0, "--processes", 1) as running:
        yield running


@contextmanager
def asked_all_the_while(service: Up, picture: bytes, name: str) -> Iterator[list[tuple[int, str]]]:
    """The statuses and models of the answers that four clients get for a name without a pause."""
    ends = threading.Event()
    answers: list[tuple[int, str]] = []

    def client() -> None:
        while not ends.is_set():
            answer = service.ask(picture, name)
            answers.append((answer.status_code, answer.json().get("type", answer.text)))

    with ThreadPoolExecutor(4) as clients:
        running = [clients.submit(client) for _ in range(4)]
        try:
            until(lambda: len(answers) > 8, "clients are answered")
            yield answers
        finally:
            ends.set()
    for each in running:
        each.result()


def test_a_model_is_loaded_and_unloaded_and_the_others_answer_all_the_while(service: Up, picture: bytes) -> None:
    with asked_all_the_while(service, picture, "acme-ods") as answers:
        assert service("load", "acme-ods-2") == {"models": ["acme-ods-2"], "processes": 1}
        assert service.ask(picture, "acme-ods-2").json()["type"] == "acme-ods-2"
        assert service("unload", "acme-ods-2") == {"models": ["acme-ods-2"], "unanswered": 0}
    assert set(answers) == {(200, "acme-ods-1")}
    until(lambda: service.ask(picture, "acme-ods-2").status_code == 404, "it is gone")


def test_a_swap_loses_no_request_and_every_name_follows(service: Up, picture: bytes) -> None:
    with asked_all_the_while(service, picture, "acme-ods@production") as answers:
        done = service("swap", "acme-ods@production", "acme-ods-2")
        assert done == {"models": ["acme-ods-2"], "ended": ["acme-ods-1"], "unanswered": 0}
    assert {status for status, _ in answers} == {200}
    models = [model for _, model in answers]
    assert (models[0], models[-1]) == ("acme-ods-1", "acme-ods-2")
    for name in ("", "acme-ods", "acme-ods@production", "acme-ods-1", "acme-ods-2"):
        assert service.ask(picture, name).json()["type"] == "acme-ods-2", name
    assert service("swap", "acme-ods-2", "acme-ods-1")["models"] == ["acme-ods-1"]
    for name in ("", "acme-ods", "acme-ods@production", "acme-ods-1", "acme-ods-2"):
        assert service.ask(picture, name).json()["type"] == "acme-ods-1", name


def test_after_a_restart_names_mean_what_is_served_then(home: Path, picture: bytes) -> None:
    words = ("--model", "acme-ods-1", "--port", 0, "--processes", 1)
    with up(home, *words) as swapped:
        swapped("swap", "acme-ods-1", "acme-ods-2")
        (web,) = (process for process in swapped.status()["processes"] if process["url"])
        assert (web["default"], web["answers_with"]) == ("acme-ods-1", "acme-ods-2")
        code, says = swapped.refused("route", "acme-ods-1", "--back")
        assert code == 1
        assert "not served any more" in says
    with up(home, *words) as again:
        assert again("route")["routes"] == {}
        again("load", "acme-ods-2")
        for name in ("", "acme-ods", "acme-ods-1"):
            assert again.ask(picture, name).json()["type"] == "acme-ods-1", name


def test_a_model_that_takes_anothers_place_has_its_limits_unless_it_is_told_others(home: Path) -> None:
    file = home / "limits.toml"
    file.write_text('port = 0\n[[serve.models]]\nmodel = "acme-ods-1"\nprocesses = 2\nmemory_limit = "1GiB"\n')
    with up(home, "--config", file) as service:
        service("swap", "acme-ods-1", "acme-ods-2")
        servers = [process for process in service.status()["processes"] if process["models"]]
        assert [server["memory_limit"] for server in servers] == ["1GiB", "1GiB"]
        service("swap", "acme-ods-2", "acme-ods-3", "--memory-limit", "2GiB", "--processes", 1)
        (server,) = (process for process in service.status()["processes"] if process["models"])
        assert (server["models"], server["memory_limit"]) == (["acme-ods-3"], "2GiB")


def test_a_folder_is_that_of_whoever_orders(
    service: Up, picture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_bundle(tmp_path / "bundle", "acme-ods-5")
    monkeypatch.chdir(tmp_path)
    assert service("load", "./bundle")["models"] == ["acme-ods-5"]
    assert service.ask(picture, "acme-ods-5").json()["type"] == "acme-ods-5"
    assert service("unload", "bundle")["models"] == ["acme-ods-5"]


def servers_of(service: Up, key: str) -> list[str]:
    return [process["name"] for process in service.status()["processes"] if process["models"] == [key]]


def test_a_model_that_is_served_gets_the_processes_of_the_one_whose_place_it_takes(home: Path, picture: bytes) -> None:
    with up(home, "--model", "acme-ods-1", "--port", 0, "--processes", 2) as service:
        assert service("load", "acme-ods-2") == {"models": ["acme-ods-2"], "processes": 1}
        service("swap", "acme-ods-1", "acme-ods-2")
        assert servers_of(service, "acme-ods-2") == ["acme-ods-2:1", "acme-ods-2:2"]
        service("load", "acme-ods-3")
        service("swap", "acme-ods-2", "acme-ods-3", "--processes", 1)
        assert servers_of(service, "acme-ods-3") == ["acme-ods-3:1"]
        assert service.ask(picture).json()["type"] == "acme-ods-3"


def test_a_model_that_is_served_has_as_many_processes_as_are_asked_for_later(service: Up, picture: bytes) -> None:
    with asked_all_the_while(service, picture, "acme-ods") as answers:
        assert service("load", "acme-ods-1", "--processes", 3) == {"models": ["acme-ods-1"], "processes": 3}
        assert len(servers_of(service, "acme-ods-1")) == 3
        assert service("load", "acme-ods-1", "--processes", 1)["processes"] == 1
        assert len(servers_of(service, "acme-ods-1")) == 1
    assert set(answers) == {(200, "acme-ods-1")}
    code, says = service.refused("load", "acme-ods-1", "--processes", 2, "--memory-limit", "1GiB")
    assert code == 1
    assert "with limits of its own" in says
    assert servers_of(service, "acme-ods-1") == ["acme-ods-1:1"]


def test_a_canary_gets_its_share_and_a_request_that_is_repeated_the_same_model(service: Up, picture: bytes) -> None:
    service("load", "acme-ods-3")
    service("route", "acme-ods", "acme-ods-1=50", "acme-ods-3=50")
    ids = [f"request-{i}" for i in range(24)]

    def models() -> list[str]:
        return [service.ask(picture, "acme-ods", request_id=each).json()["type"] for each in ids]

    until(lambda: service.ask(picture, "acme-ods", request_id="request-0").status_code == 200, "it is known")
    until(lambda: len({service.ask(picture, "acme-ods").json()["type"] for _ in range(8)}) == 2, "webs know the route")
    first = models()
    assert Counter(first).keys() == {"acme-ods-1", "acme-ods-3"}
    assert models() == first
    assert "acme-ods" in service.refused("unload", "acme-ods-3")[1]
    service("route", "acme-ods", "--back")
    until(lambda: {service.ask(picture, "acme-ods").json()["type"] for _ in range(8)} == {"acme-ods-1"}, "it is back")
    assert service("unload", "acme-ods-3")["models"] == ["acme-ods-3"]


def test_a_shadow_is_counted_and_never_answers(service: Up, picture: bytes) -> None:
    service("load", "acme-ods-4")
    service("route", "acme-ods", "--shadow", "acme-ods-4=100")

    def compared() -> int:
        assert service.ask(picture, "acme-ods").json()["type"] == "acme-ods-1"
        (figures,) = service.status()["shadows"]
        return int(figures["compared"])

    until(lambda: compared() > 2, "the shadow is compared")
    (figures,) = service("route")["shadows"]
    assert (figures["name"], figures["key"], figures["failed"]) == ("acme-ods", "acme-ods-4", 0)
    assert {row["label"]: row["agreement_0_1"] for row in figures["labels"]} == {"go": 1.0, "stop": 1.0}


def test_what_cannot_be_loaded_is_refused_with_its_reason_and_all_stays_as_it_was(service: Up, picture: bytes) -> None:
    code, says = service.refused("load", "acme-ods-9")
    assert code == 3
    assert "there is no release 'acme-ods-9'" in says
    code, says = service.refused("load", "bundles/none")
    assert code == 3
    assert f"there is no model bundle at {Path.cwd()}/bundles/none: no such folder" in says
    assert "acme-ods-1 is served already" in service.refused("load", "acme-ods-1")[1]
    code, says = service.refused("load", "acme-ods-2", "--memory-limit", "40MiB")
    assert code == 3
    assert "the limit is 40 MiB" in says
    assert "acme-ods-2" not in str(service.status()["processes"])
    assert "acme-ods" in service.refused("unload", "acme-ods-1")[1]
    assert "known: acme-ods-1" in service.refused("unload", "acme-ods-7")[1]
    assert "which is served already" in service.refused("swap", "acme-ods-1", "acme-ods@production")[1]
    assert service.refused("route", "acme-ods", "acme-ods-7=100")[0] == 2
    assert service.status()["fine"]
    assert service.ask(picture).json()["type"] == "acme-ods-1"


def test_the_only_model_of_a_problem_goes_with_the_names_that_led_to_it(service: Up, picture: bytes) -> None:
    service("load", "acme-rld-1")
    service("route", "acme-rld", "acme-rld-1")
    assert service("unload", "acme-rld-1")["models"] == ["acme-rld-1"]
    assert "acme-rld" not in service("route")["routes"]
    assert service.ask(picture).json()["type"] == "acme-ods-1"


def test_an_alias_that_was_moved_is_followed_by_a_swap(service: Up, picture: bytes) -> None:
    registry = Registry(service.home)
    registry.point("acme-ods@production", "acme-ods-2")
    try:
        assert service.ask(picture, "acme-ods@production").json()["type"] == "acme-ods-1"
        service("swap", "acme-ods@production", "acme-ods@production")
        assert service.ask(picture, "acme-ods@production").json()["type"] == "acme-ods-2"
    finally:
        registry.point("acme-ods@production", "acme-ods-1")
