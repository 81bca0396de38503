"""Where a training is: all that the next step depends on, beside config and data."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mmae.modalities import check_modalities, from_plain, to_plain
from mmae.models.base import GalaxyModel
from mmae.training.processes import gathered, rank, world_size


@dataclass
class State:
    """A training between two steps.

    Random numbers are functions of seed, epoch and step (`mmae.training.fit`), so that none of
    their generators need be kept.
    """

    model: GalaxyModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    epoch: int = 1
    """The running one."""
    steps: int = 0
    """Steps taken in all."""
    sums: Counter = field(default_factory=Counter)
    """Of losses over the galaxies seen in this epoch by this process, by name."""
    n_seen: int = 0
    """Galaxies seen in this epoch, by this process."""
    history: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    """Parameters of the epoch with the lowest validation loss."""
    best_loss: float = float("inf")
    waited: int = 0
    """Epochs since then."""
    averaged: dict[str, Tensor] = field(default_factory=dict)
    """Moving averages of the parameters, where there are any."""

    MODULES = ("model", "optimizer", "schedule")
    SHARES = ("sums", "n_seen")
    """What each process has of its own."""

    def end_epoch(self, row: dict[str, float], keep: bool = False) -> None:
        """Note an epoch's losses, keep the parameters if they are the best, and go on.

        With `keep`, they are kept anyway.
        """
        self.history.append(row)
        if keep or row["validation_total"] < self.best_loss:
            self.best_loss, self.waited = row["validation_total"], 0
            parameters = self.model.state_dict().items()
            self.best = {name: value.detach().clone() for name, value in parameters}
        else:
            self.waited += 1
        self.epoch, self.sums, self.n_seen = self.epoch + 1, Counter(), 0

    def average(self, decay: float) -> None:
        """Move the averages by a step; at first they follow faster."""
        decay = min(decay, (self.steps + 1) / (self.steps + 10))
        for name, value in self.model.named_parameters():
            if name in self.averaged:
                self.averaged[name].lerp_(value.detach(), 1 - decay)
            else:
                self.averaged[name] = value.detach().clone()

    @contextmanager
    def with_averages(self) -> Iterator[None]:
        """Put the averages in the place of the parameters, where there are any."""
        parameters = dict(self.model.named_parameters())
        kept = {name: parameters[name].detach().clone() for name in self.averaged}
        for name, value in self.averaged.items():
            parameters[name].data.copy_(value)
        try:
            yield
        finally:
            for name, value in kept.items():
                parameters[name].data.copy_(value)

    def shares(self) -> list[tuple[dict[str, float], int]]:
        """Sums and galaxies seen of each process; all of them must ask."""
        return gathered([(dict(self.sums), self.n_seen)])

    def to_dict(self) -> dict[str, Any]:
        """Tensors, numbers and mappings of them; all processes must ask."""
        numbers = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if f.name not in self.MODULES + self.SHARES
        }
        modules = {name: getattr(self, name).state_dict() for name in self.MODULES}
        modalities = to_plain(self.model.modalities.values())
        return numbers | modules | {"shares": self.shares(), "modalities": modalities}

    def restore(self, saved: dict[str, Any], where: object) -> None:
        """Go to a state that `to_dict` gave, also where other processes divided the batches.

        As many as before take up each its own sums, so that the last digit is the same; else the
        first one takes all of them. `where` it was is told if it does not fit.

        Raises
        ------
        InputError
            If it is of galaxies of another geometry.
        """
        check_modalities(self.model.modalities, from_plain(saved["modalities"], where), where)
        for name, value in saved.items():
            if name in self.MODULES:
                getattr(self, name).load_state_dict(value)
            elif name not in ("shares", "modalities"):
                setattr(self, name, value)
        shares = saved["shares"]
        if len(shares) != world_size():
            shares = [total(shares)] + [({}, 0)] * (world_size() - 1)
        sums, self.n_seen = shares[rank()]
        self.sums = Counter(sums)


def total(shares: list[tuple[dict[str, float], int]]) -> tuple[dict[str, float], int]:
    """Sums and galaxies seen of all processes."""
    sums: Counter = Counter()
    for part, _ in shares:
        sums.update(part)
    return dict(sums), sum(n for _, n in shares)
