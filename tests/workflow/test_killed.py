"""kill -9 at any moment, of a job, of Snakemake or of both, costs nothing but time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest

from helpers import PROJECT, alive
from mmae.workflow.orphans import end_orphans
from workflow_project import TOY, Project

pytestmark = pytest.mark.workflow

MODEL = "results/toy/models/mmae/mask0.75/seed0"
RUN = "results/toy/evaluation/mmae/mask0.75/seed0"
VIEW = f"{RUN}/image0.25-spectrum1.00"
SIZES = (
    *(*TOY, "--config", 'survey={"simulate": {"n_galaxies": 140}, "spectra": {"groups": 1}}'),
    # each step leaves a checkpoint
    'training={"batch_size": 32, "checkpoint_minutes": 0.0001, "epochs": 2}',
)
COMMAND = (
    *("--cores", "1", "results/toy/paper/figures/figure_3.pdf", f"{RUN}/study.csv"),
    *(f"{VIEW}/reconstructions.npz", f"{VIEW}/reconstruction.csv"),
    "results/toy/evaluation/mmae-knn/mask0.75/seed0/image0.00-spectrum1.00/metrics.json",
    *SIZES,
)
TIMED = ("cost.json", "speed.json", "benchmarks.csv")
"""Files that hold seconds."""

JOB, BOTH, SNAKEMAKE = "the job", "Snakemake and the job", "Snakemake alone"
START, RENAME, OPEN, REMOVE = "start", "os.rename", "open", "os.remove"


class Moment(NamedTuple):
    """When somebody kills, and what."""

    rule: str
    words: str
    event: str
    word: str
    """Word of the command line, or pattern of the file that is about to be written."""
    victim: str


MOMENTS = (
    Moment("(none)", "Snakemake has half of its locks", OPEN, "*/locks/*.output.lock", BOTH),
    Moment("simulate_survey", "half of the images written", RENAME, "*/galaxiesml.hdf5", JOB),
    Moment("simulate_survey", "a worker writes spectra", RENAME, "*/coadd-*.fits", SNAKEMAKE),
    Moment("crossmatch", "two of three outputs written", RENAME, "*/crossmatch.csv", BOTH),
    Moment("fetch_spectra", "half written", RENAME, "*/spectra/000.hdf5", JOB),
    Moment("collect_spectra", "half written", RENAME, "*/dataset/spectra.hdf5", BOTH),
    Moment("clean", "written but for its name", RENAME, "*/galaxiesml_spectra.hdf5", SNAKEMAKE),
    Moment("split", "half written", RENAME, "*/split.npz", BOTH),
    Moment("training_arrays", "half written", RENAME, "*/dataset/arrays", JOB),
    Moment("(none)", "Snakemake notes that a job is done", OPEN, "*/metadata/*", BOTH),
    Moment("train", "it starts", START, "train", SNAKEMAKE),
    Moment("train", "in the first epoch", RENAME, "*/000000002.sha256", JOB),
    Moment("train", "half of a checkpoint written", RENAME, "*/000000003.pt", BOTH),
    Moment("train", "an old checkpoint is deleted", REMOVE, "*/000000003.pt", SNAKEMAKE),
    Moment("train", "half of the model written", RENAME, "*/models/mmae/*/seed0", JOB),
    Moment("train", "the model written, its cost not", RENAME, "*/seed0/cost.json", SNAKEMAKE),
    Moment("(none)", "Snakemake notes that a job begins", OPEN, "*/incomplete/*", BOTH),
    Moment("predict", "one of three outputs written", RENAME, "*/mmae/*/validation.csv", JOB),
    Moment("probe", "half of one output written", RENAME, "*-knn/*/validation.csv", BOTH),
    Moment("study_masks", "written but for its name", RENAME, "*/study.csv", SNAKEMAKE),
    Moment("reconstruct", "half written", RENAME, "*/reconstructions.npz", JOB),
    Moment("score_reconstruction", "half written", RENAME, "*/reconstruction.csv", BOTH),
    Moment("score", "half written", RENAME, "*/metrics.json", BOTH),
    Moment("figure_3", "the figure written but for its name", RENAME, "*/figure_3.pdf", JOB),
)
"""Each is met once; the workflow decides which comes first."""


class Killed(Project):
    """A copy of the project in which somebody kills."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.orphan: psutil.Process | None = None
        self.started: list[subprocess.Popen] = []

    def start(
        self, moments: Sequence[Moment] = (), command: tuple[str, ...] = ()
    ) -> subprocess.Popen:
        """Start the workflow as a user does, in a process group of its own."""
        paths = [self.folder / "src"]
        environment = os.environ | {"NO_COLOR": "1"}
        if moments:
            self.here.unlink(missing_ok=True)
            words = [(moment.event, moment.word) for moment in moments]
            environment["MOMENTS"] = json.dumps({"moments": words, "here": str(self.here)})
            paths.insert(0, PROJECT / "tests/workflow/moments")
        environment["PYTHONPATH"] = os.pathsep.join(map(str, paths))
        with self.log.open("a") as log:
            snakemake = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *command],
                **{"cwd": self.folder, "env": environment, "stdout": log, "stderr": log},
                start_new_session=True,
            )
        self.started.append(snakemake)
        return snakemake

    def end(self) -> None:
        """Leave nothing running, also where a test fails."""
        for snakemake in self.started:
            if snakemake.poll() is None:
                snakemake.kill()
                snakemake.wait()
        end_orphans(self.folder, patience=0.0)

    @property
    def here(self) -> Path:
        """Where a process tells that it is stopped."""
        return self.folder / "here.json"

    @property
    def log(self) -> Path:
        """What Snakemake and all jobs printed."""
        return self.folder / "log.txt"

    def finish(self, command: tuple[str, ...]) -> None:
        """Run the workflow to its good end."""
        assert self.start(command=command).wait(timeout=600) == 0, self.log.read_text()[-5000:]

    def kill_at_one_of(self, moments: Sequence[Moment], command: tuple[str, ...]) -> Moment:
        """Start the workflow, wait for the first of the moments, kill; which it was."""
        snakemake = self.start(moments, command)
        number, stopped, path = self.stopped(snakemake)
        moment = moments[number]
        assert self.orphan is None or not alive([self.orphan]), "two do the same job"
        self.orphan = stopped if moment.victim == SNAKEMAKE else None
        names = [word for parent in stopped.parents() for word in parent.cmdline()]
        step = moment.rule.replace("_", "-").replace("figure-3", "notebook")
        assert step == "(none)" or step in [*stopped.cmdline(), *names], moment
        if moment.words.startswith("half"):
            halve(Path(self.folder, path))
        if moment.victim == SNAKEMAKE:
            snakemake.kill()
        elif moment.victim == BOTH:
            os.killpg(snakemake.pid, signal.SIGKILL)
        else:
            job = next(p for p in [stopped, *stopped.parents()] if step in p.cmdline())
            assert Path(job.cmdline()[1]).name == "mmae", job.cmdline()
            job.kill()
            if job != stopped:
                stopped.resume()
        code = snakemake.wait(timeout=120)
        assert code == (1 if moment.victim == JOB else -signal.SIGKILL)
        if moment.victim == SNAKEMAKE:
            assert alive([stopped]), "not an orphan"
        return moment

    def stopped(self, snakemake: subprocess.Popen) -> tuple[int, psutil.Process, str]:
        """Number of the moment, the process that has stopped, the file it was about to touch."""
        end = time.monotonic() + 300
        while not (self.here.exists() and self.here.read_text().endswith("]")):
            assert snakemake.poll() is None, f"too late: {self.log.read_text()[-5000:]}"
            assert time.monotonic() < end, self.log.read_text()[-5000:]
            time.sleep(0.02)
        number, pid, path = json.loads(self.here.read_text())
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
        return number, process, path

    def made(self) -> dict[str, bytes]:
        """All files of the results but logs; those that hold seconds are empty here."""
        results = self.folder / "results/toy"
        return {
            str(name): content(path)
            for path in sorted(results.rglob("*"))
            if path.is_file()
            and (name := path.relative_to(results)).parts[0] not in ("logs", "benchmarks")
            and path.suffix != ".ipynb"
        }


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Callable[[str], Killed]]:
    """Make copies of the project in which nothing has run."""
    copies: list[Killed] = []

    def make(name: str) -> Killed:
        copies.append(Killed(tmp_path / name))
        return copies[-1]

    yield make
    for project in copies:
        project.end()


