"""What tests share: where things are, how the command is run, what a survey's files are."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd
import psutil
import pytest
from astropy.io import fits

import forked_mmae
from mmae.survey.desi import zcatalog_blocks
from mmae.survey.fits_rows import join_blocks

PROJECT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("MMAE_SHARED", PROJECT.parent / "shared"))
LAUNCH = (sys.executable, "-m", "mmae.training.launch", "--standalone", "--nproc-per-node=2")
"""Starts two processes of one training."""


def shared(name: str) -> Path:
    """A file of the shared folder; the test is skipped where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is not in {SHARED} (set MMAE_SHARED)")
    return path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first of the processes which divide the tests makes for all."""
    home = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        home = home.parent
    folder, whole = home / name, home / f"{name}.whole"
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


@contextmanager
def small_disk_in(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own, where this user may mount one; else the test is skipped."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no tmpfs can be mounted: {error}")
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def run_mmae(
    *arguments: object, cwd: Path = PROJECT, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Run the command as a user does; without an environment of its own, see `forked_mmae`."""
    words = [*map(str, arguments)]
    if env is None:
        return forked_mmae.run(words, cwd)
    command = [sys.executable, "-m", "mmae", *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def assert_one_sentence(result: subprocess.CompletedProcess, *words: str) -> None:
    """Exit code 1, one line that has all the words, no traceback."""
    last = result.stderr.strip().splitlines()[-1] if result.stderr.strip() else ""
    assert result.returncode == 1, (result.returncode, result.stderr)
    assert "Traceback" not in result.stderr
    assert last.startswith("mmae: error: "), result.stderr
    for word in words:
        assert word in last, last


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that run; nobody may have reaped the others."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def await_end(processes: list[psutil.Process]) -> None:
    """Wait until none runs, a minute at most."""
    end = time.monotonic() + 60
    while alive(processes):
        assert time.monotonic() < end, alive(processes)
        time.sleep(0.02)


def read_zcatalog(root: Path) -> pd.DataFrame:
    """The whole redshift catalogue of a DESI tree."""
    return join_blocks(list(zcatalog_blocks(root)))


class SmallSurvey(NamedTuple):
    """Paths of a survey of 150 good galaxies after every data step, and its truth."""

    galaxiesml: Path
    desi: Path
    matches: Path
    contested: Path
    counts: Path
    groups: tuple[Path, ...]
    spectra: Path
    dataset: Path
    report: Path
    removed: Path
    unpaired: Path
    split: Path
    arrays: Path
    truth: Path
    noiseless: Path

    def truth_table(self, hdu: str) -> pd.DataFrame:
        """One table of the truth."""
        with fits.open(self.truth) as hdus:
            data = hdus[hdu].data
            return pd.DataFrame({n: np.array(data[n]).astype(_plain(data[n])) for n in data.names})


def benchmark(name: str) -> ModuleType:
    """A program of benchmarks/, whose functions tests use, too."""
    spec = spec_from_file_location(name, PROJECT / f"benchmarks/{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _plain(column: np.ndarray) -> object:
    """Native type of a FITS column."""
    return str if column.dtype.kind in "SU" else column.dtype.newbyteorder("=")
