"""From the annotation database to a dataset version: what is taken, where it goes, and what is refused."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from teppr.annotations.ingest import ingest
from teppr.datasets.create import CreateOptions, create
from teppr.datasets.select import SelectOptions
from teppr.datasets.snapshot import Snapshot
from teppr.datasets.split import shares_of
from teppr.errors import BadInput, Refused, SplitRefused, UnknownName
from teppr.problems.contract import PROBLEMS
from teppr.store.contract import Store
from teppr.store.open import open_store
from teppr.testing.datasets import HALVES, put_file, stored_image
from teppr.types import Circle, Polygon, Rect, Region

SMALL, LARGE = Rect(1, 1, 2, 2), Rect(10, 10, 30, 30)


def made(store: Store, home: Path, *, shares: str = "100", **conditions: object) -> Snapshot:
    select = SelectOptions(**conditions)  # type: ignore[arg-type]
    return create(store, home, "set", "ods", CreateOptions(select=select, shares=shares_of(shares)))


def filenames(snapshot: Snapshot, split: str = "train") -> list[str]:
    return [image.filename for image in snapshot.images(split)]


def label_names(snapshot: Snapshot) -> list[str]:
    return [label.name for label in snapshot.labels]


def two_annotators(store: Store) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", LARGE)), stored_image("2", ("hood", SMALL))], annotator="AT1")
    put_file(store, "b.json", [stored_image("3", ("door", SMALL)), stored_image("4")], annotator="AT2")


def test_everything_is_taken_without_conditions(store: Store, home: Path) -> None:
    two_annotators(store)

    snapshot = made(store, home)

    assert label_names(snapshot) == ["door", "hood"]
    assert filenames(snapshot) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert snapshot.document.left_out == {}
    parents = [(parent.name, parent.annotator) for parent in snapshot.document.parents]
    assert parents == [("a.json", "AT1"), ("b.json", "AT2")]


def test_only_listed_labels_are_taken_in_their_order(store: Store, home: Path) -> None:
    two_annotators(store)

    snapshot = made(store, home, labels=("hood",))

    assert label_names(snapshot) == ["hood"]
    assert filenames(snapshot) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert snapshot.document.left_out == {"regions left out by --labels": 2}
    assert label_names(made(store, home, labels=("hood", "door"))) == ["hood", "door"]


def test_background_may_be_left_out(store: Store, home: Path) -> None:
    two_annotators(store)

    snapshot = made(store, home, labels=("hood",), background=False)

    assert filenames(snapshot) == ["2.jpg"]
    assert snapshot.document.left_out["images left out by --no-background"] == 3


def test_small_regions_are_left_out_and_counted(store: Store, home: Path) -> None:
    two_annotators(store)

    snapshot = made(store, home, min_area_px=10)

    assert label_names(snapshot) == ["door"]
    assert snapshot.document.left_out == {"regions left out by --min-area": 2}


def test_background_alone_makes_a_dataset_without_labels(store: Store, home: Path) -> None:
    put_file(store, "a.json", [stored_image(f"{i}") for i in range(10)])

    snapshot = made(store, home, shares="80/20")

    assert snapshot.labels == ()
    assert [len(snapshot.images(split)) for split in snapshot.splits] == [8, 2]
    assert not snapshot.has_masks


def test_labels_are_renamed_and_merged(store: Store, home: Path) -> None:
    two_annotators(store)

    snapshot = made(store, home, rename={"hood": "part", "door": "part"}, where="label=part")

    assert label_names(snapshot) == ["part"]
    assert snapshot.document.regions == 3


def test_annotators_are_chosen(store: Store, home: Path) -> None:
    two_annotators(store)

    assert filenames(made(store, home, annotators=("AT2",))) == ["3.jpg", "4.jpg"]
    assert filenames(made(store, home, where="annotator!=AT2")) == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("where", "images", "regions"),
    [
        ("file=b.json", 2, 1),
        ("filename=1.*|2.*", 2, 2),
        ("label=door", 4, 2),
        ("shape=rect", 4, 3),
        ("batch=unknown and label!=hood", 4, 2),
    ],
)
def test_conditions_choose(store: Store, home: Path, where: str, images: int, regions: int) -> None:
    two_annotators(store)

    document = made(store, home, where=where).document

    assert (document.images, document.regions) == (images, regions)


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"labels": ("dor",)}, "no label 'dor'; did you mean 'door'"),
        ({"rename": {"hod": "x"}}, "no label to rename 'hod'; did you mean 'hood'"),
        ({"annotators": ("AT9",)}, "no annotator 'AT9'; .*known: AT1, AT2"),
    ],
)
def test_names_that_are_not_there_are_refused(store: Store, home: Path, conditions: dict[str, Any], says: str) -> None:
    two_annotators(store)

    with pytest.raises(UnknownName, match=says):
        made(store, home, **conditions)


def test_nothing_left_is_refused_with_what_was_left_out(store: Store, home: Path) -> None:
    two_annotators(store)

    with pytest.raises(BadInput, match=r"no image of problem 'ods' is left: 2 annotation file.*--where \(4\)"):
        made(store, home, where="annotator=nobody")


def test_a_dataset_of_nothing_but_what_the_conditions_emptied_is_refused(store: Store, home: Path) -> None:
    two_annotators(store)

    with pytest.raises(
        BadInput, match=r"no region of problem 'ods' is left: .*--where \(\d\); the labels there: door, h"
    ):
        made(store, home, where="label=dor")


def test_an_empty_database_is_refused(store: Store, home: Path) -> None:
    with pytest.raises(BadInput, match="put some there with: teppr annotations ingest FILE --problem ods"):
        made(store, home)


def test_an_unknown_problem_is_refused(store: Store, home: Path) -> None:
    with pytest.raises(UnknownName, match="no problem 'odds'; did you mean 'ods'"):
        create(store, home, "set", "odds")


def test_the_same_image_of_several_files_is_one_image_with_all_regions_once(store: Store, home: Path) -> None:
    ring = ((0, 0), (9, 0), (9, 9))
    put_file(store, "a.json", [stored_image("1", ("door", LARGE), ("door", Polygon((ring,))))], annotator="AT1")
    closed = Polygon((ring,), closed_in_file=True)
    put_file(store, "b.json", [stored_image("1#copy", ("door", closed), ("hood", LARGE))], annotator="AT2")

    snapshot = made(store, home)

    (image,) = snapshot.images("train")
    assert sorted(
        (label_names(snapshot)[label], shape.kind) for label, shape in zip(image.label_ids, image.shapes, strict=True)
    ) == [
        ("door", "polygon"),
        ("door", "rect"),
        ("hood", "rect"),
    ]
    assert snapshot.images_table["annotators"].to_pylist() == [["AT1", "AT2"]]
    assert snapshot.document.left_out == {
        "entries united with another of the same image": 1,
        "regions that another entry of the same image has": 1,
    }


def test_an_object_that_two_annotators_drew_is_one_object_as_the_newest_file_has_it(store: Store, home: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", Rect(10, 10, 30, 30)))], released=date(2026, 1, 20))
    drawn_again = [stored_image("1", ("door", Rect(12, 11, 30, 30)), ("hood", Rect(10, 10, 30, 30)))]
    put_file(store, "b.json", drawn_again, released=date(2026, 2, 20))

    (image,) = made(store, home).images("train")

    assert image.boxes_xywh_px.tolist() == [[12, 11, 30, 30], [10, 10, 30, 30]]


def test_neighbours_in_one_file_stay_two_however_much_they_overlap(store: Store, home: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", Rect(10, 10, 30, 30)), ("door", Rect(12, 11, 30, 30)))])

    assert len(made(store, home).images("train")[0].label_ids) == 2


def test_an_image_whose_regions_were_all_rejected_is_no_background(store: Store, home: Path) -> None:
    rejected = replace(stored_image("2"), regions_rejected=1)
    put_file(store, "a.json", [stored_image("1", ("door", LARGE)), rejected, stored_image("3")])

    snapshot = made(store, home)

    assert snapshot.document.images == 2
    assert snapshot.document.left_out == {"entries whose regions were all rejected": 1}


def test_the_order_of_ingest_does_not_matter(tmp_path: Path) -> None:
    versions = set()
    files = [("a.json", "AT1"), ("b.json", "AT2"), ("c.json", "AT1")]
    for order in (files, files[::-1]):
        home = tmp_path / order[0][0]
        home.mkdir()
        with open_store(f"sqlite:///{home / 'store.db'}") as store:
            for name, annotator in order:
                images = [stored_image("same", ("door", SMALL)), stored_image(name, ("door", LARGE))]
                put_file(store, name, images, annotator=annotator)
            versions.add(made(store, home).version)

    assert len(versions) == 1


def test_two_deliveries_of_the_same_images_are_united(data: Path, store: Store, home: Path) -> None:
    ods = PROBLEMS.load("ods")
    names = ("train_multiclass.json", "car-damage-train.json")
    ingest([data / "via_car_damage" / "train" / name for name in names], store, ods)

    # Both annotate the same 62 images, of which two are the same: united, and each in one split.
    snapshot = made(store, home, shares="80/20")

    assert snapshot.document.images == 61
    assert len(snapshot.document.parents) == 2


def test_boxes_and_areas_follow_the_file_where_it_states_them(store: Store, home: Path) -> None:
    image = stored_image("1", ("door", Circle(50, 50, 10)), ("door", LARGE))
    stated = replace(image.regions[1], box_xywh_px=(9, 9, 31, 31), area_px=5.0)
    put_file(store, "a.json", [replace(image, regions=(image.regions[0], stated))])

    (got,) = made(store, home).images("train")

    assert got.boxes_xywh_px.tolist() == [[40, 40, 20, 20], [9, 9, 31, 31]]
    assert got.areas_px.tolist() == pytest.approx([314.159, 5.0], abs=1e-3)


def test_crowds_and_attributes_are_kept(store: Store, home: Path) -> None:
    region = Region(shape=LARGE, label="door", index=0, where="", is_crowd=True, attributes={"dent": "yes"})
    put_file(store, "a.json", [replace(stored_image("1"), regions=(region,))])

    snapshot = made(store, home)

    assert snapshot.images("train")[0].is_crowd.tolist() == [True]
    assert snapshot.annotations_table["attributes"].to_pylist() == ['{"dent":"yes"}']


def test_images_that_were_never_opened_are_refused(store: Store, home: Path) -> None:
    put_file(store, "a.json", [replace(stored_image("1", ("door", SMALL)), sha256="")])

    with pytest.raises(BadInput, match=r"needs images that were opened: '1\.jpg' of /annotations/a\.json"):
        made(store, home)


def put_batches(store: Store) -> None:
    for batch in ("b0", "b1", "b2", "b3"):
        images = [stored_image(f"{batch}-{i}", ("door", SMALL), folder=batch) for i in range(3)]
        put_file(store, f"{batch}.json", images, batch=batch)


@pytest.mark.parametrize("by", ["batch", "folder"])
def test_a_batch_goes_to_one_split_whole(store: Store, home: Path, by: str) -> None:
    put_batches(store)

    snapshot = create(store, home, "set", "ods", CreateOptions(shares=HALVES, by=by))

    batches = [{image.path.parent.name for image in snapshot.images(split)} for split in ("train", "val")]
    assert [len(found) for found in batches] == [2, 2]
    assert not batches[0] & batches[1]


@pytest.mark.parametrize("seed", range(4))
def test_batches_that_share_an_image_stay_together(store: Store, home: Path, seed: int) -> None:
    put_batches(store)
    put_file(
        store, "b4.json", [stored_image(f"{batch}-1#again", ("door", SMALL)) for batch in ("b0", "b2")], batch="b4"
    )

    snapshot = create(store, home, "set", "ods", CreateOptions(shares=HALVES, by="batch", seed=seed))

    split_of = {image.filename[:2]: split for split in ("train", "val") for image in snapshot.images(split)}
    assert split_of["b0"] == split_of["b2"]


def test_an_impossible_split_is_refused_and_nothing_written(store: Store, home: Path) -> None:
    put_file(
        store,
        "a.json",
        [stored_image("1", ("rare", SMALL)), *(stored_image(f"{i}", ("door", SMALL)) for i in range(2, 9))],
    )

    with pytest.raises(SplitRefused) as caught:
        made(store, home, shares="70/20/10")

    assert [row["label"] for row in caught.value.conflicts] == ["rare"]
    assert not (home / "datasets").exists()
    allowed = CreateOptions(allow_missing=("rare",))
    assert create(store, home, "set", "ods", allowed).document.split.allow_missing == ["rare"]


def test_a_label_to_be_missing_must_be_there(store: Store, home: Path) -> None:
    two_annotators(store)

    with pytest.raises(UnknownName, match="no label 'dor'"):
        create(store, home, "set", "ods", CreateOptions(allow_missing=("dor",)))


def assigned(store: Store, home: Path, **files: tuple[str, ...]) -> Snapshot:
    return create(store, home, "set", "ods", CreateOptions(assign=files))


def test_files_say_the_split(store: Store, home: Path) -> None:
    for name in ("train_1.json", "train_2.json", "val.json"):
        put_file(store, name, [stored_image(name, ("door", SMALL))])

    snapshot = assigned(store, home, train=("train_*.json",), val=("/annotations/val.json",))

    assert filenames(snapshot) == ["train_1.json.jpg", "train_2.json.jpg"]
    assert filenames(snapshot, "val") == ["val.json.jpg"]
    assert snapshot.document.split.files == {"train": ["train_*.json"], "val": ["/annotations/val.json"]}


def test_a_file_in_no_split_or_in_two_is_refused(store: Store, home: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", SMALL))])
    put_file(store, "b.json", [stored_image("2", ("door", SMALL))])

    with pytest.raises(BadInput, match=r"/annotations/b\.json would go to none"):
        assigned(store, home, train=("a.json",))
    with pytest.raises(BadInput, match=r"b\.json would go to train and val"):
        assigned(store, home, train=("*",), val=("b.json",))
    with pytest.raises(UnknownName, match=r"no annotation file for split val 'c\.json'"):
        assigned(store, home, train=("*",), val=("c.json",))


def test_an_image_of_two_splits_is_refused(store: Store, home: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", SMALL))])
    put_file(store, "b.json", [stored_image("1", ("door", LARGE))])

    with pytest.raises(Refused, match=r"'1\.jpg' would be in train and val: it is in .*a\.json and .*b\.json"):
        assigned(store, home, train=("a.json",), val=("b.json",))


def test_a_label_that_a_given_split_lacks_is_refused(store: Store, home: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", SMALL)), stored_image("2", ("hood", SMALL))])
    put_file(store, "b.json", [stored_image("3", ("door", SMALL))])

    with pytest.raises(SplitRefused, match="hood is not in val") as caught:
        assigned(store, home, train=("a.json",), val=("b.json",))
    (row,) = caught.value.conflicts
    assert (row["label"], row["groups"], row["splits"]) == ("hood", 1, 2)

    options = CreateOptions(assign={"train": ("a.json",), "val": ("b.json",)}, allow_missing=("hood",))
    assert create(store, home, "set", "ods", options).document.splits["val"].per_label["hood"].images == 0


def listed(folder: Path, **names: str) -> dict[str, tuple[str, ...]]:
    """Lists of images by split, and the option that names them."""
    for split, text in names.items():
        (folder / f"{split}.txt").write_text(text)
    return {split: (str(folder / f"{split}.txt"),) for split in names}


def test_lists_of_images_say_the_split(store: Store, home: Path, tmp_path: Path) -> None:
    put_file(store, "a.json", [stored_image(name, ("door", SMALL)) for name in ("1", "2", "b/3", "4", "5")])

    # As VOC, as YOLO with another folder before the name, and with what was never annotated.
    files = listed(tmp_path, train="1\n2\n\nnever\n", val="./images/b/3.jpg\nimages/4.png\n")
    snapshot = assigned(store, home, **files)

    assert filenames(snapshot) == ["1.jpg", "2.jpg"]
    assert filenames(snapshot, "val") == ["4.jpg", "b/3.jpg"]
    assert snapshot.document.left_out == {"images that no list of --assign names": 1}
    assert snapshot.document.split.files == {split: [*paths] for split, paths in files.items()}


def test_files_and_lists_say_the_split_together(store: Store, home: Path, tmp_path: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", SMALL))])
    put_file(store, "b.json", [stored_image("2", ("door", SMALL)), stored_image("3", ("door", SMALL))])

    snapshot = assigned(store, home, train=("a.json",), **listed(tmp_path, val="3"))

    assert (filenames(snapshot), filenames(snapshot, "val")) == (["1.jpg"], ["3.jpg"])


def test_lists_that_contradict_each_other_or_name_nothing_are_refused(store: Store, home: Path, tmp_path: Path) -> None:
    put_file(store, "a.json", [stored_image("1", ("door", SMALL)), stored_image("2", ("hood", SMALL))])

    with pytest.raises(Refused, match=r"'1\.jpg' would be in train and val: .*train\.txt and .*take it out of one"):
        assigned(store, home, **listed(tmp_path, train="1", val="1\n2"))
    with pytest.raises(BadInput, match=r"images of split val must be on record, and none is that .*val\.txt names"):
        assigned(store, home, **listed(tmp_path, train="1", val="7"))
    with pytest.raises(SplitRefused, match="hood is not in train"):
        assigned(store, home, **listed(tmp_path, train="1", val="2"))


def test_lists_of_a_real_set_are_kept_to(data: Path, store: Store, home: Path) -> None:
    ingest([data / "voc_bccd" / "BCCD"], store, PROBLEMS.load("ods"))
    lists = data / "voc_bccd" / "BCCD" / "ImageSets" / "Main"

    splits = ("train", "val", "test")
    snapshot = assigned(store, home, **{split: (str(lists / f"{split}.txt"),) for split in splits})

    for split in splits:
        names = (lists / f"{split}.txt").read_text().split()
        assert [name.removesuffix(".jpg") for name in filenames(snapshot, split)] == sorted(names)
    assert snapshot.document.left_out == {}


@pytest.mark.parametrize("shares", ["80/10/10", "70/20/10", "80/20"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_no_label_of_real_deliveries_is_missing_in_any_split(
    data: Path, store: Store, home: Path, shares: str, seed: int
) -> None:
    folder = data / "via_car_damage"
    files = [folder / "train" / "train_multiclass.json", folder / "val" / "val_multiclass.json"]
    ingest(files, store, PROBLEMS.load("ods"))

    snapshot = create(store, home, "cars", "ods", CreateOptions(shares=shares_of(shares), seed=seed))

    # 70 entries, of which two have the same bytes; in them 4 objects were drawn twice.
    assert (snapshot.document.images, snapshot.document.regions) == (69, 211)
    wanted = [int(part) / 100 for part in shares.split("/")]
    for label in snapshot.labels:
        counts = [snapshot.document.splits[split].per_label[label.name].images for split in snapshot.splits]
        assert min(counts) >= 1
        assert all(abs(n - sum(counts) * share) <= 1.5 for n, share in zip(counts, wanted, strict=True))
    images = [snapshot.document.splits[split].images for split in snapshot.splits]
    assert all(abs(n - 69 * share) < 1 for n, share in zip(images, wanted, strict=True))
    assert snapshot.verify() == []
    hashes = [image.sha256 for split in snapshot.splits for image in snapshot.images(split)]
    assert len(hashes) == len(set(hashes))


def test_real_deliveries_keep_their_places(data: Path, store: Store, home: Path) -> None:
    folder = data / "via_car_damage"
    files = [folder / "train" / "train_multiclass.json", folder / "val" / "val_multiclass.json"]
    ingest(files, store, PROBLEMS.load("ods"))

    snapshot = assigned(store, home, train=("train_multiclass.json",), val=("val_*.json",))

    assert [snapshot.document.splits[split].images for split in snapshot.splits] == [61, 8]
    assert [snapshot.document.splits[split].regions for split in snapshot.splits] == [187, 24]  # 191 less 4 drawn twice


def looking_alike(store: Store) -> None:
    """Four images, of which the second and the third differ in three bits."""
    hashes = ["0" * 16, "ffffffff00000000", "ffffffff00000007", "00000000ffffffff"]
    images = [replace(stored_image(f"{i}", ("door", LARGE)), perceptual_hash=text) for i, text in enumerate(hashes)]
    put_file(store, "a.json", images)


@pytest.mark.parametrize("seed", range(6))
def test_images_that_look_alike_go_to_one_split(store: Store, home: Path, seed: int) -> None:
    looking_alike(store)

    options = CreateOptions(shares=HALVES, near_duplicates=6, seed=seed)
    snapshot = create(store, home, "set", "ods", options)

    assert any({"1.jpg", "2.jpg"} <= set(filenames(snapshot, split)) for split in HALVES)
    assert snapshot.document.split.group_by == "image and near-duplicates within 6 bits"


def test_near_duplicates_join_whole_batches(store: Store, home: Path) -> None:
    alike = [replace(stored_image(name, ("door", LARGE)), perceptual_hash="f0" * 8) for name in ("1", "2")]
    others = [
        replace(stored_image(name, ("door", LARGE)), perceptual_hash=f"{int(name):x}" * 16) for name in ("3", "4", "5")
    ]
    put_file(store, "a.json", [alike[0], others[0]], batch="A")
    put_file(store, "b.json", [alike[1], others[1]], batch="B")
    put_file(store, "c.json", [others[2]], batch="C")

    snapshot = create(store, home, "set", "ods", CreateOptions(shares=HALVES, by="batch", near_duplicates=6))

    assert sorted(map(len, (filenames(snapshot, split) for split in HALVES))) == [1, 4]


def test_what_cannot_be_compared_is_refused_as_near_duplicates(store: Store, home: Path) -> None:
    looking_alike(store)
    put_file(store, "b.json", [stored_image("9", ("door", LARGE))])

    with pytest.raises(BadInput, match="which 1 of 5 images lack; ingest"):
        create(store, home, "set", "ods", CreateOptions(shares=HALVES, near_duplicates=6))
    with pytest.raises(BadInput, match="annotation files say the split"):
        create(store, home, "set", "ods", CreateOptions(assign={"train": ("a.json",)}, near_duplicates=6))


def test_the_record_speaks_of_near_duplicates_only_where_they_were_kept_together(store: Store, home: Path) -> None:
    looking_alike(store)

    first = create(store, home, "set", "ods", CreateOptions(shares=HALVES))

    assert first.document.split.group_by == "image"
