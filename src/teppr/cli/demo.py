"""`teppr demo`: the whole line once, by the very commands that people type."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from teppr.cli import main
from teppr.cli.session import Json, note, print_json
from teppr.errors import AlreadyThere, BadInput, Refused, TepprError

if TYPE_CHECKING:
    from teppr.images import Pixels
    from teppr.workflow.model import Predictor

KEY = "demo-ods-1"
MADE_BY_DEMO = ".made-by-teppr-demo"
EXPERIMENT = """\
name: demo
creator: demo
dataset: demo
architecture: mask_rcnn
train:
  from: imagenet
  image_size_px: 320
  batch_size: 4
  stages:
    - {{epochs: {heads_epochs}, layers: heads, learning_rate: 1.0e-3}}
    - {{epochs: {all_epochs}, layers: all, learning_rate: 1.0e-3}}
  augment: [flip_horizontal, color_jitter]
  time_limit_minutes: {minutes}
  seed: 7
evaluate: {{on: [val, test]}}
publish:
  key: {key}
  accept: {accept}
report: {{formats: [html, csv, json]}}
"""


class DemoFailed(TepprError):
    """A step of the demo did not end as it must; its own message stands above."""


class DemoRefused(Refused):
    """A step of the demo was refused by a rule, such as criteria that are not met; its own message stands above."""


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for all that the demo makes; an earlier demo's is replaced.")
    ] = Path("demo"),
    data: Annotated[
        Path | None, typer.Option(help="A folder of your own annotation files (VIA or COCO) and images.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Longest time to train, in minutes.")] = 15,
    as_json: Json = False,
) -> None:
    r"""Run the whole line once, from annotation files to a prediction.

    Every step is a command of its own, shown as you would type it.

    \b
    Examples:
      teppr demo
      teppr demo --data my_annotations/ --minutes 15
    """
    if data is not None and not data.is_dir():
        raise BadInput(f"--data must be a folder of annotation files and images, got {data}")
    _make_room(out)
    walk = _Walk(out)
    walk.annotations(data)
    walk.dataset()
    walk.experiment(minutes, strict=data is None)
    found = walk.prediction(data)
    results = {
        "release": KEY,
        "regions": found,
        "prediction": str(out / "prediction.json"),
        "picture": str(out / "prediction.png"),
        "report": str(out / "report.html"),
        "findings": str(out / "findings"),
        "home": str(out / "home"),
    }
    if as_json:
        print_json(results)
    else:
        typer.echo("\n" + "\n".join(f"{name:>11}: {value}" for name, value in results.items()))


def _make_room(out: Path) -> None:
    if out.exists():
        if any(out.iterdir()) and not (out / MADE_BY_DEMO).exists():
            raise AlreadyThere(f"{out} holds other things than a demo's; choose another folder: teppr demo --out DIR")
        if (out / MADE_BY_DEMO).exists():
            made = datetime.fromtimestamp((out / MADE_BY_DEMO).stat().st_mtime).astimezone()
            note(f"replacing the demo of {made:%Y-%m-%d %H:%M} in {out}/")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / MADE_BY_DEMO).touch()


def best_of(model: Predictor, pixels: Pixels) -> str:
    """The detection that came nearest to the model's threshold, in words."""
    wanted = f"nothing scored {model.score_threshold_0_1:g}"
    found = model.predict(pixels)
    if not len(found):
        return f"{wanted}; nothing was found at all"
    best = int(found.scores_0_1.argmax())
    return f"{wanted}; the best was {model.labels[int(found.label_ids[best])].name} at {found.scores_0_1[best]:.2f}"


