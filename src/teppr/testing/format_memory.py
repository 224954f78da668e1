"""How much memory a format may take, however many images there are: what authors of a format inherit as well. It takes
seconds a format.
"""

import tracemalloc
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from teppr.formats import Format, ReadOptions
from teppr.testing.formats import place_in, street
from teppr.types import ImageRecord

MOST_BYTES_KEPT = 100
"""What reading may keep of an entry or a region: where it stands, its ids, its name."""
MOST_BYTES_BUFFERED = 1 << 16
"""By how much writing ten times as many images may take more: buffers that a short document does not fill."""
_TRIALS = 2
"""The lesser peak counts: what the interpreter keeps for good (its table of names) may double in any one of them."""


class FormatMemoryContract:
    """Every format passes these; subclass and supply the fixture `plugin`, of module or wider scope."""

    def test_memory_does_not_grow_with_the_number_of_images_written(self, plugin: Format, tmp_path: Path) -> None:
        few, many = (_peak_of_writing(plugin, images, tmp_path) for images in (200, 2000))
        assert many - few < MOST_BYTES_BUFFERED, f"bytes held to write 200 images, and 2000: {few}, {many}"

    def test_memory_hardly_grows_with_the_number_of_images_read(self, plugin: Format, tmp_path: Path) -> None:
        few, many, regions = 100, 300, 20
        peaks = [_peak_of_reading(plugin, street(plugin, images, regions), tmp_path) for images in (few, many)]
        growth = (peaks[1] - peaks[0]) / ((many - few) * (1 + regions))
        assert growth < MOST_BYTES_KEPT, f"bytes kept of each entry and region read: {growth}"


def _peak_of_writing(plugin: Format, images: int, folder: Path) -> int:
    places = (place_in(Path(mkdtemp(dir=folder)), plugin) for _ in range(_TRIALS))
    return min(_peak(partial(plugin.write, street(plugin, images, 1), place)) for place in places)


def _peak_of_reading(plugin: Format, records: Iterable[ImageRecord], folder: Path) -> int:
    path = place_in(Path(mkdtemp(dir=folder)), plugin)
    plugin.write(records, path)
    return min(_peak(lambda: sum(1 for _ in plugin.read(path, ReadOptions()).records)) for _ in range(_TRIALS))


def _peak(work: Callable[[], object]) -> int:
    """Most bytes in use while something is done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
