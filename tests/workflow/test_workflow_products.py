"""Runs and releases as what was made of datasets."""

from pathlib import Path

from teppr.registry.releases import Registry
from teppr.testing.releases import small_release
from teppr.workflow.experiment import parse_experiment
from teppr.workflow.products import products
from teppr.workflow.run import Run, StageState, create_run

EXPERIMENT = "name: signs\ndataset: {dataset}\ntrain: {{from: {weights}}}\n"


def begun(home: Path, dataset: str, weights: str = "imagenet") -> Run:
    return create_run(home, parse_experiment(EXPERIMENT.format(dataset=dataset, weights=weights), name="signs.yml"))


def test_a_home_without_any_has_none(home: Path) -> None:
    assert list(products(home)) == []


def test_runs_and_releases_say_what_they_are_made_from(home: Path) -> None:
    first = begun(home, "signs@3f9a1c22b7d0")
    first.mark("train", StageState.FINISHED)
    small_release(home, "acme-ods-1", run=first.id, dataset="signs@3f9a1c22b7d0")
    Registry(home).point("acme-ods@production", "acme-ods-1")

    run, made = products(home)

    assert (run.kind, run.name, run.dataset, run.weights) == ("run", first.id, "signs@3f9a1c22b7d0", None)
    assert run.facts["stages"] == {"train": "finished"}
    assert (made.kind, made.name, made.run, made.dataset) == ("release", "acme-ods-1", first.id, "signs@3f9a1c22b7d0")
    assert made.other_names == ("acme-ods@production",)


def test_a_run_says_which_run_or_release_its_weights_are_of(home: Path, tmp_path: Path) -> None:
    first = begun(home, "signs@3f9a1c22b7d0")
    first.best.parent.mkdir()
    first.best.write_bytes(b"weights")
    small_release(home, "acme-ods-1", run=first.id, dataset="signs@3f9a1c22b7d0")
    Registry(home).point("acme-ods@production", "acme-ods-1")
    elsewhere = tmp_path / "best.pt"
    elsewhere.write_bytes(b"weights")
    origins = [first.id, str(first.best), "acme-ods-1", "acme-ods@production", str(elsewhere), "acme-ods-9", "scratch"]
    later = {begun(home, "signs@3f9a1c22b7d0", origin).id: origin for origin in origins}

    weights = {later[made.name]: made.weights for made in products(home) if made.name in later}

    run, key = ("run", first.id), ("release", "acme-ods-1")
    assert weights == dict(zip(origins, [run, run, key, key, None, None, None], strict=True))