class _Walk:
    """The way through the house; each step runs commands against one home."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.home = out / "home"

    def annotations(self, data: Path | None) -> None:
        """Ingest the files; generated ones must show all their planted faults, and nothing else."""
        source = data or self.out / "street" / "ods_job_150126" / "annotations"
        if data is None:
            self._run("sample", "street", str(self.out / "street"))
        self._run("annotations", "ingest", str(source), "--problem", "ods", may_end_with=(0, 1))
        self._run("annotations", "findings", "--html", str(self.out / "findings"), may_end_with=(0, 1))
        if data is None:
            self._compare_with_planted()

    def _compare_with_planted(self) -> None:
        from teppr.files import read_json

        expected: Any = read_json(self.out / "street" / "EXPECTED.json")
        found = self._findings_by_rule()
        if found != expected["findings"]:
            raise DemoFailed(f"the findings must be the planted faults {expected['findings']}, got {found}")
        typer.echo(f"all {sum(found.values())} planted faults were found, and no others")

    def _findings_by_rule(self) -> dict[str, int]:
        from collections import Counter

        from teppr.store.contract import FindingQuery
        from teppr.store.open import open_store

        with open_store(f"sqlite:///{self.home / 'store.db'}") as store:
            return dict(sorted(Counter(finding.rule for finding in store.findings(FindingQuery())).items()))

    def dataset(self) -> None:
        """Split the accepted annotations, every label in every split."""
        self._run("dataset", "create", "demo", "--problem", "ods", "--split", "70/15/15", "--seed", "7")

    def experiment(self, minutes: float, *, strict: bool) -> None:
        """Train, evaluate, publish and report; generated data must reach a criterion."""
        from teppr.files import whole_file

        file = self.out / "experiment.yml"
        text = EXPERIMENT.format(
            key=KEY,
            minutes=minutes,
            heads_epochs=1,
            all_epochs=5 if strict else 60,
            accept='{test/map_50: ">= 0.60"}' if strict else "{}",
        )
        with whole_file(file) as handle:
            handle.write(text.encode())
        report = str(self.out / "report.html")
        for stage in ("train", "evaluate"):
            self._run(stage, str(file))
        # A run that is no release has a report as well; a release's says more, and takes its place.
        self._run("report", str(file), "--out", report)
        self._run("publish", str(file))
        self._run("report", KEY, "--out", report)

    def prediction(self, data: Path | None) -> int:
        """Serve the release in a process of its own and send it a picture; returns the number of regions found."""
        import httpx

        from teppr.files import whole_file

        picture = self._picture_to_send(data)
        with self._served() as url:
            request = f"{url}/api/vision/v2/predict"
            typer.echo(f"$ curl -F image=@{picture} {request}")
            with picture.open("rb") as image:
                answer = httpx.post(request, files={"image": (picture.name, image)}, timeout=60)
        if answer.status_code != httpx.codes.OK:
            raise DemoFailed(f"the service answered {answer.status_code}: {answer.text}")
        with whole_file(self.out / "prediction.json") as file:
            file.write(answer.content)
        return self._draw(picture, answer.json())

    def _picture_to_send(self, data: Path | None) -> Path:
        from teppr import images

        if data is None:
            return self.out / "street" / "ods_job_150126" / "samples" / "sample_00.jpg"
        found = images.find(data)
        if not found:
            raise BadInput(f"there is no image in {data}")
        return found[0]

    @contextmanager
    def _served(self) -> Iterator[str]:
        import orjson

        words = [sys.executable, "-m", "teppr", *self._home, "serve", "--model", KEY, "--port", "0"]
        typer.echo(f"$ {self._typed('serve', '--model', KEY)}")
        with subprocess.Popen([*words, "--json"], stdout=subprocess.PIPE) as server:  # noqa: S603 - our own command
            try:
                line = server.stdout.readline() if server.stdout else b""
                if not line:
                    raise DemoFailed(f"the service did not start; it ended with exit code {server.wait()}")
                yield orjson.loads(line)["url"]
            finally:
                server.terminate()

    def _draw(self, picture: Path, answer: dict[str, Any]) -> int:
        """Draw the answer as the service gave it, regions as VIA has them."""
        from teppr import images
        from teppr.drawing import Drawn, draw
        from teppr.files import whole_file
        from teppr.formats import FORMATS, ReadOptions
        from teppr.types import ImageRecord, Region

        pixels, _ = images.read(picture)
        records = FORMATS.load("via").read(self.out / "prediction.json", ReadOptions(label_attribute="label")).records
        regions = [
            region
            for record in records
            if isinstance(record, ImageRecord)
            for region in record.regions
            if isinstance(region, Region)
        ]
        drawn = [
            Drawn(shape=region.shape, caption=f"{region.label} {found['score']:.2f}", color=str(found["color"]))
            for region in regions
            for found in [region.attributes]
        ]
        with whole_file(self.out / "prediction.png") as file:
            file.write(images.encode_png(draw(pixels, drawn)))
        timings = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in answer["timings"].items())
        said = f"{len(regions)} regions: {', '.join(item.caption for item in drawn)}" if drawn else self._best(pixels)
        typer.echo(f"{said}\n({timings})")
        return len(regions)

    def _best(self, pixels: Pixels) -> str:
        """What to say where nothing scored enough to be an answer."""
        from teppr.workflow.model import open_model

        return best_of(open_model(self.home, KEY), pixels)

    @property
    def _home(self) -> list[str]:
        return ["--home", str(self.home)]

    def _typed(self, *words: str) -> str:
        return " ".join(["teppr", *self._home, *words])

    def _run(self, *words: str, may_end_with: tuple[int, ...] = (0,)) -> None:
        typer.echo(f"\n$ {self._typed(*words)}")
        code = main.run([*self._home, *words])
        if code not in may_end_with:
            kind = DemoRefused if code == DemoRefused.exit_code else DemoFailed
            raise kind(f"{self._typed(*words)!r} ended with exit code {code}{self._so_far()}")

    def _so_far(self) -> str:
        """What there is to look at all the same."""
        places = {"findings": self.out / "findings" / "index.html", "report so far": self.out / "report.html"}
        return "".join(f"; {name}: {path}" for name, path in places.items() if path.exists())
