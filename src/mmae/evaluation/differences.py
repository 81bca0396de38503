"""Recipes on the same galaxies: how far apart they are, with the galaxies and the trainings in."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.evaluation.scoring import LIMITS
from mmae.evaluation.trainings import Key
from mmae.metrics.bootstrap import draws_of
from mmae.metrics.intervals import MIN_GALAXIES
from mmae.metrics.redshift import (
    Metric,
    RedshiftRange,
    outlier_fraction,
    redshift_errors,
    sigma_nmad,
)
from mmae.metrics.verdicts import Difference, Recipe, Spread, compare, fraction_unit, pooled_spread


class Compared(NamedTuple):
    """A metric by which recipes are compared."""

    metric: Metric
    unit: Callable[[float], float]
    """The scale on which trainings spread alike."""


COMPARED = {"": Compared(sigma_nmad, abs), "outlier_": Compared(outlier_fraction, fraction_unit)}
"""By what stands before `difference` in a table's columns."""


class Differences:
    """All comparisons of recipes in one redshift range.

    Parameters
    ----------
    forecasts : mapping of key to sequence of DataFrame
        z_pred and z_spec of each training of a recipe: the same galaxies in the same order.
    trained : mapping of key to hashable
        What is trained behind a recipe: several readouts and views may have it in common.
    z_range : RedshiftRange
    n_samples, seed : int
        Of the resamplings.

    Raises
    ------
    InputError
        If two forecasts are of other galaxies.
    """

    def __init__(
        self,
        forecasts: Mapping[Key, Sequence[pd.DataFrame]],
        trained: Mapping[Key, Any],
        z_range: RedshiftRange,
        n_samples: int,
        seed: int,
    ):
        self.forecasts, self.resampling = forecasts, (n_samples, seed)
        first = next(iter(forecasts.values()))[0]["z_spec"].to_numpy()
        for key, tables in forecasts.items():
            if not all(np.array_equal(first, one["z_spec"], equal_nan=True) for one in tables):
                raise InputError(
                    "comparison",
                    key=" ".join(key),
                    found="predictions of other galaxies",
                    expected="the same galaxies",
                )
        self.z_spec, self.inside = first, z_range.contains(first)
        self.recipes: dict[tuple[Key, bytes], dict[str, Recipe]] = {}
        own = [self._recipe(key, self._known(key)) for key in forecasts]
        n_models = len({trained[key] for key, r in zip(forecasts, own, strict=True) if _varies(r)})
        self.spreads = {
            name: pooled_spread([recipe[name] for recipe in own if recipe], n_models)
            for name in COMPARED
        }

    def _known(self, *keys: Key) -> np.ndarray:
        """Galaxies of the range whose redshift all trainings of some recipes know."""
        tables = [table for key in keys for table in self.forecasts[key]]
        return np.logical_and.reduce(
            [self.inside, *(one.filter([*LIMITS]).notna().all(axis=1) for one in tables)]
        )

    def _recipe(self, key: Key, rows: np.ndarray) -> dict[str, Recipe]:
        """The metrics of a recipe on some galaxies; nothing on too few."""
        if (key, rows.tobytes()) not in self.recipes:
            found = {}
            if rows.sum() >= MIN_GALAXIES:
                z_spec = self.z_spec[rows]
                metrics = {name: one.metric for name, one in COMPARED.items()}
                errors = [
                    redshift_errors(table["z_pred"].to_numpy()[rows], z_spec)
                    for table in self.forecasts[key]
                ]
                draws = [draws_of(metrics, one, *self.resampling) for one in errors]
                for name, (metric, unit) in COMPARED.items():
                    values = [float(metric.of(one)) for one in errors]
                    found[name] = Recipe(values, [drawn[name] for drawn in draws], unit)
            self.recipes[key, rows.tobytes()] = found
        return self.recipes[key, rows.tobytes()]

    def between(self, a: Key, b: Key) -> dict[str, Difference]:
        """Each metric of a minus that of b, on galaxies that both know; nothing if too few."""
        rows = self._known(a, b)
        one, other = self._recipe(a, rows), self._recipe(b, rows)
        if a == b or not one:
            return {}
        return {name: compare(one[name], other[name], self.spreads[name]) for name in COMPARED}

    def spread(self, key: Key) -> tuple[float | None, Spread]:
        """Standard deviation of sigma_NMAD from training to training; None where it is unknown."""
        recipe, spread = self._recipe(key, self._known(key)).get(""), self.spreads[""]
        if recipe is None or (not spread.dof and not recipe.is_fixed):
            return None, spread
        return 0.0 if recipe.is_fixed else recipe.unit * spread.variance**0.5, spread


def _varies(recipe: Mapping[str, Recipe]) -> bool:
    """Whether a recipe says how far its trainings are apart."""
    return bool(recipe) and recipe[""].n > 1 and not recipe[""].is_fixed
