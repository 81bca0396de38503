"""Commands of workflow/rules/training.smk: train a model."""

import logging
from pathlib import Path
from typing import Any

import click

from mmae.cli.options import config_option, path_option, section
from mmae.settings import PaperModel, Training

log = logging.getLogger("mmae")


@click.command()
@config_option(**{"models.<model>": PaperModel, "training": Training})
@path_option("--arrays", "Folder of training arrays.")
@path_option("--split", "NPZ of the split.")
@click.option("--model", required=True, help="An entry of models in the config.")
@click.option("--mask", type=click.FloatRange(0, 1), required=True, help="Mask ratio.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), required=True, help="Of weights, order and masks."
)
@path_option("--output", "Folder to write: weights.safetensors, model.json, history.csv.")
def train(
    config: dict[str, Any],
    arrays: Path,
    split: Path,
    model: str,
    mask: float,
    seed: int,
    output: Path,
) -> None:
    """Train one model at one mask ratio; keep the best epoch on validation galaxies."""
    import torch

    from mmae.dataset.arrays import open_arrays
    from mmae.dataset.split import read_split
    from mmae.errors import InputError
    from mmae.files import atomic
    from mmae.models import build_model
    from mmae.models.batch import check_sizes
    from mmae.models.weights import save_model
    from mmae.training.fit import fit

    settings = section(config, "training", Training)
    entries = config.get("models") or {}
    if model not in entries:
        raise InputError("config", key="models", found=f"no {model!r}", expected=f"{list(entries)}")
    galaxies = open_arrays(arrays)
    rows = read_split(split, galaxies.targetid)
    torch.manual_seed(seed)
    network = build_model(entries[model], "config", f"models.{model}")
    check_sizes(network.settings, galaxies.images.shape, galaxies.spectra.shape, str(arrays))
    description = {
        "name": model,
        "model": entries[model],
        "mask": mask,
        "seed": seed,
        "training": config["training"],
    }
    # before the training, so that a folder that cannot be written costs no training
    with atomic(output) as part:
        part.mkdir()
        fitted = fit(network, galaxies, rows, mask, seed, settings)
        network.load_state_dict(fitted.best)
        save_model(part, network, description)
        fitted.history.to_csv(part / "history.csv", index=False)
