"""The training loop (paper section 4)."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.metrics.redshift import sigma_nmad
from mmae.models.base import GalaxyModel
from mmae.models.batch import generator_of
from mmae.progress import progress
from mmae.settings import Training
from mmae.training.augment import turn
from mmae.training.batches import batches_of, load_batch, n_batches

log = logging.getLogger(__name__)

ORDER, MASKS, VALIDATION, TURNS = range(4)
"""Streams of random numbers, so that no draw depends on another's."""

PREPARED = 512
"""Training galaxies from which a model learns the scale of its inputs."""


class Diverged(InputError):
    """A loss is not finite."""


class Fitted(NamedTuple):
    """What training gives."""

    best: dict[str, Tensor]
    """Parameters of the epoch with the lowest validation loss."""
    history: pd.DataFrame
    """One row an epoch: epoch, train_<loss>, validation_<loss>, validation_sigma_nmad."""


def fit(
    model: GalaxyModel,
    arrays: TrainingArrays,
    split: dict[str, np.ndarray],
    mask_ratio: float,
    seed: int,
    settings: Training,
) -> Fitted:
    """Train a model; keep the epoch that is best on validation galaxies.

    Parameters
    ----------
    model : GalaxyModel
    arrays : TrainingArrays
    split : dict of str to ndarray of int
        Rows of `train` and `validation`.
    mask_ratio : float
        Hidden fraction of tokens, for models that hide any.
    seed : int
        Of the order of galaxies, masks, modality dropout and dropout.
    settings : Training

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    Diverged
        If a loss is not finite.
    """
    fabric = make_fabric(settings)
    torch.manual_seed(seed)
    order, masks = generator_of(seed, ORDER), generator_of(seed, MASKS)
    turns = generator_of(seed, TURNS)
    sample = np.sort(split["train"][:PREPARED])
    model.prepare(load_batch(arrays, sample, model.spectrum_length, "cpu"), len(split["train"]))
    network, optimizer = fabric.setup(model, make_optimizer(model, settings))
    for method in ("training_losses", "validation_losses"):
        network.mark_forward_method(method)
    n_steps = n_batches(len(split["train"]), settings.batch_size)
    schedule = make_schedule(optimizer, settings, n_steps)
    best, best_loss, waited = {}, float("inf"), 0
    history = []
    for epoch in range(1, settings.epochs + 1):
        started = time.monotonic()
        network.train()
        sums, n_seen = Counter(), 0
        steps = batches_of(split["train"], settings.batch_size, order)
        for rows in progress(steps, f"epoch {epoch}", n_steps):
            batch = load_batch(arrays, rows, model.spectrum_length, fabric.device)
            if settings.augment == "dihedral":
                batch = turn(batch, turns)
            losses = network.training_losses(batch, mask_ratio, masks)
            sums.update({name: len(rows) * value.item() for name, value in losses.items()})
            _check_finite(sums, f"a loss in epoch {epoch}")
            optimizer.zero_grad()
            fabric.backward(losses["total"])
            fabric.clip_gradients(network, optimizer, max_norm=settings.gradient_clip)
            optimizer.step()
            schedule.step()
            n_seen += len(rows)
        row = {"epoch": epoch} | {f"train_{name}": value / n_seen for name, value in sums.items()}
        row |= validate(network, model, arrays, split["validation"], mask_ratio, seed, settings)
        history.append(row)
        if row["validation_total"] < best_loss:
            best_loss, waited = row["validation_total"], 0
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            waited += 1
        _tell(row, settings.epochs, n_seen / (time.monotonic() - started))
        if waited >= settings.patience:
            log.info("stopped early: no better validation loss in %d epochs", waited)
            break
    return Fitted(best, pd.DataFrame(history))


def _tell(row: dict[str, float], epochs: int, rate: float) -> None:
    """Log one epoch."""
    log.info(
        "epoch %d of %d: loss %.4f, validation loss %.4f, sigma_NMAD %.4f; %.0f galaxies/s",
        *(row["epoch"], epochs, row["train_total"], row["validation_total"]),
        *(row["validation_sigma_nmad"], rate),
    )


def _check_finite(losses: Mapping[str, float], what: str) -> None:
    """Raise Diverged unless all losses are numbers."""
    if not np.isfinite(list(losses.values())).all():
        raise Diverged(
            "training",
            found=f"{what} that is not finite",
            expected="numbers; a lower training.learning_rate may help",
        )


def make_fabric(settings: Training) -> Fabric:
    """Device and precision of a run.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    """
    torch.set_num_threads(settings.threads)
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "config", key="training.device", found="no CUDA device", expected="one, or device: cpu"
        )
    return Fabric(accelerator=settings.device, devices=1, precision=settings.precision)


def make_optimizer(model: GalaxyModel, settings: Training) -> torch.optim.AdamW:
    """AdamW with the paper's two groups: positions and pooling queries learn slowly, no decay."""
    slow = model.slow_parameters()
    slow_ids = {id(parameter) for parameter in slow}
    groups = [{"params": [p for p in model.parameters() if id(p) not in slow_ids]}]
    if slow:
        rate = settings.learning_rate * model.position_rate
        groups.insert(0, {"params": slow, "lr": rate, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: Training, n_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rate over the steps of a training: constant, or up and down once.

    One cycle (Smith & Topin 2019, arXiv:1708.07120) gets further in few epochs.
    """
    if settings.schedule == "constant":
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=n_steps * settings.epochs,
        cycle_momentum=False,
    )


@torch.no_grad()
def validate(
    network: nn.Module,
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    mask_ratio: float,
    seed: int,
    settings: Training,
) -> dict[str, float]:
    """Losses of the validation galaxies, under the same masks each time.

    Returns
    -------
    dict of str to float
        validation_<loss> for each of the model's, validation_sigma_nmad (NaN where the model gives
        no redshift).
    """
    network.eval()
    generator = generator_of(seed, VALIDATION)
    device = next(model.parameters()).device
    sums, z_pred, z_spec = Counter(), [], []
    for part in batches_of(rows, settings.batch_size):
        batch = load_batch(arrays, part, model.spectrum_length, device)
        losses, redshift = network.validation_losses(batch, mask_ratio, generator)
        sums.update({name: len(part) * value.item() for name, value in losses.items()})
        if redshift is not None:
            z_pred.append(redshift.float().cpu().numpy())
            z_spec.append(batch.redshift.cpu().numpy())
    means = {f"validation_{name}": value / len(rows) for name, value in sums.items()}
    _check_finite(means, "a validation loss")
    scatter = float("nan")
    if z_pred:
        scatter = sigma_nmad(np.concatenate(z_pred), np.concatenate(z_spec))
    return means | {"validation_sigma_nmad": scatter}
