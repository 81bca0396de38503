"""The launcher of several processes keeps TMPDIR clean, also after kill -9."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from helpers import LAUNCH, await_end
from mmae.training.launch import _folder


def test_folders_of_killed_launchers_are_removed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host = socket.gethostname()
    names = [
        f"mmae-{host}-{gone.pid}-a1b2c3",
        *(f"mmae-{host}-{os.getppid()}-a1b2c3", f"mmae-other-{gone.pid}-a1b2c3"),
        *(f"mmae-{host}-notes-a", "tmp1234"),
    ]
    for name in names:
        (tmp_path / name / "inside").mkdir(parents=True)
    with _folder() as own:
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {*names[1:], Path(own).name}
    assert not Path(own).exists()


def test_a_killed_launcher_leaves_one_folder_at_most(tmp_path):
    """Started twice and killed twice, with processes that wait."""
    code = "import sys, time; print('runs', flush=True); time.sleep(600)"
    (tmp_path / "waits.py").write_text(code)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    for _ in range(2):
        running = subprocess.Popen(
            [*LAUNCH, str(tmp_path / "waits.py")],
            env=os.environ | {"TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
        )
        assert b"runs" in running.stdout.readline()
        workers = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGKILL)
        running.wait()
        for worker in workers:
            worker.kill()
        await_end(workers)
    assert len([*temporary.glob("mmae-*")]) == 1
