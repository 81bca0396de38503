"""Reading an archive back: every byte verified, nothing written outside, nothing half-written."""

import gzip
import os
import shutil
import stat
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from archive_run import CONFIG, METRICS, SETTINGS, WEIGHTS
from helpers import assert_one_sentence, run_mmae
from mmae.archive.contents import required_files
from mmae.archive.manifest import MANIFEST
from mmae.archive.reading import read_archive, restore
from mmae.errors import InputError
from mmae.files.checksums import file_digest


def flip(path: Path) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def add_line(archive: Path, line: str) -> None:
    with (archive / MANIFEST).open("a") as stream:
        stream.write(line + "\n")


def relist(archive: Path, name: str) -> None:
    """Give a changed file its new checksum."""
    lines = (archive / MANIFEST).read_text().splitlines()
    lines = [line for line in lines if not line.endswith(f"  {name}")]
    (archive / MANIFEST).write_text("\n".join(lines) + "\n")
    add_line(archive, f"{file_digest(archive / name)}  {name}")


def as_zip(archive: Path, around: str = "toy/") -> Path:
    """Pack as people do, in a folder or without one; the folder is gone then."""
    path = archive.parent / "toy.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for item in sorted(archive.rglob("*"), reverse=True):
            if item.is_file():
                file.write(item, around + item.relative_to(archive).as_posix())
    shutil.rmtree(archive)
    return path


def as_tar(archive: Path, around: str = "toy") -> Path:
    path = archive.parent / "toy.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        file.add(archive, around)
    shutil.rmtree(archive)
    return path


PACKINGS = {
    "folder": lambda archive: archive,
    "folder around it": lambda archive: archive.parent,
    "zip": as_zip,
    "zip without a folder": lambda archive: as_zip(archive, ""),
    "folder with a zip": lambda archive: as_zip(archive).parent,
    "tar.gz": as_tar,
    "tar.gz of .": lambda archive: as_tar(archive, "."),
}


@pytest.mark.parametrize("packing", PACKINGS)
def test_what_figures_need_comes_back_byte_for_byte(run, archive, tmp_path, monkeypatch, packing):
    monkeypatch.chdir(tmp_path)  # where nothing has run
    source = PACKINGS[packing](archive)
    results = tmp_path / "results/toy"
    restore(source, results)
    written = {p.relative_to(results).as_posix() for p in results.rglob("*") if p.is_file()}
    needed = {n for n in required_files(SETTINGS) if n.startswith(("dataset/", "evaluation/"))}
    assert written == needed | {"dataset/matches.csv"}
    for name in written:
        assert (results / name).read_bytes() == (run / name).read_bytes()
    archived = read_archive(str(source), CONFIG, {})
    assert archived.config["grid"] == CONFIG["grid"]
    assert set(archived.restored(SETTINGS)) == {f"results/toy/{name}" for name in written}
    assert all(Path(name).is_file() for name in archived.input_file)


def link(archive: Path) -> Path:
    (archive / METRICS).unlink()
    (archive / METRICS).symlink_to("/etc/hostname")
    return archive


def linked_folder(archive: Path) -> Path:
    shutil.copytree(archive / "dataset", archive.parent / "elsewhere")
    shutil.rmtree(archive / "dataset")
    (archive / "dataset").symlink_to(archive.parent / "elsewhere")
    return archive


