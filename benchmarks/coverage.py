"""How often intervals hold a known truth, and equal recipes are called different.

`python benchmarks/coverage.py` prints the tables of docs/statistics.md; a number gives how many
simulations each of their numbers has.
"""

import sys
from collections.abc import Callable, Iterator

import numpy as np

from mmae.metrics.bootstrap import bootstrap_interval, draws_of, mean_interval, median_interval
from mmae.metrics.conformal import conformal_report
from mmae.metrics.intervals import FEW, of_calibrated, wilson
from mmae.metrics.redshift import METRICS, outlier_fraction, redshift_errors, sigma_nmad
from mmae.metrics.uncertainty import uncertainty_report
from mmae.metrics.verdicts import Recipe, compare, fraction_unit, pooled_spread

SIZES = (20, 200, 1000)
OUTLIERS = 0.05
"""Fraction of galaxies with errors ten times as large."""
N_RECIPES = 8
N_SAMPLES = 200
"""Resamplings behind an interval; the workflow has 500."""
LARGE = 400_000
CAUTIOUS = {"outlier_fraction_biweight", "catastrophic_fraction"}
"""Kinds whose intervals are wider than they need be, and why: docs/statistics.md."""


def errors(rng: np.random.Generator, n: int) -> np.ndarray:
    """Dz of galaxies of which a few are far off, and to one side."""
    far = rng.random(n) < OUTLIERS
    return np.where(far, rng.normal(0.1, 0.4, n), rng.normal(0.005, 0.04, n))


