"""Whether images without a spectrum help: scatter against how many of them joined the training."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from mmae.errors import InputError
from mmae.evaluation.comparison import with_interval
from mmae.files.read import read_json

RANGES = ("all", "low_redshift")
MEASURES = ("sigma_nmad", "outlier_fraction")


def unpaired_table(
    folders: Iterable[Path | str], n_unpaired: Mapping[str, int], view_labels: Mapping[str, str]
) -> pd.DataFrame:
    """Scatter of models that differ in the number of images without a spectrum.

    Parameters
    ----------
    folders : iterable of path
        Each evaluation/<model>/mask<mask>/seed<seed>/<view>, with metrics.json.
    n_unpaired : mapping of str to int
        Model -> images without a spectrum in its training, at most.
    view_labels : mapping of str to str
        View -> what it shows in words; nothing where that goes without saying.

    Returns
    -------
    DataFrame
        model, n_unpaired, seed, view, range; sigma_nmad and outlier_fraction with `_low` and
        `_high` (95% interval), None of too few galaxies. Sorted by view, range and n_unpaired.

    Raises
    ------
    InputError
        If a file is missing or damaged, or none is of such a model.
    """
    rows = []
    for path in (Path(folder) / "metrics.json" for folder in folders):
        scored = read_json(path)
        if scored["model"] not in n_unpaired:
            continue
        for name in RANGES:
            row = {
                "model": scored["model"],
                "n_unpaired": n_unpaired[scored["model"]],
                "seed": scored["seed"],
                "view": view_labels.get(scored["view"], scored["view"]) or "whole",
                "range": name,
            }
            for measure in MEASURES:
                row |= with_interval(scored["metrics"][name], measure)
            rows.append(row)
    if not rows:
        raise InputError(
            "figure of unpaired images", found="no such run", expected=f"one of {[*n_unpaired]}"
        )
    order = ["view", "range", "n_unpaired", "seed"]
    return pd.DataFrame(rows).sort_values(order, ignore_index=True)
