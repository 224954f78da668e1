"""Feature vectors of images and of the regions that a model finds in them, for search by likeness."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from teppr import images
from teppr.errors import AlreadyThere, BadImage, BadInput, Corrupt
from teppr.files import whole_file, write_json
from teppr.images import DEFAULT_MAX_PIXELS, Pixels
from teppr.progress import QUIET, Progress
from teppr.registry.releases import Registry
from teppr.registry.runtime import Runtime
from teppr.types import Floats
from teppr.workflow.inner_tensor import describing
from teppr.workflow.inputs import Picture
from teppr.workflow.predict import RefusedImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a vector is of: an image, or a region of it.

    region: position among the image's detections, best first, from 0; None for the image as a whole
    box_xyxy_px, label, score_0_1: the region's
    """

    image: str
    region: int | None = None
    box_xyxy_px: tuple[float, float, float, float] | None = None
    label: str | None = None
    score_0_1: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Vectors of one model.

    rows: what the vectors are of, in their order: each image, followed by its regions
    vectors: float32 [n, size], each of length 1, so that a dot product is the cosine
    embedding: the output of the network that they are
    """

    model: str
    embedding: str
    rows: tuple[Described, ...]
    vectors: Floats
    refused: tuple[RefusedImage, ...]

    @property
    def exit_code(self) -> int:
        """0 all images have vectors, 1 some were refused, 2 none could be read."""
        return 2 if not self.rows else 1 if self.refused else 0


@contextmanager
def embedder(home: Path, model: str, *, output: str = "", threads: int = 1) -> Iterator[Runtime]:
    """A model that gives vectors: a release, an alias, or a bundle's folder.

    output: a tensor of its network, by name, to be taken instead of the embedding of its card
    Raises BadInput where it has none and none is chosen.
    """
    bundle = Registry(home).find(model)
    with TemporaryDirectory() as folder:
        runtime = Runtime(describing(bundle, output, Path(folder) / "described") if output else bundle, threads)
        runtime.check_embeds()
        yield runtime


def embed_files(
    runtime: Runtime,
    pictures: Iterable[Picture],
    *,
    with_regions: bool = False,
    score_threshold_0_1: float | None = None,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    progress: Progress = QUIET,
) -> Embedded:
    """The vector of each image, and with_regions those of the regions that the model finds; files that cannot be read
    are named, and the rest goes on.

    score_threshold_0_1: regions that score lower are left out; None takes the model's own
    """
    rows: list[Described] = []
    vectors: list[Floats] = [np.zeros((0, runtime.card.embedding_size), np.float32)]
    refused = []
    threshold = runtime.card.score_threshold_0_1 if score_threshold_0_1 is None else score_threshold_0_1
    for picture in pictures:
        try:
            pixels, _ = images.read(picture.path, max_pixels=max_pixels)
            made = _described(runtime, picture.name, pixels, threshold if with_regions else None)
        except (BadImage, Corrupt) as error:
            reason = error.reason if isinstance(error, BadImage) else "model-failed"
            refused.append(RefusedImage(file=str(picture.path), reason=reason, message=str(error)))
        else:
            rows += made[0]
            vectors.append(made[1])
        progress.advance(news=picture.name)
    return Embedded(
        model=runtime.card.key,
        embedding=runtime.card.embedding,
        rows=tuple(rows),
        vectors=np.concatenate(vectors),
        refused=tuple(refused),
    )


def _described(
    runtime: Runtime, name: str, pixels: Pixels, score_threshold_0_1: float | None
) -> tuple[list[Described], Floats]:
    """An image, and where a threshold is given its regions, with their vectors."""
    if score_threshold_0_1 is None:
        return [Described(image=name)], runtime.embed(pixels)[None]
    found, vector = runtime.predict_and_embed(pixels)
    found = found.at_least(score_threshold_0_1)
    regions = zip(found.boxes_xyxy_px.tolist(), found.label_ids.tolist(), found.scores_0_1.tolist(), strict=True)
    rows = [
        Described(
            image=name, region=i, box_xyxy_px=tuple(box), label=runtime.card.labels[label_id].name, score_0_1=score
        )
        for i, (box, label_id, score) in enumerate(regions)
    ]
    vectors = runtime.embed_regions(pixels, found.boxes_xyxy_px)
    return [Described(image=name), *rows], np.concatenate([vector[None], vectors])


def check_place(path: Path, *, replace: bool) -> None:
    """Refuse a file that could not be written, before anything is computed: BadInput, AlreadyThere."""
    if path.suffix not in WRITERS:
        raise BadInput(f"vectors are written to files that end with {', '.join(WRITERS)}, got {path}")
    if path.exists() and not replace:
        raise AlreadyThere(f"{path} is there already: give another --out, or --replace it")


def write_vectors(path: Path, embedded: Embedded) -> None:
    """Write by the file's ending: see `WRITERS`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    WRITERS[path.suffix](path, embedded)


def _write_npz(path: Path, embedded: Embedded) -> None:
    rows = embedded.rows
    with whole_file(path) as file:
        np.savez(
            file,
            vectors=embedded.vectors,
            images=np.array([row.image for row in rows], np.str_),
            regions=np.array([-1 if row.region is None else row.region for row in rows], np.int64),
            boxes_xyxy_px=_numbers([row.box_xyxy_px or (np.nan,) * 4 for row in rows]).reshape(-1, 4),
            labels=np.array([row.label or "" for row in rows], np.str_),
            scores_0_1=_numbers([np.nan if row.score_0_1 is None else row.score_0_1 for row in rows]),
            model=np.array(embedded.model),
            embedding=np.array(embedded.embedding),
        )


def _numbers(values: Sequence[object]) -> Floats:
    return np.array(values, np.float32)


def _write_parquet(path: Path, embedded: Embedded) -> None:
    size = embedded.vectors.shape[1]
    flat = pa.array(embedded.vectors.reshape(-1), pa.float32())
    rows = [asdict(row) for row in embedded.rows]
    schema = pa.schema(
        [
            ("image", pa.string()),
            ("region", pa.int64()),
            ("box_xyxy_px", pa.list_(pa.float32(), 4)),
            ("label", pa.string()),
            ("score_0_1", pa.float32()),
        ]
    )
    table = pa.Table.from_pylist(rows, schema=schema)
    table = table.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, size))
    table = table.replace_schema_metadata({"model": embedded.model, "embedding": embedded.embedding})
    with whole_file(path) as file:
        pq.write_table(table, file)


def _write_json(path: Path, embedded: Embedded) -> None:
    rows = [
        asdict(row) | {"vector": vector.tolist()} for row, vector in zip(embedded.rows, embedded.vectors, strict=True)
    ]
    write_json(path, {"model": embedded.model, "embedding": embedded.embedding, "rows": rows})


WRITERS: Mapping[str, Callable[[Path, Embedded], None]] = MappingProxyType(
    {".npz": _write_npz, ".parquet": _write_parquet, ".json": _write_json}
)
