"""Commands of workflow/rules/training.smk: train models, choose learning rates, join histories."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mmae.cli.options import (
    Fraction,
    config_option,
    output_option,
    path_argument,
    path_option,
    reads,
    section,
)
from mmae.files.outputs import ARRAYS, MODEL, SHARED
from mmae.settings import Logs, Training, Tuning

if TYPE_CHECKING:
    from mmae.dataset.arrays import TrainingArrays

log = logging.getLogger("mmae")

RANKED = ("model", "learning_rate", "epoch", "validation_total", "validation_sigma_nmad")
"""Columns of a search for the learning rate."""


@click.command()
@config_option(training=Training, logs=Logs)
@path_option("--arrays", "Folder of training arrays.", kind=ARRAYS)
@path_option("--split", "NPZ of the split.")
@click.option("--model", required=True, help="An entry of models in the config.")
@click.option("--mask", type=Fraction(), required=True, help="Mask ratio.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), required=True, help="Of weights, order and masks."
)
@click.option(
    "--from",
    "before",
    type=click.Path(path_type=Path),
    callback=reads(MODEL),
    help="Folder of a trained model, from which this one goes on.",
)
@click.option(
    "--spectra",
    type=click.Path(path_type=Path),
    multiple=True,
    callback=reads(),
    help="With --from: a file of real spectra with redshifts (docs/predict.md); may be repeated. "
    "Half of what is learnt from is theirs, the rest of --arrays.",
)
@output_option("--output", "Folder to write: weights, model.json, history.csv.", kind=MODEL)
@output_option("--cost", "JSON to write: parameters, galaxies seen, seconds.")
@output_option(
    "--checkpoints",
    "Folder in which an interrupted training is kept, and goes on from.",
    required=False,
    kind=SHARED,
)
# torchrun would take --logs for one of its own options
@output_option(
    "--events",
    "Folder of event files for TensorBoard, of this training alone.",
    required=False,
    kind=SHARED,
)
def train(
    config: dict[str, Any],
    arrays: Path,
    split: Path,
    model: str,
    mask: float,
    seed: int,
    before: Path | None,
    spectra: tuple[Path, ...],
    output: Path,
    cost: Path,
    checkpoints: Path | None,
    events: Path | None,
) -> None:
    """Train one model at one mask ratio; keep the best epoch on validation galaxies.

    With --from, a trained model of the same sizes is tuned, on real spectra if there are --spectra;
    then the last epoch is kept: validation galaxies are simulated.
    """
    from mmae.dataset.arrays import open_arrays
    from mmae.dataset.split import read_split, with_unpaired
    from mmae.files.checksums import file_digest
    from mmae.files.write import atomic, write_json
    from mmae.modalities import from_plain
    from mmae.modalities.usual import USUAL, describe_galaxies
    from mmae.models.weights import WEIGHTS, load_model, save_model
    from mmae.training.checkpoint import Checkpoints
    from mmae.training.logs import logs_of
    from mmae.training.processes import is_first, told_by_first
    from mmae.training.run import train_model

    entry, settings = _entry(config, model)
    galaxies = open_arrays(arrays)
    rows = with_unpaired(read_split(split, galaxies.targetid), galaxies, settings.unpaired)
    start = None if before is None else load_model(before)[0].state_dict()
    if spectra:
        if start is None:
            raise click.UsageError("--spectra tune a model: name it with --from.")
        galaxies, rows = _with_spectra(galaxies, rows, spectra, seed, arrays)
    description = {
        "name": model,
        "model": entry,
        "mask": mask,
        "seed": seed,
        "training": config["training"] | (entry.get("training") or {}),
    }
    if before is not None:
        tuned = {"weights": file_digest(before / WEIGHTS), "spectra": [*map(file_digest, spectra)]}
        description |= {"from": tuned}
    # the model's own keys of training are among all
    own = {key: value for key, value in entry.items() if key != "training"}
    identity = description | {"model": own}
    kept = None if checkpoints is None else Checkpoints(checkpoints, identity)
    # a config without that section has logs as they usually are
    wanted = section({"logs": {}} | config, "logs", Logs)
    written = logs_of(wanted, events, description)
    options = (galaxies, rows, mask, seed, settings, str(arrays), kept, written, start)
    if not is_first():
        # one of several processes of a training: the first one writes
        with told_by_first():
            train_model(entry, model, *options)
        return
    # before the training, so that a folder that cannot be written costs no training
    with atomic(cost) as cost_part, atomic(output, MODEL) as part:
        part.mkdir()
        trained = train_model(entry, model, *options)
        modalities = from_plain(galaxies.modalities, arrays)
        usual = describe_galaxies(modalities, galaxies.values, rows["train"])
        save_model(part, trained.model, description | {USUAL: usual})
        trained.history.to_csv(part / "history.csv", index=False)
        write_json(cost_part, trained.cost._asdict())
    if kept:
        kept.clear()


@click.command()
@config_option(training=Training, tuning=Tuning)
@path_option("--arrays", "Folder of training arrays.", kind=ARRAYS)
@path_option("--split", "NPZ of the split.")
@click.option("--model", required=True, help="An entry of models in the config.")
@output_option("--table", "CSV to write: one row a learning rate, best first.")
def tune(config: dict[str, Any], arrays: Path, split: Path, model: str, table: Path) -> None:
    """Train a model with learning rates around its own and rank them by their validation loss.

    The test galaxies are not looked at.
    """
    import dataclasses

    import pandas as pd

    from mmae.dataset.arrays import open_arrays
    from mmae.dataset.split import read_split, with_unpaired
    from mmae.files.write import write_table
    from mmae.training.fit import Diverged
    from mmae.training.run import train_model

    entry, settings = _entry(config, model)
    search = section(config, "tuning", Tuning)
    galaxies = open_arrays(arrays)
    rows = with_unpaired(read_split(split, galaxies.targetid), galaxies, settings.unpaired)
    found = []
    # trees have a rate of their own
    now = entry.get("learning_rate", settings.learning_rate)
    for factor in search.factors:
        rate = float(f"{now * factor:.3g}")
        log.info("%s: learning rate %g", model, rate)
        changed = dataclasses.replace(settings, learning_rate=rate)
        if "learning_rate" in entry:
            entry = entry | {"learning_rate": rate}
        found.append({"model": model, "learning_rate": rate})
        try:
            history = train_model(
                *(entry, model, galaxies, rows, search.mask, search.seed, changed, str(arrays))
            ).history
        except Diverged as error:
            log.warning("%s", error)
            found[-1]["validation_total"] = float("inf")
            continue
        best = history.loc[history["validation_total"].idxmin()]
        found[-1] |= best[["epoch", "validation_total", "validation_sigma_nmad"]].to_dict()
    ranked = pd.DataFrame(found, columns=RANKED).astype({"epoch": "Int64"})
    write_table(table, ranked.sort_values("validation_total", ignore_index=True))


@click.command()
@path_argument("folders", nargs=-1)
@output_option("--table", "CSV to write: all epochs of all trainings.")
@output_option("--trainings", "CSV to write: what each training was given.", required=False)
def collect_histories(folders: tuple[Path, ...], table: Path, trainings: Path | None) -> None:
    """Join the histories of all trainings.

    FOLDERS are trained models.
    """
    from mmae.evaluation.histories import read_histories
    from mmae.evaluation.trainings import trainings_table
    from mmae.files.write import write_table

    if trainings is not None:
        write_table(trainings, trainings_table(folders))
    write_table(table, read_histories(folders))


def _with_spectra(
    galaxies: "TrainingArrays",
    rows: dict[str, Any],
    paths: tuple[Path, ...],
    seed: int,
    where: Path,
) -> "tuple[TrainingArrays, dict[str, Any]]":
    """Training arrays and split with the real spectra of files among them."""
    import numpy as np

    from mmae.modalities import from_plain
    from mmae.survey.foreign.reading import read_spectra
    from mmae.training.mixed import mixed

    found = from_plain(galaxies.modalities, where)["spectrum"]
    files = [read_spectra(path) for path in paths]
    values = np.concatenate([found.pooled(one.flux, one.ivar) for one in files])
    redshift = [
        np.full(len(one.flux), np.nan) if one.z_spec is None else one.z_spec for one in files
    ]
    return mixed(galaxies, rows, found, values, np.concatenate(redshift), seed)


def _entry(config: dict[str, Any], model: str) -> tuple[dict[str, Any], Training]:
    """The config entry of a model, and its training."""
    from mmae.config import read_section
    from mmae.errors import InputError

    section(config, "training", Training)
    entries = config.get("models") or {}
    if not isinstance(entries, dict):
        raise InputError("config", key="models", found=repr(entries), expected="entries by name")
    if model not in entries:
        raise InputError("config", key="models", found=f"no {model!r}", expected=f"{list(entries)}")
    entry = entries[model] if isinstance(entries[model], dict) else {}
    merged = config["training"] | (entry.get("training") or {})
    return entry, read_section(Training, merged, "config", f"models.{model}.training")
