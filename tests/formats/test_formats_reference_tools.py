"""What is written is read by the field's own tools: 273 boxes in 100 photographs, the same in each.

The tools live in an environment of their own, which `make test-reference` makes.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from teppr.annotations.convert import convert
from teppr.formats import FORMATS

DATABASE = "metrics_100_formats/data/database"
SOURCE = f"{DATABASE}/gts/coco_format_v1/instances_default.json"
PHOTOS = f"{DATABASE}/images"
READERS = Path(__file__).with_name("reference_readers.py")
TOOLS = Path(__file__).parents[2] / "build/reference-tools/bin/python"

Box = tuple[str, str, float, float, float, float]

_EXACT = 1e-9
_SINGLE = 5e-5
"""Numbers of 32 bits keep shares of 500 pixels to 3e-5."""

READ = {
    ("datumaro", "coco"): 0,
    ("datumaro", "voc"): 0,
    ("datumaro", "yolo"): _EXACT * 10,
    ("datumaro", "cvat"): 0,
    ("ultralytics", "yolo"): _SINGLE,
    ("fiftyone", "coco"): _EXACT,
    ("fiftyone", "voc"): _EXACT,
    ("fiftyone", "yolo"): _EXACT * 10,
    ("fiftyone", "cvat"): _EXACT,
    ("fiftyone", "labelstudio"): _EXACT,
}
"""What a tool reads, and how many pixels a coordinate may be off."""

NOT_READ = {
    ("datumaro", "openimages"): (
        "class description file",
        "it wants the files of the whole data set: descriptions of the labels and, in each row, confidence and flags",
    ),
    ("fiftyone", "openimages"): (
        "classes.csv",
        "it wants the files of the whole data set: descriptions of the labels and lists of image ids",
    ),
    ("datumaro", "labelme"): ("DatasetNotFoundError", "its label_me is the XML of the older web tool of that name"),
    ("datumaro", "tfrecord"): ("UnknownFormatError", "it has given up the reader of TFRecord"),
    ("fiftyone", "tfrecord"): ("'tensorflow' is installed", "it reads TFRecord by TensorFlow, which is not installed"),
}
"""What a tool cannot read: words of its complaint, and why that is so."""

BY_NO_TOOL = {"via": "no tool of the three has a reader of it", "via_csv": "no tool of the three has a reader of it"}


@pytest.fixture(scope="module")
def folders(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder for each format: what was written, laid out with the photographs as the tools look for it."""
    made: dict[str, Path] = {}

    def folder_of(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / name
            _LAYOUTS[name](data, made[name])
        return made[name]

    return folder_of


def _file(document: str, *photos: str) -> Callable[[Path, Path], None]:
    def lay_out(data: Path, folder: Path) -> None:
        (folder / document).parent.mkdir(parents=True)
        _write(data, folder / document, folder.name)
        _add_photos(data, folder, *photos)

    return lay_out


def _folder(*photos: str) -> Callable[[Path, Path], None]:
    def lay_out(data: Path, folder: Path) -> None:
        _write(data, folder, folder.name)
        _add_photos(data, folder, *photos)

    return lay_out


def _voc(data: Path, folder: Path) -> None:
    """As VOC's own archive, with the list of images that says which belong to a subset."""
    _folder("images", "JPEGImages")(data, folder)
    names = sorted(photo.stem for photo in (data / PHOTOS).iterdir())
    (folder / "ImageSets/Main").mkdir(parents=True)
    (folder / "ImageSets/Main/default.txt").write_text("\n".join(names))


def _write(data: Path, target: Path, name: str) -> None:
    assert convert(data / SOURCE, target, name, images=data / PHOTOS).report.regions == 273


def _add_photos(data: Path, folder: Path, *names: str) -> None:
    for name in names:
        shutil.copytree(data / PHOTOS, folder / name, copy_function=shutil.copyfile)


_LAYOUTS: Mapping[str, Callable[[Path, Path], None]] = {
    "coco": _file("annotations/instances_default.json", "images"),
    "cvat": _file("annotations.xml", "images"),
    "voc": _voc,
    "yolo": _folder("images"),
    "labelme": _folder(),
    "labelstudio": _file("tasks.json"),
    "openimages": _file("annotations/train-annotations-bbox.csv", "images/train", "data"),
    "tfrecord": _folder(),
}


@pytest.fixture
def ask(tmp_path: Path, mongo_url: str) -> Callable[[str, str, Path], subprocess.CompletedProcess[str]]:
    """Have a tool read a folder; what it keeps for itself goes to a home of its own, and nothing to anybody."""
    if not TOOLS.is_file():
        pytest.skip(f"no environment of the reference tools in {TOOLS.parents[1]}: make test-reference")
    server, _, database = mongo_url.rpartition("/")
    own = {
        "HOME": str(tmp_path),
        "FIFTYONE_DATABASE_URI": server,
        "FIFTYONE_DATABASE_NAME": database,
        "FIFTYONE_DO_NOT_TRACK": "true",
        "YOLO_OFFLINE": "true",
        "YOLO_AUTOINSTALL": "false",
    }
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}

    def run(tool: str, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
        command = [str(TOOLS), str(READERS), tool, name, str(folder)]
        return subprocess.run(command, env=kept | own, cwd=tmp_path, capture_output=True, text=True)

    return run


def _wanted(data: Path) -> list[Box]:
    """The boxes as the source says them, without our reader."""
    document = json.loads((data / SOURCE).read_bytes())
    images = {image["id"]: image["file_name"] for image in document["images"]}
    labels = {category["id"]: category["name"] for category in document["categories"]}
    return [(images[one["image_id"]], labels[one["category_id"]], *one["bbox"]) for one in document["annotations"]]


def _in_order(boxes: list[Box]) -> list[Box]:
    return sorted(boxes, key=lambda box: (*box[:2], *map(round, box[2:])))


@pytest.mark.reference_tools
@pytest.mark.parametrize(("tool", "name"), READ, ids=map("-".join, READ))
def test_a_tool_reads_the_same_boxes(
    data: Path,
    folders: Callable[[str], Path],
    ask: Callable[[str, str, Path], subprocess.CompletedProcess[str]],
    tool: str,
    name: str,
) -> None:
    done = ask(tool, name, folders(name))
    assert done.returncode == 0, done.stderr
    wanted = _in_order(_wanted(data))
    found = _in_order([(image, label, *box) for image, label, *box in json.loads(done.stdout)])
    assert len(found) == 273
    assert [box[:2] for box in found] == [box[:2] for box in wanted]
    for read, said in zip(found, wanted, strict=True):
        assert read[2:] == pytest.approx(said[2:], abs=READ[tool, name], rel=0)


@pytest.mark.reference_tools
@pytest.mark.parametrize(("tool", "name"), NOT_READ, ids=map("-".join, NOT_READ))
def test_what_a_tool_cannot_read_it_refuses(
    folders: Callable[[str], Path],
    ask: Callable[[str, str, Path], subprocess.CompletedProcess[str]],
    tool: str,
    name: str,
) -> None:
    complaint, reason = NOT_READ[tool, name]
    done = ask(tool, name, folders(name))
    assert done.returncode, f"{tool} now reads {name}; it was thought that {reason}"
    assert complaint in done.stderr, done.stderr


def test_of_every_format_with_boxes_it_is_said_who_reads_it() -> None:
    with_boxes = {name for name in FORMATS.names() if "rect" in FORMATS.load(name).shapes}
    assert with_boxes == {name for _, name in (*READ, *NOT_READ)} | BY_NO_TOOL.keys()
