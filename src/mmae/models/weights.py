"""Weights on disk: safetensors beside a JSON of what they belong to. Never a pickle."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mmae.errors import InputError
from mmae.models import build_model

WEIGHTS, MODEL = "weights.safetensors", "model.json"


def save_model(folder: Path, model: nn.Module, description: dict[str, Any]) -> None:
    """Write a model into a folder: weights.safetensors and model.json.

    Parameters
    ----------
    folder : Path
        Exists.
    model : Module
    description : dict
        Must have `model`, the config entry; the rest (mask ratio, seed, training) is told on.
    """
    state = {name: values.contiguous().cpu() for name, values in model.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    (folder / MODEL).write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")


def load_model(folder: Path, device: str | torch.device = "cpu") -> tuple[nn.Module, dict]:
    """Rebuild a model from its folder, in evaluation mode.

    Returns
    -------
    model : Module
    description : dict

    Raises
    ------
    InputError
        If a file is missing or damaged, or the weights are those of another model.
    """
    for name in (WEIGHTS, MODEL):
        if not (folder / name).is_file():
            raise InputError(folder / name, found="no such file", expected="a trained model")
    try:
        description = json.loads((folder / MODEL).read_text())
        model = build_model(description["model"], str(folder / MODEL))
    except (ValueError, KeyError) as error:
        raise InputError(
            folder / MODEL, found=f"no description ({error})", expected="key 'model'"
        ) from error
    try:
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).partition("\n")[2].strip().partition(". ")[0] or str(error)
        raise InputError(
            folder / WEIGHTS,
            found=f"weights that do not fit ({reason})",
            expected=f"those of {MODEL}",
        ) from error
    return model.to(device).eval(), description
