"""What a service needs, looked at before anything starts: each thing that is not there is named."""

import os
import socket
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from teppr.errors import Missing, TepprError
from teppr.ops.plan import ModelPlan, Plan, WebPlan
from teppr.ops.whole import check_store, look_at
from teppr.registry.bundle import Bundle
from teppr.serving.server import Address
from teppr.settings import Settings
from teppr.testing.bundles import small_bundle

LOCAL = "127.0.0.1"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("bundles") / "one")


def plan(*names: object, port: int = 0, default: str = "") -> Plan:
    models = [ModelPlan(names=(str(name),)) for name in names]
    return Plan(models=models, webs=[WebPlan(address=Address(host=LOCAL, port=port), default=default or str(names[0]))])


def found(wanted: Plan, settings: Settings) -> tuple[int, str]:
    """How many ports were bound, and the first web's default."""
    with ExitStack() as things:
        there = look_at(wanted, settings, [], things)
        return len(there.bound), there.default_of(wanted.webs[0])


def test_what_is_all_there_is_found(bundle: Bundle, home: Path) -> None:
    assert found(plan(bundle.path), Settings(home=home)) == (1, "acme-ods-1")
    assert found(plan(bundle.path, default="acme-ods"), Settings(home=home)) == (1, "acme-ods")


def test_a_missing_model_is_named(home: Path) -> None:
    with pytest.raises(Missing, match="there is no release 'acme-ods-9'"):
        found(plan("acme-ods-9"), Settings(home=home))


@pytest.mark.parametrize("name", ["bundles/none", "./none", "~/none"])
def test_a_folder_that_is_not_there_is_no_release(name: str, home: Path) -> None:
    with pytest.raises(Missing, match=f"^there is no model bundle at {Path(name)}: no such folder"):
        found(plan(name), Settings(home=home))


def test_a_folder_without_a_bundle_is_named(tmp_path: Path, home: Path) -> None:
    with pytest.raises(Missing, match=r"is no model bundle: it has no MANIFEST\.json"):
        found(plan(tmp_path), Settings(home=home))


def test_a_changed_bundle_is_named(tmp_path: Path, home: Path) -> None:
    broken = small_bundle(tmp_path / "broken")
    with broken.network.open("ab") as network:
        network.write(b"x")
    with pytest.raises(Missing, match=r"model\.onnx is not what was written"):
        found(plan(broken.path), Settings(home=home))


def test_a_taken_port_is_named(bundle: Bundle, home: Path) -> None:
    with socket.create_server((LOCAL, 0)) as taken, pytest.raises(Missing, match="another process listens there"):
        found(plan(bundle.path, port=taken.getsockname()[1]), Settings(home=home))


def test_a_queue_that_does_not_answer_is_named(bundle: Bundle, home: Path) -> None:
    with pytest.raises(Missing, match=r"the queue at unix://.* does not answer"):
        found(plan(bundle.path), Settings(home=home, redis_url=f"unix://{home}/none.sock"))


def test_a_store_that_was_named_and_is_not_there_is_named(bundle: Bundle, home: Path) -> None:
    with pytest.raises(Missing, match="no annotation database"):
        found(plan(bundle.path), Settings(home=home, store=f"sqlite:///{home}/none.db"))


def test_a_store_that_is_none_is_named_and_one_that_was_never_made_is_no_matter(home: Path) -> None:
    check_store(Settings(home=home))
    home.mkdir()
    (home / "store.db").write_bytes(os.urandom(4096))
    with pytest.raises(TepprError, match=r"store\.db"):
        check_store(Settings(home=home))


def test_a_default_that_nobody_serves_is_named(bundle: Bundle, home: Path) -> None:
    with pytest.raises(Missing, match=r"answers with acme-rld-1 where a request names no model.*known: .*acme-ods-1"):
        found(plan(bundle.path, default="acme-rld-1"), Settings(home=home))


def test_all_that_is_missing_is_named_at_once(home: Path) -> None:
    with socket.create_server((LOCAL, 0)) as taken:
        wanted = plan("acme-ods-8", "acme-ods-9", port=taken.getsockname()[1])
        with pytest.raises(Missing) as raised:
            found(wanted, Settings(home=home, redis_url=f"unix://{home}/none.sock"))
    assert len(str(raised.value).splitlines()) == 4


def test_a_port_that_others_reach_needs_keys(bundle: Bundle, home: Path) -> None:
    local = plan(bundle.path)
    web = replace(local.webs[0], address=Address(host="0.0.0.0", port=0))  # noqa: S104 - never listened on
    with pytest.raises(Missing, match="teppr keys create NAME"):
        found(replace(local, webs=[web]), Settings(home=home))
