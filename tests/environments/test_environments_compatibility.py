"""What cannot go together is said before anything is installed."""

import pytest
from packaging.version import Version

from teppr.environments.compatibility import Impossible, Machine, Release, judge, releases, sources
from teppr.errors import BadInput

TORCH = ("torch>=2.9", "torchvision>=0.24")


@pytest.mark.parametrize("release", releases(), ids=lambda release: f"{release.package} {release.version}")
def test_every_row_says_where_it_comes_from(release: Release) -> None:
    assert sources()[release.source].startswith("https://")
    if release.python:
        oldest, newest = map(Version, release.python)
        assert oldest <= newest
    known = {(one.package, one.version) for one in releases()}
    assert set(release.needs.items()) <= known
    assert all(Version(version) for version in (release.version, *release.cuda, *release.cudnn))


def test_the_newest_releases_that_go_together_are_told() -> None:
    judgement = judge((*TORCH, "onnx>=1.17"), Machine(python="3.11.7", cuda="12.4", cudnn="9.1"))

    assert {name: row.version for name, row in judgement.releases.items()} == {"torch": "2.14", "torchvision": "0.29"}
    assert judgement.unjudged == ("onnx",)


@pytest.mark.parametrize(
    ("requirements", "machine", "sentence"),
    [
        (TORCH, {"cuda": "11.8"}, r"torch>=2.9 is for CUDA 12.6 .* and CUDA is 11.8; the newest .* is torch 2.7"),
        (("torch<2.4",), {"cudnn": "9.1"}, r"torch<2.4 is for cuDNN 8, and cuDNN is 9.1; .* torch 2.14 \(https"),
        (("numpy<2",), {"python": "3.13.0"}, r"numpy<2 is for Python 3.9 to 3.12, and Python is 3.13.0"),
        (("torch==2.13.*", "torchvision==0.29.*"), {}, r"no releases of .* go together .* 0.29 is for torch 2.14"),
        (("torch==2.8.*",), {"tensorrt": "10.0", "cuda": "12.4", "cudnn": "9"}, r"tensorrt==10.0.\* is for cuDNN 8"),
        (("torch==2.8.*", "onnxruntime-gpu==1.16.*"), {"tensorrt": "10.6"}, "no releases of .* go together"),
    ],
    ids=["CUDA", "cuDNN", "Python", "torchvision of another torch", "TensorRT's cuDNN", "CUDA of two"],
)
def test_what_is_impossible_is_refused_in_a_sentence(
    requirements: tuple[str, ...], machine: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Impossible, match=sentence):
        judge(requirements, Machine(**({"python": "3.11.7"} | machine)))


def test_a_lock_is_judged_too() -> None:
    lock = "# made by pip freeze\nnumpy==1.26.4\ntorch==2.3.1\n"
    assert judge(("torch>=2",), Machine(python="3.11"), lock).releases["torch"].version == "2.3"
    with pytest.raises(Impossible, match=r"numpy==1.26.4 is for Python 3.9 to 3.12, and Python is 3.13"):
        judge(("numpy",), Machine(python="3.13"), "numpy==1.26.4")


def test_releases_that_the_table_does_not_know_are_not_judged() -> None:
    judgement = judge(("torch>=99", "somethingelse"), Machine(python="3.11", cuda="11.8"))
    assert judgement.unjudged == ("torch", "somethingelse")


def test_a_version_must_be_one() -> None:
    with pytest.raises(BadInput, match=r"cuda must be a version such as 12\.4, got 'newest'"):
        Machine(python="3.11", cuda="newest")