def redshifts(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """z_pred and z_spec."""
    z_spec = rng.uniform(0.05, 1.2, n)
    return z_spec + errors(rng, n) * (1 + z_spec), z_spec


def forecasts(rng: np.random.Generator, n: int) -> tuple[np.ndarray, ...]:
    """z_pred, z_std and z_spec of honest forecasts."""
    z_pred = rng.uniform(0.05, 1.2, n)
    z_std = rng.uniform(0.02, 0.1, n) * (1 + z_pred)
    return z_pred, z_std, z_pred + z_std * rng.normal(size=n)


def of_metric(name: str) -> Callable:
    """Interval of a redshift metric."""

    def interval(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float] | None:
        pair = redshifts(rng, n)
        return bootstrap_interval({name: METRICS[name]}, *pair, N_SAMPLES, seed).get(name)

    return interval


def of_uncertainty(name: str) -> Callable:
    """Interval of a score of forecasts."""

    def interval(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float] | None:
        return uncertainty_report(*forecasts(rng, n), N_SAMPLES, seed).get(f"{name}_interval")

    return interval


def of_fraction(truth: float) -> Callable:
    """Interval of a fraction."""
    return lambda rng, n, seed: wilson(rng.binomial(n, truth) / n, n)


def of_median(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float]:
    """Interval of the median of a skewed quantity, as a PSNR or a ratio of heights."""
    return median_interval(rng.lognormal(0, 0.5, n), N_SAMPLES, seed)[1:]


def of_mean(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float] | None:
    """Interval of the mean of a bounded quantity."""
    return mean_interval(rng.beta(0.5, 3, n), N_SAMPLES, seed) if n >= FEW else None


def of_width(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float] | None:
    """Interval of the width of calibrated 68% intervals."""
    parts = ((z_pred, z_spec, None) for z_pred, z_spec in (redshifts(rng, n), redshifts(rng, n)))
    return conformal_report(*parts, (0.68,), N_SAMPLES, seed)["width_68_interval"]


def of_band(rng: np.random.Generator, n: int, seed: int) -> tuple[float, float]:
    """The band of coverage after calibration, less the coverage itself: holds 0."""
    parts = ((z_pred, z_spec, None) for z_pred, z_spec in (redshifts(rng, n), redshifts(rng, n)))
    covered = conformal_report(*parts, (0.68,), 1, seed)["coverage_68"]
    low, high = of_calibrated(0.68, n, n)
    return low - covered, high - covered


def _large(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return redshifts(np.random.default_rng(seed), LARGE)


KINDS: dict[str, tuple[Callable, Callable[[], float]]] = {
    **{
        name: (of_metric(name), lambda name=name: float(METRICS[name](*_large(1))))
        for name in METRICS
        if METRICS[name].interval != "none"
    },
    **{f"fraction {p}": (of_fraction(p), lambda p=p: p) for p in (0.05, 0.3, 0.9)},
    "median": (of_median, lambda: 1.0),
    "mean": (of_mean, lambda: 0.5 / 3.5),
    "coverage_68": (of_uncertainty("coverage_68"), lambda: 0.68),
    "pit_ks": (of_uncertainty("pit_ks"), lambda: 0.0),
    "crps": (
        of_uncertainty("crps"),
        lambda: uncertainty_report(*forecasts(np.random.default_rng(1), LARGE), 1, 0)["crps"],
    ),
    "sigma_nmad_certain": (
        of_uncertainty("sigma_nmad_certain"),
        lambda: uncertainty_report(*forecasts(np.random.default_rng(1), LARGE), 1, 0)[
            "sigma_nmad_certain"
        ],
    ),
    "width_68": (
        of_width,
        lambda: conformal_report((*_large(1), None), (*_large(2), None), (0.68,), 1)["width_68"],
    ),
    "calibrated coverage": (of_band, lambda: 0.0),
}
"""What is printed with an interval: the interval of n simulated galaxies, and the truth."""


def held(kind: str, n: int, n_simulations: int, seed: int) -> float | None:
    """How often the interval of n galaxies holds the truth; None where there is no interval."""
    interval, truth = KINDS[kind]
    expected, rng = truth(), np.random.default_rng(seed)
    found = [interval(rng, n, k) for k in range(n_simulations)]
    if any(ends is None for ends in found):
        return None
    return float(np.mean([low <= expected <= high for low, high in found]))


def planted(
    rng: np.random.Generator, n: int, n_seeds: int, spread: float, ratio: float
) -> Iterator[np.ndarray]:
    """Dz (n_seeds, n) of trainings of N_RECIPES recipes; hard galaxies are hard for all."""
    common, hard = rng.normal(size=n), rng.random(n) < 0.1
    for recipe in range(N_RECIPES):
        own, each = rng.normal(size=n), rng.normal(size=(n_seeds, n))
        dz = np.sqrt(0.6) * common + np.sqrt(0.2) * own + np.sqrt(0.2) * each
        scatter = 0.05 * np.exp(rng.normal(0, spread, (n_seeds, 1))) * (ratio if recipe else 1)
        yield scatter * np.where(hard, 5 * dz, dz)


def false_verdicts(
    n: int, n_seeds: int, spread: float, n_simulations: int, seed: int, ratio: float = 1.0
) -> dict[str, float]:
    """How often a recipe is called better or worse than another.

    Parameters
    ----------
    n : int
        Test galaxies.
    n_seeds : int
        Trainings of each recipe.
    spread : float
        Relative standard deviation of the scatter of trainings.
    n_simulations, seed : int
    ratio : float
        Scatter of the other recipes, of that of the first: 1 for equal recipes.
    """
    metrics = {
        "sigma_nmad": (sigma_nmad, abs),
        "outlier_fraction": (outlier_fraction, fraction_unit),
    }
    rng, called = np.random.default_rng(seed), dict.fromkeys(metrics, 0)
    z_spec = np.zeros(n)
    for k in range(n_simulations):
        found = [
            [redshift_errors(dz, z_spec) for dz in group]
            for group in planted(rng, n, n_seeds, spread, ratio)
        ]
        for name, (metric, unit) in metrics.items():
            recipes = [
                Recipe(
                    [float(metric.of(one)) for one in group],
                    [draws_of({"": metric}, one, N_SAMPLES, k)[""] for one in group],
                    unit,
                )
                for group in found
            ]
            verdict = compare(recipes[1], recipes[0], pooled_spread(recipes)).verdict
            called[name] += verdict != "undecided"
    return {name: count / n_simulations for name, count in called.items()}


def main() -> None:
    """Print both tables."""
    n_simulations = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print(f"| interval of | {' | '.join(f'n = {n:,}' for n in SIZES)} |\n|---|---|---|---|")
    for kind in KINDS:
        rates = [held(kind, n, n_simulations, 0) for n in SIZES]
        told = ["none" if rate is None else f"{rate:.1%}" for rate in rates]
        print(f"| `{kind}` | {' | '.join(told)} |", flush=True)
    print("\n| galaxies | trainings | spread | scatter | outliers |\n|---|---|---|---|---|")
    for n in SIZES[1:]:
        for n_seeds in (2, 3):
            for spread in (0.02, 0.08):
                rates = false_verdicts(n, n_seeds, spread, n_simulations, 0).values()
                told = " | ".join(f"{rate:.1%}" for rate in rates)
                print(f"| {n:,} | {n_seeds} | {spread:.0%} | {told} |", flush=True)


if __name__ == "__main__":
    main()