def zip_with_a_link(archive: Path) -> Path:
    path = as_zip(archive)
    info = zipfile.ZipInfo("toy/dataset/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(info, "/etc/hostname")
    return path


def tar_with_a_link(archive: Path) -> Path:
    return as_tar(link(archive))


def truncated(path: Path) -> Path:
    os.truncate(path, path.stat().st_size // 2)
    return path


def flipped(name: str):
    return lambda archive: (flip(archive / name), archive)[1]


def listed(line: str):
    return lambda archive: (add_line(archive, line), archive)[1]


def without(name: str):
    return lambda archive: ((archive / name).unlink(), archive)[1]


def two_archives(archive: Path) -> Path:
    shutil.copytree(archive, archive.parent / "other")
    return archive.parent


def zip_flipped_inside(archive: Path) -> Path:
    """One byte of compressed data changed; the directory of the zip is whole."""
    path = as_zip(archive)
    content = bytearray(path.read_bytes())
    content[content.index(WEIGHTS.encode()) + len(WEIGHTS) + 5] ^= 0xFF
    path.write_bytes(content)
    return path


ZERO = "0" * 64
DAMAGES = {
    "a flipped bit in metrics": (
        flipped(METRICS),
        [METRICS, "found SHA-256", "damaged or changed"],
    ),
    "a flipped bit in weights": (flipped(WEIGHTS), [WEIGHTS, "found SHA-256"]),
    "a flipped bit in a figure": (flipped("paper/figures/figure_1.pdf"), ["figure_1.pdf"]),
    "a flipped bit in the config": (flipped("config.yaml"), ["config.yaml", "found SHA-256"]),
    "a missing file": (without("dataset/summary.csv"), ["summary.csv: found no such file"]),
    "a missing config": (without("config.yaml"), ["config.yaml: found no such file"]),
    "a name that leads out": (listed(f"{ZERO}  ../x"), ["the file name '../x'", "inside"]),
    "a name that leads out later": (listed(f"{ZERO}  dataset/../../x"), ["dataset/../../x"]),
    "an absolute name": (listed(f"{ZERO}  /tmp/x"), ["the file name '/tmp/x'"]),
    "a drive": (listed(f"{ZERO}  C:\\x"), ["the file name 'C:"]),
    "a line that is none": (listed("hello"), ["line ", "found 'hello'", "a SHA-256"]),
    "a name listed twice": (listed(f"{ZERO}  {METRICS}"), [METRICS, "found it twice"]),
    "a link": (link, [METRICS, "found a link"]),
    "a linked folder": (linked_folder, ["dataset", "found a link"]),
    "a link in a zip": (zip_with_a_link, ["dataset/link", "found a link"]),
    "a link in a tar": (tar_with_a_link, [METRICS, "found a link"]),
    "a truncated zip": (lambda a: truncated(as_zip(a)), ["toy.zip", "truncated"]),
    "a truncated tar": (lambda a: truncated(as_tar(a)), ["toy.tar.gz", "truncated"]),
    "a zip changed inside": (zip_flipped_inside, ["toy.zip"]),
    "a folder that is none": (lambda a: a / "dataset", ["dataset: found no manifest-sha256.txt"]),
    "a file that is none": (lambda a: a / "README.md", ["README.md: found a file of another kind"]),
    "nothing": (lambda a: a / "none", ["none: found no such file or folder"]),
    "two archives": (two_archives, ["found 2 archives in it"]),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_bad_archive_is_one_sentence_and_writes_nothing(archive, tmp_path, case):
    damage, words = DAMAGES[case]
    source, results = damage(archive), tmp_path / "results/toy"
    with pytest.raises(InputError) as caught:
        restore(source, results)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not results.exists() or list(results.iterdir()) == []
    assert not (tmp_path / "x").exists()


def test_the_command_tells_it_with_exit_code_1(archive, tmp_path):
    results = tmp_path / "results/toy"
    flip(archive / METRICS)
    result = run_mmae("restore", "--archive", archive, "--results", results)
    assert_one_sentence(result, METRICS, "found SHA-256", "damaged or changed")
    assert list(results.iterdir()) == []


def test_a_failure_leaves_what_was_there(archive, tmp_path):
    results = tmp_path / "results/toy"
    restore(archive, results)
    flip(archive / "dataset/summary.csv")
    (results / METRICS).write_text("mine")
    for force in (False, True):
        with pytest.raises(InputError, match=r"summary\.csv|of another run"):
            restore(archive, results, force)
        assert (results / METRICS).read_text() == "mine"


def test_results_of_ones_own_are_replaced_only_when_asked(run, archive, tmp_path):
    results = tmp_path / "results/toy"
    restore(archive, results)
    restore(archive, results)  # equal files are no harm
    (results / METRICS).write_text("days of work")
    shutil.rmtree(results / "evaluation/gbdt")
    result = run_mmae("restore", "--archive", archive, "--results", results)
    words = f"found 1 results of another run, such as {METRICS}, expected none, or --force"
    assert_one_sentence(result, words)
    assert (results / METRICS).read_text() == "days of work"
    assert not (results / "evaluation/gbdt").exists(), "nothing was unpacked"
    (results / "dataset/summary.csv").unlink()
    (results / "dataset/summary.csv").mkdir()
    with pytest.raises(InputError, match="found 2 results of another run"):
        restore(archive, results)
    (results / "dataset/summary.csv").rmdir()
    result = run_mmae("restore", "--force", "--archive", archive, "--results", results)
    assert result.returncode == 0, result.stderr
    assert (results / METRICS).read_bytes() == (run / METRICS).read_bytes()


def test_what_a_killed_restore_left_is_removed(archive, tmp_path):
    results = tmp_path / "results/toy"
    (results / ".restored.0123456789ab.part/dataset").mkdir(parents=True)
    restore(archive, results)
    assert sorted(p.name for p in results.iterdir()) == ["dataset", "evaluation"]


def zip_of_zeros(name: str, size: int):
    """An archive in which one file unpacks to many zeros, listed with any checksum."""

    def pack(archive: Path) -> Path:
        path = as_zip(archive)
        with zipfile.ZipFile(path) as file:
            members = {info.filename: file.read(info) for info in file.infolist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for member, content in members.items():
                if member != f"toy/{name}":
                    file.writestr(member, content)
            with file.open(f"toy/{name}", "w") as stream:
                for _ in range(size >> 20):
                    stream.write(bytes(1 << 20))
        return path

    return pack


def tar_of_zeros(header: bool):
    """A .tar.gz whose last member, or the header of one, is 200 MB of zeros."""

    def pack(archive: Path) -> Path:
        path = archive.parent / "toy.tar.gz"
        info = tarfile.TarInfo("toy/paper/zeros")
        info.size = 200 << 20
        info.type = tarfile.XHDTYPE if header else tarfile.REGTYPE
        with gzip.open(path, "w", 1) as stream:
            stream.write(info.tobuf())
            for _ in range(200):
                stream.write(bytes(1 << 20))
        shutil.rmtree(archive)
        return path

    return pack


def packed_by_lzma(archive: Path) -> Path:
    path = as_zip(archive)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as file:
        file.writestr("toy/paper/more", "x")
    return path


def sparse(archive: Path) -> Path:
    """A folder with a file that is longer than any disk."""
    os.truncate(archive / METRICS, 1 << 43)
    return archive


BOMBS = {
    "a manifest of zeros": (zip_of_zeros(MANIFEST, 20 << 20), [MANIFEST, "20971520 bytes"]),
    "a config of zeros": (zip_of_zeros("config.yaml", 1 << 20), ["config.yaml", "1048576 bytes"]),
    "a zip of zeros": (zip_of_zeros(METRICS, 200 << 20), ["found 0.2 GB packed into", "at most"]),
    "a tar of zeros": (tar_of_zeros(False), ["found 0.2 GB packed into"]),
    "a tar's header of zeros": (tar_of_zeros(True), ["a header of 209715200 bytes"]),
    "a hungry compression": (packed_by_lzma, ["toy.zip", "compression"]),
    "more than the disk": (sparse, ["GB free on its disk", "expected 8796"]),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_told_from_its_sizes(archive, tmp_path, case):
    pack, words = BOMBS[case]
    source, results = pack(archive), tmp_path / "results/toy"

    def plan_and_restore():
        read_archive(str(source), CONFIG, {})
        restore(source, results)

    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        plan_and_restore()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for word in words:
        assert word in str(caught.value)
    assert peak < 20 << 20, "bytes of memory"
    assert not results.exists() or list(results.iterdir()) == []


NESTED = "a: &a [1, 1]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n"
    for before, name in zip("abcdefghijklmnopqrstu", "bcdefghijklmnopqrstuv", strict=True)
)


def test_a_config_of_aliases_is_told(archive):
    (archive / "config.yaml").write_text(NESTED)
    relist(archive, "config.yaml")
    with pytest.raises(InputError, match=r"config\.yaml: found no YAML \(more than 100000"):
        read_archive(str(archive), CONFIG, {})


@pytest.mark.parametrize(
    ("explicit", "words"),
    [
        ({"grid": {"masks": [0.5]}}, r"grid.masks: found \[0.5\], expected \[0.25, 0.75\], as in"),
        ({"survey": {"name": "demo"}}, "survey.name: found demo, expected toy, as in"),
        ({"scoring": {"low_redshift": 0.5}}, "scoring.low_redshift: found 0.5, expected 0.4"),
    ],
)
def test_a_config_of_another_run_is_told(archive, explicit, words):
    (section, changes), *_ = explicit.items()
    config = CONFIG | {section: CONFIG[section] | changes}
    with pytest.raises(InputError, match=rf"^config: {words}"):
        read_archive(str(archive), config, explicit)


def test_what_agrees_or_is_not_of_the_run_is_no_mismatch(archive):
    published = CONFIG["published"] | {"folder": "elsewhere"}
    explicit = {
        "from_archive": str(archive),
        **{"grid": {"masks": [0.25, 0.75]}, "published": {"folder": "elsewhere"}},
    }
    config = CONFIG | {"published": published, "from_archive": str(archive)}
    archived = read_archive(str(archive), config, explicit)
    assert archived.config["survey"]["name"] == "toy"
    assert not {"published", "from_archive"} & set(archived.config), "who reads it has his own"


@pytest.mark.parametrize("value", [True, 0, -3, 1.5, ["a"]])
def test_what_can_be_no_archive_is_told(value):
    with pytest.raises(InputError, match=r"^config: from_archive: found .*expected null, a path"):
        read_archive(value, CONFIG, {})


def test_no_archive_asks_for_nothing():
    archived = read_archive(None, CONFIG, {"grid": {"masks": [0.5]}})
    assert (archived.restored(SETTINGS), archived.input_file, archived.config) == ([], [], {})


def test_a_config_that_is_none_is_told(archive):
    (archive / "config.yaml").write_text("[")
    relist(archive, "config.yaml")
    with pytest.raises(InputError, match=r"config\.yaml: found no YAML"):
        read_archive(str(archive), CONFIG, {})


def test_an_archive_that_lacks_what_a_figure_needs_is_told(archive):
    (archive / METRICS).unlink()
    relist(archive, "config.yaml")
    text = (archive / MANIFEST).read_text()
    kept = [line for line in text.splitlines() if METRICS not in line]
    (archive / MANIFEST).write_text("\n".join(kept) + "\n")
    with pytest.raises(InputError, match=rf"{METRICS}: found no such file"):
        read_archive(str(archive), CONFIG, {}).restored(SETTINGS)


def test_results_of_an_own_run_are_not_replaced_by_others(run, archive, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = shutil.copytree(run, tmp_path / "results/toy")
    archived = read_archive(str(archive), CONFIG, {})
    assert archived.restored(SETTINGS), "the same results: its own archive"
    (own / METRICS).write_text("days of work")
    with pytest.raises(InputError, match=rf"{METRICS}: found a result of another run"):
        archived.restored(SETTINGS)
    shutil.rmtree(own / "models")
    assert archived.restored(SETTINGS), "restored before from another archive"
