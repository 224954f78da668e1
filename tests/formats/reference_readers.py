"""The field's own tools read a document: python reference_readers.py TOOL FORMAT FOLDER, in the tools' environment.

What they read is printed as JSON: a list of [image, label, x, y, width, height] in pixels. What is in the folder is
said by `test_formats_reference_tools`; this file is run where teppr is not installed, and imports nothing of it.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

Box = tuple[str, str, float, float, float, float]


def by_datumaro(folder: Path, name: str) -> Iterator[Box]:
    import datumaro

    dataset = datumaro.Dataset.import_from(str(folder), name)
    labels = dataset.categories()[datumaro.AnnotationType.label]
    for item in dataset:
        for found in item.annotations:
            if found.type == datumaro.AnnotationType.bbox:
                yield (Path(item.media.path).name, labels[found.label].name, *found.get_bbox())


def by_ultralytics(folder: Path) -> Iterator[Box]:
    """As its training reads a data set: through its cache of checked labels."""
    from ultralytics.data import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    for image in YOLODataset(img_path=data["train"], data=data, task="detect", augment=False).labels:
        height, width = image["shape"]
        assert (image["bbox_format"], image["normalized"]) == ("xywh", True)
        for (label,), (cx, cy, w, h) in zip(image["cls"].tolist(), image["bboxes"].tolist(), strict=True):
            box_xywh_px = (cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height
            yield (Path(image["im_file"]).name, data["names"][int(label)], *box_xywh_px)


def by_fiftyone(kind: str, field: str, **places: str) -> Iterator[Box]:
    import fiftyone

    dataset = fiftyone.Dataset.from_dir(dataset_type=getattr(fiftyone.types, kind), progress=False, **places)
    dataset.compute_metadata(num_workers=1, progress=False)
    for sample in dataset:
        size_wh = sample.metadata.width, sample.metadata.height
        for found in sample[field].detections if sample[field] else ():
            yield (Path(sample.filepath).name, found.label, *_in_pixels(found.bounding_box, size_wh))


def by_fiftyone_of_results(document: Path) -> Iterator[Box]:
    """FiftyOne asks a Label Studio server for tasks; what it makes of the results in them is one function."""
    from fiftyone.utils.labelstudio import import_label_studio_annotation

    for task in json.loads(document.read_bytes()):
        for result in (result for made in task["annotations"] for result in made["result"]):
            _, found = import_label_studio_annotation(result)
            size_wh = result["original_width"], result["original_height"]
            yield (task["data"]["image"], found.label, *_in_pixels(found.bounding_box, size_wh))


def _in_pixels(shares: Sequence[float], size_wh: tuple[int, int]) -> tuple[float, float, float, float]:
    x, y, width, height = shares
    return x * size_wh[0], y * size_wh[1], width * size_wh[0], height * size_wh[1]


def _beside(folder: Path, labels: str) -> dict[str, str]:
    return {"labels_path": str(folder / labels), "data_path": str(folder / "images")}


READERS: dict[tuple[str, str], Callable[[Path], Iterator[Box]]] = {
    ("datumaro", "coco"): lambda folder: by_datumaro(folder, "coco_instances"),
    ("datumaro", "voc"): lambda folder: by_datumaro(folder, "voc_detection"),
    ("datumaro", "yolo"): lambda folder: by_datumaro(folder, "yolo"),
    ("datumaro", "cvat"): lambda folder: by_datumaro(folder, "cvat"),
    ("datumaro", "openimages"): lambda folder: by_datumaro(folder, "open_images"),
    ("datumaro", "labelme"): lambda folder: by_datumaro(folder, "label_me"),
    ("datumaro", "tfrecord"): lambda folder: by_datumaro(folder, "tf_detection_api"),
    ("ultralytics", "yolo"): by_ultralytics,
    ("fiftyone", "coco"): lambda folder: by_fiftyone(
        "COCODetectionDataset", "detections", **_beside(folder, "annotations/instances_default.json")
    ),
    ("fiftyone", "voc"): lambda folder: by_fiftyone(
        "VOCDetectionDataset", "ground_truth", **_beside(folder, "Annotations")
    ),
    ("fiftyone", "yolo"): lambda folder: by_fiftyone(
        "YOLOv5Dataset", "ground_truth", dataset_dir=str(folder), yaml_path="data.yaml", split="train"
    ),
    ("fiftyone", "cvat"): lambda folder: by_fiftyone(
        "CVATImageDataset", "detections", **_beside(folder, "annotations.xml")
    ),
    ("fiftyone", "openimages"): lambda folder: by_fiftyone(
        "OpenImagesV7Dataset", "ground_truth", dataset_dir=str(folder)
    ),
    ("fiftyone", "labelstudio"): lambda folder: by_fiftyone_of_results(folder / "tasks.json"),
    ("fiftyone", "tfrecord"): lambda folder: by_fiftyone(
        "TFObjectDetectionDataset", "ground_truth", dataset_dir=str(folder), images_dir=str(folder / "unpacked")
    ),
}


def main() -> None:
    tool, name, folder = sys.argv[1:]
    with redirect_stdout(sys.stderr):  # some tools talk
        boxes = list(READERS[tool, name](Path(folder)))
    json.dump(boxes, sys.stdout)


if __name__ == "__main__":
    main()
