"""Dataset versions in one file: the same bytes each time, and nothing believed of what arrives."""

import gzip
import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from teppr.datasets.document import SplitRecord, document_bytes
from teppr.datasets.pack import pack
from teppr.datasets.snapshot import Snapshot, dataset_names, find_snapshot
from teppr.datasets.tables import ANNOTATIONS, IMAGES, ImageRow, RegionRow, put_table
from teppr.datasets.unpack import unpack
from teppr.datasets.write import Content, write_snapshot
from teppr.errors import BadFile, BadInput, Corrupt, TepprError
from teppr.files import HALF_WRITTEN, sha256_of
from teppr.testing.datasets import small_snapshot
from teppr.testing.examples import examples
from teppr.testing.killing import run_killed
from teppr.types import Rect

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of five pictures in one file; only to be looked at."""
    folder = tmp_path_factory.mktemp("packed")
    return pack(small_snapshot(folder / "home", images=5, image_size_px=64), folder / "shapes.tar").path


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def members_of(archive: Path) -> Members:
    with tarfile.open(archive) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar.getmembers()]  # type: ignore[union-attr]


def write_tar(path: Path, members: Members) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            tar.addfile(member, io.BytesIO(data))
    return path


def plain(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def test_a_packed_dataset_is_the_same_elsewhere_without_its_images_and_its_home(home: Path, tmp_path: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    told = pack(snapshot, tmp_path / "shapes.tar")
    shutil.rmtree(home)

    arrived = unpack(told.path, tmp_path / "other")

    assert (told.images, told.size_bytes, told.sha256) == (5, told.path.stat().st_size, sha256_of(told.path))
    assert (arrived.reference, arrived.document.packed) == (snapshot.reference, True)
    assert arrived.path == tmp_path / "other" / "datasets" / "shapes" / snapshot.version
    assert arrived.verify() == []
    assert find_snapshot(tmp_path / "other", "shapes").version == snapshot.version
    assert not list(tmp_path.rglob(f"{HALF_WRITTEN}*"))


def test_the_same_version_is_the_same_file_wherever_its_images_lie(home: Path, tmp_path: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    first, again = (pack(snapshot, tmp_path / name) for name in ("first.tar", "again.tar"))
    unpack(first.path, tmp_path / "other")
    from_packed = pack(find_snapshot(tmp_path / "other", "shapes"), tmp_path / "third.tar")

    assert first.sha256 == again.sha256 == from_packed.sha256


def test_unpacking_gives_what_creating_packed_would_have(home: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.JPG"
    picture.write_bytes(b"a picture")
    row = ImageRow(
        path=str(picture), filename="a.JPG", sha256=sha256_of(picture), size_wh=(9, 9), split="train", regions=()
    )
    content = Content(name="one", problem="ods", labels=("door",), rows=[row], split=SplitRecord(method="files"))
    referenced = write_snapshot(home, content)
    created = write_snapshot(tmp_path / "other", content, pack=True)

    arrived = unpack(pack(referenced, tmp_path / "one.tar").path, tmp_path / "third")

    assert files_of(arrived.path) == files_of(created.path)


def test_an_image_that_is_there_twice_is_packed_once(home: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"a picture")
    row = ImageRow(
        path=str(picture), filename="a.jpg", sha256=sha256_of(picture), size_wh=(9, 9), split="train", regions=()
    )
    rows = [row, replace(row, filename="b.jpg")]
    content = Content(name="one", problem="ods", labels=("door",), rows=rows, split=SplitRecord(method="files"))

    told = pack(write_snapshot(home, content), tmp_path / "one.tar")

    assert told.images == 1
    assert unpack(told.path, tmp_path / "other").verify() == []


def test_nothing_in_the_file_says_who_made_it_or_when(packed: Path) -> None:
    members = [member for member, _ in members_of(packed)]

    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname, one.mode) for one in members} == {
        (0, 0, 0, "", "", 0o644)
    }
    assert [one.name.split("/", 2)[2] for one in members[:3]] == ["dataset.json", ANNOTATIONS, IMAGES]
    assert [one.name for one in members[3:]] == sorted(one.name for one in members[3:])


@pytest.mark.parametrize(("change", "error"), [(b"other", Corrupt), (None, BadFile)])
def test_an_image_that_is_changed_or_gone_is_not_packed(
    home: Path, tmp_path: Path, change: bytes | None, error: type[TepprError]
) -> None:
    snapshot = small_snapshot(home, images=5)
    image = snapshot.images("val")[0].path
    image.write_bytes(change) if change else image.unlink()
    target = tmp_path / "shapes.tar"
    target.write_bytes(b"an earlier one")

    with pytest.raises(error, match=image.name):
        pack(snapshot, target)

    assert target.read_bytes() == b"an earlier one"
    assert not list(tmp_path.glob(f"{HALF_WRITTEN}*"))


def test_a_changed_table_is_not_packed(home: Path, tmp_path: Path) -> None:
    snapshot = small_snapshot(home, images=5)
    with (snapshot.path / ANNOTATIONS).open("ab") as file:
        file.write(b"more")

    with pytest.raises(Corrupt, match=r"annotations\.parquet was changed since"):
        pack(snapshot, tmp_path / "shapes.tar")


def test_a_packed_file_is_called_what_it_is(home: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"name it \*\.tar, got .*shapes\.zip"):
        pack(small_snapshot(home, images=5), tmp_path / "shapes.zip")


def test_unpacking_over_a_version_whose_images_lie_elsewhere_packs_it(packed: Path, home: Path) -> None:
    there = small_snapshot(home, images=5, image_size_px=64)
    newer = small_snapshot(home, images=5, seed=1)
    assert not there.document.packed

    arrived = unpack(packed, home)

    assert (arrived.path, arrived.document.packed) == (there.path, True)
    assert arrived.verify() == []
    assert find_snapshot(home, "shapes").version == there.version != newer.version


def test_unpacking_again_changes_nothing(packed: Path, home: Path) -> None:
    before = {path: path.stat().st_ino for path in unpack(packed, home).path.rglob("*")}

    again = unpack(packed, home)

    assert {path: path.stat().st_ino for path in again.path.rglob("*")} == before


def first_of(members: Members) -> str:
    return members[0][0].name.removesuffix("dataset.json")


def traversal(members: Members) -> Members:
    return [*members[:3], plain(f"{first_of(members)}images/../../../../../evil", b"evil"), *members[4:]]


def absolute(members: Members) -> Members:
    return [*members[:3], plain("/tmp/evil", b"evil"), *members[3:]]  # noqa: S108 - must not be written


def link(members: Members) -> Members:
    member = tarfile.TarInfo(members[3][0].name)
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return [*members[:3], (member, b""), *members[4:]]


def hard_link(members: Members) -> Members:
    member = tarfile.TarInfo(members[3][0].name)
    member.type, member.linkname = tarfile.LNKTYPE, members[0][0].name
    return [*members[:3], (member, b""), *members[4:]]


def folder(members: Members) -> Members:
    member = tarfile.TarInfo(f"{first_of(members)}images")
    member.type = tarfile.DIRTYPE
    return [*members[:3], (member, b""), *members[3:]]


def sparse(members: Members) -> Members:
    member, data = members[3]
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(1 << 50)}
    return [*members[:3], (member, data), *members[4:]]


def one_more(members: Members) -> Members:
    return [*members, plain(f"{first_of(members)}notes.txt", b"notes")]


def one_less(members: Members) -> Members:
    return members[:-1]


def twice(members: Members) -> Members:
    return [*members[:4], members[3], *members[4:]]


def other_image(members: Members) -> Members:
    return [*members[:3], plain(members[3][0].name, b"evil"), *members[4:]]


def no_document(members: Members) -> Members:
    return members[1:]


def other_name(members: Members) -> Members:
    return [plain(f"../{member.name}", data) for member, data in members]


def other_version(members: Members) -> Members:
    return [plain(f"shapes/0/{member.name.split('/', 2)[2]}", data) for member, data in members]


def edited(members: Members) -> Members:
    member, data = members[0]
    return [plain(member.name, data.replace(b'"ods"', b'"rld"')), *members[1:]]


def empty(_: Members) -> Members:
    return []


WRONG: list[tuple[Callable[[Members], Members], str]] = [
    (traversal, r"expected shapes/.*, got 'shapes/.*evil'"),
    (absolute, "got '/?tmp/evil'"),
    (link, "is no plain file"),
    (hard_link, "is no plain file"),
    (folder, "is no plain file"),
    (sparse, "is no plain file|cannot be read"),
    (one_more, "expected its end, got .*notes"),
    (one_less, "got 'its end'"),
    (twice, "expected shapes/"),
    (other_image, "has sha256"),
    (no_document, r"must begin with <name>/<version>/dataset\.json, got .*annotations"),
    (other_name, "is of shapes@|must begin"),
    (other_version, "is of shapes@"),
    (edited, "was changed: its content makes version"),
    (empty, "must begin with"),
]


@pytest.mark.parametrize(("change", "says"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_as_it_was_packed_is_refused_whole(
    packed: Path, tmp_path: Path, change: Callable[[Members], Members], says: str
) -> None:
    archive = write_tar(tmp_path / "wrong.tar", change(members_of(packed)))
    before = set(tmp_path.rglob("*"))

    with pytest.raises(Corrupt, match=says):
        unpack(archive, tmp_path / "home")

    assert dataset_names(tmp_path / "home") == []
    left = {
        path.relative_to(tmp_path / "home").as_posix() for path in set(tmp_path.rglob("*")) - before if path.is_file()
    }
    assert left <= {"datasets/shapes/.lock"}


def test_images_that_a_table_wants_elsewhere_are_refused(home: Path, tmp_path: Path) -> None:
    """The version does not depend on where images lie, so that only this check stands between."""
    there = unpack(pack(small_snapshot(home, images=5), tmp_path / "shapes.tar").path, tmp_path / "other")
    table = there.images_table
    for place in ("../../evil", "/etc/passwd", f"images/{'0' * 64}.png", "images/x/../../evil"):
        paths = [place, *table["path"].to_pylist()[1:]]
        column = table.schema.get_field_index("path")
        sink = io.BytesIO()
        put_table(table.set_column(column, table.schema.field(column), pa.array(paths)), sink)
        archive = with_table(tmp_path / "shapes.tar", tmp_path / "evil.tar", there, IMAGES, sink.getvalue())

        with pytest.raises(Corrupt, match="has an image at"):
            unpack(archive, tmp_path / "third")
    assert dataset_names(tmp_path / "third") == []


def with_table(archive: Path, target: Path, snapshot: Snapshot, name: str, data: bytes) -> Path:
    """The archive with another table, whose hash its document states."""
    (target.parent / "table").write_bytes(data)
    entry = snapshot.document.tables[name].model_copy(update={"sha256": sha256_of(target.parent / "table")})
    document = snapshot.document.model_copy(update={"tables": {**snapshot.document.tables, name: entry}})
    members = members_of(archive)
    for i, (member, _) in enumerate(members):
        if member.name.endswith(name):
            members[i] = plain(member.name, data)
    return write_tar(target, [plain(members[0][0].name, document_bytes(document)), *members[1:]])


def test_a_table_with_more_rows_than_were_packed_is_not_read(home: Path, tmp_path: Path) -> None:
    there = unpack(pack(small_snapshot(home, images=5), tmp_path / "shapes.tar").path, tmp_path / "other")
    sink = io.BytesIO()
    pq.write_table(pa.table({"annotation_id": pa.nulls(50_000_000, pa.int64())}), sink)
    assert len(sink.getvalue()) < 1_000_000
    archive = with_table(tmp_path / "shapes.tar", tmp_path / "bomb.tar", there, ANNOTATIONS, sink.getvalue())

    with pytest.raises(Corrupt, match=r"annotations\.parquet says that it has 50000000 rows"):
        unpack(archive, tmp_path / "third")


def test_a_table_that_would_fill_the_memory_is_not_read(home: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"a picture")
    region = RegionRow(
        shape=Rect(1, 1, 2, 2), label="door", box_xywh_px=(1, 1, 2, 2), area_px=4, attributes={"a": "a" * 20_000_000}
    )
    row = ImageRow(
        path=str(picture), filename="a", sha256=sha256_of(picture), size_wh=(9, 9), split="train", regions=(region,)
    )
    content = Content(name="bomb", problem="ods", labels=("door",), rows=[row], split=SplitRecord(method="files"))
    archive = pack(write_snapshot(home, content), tmp_path / "bomb.tar").path

    with pytest.raises(Corrupt, match=r"annotations\.parquet says that it is \d+ bytes in memory"):
        unpack(archive, tmp_path / "other")


def test_a_compressed_tar_or_no_tar_is_refused(packed: Path, tmp_path: Path) -> None:
    (tmp_path / "packed.tar").write_bytes(gzip.compress(packed.read_bytes()))
    (tmp_path / "text.tar").write_text("no tar at all" * 100)

    for name in ("packed.tar", "text.tar"):
        with pytest.raises(BadFile, match=f"{name} as a dataset packed by teppr dataset pack: it is no uncompressed"):
            unpack(tmp_path / name, tmp_path / "home")
    with pytest.raises(BadFile, match=r"gone\.tar .*: No such file"):
        unpack(tmp_path / "gone.tar", tmp_path / "home")
    assert not (tmp_path / "home").exists()


@settings(deadline=None, max_examples=examples(0.6), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255) | st.none())
def test_a_damaged_file_is_refused_or_makes_no_difference(
    packed: Path, tmp_path: Path, where: float, flip: int | None
) -> None:
    """A byte that is changed, or all of them from there on missing."""
    whole = packed.read_bytes()
    position = int(where * len(whole))
    damaged = whole[:position] if flip is None else bytearray(whole)
    if isinstance(damaged, bytearray) and flip is not None:
        damaged[position] ^= flip
    (tmp_path / "damaged.tar").write_bytes(damaged)
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    try:
        arrived = unpack(tmp_path / "damaged.tar", tmp_path / "home")
    except (BadFile, Corrupt):
        assert dataset_names(tmp_path / "home") == []
        assert not (tmp_path / "home" / "datasets" / "shapes").exists()
    else:
        unpack(packed, tmp_path / "right")
        assert files_of(arrived.path) == files_of(find_snapshot(tmp_path / "right", "shapes").path)


UNPACKER = """
import sys
from pathlib import Path
from teppr.datasets.unpack import unpack
from teppr.testing.killing import die_at

archive, home, moment, count = sys.argv[1:]
die_at(moment, int(count), about="datasets")
unpack(Path(archive), Path(home))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("moment", "count"), [("open", 1), ("open", 4), ("open", 9), ("os.rename", 1)])
def test_a_killed_unpacking_leaves_nothing_that_is_believed(packed: Path, home: Path, moment: str, count: int) -> None:
    run_killed(UNPACKER, packed, home, moment, count)

    assert dataset_names(home) == []
    assert unpack(packed, home).verify() == []
    assert not list(home.rglob(f"{HALF_WRITTEN}*"))
