"""One training from a config entry to a trained model, whatever its kind."""

import resource
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import nn

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.metrics.redshift import sigma_nmad
from mmae.modalities import from_plain
from mmae.models import build_model
from mmae.models.base import GalaxyModel
from mmae.models.estimator import Columns, Estimator
from mmae.settings import Training
from mmae.training.checkpoint import Checkpoints
from mmae.training.processes import lost_process_told
from mmae.training.watch import TrainingLog


class Cost(NamedTuple):
    """What a training took."""

    parameters: int | None
    """Numbers that were trained; None for trees, which have no such count."""
    galaxies_seen: int
    """With repetitions: training galaxies times epochs."""
    training_seconds: float
    """On the wall, since the last restart."""
    peak_memory_mb: float
    """Of this process, on the CPU."""


class Trained(NamedTuple):
    """What a training gives."""

    model: GalaxyModel | Estimator
    history: pd.DataFrame
    cost: Cost


def train_model(
    entry: dict[str, Any],
    name: str,
    arrays: TrainingArrays,
    split: dict[str, np.ndarray],
    mask_ratio: float,
    seed: int,
    settings: Training,
    where: str,
    checkpoints: Checkpoints | None = None,
    logs: Sequence[TrainingLog] = (),
    start: Mapping[str, torch.Tensor] | None = None,
) -> Trained:
    """Build the model of a config entry and train it.

    Parameters
    ----------
    entry : dict
        Of `models` in the config.
    name : str
        Its name there.
    arrays : TrainingArrays
    split : dict of str to ndarray of int
    mask_ratio : float
    seed : int
        Of weights, order and masks.
    settings : Training
        The model's own keys are among them.
    where : str
        Of the arrays, for error messages.
    checkpoints : Checkpoints, optional
        Where a network's training goes on if it was interrupted.
    logs : sequence of TrainingLog
        Of a network's training.
    start : mapping of str to Tensor, optional
        Parameters of a trained network of the same entry, from which it goes on.

    Raises
    ------
    InputError
        If the entry is wrong, the model cannot read these arrays, the training diverges, or
        another of its processes is lost.
    """
    torch.manual_seed(seed)
    modalities = from_plain(arrays.modalities, where)
    model = build_model(entry, modalities, "config", f"models.{name}")
    if start is not None:
        _check_start(model, start, f"models.{name}")
    started = time.monotonic()
    n_train = len(split["train"])
    if isinstance(model, nn.Module):
        # Fabric takes longer to start than trees to grow
        from mmae.training.fit import fit

        with lost_process_told():
            fitted = fit(model, arrays, split, mask_ratio, seed, settings, checkpoints, logs, start)
        model.load_state_dict(fitted.best)
        parameters = sum(p.numel() for p in model.parameters())
        history = fitted.history
    else:
        parts = [_columns(model, arrays, split[part]) for part in ("train", "validation")]
        model.fit(*parts, seed)
        parameters, history = None, _estimator_history(model, parts[1])
    # kilobytes on Linux
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cost = Cost(parameters, n_train * len(history), time.monotonic() - started, memory)
    return Trained(model, history, cost)


def _check_start(
    model: GalaxyModel | Estimator, start: Mapping[str, torch.Tensor], key: str
) -> None:
    """Raise InputError unless parameters are those of a model of this size."""
    ours = model.state_dict() if isinstance(model, nn.Module) else {}
    shapes = [{name: one.shape for name, one in part.items()} for part in (ours, start)]
    if not ours or shapes[0] != shapes[1]:
        raise InputError(
            "config", key=key, found="another size or kind", expected="that of the model of --from"
        )


def _columns(model: Estimator, arrays: TrainingArrays, rows: np.ndarray) -> Columns:
    """Catalogue columns of the galaxies whose redshift is known."""
    rows = rows[np.isfinite(arrays.redshift[rows])]
    parts = [arrays.values[name][rows] for name in model.modalities]
    values = np.hstack(parts) if parts else np.empty((len(rows), 0), np.float32)
    return Columns(values, arrays.redshift[rows])


def _estimator_history(model: Estimator, validation: Columns) -> pd.DataFrame:
    """One row, as of one epoch: mean squared error of ln(1 + z), and the scatter."""
    zeta, z_spec = model.predict_zeta(validation.values), validation.redshift.astype(float)
    row = {
        "epoch": 1,
        "validation_total": float(np.mean((zeta - np.log1p(z_spec)) ** 2)),
        "validation_sigma_nmad": sigma_nmad(np.expm1(zeta), z_spec),
    }
    return pd.DataFrame([row])
