"""Logs of trainings, for people."""

from mmae.settings.base import Count, key, settings


@settings
class Logs:
    """Logs of trainings. They are no part of a result: a change here runs nothing again."""

    tensorboard: bool = key("event files for TensorBoard, beside the other logs", default=True)
    every_steps: Count = key("steps between the losses of single steps in them", default=20)
    mlflow: str | None = key(
        "where MLflow keeps runs: an address (http://127.0.0.1:5000) or a folder; null: no MLflow",
        default=None,
    )
    experiment: str = key("MLflow's name of all trainings together", default="galaxy-mmae")
