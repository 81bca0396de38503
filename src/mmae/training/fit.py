"""The training loop (paper section 4)."""

import logging
import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.metrics.redshift import sigma_nmad
from mmae.models.batch import Batch, generator_of
from mmae.models.losses import Losses
from mmae.models.masking import modality_dropout, random_mask
from mmae.progress import progress
from mmae.settings import Training
from mmae.training.batches import batches_of, load_batch

log = logging.getLogger(__name__)

ORDER, MASKS, VALIDATION = range(3)
"""Streams of random numbers, so that no draw depends on another's."""


class Fitted(NamedTuple):
    """What training gives."""

    best: dict[str, Tensor]
    """Parameters of the epoch with the lowest validation loss."""
    history: pd.DataFrame
    """One row an epoch: epoch, train_<loss>, validation_<loss>, validation_sigma_nmad."""


def fit(
    model: nn.Module,
    arrays: TrainingArrays,
    split: dict[str, np.ndarray],
    mask_ratio: float,
    seed: int,
    settings: Training,
) -> Fitted:
    """Train a model; keep the epoch that is best on validation galaxies without their spectra.

    Parameters
    ----------
    model : Module
        As `PaperMMAE`: forward(image, spectrum, image_mask, spectrum_mask), losses(...),
        slow_parameters(), n_image_tokens, n_spectrum_tokens, settings.spectrum_length.
    arrays : TrainingArrays
    split : dict of str to ndarray of int
        Rows of `train` and `validation`.
    mask_ratio : float
        Hidden fraction of image tokens, and of spectrum tokens unless settings say otherwise.
    seed : int
        Of the order of galaxies, masks, modality dropout and dropout.
    settings : Training

    Raises
    ------
    InputError
        If a GPU is asked for and there is none, or the loss is not finite.
    """
    fabric = make_fabric(settings)
    torch.manual_seed(seed)
    order, masks = generator_of(seed, ORDER), generator_of(seed, MASKS)
    network, optimizer = fabric.setup(model, make_optimizer(model, settings))
    n_steps = -(-len(split["train"]) // settings.batch_size)
    schedule = make_schedule(optimizer, settings, n_steps)
    best, best_loss, waited = {}, float("inf"), 0
    history = []
    for epoch in range(1, settings.epochs + 1):
        started = time.monotonic()
        network.train()
        sums, n_seen = np.zeros(3), 0
        steps = batches_of(split["train"], settings.batch_size, order)
        for rows in progress(steps, f"epoch {epoch}", n_steps):
            batch = load_batch(arrays, rows, model.settings.spectrum_length, fabric.device)
            losses = training_losses(network, model, batch, mask_ratio, settings, masks)
            sums += len(rows) * np.array([value.item() for value in losses])
            _check_finite(sums, f"a loss in epoch {epoch}")
            optimizer.zero_grad()
            fabric.backward(total_loss(losses, settings))
            fabric.clip_gradients(network, optimizer, max_norm=settings.gradient_clip)
            optimizer.step()
            schedule.step()
            n_seen += len(rows)
        row = dict(zip(("image", "spectrum", "redshift"), sums / n_seen, strict=True))
        row = {"epoch": epoch} | {f"train_{name}": value for name, value in row.items()}
        row |= validate(network, model, arrays, split["validation"], mask_ratio, seed, settings)
        history.append(row)
        if row["validation_total"] < best_loss:
            best_loss, waited = row["validation_total"], 0
            best = {name: value.detach().clone() for name, value in model.state_dict().items()}
        else:
            waited += 1
        seconds = time.monotonic() - started
        log.info(
            "epoch %d of %d: train z loss %.4f, validation loss %.4f, sigma_NMAD %.4f; "
            "%.0f galaxies/s, at most %.0f s left",
            *(epoch, settings.epochs, row["train_redshift"], row["validation_total"]),
            *(row["validation_sigma_nmad"], n_seen / seconds, seconds * (settings.epochs - epoch)),
        )
        if waited >= settings.patience:
            log.info("stopped early: no better validation loss in %d epochs", waited)
            break
    return Fitted(best, pd.DataFrame(history))


def _check_finite(values: np.ndarray | float, what: str) -> None:
    """Raise InputError if the training has diverged."""
    if not np.isfinite(values).all():
        raise InputError(
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


def make_optimizer(model: nn.Module, settings: Training) -> torch.optim.AdamW:
    """AdamW with the paper's two groups: positions and pooling queries learn slowly, no decay."""
    slow = model.slow_parameters()
    slow_ids = {id(parameter) for parameter in slow}
    groups = [
        {
            "params": slow,
            "lr": settings.learning_rate * settings.position_rate,
            "weight_decay": 0.0,
        },
        {"params": [p for p in model.parameters() if id(p) not in slow_ids]},
    ]
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


def training_losses(
    network: nn.Module,
    model: nn.Module,
    batch: Batch,
    mask_ratio: float,
    settings: Training,
    generator: torch.Generator,
) -> Losses:
    """Losses of one batch under random masks, half of the spectra zeroed.

    As in the authors' code, a zeroed spectrum still goes through embedding and mask: tokens that
    are not hidden carry their positions. At validation and test all of them are hidden.
    """
    n, device = len(batch.redshift), batch.image.device
    image_mask = random_mask(n, model.n_image_tokens, mask_ratio, generator).to(device)
    ratio = mask_ratio if settings.spectrum_mask is None else settings.spectrum_mask
    spectrum_mask = random_mask(n, model.n_spectrum_tokens, ratio, generator).to(device)
    zeroed = modality_dropout(
        n, settings.modality_dropout, settings.modality_dropout_by, generator
    ).to(device)
    spectrum = batch.spectrum.masked_fill(zeroed[:, None], 0.0)
    output = network(batch.image, spectrum, image_mask, spectrum_mask)
    # a zeroed spectrum has nothing to reconstruct
    counted = spectrum_mask & ~zeroed[:, None]
    return model.losses(output, batch.image, batch.spectrum, batch.redshift, image_mask, counted)


def total_loss(losses: Losses, settings: Training) -> Tensor:
    """Weighted sum (paper: 0.1 image + 0.01 spectrum + redshift)."""
    return (
        settings.image_weight * losses.image
        + settings.spectrum_weight * losses.spectrum
        + settings.redshift_weight * losses.redshift
    )


@torch.no_grad()
def validate(
    network: nn.Module,
    model: nn.Module,
    arrays: TrainingArrays,
    rows: np.ndarray,
    mask_ratio: float,
    seed: int,
    settings: Training,
) -> dict[str, float]:
    """Losses of the validation galaxies, spectra hidden whole, under the same masks each time.

    Returns
    -------
    dict of str to float
        validation_image, validation_redshift, validation_total, validation_sigma_nmad.
    """
    network.eval()
    generator = generator_of(seed, VALIDATION)
    device = next(model.parameters()).device
    sums, z_pred, z_spec = np.zeros(3), [], []
    for part in batches_of(rows, settings.batch_size):
        batch = load_batch(arrays, part, model.settings.spectrum_length, device)
        image_mask = random_mask(len(part), model.n_image_tokens, mask_ratio, generator).to(device)
        hidden = torch.ones(len(part), model.n_spectrum_tokens, dtype=torch.bool, device=device)
        output = network(batch.image, torch.zeros_like(batch.spectrum), image_mask, hidden)
        losses = model.losses(
            output, batch.image, batch.spectrum, batch.redshift, image_mask, ~hidden
        )
        total = total_loss(losses, settings)
        values = [losses.image.item(), losses.redshift.item(), total.item()]
        sums += len(part) * np.array(values)
        z_pred.append(output.z_pred.float().cpu().numpy())
        z_spec.append(batch.redshift.cpu().numpy())
    image, redshift, total = sums / len(rows)
    _check_finite(total, "a validation loss")
    return {
        "validation_image": image,
        "validation_redshift": redshift,
        "validation_total": total,
        "validation_sigma_nmad": sigma_nmad(np.concatenate(z_pred), np.concatenate(z_spec)),
    }
