"""What a killed Snakemake left running is ended; what a living one runs stays."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from helpers import alive, await_end
from mmae.workflow.orphans import end_orphans

STARTER = """
import os, subprocess, sys, time
from pathlib import Path
from mmae.workflow.orphans import MARK, mark
folder, job = sys.argv[1:]
environment = os.environ | {MARK: mark(Path(folder))}
shell = f'"{sys.executable}" -c "{job}" | tee log.txt'
running = subprocess.Popen(["bash", "-c", shell], env=environment, cwd=folder)
print(running.pid, flush=True)
time.sleep(600)
"""
JOB = "import time; open('ready', 'w').close(); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {JOB}"


@pytest.fixture
def start():
    """Start what starts jobs for a folder, as Snakemake does; all is killed at the end."""
    started: list[psutil.Process] = []

    def begin(folder: Path, job: str = JOB) -> tuple[subprocess.Popen, list[psutil.Process]]:
        command = [sys.executable, "-c", STARTER, str(folder), job]
        starter = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        shell = psutil.Process(int(starter.stdout.readline()))
        while not (folder / "ready").exists():
            time.sleep(0.01)
        jobs = [shell, *shell.children(recursive=True)]
        started.extend([psutil.Process(starter.pid), *jobs])
        return starter, jobs

    yield begin
    for process in started:
        if process.is_running():
            process.kill()


def kill(starter: subprocess.Popen) -> None:
    """Kill it alone."""
    starter.kill()
    starter.wait()


def test_jobs_of_a_killed_run_are_ended_and_those_of_a_living_one_stay(start, tmp_path):
    starter, jobs = start(tmp_path)
    assert len(jobs) == 3
    assert end_orphans(tmp_path) == []
    assert alive(jobs) == jobs
    kill(starter)
    assert alive(jobs) == jobs, "they outlive it"
    ended = end_orphans(tmp_path)
    assert alive(jobs) == []
    assert any("time.sleep(600)" in command for command in ended)


def test_jobs_for_another_folder_stay(start, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    starter, jobs = start(tmp_path / "one")
    kill(starter)
    assert end_orphans(tmp_path / "two") == []
    assert alive(jobs) == jobs
    assert end_orphans(tmp_path / "one") != []


def test_one_that_ignores_sigterm_is_killed(start, tmp_path):
    starter, jobs = start(tmp_path, STUBBORN)
    kill(starter)
    end_orphans(tmp_path, patience=0.3)
    assert alive(jobs) == []


def test_one_that_was_stopped_is_ended_too(start, tmp_path):
    starter, jobs = start(tmp_path)
    kill(starter)
    for job in jobs:
        job.suspend()
    end_orphans(tmp_path)
    assert alive(jobs) == []


ENDED = "import os, time; from mmae.workflow.orphans import end_with; end_with(os.getppid()); "
WORKER = ENDED + JOB


def test_a_worker_ends_after_its_parent(tmp_path):
    code = f'import subprocess, sys; subprocess.run([sys.executable, "-c", "{WORKER}"])'
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    while not (tmp_path / "ready").exists():
        time.sleep(0.01)
    (worker,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    await_end([worker])
