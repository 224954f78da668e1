"""The room as a whole: what it exports, and how light it is."""

import subprocess
import sys

import pytest

import teppr.client

HEAVY = {"numpy", "cv2", "PIL", "fastapi", "pydantic", "onnxruntime", "torch"}
OWN = {"teppr", "teppr.client", "teppr.errors", "teppr.files"}


def imported_by(script: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(shown.stdout.split())


def test_it_imports_nothing_heavy_and_no_room() -> None:
    imported = imported_by("import teppr.client")
    assert "httpx" in imported
    assert imported & HEAVY == set()
    ours = {name for name in imported if name.partition(".")[0] == "teppr"}
    assert {name for name in ours if not name.startswith("teppr.client.")} == OWN


def test_a_file_is_sent_without_anything_that_decodes_it() -> None:
    assert imported_by("from teppr.client.picture import picture_of; picture_of(b'image')") & HEAVY == set()


@pytest.mark.parametrize("name", teppr.client.__all__)
def test_what_is_promised_is_there(name: str) -> None:
    assert hasattr(teppr.client, name)
