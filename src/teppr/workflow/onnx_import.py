"""Bring your own network: an ONNX file made elsewhere becomes a bundle, or a release, once it has been tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from teppr import __version__, images
from teppr.colors import colors_of
from teppr.drawing import draw, drawn_detections
from teppr.errors import AlreadyThere, BadFile, BadInput, Corrupt, UnknownName
from teppr.files import put_copy, sha256_of, whole_file
from teppr.images import Pixels
from teppr.problems.contract import Problem
from teppr.problems.find import problem_named
from teppr.registry.bundle import NETWORK, Bundle, verify, write_bundle
from teppr.registry.feeding import Tensor, fit, tensor
from teppr.registry.releases import NO_RUN, Registry, ReleaseRecord, parse_key
from teppr.registry.runtime import Runtime
from teppr.types import Detections, LabelInfo, ModelCard
from teppr.workflow.inner_tensor import with_embedding, with_output
from teppr.workflow.onnx_feed import Feed, fed_as, said
from teppr.workflow.onnx_file import OnnxFile
from teppr.workflow.onnx_outputs import Asked, Reading, Trial, reading_of

ARCHITECTURE = "onnx"
"""What the card of such a model says: how the network is built is nobody's knowledge here."""
_OBJECTS = (
    "pixels are fed as 0..1 in RGB, as torchvision's detectors want them; detectron2's want --scale 1 --color-order BGR"
)
ASSUMED: Mapping[str, str] = MappingProxyType(
    {
        "classes": "pixels are fed as 0..1; torchvision's and timm's classifiers want --mean imagenet --std imagenet",
        "boxes": _OBJECTS,
        "mask": _OBJECTS,
    }
)
"""What is to be said of networks of which nothing was said of how they are fed."""
BATCH_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """A file, and all that cannot be read from it.

    asked.labels: empty = those that the file carries
    key: "<org>-<problem>-<release>" of the card
    embedding: a tensor of the network that describes an image as a whole, by its name; "" = none
    """

    file: Path
    asked: Asked
    key: str
    feed: Feed = field(default_factory=Feed)
    score_threshold_0_1: float = 0.5
    embedding: str = ""
    creator: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of it.

    takes, gives: how images are fed and outputs read, in words; notes: what was assumed
    found: in the trial image, at or above the threshold; picture: where they are drawn
    """

    card: ModelCard
    bundle: Path
    takes: str
    gives: str
    notes: tuple[str, ...]
    found: Detections
    picture: Path


def import_onnx(request: ImportRequest, home: Path, pixels: Pixels, picture: Path, out: Path | None) -> Imported:
    """Make a bundle of the file, try it on an RGB image, draw what it finds, and put it in its place: into the new
    folder `out`, or among the releases under its key.

    Raises BadFile for what is no ONNX file, BadInput for what does not fit, AlreadyThere where the place is taken.
    """
    parse_key(request.key)
    registry = Registry(home)
    if out is not None and out.exists():
        raise AlreadyThere(f"{out} exists already and may not be changed; choose another --out")
    if out is None and request.key in [info.record.key for info in registry.list()]:
        raise AlreadyThere(f"{request.key} is published already and never changes; choose another release")
    with TemporaryDirectory() as temporary:
        made = _Import(request, home, pixels, Path(temporary))
        bundle, found = made.bundle()
        with whole_file(picture) as file:
            file.write(images.encode_jpeg(draw(pixels, drawn_detections(found, bundle.card.labels))))
        place = out or registry.publish(bundle, made.record(bundle.card)).bundle_path
        if out is not None:
            write_bundle(out, bundle.card, [file for file in bundle.path.iterdir() if file.name in made.carried])
    if problems := verify(place):
        raise Corrupt("; ".join(problems))
    return Imported(
        card=bundle.card,
        bundle=place,
        takes=said(bundle.card, made.file),
        gives=made.reading.said,
        notes=made.notes(found),
        found=found,
        picture=picture,
    )


class _Import:
    """One import on its way, in a folder of its own."""

    def __init__(self, request: ImportRequest, home: Path, pixels: Pixels, folder: Path) -> None:
        self.request = request
        self.pixels = pixels
        self.folder = folder
        self.file = OnnxFile.open(request.file)
        self.taken = self.file.taken(request.feed.layout)
        self.asked = self._with_labels()
        self.problem = _problem(parse_key(request.key).problem, home)
        self.card = self._draft()
        fed = fit(self.card, pixels).pixels
        self.fed_wh = (fed.shape[1], fed.shape[0])
        self.trial = self.file.run(self._given(pixels))
        self.reading: Reading = reading_of(self.asked, Trial(self.trial, self.fed_wh))
        self.carried: set[str] = set()

    def bundle(self) -> tuple[Bundle, Detections]:
        """The bundle, and what it finds in the trial image."""
        card = replace(
            self.card,
            task=self.reading.task,
            outputs=self.reading.outputs,
            decode=self.reading.decode,
            decode_options=self.reading.options,
            batch=self._batches(),
        )
        network = self.folder / NETWORK
        put_copy(self.request.file, network)
        if self.request.embedding:
            for file in _beside(self.request.file):
                put_copy(file, self.folder / file.name, link=True)
            with_output(self.request.file, self.request.embedding, network)
            card = with_embedding(card, network, self.request.embedding)
        runtime, bundle = self._loaded(card, network)
        return bundle, runtime.predict(self.pixels).at_least(card.score_threshold_0_1)

    def record(self, card: ModelCard) -> ReleaseRecord:
        """What the registry keeps beside the bundle: nothing was measured, and nothing asked."""
        return ReleaseRecord(
            key=card.key,
            architecture=card.architecture,
            problem=card.problem,
            created=card.created or datetime.now(UTC),
            creator=card.creator,
            run=NO_RUN,
            dataset=NO_RUN,
            metrics={},
            acceptance=(),
            accepted=True,
            forced=False,
            why="",
            measured={},
        )

    def notes(self, found: Detections) -> tuple[str, ...]:
        """What was assumed, and what the trial does not show."""
        notes = []
        card, feed = self.card, self.request.feed
        is_unsaid = (feed.scale, feed.mean, feed.std, feed.color_order) == (None, None, None, "RGB")
        if is_unsaid and self.asked.kind in ASSUMED and self.file.kind is not np.uint8:
            notes.append(ASSUMED[self.asked.kind])
        if not len(found):
            notes.append(
                f"nothing scores {card.score_threshold_0_1:g} or more in the trial image: try a photograph that shows "
                f"one of its labels (--image)"
            )
        problem = self.problem
        if problem is not None and (strange := [name for name in self.asked.labels if not problem.knows(name)]):
            notes.append(f"problem {card.problem} does not list {', '.join(strange[:5])}")
        return tuple(notes)

    def _with_labels(self) -> Asked:
        asked = self.request.asked
        labels = asked.labels or self.file.labels
        if not labels:
            raise BadInput(
                f"{self.file.path} carries no labels: give them in the network's order, --labels car,sign or a file "
                f"with a label a line"
            )
        if twice := sorted({name for name in labels if labels.count(name) > 1}):
            raise BadInput(f"every label is given once, got {', '.join(twice)} more often")
        return replace(asked, labels=labels)

    def _draft(self) -> ModelCard:
        """The card as far as it is known before the network was run."""
        request = self.request
        names = self.asked.labels
        colors = colors_of(names, self.problem.colors if self.problem is not None else {})
        return ModelCard(
            key=request.key,
            architecture=ARCHITECTURE,
            problem=parse_key(request.key).problem,
            task="detect",
            labels=tuple(LabelInfo(name=name, color=colors[name]) for name in names),
            outputs=tuple(output.name for output in self.file.outputs),
            decode="boxes",
            score_threshold_0_1=request.score_threshold_0_1,
            source={"file": request.file.name, "sha256": sha256_of(request.file), "made_by": self.file.origin},
            creator=request.creator,
            created=datetime.now(UTC).replace(microsecond=0),
            licence=request.licence,
            frameworks={"teppr": __version__, "onnxruntime": onnxruntime.__version__},
            **fed_as(request.feed, self.file, self.taken, self.asked.kind),
        )

    def _given(self, *pictures: Pixels) -> Tensor:
        """Pictures as the graph takes them."""
        given = [tensor(self.card, fit(self.card, pixels).pixels, self.file.kind) for pixels in pictures]
        return np.stack(given) if self.taken.has_image_axis else given[0]

    def _batches(self) -> bool:
        """Whether the graph answers several images as it answers each: two are tried."""
        if not self.taken.takes_many:
            return False
        try:
            two = self.file.run(self._given(self.pixels, np.ascontiguousarray(self.pixels[:, ::-1])))
        except BadInput:
            return False
        return all(_is_first_of_two(self.trial[name], two[name]) for name in self.reading.outputs)

    def _loaded(self, card: ModelCard, network: Path) -> tuple[Runtime, Bundle]:
        """The bundle, loaded as any other; with the files that its weights lie in, where there are any."""
        beside = _beside(self.request.file)
        for attempt, files in enumerate(([network], [network, *beside])):
            self.carried = {file.name for file in files}
            bundle = write_bundle(self.folder / f"bundle-{attempt}", card, files)
            try:
                return Runtime(bundle), bundle
            except Corrupt as error:
                if attempt or not beside:
                    raise BadInput(f"{self.file.path} is not fit to be a model: {error}") from error
        raise BadFile(f"{self.file.path} does not load from a bundle")


def _problem(name: str, home: Path) -> Problem | None:
    try:
        return problem_named(name, home)
    except UnknownName:
        return None


def _is_first_of_two(one: npt.NDArray[Any], two: npt.NDArray[Any]) -> bool:
    return (
        one.ndim > 0
        and (len(one), len(two)) == (1, 2)
        and one[0].shape == two[0].shape
        and bool(np.allclose(one[0], two[0], atol=BATCH_TOLERANCE, rtol=BATCH_TOLERANCE))
    )


def _beside(network: Path) -> list[Path]:
    """Files that may hold the network's weights, as exporters name them."""
    stem = network.stem
    begins = (f"{network.name}.", f"{network.name}_", f"{stem}.data", f"{stem}.bin", f"{stem}.weights")
    return sorted(path for path in network.parent.iterdir() if path.is_file() and path.name.startswith(begins))


def key_of_file(file: Path) -> str:
    """A key for a bundle that is no release, from its file's name: "imported-yolo11n-1"."""
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in file.stem)
    return f"imported-{name or 'network'}-1"
