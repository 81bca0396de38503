"""The paper's tables of data, from counts (sections 1 and 3)."""

from typing import Any

import numpy as np
import pandas as pd

from mmae.evaluation.published import CLEANING, TABLE_1
from mmae.limits import MAGNITUDE, REDSHIFT, Known

SUMMARY_COLUMNS = ("dataset", "count", "z_90th_percentile", "z_max", "i_mag_90th_percentile")


def summary_row(dataset: str, redshift: np.ndarray, i_mag: np.ndarray | None) -> dict[str, Any]:
    """One row of Table 1: count, 90th percentile and maximum of z, 90th percentile of i.

    Redshifts and magnitudes that cannot be are left out of the percentiles.
    """
    with Known(dataset) as known:
        z = known("redshifts", redshift, REDSHIFT)
        i = known("i magnitudes", np.array([]) if i_mag is None else i_mag, MAGNITUDE)
    z_max = float(np.nanmax(z)) if np.isfinite(z).any() else None
    numbers = (len(redshift), _percentile_90(z), z_max, _percentile_90(i))
    return dict(zip(SUMMARY_COLUMNS, (dataset, *numbers), strict=True))


def _percentile_90(values: np.ndarray) -> float | None:
    """90th percentile of the values that are known, if any is."""
    values = values[np.isfinite(values)]
    return float(np.percentile(values, 90)) if len(values) else None


def data_summary(measured: pd.DataFrame) -> pd.DataFrame:
    """Table 1: what this run has, and below it what the paper printed."""
    published = pd.DataFrame(
        [(name, *values) for name, values in TABLE_1.items()], columns=SUMMARY_COLUMNS
    )
    return pd.concat(
        [
            measured.assign(source="measured here"),
            published.assign(source="published: arXiv:2510.22527, Table 1"),
        ],
        ignore_index=True,
    ).astype({"count": "Int64"})


def cleaning_table(report: pd.DataFrame) -> pd.DataFrame:
    """The cuts of this run, and below them what the paper printed."""
    before, after = CLEANING.values()
    published = pd.DataFrame(
        {
            "cut": list(CLEANING),
            "removed": [0, before - after],
            "remaining": [before, after],
            "source": "published: arXiv:2510.22527, sec. 3",
        }
    )
    return pd.concat([report.assign(source="measured here"), published], ignore_index=True)
