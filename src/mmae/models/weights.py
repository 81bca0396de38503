"""Models on disk: weights beside a JSON of what they belong to. Never a pickle."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from mmae.errors import InputError
from mmae.files.checks import check_zip
from mmae.modalities import from_plain, to_plain
from mmae.models import build_model

if TYPE_CHECKING:
    from mmae.models.base import GalaxyModel
    from mmae.models.estimator import Estimator

WEIGHTS, REGRESSOR, MODEL = "weights.safetensors", "regressor.skops", "model.json"
HUB = {WEIGHTS: "model.safetensors", MODEL: "config.json"}
"""What these files are called in the folders that `mmae export` writes for the Hugging Face Hub."""


def save_model(folder: Path, model: "GalaxyModel | Estimator", description: dict[str, Any]) -> None:
    """Write a model into a folder: weights.safetensors or regressor.skops, and model.json.

    Parameters
    ----------
    folder : Path
        Exists.
    model : GalaxyModel or Estimator
    description : dict
        Must have `model`, the config entry; the rest (mask ratio, seed, training) is told on.
        The modalities that the model reads, with their geometry, are added.
    """
    description = description | {"modalities": to_plain(model.modalities.values())}
    if isinstance(model, nn.Module):
        state = {name: values.contiguous().cpu() for name, values in model.state_dict().items()}
        # its own writer has errors of its own
        (folder / WEIGHTS).write_bytes(save(state))
    else:
        model.save(folder / REGRESSOR)
    (folder / MODEL).write_text(
        json.dumps(description, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


def load_model(
    folder: Path, device: str | torch.device = "cpu", name: str | None = None
) -> tuple["GalaxyModel | Estimator", dict]:
    """Rebuild a model from its folder, in evaluation mode.

    Parameters
    ----------
    folder : Path
    device : str or torch device
    name : str, optional
        The config entry that it should be of.

    Returns
    -------
    model : GalaxyModel or Estimator
    description : dict

    Raises
    ------
    InputError
        If a file is missing or damaged, the weights are those of another model, or the model is
        of another name.
    """
    path = _existing(folder, MODEL)
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        modalities = from_plain(description["modalities"], path)
        model = build_model(description["model"], modalities, str(path))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            path, found=f"no description ({error})", expected="keys 'model' and 'modalities'"
        ) from error
    if name is not None and description.get("name") != name:
        raise InputError(
            path, key="name", found=repr(description.get("name")), expected=f"model {name!r}"
        )
    if not isinstance(model, nn.Module):
        check_zip(_existing(folder, REGRESSOR))
        model.load(folder / REGRESSOR)
        return model, description
    weights = _existing(folder, WEIGHTS)
    try:
        model.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).partition("\n")[2].strip().partition(". ")[0] or str(error)
        raise InputError(
            weights, found=f"weights that do not fit ({reason})", expected=f"those of {path.name}"
        ) from error
    return model.to(device).eval(), description


def _existing(folder: Path, name: str) -> Path:
    """Path of a file of a model, by either of its names, if it is there."""
    for path in (folder / name, folder / HUB.get(name, name)):
        if path.is_file():
            return path
    raise InputError(folder / name, found="no such file", expected="a trained model")
