"""Releases: written once, found by key and alias, never believed half-written."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from teppr.errors import AlreadyThere, BadFile, BadInput, Corrupt, UnknownName
from teppr.files import HALF_WRITTEN
from teppr.registry.acceptance import Verdict
from teppr.registry.bundle import Bundle
from teppr.registry.releases import RECORD, Registry, ReleaseRecord
from teppr.testing.killing import run_killed

RECORD_1 = ReleaseRecord(
    key="acme-ods-1",
    architecture="color_finder",
    problem="ods",
    created=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    creator="AIE3",
    run="signs-1",
    dataset="signs@3f9a1c22b7d0",
    metrics={"test": {"box": {"map_50": 0.7, "per_label": {}}}},
    acceptance=(Verdict(criterion="test/map_50", wanted=">= 0.6", got=0.7, met=True),),
    accepted=True,
    forced=False,
    why="",
    measured={"latency_ms": {"p95": 30.0}},
)


def test_a_published_release_is_found_by_its_key(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    info = registry.publish(bundle, RECORD_1)
    assert info.bundle_path == home / "models" / "acme" / "ods" / "1" / "color_finder"
    assert registry.find("acme-ods-1").card == bundle.card
    assert replace(registry.release("acme-ods-1").record, manifest_sha256="") == RECORD_1


def test_a_folder_is_found_as_itself(home: Path, bundle: Bundle) -> None:
    assert Registry(home).find(str(bundle.path)) == bundle


def test_a_release_is_published_once(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    registry.publish(bundle, RECORD_1)
    before = registry.release("acme-ods-1")
    with pytest.raises(AlreadyThere, match="acme-ods-1 is published already and never changes"):
        registry.publish(bundle, replace(RECORD_1, creator="someone else"))
    assert registry.release("acme-ods-1") == before


def test_of_many_who_publish_the_same_key_one_does(home: Path, bundle: Bundle) -> None:
    def publish(creator: str) -> str:
        try:
            return Registry(home).publish(bundle, replace(RECORD_1, creator=creator)).record.creator
        except AlreadyThere:
            return ""

    with ThreadPoolExecutor(8) as pool:
        done = [creator for creator in pool.map(publish, "abcdefgh") if creator]
    assert done == [Registry(home).release("acme-ods-1").record.creator]
    assert Registry(home).verify("acme-ods-1") == []


def test_aliases_moved_at_once_keep_every_move(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    keys = [f"acme-ods-{number}" for number in range(6)]
    for key in keys:
        registry.publish(bundle, replace(RECORD_1, key=key))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda key: Registry(home).point("acme-ods@staging", key), keys))
    history = json.loads((home / "models" / "acme" / "ods" / ".aliases.json").read_text())
    assert sorted(move["key"] for move in history["staging"]) == keys


def test_all_releases_are_listed_with_their_aliases(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    for key in ("acme-ods-1", "acme-ods-2.1-rc", "beta-ods-1"):
        registry.publish(bundle, replace(RECORD_1, key=key))
    registry.point("acme-ods@production", "acme-ods-2.1-rc")
    rows = [info.as_dict() for info in registry.list()]
    assert [(row["key"], row["aliases"]) for row in rows] == [
        ("acme-ods-1", []),
        ("acme-ods-2.1-rc", ["production"]),
        ("beta-ods-1", []),
    ]
    assert rows[0].keys() == {
        "key", "aliases", "architecture", "problem", "metrics", "accepted", "forced", "created"
    }  # fmt: skip


def test_an_alias_moves_and_keeps_its_history(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    for number in (1, 2):
        registry.publish(bundle, replace(RECORD_1, key=f"acme-ods-{number}"))
        registry.point("acme-ods@production", f"acme-ods-{number}")
    assert registry.find("acme-ods@production").path.parent.name == "2"
    production = registry.production("acme", "ods")
    assert production is not None
    assert production.record.key == "acme-ods-2"
    history = json.loads((home / "models" / "acme" / "ods" / ".aliases.json").read_text())
    assert [move["key"] for move in history["production"]] == ["acme-ods-1", "acme-ods-2"]


def test_an_alias_points_within_its_problem_only(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    registry.publish(bundle, RECORD_1)
    with pytest.raises(BadInput, match="can only point to a release of acme-rld, got acme-ods-1"):
        registry.point("acme-rld@production", "acme-ods-1")
    with pytest.raises(BadInput, match="an alias is <org>-<problem>@<name>"):
        registry.point("production", "acme-ods-1")
    assert registry.production("acme", "ods") is None


def test_what_is_not_there_is_answered_with_what_is(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    with pytest.raises(UnknownName, match="no release 'acme-ods-1'; known: none yet"):
        registry.find("acme-ods-1")
    registry.publish(bundle, RECORD_1)
    with pytest.raises(UnknownName, match=r"'acme-ods-11'; did you mean 'acme-ods-1'\?; known: acme-ods-1"):
        registry.find("acme-ods-11")
    with pytest.raises(UnknownName, match="no alias 'acme-ods@staging'; known: none yet"):
        registry.find("acme-ods@staging")


@pytest.mark.parametrize(
    "key", ["acme", "acme-ods", "../x-ods-1", "acme-ods-../../x", "acme-ods-.half", "acme-ods-a/b"]
)
def test_keys_that_are_none_are_refused(home: Path, bundle: Bundle, key: str) -> None:
    with pytest.raises(BadInput, match="a release key is <org>-<problem>-<release>"):
        Registry(home).publish(bundle, replace(RECORD_1, key=key))


def test_a_changed_release_is_refused_by_the_name_of_the_file(home: Path, bundle: Bundle) -> None:
    registry = Registry(home)
    network = registry.publish(bundle, RECORD_1).bundle_path / "model.onnx"
    network.write_bytes(network.read_bytes() + b"!")
    assert [str(network) in problem for problem in registry.verify("acme-ods-1")] == [True]
    with pytest.raises(Corrupt, match=r"model\.onnx is not what was written"):
        registry.find("acme-ods-1")


def test_a_bundle_put_in_the_place_of_another_is_noticed(home: Path, bundle: Bundle) -> None:
    from teppr.testing.bundles import small_bundle

    registry = Registry(home)
    place = registry.publish(bundle, RECORD_1).bundle_path
    place.rename(home / "taken-away")
    assert registry.verify("acme-ods-1") == [f"{place} is gone"]
    small_bundle(place, image_size_px=64)
    with pytest.raises(Corrupt, match=r"MANIFEST\.json is not what was published"):
        registry.find("acme-ods-1")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        pytest.param("{", BadFile, "as JSON", id="not JSON"),
        pytest.param("{}", Corrupt, "Field required - at key", id="empty"),
        pytest.param('{"colour": 1}', Corrupt, "it has other keys than", id="unknown key"),
    ],
)
def test_a_broken_record_is_refused(home: Path, bundle: Bundle, text: str, error: type[Exception], says: str) -> None:
    registry = Registry(home)
    (registry.publish(bundle, RECORD_1).path / RECORD).write_text(text)
    with pytest.raises(error, match=says):
        registry.release("acme-ods-1")


PUBLISHER = """
import sys
from pathlib import Path
from teppr.registry.bundle import Bundle
from teppr.registry.releases import Registry
from teppr.testing.killing import die_at
from test_registry_releases import RECORD_1

home, bundle, moment, count = sys.argv[1:]
die_at(moment, int(count))
Registry(Path(home)).publish(Bundle.open(Path(bundle)), RECORD_1)
"""
MOMENTS = [("shutil.copytree", 1), ("open", 12), ("open", 25), ("os.rename", 1), ("os.rename", 2)]


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "count"), MOMENTS)
def test_a_killed_publish_leaves_nothing_that_is_believed(home: Path, bundle: Bundle, moment: str, count: int) -> None:
    run_killed(PUBLISHER, home, bundle.path, moment, count, folder=Path(__file__).parent)
    registry = Registry(home)
    assert registry.list() == []
    with pytest.raises(UnknownName):
        registry.find("acme-ods-1")
    # The next start clears up and does the same again.
    registry.publish(bundle, RECORD_1)
    assert registry.verify("acme-ods-1") == []
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))
