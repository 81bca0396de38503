"""The training loop (paper section 4)."""

import logging
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor

from mmae.dataset.arrays import TrainingArrays
from mmae.errors import InputError
from mmae.metrics.redshift import sigma_nmad
from mmae.models.base import GalaxyModel
from mmae.models.batch import Batch, generator_of, load_batch
from mmae.models.losses import Mean
from mmae.models.masking import Masks
from mmae.settings import Training
from mmae.training.ahead import ahead
from mmae.training.augment import augment
from mmae.training.batches import batches_of, n_batches
from mmae.training.checkpoint import Checkpoints
from mmae.training.degrade import degrade
from mmae.training.interruption import TRY_AGAIN, sigterm_noted
from mmae.training.preflight import check_batch, check_compiler
from mmae.training.processes import (
    Share,
    added,
    any_of,
    check_devices,
    check_world,
    gathered,
    is_first,
    leave_at_exit,
    of_first,
    share_of,
    take_buffers_of_first,
    world_size,
)
from mmae.training.state import State, total
from mmae.training.watch import TrainingLog, Watch
from mmae.workflow.orphans import end_with

log = logging.getLogger(__name__)

ORDER, MASKS, VALIDATION, TURNS, DROPOUT, DEGRADED = range(6)
"""Streams of random numbers. Each is a function of the seed and of the epoch or step, so that a
training that was interrupted goes on with the same numbers."""

WARM_UP = 0.06
"""Of all steps, in which the cosine schedule rises."""
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
    checkpoints: Checkpoints | None = None,
    logs: Sequence[TrainingLog] = (),
    start: Mapping[str, Tensor] | None = None,
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
    checkpoints : Checkpoints, optional
        Where the training goes on if it was interrupted, and keeps where it is.
    logs : sequence of TrainingLog
        Written by the first process; one that fails is left alone.
    start : mapping of str to Tensor, optional
        Parameters and scales of a trained model of the same sizes, from which it goes on. The
        last epoch is then kept, as validation galaxies may be unlike those that it is tuned on.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none, the processes cannot divide a batch, a batch is
        too small for the model, nothing can be compiled, or the checkpoint is one of another
        training.
    Diverged
        If a loss is not finite.
    SystemExit
        With code 75 after SIGTERM, once all is saved.
    """
    fabric = make_fabric(settings)
    check_batch(model, min(settings.batch_size, len(split["train"])))
    if settings.compile:
        check_compiler(fabric.device)
    torch.manual_seed(seed)
    sample = np.sort(split["train"][:PREPARED])
    if start is None:
        model.prepare(load_batch(arrays, sample, model.modalities, "cpu"), len(split["train"]))
    else:
        model.load_state_dict(start)
    n_steps = n_batches(len(split["train"]), settings.batch_size)
    if settings.compile:
        model.compile()
    network, optimizer = fabric.setup(model, make_optimizer(model, settings))
    network.mark_forward_method("losses")
    state = State(model, optimizer, make_schedule(optimizer, settings, n_steps))
    if checkpoints and (saved := of_first(checkpoints.load)):
        state.restore(saved, checkpoints.folder)
    if fabric.world_size > 1 and is_first():
        log.info("%d processes divide each batch", fabric.world_size)
    saved_at = time.monotonic()
    with sigterm_noted() as warned, Watch(state, settings, n_steps, logs) as watch:
        while state.epoch <= settings.epochs and state.waited < settings.patience:
            network.train()
            coming = batches(arrays, split["train"], state, seed, settings, fabric)
            # a CPU would only be disturbed
            for batch, share in ahead(coming) if fabric.device.type == "cuda" else coming:
                losses = _losses(network, state, batch, share, mask_ratio, seed, fabric)
                # the shares of all processes, as large as they may be, add up to the whole batch
                part = share.n_whole / share.n_processes
                state.sums.update({name: part * value.item() for name, value in losses.items()})
                _check_finite(state.sums, f"a loss in epoch {state.epoch}")
                optimizer.zero_grad()
                fabric.backward(losses["total"])
                _clip(fabric, network, optimizer, settings, state.epoch)
                optimizer.step()
                state.schedule.step()
                if settings.average is not None:
                    state.average(settings.average)
                state.steps, state.n_seen = state.steps + 1, state.n_seen + share.n_counted
                watch.step(losses, share.n_whole)
                long_ago = time.monotonic() - saved_at > 60 * settings.checkpoint_minutes
                stop, due = any_of(warned.flag, long_ago)
                if stop or due:
                    _save(checkpoints, state)
                    saved_at = time.monotonic()
                if stop:
                    raise SystemExit(TRY_AGAIN)
            row = {"epoch": state.epoch} | _means(state)
            with state.with_averages():
                row |= validate(
                    model, arrays, split["validation"], mask_ratio, seed, settings, fabric
                )
                state.end_epoch(row, keep=start is not None)
            watch.epoch(row)
            _save(checkpoints, state)
    if state.epoch <= settings.epochs and is_first():
        log.info("stopped early: no better validation loss in %d epochs", state.waited)
    return Fitted(state.best, pd.DataFrame(state.history))


def batches(
    arrays: TrainingArrays,
    rows: np.ndarray,
    state: State,
    seed: int,
    settings: Training,
    fabric: Fabric,
) -> Iterator[tuple[Batch, Share]]:
    """The part of this process of each batch of the running epoch that is still to come."""
    order = generator_of(seed, ORDER, state.epoch)
    whole = list(batches_of(rows, settings.batch_size, order))
    n_done = state.steps - (state.epoch - 1) * len(whole)
    for number, part in enumerate(whole[n_done:], state.steps):
        share = share_of(len(part), fabric.global_rank, fabric.world_size)
        batch = load_batch(arrays, part[share.own], state.model.modalities, fabric.device)
        if settings.augment == "dihedral":
            which = torch.randint(0, 8, (len(part),), generator=generator_of(seed, TURNS, number))
            batch = augment(batch, which[share.own])
        if settings.augment == "spectra":
            rng = np.random.default_rng([seed, DEGRADED, number])
            batch = degrade(batch, state.model.modalities, len(part), share.own, rng)
        yield batch, share


def _losses(
    network: torch.nn.Module,
    state: State,
    batch: Batch,
    share: Share,
    mask_ratio: float,
    seed: int,
    fabric: Fabric,
) -> dict[str, Tensor]:
    """The share of this process in a step's losses; random numbers are the step's own."""
    noise = generator_of(seed, DROPOUT, state.steps, fabric.global_rank)
    torch.manual_seed(noise.initial_seed())
    drawn = generator_of(seed, MASKS, state.steps)
    masks = state.model.draw_masks(share.n_whole, mask_ratio, drawn, training=True)
    # Fabric does so itself only for several processes
    with fabric.autocast():
        found = network.losses(batch, _own(masks, share, fabric.device), drawn)
        losses = _shares(found.parts, share)
        losses.setdefault("total", state.model.total(losses))
    return losses


def _own(masks: Masks, share: Share, device: torch.device) -> Masks:
    """The masks of a process's part of a batch: drawn for all, so that they do not depend on it."""
    return {name: mask.of(share.own, device) for name, mask in masks.items()}


