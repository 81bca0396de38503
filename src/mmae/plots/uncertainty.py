"""Whether uncertainties are honest: PIT histograms, and coverage before and after calibration."""

from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import binom

from mmae.errors import InputError
from mmae.metrics.intervals import of_calibrated
from mmae.plots.comparison import wrapped
from mmae.plots.style import TRUE, WIDTH_INCH, paper_style

LEVELS = {"coverage_68": 0.68, "coverage_95": 0.95}
"""Nominal coverage by its name in a report."""

SPREAD = 0.17
"""Width over which the models stand beside each other at one nominal coverage."""


class Look(NamedTuple):
    """How one model is drawn."""

    color: tuple
    ls: str
    marker: str


def uncertainty_figure(reports: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw PIT histograms (left) and coverage (right) of several models.

    Parameters
    ----------
    reports : mapping of str to mapping
        By the model's label: pit_histogram (galaxies in equal bins) or None; coverage_68 and
        coverage_95 of its own z_std or None; `conformal`, the same two after calibration and
        n_calibration; `n`, the test galaxies.

    Returns
    -------
    Figure
        Dark bands hold 95% of honest forecasts, if galaxies are independent; in the right panel
        wider, light ones hold 95% of honest calibrations, as calibration galaxies are a sample,
        too. They are those of the report with the fewest galaxies.

    Raises
    ------
    InputError
        If there is no report.
    """
    if not reports:
        raise InputError("uncertainty figure", found="no model", expected="at least one")
    looks = dict(zip(reports, _looks(), strict=False))
    n = min(report["n"] for report in reports.values())
    n_columns = 3 if max(map(len, reports)) <= 24 else 2
    with paper_style():
        lines = 1 + max(wrapped(label, 46).count("\n") for label in reports)
        height = 2.9 + 0.16 * lines * -(-len(reports) // n_columns)
        figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH_INCH, height))
        _draw_pit(left, reports, looks, n)
        n_calibration = min(report["conformal"]["n_calibration"] for report in reports.values())
        _draw_coverage(right, reports, looks, n, n_calibration)
        figure.legend(
            handles=[
                Line2D([], [], label=wrapped(label, 46), ms=4.5, lw=1.2, **look._asdict())
                for label, look in looks.items()
            ],
            loc="outside lower center",
            ncols=n_columns,
            handlelength=3.2,
            frameon=False,
            fontsize="small",
        )
    return figure


def _looks() -> Iterator[Look]:
    """Endless looks, the first 24 different in colour and line."""
    palette = sns.color_palette("colorblind")
    # without grey, which is the truth, and yellow, which is faint on white
    colours = [palette[k] for k in (0, 1, 2, 3, 4, 5, 6, 9)]
    yield from map(Look, cycle(colours), cycle(("-", "--", "-.")), cycle("osD^vPX"))


def _draw_pit(axes: Axes, reports: Mapping, looks: Mapping[str, Look], n: int) -> None:
    """Histograms over the expectation of a uniform distribution."""
    n_bins = 10
    for label, report in reports.items():
        if report["pit_histogram"] is not None:
            counts = np.asarray(report["pit_histogram"], dtype=float)
            n_bins = len(counts)
            axes.stairs(
                counts * n_bins / counts.sum(),
                np.linspace(0, 1, n_bins + 1),
                color=looks[label].color,
                ls=looks[label].ls,
                lw=1.2,
                baseline=None,
            )
    if all(report["pit_histogram"] is None for report in reports.values()):
        axes.text(0.5, 0.5, "no model predicts z_std", ha="center", fontsize="small")
    low, high = binom.ppf([0.025, 0.975], n, 1 / n_bins) * n_bins / n
    axes.axhspan(low, high, color="0.84", lw=0, zorder=0)
    axes.axhline(1, color=TRUE, lw=0.8, zorder=0.5)
    axes.set(
        xlim=(0, 1),
        xlabel=r"PIT, the forecast's probability of $z < z_\mathrm{spec}$",
        ylabel="galaxies / uniform expectation",
    )
    axes.set_ylim(bottom=0)


def _draw_coverage(
    axes: Axes, reports: Mapping, looks: Mapping[str, Look], n: int, n_calibration: int
) -> None:
    """Coverage of each model around each nominal one: hollow before, filled after."""
    for name, level in LEVELS.items():
        edges = np.array([level - 0.6 * SPREAD, level + 0.6 * SPREAD])
        for zorder, (shade, band) in enumerate(
            (
                ("0.93", of_calibrated(level, n, n_calibration)),
                ("0.84", binom.ppf([0.025, 0.975], n, level) / n),
            )
        ):
            axes.fill_between(edges, *band, color=shade, lw=0, zorder=zorder / 10)
        axes.hlines(level, *edges, color=TRUE, lw=0.8, zorder=0.5)
        step = SPREAD / max(len(reports), 8)
        for k, (label, report) in enumerate(reports.items()):
            place = level + step * (k - (len(reports) - 1) / 2)
            # None becomes NaN, which is not drawn
            ends = np.array([report.get(name), report["conformal"][name]], dtype=float)
            look = {"color": looks[label].color, "marker": looks[label].marker, "ms": 4.5}
            axes.plot([place, place], ends, color=looks[label].color, lw=0.8)
            axes.plot(place, ends[0], mfc="white", **look)
            axes.plot(place, ends[1], **look)
    axes.set_xticks([*LEVELS.values()], [f"{level:.0%}" for level in LEVELS.values()])
    axes.set(xlabel="nominal coverage", ylabel="empirical coverage")
    axes.yaxis.set_major_formatter("{x:.2f}")
    states = [
        Line2D([], [], marker="o", lw=0, color="k", mfc=face, ms=4.5, label=f"{state} calibration")
        for face, state in (("white", "before"), ("k", "after"))
    ]
    axes.legend(handles=states, frameon=False, fontsize="small")
