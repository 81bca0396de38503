"""What tests of figures share."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def fits() -> Callable[[Figure], bool]:
    """Whether nothing of a figure is cut off at its edges, up to a hundredth of an inch."""

    def fits(figure: Figure) -> bool:
        figure.canvas.draw()
        needed = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        return bool(min(needed.x0, needed.y0, width - needed.x1, height - needed.y1) > -0.01)

    return fits