def _shares(parts: Mapping[str, Mean], share: Share) -> dict[str, Tensor]:
    """Mean losses of a batch, as far as they are this process's.

    Processes average their gradients: the mean of their shares is the mean over the whole batch.
    """
    if share.n_processes == 1:
        return {name: part.value for name, part in parts.items()}
    counts = added(torch.stack([part.n.float() * share.counts for part in parts.values()]))
    return {
        name: part.total * share.counts * (share.n_processes / n.clamp(min=1))
        for (name, part), n in zip(parts.items(), counts, strict=True)
    }


def _save(checkpoints: Checkpoints | None, state: State) -> None:
    """Keep where the training is; one process does it for all, which wait for it."""
    if checkpoints:
        content = state.to_dict()
        of_first(lambda: checkpoints.save(state.steps, content))


def _clip(
    fabric: Fabric,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: Training,
    epoch: int,
) -> None:
    """Limit the norm of the gradient."""
    norm = fabric.clip_gradients(
        network, optimizer, max_norm=settings.gradient_clip, error_if_nonfinite=False
    )
    _check_finite({"norm": float(norm)}, f"a gradient in epoch {epoch}")


def _means(state: State) -> dict[str, float]:
    """Mean training losses of the epoch, over all processes."""
    sums, n_seen = total(state.shares())
    return {f"train_{name}": value / n_seen for name, value in sums.items()}


def _check_finite(losses: Mapping[str, float], what: str) -> None:
    """Raise Diverged unless all losses are numbers."""
    if not np.isfinite(list(losses.values())).all():
        raise Diverged(
            "training",
            found=f"{what} that is not finite",
            expected="numbers; a lower training.learning_rate may help, and the checkpoint before "
            "is kept",
        )


