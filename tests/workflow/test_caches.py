"""Caches, where the home folder cannot be written."""

import os

import pytest

from mmae.workflow.caches import CACHES, fall_back


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A folder to be in, and an environment that names no caches."""
    monkeypatch.chdir(tmp_path)
    for name in CACHES:
        # put back at the end, also where it is set meanwhile
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("home", ["/dev/null/home", "/proc", "/nowhere/at/all"])
def test_they_fall_back_to_a_folder_here(bare, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(os, "access", lambda path, mode: path != home and home != "/proc")
    fall_back()
    folders = [os.environ[name] for name in CACHES]
    assert all(os.path.isdir(folder) for folder in folders)
    assert all(folder.startswith(f"{bare}/.cache") for folder in folders)


def test_they_stay_where_home_can_be_written(bare, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    fall_back()
    assert not {*CACHES} & {*os.environ}
    assert not (bare / ".cache").exists()


def test_what_the_environment_names_stays(bare, monkeypatch):
    monkeypatch.setenv("HOME", "/dev/null/home")
    monkeypatch.setenv("MPLCONFIGDIR", "/elsewhere")
    fall_back()
    assert os.environ["MPLCONFIGDIR"] == "/elsewhere"
    assert os.environ["NUMBA_CACHE_DIR"].endswith("/.cache/numba")


def test_nowhere_to_write_is_no_error(bare, monkeypatch):
    (bare / ".cache").write_text("a file")
    monkeypatch.setenv("HOME", "/dev/null/home")
    fall_back()
    assert "MPLCONFIGDIR" not in os.environ