def content(path: Path) -> bytes:
    """What a file holds, without seconds and dates."""
    if path.name in TIMED:
        return b""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return b"".join(name.encode() + arrays[name].tobytes() for name in arrays)
    return path.read_bytes()


def halve(path: Path) -> None:
    """Take away half of what is written: of a folder, of each of its files."""
    for file in [path] if path.is_file() else path.rglob("*.*"):
        os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("moments", "command"),
    [
        ((MOMENTS[6], MOMENTS[12], MOMENTS[14]), (*("--cores", "1", MODEL), *SIZES)),
        pytest.param(MOMENTS, COMMAND, marks=pytest.mark.nightly),
    ],
    ids=["some", "all"],
)
def test_the_workflow_goes_on_after_kill_9_at_any_moment(copy, moments, command):
    whole, killed = copy("whole"), copy("killed")
    whole.finish(command)
    to_come = list(moments)
    while to_come:
        moment = killed.kill_at_one_of(to_come, command)
        to_come.remove(moment)
        print(f"| `{moment.rule}` | {moment.words} | {moment.victim} |", flush=True)
    killed.finish(command)
    expected, found = whole.made(), killed.made()
    assert expected.keys() == found.keys(), "a file is missing, or one is left over"
    assert [name for name in expected if expected[name] != found[name]] == []
    assert "models/mmae/mask0.75/seed0/weights.safetensors" in expected
    assert "ended: " in killed.log.read_text()


