"""Write a trained network as a folder for the Hugging Face Hub."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from mmae.errors import InputError
from mmae.export import program
from mmae.export.card import card_text, own_report
from mmae.files.outputs import EXPORT
from mmae.files.write import atomic
from mmae.models.weights import HUB, MODEL, WEIGHTS, load_model
from mmae.settings import Settings


def export(
    folder: Path,
    reports: Sequence[Path],
    settings: Settings,
    about: dict[str, Any],
    output: Path,
) -> None:
    """Write weights, config, program, loader and model card of a trained network.

    Parameters
    ----------
    folder : Path
        Of the trained model.
    reports : sequence of Path
        metrics.json of the model, for the card.
    settings : Settings
        Of the run.
    about : dict
        CITATION.cff.
    output : Path
        Folder to write, whole or not at all.

    Raises
    ------
    InputError
        If the model is no network or cannot be traced, or metrics are not its own.
    """
    model, description = load_model(folder)
    if not isinstance(model, nn.Module):
        raise InputError(
            folder,
            found=f"a model of kind {description['model']['kind']}, which scikit-learn fits",
            expected="a network",
        )
    found = [own_report(path, description, settings) for path in reports]
    exported = program.export_program(model, folder)
    shown = {name: model.modalities[name] for name in model.exported}
    inputs = {name: {"shape": one.shape, "tokens": one.n_tokens} for name, one in shown.items()}
    hides = getattr(model.settings, "hides", False)
    n_parameters = sum(part.numel() for part in model.parameters())
    said = description, shown, exported.outputs, n_parameters
    card = card_text(*said, found, settings, about)
    with atomic(output, EXPORT) as part:
        part.mkdir()
        state = {name: values.contiguous() for name, values in model.state_dict().items()}
        (part / HUB[WEIGHTS]).write_bytes(save(state))
        content = description | {"inputs": inputs, "hides": hides}
        (part / HUB[MODEL]).write_text(
            json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        torch.export.save(exported.program, part / program.PROGRAM)
        shutil.copyfile(Path(__file__).with_name("modeling.py"), part / "modeling_mmae.py")
        (part / "README.md").write_text(card, encoding="utf-8")