def make_fabric(settings: Training) -> Fabric:
    """Device and precision of a run.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none, or the processes cannot divide a batch.
    """
    torch.set_num_threads(settings.threads)
    check_devices(settings)
    check_world(settings)
    options = {"accelerator": settings.device, "precision": settings.precision}
    # said, lest a SLURM job be taken for one of several processes
    if world_size() == 1:
        return Fabric(devices=1, plugins=[LightningEnvironment()], **options)
    # torchrun's workers would go on without it
    end_with(os.getppid())
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # with dropped tokens, a process whose galaxies all lack spectra leaves parameters unused
    strategy = DDPStrategy(find_unused_parameters=True)
    plugins = [TorchElasticEnvironment()]
    nodes = world_size() // local
    fabric = Fabric(devices=local, num_nodes=nodes, strategy=strategy, plugins=plugins, **options)
    fabric.launch()
    leave_at_exit()
    return fabric


def make_optimizer(model: GalaxyModel, settings: Training) -> torch.optim.AdamW:
    """AdamW with the paper's two groups: positions and pooling queries learn slowly, no decay."""
    slow = model.slow_parameters()
    slow_ids = {id(parameter) for parameter in slow}
    groups = [{"params": [p for p in model.parameters() if id(p) not in slow_ids]}]
    if slow:
        rate = settings.learning_rate * model.position_rate
        groups.insert(0, {"params": slow, "lr": rate, "weight_decay": 0.0})
    return torch.optim.AdamW(
        groups, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def make_schedule(
    optimizer: torch.optim.Optimizer, settings: Training, n_steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    """Learning rate over the steps of a training: constant, or up and down once.

    One cycle (Smith & Topin 2019, arXiv:1708.07120) gets further in few epochs; a cosine after a
    short warm-up spends more of them at a high rate.
    """
    if settings.schedule == "constant":
        return torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
    if settings.schedule == "cosine":
        n_all = n_steps * settings.epochs
        warm = max(1, round(WARM_UP * n_all))
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / warm, total_iters=warm)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, n_all - warm))
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], [warm])
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=n_steps * settings.epochs,
        cycle_momentum=False,
    )


@torch.no_grad()
def validate(
    model: GalaxyModel,
    arrays: TrainingArrays,
    rows: np.ndarray,
    mask_ratio: float,
    seed: int,
    settings: Training,
    fabric: Fabric,
) -> dict[str, float]:
    """Losses of the validation galaxies, under the same masks each time.

    Returns
    -------
    dict of str to float
        validation_<loss> for each of the model's, validation_sigma_nmad (NaN where the model gives
        no redshift).
    """
    model.eval()
    take_buffers_of_first(model)
    found = []
    for number, part in enumerate(batches_of(rows, settings.batch_size)):
        if number % fabric.world_size != fabric.global_rank:
            continue
        batch = load_batch(arrays, part, model.modalities, fabric.device)
        drawn = generator_of(seed, VALIDATION, number)
        masks = model.draw_masks(len(part), mask_ratio, drawn, training=False)
        masks = {name: mask.of(slice(None), fabric.device) for name, mask in masks.items()}
        with fabric.autocast():
            said = model.losses(batch, masks, drawn)
            means = {name: mean.value for name, mean in said.parts.items() if mean.n}
            means.setdefault("total", model.total(means))
        pair = None
        if said.z_pred is not None:
            pair = said.z_pred.float().cpu().numpy(), batch.redshift.cpu().numpy()
        values = {name: float(value) for name, value in means.items()}
        found.append((number, len(part), values, pair))
    found = sorted(gathered(found), key=lambda item: item[0])
    sums: Counter = Counter()
    for _, n, means, _ in found:
        sums.update({name: n * value for name, value in means.items()})
    result = {f"validation_{name}": value / len(rows) for name, value in sums.items()}
    _check_finite(result, "a validation loss")
    scatter = float("nan")
    if found[0][3] is not None:
        pairs = zip(*(pair for *_, pair in found), strict=True)
        z_pred, z_spec = map(np.concatenate, pairs)
        known = np.isfinite(z_spec)
        scatter = sigma_nmad(z_pred[known], z_spec[known])
    return result | {"validation_sigma_nmad": scatter}
