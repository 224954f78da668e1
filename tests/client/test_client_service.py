"""The client and `teppr serve`, each a process of its own; and the page that says how."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import orjson
import pytest
from PIL import Image

from teppr.client import AsyncClient, Client, Region
from teppr.errors import ServiceDeclined
from teppr.formats.contract import ReadOptions
from teppr.formats.via import PLUGIN as VIA
from teppr.testing.bundles import COLORS, colored_picture, small_bundle
from teppr.testing.scripted_service import Asked, ScriptedService, document, wire
from teppr.types import ImageRecord

Ask = Callable[..., Any]

PAGE = (Path(__file__).parents[2] / "docs" / "client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
NEEDS_A_QUEUE = "submit("
SHOWN_URL = "http://127.0.0.1:4040"
PIXELS = colored_picture({"stop": (20, 30, 80, 60), "go": (150, 100, 60, 90)})


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`teppr serve` with the small model."""
    bundle = small_bundle(tmp_path_factory.mktemp("bundles") / "one", "acme-ods-1")
    command = [sys.executable, "-m", "teppr", "serve", "--port", "0", "--json", "--model", str(bundle.path)]
    own = {name: value for name, value in os.environ.items() if not name.startswith("TEPPR_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=own) as process:
        try:
            assert process.stdout is not None
            yield orjson.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("given", [PIXELS, Image.fromarray(PIXELS)], ids=["array", "pillow"])
def test_what_is_in_an_image_is_found(ask: Ask, url: str, given: Any) -> None:  # noqa: ANN401 - an image
    answer = ask("predict", given, urls=url, shapes="box", score_threshold=0.4, model="acme-ods-1", filename="p.png")
    assert (answer.model, answer.architecture, answer.filename) == ("acme-ods-1", "color_finder", "p.png")
    assert answer.size_wh == (320, 240)
    assert {"decode", "predict", "total"} <= answer.timings_s.keys()
    found = {region.label: region for region in answer.regions}
    assert found.keys() == {"stop", "go"}
    assert found["stop"].color == COLORS["stop"]
    assert found["stop"].box_xywh_px == pytest.approx((20, 30, 80, 60), abs=2)


@pytest.mark.slow
def test_outlines_are_polygons(ask: Ask, url: str) -> None:
    regions: tuple[Region, ...] = ask("predict", PIXELS, urls=url, shapes="polygon").regions
    assert {region.shape for region in regions} == {"polygon"}
    assert all(len(region.polygon_xy_px or ()) >= 4 for region in regions)


@pytest.mark.slow
def test_an_answer_goes_back_as_annotation(url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        client.predict(PIXELS, filename="p.png").save_via(tmp_path / "via.json")
    (record,) = VIA.read(tmp_path / "via.json", ReadOptions()).records
    assert isinstance(record, ImageRecord)
    assert (record.filename, record.size_wh, len(record.regions)) == ("p.png", (320, 240), 2)


@pytest.mark.slow
def test_models_and_readiness_are_told(ask: Ask, url: str) -> None:
    (model,) = ask("models", urls=url)
    assert (model.key, model.task, model.labels, model.default) == ("acme-ods-1", "segment", tuple(COLORS), True)
    assert ask("ready", urls=url) is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "how", "status", "word"),
    [
        (b"", {}, 400, "empty"),
        (b"text", {}, 400, "not-an-image"),
        (PIXELS, {"model": "acme-ods-9"}, 404, "unknown-model"),
        (PIXELS, {"score_threshold": 2}, 422, "invalid"),
    ],
    ids=["empty", "text", "unknown", "threshold"],
)
def test_a_refusal_says_why(ask: Ask, url: str, given: Any, how: Any, status: int, word: str) -> None:  # noqa: ANN401 - an image, and what is said of it
    with pytest.raises(ServiceDeclined) as raised:
        ask("predict", given, urls=url, **how)
    assert (raised.value.status, raised.value.word) == (status, word)
    assert raised.value.detail in str(raised.value)


@pytest.mark.slow
def test_many_images_have_each_their_own_answer(many: Ask, url: str) -> None:
    xs = range(10, 74, 2)
    answers = many(url, (colored_picture({"stop": (x, 40, 60, 50)}) for x in xs), shapes="box")
    assert [answer.regions[0].box_xywh_px[0] for answer in answers] == list(xs)


@pytest.mark.slow
def test_many_tasks_share_a_client(url: str) -> None:
    async def run() -> None:
        async with AsyncClient(url) as client:
            answers = await asyncio.gather(*[client.predict(PIXELS) for _ in range(120)])
            assert len({answer.request_id for answer in answers}) == 120

    asyncio.run(run())


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the page, in the working folder."""
    for name in ("photo.jpg", "other.jpg"):
        Image.fromarray(PIXELS).save(tmp_path / name, quality=95)
    (tmp_path / "notes.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_block(block: str, url: str) -> None:
    assert SHOWN_URL in block
    exec(compile(block.replace(SHOWN_URL, url), "docs/client.md", "exec"), {"__name__": "page"})  # noqa: S102 - ours


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in BLOCKS if NEEDS_A_QUEUE not in block])
def test_the_page_does_what_it_says(block: str, url: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # A service without a queue has no priorities.
    run_block(block.replace(', priority="bulk"', ""), url)
    assert "photo.jpg" in (shown := capsys.readouterr().out) or "stop" in shown or "[2, 2, 2, 2]" in shown
    assert (photos / "photo.jpg").exists()


def later(connection: Any, asked: Asked) -> None:  # noqa: ANN401 - a socket
    """A service with a queue: jobs are done when they are asked for, batches at once."""
    if asked.target.endswith("/predictq/job-1"):
        connection.sendall(wire(200, document("photo.jpg")))
    elif "/predictq" in asked.target:
        connection.sendall(wire(202, {"id": "job-1", "status": "queued", "url": "/api/vision/v2/predictq/job-1"}))
    else:
        result = {name: document(name)["result"][name] for name in ("photo.jpg", "other.jpg")}
        connection.sendall(wire(200, {**document(), "result": result}))


@pytest.mark.usefixtures("photos")
def test_what_the_page_says_of_later_is_so(service: ScriptedService, capsys: pytest.CaptureFixture[str]) -> None:
    service.then = repeat(later)
    (block,) = [block for block in BLOCKS if NEEDS_A_QUEUE in block]
    run_block(block, service.url)
    assert capsys.readouterr().out == "()\n"
    assert len(service.asked) == 3


def test_the_page_names_every_word() -> None:
    from teppr.client.call import PATHS, How

    assert [word for word in [*How.__annotations__, *PATHS] if f"`{word}`" not in PAGE] == []
