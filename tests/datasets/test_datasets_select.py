"""Which images and regions a dataset takes by labels, conditions and caps, and what it says it left out."""

import json
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from teppr.annotations.ingest import ingest
from teppr.cli.main import run
from teppr.datasets.cap import Cap
from teppr.datasets.create import CreateOptions, create
from teppr.datasets.select import SelectOptions
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.split import shares_of
from teppr.errors import BadInput, UnknownName
from teppr.problems.contract import PROBLEMS
from teppr.store.contract import Store
from teppr.testing.datasets import put_file, stored_image
from teppr.types import Polygon, Rect, Region

SMALL, WIDE = Rect(1, 1, 2, 2), Rect(10, 10, 60, 20)
ROUND = Polygon((((0, 0), (30, 0), (30, 30)),))


@pytest.fixture
def filled(store: Store) -> Store:
    """Two releases; in the first a hidden door and an image by night, in the second a large image."""
    hidden = Region(shape=WIDE, label="door", index=0, where="", attributes={"hidden": "yes", "score": 0.4})
    seen = Region(shape=SMALL, label="hood", index=1, where="", attributes={"hidden": "no", "score": 0.9})
    night = replace(stored_image("night", ("door", ROUND)), attributes={"weather": "night"})
    put_file(
        store,
        "old.json",
        [replace(stored_image("mixed"), regions=(hidden, seen)), night],
        annotator="AT1",
        released=date(2019, 1, 1),
    )
    large = replace(stored_image("large", ("mirror", WIDE)), size_wh=(800, 600))
    put_file(store, "new.json", [large, stored_image("bare")], annotator="AT2", released=date(2019, 3, 1))
    return store


def made(store: Store, home: Path, **conditions: Any) -> Snapshot:  # noqa: ANN401 - any option
    options = CreateOptions(select=SelectOptions(**conditions), shares=shares_of("100"))
    return create(store, home, "set", "ods", options)


def taken(snapshot: Snapshot) -> dict[str, list[str]]:
    """{image: labels of its regions}."""
    names = [label.name for label in snapshot.labels]
    images = {image.filename.removesuffix(".jpg"): image.label_ids for image in snapshot.images("train")}
    return {name: [names[label] for label in labels] for name, labels in images.items()}


def test_labels_are_dropped(filled: Store, home: Path) -> None:
    snapshot = made(filled, home, drop=("door",))

    assert taken(snapshot) == {"mixed": ["hood"], "night": [], "large": ["mirror"], "bare": []}
    assert snapshot.document.left_out == {"regions left out by --drop": 2}
    assert snapshot.document.filters["drop"] == ["door"]


def test_what_is_not_listed_becomes_the_other_label(filled: Store, home: Path) -> None:
    snapshot = made(filled, home, labels=("mirror",), other="part", drop=("hood",))

    assert [label.name for label in snapshot.labels] == ["mirror", "part"]
    assert taken(snapshot) == {"mixed": ["part"], "night": ["part"], "large": ["mirror"], "bare": []}
    assert snapshot.document.filters["other"] == "part"


