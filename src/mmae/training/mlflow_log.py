"""A run in MLflow, which the paper's authors use; its package is optional."""

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmae.workflow.runs import Run

RUN = "mlflow_run.txt"
"""Holds the identifier of the run, so that an interrupted training goes on in it."""
ENVIRONMENT = {
    # a server that is away must not hold up a training for long
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # nothing is sent to anyone but the server of the config
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # who names a folder means it
    "MLFLOW_ALLOW_FILE_STORE": "true",
}


class MlflowLog:
    """Parameters of a training, and the row of history.csv and the speed of each epoch.

    Parameters
    ----------
    where : str
        MLflow's tracking URI.
    experiment : str
    folder : Path or None
        Where the run's identifier is kept; without it a training that goes on begins a new run.
    description : mapping
        What the training is: name, mask, seed, and mappings `model` and `training`.
    """

    name = "the run in MLflow"
    every_steps = None

    def __init__(
        self, where: str, experiment: str, folder: Path | None, description: Mapping[str, Any]
    ):
        self.where, self.experiment = where, experiment
        self.folder, self.description = folder, description

    def begin(self, first_step: int, epochs_done: int) -> None:
        """Begin a run, or go on in that of the interrupted training."""
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self.client = MlflowClient(self.where)
        kept = None if self.folder is None else self.folder / RUN
        if first_step > 1 and kept is not None and kept.is_file():
            self.run = kept.read_text(encoding="utf-8").strip()
            known = self.client.get_metric_history(self.run, "validation_total")
            self.written = {metric.step for metric in known}
            self.client.update_run(self.run, status="RUNNING")
            return
        self.written = set()
        self.run = self._new_run()
        if kept is not None:
            self._give_up(kept)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(f"{self.run}\n", encoding="utf-8")

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Nothing: a request for each of so many steps is no good use of a server."""

    def epoch(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        """Write an epoch, unless it was written before an interruption."""
        from mlflow.entities import Metric

        if epoch in self.written:
            return
        now = int(1000 * time.time())
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        metrics = [Metric(name, value, now, epoch) for name, value in finite.items()]
        self.client.log_batch(self.run, metrics=metrics)

    def end(self, how: type[BaseException] | None) -> None:
        """Say how it ended; an interrupted training goes on running for MLflow."""
        if how is None or not issubclass(how, SystemExit):
            self.client.set_terminated(self.run, "FINISHED" if how is None else "FAILED")

    def _give_up(self, kept: Path) -> None:
        """Say of a run that was interrupted before its first checkpoint that it does not go on."""
        if kept.is_file():
            old = self.client.get_run(kept.read_text(encoding="utf-8").strip())
            if old.info.status == "RUNNING":
                self.client.set_terminated(old.info.run_id, "KILLED")

    def _new_run(self) -> str:
        """A run with its parameters."""
        from mlflow.entities import Param

        found = self.client.get_experiment_by_name(self.experiment)
        number = found.experiment_id if found else self.client.create_experiment(self.experiment)
        what = self.description
        name = Run(what["name"], what["mask"], what["seed"]).folder
        run = self.client.create_run(number, run_name=name).info.run_id
        parameters = {key: what[key] for key in ("name", "mask", "seed")}
        for part in ("model", "training"):
            parameters |= {f"{part}.{key}": value for key, value in what[part].items()}
        listed = [Param(key, str(value)) for key, value in parameters.items()]
        self.client.log_batch(run, params=listed)
        return run
