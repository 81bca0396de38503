"""Several processes that divide each batch: started by torchrun or SLURM, one of them speaks."""

import os
from typing import Any

import torch
from torch import distributed

from mmae.errors import InputError
from mmae.models.batch import Share
from mmae.settings import Training


def world_size() -> int:
    """How many processes train one model, as torchrun and SLURM's script say."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process writes and tells."""
    return int(os.environ.get("RANK", "0")) == 0


def check_world(settings: Training) -> None:
    """Raise InputError unless the processes can divide a batch evenly."""
    if settings.batch_size % world_size():
        raise InputError(
            "config",
            key="training.batch_size",
            found=f"{settings.batch_size} galaxies for {world_size()} processes",
            expected="a multiple of the number of processes",
        )


def share_of(n_whole: int, rank: int, world: int) -> Share:
    """A process's galaxies of a batch: their numbers differ by one at most."""
    return Share(n_whole * rank // world, n_whole * (rank + 1) // world, n_whole)


def gathered(items: list[Any]) -> list[Any]:
    """The items of all processes, those of the first one first."""
    if not distributed.is_initialized():
        return items
    lists: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(lists, items)
    return [item for part in lists for item in part]


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if not distributed.is_initialized():
        return flag
    on = torch.tensor(float(flag))
    if distributed.get_backend() == "nccl":
        on = on.cuda()
    distributed.all_reduce(on)
    return bool(on.item())
