"""A training that several processes divide goes on, in as many as before or in others."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import divided_training
from helpers import LAUNCH
from mmae.training import fit as training_loop
from mmae.training.fit import Fitted

pytestmark = pytest.mark.nightly

SCRIPT = Path(divided_training.__file__)


def in_two(folder: Path, name: str, stop_after: int = 0) -> subprocess.CompletedProcess:
    folder.mkdir(exist_ok=True)
    command = [*LAUNCH, str(SCRIPT), str(folder), name, str(stop_after)]
    return subprocess.run(command, capture_output=True, text=True)


def has_no_gloo(folder: Path) -> bool:
    """Whether both processes left each other before Python ended."""
    left = [(folder / f"threads.{rank}").read_text() for rank in range(2)]
    return all("python" in names and "gloo" not in names for names in left)


def result_of(folder: Path) -> Fitted:
    best = torch.load(folder / "best.pt", weights_only=True)
    return Fitted(best, pd.read_csv(folder / "history.csv"))


def in_one(folder: Path, stop_after: int = 0) -> Fitted:
    with pytest.MonkeyPatch.context() as patched:
        # put back after the training, which changes it
        patched.setattr(training_loop, "load_batch", training_loop.load_batch)
        return divided_training.train(folder, "mmae", stop_after)


def alike(one: Fitted, other: Fitted) -> None:
    """Sums in another order: single precision over ten steps leaves four digits."""
    losses = [name for name in one.history if name != "validation_sigma_nmad"]
    np.testing.assert_allclose(one.history[losses], other.history[losses], rtol=1e-5)
    for name, value in one.best.items():
        pair = value, other.best[name]
        if name.endswith("in_proj_bias"):
            # queries and values: attention does not change with the keys' bias, whose gradient is
            # rounding alone, of which AdamW makes whole steps
            pair = tuple(bias.reshape(3, -1)[[0, 2]] for bias in pair)
        torch.testing.assert_close(*pair, rtol=1e-4, atol=5e-5)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """One process, left alone."""
    return in_one(tmp_path_factory.mktemp("one"))


def test_two_processes_go_on_as_if_nothing_had_been(tmp_path):
    """With batch norm, stopped between the last step of an epoch and its validation."""
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    result = in_two(whole, "cnn")
    assert result.returncode == 0, result.stderr[-3000:]
    result = in_two(stopped, "cnn", stop_after=5)
    assert result.returncode == 75, result.stderr[-3000:]
    assert [path.stem for path in (stopped / "checkpoints").glob("*.pt")] == ["000000005"]
    assert has_no_gloo(whole)
    assert has_no_gloo(stopped)
    result = in_two(stopped, "cnn")
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stderr.count("going on from checkpoint") <= 1
    assert (stopped / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    expected = result_of(whole).best
    for name, value in result_of(stopped).best.items():
        assert torch.equal(value, expected[name]), name


def test_one_process_goes_on_where_two_were(tmp_path, undisturbed):
    result = in_two(tmp_path, "mmae", stop_after=3)
    assert result.returncode == 75, result.stderr[-3000:]
    alike(in_one(tmp_path), undisturbed)


def test_two_processes_go_on_where_one_was(tmp_path, undisturbed):
    with pytest.raises(SystemExit):
        in_one(tmp_path / "one", stop_after=3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    result = in_two(tmp_path / "two", "mmae")
    assert result.returncode == 0, result.stderr[-3000:]
    alike(result_of(tmp_path / "two"), undisturbed)
