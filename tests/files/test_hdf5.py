"""HDF5 files that refer to other files, lack filters, are locked, damaged or only declared."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import ExternalLink, SoftLink, VirtualLayout, VirtualSource

from mmae.errors import InputError
from mmae.files.read import open_hdf5

NUMBERS = np.arange(10)
BLOSC = 32001


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of numbers; such a file outside; the current folder is another."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home / "below", elsewhere, tmp_path / "here"):
        folder.mkdir(parents=True)
    for path in (home / "beside.h5", home / "below/deep.h5", elsewhere / "other.h5"):
        with h5py.File(path, "w") as file:
            file["a"] = NUMBERS
            file.create_dataset("grows", data=NUMBERS, maxshape=(None,), chunks=(5,))
            file["group/a"] = NUMBERS
    (elsewhere / "secret.txt").write_bytes(b"0123456789" * 8)
    monkeypatch.chdir(tmp_path / "here")
    return home


def write(path: Path, name: str, value: object) -> Path:
    """A file with one dataset or link."""
    with h5py.File(path, "a", libver="latest") as file:
        file[name] = value
    return path


def virtual(file: h5py.File, name: str, source: str, end: str = "a", n: int = 10) -> None:
    """A virtual dataset of `n` rows that shows all of a source."""
    layout = VirtualLayout((n,), "i8")
    layout[:] = VirtualSource(source, end, (n,))
    file.create_virtual_dataset(name, layout)


def write_virtual(path: Path, *words: object, **options: object) -> Path:
    with h5py.File(path, "a", libver="latest") as file:
        virtual(file, "a", *words, **options)
    return path


def raw(path: Path, data: Path | str, n: int = 10) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (n,), "i8", external=[(str(data), 0, h5py.h5f.UNLIMITED)])
    return path


def read(path: Path, name: str = "a", **options: bool) -> list[int]:
    with open_hdf5(path, **options) as file:
        assert name in file
        return file[name][:].tolist()


# --- what may be read -----------------------------------------------------------------------------


def nested(home: Path) -> Path:
    write_virtual(home / "inner.h5", "below/deep.h5")
    return write_virtual(home / "own.h5", "inner.h5")


def of_itself(home: Path) -> Path:
    write(home / "own.h5", "b", NUMBERS)
    return write_virtual(home / "own.h5", ".", "b")


def growing(home: Path) -> Path:
    whole = h5py.h5s.UNLIMITED
    layout = VirtualLayout((10,), "i8", maxshape=(None,))
    layout[0:whole] = VirtualSource("beside.h5", "grows", (10,), maxshape=(None,))[0:whole]
    with h5py.File(home / "own.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("a", layout)
    return home / "own.h5"


def reached_by_a_link(home: Path) -> Path:
    path = write_virtual(home / "own.h5", "beside.h5")
    (home.parent / "elsewhere/link.h5").symlink_to(path)
    return home.parent / "elsewhere/link.h5"


def moved(home: Path) -> Path:
    """Whoever moves a folder moves its files; HDF5 looks for them beside each other."""
    return write_virtual(home / "own.h5", "/gone/beside.h5")


def percent(home: Path) -> Path:
    (home / "beside.h5").rename(home / "100%b.h5")
    return write_virtual(home / "own.h5", "100%%b.h5")


def raw_beside(home: Path) -> Path:
    NUMBERS.tofile(home / "a.raw")
    return raw(home / "own.h5", home / "a.raw")


def two_links(home: Path) -> Path:
    write(home / "own.h5", "group", ExternalLink("beside.h5", "/group"))
    return write(home / "own.h5", "a", SoftLink("/group/a"))


GOOD: dict[str, Callable[[Path], Path]] = {
    "soft link": lambda home: write(write(home / "own.h5", "b", NUMBERS), "a", SoftLink("/b")),
    "external link": lambda home: write(home / "own.h5", "a", ExternalLink("beside.h5", "/a")),
    "external link below": lambda home: write(
        home / "own.h5", "a", ExternalLink("below/deep.h5", "a")
    ),
    "external link to a group, and a soft link into it": two_links,
    "virtual": lambda home: write_virtual(home / "own.h5", "beside.h5"),
    "virtual, by its absolute path": lambda home: write_virtual(
        home / "own.h5", str(home / "beside.h5")
    ),
    "virtual of a virtual one": nested,
    "virtual of the same file": of_itself,
    "virtual that grows": growing,
    "virtual, reached by a link": reached_by_a_link,
    "virtual, moved": moved,
    "virtual of a name with a percent sign": percent,
    "raw data beside it": raw_beside,
}


@pytest.mark.parametrize("case", GOOD)
def test_files_of_the_same_folder_are_found_as_hdf5_finds_them(home, case):
    assert read(GOOD[case](home)) == NUMBERS.tolist()


# --- what may not ---------------------------------------------------------------------------------


def link_on_disk(home: Path) -> Path:
    (home / "link.h5").symlink_to("../elsewhere/other.h5")
    return write(home / "own.h5", "a", ExternalLink("link.h5", "a"))


def chain(home: Path) -> Path:
    write(home / "hop.h5", "a", ExternalLink("../elsewhere/other.h5", "a"))
    return write(home / "own.h5", "a", ExternalLink("hop.h5", "a"))


def hidden_virtual(home: Path) -> Path:
    write_virtual(home / "hop.h5", "../elsewhere/other.h5")
    return write(home / "own.h5", "a", ExternalLink("hop.h5", "a"))


def nested_elsewhere(home: Path) -> Path:
    write_virtual(home / "inner.h5", "../elsewhere/other.h5")
    return write_virtual(home / "own.h5", "inner.h5")


def raw_link(home: Path) -> Path:
    (home / "data.txt").symlink_to("../elsewhere/secret.txt")
    return raw(home / "own.h5", home / "data.txt")


def here(home: Path) -> Path:
    """HDF5 also looks in the current folder, where a file of that name is; beside it is another."""
    Path("below").mkdir()
    shutil.copy(home / "beside.h5", "below")
    return write(home / "own.h5", "a", ExternalLink("below/beside.h5", "a"))


def raw_moved(home: Path) -> Path:
    NUMBERS.tofile(home / "a.raw")
    return raw(home / "own.h5", "/gone/a.raw")


def circle(home: Path) -> Path:
    write(home / "own.h5", "a", SoftLink("/b"))
    return write(home / "own.h5", "b", SoftLink("/a"))


def two_files(home: Path) -> Path:
    write_virtual(home / "other.h5", "own.h5")
    return write_virtual(home / "own.h5", "other.h5")


def pipe(home: Path) -> Path:
    os.mkfifo(home / "pipe.h5")
    return write(home / "own.h5", "a", ExternalLink("pipe.h5", "a"))


def gap(home: Path) -> Path:
    layout = VirtualLayout((20,), "i8")
    layout[5:15] = VirtualSource("beside.h5", "a", (10,))
    with h5py.File(home / "own.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("a", layout)
    return home / "own.h5"


def short_part(home: Path) -> Path:
    layout = VirtualLayout((4,), "i8")
    layout[:] = VirtualSource("beside.h5", "a", (20,))[8:12]
    with h5py.File(home / "own.h5", "w", libver="latest") as file:
        file.create_virtual_dataset("a", layout)
    return home / "own.h5"


def pattern(home: Path) -> Path:
    """f0.h5, f1.h5, ... as many as there are."""
    own, theirs = (
        h5py.h5s.create_simple((10,), (h5py.h5s.UNLIMITED,)),
        h5py.h5s.create_simple((10,)),
    )
    own.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (10,), (10,))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(own, b"f%b.h5", b"a", theirs)
    with h5py.File(home / "own.h5", "w", libver="latest") as file:
        h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_INT64, own, dcpl=properties)
    return home / "own.h5"


def short_raw(home: Path) -> Path:
    NUMBERS[:9].tofile(home / "a.raw")
    return raw(home / "own.h5", home / "a.raw")


ELSEWHERE = "expected files in the folder of"
BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "soft link to nothing": (
        lambda home: write(home / "own.h5", "a", SoftLink("/z")),
        r"own\.h5: dataset 'a': found a link that leads nowhere \(/z\)",
    ),
    "soft links in a circle": (circle, "dataset '[ab]': found links that lead in a circle"),
    "external link to itself": (
        lambda home: write(home / "own.h5", "a", ExternalLink("own.h5", "a")),
        "dataset 'a': found links that lead in a circle",
    ),
    "external link to no file": (
        lambda home: write(home / "own.h5", "a", ExternalLink("z.h5", "a")),
        r"own\.h5: dataset 'a': found no file .*home/z\.h5, expected the file that holds its data",
    ),
    "external link of the current folder": (
        here,
        r"found no file .*home/below/beside\.h5",
    ),
    "external link to no dataset": (
        lambda home: write(home / "own.h5", "a", ExternalLink("beside.h5", "z")),
        r"dataset 'a': found a link that leads nowhere \(z in beside\.h5\)",
    ),
    "external link to no HDF5 file": (
        lambda home: write(home / "own.h5", "a", ExternalLink("text.h5", "a")),
        r"found an external link to text\.h5, which cannot be opened",
    ),
    "external link elsewhere": (
        lambda home: write(home / "own.h5", "a", ExternalLink("../elsewhere/other.h5", "a")),
        rf"dataset 'a': found an external link to \.\./elsewhere/other\.h5, {ELSEWHERE} own\.h5",
    ),
    "external link to a link elsewhere": (link_on_disk, rf"external link to link\.h5, {ELSEWHERE}"),
    "external link to a pipe": (pipe, r"external link to pipe\.h5, expected a regular file"),
    "two external links": (chain, rf"external link to \.\./elsewhere/other\.h5, {ELSEWHERE}"),
    "external link to a virtual one": (
        hidden_virtual,
        rf"data in \.\./elsewhere/other\.h5, {ELSEWHERE} hop\.h5",
    ),
    "raw data elsewhere": (
        lambda home: raw(home / "own.h5", home.parent / "elsewhere/secret.txt"),
        rf"own\.h5: dataset 'a': found raw data in .*elsewhere/secret\.txt, {ELSEWHERE} own\.h5",
    ),
    "raw data of the system": (
        lambda home: raw(home / "own.h5", "/etc/passwd"),
        f"found raw data in /etc/passwd, {ELSEWHERE}",
    ),
    "raw data elsewhere by a relative path": (
        lambda home: raw(home / "own.h5", "../elsewhere/secret.txt"),
        f"found raw data in .*, {ELSEWHERE}",
    ),
    "raw data behind a link": (raw_link, rf"found raw data in .*data\.txt, {ELSEWHERE}"),
    "raw data that are beside it, and not there": (
        raw_moved,
        r"found no file /gone/a\.raw",
    ),
    "raw data that end early": (short_raw, r"found 72 bytes in .*a\.raw, expected 80 of raw data"),
    "virtual of no file": (
        lambda home: write_virtual(home / "own.h5", "z.h5"),
        r"dataset 'a': found no file .*home/z\.h5, expected the file that holds its data",
    ),
    "virtual of no dataset": (
        lambda home: write_virtual(home / "own.h5", "beside.h5", "z"),
        r"dataset 'a': found no dataset 'z' in beside\.h5, expected the dataset that holds",
    ),
    "virtual of a group": (
        lambda home: write_virtual(home / "own.h5", "beside.h5", "group"),
        r"dataset 'a': found no dataset 'group' in beside\.h5",
    ),
    "virtual of a source that is too short": (
        lambda home: write_virtual(home / "own.h5", "beside.h5", n=20),
        r"dataset 'a': found only shape \(10,\) in 'a' of beside\.h5",
    ),
    "virtual of rows beyond the end": (short_part, r"only shape \(10,\) in 'a' of beside\.h5"),
    "virtual with rows of no source": (gap, "found 10 of 20 values in no source, expected a"),
    "virtual of itself": (
        lambda home: write_virtual(home / "own.h5", "own.h5"),
        "files that refer to each other in a circle",
    ),
    "virtual in a circle": (two_files, "files that refer to each other in a circle"),
    "virtual of a pattern": (pattern, r"found a pattern of sources, f%b\.h5 a"),
    "virtual elsewhere": (
        lambda home: write_virtual(home / "own.h5", str(home.parent / "elsewhere/other.h5")),
        rf"own\.h5: dataset 'a': found data in .*elsewhere/other\.h5, {ELSEWHERE} own\.h5 alone",
    ),
    "virtual of one elsewhere": (nested_elsewhere, f"found data in .*, {ELSEWHERE} inner"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_leads_elsewhere_or_nowhere_is_named_and_not_read(home, case):
    (home / "text.h5").write_text("no HDF5")
    make, words = BAD[case]
    path = make(home)
    with pytest.raises(InputError, match=words), open_hdf5(path, {"a": (None,)}):
        pass
    # neither are those that may be missing
    with pytest.raises(InputError, match=words), open_hdf5(path) as file:
        file.get("a")


def test_what_this_project_joined_may_lie_elsewhere_but_lead_no_further(home):
    path = write_virtual(home / "own.h5", str(home.parent / "elsewhere/other.h5"))
    assert read(path, is_ours=True) == NUMBERS.tolist()
    write_virtual(home.parent / "elsewhere/inner.h5", str(home / "beside.h5"))
    with h5py.File(path, "a") as file:
        virtual(file, "b", str(home.parent / "elsewhere/inner.h5"))
        file["c"] = ExternalLink(str(home.parent / "elsewhere/other.h5"), "a")
    for name in "bc":
        with pytest.raises(InputError, match=ELSEWHERE), open_hdf5(path, is_ours=True) as file:
            file[name]
    raw(path, "/etc/passwd")
    with pytest.raises(InputError, match=ELSEWHERE), open_hdf5(path, is_ours=True) as file:
        file["a"]


# --- what cannot be read --------------------------------------------------------------------------


def test_a_missing_filter_is_named_with_what_to_do(tmp_path):
    path = tmp_path / "own.h5"
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((10,))
        properties.set_filter(BLOSC, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((10,))
        made = h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_INT64, space, dcpl=properties)
        made.write_direct_chunk((0,), bytes(80))
    with pytest.raises(
        InputError,
        match=rf"own\.h5: dataset 'a': found the filter .* \({BLOSC}\), which is not installed, "
        r"expected .*h5repack.*pip install hdf5plugin",
    ):
        read(path)


WRITER = """
import h5py, sys, time
file = h5py.File(sys.argv[1], "w", libver="latest")
file["a"] = 1
if sys.argv[2] == "swmr":
    file.swmr_mode = True
