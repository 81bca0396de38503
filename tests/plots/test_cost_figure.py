"""Scatter against seconds of training."""

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from mmae.errors import InputError
from mmae.plots.cost import COLUMNS, cost_figure


def test_each_training_is_a_point_and_each_model_has_its_name(fits):
    rows = [("a", 10.0, 0.02), ("a", 12.0, 0.021), ("b", 60.0, 0.05)]
    figure = cost_figure(pd.DataFrame(rows, columns=COLUMNS), "b")
    assert fits(figure)
    (axes,) = figure.axes
    points = [line.get_xydata().tolist() for line in axes.lines]
    assert points == [[[10.0, 0.02], [12.0, 0.021]], [[60.0, 0.05]]]
    assert len({to_hex(line.get_color()) for line in axes.lines}) == 2
    assert [(text.get_text(), text.xy) for text in axes.texts] == [
        ("a", (12.0, 0.021)),
        ("b", (60.0, 0.05)),
    ]
    assert axes.get_xlabel() == "training (s)"
    with pytest.raises(InputError, match="cost figure: found no rows"):
        cost_figure(pd.DataFrame(columns=COLUMNS), "b")