def test_jobs_that_were_suspended_with_snakemake_are_ended_with_their_shells(copy):
    """Control-Z stops all of them; who then kills Snakemake alone leaves the rest."""
    project = copy("project")
    moment = Moment("simulate_survey", "it starts", START, "simulate-survey", SNAKEMAKE)
    snakemake = project.start([moment], ("--cores", "1", "results/toy/dataset/split.npz", *SIZES))
    project.stopped(snakemake)
    left = psutil.Process(snakemake.pid).children(recursive=True)
    assert {"bash", "tee"} <= {process.name() for process in left}
    for process in (psutil.Process(snakemake.pid), *left):
        process.suspend()
    snakemake.kill()
    snakemake.wait()
    assert alive(left) == left
    end_orphans(project.folder, patience=5.0)
    assert alive(left) == []


@pytest.mark.nightly
def test_a_second_snakemake_is_refused_and_the_first_goes_on(copy):
    project = copy("project")
    moment = Moment("simulate_survey", "it starts", START, "simulate-survey", JOB)
    command = ("--cores", "1", "results/toy/dataset/crossmatch.csv", *SIZES)
    first = project.start([moment], command)
    _, job, _ = project.stopped(first)
    second = project.snakemake(*command)
    text = second.stdout + second.stderr
    assert second.returncode == 1
    assert "Traceback" not in text
    assert "Directory cannot be locked" in text
    assert project.snakemake("--dry-run", *command).returncode == 0, "looking is no harm"
    assert alive([job]) == [job]
    job.resume()
    assert first.wait(timeout=600) == 0, project.log.read_text()[-5000:]