def test_no_other_label_is_made_of_nothing(filled: Store, home: Path) -> None:
    snapshot = made(filled, home, labels=("door", "hood", "mirror"), other="part")

    assert [label.name for label in snapshot.labels] == ["door", "hood", "mirror"]


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"drop": ("dor",)}, "no label 'dor'; did you mean 'door'"),
        ({"drop": ("door",), "labels": ("door",)}, "dropped or taken, got both: --drop door and --labels door"),
        ({"other": "part"}, "--other is the name of labels that --labels does not list"),
        ({"where": "region.hiden=yes"}, r"no attribute 'region.hiden'; did you mean 'region.hidden'\?"),
        ({"where": "image.hidden=yes"}, r"no attribute 'image.hidden'.*known: image.weather, region.hidden"),
        ({"where": "area>=big"}, "compared with a number"),
    ],
)
def test_wrong_conditions_are_refused(filled: Store, home: Path, conditions: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        made(filled, home, **conditions)


def test_an_expression_is_read_before_anything_else(store: Store, home: Path) -> None:
    with pytest.raises(UnknownName, match="no field in conditions 'colour'"):
        made(store, home, where="colour=red")


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("released>=2019-02-01", {"large": ["mirror"], "bare": []}),
        ("not released>=2019-02-01", {"mixed": ["door", "hood"], "night": ["door"]}),
        ("width>=640", {"large": ["mirror"]}),
        ("height<600 and annotator=AT2", {"bare": []}),
        ("image.weather=night", {"night": ["door"]}),
        ("image.weather!=night and not filename=large*", {"mixed": ["door", "hood"], "bare": []}),
        ("area>=64", {"mixed": ["door"], "night": ["door"], "large": ["mirror"], "bare": []}),
        ("box_width>50 and box_height<=20", {"mixed": ["door"], "night": [], "large": ["mirror"], "bare": []}),
        ("region.hidden=no|unknown", {"mixed": ["hood"], "night": ["door"], "large": ["mirror"], "bare": []}),
        ("region.score>=0.5", {"mixed": ["hood"], "night": [], "large": [], "bare": []}),
        ("shape=polygon or label=hood", {"mixed": ["hood"], "night": ["door"], "large": [], "bare": []}),
    ],
)
def test_conditions_choose_images_and_regions(
    filled: Store, home: Path, where: str, expected: dict[str, list[str]]
) -> None:
    snapshot = made(filled, home, where=where)

    assert taken(snapshot) == expected
    assert snapshot.document.filters["where"] == where


def test_a_condition_on_both_is_asked_of_regions_and_leaves_out_no_image(filled: Store, home: Path) -> None:
    where = "(width>=640 or label=hood) and filename!=bare*"

    snapshot = made(filled, home, where=where)

    assert taken(snapshot) == {"mixed": ["hood"], "night": [], "large": ["mirror"]}
    assert snapshot.document.left_out == {"entries left out by --where": 1, "regions left out by --where": 2}
    assert taken(made(filled, home, where=where, background=False)) == {"mixed": ["hood"], "large": ["mirror"]}


def test_label_conditions_are_about_labels_as_they_are_in_the_dataset(filled: Store, home: Path) -> None:
    renamed = made(filled, home, rename={"hood": "lid"}, where="label=lid|door")
    assert taken(renamed)["mixed"] == ["door", "lid"]
    others = {"labels": ("door",), "other": "part"}
    assert taken(made(filled, home, **others, where="label=door|part"))["mixed"] == ["door", "part"]
    assert taken(made(filled, home, **others, where="label=door|hood"))["mixed"] == ["door"]


def test_a_record_without_new_options_is_as_it_always_was() -> None:
    record = SelectOptions().as_record()

    assert list(record) == ["labels", "rename", "where", "annotators", "min_area_px", "background"]


@pytest.fixture
def frequent(store: Store) -> Store:
    """Twenty images with doors, of which two show a mirror as well; six backgrounds."""
    doors = [stored_image(f"door{i}", ("door", WIDE)) for i in range(18)]
    both = [stored_image(f"both{i}", ("door", WIDE), ("mirror", SMALL)) for i in range(2)]
    put_file(store, "a.json", [*doors, *both, *(stored_image(f"bare{i}") for i in range(6))])
    return store


def images_of(snapshot: Snapshot) -> dict[str, int]:
    return {label: count.images for label, count in snapshot.document.splits["train"].per_label.items()}


def test_frequent_labels_are_capped_and_rare_ones_lose_nothing(frequent: Store, home: Path) -> None:
    snapshot = made(frequent, home, cap=Cap(max_per_label=5, seed=3))

    assert images_of(snapshot) == {"door": 5, "mirror": 2}
    assert snapshot.document.left_out == {"images left out by --max-per-label": 15}
    assert {name: snapshot.document.filters[name] for name in ("max_per_label", "cap_seed")} == {
        "max_per_label": 5,
        "cap_seed": 3,
    }


