"""The workflow on a real SLURM, which the tests start and stop: munge, one node, a fake GPU."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurm import missing, slurm
from workflow_project import TOY, Project

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(bool(missing()), reason=f"no SLURM of its own: {', '.join(missing())}"),
]

ACCOUNT = re.compile(r"^ +- slurm_account=.*$", re.MULTILINE)
QUICK = "slurm-init-seconds-before-status-checks: 1\n"
VIEWS = ("image0.00-spectrum1.00", "no-g", "no-y")
"""More than the views of the headline, so that there are four chains of tiny jobs."""
PROFILE = ("--workflow-profile", "profiles/slurm")


class Cluster:
    """A copy of the project on a cluster."""

    def __init__(self, project: Project, environment: dict[str, str]):
        self.project, self.results = project, project.folder / "results/toy"
        bins = str(Path(sys.executable).parent)
        self.environment = environment | {
            "PATH": os.pathsep.join([bins, environment["PATH"]]),
            "PYTHONPATH": str(project.folder / "src"),
            "NO_COLOR": "1",
        }

    def run(self, *command: str) -> subprocess.CompletedProcess:
        """Run a command beside the cluster."""
        return subprocess.run(
            command,
            cwd=self.project.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake with the profile, as a user of the cluster does."""
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments, *PROFILE, *TOY],
            cwd=self.project.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, *arguments: str) -> str:
        """Run Snakemake to its good end; what it printed."""
        running = self.start(*arguments)
        text, _ = running.communicate()
        assert running.returncode == 0, text[-5000:]
        return text

    def jobs(self, state: str) -> dict[str, str]:
        """Numbers of the jobs in a state, with their comments (the rule)."""
        lines = self.run("squeue", "--noheader", f"--states={state}", "--format=%i %k")
        return dict(line.split(maxsplit=1) for line in lines.stdout.splitlines() if " " in line)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster, and the project with the account's line edited as docs/cluster.md says."""
    project = Project(tmp_path_factory.mktemp("slurm") / "project")
    profile = project.folder / "profiles/slurm/config.yaml"
    text = profile.read_text()
    assert ACCOUNT.search(text)
    text = ACCOUNT.sub("", text) + "slurm-status-command: squeue\n"
    # tests look every second; a cluster would rather be asked less often
    profile.write_text(text + "seconds-between-status-checks: 1\nlatency-wait: 5\n" + QUICK)
    with slurm(tmp_path_factory.mktemp("daemons")) as environment:
        yield Cluster(project, environment)


@pytest.fixture(scope="module")
def drawn(cluster: Cluster) -> str:
    """The workflow from simulation to Figure 3 and two tables, and metrics under other views."""
    paper, run = "results/toy/paper", "results/toy/evaluation/mmae/mask0.75/seed0"
    return cluster.finish(
        f"{paper}/figures/figure_3.pdf",
        f"{paper}/tables/table_1.csv",
        f"{paper}/tables/cleaning.csv",
        *(f"{run}/{view}/metrics.json" for view in VIEWS),
    )


def eventually(condition: Callable[[], bool], running: subprocess.Popen) -> None:
    """Wait for a condition while Snakemake runs."""
    end = time.monotonic() + 120
    while not condition():
        assert running.poll() is None, running.stdout.read()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.1)


def test_two_rules_are_jobs_of_their_partition(cluster):
    cluster.finish("results/toy/dataset/matches.csv")
    done = " ".join(cluster.jobs("COMPLETED").values())
    assert "simulate_survey" in done
    assert "crossmatch" in done
    partitions = cluster.run("squeue", "--noheader", "--states=all", "--format=%P").stdout
    assert set(partitions.split()) == {"cpu"}


@pytest.mark.nightly
def test_the_workflow_runs_from_simulation_to_figure(cluster, drawn):
    assert (cluster.results / "paper/figures/figure_3.pdf").read_bytes().startswith(b"%PDF")
    assert "100%" in drawn
    done = cluster.jobs("COMPLETED")
    rules = " ".join(done.values())
    for rule in ("simulate_survey", "train", "figure_3"):
        assert rule in rules
    partitions = cluster.run("squeue", "--noheader", "--states=all", "--format=%P %k").stdout
    assert re.search(r"^gpu .*train", partitions, re.MULTILINE)
    assert re.search(r"^cpu .*figure_3", partitions, re.MULTILINE)


@pytest.mark.nightly
def test_tiny_jobs_share_an_allocation_two_at_a_time(cluster, drawn):
    for view in VIEWS:
        folder = cluster.results / f"evaluation/mmae/mask0.75/seed0/{view}"
        assert (folder / "metrics.json").is_file()
    asked = cluster.run("squeue", "--noheader", "--states=all", "--format=%T %m %C %k").stdout
    (group,) = [line for line in asked.splitlines() if "small" in line]
    # four at a time would ask for more than this node has
    assert group == "COMPLETED 8000M 2 rule_small_predict_score"


