"""Where a network runs."""

import torch
from torch import nn

from mmae.errors import InputError


def choose_device(device: str, key: str) -> torch.device:
    """The device of a key of the config: cpu, cuda, or auto, a GPU where there is one.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise InputError("config", key=key, found="no CUDA device", expected="one, or device: cpu")
    return torch.device("cuda" if device != "cpu" and has_gpu else "cpu")


def device_of(model: object) -> torch.device:
    """Where a model's parameters are; what is no network is on the CPU."""
    return next(model.parameters()).device if isinstance(model, nn.Module) else torch.device("cpu")
