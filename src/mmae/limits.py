"""What redshifts, magnitudes, sizes and fluxes can be: what is outside is unknown.

Catalogues write 99, -99, -999 or infinity where nothing was measured. Taken as numbers they shift
scales, predictions and metrics, and nobody sees why.
"""

import logging
from typing import NamedTuple, Self

import numpy as np

log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """The smallest and the largest value that a quantity can have, both included."""

    low: float
    high: float

    def contain(self, values: np.ndarray) -> np.ndarray:
        """Which values are possible, bool, shape of `values`; NaN is not."""
        return (values >= self.low) & (values <= self.high)


REDSHIFT = Limits(-0.1, 20.0)
"""Of a spectrum. The nearest galaxies reach -0.001; -1, -9 and -99 stand for unknown."""
Z_PRED = Limits(-0.99, 20.0)
"""Of a model: below 0 it is wrong, and counts as such, but 1 + z is above 0."""
Z_STD = Limits(1e-9, 20.0)
"""Standard deviation of a redshift."""
MAGNITUDE = Limits(5.0, 35.0)
"""AB. HSC saturates at 17 and reaches 27; fluxes that are mostly noise are fainter."""
SIZE = Limits(0.01, 100.0)
"""Half-light radius, arcsec."""
ERROR = Limits(1e-6, 30.0)
"""Standard deviation of a magnitude."""
FLUX = Limits(-3e38, 3e38)
"""Finite in single precision, in any unit."""
IVAR = Limits(0.0, 3e38)
"""Inverse variance of a flux."""


ANY = Limits(-3e38, 3e38)
"""Of what nothing is known."""


def of(column: str) -> Limits:
    """Limits of a catalogue's column by what its name ends with."""
    ends = {"_mag": MAGNITUDE, "_radius": SIZE, "_magsigma": ERROR}
    return next((limits for end, limits in ends.items() if column.endswith(end)), ANY)


class Known:
    """Puts NaN where a value cannot be, counts over many blocks, and tells at the end.

    Parameters
    ----------
    where : str or path
        The file that the values are from, for the warnings.

    Examples
    --------
    >>> with Known("survey.hdf5") as known:
    ...     known("magnitude", np.array([21.5, 99.0]), MAGNITUDE)
    array([21.5,  nan])
    """

    def __init__(self, where: object):
        self.where = where
        self.wanted: slice | np.ndarray = slice(None)
        """Rows that count of what is read; the others are read along and left out."""
        self.damaged = 0
        """Galaxies with values that cannot be where every value should be there."""
        self.counts: dict[str, tuple[int, int, float]] = {}
        self.words: dict[str, str] = {}

    def __call__(
        self,
        name: str,
        values: np.ndarray,
        limits: Limits,
        instead: float = np.nan,
        damage: bool = False,
    ) -> np.ndarray:
        """The values, with another number in place of those that cannot be.

        Parameters
        ----------
        name : str
            Of the quantity.
        values : ndarray
        limits : Limits
        instead : float
            NaN says that the value is unknown, and values that are NaN already do not count.
        damage : bool
            Galaxies, along the first axis, with such values (NaN, too) are damaged.

        Returns
        -------
        ndarray
            Of the same shape; the same array where all values can be.
        """
        bad = ~limits.contain(values)
        if not damage and np.isnan(instead):
            bad &= ~np.isnan(values)
        counted = bad[self.wanted]
        if damage:
            self.damaged += int(counted.reshape(len(counted), -1).any(axis=1).sum())
        n_bad, n, example = self.counts.get(name, (0, 0, np.nan))
        if counted.any() and n_bad == 0:
            example = values[self.wanted][counted][0]
        self.counts[name] = (n_bad + int(counted.sum()), n + counted.size, example)
        if bad.any():
            values = np.where(bad, instead, values)
        taken = "unknown" if np.isnan(instead) else f"{instead:g}"
        self.words[name] = f"not from {limits.low:g} to {limits.high:g} and taken as {taken}"
        return values

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for name, (n_bad, n, example) in self.counts.items():
            if n_bad:
                words = (self.where, name, n_bad, n, self.words[name], example)
                log.warning("%s: %s: %d of %d values are %s, such as %g", *words)
