"""How trainings went: the history.csv of every run, in one table."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from mmae.errors import InputError
from mmae.files.read import existing, read_json, read_table

HISTORY = "history.csv"
RUN = ("name", "mask", "seed")
"""Keys of model.json."""
COLUMNS = ("epoch", "validation_total", "validation_sigma_nmad")


def read_histories(folders: Iterable[Path | str]) -> pd.DataFrame:
    """Read the histories of trained models.

    Parameters
    ----------
    folders : iterable of path
        Each with history.csv and model.json, as in models/<model>/mask<mask>/seed<seed>.

    Returns
    -------
    DataFrame
        Columns model, mask, seed, and those of history.csv: epoch, train_<loss>,
        validation_<loss>, validation_sigma_nmad. Rows in the order of the folders; NaN where a
        model has no such loss.

    Raises
    ------
    InputError
        If there is no folder, or a file in one is missing, empty or damaged.
    """
    tables = [_read(Path(folder)) for folder in folders]
    if not tables:
        raise InputError("histories", found="no trained model", expected="at least one folder")
    return pd.concat(tables, ignore_index=True)


def kept_epochs(histories: pd.DataFrame) -> pd.DataFrame:
    """The epoch of each run that is kept: that with the lowest validation loss.

    Parameters
    ----------
    histories : DataFrame
        As `read_histories` gives it.

    Returns
    -------
    DataFrame
        Columns model, mask, seed, epochs (all that were trained), kept, validation_total,
        validation_sigma_nmad; one row a run.
    """
    runs = histories.groupby(["model", "mask", "seed"], sort=False)
    kept = histories.loc[runs["validation_total"].idxmin()].rename(columns={"epoch": "kept"})
    kept["epochs"] = runs["epoch"].max().to_numpy()
    columns = ["model", "mask", "seed", "epochs", "kept", *COLUMNS[1:]]
    return kept[columns].reset_index(drop=True)


def runs_below(folder: Path) -> list[Path]:
    """Folders of trained models below one that holds them all, sorted.

    Raises
    ------
    InputError
        If there is none.
    """
    found = sorted(path.parent for path in existing(folder).rglob(HISTORY))
    if not found:
        raise InputError(folder, found=f"no {HISTORY} in any folder", expected="trained models")
    return found


def _read(folder: Path) -> pd.DataFrame:
    """The history of one run, with what the run is."""
    table, model = read_table(folder / HISTORY, COLUMNS), read_json(folder / "model.json")
    for name in RUN:
        if name not in model:
            raise InputError(
                folder / "model.json", key=name, found="no such key", expected="what the run is"
            )
    if table.empty:
        raise InputError(folder / HISTORY, found="no epoch", expected="one row an epoch")
    losses = [name for name in table if name.startswith(("train_", "validation_"))]
    for name in ("epoch", *losses):
        if not is_numeric_dtype(table[name]):
            raise InputError(
                folder / HISTORY, key=f"column {name}", found="text", expected="numbers"
            )
    run = {"model": model["name"], "mask": float(model["mask"]), "seed": int(model["seed"])}
    return table[["epoch", *losses]].assign(**run)[[*run, "epoch", *losses]]
