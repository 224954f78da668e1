"""`teppr embed`: feature vectors of images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from teppr.cli.session import Json, Session, note, print_json, progress


def embed(
    ctx: typer.Context,
    inputs: Annotated[list[str], typer.Argument(help="Image files, folders, patterns, or a .txt list of paths.")],
    model: Annotated[str, typer.Option("--model", "-m", help="Release key, alias or bundle folder.")],
    out: Annotated[Path, typer.Option(help="File for the vectors: .npz, .parquet or .json.")] = Path("vectors.npz"),
    regions: Annotated[
        bool, typer.Option("--regions", help="Also of each region that the model finds: of its box, cut out.")
    ] = False,
    score_threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Leave out regions that score lower; default: the model's own.")
    ] = None,
    output: Annotated[
        str, typer.Option(help="A tensor of the network to take for the vector, where its card names none.")
    ] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Describe images by feature vectors, so that those that look alike are found: their cosine is near 1.

    Vectors are float32 and of length 1. A release says in its card which output of its network they are; of one that
    was imported without, any tensor is taken by --output. With --json: {"model", "embedding", "size", "vectors",
    "images", "refused": [{"file", "reason", "message"}], "file"}.

    Exit codes: 0 all images have vectors, 1 some were refused, 2 none could be read.

    \b
    Examples:
      teppr embed photos/ --model acme-ods-8 --out photos.npz
      teppr embed 'photos/*.jpg' --model acme-ods@production --regions --out regions.parquet
      teppr embed photo.jpg --model acme-ods-9 --output /layer4/relu/Relu_output_0 --out photo.json
    """  # noqa: D301 - the \b is for the help's layout
    from dataclasses import asdict

    from teppr.workflow.embed import check_place, embed_files, embedder, write_vectors
    from teppr.workflow.inputs import find_pictures

    session: Session = ctx.obj
    settings = session.settings
    check_place(out, replace=replace)
    pictures = find_pictures(inputs, with_videos=False)
    threads = max(1, settings.thread_count)
    with embedder(settings.home, model, output=output, threads=threads) as runtime, progress("embedding") as bar:
        bar.expect(len(pictures))
        done = embed_files(
            runtime,
            pictures,
            with_regions=regions,
            score_threshold_0_1=score_threshold,
            max_pixels=settings.max_image_pixels,
            progress=bar,
        )
    if done.rows:
        write_vectors(out, done)
    count = sum(row.region is None for row in done.rows)
    if as_json:
        facts = {"model": done.model, "embedding": done.embedding, "size": done.vectors.shape[1]}
        counts = {"vectors": len(done.rows), "images": count, "refused": [asdict(item) for item in done.refused]}
        print_json(facts | counts | {"file": str(out) if done.rows else None})
    else:
        for refused in done.refused:
            note(f"refused: {refused.message}")
        if done.rows:
            of_regions = f", {len(done.rows) - count} of regions" if regions else ""
            size = done.vectors.shape[1]
            typer.echo(f"{count} vectors of images{of_regions}, {size} numbers each, by {done.model}")
            typer.echo(out)
    if done.exit_code:
        raise typer.Exit(done.exit_code)
