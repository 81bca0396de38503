"""How well a model reconstructs what was hidden, in numbers; the paper leaves it to later work."""

from collections.abc import Iterable, Iterator, Mapping

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

PROFILE = "profile"
"""Kind of the reference that nothing is learnt for: the mean of a hidden pixel's ring."""

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


def by_label(measured: pd.DataFrame, own_redshift: bool = False) -> dict[str, pd.DataFrame]:
    """Tables of several models by what they are called.

    Parameters
    ----------
    measured : DataFrame
        Of several models, as from `mmae.evaluation.quality.quality_table`, with model and mask.
    own_redshift : bool
        With lines at the models' own redshifts, under labels that say so.
    """
    shown = measured if own_redshift else measured[measured["at"] == "z_spec"]
    named = shown.assign(label=_labels(shown))
    # the same reference stands beside each model
    keys = ["label", "quantity", "line", "part", "z_low"]
    return dict(iter(named.drop_duplicates(keys).groupby("label", sort=False)))


def _labels(measured: pd.DataFrame) -> pd.Series:
    """Model, its mask ratio where there are several, kind where there are, and redshift."""
    names = ["model", "mask", "kind", "at"]
    several = measured["mask"].nunique() > 1
    kinds = measured[measured["kind"] != PROFILE].groupby("model")["kind"].nunique()

    def label(model: str, mask: float, kind: str, at: str) -> str:
        if kind == PROFILE:
            return "radial profile"
        words = [model]
        if several:
            words.append(f"trained {mask:.0%} hidden")
        if kinds[model] > 1:
            words.append(kind)
        return ", ".join(words) + " at its own z" * (at == "z_pred")

    labels = {key: label(*key) for key in measured[names].drop_duplicates().itertuples(index=False)}
    return pd.Series(
        [labels[key] for key in measured[names].itertuples(index=False)], measured.index
    )


def over_all_redshifts(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers of the full range for a page: one column a model.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of `by_label`.

    Returns
    -------
    DataFrame
        quantity, line, unit, and for each model the value with its 95% interval, and of how many
        galaxies it is.
    """
    measured = pd.concat(tables.values())
    whole = measured[(measured["part"] == "all") & measured["value"].notna()]
    whole = whole.fillna({"line": ""})
    interval = (
        " (" + whole["low"].map("{:.4g}".format) + " to " + whole["high"].map("{:.4g}".format)
    )
    known = whole["low"].notna()
    text = whole["value"].map("{:.4g}".format) + (interval + ")").where(known, "")
    shown = whole.assign(text=text + ", n = " + whole["n"].map(str))
    wide = shown.pivot(index=["quantity", "line", "unit"], columns="label", values="text")
    order = shown[["quantity", "line", "unit"]].drop_duplicates()
    columns = [label for label in tables if label in wide]
    return wide.reindex(pd.MultiIndex.from_frame(order))[columns].reset_index().fillna("")