def test_a_label_stays_above_its_cap_where_rarer_ones_are_in_its_images(frequent: Store, home: Path) -> None:
    assert images_of(made(frequent, home, cap=Cap(max_per_label=1))) == {"door": 1, "mirror": 1}
    put_file(frequent, "b.json", [stored_image("both9", ("door", WIDE), ("lid", SMALL))])

    assert images_of(made(frequent, home, cap=Cap(max_per_label=1))) == {"door": 2, "lid": 1, "mirror": 1}


@pytest.mark.parametrize(
    ("most", "backgrounds", "record"),
    [(4, 4, 4), (0, 0, 0), (99, 6, 99), (Fraction(1, 5), 5, 0.2), (Fraction(1, 1000), 0, 0.001)],
)
def test_background_is_capped_by_number_or_share(
    frequent: Store, home: Path, most: int | Fraction, backgrounds: int, record: float
) -> None:
    document = made(frequent, home, cap=Cap(max_background=most)).document

    assert document.images == 20 + backgrounds
    assert document.left_out.get("images left out by --max-background", 0) == 6 - backgrounds
    assert document.filters["max_background"] == record


def test_the_share_of_background_is_that_of_what_the_other_cap_leaves(frequent: Store, home: Path) -> None:
    document = made(frequent, home, cap=Cap(max_per_label=4, max_background=Fraction(1, 3))).document

    assert document.images == 4 + 2


def test_the_seed_says_which_images_go(frequent: Store, home: Path) -> None:
    versions = [made(frequent, home, cap=Cap(max_per_label=5, max_background=3, seed=seed)) for seed in (1, 1, 2)]

    assert versions[0].version == versions[1].version
    assert set(taken(versions[0])) != set(taken(versions[2]))


def test_real_labels_are_merged_capped_and_filtered(data: Path, store: Store, home: Path) -> None:
    ingest([data / "via_car_damage" / "train" / "train_multiclass.json"], store, PROBLEMS.load("ods"))
    everything = made(store, home)
    areas = everything.annotations_table["area_px"].to_pylist()

    large = made(store, home, where="area>=40000 or label=headlamp")
    capped = made(store, home, cap=Cap(max_per_label=15))
    bumpers = made(store, home, labels=("door",), drop=("hood",), other="rest")

    labels = everything.annotations_table["label"].to_pylist()
    wanted = sum(size >= 40000 or label == "headlamp" for size, label in zip(areas, labels, strict=True))
    assert 0 < large.document.regions == wanted < everything.document.regions == 187
    before, after = images_of(everything), images_of(capped)
    assert all(min(before[label], 15) <= after[label] <= before[label] for label in before)
    assert sum(after.values()) < sum(before.values())
    assert bumpers.document.regions == 187 - labels.count("hood")


@pytest.mark.usefixtures("filled")
def test_the_command_takes_all_of_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--labels",
        "door",
        "--other",
        "part",
        "--drop",
        "hood",
        "--max-per-label",
        "1",
        "--max-background",
        "50%",
    ]
    command = ["--home", str(home), "dataset", "create", "set", "--assign", "train=*.json", *options]

    assert run([*command, "--seed", "4"]) == 0

    told = capsys.readouterr()
    assert "images left out by --max-per-label: 1" in told.err
    assert "regions left out by --drop: 1" in told.err
    document = json.loads((Path(told.out.splitlines()[-2]) / "dataset.json").read_text())
    assert document["filters"]["max_background"] == 0.5
    assert document["filters"]["cap_seed"] == 4


@pytest.mark.parametrize("text", ["many", "-1", "1/2", "²"])
def test_what_is_no_number_and_no_share_is_refused(home: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code = run(["--home", str(home), "dataset", "create", "set", f"--max-background={text}"])

    assert code == 2
    assert f"a share of them: 500, 0.1 or 10%, got '{text}'" in capsys.readouterr().err


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("text", ["1.5", "100%", "110%"])
def test_a_share_of_all_images_or_more_is_refused(home: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    code = run(["--home", str(home), "dataset", "create", "set", f"--max-background={text}"])

    assert code == 2
    assert f"as a share of all images is below 100%, got '{text}'" in capsys.readouterr().err
