"""What can be known of a training before it begins."""

import logging
import socket
import warnings

import torch

from mmae.errors import InputError
from mmae.models.base import GalaxyModel


def check_batch(model: GalaxyModel, n_galaxies: int) -> None:
    """Raise InputError if a step has fewer galaxies than the model compares."""
    if n_galaxies < model.smallest_batch:
        raise InputError(
            "config",
            key="training.batch_size",
            found=f"{n_galaxies} galaxy a step",
            expected=f"at least {model.smallest_batch}, which {type(model).__name__} compares",
        )


def check_compiler(device: torch.device) -> None:
    """Raise InputError unless torch can compile for a device, which takes a compiler of C++ or C.

    Told in seconds; a training would find out after its first batch is read.
    """
    from torch._inductor import config

    # inductor tells which files it leaves
    logging.disable(logging.WARNING)
    try:
        # what was compiled before would need none
        with config.patch(force_disable_caches=True), warnings.catch_warnings(action="ignore"):
            torch.compile(torch.cos)(torch.ones(2, device=device))
    except Exception as error:  # inductor, triton and dynamo have many kinds
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            "config",
            key="training.compile",
            found=f"nothing that compiles on {socket.gethostname()} ({reason})",
            expected="a C++ compiler, such as g++, or compile: false",
        ) from error
    finally:
        logging.disable(logging.NOTSET)