file.flush()
print("open", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("mode", ["plain", "swmr"])
def test_a_file_that_another_program_writes_is_locked_and_not_damaged(tmp_path, mode):
    words = [sys.executable, "-c", WRITER, tmp_path / "own.h5", mode]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout.readline() == b"open\n"
            with pytest.raises(
                InputError, match=r"own\.h5: found a file that is locked.*HDF5_USE_FILE_LOCKING"
            ):
                read(tmp_path / "own.h5")
        finally:
            writer.kill()


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    for path in (tmp_path, tmp_path / "pipe.h5"):
        with pytest.raises(InputError, match="found no regular file"):
            read(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fletcher32": True}, r"data that fail their checksum \(fletcher32\)"),
        ({"compression": "gzip"}, "data that cannot be read"),
    ],
)
@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        (slice(None), "30 to 39"),
        ((), "30 to 39"),
        (slice(35, 60), "35 to 39"),
        (33, "33 to 33"),
        ((slice(20, 50), slice(0, 2)), "30 to 39"),
    ],
)
def test_rows_that_are_damaged_are_named(tmp_path, options, words, asked, rows):
    path = tmp_path / "own.h5"
    values = np.random.default_rng(0).normal(size=(100, 3))
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=values, chunks=(10, 3), **options)
        place = next(
            file["a"].id.get_chunk_info(k).byte_offset
            for k in range(10)
            if file["a"].id.get_chunk_info(k).chunk_offset == (30, 0)
        )
    with path.open("r+b") as stream:
        stream.seek(place + 5)
        stream.write(b"\xff" * 20)
    with open_hdf5(path) as file:
        assert np.array_equal(file["a"][40:], values[40:])
        with pytest.raises(InputError, match=rf"own\.h5: dataset 'a', rows {rows}: found {words}"):
            file["a"][asked]


def declared(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (400_000_000,), "i8", chunks=(1000,))


def sparse(path: Path) -> None:
    """All of it is allocated, but the file has a hole there."""
    with h5py.File(path, "w") as file:
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple((400_000_000,))
        h5py.h5d.create(file.id, b"a", h5py.h5t.NATIVE_INT64, space, dcpl=properties)


def endless(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (40_000_000_000,), "i8", chunks=(1000,))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (endless, "found 40000000000 rows, expected at most 1000000000"),
        (declared, r"found shape \(400000000,\), of which 0 bytes are stored"),
        (sparse, r"found shape \(400000000,\), of which \d+ bytes are stored"),
    ],
)
def test_rows_that_are_not_there_are_not_made_room_for(tmp_path, make, words):
    make(tmp_path / "own.h5")
    with pytest.raises(InputError, match=rf"own\.h5: dataset 'a': {words}"):
        read(tmp_path / "own.h5")


def test_what_packs_well_is_read(tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.create_dataset("a", (10_000_000,), "i8", chunks=(1_000_000,), compression="gzip")
        file["a"][:] = 7
    assert (tmp_path / "own.h5").stat().st_size < 1_000_000
    with open_hdf5(tmp_path / "own.h5") as file:
        assert file["a"][-1] == 7
