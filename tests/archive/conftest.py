"""A made-up finished run and its archive."""

import shutil
from pathlib import Path

import pytest

from archive_run import CONFIG, write_run
from helpers import PROJECT
from mmae.archive.packing import pack


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder results/toy of a finished run. Not to be changed."""
    results = tmp_path_factory.mktemp("run") / "results/toy"
    write_run(results)
    return results


@pytest.fixture(scope="session")
def packed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of that run. Not to be changed."""
    folder = tmp_path_factory.mktemp("archives") / "toy"
    pack(run, CONFIG, PROJECT / "CITATION.cff", folder)
    return folder


@pytest.fixture
def archive(packed: Path, tmp_path: Path) -> Path:
    """A copy of the archive that a test may damage."""
    return shutil.copytree(packed, tmp_path / "given/toy")
