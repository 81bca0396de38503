"""How well a model reconstructs what was hidden, in numbers; the paper leaves it to later work."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from astropy.stats import mad_std

from mmae.errors import InputError
from mmae.metrics.hidden import checked, composite
from mmae.metrics.image_quality import COLOURS, colour_error, psnr, shape_errors, ssim
from mmae.metrics.line_quality import (
    BPT_RATIOS,
    COMPARED_LINES,
    bpt_errors,
    line_errors,
)
from mmae.metrics.redshift import RedshiftRange, bin_ranges
from mmae.metrics.spectrum_quality import continuum_slope_error, cosine_similarity, mse
from mmae.settings import Scoring

COARSE_EDGES = (0.0, 0.4, 0.8, 1.2, 2.0, 4.2)
"""Redshift bins. Few galaxies have a given line beyond z = 1, so that the bins widen: to 0.4
H-alpha is in range, to 0.8 H-beta and [O III], to 1.2 [O II], to 2 quasars by Mg II and C III], and
beyond by C IV and Ly-alpha."""

MIN_FOR_INTERVAL = 5
"""Galaxies; resampling fewer says nothing of others."""

RECONSTRUCTION_COLUMNS = (
    *("quantity", "line", "unit", "part", "z_low", "z_high", "n", "statistic"),
    *("value", "low", "high", "scatter", "scatter_low", "scatter_high"),
)

Statistic = Callable[..., np.ndarray]
STATISTICS: dict[str, Statistic] = {"median": np.median, "fraction": np.mean}


class Measured(NamedTuple):
    """One quantity of every galaxy."""

    quantity: str
    line: str
    """A key of `mmae.instruments.LINES`, or empty."""
    unit: str
    statistic: str
    """A key of STATISTICS: what stands for all galaxies."""
    scatters: bool
    """Whether it is an error, whose scatter is of interest."""
    values: np.ndarray
    """(B,); NaN for galaxies without it."""


def reconstruction_table(
    image: np.ndarray,
    image_reconstruction: np.ndarray,
    image_hidden: np.ndarray,
    spectrum: np.ndarray,
    spectrum_reconstruction: np.ndarray,
    spectrum_hidden: np.ndarray,
    wave: np.ndarray,
    redshift: np.ndarray,
    scoring: Scoring,
) -> pd.DataFrame:
    """Every measure of the hidden parts, in ranges of redshift.

    Parameters
    ----------
    image, image_reconstruction : ndarray, shape (B, 5, H, W)
        Flux with zero point 27.0; g r i z y.
    image_hidden : ndarray of bool, shape (B, H, W)
    spectrum, spectrum_reconstruction : ndarray, shape (B, L), normalised flux
    spectrum_hidden : ndarray of bool, shape (B, L)
    wave : ndarray, shape (L,), Å
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
        Intervals are NaN for fewer than MIN_FOR_INTERVAL galaxies, and around an infinite PSNR.

    Raises
    ------
    InputError
        If the arrays do not match, or a value is not finite.
    """
    wave, redshift = np.asarray(wave, dtype=float), np.asarray(redshift, dtype=float)
    images = checked("images", image, image_reconstruction, image_hidden)
    spectra = checked("spectra", spectrum, spectrum_reconstruction, spectrum_hidden)
    if not len(images[0]) == len(spectra[0]) == len(redshift):
        raise InputError(
            "reconstructions",
            found=f"{len(images[0])} images, {len(spectra[0])} spectra, {len(redshift)} redshifts",
            expected="as many of each",
        )
    if not np.isfinite(redshift).all():
        raise InputError("reconstructions", found="redshifts not finite", expected="numbers")
    measured = [
        *_measured_images(images[0], images[1], images[2][:, 0]),
        *_measured_spectra(*spectra, wave, redshift),
        *_measured_lines(*spectra, wave, redshift),
    ]
    rows = [row for one in measured for row in _rows(one, redshift, scoring)]
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


def _measured_images(
    image: np.ndarray, reconstruction: np.ndarray, hidden: np.ndarray
) -> Iterator[Measured]:
    """Quantities of images."""
    arrays = image, reconstruction, hidden
    yield Measured("image psnr", "", "dB", "median", False, psnr(*arrays))
    yield Measured("image ssim", "", "dimensionless", "median", False, ssim(*arrays))
    for colour, error in zip(COLOURS, colour_error(*arrays).T, strict=True):
        yield Measured(f"colour {colour}", "", "mag", "median", True, error)
    shapes = shape_errors(*arrays)
    yield Measured("half-light radius", "", "relative", "median", True, shapes.half_light_radius)
    yield Measured("ellipticity", "", "dimensionless", "median", True, shapes.ellipticity)


def _measured_spectra(
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    hidden: np.ndarray,
    wave: np.ndarray,
    redshift: np.ndarray,
) -> Iterator[Measured]:
    """Quantities of whole spectra."""
    arrays = spectrum, reconstruction, hidden
    slope = continuum_slope_error(wave, *arrays, redshift)
    yield Measured("spectrum mse", "", "normalised flux squared", "median", False, mse(*arrays))
    yield Measured(
        "spectrum cosine", "", "dimensionless", "median", False, cosine_similarity(*arrays)
    )
    yield Measured("continuum slope", "", "normalised flux / 1000 Angstrom", "median", True, slope)


def _measured_lines(
    spectrum: np.ndarray,
    reconstruction: np.ndarray,
    hidden: np.ndarray,
    wave: np.ndarray,
    redshift: np.ndarray,
) -> Iterator[Measured]:
    """Quantities of lines that were hidden whole, in the composite of what was shown and not."""
    pasted = composite(spectrum, reconstruction, hidden)
    errors = line_errors(wave, spectrum, pasted, redshift, hidden=hidden)

    def by_galaxy(series: pd.Series) -> np.ndarray:
        return series.reindex(range(len(redshift))).to_numpy(dtype=float)

    for line in COMPARED_LINES:
        ours = errors[errors["line"] == line].set_index("galaxy")
        for name, column, unit in (
            ("line centre", "centre_error_kms", "km/s"),
            ("line height", "height_ratio", "reconstructed / true"),
            ("line width", "width_ratio", "reconstructed / true"),
        ):
            yield Measured(name, line, unit, "median", True, by_galaxy(ours[column]))
        for name, column, among in (
            ("line missed", "missed", ours["found_true"]),
            ("line false", "false", ~ours["found_true"]),
        ):
            values = by_galaxy(ours[column][among])
            yield Measured(name, line, "dimensionless", "fraction", False, values)
    ratios = bpt_errors(errors)
    for ratio in BPT_RATIOS:
        yield Measured(f"bpt {ratio}", "", "dex", "median", True, by_galaxy(ratios[ratio]))


def _summary(one: Measured, values: np.ndarray, scoring: Scoring) -> list[float]:
    """Value, low, high, scatter, scatter_low and scatter_high of the galaxies of a range."""
    statistics = [STATISTICS[one.statistic]] + [mad_std] * one.scatters
    numbers = []
    rng = np.random.default_rng(scoring.bootstrap_seed)
    drawn = values[rng.integers(0, len(values), (scoring.bootstrap_samples, len(values)))]
    for statistic in statistics:
        # an infinite PSNR minus another one
        with np.errstate(invalid="ignore"):
            ends = np.percentile(statistic(drawn, axis=1), [2.5, 97.5])
        if len(values) < MIN_FOR_INTERVAL:
            ends = [np.nan, np.nan]
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
        quantity, line, unit, and for each ratio the value with its 95% interval.
    """
    whole = measured[measured["part"] == "all"].fillna({"line": ""})
    interval = (
        " (" + whole["low"].map("{:.4g}".format) + " to " + whole["high"].map("{:.4g}".format)
    )
    known = whole["low"].notna()
    text = whole["value"].map("{:.4g}".format) + (interval + ")").where(known, "")
    titles = whole["mask"].map("trained {:.0%} hidden".format)
    shown = whole.assign(text=text, title=titles)
    wide = shown.pivot(index=["quantity", "line", "unit"], columns="title", values="text")
    order = shown[["quantity", "line", "unit"]].drop_duplicates()
    return wide.reindex(pd.MultiIndex.from_frame(order)).reset_index().fillna("")
