"""When two things differ: one rule for all tables and sentences.

Two recipes are compared on the same test galaxies, each by the mean of a metric over its trainings.
Galaxies are crossed with recipes and trainings: all see the same ones, so that they are drawn for
all alike (paired bootstrap). Trainings are nested in recipes: each seed is another draw of what
the recipe gives. With two or three of them a recipe cannot tell its own spread; all recipes are
therefore taken to spread alike, relative to a unit that each metric has, and share one variance.
The variance of a difference is that of the galaxies plus that of the trainings of both, and its
95% interval that of Student's t with the degrees of freedom that Satterthwaite (1946, Biometrics
Bulletin 2, 110) gives to such a sum. How often equal recipes are called different is measured in
docs/statistics.md.
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import t as student

from mmae.metrics.intervals import CONFIDENCE

State = Literal["better", "worse", "undecided"]

WORDS: dict[State, str] = {"better": "better", "worse": "worse", "undecided": "not decided"}
"""How sentences say it, at 95%."""

LOST = 0.05
"""Fraction of all galaxies from which it is told that a model never predicts redshifts as theirs,
and that they are outliers."""


def state_of(low: float, high: float) -> State:
    """What the 95% interval of a difference says, of a metric of which smaller is better."""
    return "better" if high < 0 else "worse" if low > 0 else "undecided"


class Recipe:
    """One metric of the trainings of one recipe, on galaxies that all recipes share.

    Parameters
    ----------
    values : sequence of float
        Of each training, on all galaxies.
    draws : sequence of ndarray, shape (K,), optional
        The same on resampled galaxies, the same ones for all recipes. Without them, what the
        galaxies add to the spread of trainings stays in it.
    unit : callable
        Of a value: the scale on which trainings of all recipes spread alike.
    """

    def __init__(
        self,
        values: Iterable[float],
        draws: Iterable[np.ndarray] | None = None,
        unit: Callable[[float], float] = abs,
    ):
        self.values = np.array([*values])
        self.draws = np.repeat(self.values[:, None], 2, 1) if draws is None else np.array([*draws])
        self.unit = unit(float(self.values.mean()))

    @property
    def n(self) -> int:
        """Trainings."""
        return len(self.values)

    @property
    def is_fixed(self) -> bool:
        """Whether all trainings give the same: nothing in them is random."""
        return self.n > 1 and bool((self.draws == self.draws[0]).all())

    @property
    def spread(self) -> float:
        """Variance of trainings in squared units, without what the galaxies add to it."""
        apart = self.draws - self.draws.mean(axis=0)
        of_galaxies = apart.var(axis=1, ddof=1).sum() / (self.n - 1)
        return float(self.values.var(ddof=1) - of_galaxies) / self.unit**2


class Spread(NamedTuple):
    """How far trainings of one recipe are apart: pooled over recipes."""

    variance: float
    """In squared units of the metric; 0 where no recipe has two trainings."""
    dof: int
    """Degrees of freedom; 0 where nothing is known."""


def fraction_unit(fraction: float) -> float:
    """The scale of a fraction's spread: that of a binomial distribution; never 0."""
    return float(np.sqrt(max(fraction * (1 - fraction), 1e-4)))


def pooled_spread(recipes: Iterable[Recipe], n_models: int | None = None) -> Spread:
    """What the trainings of several recipes say together.

    Parameters
    ----------
    recipes : iterable of Recipe
        Those with one training, or in which nothing is random, say nothing.
    n_models : int, optional
        How many of them are trained on their own, if several read one training: readouts and views
        of it. All count for the variance, those alone for the degrees of freedom.
    """
    found = [recipe for recipe in recipes if recipe.n > 1 and not recipe.is_fixed]
    if not found:
        return Spread(0.0, 0)
    dof = np.array([recipe.n - 1 for recipe in found])
    variance = float(np.average([recipe.spread for recipe in found], weights=dof))
    own = len(found) if n_models is None else min(n_models, len(found))
    return Spread(max(variance, 0.0), round(dof.sum() * own / len(found)))


class Difference(NamedTuple):
    """Metric of one recipe minus that of another."""

    difference: float
    low: float
    """Lower end of the 95% interval."""
    high: float
    """Upper end of the 95% interval."""
    p_better: float
    """Probability that the first is smaller."""
    verdict: State


def compare(a: Recipe, b: Recipe, spread: Spread, of_galaxies: float | None = None) -> Difference:
    """Whether recipe a is better than b, by the mean over their trainings.

    Where `spread` knows nothing, the interval is that of these trainings, on other galaxies.

    Parameters
    ----------
    a, b : Recipe
    spread : Spread
    of_galaxies : float, optional
        Variance of the difference on other galaxies; without it, that of the draws.
    """
    difference = float(a.values.mean() - b.values.mean())
    if of_galaxies is None:
        of_galaxies = float((a.draws.mean(axis=0) - b.draws.mean(axis=0)).var(ddof=1))
    of_trainings = spread.variance * sum(
        recipe.unit**2 / recipe.n for recipe in (a, b) if not recipe.is_fixed
    )
    error = np.sqrt(of_galaxies + of_trainings)
    dof = np.inf
    if of_trainings > 0:
        dof = spread.dof * (1 + of_galaxies / of_trainings) ** 2
    reach = float(student.ppf((1 + CONFIDENCE) / 2, dof) * error)
    low, high = difference - reach, difference + reach
    p_better = 0.5 if error == 0 else float(student.cdf(-difference / error, dof))
    return Difference(difference, low, high, p_better, state_of(low, high))