@pytest.mark.nightly
def test_a_single_rule_is_one_job(cluster, drawn):
    before = len(cluster.jobs("COMPLETED"))
    cluster.finish("results/toy/models/median/mask0.00/seed0")
    assert (cluster.results / "models/median/mask0.00/seed0/model.json").is_file()
    assert len(cluster.jobs("COMPLETED")) == before + 1


@pytest.mark.nightly
@pytest.mark.parametrize(("end", "mask"), [("KILL", "0.25"), ("TERM", "0.35")])
def test_a_training_that_slurm_ends_goes_on_and_asks_for_more(cluster, drawn, end, mask):
    """TERM is what comes at the time limit."""
    slow, run = 'training={"epochs": 40, "patience": 40}', f"mmae/mask{mask}/seed0"
    folder = cluster.results / "checkpoints" / run
    running = cluster.start(f"results/toy/models/{run}", "--config", slow)
    eventually(lambda: any(folder.glob("*.sha256")), running)
    (number,) = [job for job, rule in cluster.jobs("RUNNING").items() if "train" in rule]
    cluster.run("scancel", f"--signal={end}", "--full", number)
    text, _ = running.communicate()
    assert running.returncode == 0, text[-5000:]
    history = (cluster.results / "models" / run / "history.csv").read_text()
    assert len(history.splitlines()) == 41
    log = (cluster.results / f"logs/train/{run}.log").read_text()
    assert "going on from checkpoint" in log
    assert not folder.exists()
    asked = cluster.run("squeue", "--noheader", "--states=all", "--sort=i", "--format=%m %l %k")
    attempts = [line.split() for line in asked.stdout.splitlines() if f"mmae_{mask}" in line]
    assert [words[:2] for words in attempts] == [["4000M", "12:00:00"], ["8000M", "1-00:00:00"]]


@pytest.mark.nightly
def test_a_training_on_a_gpu_asks_slurm_for_it(cluster, drawn):
    """The GPU of this cluster is none, which the training says."""
    running = cluster.start(
        "results/toy/models/mmae/mask0.60/seed0",
        *("--config", 'training={"device": "cuda"}'),
        *("--set-resources", "train:gpu_model=toy", "--retries", "0"),
    )
    running.communicate()
    assert running.returncode == 1
    log = (cluster.results / "logs/train/mmae/mask0.60/seed0.log").read_text()
    assert "mmae: error: config: training.device: found no CUDA device on" in log
    (number,) = [job for job, rule in cluster.jobs("FAILED").items() if "mmae_0.60" in rule]
    details = cluster.run("scontrol", "show", "job", number).stdout
    assert re.search(r"TresPerJob=gres[:/]gpu:toy:1\b", details), details


@pytest.mark.nightly
def test_slurms_warning_saves_requeues_and_the_job_finishes_by_itself(cluster, drawn):
    folder = cluster.results / "checkpoints/mmae/mask0.50/seed0"
    config = "config/toy.yaml"
    text = (cluster.project.folder / config).read_text()
    (cluster.project.folder / "slow.yaml").write_text(
        text.replace("\ntraining:\n  epochs: 2", "\ntraining:\n  epochs: 40\n  patience: 40")
    )
    command = ["sbatch", "--parsable", "--cpus-per-task=1", "--output=two.log", "--partition=cpu"]
    # two nodes' tasks on the one node, whose name nobody knows
    two = ["--ntasks=2", "--ntasks-per-node=2", "--export=ALL,MASTER_ADDR=127.0.0.1"]
    script = ["profiles/slurm/train.sbatch", "slow.yaml", "mmae", "0.50", "0"]
    number = cluster.run(*command, *two, *script).stdout.strip()
    log = cluster.project.folder / "two.log"
    end = time.monotonic() + 120
    while not any(folder.glob("*.sha256")):
        assert time.monotonic() < end, log.read_text() if log.exists() else "not started"
        time.sleep(0.2)
    assert "2 processes" in log.read_text()
    cluster.run("scancel", f"--signal={signal.SIGTERM.name}", number)
    end = time.monotonic() + 240
    while not (cluster.results / "models/mmae/mask0.50/seed0").exists():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
    text = log.read_text()
    assert "SIGTERM: saving after this step" in text
    before, _, after = text.partition("going on from checkpoint")
    assert "epoch 40 of 40" in after
    assert "epoch 40 of 40" not in before
    details = cluster.run("scontrol", "show", "job", number).stdout
    assert "Restarts=1 " in details


def test_an_unknown_partition_is_told_before_the_first_job(cluster):
    before = cluster.jobs("all")
    running = cluster.start("all", "--set-resources", "train:slurm_partition=nowhere")
    text, _ = running.communicate()
    assert running.returncode == 1
    assert (
        "\nprofiles/slurm, or the command line: slurm_partition of train: found 'nowhere', which "
        "SLURM does not have, expected one of cpu, gpu\n" in text
    )
    assert "Traceback" not in text
    assert "submitted" not in text
    assert cluster.jobs("all") == before
