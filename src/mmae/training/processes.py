"""Several processes that divide each batch: started by torchrun or SLURM, one of them speaks."""

import atexit
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import distributed, nn

from mmae.errors import InputError
from mmae.settings import Training

WAIT = 5
"""Seconds in which the launcher ends the others."""


class Share(NamedTuple):
    """A process's part of a batch."""

    own: slice
    """Of its galaxies."""
    n_whole: int
    """Galaxies of the whole batch."""
    n_processes: int
    counts: bool = True
    """False where there were too few galaxies for all: it only keeps step with the others."""

    @property
    def n_counted(self) -> int:
        """Galaxies here that no other process counts."""
        return self.own.stop - self.own.start if self.counts else 0


def world_size() -> int:
    """How many processes train one model, as torchrun and SLURM's script say."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Number of this process among them, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process writes and tells."""
    return rank() == 0


def check_world(settings: Training) -> None:
    """Raise InputError unless the processes can divide a batch evenly."""
    if settings.batch_size % world_size():
        raise InputError(
            "config",
            key="training.batch_size",
            found=f"{settings.batch_size} galaxies for {world_size()} processes",
            expected="a multiple of the number of processes",
        )


def check_devices(settings: Training) -> None:
    """Raise InputError unless there is a GPU for each process of this machine that asks for one."""
    n_devices, n_here = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if settings.device == "cpu" or (settings.device == "auto" and n_devices == 0):
        return
    if n_devices < n_here:
        some = f"{n_here} processes with {n_devices} CUDA device{'s' * (n_devices > 1)}"
        raise InputError(
            "config",
            key="training.device",
            found=f"{some if n_devices else 'no CUDA device'} on {socket.gethostname()}",
            expected="one for each process, or device: cpu",
        )


def share_of(n_whole: int, rank: int, world: int) -> Share:
    """A process's galaxies of a batch, two at least, which batch norm needs.

    Where there are fewer, the last processes look at the first two, which they do not count.
    """
    parts = max(1, min(world, n_whole // 2))
    if rank >= parts:
        return Share(slice(0, min(2, n_whole)), n_whole, world, counts=False)
    own = slice(n_whole * rank // parts, n_whole * (rank + 1) // parts)
    return Share(own, n_whole, world)


def gathered(items: list[Any]) -> list[Any]:
    """The items of all processes, those of the first one first."""
    if not distributed.is_initialized():
        return items
    lists: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(lists, items)
    return [item for part in lists for item in part]


def of_first(make: Callable[[], Any]) -> Any:
    """What the first process makes, in all of them: disks of several nodes may disagree."""
    if not distributed.is_initialized():
        return make()
    made = [make() if is_first() else None]
    distributed.broadcast_object_list(made, src=0)
    return made[0]


def any_of(*flags: bool) -> list[bool]:
    """Whether each of the flags is set in any process."""
    if not distributed.is_initialized():
        return list(flags)
    on = torch.tensor(flags, dtype=torch.float32)
    if distributed.get_backend() == "nccl":
        on = on.cuda()
    distributed.all_reduce(on)
    return [bool(value) for value in on.tolist()]


def added(values: torch.Tensor) -> torch.Tensor:
    """The sum of what all processes have."""
    values = values.detach().clone()
    distributed.all_reduce(values)
    return values


def leave_at_exit() -> None:
    """Leave the other processes before Python ends.

    A thread of gloo that lets go of its last tensor while Python ends aborts the process, also
    after a training that went well. Of NCCL, Fabric takes care.
    """
    if distributed.get_backend() == "gloo":
        atexit.register(distributed.destroy_process_group)


@contextmanager
def lost_process_told() -> Iterator[None]:
    """Say in a sentence what torch says in pages when another process is gone.

    Raises
    ------
    InputError
    """
    try:
        yield
    except RuntimeError as error:
        # gloo has no error of its own
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise InputError(
            "training",
            found=f"another of the {world_size()} processes gone, by process {rank()} on "
            f"{socket.gethostname()}",
            expected="all of them; the same command goes on from the last checkpoint",
        ) from None


@contextmanager
def told_by_first() -> Iterator[None]:
    """Let the first process tell what is wrong in all of them: its end is the others', too."""
    try:
        yield
    except InputError:
        if not is_first():
            time.sleep(WAIT)
        raise


@torch.no_grad()
def take_buffers_of_first(model: nn.Module) -> None:
    """Give all processes the first one's buffers, such as the means of batch norm.

    DDP does so before each step, but not after it: validation would depend on who looks.
    """
    if distributed.is_initialized():
        for buffer in model.buffers():
            distributed.broadcast(buffer, src=0)
