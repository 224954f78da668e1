"""Rows that are kept are there after any death; a torn one is not."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teppr.workflow.kept import Kept

ROWS = st.lists(
    st.builds(lambda number, note: {"file": "a", "frame": number, "note": note}, st.integers(0, 9), st.text()),
    max_size=6,
    unique_by=lambda row: str(row["frame"]),
)


@given(rows=ROWS, cut=st.integers(0, 60), garbage=st.binary(max_size=5))
def test_whatever_was_torn_is_dropped_and_whole_rows_stay(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]], cut: int, garbage: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "rows.jsonl"
    path.unlink(missing_ok=True)
    with Kept(path, ("file", "frame")) as kept:
        for row in rows:
            kept.add(row)
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    whole = path.read_bytes().count(b"\n")
    with path.open("ab") as file:
        file.write(garbage.replace(b"\n", b""))

    with Kept(path, ("file", "frame")) as kept:
        assert list(kept) == rows[: len(kept)]
        assert len(kept) == whole
        kept.add({"file": "b", "frame": 1})
        assert kept.get(("b", 1)) == {"file": "b", "frame": 1}
        assert ("b", 2) not in kept
    assert all(isinstance(orjson.loads(line), dict) for line in path.read_bytes().splitlines())
