"""Label Studio, JSON: a list of tasks, each an image with the annotations, or the predictions, made for it.

Predictions are read where a document has no annotation at all; what Label Studio keeps for itself (dates, users,
projects, counts, ids of regions that are no numbers) is not read. How an image is named stands in
`_labelstudio_names`, how results become regions in `_labelstudio_region`.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from teppr.errors import BadFile
from teppr.formats._json_file import JsonFile
from teppr.formats._labelstudio_names import image_key, image_name
from teppr.formats._labelstudio_region import UNPLACED, Context, put, regions_of, size_of
from teppr.formats._labelstudio_write import write_tasks
from teppr.formats._numbers import whole_number
from teppr.formats.contract import Format, Reading, ReadOptions, WriteReport
from teppr.types import ImageRecord, Region, Unread

_ANNOTATIONS, _PREDICTIONS = "annotations", "predictions"


class LabelStudio(Format):
    """Label Studio, JSON: shares of the image in percent; a choice is the label of the whole image."""

    name = "labelstudio"
    title = "Label Studio, JSON (a list of tasks)"
    suffixes = (".json",)
    precision_px = 1e-6

    def sniff(self, path: Path) -> bool:
        """Whether a document is a list whose first element is a task with annotations or predictions."""
        try:
            document = JsonFile(path)
            first = (
                next((document.load(span) for span in document.elements()), None) if document.peek() == "[" else None
            )
        except BadFile:
            return False
        return (
            isinstance(first, dict)
            and isinstance(first.get("data"), dict)
            and any(isinstance(first.get(key), list) for key in (_ANNOTATIONS, _PREDICTIONS))
        )

    def read(self, path: Path, options: ReadOptions) -> Reading:
        """Begin to read; `label_attribute` is a question whose answer labels regions that have no label."""
        survey = _survey(path)
        return Reading(records=_records(JsonFile(path), survey, options), notes=survey.notes(), entries=survey.tasks)

    def write(self, records: Iterable[ImageRecord], path: Path) -> WriteReport:
        """Write tasks with one annotation each; an image whose size is not known is left out if it has regions."""
        return write_tasks(records, path, _ANNOTATIONS)


PLUGIN = LabelStudio()


@dataclass(slots=True)
class _Survey:
    """What the first pass finds, which checks the whole document.

    names, addresses: hashes of what the images would be called and of where they lie, 16 bytes a task
    found: how many there are of each kind of thing that not every document has
    """

    tasks: int = 0
    names: array[int] = field(default_factory=lambda: array("q"))
    addresses: array[int] = field(default_factory=lambda: array("q"))
    found: Counter[str] = field(default_factory=Counter)

    @property
    def key(self) -> str:
        """Where a task's annotations stand that are read."""
        return _ANNOTATIONS if self.found[_ANNOTATIONS] or not self.found[_PREDICTIONS] else _PREDICTIONS

    @property
    def whole_names(self) -> bool:
        """Whether images must be called by all of their paths to be told apart."""
        names, addresses = (len(np.unique(np.array(hashes, np.int64))) for hashes in (self.names, self.addresses))
        return names < addresses

    def notes(self) -> tuple[str, ...]:
        """What was decided and what is left out, in sentences."""
        left_out = (_PREDICTIONS if self.key == _ANNOTATIONS else "", "cancelled annotations", "drafts", "relations")
        said = [f"{self.found[what]} {what} are not read" for what in left_out if self.found[what]]
        if self.key == _PREDICTIONS:
            said.insert(0, f"no task has an annotation, so its predictions are read: {self.found[_PREDICTIONS]}")
        if self.found["empty"]:
            said.append(
                f"{self.found['empty']} of {self.tasks} tasks have no {self.key} and are images without regions"
            )
        if self.whole_names:
            said.append("several images have the same name in different folders, so folders are part of the names")
        return tuple(said)


def _survey(path: Path) -> _Survey:
    document, survey = JsonFile(path), _Survey()
    if document.peek() != "[":
        document.check()
        raise BadFile(f"a Label Studio file must be a list of tasks, got another value in {path}")
    without: Counter[str] = Counter()
    for span in document.elements():
        task = document.load(span)
        survey.tasks += 1
        if not isinstance(task, dict):
            continue
        survey.found["drafts"] += len(_list(task.get("drafts")))
        for key in (_ANNOTATIONS, _PREDICTIONS):
            made = _list(task.get(key))
            kept = [one for one in made if not _is_cancelled(one)]
            survey.found[key] += len(kept)
            survey.found["cancelled annotations"] += len(made) - len(kept)
            survey.found["relations"] += sum(map(_relations, kept))
            without[key] += not kept
        if _task_problem(task) is None:
            address, upload = _address(task), task.get("file_upload")
            survey.names.append(hash(image_name(upload, address, whole=False)))
            survey.addresses.append(hash(image_name(upload, address, whole=True)))
    document.finish()
    survey.found["empty"] = without[survey.key]
    return survey


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_cancelled(annotation: object) -> bool:
    return isinstance(annotation, dict) and annotation.get("was_cancelled") is True


