"""How many images a second detectors answer in ONNX Runtime, side by side on one thread: an image at a time, and more.

An answer is all that a model server does with a decoded image: resizing, the network, its outputs made into boxes.
The models are measured in turn, in short rounds, of which the median counts. Where others work on the machine, only
what an answer costs a processor is to be believed: images a second are of a processor's second.

Run it by: python bench/detectors.py [BUNDLE ...] [--images FOLDER] [--batches 1 4 8]
Without bundles, every architecture that finds boxes learns coloured rectangles for some seconds first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from serving_parts.models import jpegs
from teppr.images import Pixels, decode, find, read
from teppr.registry.bundle import Bundle, write_bundle
from teppr.registry.runtime import Runtime
from teppr.types import LabelInfo, ModelCard

IMAGES = 32
ROUNDS = 7
IMAGE_SIZE_PX = 320
LABELS = (LabelInfo(name="red", color="#e63c32"), LabelInfo(name="green", color="#3cc850"))


def learned(folder: Path) -> Iterator[Bundle]:
    """A bundle of each architecture that finds boxes."""
    from teppr.architectures.contract import ARCHITECTURES, torch_architecture
    from teppr.testing.architectures import learn, options_for, tiny_samples

    boxed = [name for name in ARCHITECTURES.names() if "detect" in ARCHITECTURES.load(name).tasks]
    for architecture in map(torch_architecture, boxed):
        network = architecture.build(options_for(architecture, task="detect", label_count=len(LABELS)))
        learn(architecture, network, tiny_samples(12, task="detect"))
        own = folder / architecture.name
        (own / "network").mkdir(parents=True)
        exported = architecture.export(network, own / "network", IMAGE_SIZE_PX)
        card = ModelCard(
            key=f"bench-ods-{architecture.name}",
            architecture=architecture.name,
            problem="ods",
            task="detect",
            labels=LABELS,
            image_size_px=IMAGE_SIZE_PX,
            square=architecture.square,
            batch=exported.batch,
            inputs=exported.inputs,
            outputs=exported.outputs,
            decode=exported.decode,
        )
        yield write_bundle(own / "bundle", card, exported.files)


def cost_ms(runtime: Runtime, images: Sequence[Pixels], batch: int) -> float:
    """Milliseconds of a processor for an image, `batch` of them given at a time."""
    begun_at = time.process_time()
    for start in range(0, len(images), batch):
        runtime.predict_many([runtime.feed(image) for image in images[start : start + batch]])
    return (time.process_time() - begun_at) * 1000 / len(images)


def main() -> None:
    """Load the models, measure them in turn, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="*", type=Path)
    parser.add_argument("--images", type=Path, help="a folder; by default what the other benchmarks take")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 8])
    options = parser.parse_args()
    pictures = (
        (read(path)[0] for path in find(options.images))
        if options.images
        else (decode(data, name="picture")[0] for data in jpegs())
    )
    images = list(islice(cycle(pictures), IMAGES))
    with TemporaryDirectory() as temporary:
        bundles = [Bundle.open(path) for path in options.bundles] or list(learned(Path(temporary)))
        runtimes = [Runtime(bundle, threads=1) for bundle in bundles]
        costs: dict[tuple[int, int], list[float]] = {}
        for _ in range(ROUNDS):
            for batch in options.batches:
                for i, runtime in enumerate(runtimes):
                    costs.setdefault((i, batch), []).append(cost_ms(runtime, images, batch))
    print(f"{'model':28}{'network':14}{'input':>12}" + "".join(f"{f'batch {n}':>22}" for n in options.batches))
    for i, runtime in enumerate(runtimes):
        card = runtime.card
        side = f"{card.image_size_px} x {card.image_size_px}" if card.square else f"{card.image_size_px}"
        figures = [statistics.median(costs[i, batch]) for batch in options.batches]
        told = "".join(f"{f'{1000 / ms:.1f}/s, {ms:.1f} ms':>22}" for ms in figures)
        print(f"{card.key:28}{card.architecture:14}{side:>12}{told}")


if __name__ == "__main__":
    main()
