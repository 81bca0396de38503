"""Two processes that divide each batch learn what one process learns."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from galaxies import SMALL_PAPER, training_with
from helpers import LAUNCH, SmallSurvey, await_end, run_mmae
from mmae.errors import InputError
from mmae.training.processes import check_devices, check_world, share_of


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 9, 64])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_galaxy_of_a_batch_is_seen_once(n, world):
    shares = [share_of(n, rank, world) for rank in range(world)]
    counted = [range(share.own.start, share.own.stop) for share in shares if share.counts]
    assert [row for rows in counted for row in rows] == [*range(n)]
    sizes = [len(rows) for rows in counted]
    assert max(sizes) - min(sizes) <= 1
    # batch norm wants two galaxies in each process, also where they are too few for all
    assert all(share.own.stop - share.own.start >= min(2, n) for share in shares)
    assert {(share.n_whole, share.n_processes) for share in shares} == {(n, world)}
    assert sum(share.n_counted for share in shares) == n


def test_a_batch_that_does_not_divide_is_told(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"training\.batch_size: found 8 galaxies for 3 processes"):
        check_world(training_with(batch_size=8))
    check_world(training_with(batch_size=9))


@pytest.mark.parametrize(
    ("device", "n_devices", "found"),
    [
        ("cuda", 0, "no CUDA device"),
        ("cuda", 1, "2 processes with 1 CUDA device"),
        ("auto", 1, "2 processes with 1 CUDA device"),
    ],
)
def test_too_few_gpus_are_told(monkeypatch, device, n_devices, found):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_devices)
    sentence = rf"config: training\.device: found {found} on .*, expected one for each process"
    with pytest.raises(InputError, match=sentence):
        check_devices(training_with(device=device))


@pytest.mark.parametrize(("device", "n_devices"), [("cpu", 0), ("auto", 0), ("cuda", 2)])
def test_enough_gpus_are_enough(monkeypatch, device, n_devices):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr("torch.cuda.device_count", lambda: n_devices)
    check_devices(training_with(device=device))


def arguments(survey: SmallSurvey, folder: Path, **keys: object) -> list[str]:
    """Of `mmae train`. Without dropout, whose random numbers are each process's own."""
    masking = keys.pop("masking", "zero")
    model = SMALL_PAPER | {"masking": masking}
    settings = vars(training_with(**{"epochs": 2, "batch_size": 16, "schedule": "constant"} | keys))
    return [
        *("train", "--config", json.dumps({"models": {"mmae": model}, "training": settings})),
        *("--arrays", str(survey.arrays), "--split", str(survey.split)),
        *("--model", "mmae", "--mask", "0.5", "--seed", "1"),
        *("--checkpoints", str(folder / "checkpoints"), "--events", str(folder / "events")),
        *("--output", str(folder / "model"), "--cost", str(folder / "cost.json")),
    ]


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "model/history.csv")


@pytest.mark.parametrize("masking", ["zero", pytest.param("drop", marks=pytest.mark.nightly)])
def test_two_processes_equal_one(small_survey, tmp_path, masking):
    """Sums in another order: single precision over 14 steps leaves five digits."""
    one, two = tmp_path / "one", tmp_path / "two"
    result = run_mmae(*arguments(small_survey, one, masking=masking))
    assert result.returncode == 0, result.stderr
    words = arguments(small_survey, two, masking=masking)
    result = subprocess.run([*LAUNCH, "-m", "mmae", *words], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "2 processes divide each batch" in result.stderr
    losses = [name for name in history(one) if name != "validation_sigma_nmad"]
    np.testing.assert_allclose(history(two)[losses], history(one)[losses], rtol=1e-5)
    assert json.loads((two / "cost.json").read_text())["galaxies_seen"] == 2 * 105
    # the first process writes
    assert len([*(two / "events").iterdir()]) == 1


@pytest.mark.parametrize("launch", [(), pytest.param(LAUNCH, marks=pytest.mark.nightly)])
def test_a_gpu_that_is_not_there_is_told_once(small_survey, tmp_path, monkeypatch, launch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    words = arguments(small_survey, tmp_path, device="cuda")
    if launch:
        command = [*launch, "-m", "mmae", *words]
        result = subprocess.run(command, capture_output=True, text=True)
    else:
        result = run_mmae(*words)
    assert result.returncode == 1
    (line,) = [line for line in result.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith("mmae: error: config: training.device: found no CUDA device on ")
    assert not (tmp_path / "model").exists()


def test_a_node_that_does_not_come_is_told():
    waiting = ("--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=1")
    endpoint = ("--rdzv-endpoint=127.0.0.1:0", "--rdzv-conf=join_timeout=1")
    command = [*LAUNCH[:3], *waiting, *endpoint, "-m", "mmae", "train"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "mmae: error: the processes of 2 nodes did not find each other at 127.0.0.1:0 "
        "(RendezvousTimeoutError)"
    )


@pytest.mark.nightly
def test_a_lost_process_is_told_and_the_training_goes_on_from_its_checkpoint(
    small_survey, tmp_path
):
    words = arguments(small_survey, tmp_path, epochs=60, patience=60)
    command = [*LAUNCH, "-m", "mmae", *words]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not any((tmp_path / "checkpoints").glob("*.sha256")):
        assert time.monotonic() < end
        assert running.poll() is None
        time.sleep(0.05)
    children = subprocess.run(
        ["ps", "--ppid", str(running.pid), "-o", "pid="], capture_output=True, text=True
    )
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    _, text = running.communicate()
    assert running.returncode == 128 + signal.SIGKILL
    assert re.search(
        r"^mmae: error: process \d of the training on .* was ended by SIGKILL; the same command "
        r"goes on from the last checkpoint$",
        text,
        re.MULTILINE,
    )
    assert "Traceback" not in text
    assert not (tmp_path / "model").exists()
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "going on from checkpoint" in result.stderr
    assert len(history(tmp_path)) == 60


@pytest.mark.nightly
def test_workers_do_not_outlive_a_killed_torchrun(small_survey, tmp_path):
    words = arguments(small_survey, tmp_path, epochs=4000, patience=4000)
    running = subprocess.Popen([*LAUNCH, "-m", "mmae", *words], stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not any((tmp_path / "checkpoints").glob("*.sha256")):
        assert time.monotonic() < end
        time.sleep(0.05)
    workers = psutil.Process(running.pid).children(recursive=True)
    assert len(workers) == 2
    running.kill()
    # whoever reads what the workers print would wait for ever if they went on
    running.communicate()
    await_end(workers)
    assert not (tmp_path / "model").exists()
