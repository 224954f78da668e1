"""A row says all that was found: what is kept and read again is the same row."""

from dataclasses import replace

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from teppr.geometry import mask_of_bitmap
from teppr.types import Detections, LabelInfo, Polyline
from teppr.videos import Frame
from teppr.workflow.prediction_rows import about_frame, detections_of, name_of, row_of

LABELS = (LabelInfo(name="stop", color="#ff0000"), LabelInfo(name="go", color="#00ff00"))
WIDTH, HEIGHT = 20, 10
shares = st.floats(0, 1, width=32)


@st.composite
def found(draw: st.DrawFn) -> Detections:
    n = draw(st.integers(0, 4))
    xs = draw(st.lists(shares, min_size=4 * n, max_size=4 * n))
    boxes = (np.array(xs, np.float32).reshape(n, 4) * 9).astype(np.float32)
    scores = np.sort(np.array(draw(st.lists(shares, min_size=n, max_size=n)), np.float32))[::-1]
    detections = Detections(
        size_wh=(WIDTH, HEIGHT),
        boxes_xyxy_px=boxes,
        scores_0_1=scores,
        label_ids=np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.int64),
    )
    match draw(st.sampled_from(["boxes", "masks", "lines"])):
        case "masks":
            bitmaps = [np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) % (i + 2) == 0 for i in range(n)]
            return replace(detections, masks=tuple(mask_of_bitmap(bitmap) for bitmap in bitmaps))
        case "lines":
            return replace(detections, lines=tuple(Polyline(((x, 0.5), (x + 1, 9))) for x in xs[:n]))
    return detections


@given(detections=found(), number=st.none() | st.integers(0, 10**6))
def test_what_is_read_again_is_the_same_row(detections: Detections, number: int | None) -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    frame = None if number is None else Frame(number=number, time_s=1.5, pixels=pixels, rotation_deg=0, is_damaged=True)
    row = row_of("road.mp4", -1, detections, LABELS, frame)
    again = orjson.loads(orjson.dumps(row))
    assert row_of("road.mp4", -1, detections_of(again), LABELS, frame) == row == again
    np.testing.assert_allclose(detections_of(again).boxes_xyxy_px, detections.boxes_xyxy_px, atol=0.006)
    assert name_of(row) == ("road.mp4" if number is None else f"road.mp4_{number:06d}.jpg")
    assert about_frame(row) == ({} if number is None else {"video": "road.mp4", "frame": number, "time_s": 1.5})