def _relations(annotation: object) -> int:
    results = _list(annotation.get("result")) if isinstance(annotation, dict) else []
    return sum(isinstance(one, dict) and one.get("type") in UNPLACED for one in results)


def _task_problem(task: object) -> str | None:
    """Why a task cannot be read, None if it can."""
    if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
        return f"a task must be an object with an object 'data', got {short(task)}"
    key = image_key(task)
    if key is None:
        return f"a task's data must name one image, got the keys {', '.join(task['data']) or 'none'}"
    if not image_name(task.get("file_upload"), task["data"][key], whole=False).strip():
        return f"a task must name its image, got {key}={short(task['data'][key])}"
    return None


def _address(task: Mapping[str, Any]) -> str:
    address: str = task["data"][image_key(task)]
    return address


def _records(document: JsonFile, survey: _Survey, options: ReadOptions) -> Iterator[ImageRecord | Unread]:
    key, whole_names = survey.key, survey.whole_names
    for n, span in enumerate(document.elements()):
        task, where = document.load(span), f"[{n}]"
        problem = _task_problem(task)
        if problem is None and isinstance(task, dict):
            yield _record(task, where, key, options, whole_name=whole_names)
            continue
        yield Unread(rule="DR01", message=str(problem), where=where, values={"task": short(task)})
        annotations = _list(task.get(key)) if isinstance(task, dict) else []
        results = (result for one in annotations if isinstance(one, dict) for result in _list(one.get("result")))
        for i, _ in enumerate(results):
            message = f"the entry of this region cannot be read: {problem}"
            yield Unread(rule="DR01", message=message, where=where, index=i)


def _record(task: Mapping[str, Any], where: str, key: str, options: ReadOptions, *, whole_name: bool) -> ImageRecord:
    address, given = _address(task), task.get("meta")
    meta = dict(given) if isinstance(given, dict) else {"meta": given} if given else {}
    sides = [whole_number(meta.get(side), least=1) for side in ("width", "height")]
    size_wh = None if sides[0] is None or sides[1] is None else (sides[0], sides[1])
    size_bytes = whole_number(meta.get("size_bytes"), least=0)
    context = Context(size_wh or _stated_size(task, key), options.label, options.label_attribute)
    regions = tuple(_regions(task, key, context))
    return ImageRecord(
        filename=image_name(task.get("file_upload"), address, whole=whole_name),
        where=where,
        regions=regions,
        size_bytes=size_bytes,
        size_wh=context.size_wh,
        attributes=_attributes(task, meta, context, taken=[size_wh, size_wh, size_bytes]),
        source_id=whole_number(task.get("id")),
    )


def _attributes(task: Mapping[str, Any], meta: dict[str, Any], context: Context, taken: list[object]) -> dict[str, Any]:
    """What data and meta say beside the image's name and sizes, and the answers about the image."""
    image = image_key(task)
    attributes = {name: value for name, value in task["data"].items() if name != image}
    for name, value in zip(("width", "height", "size_bytes"), taken, strict=True):
        if value is not None:
            del meta[name]
    nested = meta.pop("attributes") if isinstance(meta.get("attributes"), dict) else {}
    if meta:
        put(attributes, "meta", meta)
    return _joined(_joined(attributes, nested), context.image_attributes)


def _stated_size(task: Mapping[str, Any], key: str) -> tuple[int, int] | None:
    annotations = (one for one in _list(task.get(key)) if isinstance(one, dict))
    results = (result for one in annotations for result in _list(one.get("result")) if isinstance(result, dict))
    return next(filter(None, map(size_of, results)), None)


def _regions(task: Mapping[str, Any], key: str, context: Context) -> Iterator[Region | Unread]:
    index = 0
    several = sum(not _is_cancelled(one) for one in _list(task.get(key))) > 1
    for n, annotation in enumerate(_list(task.get(key))):
        where = f"{key}[{n}]"
        if _is_cancelled(annotation):
            continue
        if not isinstance(annotation, dict) or not isinstance(annotation.get("result"), list):
            message = f"an annotation must be an object with a list 'result', got {short(annotation)}"
            yield Unread(rule="DR08", message=message, where=where, values={"value": short(annotation)}, index=index)
            index += 1
            continue
        maker = _maker(annotation, key, several=several)
        for region in regions_of(annotation["result"], where, context, index):
            yield (
                replace(region, attributes=_joined(region.attributes, maker)) if isinstance(region, Region) else region
            )
            index += 1


def _joined(attributes: Mapping[str, Any], further: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(attributes)
    for name, value in further.items():
        put(joined, name, value)
    return joined


def _maker(annotation: Mapping[str, Any], key: str, *, several: bool) -> dict[str, Any]:
    """What tells the annotations of a task apart, and what made a prediction."""
    by = annotation.get("completed_by")
    said = {
        "annotation_id": annotation.get("id") if several else None,
        "annotator": (by.get("email") or by.get("id") if isinstance(by, dict) else by) if several else None,
        "model_version": annotation.get("model_version") if key == _PREDICTIONS else None,
    }
    return {name: value for name, value in said.items() if value not in (None, "")}
