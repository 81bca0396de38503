"""Runs in MLflow; `make test-mlflow` installs its package."""

import math
from pathlib import Path

import pytest
import torch

from galaxies import SMALL_PAPER, made_up_galaxies, modalities_of, split_of, training_with
from mmae.errors import InputError
from mmae.models import build_model
from mmae.settings import Logs
from mmae.training import fit as training_loop
from mmae.training import logs as asked_for
from mmae.training.checkpoint import Checkpoints
from mmae.training.fit import Fitted, fit
from mmae.training.logs import logs_of
from mmae.training.mlflow_log import MlflowLog
from mmae.training.tensorboard_log import TensorBoardLog

ARRAYS, SPLIT = made_up_galaxies(), split_of(64)
SETTINGS = training_with(epochs=3, batch_size=8)
DESCRIPTION = {
    **{"name": "mmae", "mask": 0.5, "seed": 3},
    **{"model": SMALL_PAPER, "training": vars(SETTINGS)},
}


def test_mlflow_that_is_not_installed_is_told_in_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(asked_for, "find_spec", lambda name: None)
    sentence = (
        r"config: logs\.mlflow: found runs, but the package mlflow is not installed, "
        r"expected it \(pip install '\.\[mlflow\]'\), or null"
    )
    with pytest.raises(InputError, match=sentence):
        logs_of(Logs(mlflow="runs"), tmp_path, DESCRIPTION)


def test_logs_are_those_of_the_config(tmp_path):
    (log,) = logs_of(Logs(every_steps=7), tmp_path, DESCRIPTION)
    assert isinstance(log, TensorBoardLog)
    assert log.every_steps == 7
    assert logs_of(Logs(tensorboard=False), tmp_path, DESCRIPTION) == []
    assert logs_of(Logs(), None, DESCRIPTION) == []


@pytest.fixture
def runs(tmp_path: Path):
    """The client of a folder of runs, once there is one, and the runs in it."""
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: make test-mlflow")

    def read() -> tuple:
        client = mlflow.MlflowClient(str(tmp_path / "runs"))
        number = client.get_experiment_by_name("tests").experiment_id
        return client, client.search_runs([number], order_by=["attributes.start_time"])

    return read


def log_in(tmp_path: Path) -> MlflowLog:
    (log,) = logs_of(
        Logs(tensorboard=False, mlflow=str(tmp_path / "runs"), experiment="tests"),
        tmp_path / "logs",
        DESCRIPTION,
    )
    return log


def run(*logs, checkpoints: Checkpoints | None = None) -> Fitted:
    torch.manual_seed(3)
    return fit(
        build_model(SMALL_PAPER, modalities_of()),
        ARRAYS,
        SPLIT,
        0.5,
        3,
        SETTINGS,
        checkpoints,
        logs,
    )


def points(client, run, name: str) -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, name)]


def test_a_run_has_parameters_and_the_rows_of_the_history(runs, tmp_path):
    history = run(log_in(tmp_path)).history
    client, (found,) = runs()
    assert (found.info.run_name, found.info.status) == ("mmae/mask0.50/seed3", "FINISHED")
    assert found.data.params["model.dim"] == str(SMALL_PAPER["dim"])
    assert found.data.params["training.learning_rate"] == str(SETTINGS.learning_rate)
    assert found.data.params["seed"] == "3"
    for name in history.columns.drop("epoch"):
        assert points(client, found, name) == [*zip((1, 2, 3), history[name], strict=True)]
    assert len(points(client, found, "galaxies_per_second")) == 3


@pytest.mark.parametrize(("save", "status"), [(1, "KILLED"), (2, "FINISHED"), (3, "FINISHED")])
def test_an_interrupted_training_goes_on_in_its_run(runs, tmp_path, monkeypatch, save, status):
    """Killed after an epoch was logged and before it was kept; without a checkpoint it is new."""
    kept, saves, keep = Checkpoints(tmp_path / "kept", {}), [], training_loop._save

    def stopped(*arguments):
        saves.append(1)
        if len(saves) == save:
            raise SystemExit(75)
        keep(*arguments)

    monkeypatch.setattr(training_loop, "_save", stopped)
    with pytest.raises(SystemExit):
        run(log_in(tmp_path), checkpoints=kept)
    monkeypatch.undo()
    assert [found.info.status for found in runs()[1]] == ["RUNNING"]
    run(log_in(tmp_path), checkpoints=kept)
    client, (first, *others) = runs()
    assert first.info.status == status
    last = [first, *others][-1]
    assert last.info.status == "FINISHED"
    assert [step for step, _ in points(client, last, "validation_total")] == [1, 2, 3]


def test_a_training_that_fails_is_a_failed_run(runs, tmp_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("a fault")

    monkeypatch.setattr(training_loop, "_save", fail)
    with pytest.raises(RuntimeError, match="a fault"):
        run(log_in(tmp_path))
    _, (found,) = runs()
    assert found.info.status == "FAILED"


def test_what_is_no_number_is_left_out(runs, tmp_path):
    log = log_in(tmp_path)
    log.begin(1, 0)
    log.epoch(1, 4, {"validation_total": 0.5, "validation_sigma_nmad": math.nan})
    _, (found,) = runs()
    assert found.data.metrics == {"validation_total": 0.5}


def test_a_server_that_is_away_costs_the_log_alone(runs, tmp_path, caplog):
    away = MlflowLog("http://127.0.0.1:9", "tests", tmp_path, DESCRIPTION)
    history = run(away).history
    assert len(history) == 3
    assert caplog.text.count("the run in MLflow is not written any more") == 1
