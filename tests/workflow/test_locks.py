"""Locks of killed runs are cleared; those of living ones stay."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

from mmae.workflow.locks import clear_stale_locks

NONE = Path("snakemake-that-never-was")
HOLDER = """
import sys, time
from pathlib import Path
from mmae.workflow.locks import clear_stale_locks
held = clear_stale_locks(Path(sys.argv[1]), Path(sys.argv[2]))
(Path(sys.argv[1]) / "locks/0.input.lock").touch()
print("held", flush=True)
time.sleep(600)
"""


def start(folder: Path, temporary: Path) -> subprocess.Popen:
    """A run that has locked its files, as Snakemake does."""
    command = [sys.executable, "-c", HOLDER, str(folder), str(temporary)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "held\n"
    return running


def test_a_living_run_keeps_its_lock_and_a_killed_one_does_not(tmp_path):
    folder, lock = tmp_path / ".snakemake", tmp_path / ".snakemake/locks/0.input.lock"
    temporary, others = tmp_path / "snakemake1", tmp_path / "snakemake2"
    temporary.mkdir()
    first = start(folder, temporary)
    try:
        clear_stale_locks(folder, others).close()
        assert lock.exists(), "another run is alive"
        assert temporary.exists()
    finally:
        first.kill()
        first.wait()
    assert lock.exists(), "a kill leaves it"
    others.mkdir()
    (others / "file").touch()
    (tmp_path / "snakemake3").mkdir()
    with clear_stale_locks(folder, tmp_path / "mine"):
        assert not lock.exists()
        assert lock.parent.is_dir()
        assert not temporary.exists()
        assert not others.exists()
        assert (tmp_path / "snakemake3").exists(), "of another folder"
        assert (folder / "running").read_text() == f"{tmp_path / 'mine'}\n"


def test_two_that_only_look_do_not_wait_for_each_other(tmp_path):
    with clear_stale_locks(tmp_path, NONE), clear_stale_locks(tmp_path, NONE):
        assert (tmp_path / "locks").is_dir()


def test_where_the_file_system_has_no_such_locks_snakemakes_own_stay(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    lock = tmp_path / "locks/0.input.lock"
    lock.parent.mkdir()
    lock.touch()
    monkeypatch.setattr(fcntl, "flock", fails)
    clear_stale_locks(tmp_path, NONE).close()
    assert lock.exists()
