"""Networks that were made elsewhere: read, tried, and used like any other; or refused with what does not fit."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from teppr.cli.main import run
from teppr.errors import AlreadyThere, BadFile, BadInput
from teppr.geometry import area, box_xywh
from teppr.images import encode_png
from teppr.registry.bundle import Bundle
from teppr.registry.releases import Registry
from teppr.registry.runtime import Runtime
from teppr.testing.bundles import COLORS, IR_VERSION, OPSET, classifier_bundle, colored_picture, small_bundle
from teppr.testing.commands import Cli
from teppr.workflow.onnx_feed import Feed
from teppr.workflow.onnx_import import Imported, ImportRequest, import_onnx
from teppr.workflow.onnx_outputs import Asked, Kind


@pytest.fixture
def teppr(home: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(run, home, capsys)


PICTURE = colored_picture({"stop": (20, 30, 50, 60)}, (128, 96))
LABELS = ("car", "sign", "cone")


Table: TypeAlias = npt.ArrayLike


def network(
    path: Path, outputs: Mapping[str, Table], *, image: Sequence[int | str] = (1, 3, 64, 64), kind: int = 1
) -> Path:
    """A graph that gives these tables whatever it is fed, as it must look at it to run."""
    nodes, constants, given = [], [numpy_helper.from_array(np.zeros((), np.float32), "zero")], []
    nodes.append(helper.make_node("Cast", ["image"], ["as_float"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceMean", ["as_float"], ["mean"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    for name, table in outputs.items():
        values = np.asarray(table)
        values = values.astype(np.float32) if values.dtype == np.float64 else values
        constants.append(numpy_helper.from_array(values, f"{name}_table"))
        into = helper.np_dtype_to_tensor_dtype(values.dtype)
        nodes.append(helper.make_node("Cast", ["nothing"], [f"{name}_nothing"], to=into))
        nodes.append(helper.make_node("Add", [f"{name}_table", f"{name}_nothing"], [name]))
        given.append(helper.make_tensor_value_info(name, into, list(values.shape)))
    taken = helper.make_tensor_value_info("image", kind, list(image))
    graph = helper.make_graph(nodes, "table", [taken], given, constants)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION), str(path)
    )
    return path


def yolo_v8(boxes_cxcywh: Sequence[Sequence[float]], scores: Sequence[Sequence[float]]) -> np.ndarray:
    return np.concatenate([np.array(boxes_cxcywh), np.array(scores)], axis=1).T[None]


TWO_SIGNS = yolo_v8(
    # The second repeats the first, the third is of another label, the fourth is faint.
    [[32, 32, 16, 8], [33, 32, 16, 8], [32, 32, 16, 8], [10, 30, 4, 4]],
    [[0, 0.9, 0], [0, 0.8, 0], [0, 0, 0.7], [0.01, 0, 0]],
)
OBJECTS: Mapping[str, Table] = {
    "boxes": np.array([[8.0, 8, 24, 16], [0, 0, 64, 48]]),
    "labels": np.array([0, 2]),
    "scores": [0.6, 0.9],
}


def imported(file: Path, kind: Kind, *, feed: Feed | None = None, **said: Any) -> Imported:  # noqa: ANN401 - of `Asked`
    asked = Asked(**{"kind": kind, "labels": LABELS, **said})
    request = ImportRequest(file=file, key="acme-ods-9", asked=asked, feed=feed or Feed())
    return import_onnx(request, file.parent / "home", PICTURE, file.parent / "trial.jpg", None)


def test_a_yolo_of_known_answers_is_read_without_repetitions(tmp_path: Path) -> None:
    done = imported(network(tmp_path / "yolo.onnx", {"output0": TWO_SIGNS}), "yolo")
    assert (done.card.decode, done.card.decode_options["style"]) == ("yolo", "v8")
    # 128 x 96 in a box of 64 x 64: half as large, with 8 grey rows above and below.
    assert done.found.boxes_xyxy_px.tolist() == [[48, 40, 80, 56]] * 2
    assert [done.card.labels[i].name for i in done.found.label_ids] == ["sign", "cone"]
    assert done.found.scores_0_1.tolist() == pytest.approx([0.9, 0.7])
    assert done.picture.stat().st_size > 0


def test_a_stretched_yolo_has_its_boxes_where_the_stretched_image_has_them(tmp_path: Path) -> None:
    done = imported(network(tmp_path / "yolo.onnx", {"output0": TWO_SIGNS}), "yolo", feed=Feed(letterbox=False))
    assert done.found.boxes_xyxy_px[0].tolist() == [48, 42, 80, 54]


@pytest.mark.parametrize(
    ("table", "style"),
    [
        pytest.param([[[32, 32, 16, 8, 0.9, 0.1, 1, 0.2], [9, 9, 4, 4, 0.1, 1, 0, 0]]], "v5", id="v5"),
        pytest.param([[[24, 28, 40, 36, 0.9, 1], [0, 0, 0, 0, 0, 0]]], "end2end", id="end to end"),
    ],
)
def test_other_layouts_of_yolo_are_told_by_their_shape(tmp_path: Path, table: Table, style: str) -> None:
    done = imported(network(tmp_path / "yolo.onnx", {"output0": table}), "yolo")
    assert done.card.decode_options["style"] == style
    assert done.found.boxes_xyxy_px.tolist() == [[48, 40, 80, 56]]
    assert done.found.label_ids.tolist() == [1]
    assert done.found.scores_0_1.tolist() == pytest.approx([0.9])


def test_a_layout_that_fits_two_ways_is_asked_for(tmp_path: Path) -> None:
    file = network(tmp_path / "yolo.onnx", {"output0": [[[32, 32, 16, 8, 0.9, 1]]]})
    with pytest.raises(BadInput, match=r"which may be v5 or end2end: say which by --style"):
        imported(file, "yolo", labels=["car"])
    assert imported(file, "yolo", labels=["car"], style="v5").found.boxes_xyxy_px.tolist() == [[48, 40, 80, 56]]


def test_labels_that_ultralytics_writes_into_the_file_are_taken(tmp_path: Path) -> None:
    file = network(tmp_path / "yolo.onnx", {"output0": TWO_SIGNS})
    model = onnx.load(str(file))
    helper.set_model_props(model, {"names": "{0: 'car', 1: 'stop sign', 2: 'cone'}"})
    onnx.save(model, str(file))
    assert [label.name for label in imported(file, "yolo", labels=()).card.labels] == ["car", "stop sign", "cone"]


@pytest.mark.parametrize(
    ("boxes", "options"),
    [
        pytest.param([[8, 8, 24, 16], [0, 0, 64, 48]], {}, id="corners"),
        pytest.param([[16, 12, 16, 8], [32, 24, 64, 48]], {"box_order": "cxcywh"}, id="centre and size"),
        pytest.param([[8, 8, 16, 8], [0, 0, 64, 48]], {"box_order": "xywh"}, id="corner and size"),
        pytest.param([[8, 8, 16, 24], [0, 0, 48, 64]], {"box_order": "yxyx"}, id="y first"),
        pytest.param([[0.125, 0.125, 0.375, 0.25], [0, 0, 1, 0.75]], {"box_unit": "share"}, id="shares"),
    ],
)
def test_boxes_are_read_in_every_order_and_unit(tmp_path: Path, boxes: Table, options: dict[str, Any]) -> None:
    done = imported(network(tmp_path / "net.onnx", {**OBJECTS, "boxes": np.array(boxes, float)}), "boxes", **options)
    np.testing.assert_allclose(done.found.boxes_xyxy_px, [[0, 0, 128, 72], [16, 12, 48, 24]], atol=1e-4)
    assert done.found.label_ids.tolist() == [2, 0]
    assert (done.card.task, done.card.decode_options["label_offset"]) == ("detect", 0)


def test_labels_that_begin_at_one_are_noticed(tmp_path: Path) -> None:
    done = imported(network(tmp_path / "net.onnx", {**OBJECTS, "labels": np.array([1, 3])}), "boxes")
    assert done.found.label_ids.tolist() == [2, 0]
    assert done.card.decode_options["label_offset"] == 1


def test_outputs_of_other_orders_and_names_are_told_by_kind(tmp_path: Path) -> None:
    # detectron2's traced exports: numbered names, fields in the order of the alphabet, an image size at the end.
    outputs = {
        "941": OBJECTS["boxes"], "947": OBJECTS["labels"], "952": np.ones((2, 1, 28, 28)), "958": OBJECTS["scores"],
        "970": np.array([48, 64, 3]),
    }  # fmt: skip
    file = network(tmp_path / "net.onnx", outputs, image=("c", "h", "w"))
    done = imported(file, "mask", feed=Feed(size_px=(64,), layout="CHW", scale=1.0, color_order="BGR"))
    assert done.card.outputs == ("941", "947", "958", "952")
    assert done.card.decode_options["masks_over"] == "box"
    assert done.found.boxes_xyxy_px.tolist() == [[0, 0, 128, 96], [16, 16, 48, 32]]
    assert done.found.masks is not None


def test_masks_of_the_whole_image_are_cut_to_their_boxes(tmp_path: Path) -> None:
    masks = np.zeros((2, 1, 48, 64))
    masks[0, 0, 8:16, 8:20] = 0.9
    masks[1, 0, 30:48, 40:64] = 0.9
    file = network(tmp_path / "net.onnx", {**OBJECTS, "masks": masks}, image=(3, "h", "w"))
    done = imported(file, "mask", feed=Feed(size_px=(64,)))
    assert done.card.decode_options["masks_over"] == "image"
    assert done.found.masks is not None
    assert [box_xywh(mask) for mask in done.found.masks] == [(80, 60, 48, 36), (16, 16, 24, 16)]
    assert area(done.found.masks[0]) == 48 * 36


def test_a_network_of_bytes_with_channels_last_is_fed_so(tmp_path: Path) -> None:
    file = network(tmp_path / "net.onnx", OBJECTS, image=(1, 64, 64, 3), kind=TensorProto.UINT8)
    done = imported(file, "boxes")
    assert (done.card.layout, done.card.scale) == ("HWC", 1.0)
    assert len(done.found) == 2


def test_what_takes_several_images_is_given_several(tmp_path: Path) -> None:
    made = classifier_bundle(tmp_path / "made")
    done = imported(made.network, "classes", labels=tuple(COLORS), feed=Feed(size_px=(32,)))
    assert (done.card.batch, done.card.square, done.card.task) == (True, True, "classify")
    fixed = imported_elsewhere(network(tmp_path / "fixed.onnx", {"logits": [[0.1, 0.9, 0.0]]}, image=("n", 3, 9, 9)))
    assert not fixed.card.batch  # it answers one image, however many it is given


def imported_elsewhere(file: Path) -> Imported:
    request = ImportRequest(file=file, key="acme-cls-2", asked=Asked(kind="classes", labels=LABELS))
    return import_onnx(request, file.parent / "home", PICTURE, file.parent / "trial.jpg", None)


def test_an_imported_network_finds_what_it_found_before(tmp_path: Path) -> None:
    """The small model of the tests, taken for one that was made elsewhere."""
    made = small_bundle(tmp_path / "made")
    done = imported(
        made.network, "mask", labels=tuple(COLORS), feed=Feed(size_px=(made.card.image_size_px,)), label_offset=0
    )
    pixels = colored_picture({"stop": (20, 30, 50, 60), "wait": (200, 100, 40, 30)})
    before, now = (Runtime(bundle).predict(pixels) for bundle in (made, Bundle.open(done.bundle)))
    np.testing.assert_array_equal(now.boxes_xyxy_px, before.boxes_xyxy_px)
    assert now.masks == before.masks
    assert now.label_ids.tolist() == before.label_ids.tolist()


def test_an_import_is_a_release_like_others(tmp_path: Path) -> None:
    file = network(tmp_path / "net.onnx", OBJECTS)
    done = imported(file, "boxes")
    registry = Registry(tmp_path / "home")
    assert [info.as_dict()["architecture"] for info in registry.list()] == ["onnx"]
    assert registry.verify("acme-ods-9") == []
    assert registry.find("acme-ods-9").card == done.card
    with pytest.raises(AlreadyThere, match="acme-ods-9 is published already"):
        imported(file, "boxes")


def test_what_was_made_elsewhere_is_told_as_such(tmp_path: Path, teppr: Cli) -> None:
    network_file = classifier_bundle(tmp_path / "made").network
    words = ["--decode", "classes", "--labels", ",".join(COLORS), "--key", "acme-cls-2", "--size", "64"]
    assert teppr("model", "import", network_file, *words, "--picture", tmp_path / "trial.jpg") == 0
    assert teppr("model", "list") == 0
    assert "not judged" in teppr.out.replace("\n", " ")
    assert teppr("model", "show", "acme-cls-2") == 0
    assert "macro_f1" in teppr.out
    assert teppr("report", "acme-cls-2", "--out", tmp_path / "report.html") == 0
    assert "acme-cls-2" in (tmp_path / "report.html").read_text()
    assert teppr("compare", "acme-cls-2") == 2
    assert "release acme-cls-2 was made elsewhere" in teppr.err


def test_weights_in_a_file_beside_the_network_are_carried_along(tmp_path: Path) -> None:
    file = network(tmp_path / "net.onnx", {"logits": np.tile([0.0, 9.0], 600)[None]})
    onnx.save(onnx.load(str(file)), str(file), save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    done = imported(file, "classes", labels=[f"l{i}" for i in range(1200)])
    assert (done.bundle / "net.onnx.data").is_file()
    assert Bundle.open(done.bundle).card.task == "classify"


REFUSED: Sequence[tuple[str, Mapping[str, Table], Kind, Mapping[str, Any], str]] = (
    ("labels of a yolo", {"o": TWO_SIGNS}, "yolo", {"labels": ("car", "sign")},
     r"is \[7, 4\] for an image; with 2 labels .* would fit 3 labels \(v8\): mend --labels"),
    ("labels of classes", {"o": [[0.1, 0.9]]}, "classes", {}, "has 2 numbers an image, --labels 3"),
    ("labels of boxes", {**OBJECTS, "labels": np.array([0, 7])}, "boxes", {},
     r"have the numbers 0 to 2, output labels has \[7\] too: mend --labels, or --label-offset"),
    ("labels twice", OBJECTS, "boxes", {"labels": ("car", "car")}, "every label is given once, got car"),
    ("no labels", OBJECTS, "boxes", {"labels": ()}, "carries no labels: give them in the network's order"),
    ("first label", {**OBJECTS, "labels": np.array([1, 2])}, "boxes", {}, r"give --label-offset 0 .* has \[1, 2\]"),
    ("shape of a yolo", {"o": np.zeros((1, 3, 8, 8))}, "yolo", {}, r"one output that is a table .* none is"),
    ("two tables", {"a": TWO_SIGNS, "b": TWO_SIGNS}, "yolo", {}, "a and b are: choose one by --outputs"),
    ("logits", {"o": TWO_SIGNS * 9 - 4}, "yolo", {}, "scores lie within 0..1, output o has .*: export"),
    ("no numbers", {"o": TWO_SIGNS * np.nan}, "yolo", {}, "values that are no numbers in o"),
    ("no boxes", {"scores": [0.5]}, "boxes", {}, "cannot tell which output holds the boxes: none fits"),
    ("two scores", {**OBJECTS, "x": [0.1, 0.2], "scores": [0.1, 0.2], "score2": [0.1, 0.2]}, "boxes", {},
     "holds the scores: scores or score2; name them, in this order, by --outputs boxes,labels,scores"),
    ("no masks", OBJECTS, "mask", {}, "cannot tell which output holds the masks: none fits"),
    ("shares", {**OBJECTS, "boxes": [[0.1, 0.1, 0.4, 0.4]] * 2}, "boxes", {}, "give --box-unit share"),
    ("pixels", OBJECTS, "boxes", {"box_unit": "share"}, "the largest number is 64: give --box-unit px"),
    ("order", {**OBJECTS, "boxes": [[30.0, 30, 4, 4]] * 2}, "boxes", {}, "give --box-order cxcywh"),
    ("unknown output", OBJECTS, "boxes", {"outputs": ("boxes", "label", "scores")}, "did you mean 'labels'"),
    ("too few outputs", OBJECTS, "boxes", {"outputs": ("boxes",)}, "reads 3 outputs .*, --outputs has 1"),
    ("size", OBJECTS, "boxes", {"feed": Feed(size_px=(32,))}, "of one size, .*; --size says 32 x 32: leave it out"),
    ("mean", OBJECTS, "boxes", {"feed": Feed(mean=(123.0, 116.0, 103.0))}, "0 to 1, got .* want --scale 1"),
    ("scale", OBJECTS, "boxes", {"feed": Feed(scale=-1.0)}, "a scale is above 0, got -1"),
    ("layout", OBJECTS, "boxes", {"feed": Feed(layout="HWC")}, "takes 64 in HWC order: .*; give another --layout"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("outputs", "kind", "options", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_does_not_fit_is_refused_and_nothing_is_made(
    tmp_path: Path, outputs: Mapping[str, Table], kind: Kind, options: Mapping[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        imported(network(tmp_path / "net.onnx", outputs), kind, **options)
    assert Registry(tmp_path / "home").list() == []
    assert not (tmp_path / "trial.jpg").exists()


@pytest.mark.parametrize(
    ("image", "says"),
    [
        pytest.param((1, 784), r"must take an image, .*, it takes image tensor\(float\) \[1, 784\]", id="axes"),
        pytest.param((1, 1, 28, 28), "must take 3 channels, .* greys", id="grey"),
        pytest.param((4, 3, 64, 64), "takes 4 images at a time and no other number", id="four"),
        pytest.param((1, 3, "h", "w"), "images of any size, .*: give the one that .* --size", id="size"),
        pytest.param((1, "a", "b", "c"), "does not say which axis the channels are: .*--layout CHW", id="layout"),
    ],
)
def test_what_takes_no_photographs_is_refused(tmp_path: Path, image: Sequence[int | str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        imported(network(tmp_path / "net.onnx", OBJECTS, image=image), "boxes")


def test_a_network_with_a_second_input_is_refused(tmp_path: Path) -> None:
    file = network(tmp_path / "net.onnx", OBJECTS)
    model = onnx.load(str(file))
    model.graph.input.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [2]))
    onnx.save(model, str(file))
    with pytest.raises(BadInput, match=r"an image and nothing else, it takes image .*, sizes tensor\(int64\) \[2\]"):
        imported(file, "boxes")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "is not an ONNX file|does not load", id="empty"),
        pytest.param(b"not a network", "is not an ONNX file", id="text"),
        pytest.param(b"PK\x03\x04 and so on", "it is a PyTorch file .*torch.onnx.export, yolo export", id="pytorch"),
        pytest.param(b"\x10\x00\x00\x00TFL3", "it is a TensorFlow Lite file", id="tflite"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1", "a Git-LFS pointer.*git lfs pull", id="lfs"),
    ],
)
def test_what_is_no_onnx_file_is_refused_by_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    with pytest.raises(BadFile, match=says):
        imported(file, "boxes")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"cannot read .*none\.onnx: No such file"):
        imported(tmp_path / "none.onnx", "boxes")


def test_the_command_makes_a_bundle_that_predicts(tmp_path: Path, teppr: Cli) -> None:
    made = small_bundle(tmp_path / "made")
    (tmp_path / "labels.txt").write_text("\n".join(COLORS))
    said = ["--labels", tmp_path / "labels.txt", "--size", "320", "--label-offset", "0"]
    places = ["--out", tmp_path / "mine", "--picture", tmp_path / "trial.jpg"]
    assert teppr("model", "import", made.network, "--decode", "mask", *said, *places, "--json") == 0
    told = teppr.json
    assert (told["key"], told["path"]) == ("imported-model-1", str(tmp_path / "mine"))
    assert told["trial"]["picture"] == str(tmp_path / "trial.jpg")
    assert (tmp_path / "trial.jpg").is_file()
    (tmp_path / "photo.png").write_bytes(encode_png(colored_picture({"go": (20, 30, 50, 60)})))
    found = ["--out", tmp_path / "found", "--json"]
    assert teppr("predict", tmp_path / "mine", tmp_path / "photo.png", *found) == 0
    assert teppr.json["per_label"] == {"go": 1}


def test_the_command_says_what_it_assumed(tmp_path: Path, teppr: Cli) -> None:
    made = classifier_bundle(tmp_path / "made")
    said = ["--labels", ",".join(COLORS), "--size", "32", "--picture", tmp_path / "trial.jpg"]
    assert teppr("model", "import", made.network, "--decode", "classes", *said, "--key", "acme-cls-1") == 0
    assert "stretched to 32 x 32; RGB CHW, pixels times 0.00392157" in teppr.out
    assert "several images" in teppr.out
    assert f"picture: {tmp_path / 'trial.jpg'}" in teppr.out
    assert "classifiers want --mean imagenet --std imagenet" in teppr.err
    assert "predict acme-cls-1" in teppr.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--labels", "a,b"], "say where it goes: --key .* or --out", id="place"),
        pytest.param(["--labels", "none.txt", "--key", "a-b-1"], "there is no file of labels none.txt", id="labels"),
        pytest.param(["--labels", "a,b", "--key", "a-b-1", "--size", "big"], "width x height, .*got 'big'", id="size"),
        pytest.param(["--labels", "a,b", "--key", "a-b-1", "--mean", "1,2"], "three numbers.*'1,2'", id="mean"),
        pytest.param(["--labels", "a,b", "--key", "ab"], "a release key is .*got 'ab'", id="key"),
    ],
)
def test_what_was_said_wrongly_is_refused(tmp_path: Path, teppr: Cli, words: Sequence[str], says: str) -> None:
    file = network(tmp_path / "net.onnx", {"logits": [[0.1, 0.9]]})
    assert teppr("model", "import", file, "--decode", "classes", *words) == 2
    assert re.search(says, teppr.err)


def test_importing_needs_no_training_framework(tmp_path: Path) -> None:
    made = classifier_bundle(tmp_path / "made")
    program = f"""
import sys
from pathlib import Path
import numpy as np
from teppr.workflow.onnx_import import ImportRequest, import_onnx
from teppr.workflow.onnx_feed import Feed
from teppr.workflow.onnx_outputs import Asked
request = ImportRequest(
    file=Path({str(made.network)!r}), key="acme-cls-1", feed=Feed(size_px=(32,)),
    asked=Asked(kind="classes", labels=("a", "b", "c")),
)
folder, pixels = Path({str(tmp_path)!r}), np.full((30, 40, 3), 9, np.uint8)
import_onnx(request, folder, pixels, folder / "trial.jpg", None)
print(sorted({{"torch", "torchvision", "onnx"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
