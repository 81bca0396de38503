"""What trainings were given: how far models were trained alike, and what they never saw."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mmae.config import read_section
from mmae.evaluation.histories import kept_epochs, read_histories
from mmae.files.read import read_json
from mmae.settings.models import Model, can_do

if TYPE_CHECKING:
    from mmae.evaluation.comparison import ScoredRun

Key = tuple[str, ...]
"""Model, mask ratio in training, and for what is tested the view."""
COSTS = ("parameters", "galaxies_seen", "training_seconds")
TRAINING_COLUMNS = (
    *("model", "mask", "seed", "epochs", "kept", "augment", "learning_rate"),
    *("validation_decides", "always_shown"),
)


def trainings_table(folders: Iterable[Path | str]) -> pd.DataFrame:
    """What each training was given.

    Parameters
    ----------
    folders : iterable of path
        As for `read_histories`.

    Returns
    -------
    DataFrame
        TRAINING_COLUMNS, one row a run: epochs trained, the epoch kept, the augmentation and the
        learning rate of trainings in epochs, what validation galaxies decided of it, and the
        modalities that it never hid whole.

    Raises
    ------
    InputError
        As `read_histories`, or if a model is of no known kind.
    """
    rows = []
    for kept, folder in zip(
        kept_epochs(read_histories(folders)).itertuples(), folders, strict=True
    ):
        path = Path(folder) / "model.json"
        model = read_json(path)
        entry = can_do(read_section(Model, model["model"], path, "model"))
        by_gradient = entry.fitted_by == "gradient"
        stops = "number of trees, learning rate" if hasattr(entry, "patience") else ""
        training = model["training"]
        rows.append(
            (
                *(kept.model, kept.mask, kept.seed, kept.epochs, kept.kept),
                *((training["augment"], training["learning_rate"]) if by_gradient else ("", None)),
                "epoch kept, learning rate" if by_gradient else stops,
                " ".join(entry.always_shown(kept.mask)),
            )
        )
    return pd.DataFrame(rows, columns=TRAINING_COLUMNS)


def always_shown(trainings: pd.DataFrame | None) -> dict[Key, set[str]]:
    """Modalities that no training of a model hid whole, by its name and mask ratio."""
    if trainings is None:
        return {}
    return {
        (row.model, f"{row.mask:.2f}"): {*row.always_shown.split()}
        for row in trainings.fillna({"always_shown": ""}).itertuples()
    }


def model_table(runs: Sequence["ScoredRun"], trainings: pd.DataFrame | None) -> pd.DataFrame:
    """What each model had to learn from, one row a trained model: as equal as it is, and no more.

    Returns
    -------
    DataFrame
        model, mask, seeds; parameters, galaxies_seen and training_seconds of the first training;
        and of all its trainings what `trainings_table` says, if that is given.
    """
    groups: dict[Key, dict[str, ScoredRun]] = {}
    for run in runs:
        groups.setdefault(run.trained, {})[run.seed] = run
    rows = []
    for (model, mask), seeds in groups.items():
        row = {"model": model, "mask": float(mask), "seeds": " ".join(seeds)}
        first = next(iter(seeds.values()))
        rows.append(row | {name: first.cost.get(name) for name in COSTS})
    table = pd.DataFrame(rows)
    if trainings is None:
        return table
    alike = trainings.fillna("").groupby(["model", "mask"], sort=False)
    told = alike.agg(lambda values: " ".join(map(str, dict.fromkeys(values)))).drop(columns="seed")
    return table.merge(told.reset_index(), how="left", on=["model", "mask"])
