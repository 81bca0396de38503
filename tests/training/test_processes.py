"""Two processes that divide each batch learn what one process learns."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from galaxies import SMALL_PAPER, training_with
from helpers import SmallSurvey
from mmae.errors import InputError
from mmae.training.processes import check_world, share_of

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 64])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_galaxy_of_a_batch_is_seen_once(n, world):
    rows = [
        row
        for rank in range(world)
        for row in range(share_of(n, rank, world).start, share_of(n, rank, world).stop)
    ]
    assert rows == [*range(n)]
    sizes = [len(range(*share_of(n, rank, world)[:2])) for rank in range(world)]
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_that_does_not_divide_is_told(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match=r"training\.batch_size: found 8 galaxies for 3 processes"):
        check_world(training_with(batch_size=8))
    check_world(training_with(batch_size=9))


def arguments(survey: SmallSurvey, folder: Path, **keys: object) -> list[str]:
    """Of `mmae train`. Without dropout, whose random numbers are each process's own."""
    masking = keys.pop("masking", "zero")
    model = SMALL_PAPER | {"image_size": 64, "spectrum_length": 259, "masking": masking}
    settings = vars(training_with(**{"epochs": 2, "batch_size": 16, "schedule": "constant"} | keys))
    return [
        *("train", "--config", json.dumps({"models": {"mmae": model}, "training": settings})),
        *("--arrays", str(survey.arrays), "--split", str(survey.split)),
        *("--model", "mmae", "--mask", "0.5", "--seed", "1"),
        *("--checkpoints", str(folder / "checkpoints")),
        *("--output", str(folder / "model"), "--cost", str(folder / "cost.json")),
    ]


def history(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "model/history.csv")


@pytest.mark.parametrize("masking", ["zero", "drop"])
def test_two_processes_equal_one(small_survey, tmp_path, masking):
    """Sums in another order: single precision over 14 steps leaves five digits."""
    one, two = tmp_path / "one", tmp_path / "two"
    words = arguments(small_survey, one, masking=masking)
    subprocess.run([sys.executable, "-m", "mmae", *words], check=True, capture_output=True)
    words = arguments(small_survey, two, masking=masking)
    result = subprocess.run([*TORCHRUN, "-m", "mmae", *words], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "2 processes divide each batch" in result.stderr
    losses = [name for name in history(one) if name != "validation_sigma_nmad"]
    np.testing.assert_allclose(history(two)[losses], history(one)[losses], rtol=1e-5)
    assert json.loads((two / "cost.json").read_text())["galaxies_seen"] == 2 * 105


def test_a_lost_process_is_told_and_the_training_goes_on_from_its_checkpoint(
    small_survey, tmp_path
):
    words = arguments(small_survey, tmp_path, epochs=60, patience=60)
    command = [*TORCHRUN, "-m", "mmae", *words]
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
    assert running.returncode != 0
    assert "exitcode: -9" in text.replace(" ", "").replace("exitcode:-9", "exitcode: -9")
    assert not (tmp_path / "model").exists()
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert "going on from checkpoint" in result.stderr
    assert len(history(tmp_path)) == 60
