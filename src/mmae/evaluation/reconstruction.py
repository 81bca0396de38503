"""How well a model reconstructs what was hidden, in numbers; the paper leaves it to later work."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from astropy.stats import mad_std

from mmae.errors import InputError
from mmae.metrics.intervals import MIN_GALAXIES, wilson
from mmae.metrics.redshift import RedshiftRange, bin_ranges
from mmae.modalities.base import Measured
from mmae.settings import Scoring

COARSE_EDGES = (0.0, 0.4, 0.8, 1.2, 2.0, 4.2)
"""Redshift bins. Few galaxies have a given line beyond z = 1, so that the bins widen: to 0.4
H-alpha is in range, to 0.8 H-beta and [O III], to 1.2 [O II], to 2 quasars by Mg II and C III], and
beyond by C IV and Ly-alpha."""

RECONSTRUCTION_COLUMNS = (
    *("quantity", "line", "unit", "part", "z_low", "z_high", "n", "statistic"),
    *("value", "low", "high", "scatter", "scatter_low", "scatter_high"),
)


def reconstruction_table(
    measured: Iterable[Measured], redshift: np.ndarray, scoring: Scoring
) -> pd.DataFrame:
    """Every measure of the hidden parts, in ranges of redshift.

    Parameters
    ----------
    measured : iterable of Measured
        Of all modalities, from `Modality.quality`.
    redshift : ndarray, shape (B,)
        z_spec.
    scoring : Scoring
        Redshift ranges and bootstrap.

    Returns
    -------
    DataFrame
        RECONSTRUCTION_COLUMNS, one row a quantity, line and range with galaxies. `part` is `all`
        (the full range), `low_redshift` or `bin` (one of COARSE_EDGES); the range is (z_low,
        z_high]. `n` counts galaxies that have the quantity: something was hidden of it, and for
        fractions of missed lines the true line is found, of false ones it is not. `value` is what
        `statistic` says, in `unit`, with its 95% interval (`low`, `high`). `scatter` is 1.4826
        times the median absolute deviation, for errors and ratios, with its own interval.
        All are NaN for fewer than MIN_GALAXIES galaxies, intervals also around an infinite PSNR.

    Raises
    ------
    InputError
        If a redshift is not finite, or a quantity is not of as many galaxies.
    """
    redshift = np.asarray(redshift, dtype=float)
    if not np.isfinite(redshift).all():
        raise InputError("reconstructions", found="redshifts not finite", expected="numbers")
    rows = []
    for one in measured:
        if len(one.values) != len(redshift):
            raise InputError(
                "reconstructions",
                key=one.quantity,
                found=f"{len(one.values)} galaxies, {len(redshift)} redshifts",
                expected="as many of each",
            )
        rows += _rows(one, redshift, scoring)
    return pd.DataFrame(rows, columns=RECONSTRUCTION_COLUMNS)


def _rows(one: Measured, redshift: np.ndarray, scoring: Scoring) -> Iterator[tuple]:
    """RECONSTRUCTION_COLUMNS of a quantity in each range with galaxies."""
    full = RedshiftRange(*scoring.full_range)
    parts = [("all", full), ("low_redshift", RedshiftRange(full.low, scoring.low_redshift))]
    parts += [("bin", part) for part in bin_ranges(COARSE_EDGES)]
    for name, part in parts:
        values = one.values[part.contains(redshift) & ~np.isnan(one.values)]
        if len(values):
            about = (one.quantity, one.line, one.unit, name, *part, len(values), one.statistic)
            yield (*about, *_summary(one, values, scoring))


def _summary(one: Measured, values: np.ndarray, scoring: Scoring) -> list[float]:
    """Value, low, high, scatter, scatter_low and scatter_high of the galaxies of a range."""
    if len(values) < MIN_GALAXIES:
        return [np.nan] * 6
    if one.statistic == "fraction":
        fraction = float(values.mean())
        return [fraction, *wilson(fraction, len(values)), *[np.nan] * 3]
    numbers = []
    rng = np.random.default_rng(scoring.bootstrap_seed)
    drawn = values[rng.integers(0, len(values), (scoring.bootstrap_samples, len(values)))]
    for statistic in [np.median] + [mad_std] * one.scatters:
        # an infinite PSNR minus another one
        with np.errstate(invalid="ignore"):
            ends = np.percentile(statistic(drawn, axis=1), [2.5, 97.5])
        numbers += [float(statistic(values)), *map(float, ends)]
    return numbers + [np.nan] * (6 - len(numbers))


def by_training_ratio(measured: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables of several models by the label of their mask ratio in training, smallest first."""
    return {f"{mask:.0%}": table for mask, table in measured.groupby("mask")}


def over_all_redshifts(measured: pd.DataFrame) -> pd.DataFrame:
    """The numbers of the full range for a page: one column a mask ratio in training.

    Returns
    -------
    DataFrame
        quantity, line, unit, and for each ratio the value with its 95% interval, and of how many
        galaxies it is.
    """
    whole = measured[(measured["part"] == "all") & measured["value"].notna()]
    whole = whole.fillna({"line": ""})
    interval = (
        " (" + whole["low"].map("{:.4g}".format) + " to " + whole["high"].map("{:.4g}".format)
    )
    known = whole["low"].notna()
    text = whole["value"].map("{:.4g}".format) + (interval + ")").where(known, "")
    text += ", n = " + whole["n"].map(str)
    titles = whole["mask"].map("trained {:.0%} hidden".format)
    shown = whole.assign(text=text, title=titles)
    wide = shown.pivot(index=["quantity", "line", "unit"], columns="title", values="text")
    order = shown[["quantity", "line", "unit"]].drop_duplicates()
    return wide.reindex(pd.MultiIndex.from_frame(order)).reset_index().fillna("")
