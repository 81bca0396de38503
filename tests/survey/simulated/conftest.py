"""A few simulated sources."""

from collections.abc import Callable

import numpy as np
import pytest

from mmae.settings import ImageFaults
from mmae.survey.simulated.images import Conditions, draw_conditions
from mmae.survey.simulated.population import Population, draw
from mmae.survey.simulated.sources import Sources, make_sources


@pytest.fixture(scope="session")
def population() -> Population:
    return draw(400, np.random.default_rng(0), {"matched": 1.0})


@pytest.fixture(scope="session")
def sources(population) -> Sources:
    return make_sources(population, np.random.default_rng(1))


@pytest.fixture(scope="session")
def one() -> Callable[..., Sources]:
    def make(
        redshift: float, i_mag: float = 17.0, colour: float = 1.0, quasar: bool = False
    ) -> Sources:
        """A single source."""
        parts = (np.array([x]) for x in (i_mag, colour, redshift, quasar))
        return make_sources(Population(*parts), np.random.default_rng(0))

    return make


@pytest.fixture(scope="session")
def clear() -> Callable[[int], Conditions]:
    def conditions(n: int) -> Conditions:
        """Conditions of n images, none with a fault."""
        return draw_conditions(n, ImageFaults(0.0, 0.0, 0.0), np.random.default_rng(0))

    return conditions
