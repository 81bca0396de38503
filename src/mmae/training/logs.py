"""The logs of a training that the config asks for."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmae.errors import InputError
from mmae.settings import Logs
from mmae.training.mlflow_log import MlflowLog
from mmae.training.tensorboard_log import TensorBoardLog
from mmae.training.watch import TrainingLog


def logs_of(
    settings: Logs, folder: Path | None, description: Mapping[str, Any]
) -> list[TrainingLog]:
    """The logs of one training; nothing is written yet.

    Parameters
    ----------
    settings : Logs
    folder : Path or None
        Of this training alone. Without one there are no event files.
    description : mapping
        What the training is: name, mask, seed, and mappings `model` and `training`.

    Raises
    ------
    InputError
        If MLflow is asked for and not installed.
    """
    logs: list[TrainingLog] = []
    if settings.tensorboard and folder is not None:
        logs.append(TensorBoardLog(folder, settings.every_steps))
    if settings.mlflow is not None:
        if find_spec("mlflow") is None:
            raise InputError(
                "config",
                key="logs.mlflow",
                found=f"{settings.mlflow}, but the package mlflow is not installed",
                expected="it (pip install '.[mlflow]'), or null",
            )
        logs.append(MlflowLog(settings.mlflow, settings.experiment, folder, description))
    return logs
