"""An output replaces what such a command wrote, and nothing else."""

import os
import re
import shutil
from pathlib import Path

import pytest

from helpers import SmallSurvey
from mmae.errors import InputError
from mmae.files.outputs import ARRAYS, FILE, LINK, MODEL, SHARED, TREE, Kind, check_output, is_whole
from mmae.files.write import atomic, write_link


def folder_with(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("years of work")
    path.mkdir(exist_ok=True)
    return path


def content(path: Path) -> dict[str, object]:
    """All that is at a path and below it."""
    every = [path, *path.rglob("*")] if path.is_dir() else [path]
    return {str(p): p.read_bytes() if p.is_file() else p.lstat().st_mode for p in every}


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def link(path: Path, target: Path | str) -> Path:
    path.symlink_to(target)
    return path


FOREIGN = {
    "a folder for a file": (FILE, lambda p: folder_with(p, "a.txt"), "a folder"),
    "an empty folder for a file": (FILE, folder_with, "a folder"),
    "a link to a folder for a file": (FILE, lambda p: link(p, p.parent), "a folder"),
    "a pipe": (FILE, fifo, "a device, pipe or socket"),
    "a link to a device": (FILE, lambda p: link(p, "/dev/null"), "a device, pipe or socket"),
    "a file for arrays": (ARRAYS, lambda p: folder_with(p.parent, p.name) / p.name, "a file"),
    "a folder for arrays": (ARRAYS, lambda p: folder_with(p, "a/b.txt"), "with a/b.txt in it"),
    "arrays and a note": (
        ARRAYS,
        lambda p: folder_with(p, "manifest.json", "images.npy", "note.txt"),
        "with note.txt in it",
    ),
    "arrays and a link": (
        ARRAYS,
        lambda p: link(folder_with(p, "manifest.json") / "big", "/tmp").parent,
        "with big in it",
    ),
    "arrays without a manifest": (
        ARRAYS,
        lambda p: folder_with(p, "images.npy"),
        "without manifest.json",
    ),
    "a real DESI tree": (
        TREE,
        lambda p: folder_with(p, "zcatalog/v1/zall-pix-iron.fits"),
        "without simulated.txt",
    ),
    "a file for a link": (LINK, lambda p: folder_with(p.parent, p.name) / p.name, "a file"),
    "a file for a folder": (SHARED, lambda p: folder_with(p.parent, p.name) / p.name, "a file"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_not_ours_is_refused_and_stays(tmp_path, case):
    kind, make, words = FOREIGN[case]
    path = make(tmp_path / "out")
    before = content(path)
    sentence = re.escape(str(path)) + f": found .*{re.escape(words)}.*, expected "
    with pytest.raises(InputError, match=sentence):
        check_output(path, kind)
    with pytest.raises(InputError, match=sentence), atomic(path, kind):
        pytest.fail("work began")
    assert content(path) == before
    assert list(tmp_path.iterdir()) == [path], "no temporary file"


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/null", "/dev/fd/1", "/proc/self/fd/1"])
def test_devices_and_what_the_shell_has_open_are_refused(path):
    for kind in (FILE, MODEL, SHARED):
        with pytest.raises(InputError, match=f"^{path}: found a device"):
            check_output(path, kind)
    check_output("/dev/shm/file")


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (".", tmp_path):
        with pytest.raises(InputError, match="found a folder that is in use"):
            check_output(path, MODEL)
    check_output(".", SHARED)


@pytest.mark.parametrize("name", ["a" * 240, "file/x"])
def test_a_path_that_cannot_be_is_told_before_work(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written \((File name too|Not a dir)"):
        check_output(tmp_path / name)


def test_what_became_foreign_meanwhile_stays(tmp_path):
    path = folder_with(tmp_path / "model", "model.json")

    def write():
        with atomic(path, MODEL) as part:
            folder_with(part, "model.json")
            folder_with(path, "note.txt")

    with pytest.raises(InputError, match=r"note\.txt"):
        write()
    assert sorted(p.name for p in path.iterdir()) == ["model.json", "note.txt"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (MODEL, ["model.json", "history.csv", "weights.safetensors", ".snakemake_timestamp"]),
        (MODEL, ["model.json", "history.csv", "regressor.skops"]),
        (MODEL, []),
        (TREE, ["simulated.txt", "zcatalog/v1/zall-pix-iron.fits", "healpix/a/b/coadd-1.fits"]),
    ],
)
def test_what_is_ours_is_replaced(tmp_path, kind, names):
    path = folder_with(tmp_path / "out", *names)
    assert is_whole(path, kind) == bool(names)
    with atomic(path, kind) as part:
        folder_with(part, "new")
    assert [p.name for p in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_of_links_only_the_link_is_replaced(tmp_path):
    target = folder_with(tmp_path / "target", "model.json")
    for kind, name in ((FILE, "target/model.json"), (MODEL, "target"), (FILE, "nowhere")):
        path = link(tmp_path / "out", tmp_path / name)
        with atomic(path, kind) as part:
            folder_with(part, "new") if kind is MODEL else part.touch()
        assert not path.is_symlink()
        assert (target / "model.json").read_text() == "years of work"
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    path = link(tmp_path / "out", target / "model.json")
    write_link(path, tmp_path / "target")
    assert path.resolve() == target.resolve()
    assert (target / "model.json").read_text() == "years of work"


def test_a_folder_is_whole_with_all_its_files(tmp_path):
    kind = Kind("notes", ("a", "b|c"))
    assert not is_whole(tmp_path / "none", kind)
    assert not is_whole(folder_with(tmp_path / "one", "a"), kind)
    assert is_whole(folder_with(tmp_path / "two", "a", "c"), kind)


def test_kinds_are_what_the_steps_write(small_survey: SmallSurvey, trained_model: Path):
    for path, kind in (
        (small_survey.arrays, ARRAYS),
        (small_survey.desi, TREE),
        (trained_model, MODEL),
    ):
        check_output(path, kind)
        assert is_whole(path, kind)
