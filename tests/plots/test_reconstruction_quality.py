"""Quality of reconstructions against redshift and line by line."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from mmae.errors import InputError
from mmae.instruments import LINES
from mmae.plots.reconstruction_quality import (
    COLUMNS,
    LINE_PANELS,
    REDSHIFT_PANELS,
    line_figure,
    reconstruction_figure,
)

EDGES = (0.0, 0.4, 0.8, 1.2, 2.0, 4.2)
RATIOS = ("10%", "25%", "50%", "75%", "90%")
FOUND = ("Ly-alpha", "Mg II", "[O II]", "H-alpha")


def table_of(offset: float = 0.0) -> pd.DataFrame:
    """Each quantity grows by 1 from bin to bin, and by 10 from quantity to quantity."""
    rows = []
    for k, panel in enumerate(REDSHIFT_PANELS):
        for b, (low, high) in enumerate(pairwise(EDGES)):
            rows.append((panel.quantity, "", "bin", low, high, 9, *numbers(10 * k + b + offset)))
        rows.append((panel.quantity, "", "all", 0.0, 4.2, 45, *numbers(-1)))
        rows.append((panel.quantity, "", "low_redshift", 0.0, 0.3, 45, *numbers(-1)))
    for k, panel in enumerate(LINE_PANELS):
        # not by wavelength
        for j, line in enumerate(reversed(FOUND)):
            part = "all", 0.0, 4.2, 30 if "false" in panel.quantity else 20
            rows.append((panel.quantity, line, *part, *numbers(10 * k + j + offset)))
            rows.append((panel.quantity, line, "bin", 0.0, 0.4, 7, *numbers(-1)))
    return pd.DataFrame(rows, columns=[*COLUMNS])


def numbers(value: float) -> tuple[float, ...]:
    """Value and scatter with uneven intervals."""
    return value, value - 0.2, value + 0.3, value + 100, value + 99, value + 102


def curves(axes) -> list[np.ndarray]:
    """Points of each training ratio, (bins, 2)."""
    return [line.get_xydata() for line in axes.lines if line.get_marker() not in ("None", "")]


def intervals(axes) -> list[np.ndarray]:
    """Ends of the intervals of each set of points, (N, 2, 2); a point may have none."""
    found = [c.get_segments() for c in axes.collections if hasattr(c, "get_segments")]
    return [np.array([s for s in segments if len(s) == 2]) for segments in found]


def test_each_ratio_has_a_curve_over_the_bins(fits):
    figure = reconstruction_figure({ratio: table_of(k) for k, ratio in enumerate(RATIOS)})
    assert fits(figure)
    for k, (axes, panel) in enumerate(zip(figure.axes, REDSHIFT_PANELS, strict=True)):
        assert axes.get_ylabel() == panel.label
        shift = 100 if panel.columns[0] == "scatter" else 0
        drawn = curves(axes)
        for r in range(5):
            expected = 10 * k + np.arange(5) + r + shift
            assert drawn[r][:, 1] == pytest.approx(expected)
            assert np.round(drawn[r][:, 0]) == pytest.approx(np.arange(5))
            below, above = (1, 2) if shift else (0.2, 0.3)
            ends = intervals(axes)[r][:, :, 1]
            assert ends == pytest.approx(np.column_stack([expected - below, expected + above]))
        # beside each other
        assert len({x for curve in drawn for x in curve[:, 0]}) == 25
    for axes in figure.axes[3:]:
        assert axes.get_xlabel() == r"$z_\mathrm{spec}$"
        shown = [label.get_text() for label in axes.get_xticklabels()]
        assert shown == ["0–0.4", "0.4–0.8", "0.8–1.2", "1.2–2", "2–4.2"]
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [*RATIOS]


def test_units_are_on_the_axes():
    words = " ".join(axes.get_ylabel() for axes in reconstruction_figure({"": table_of()}).axes)
    assert all(unit in words for unit in ("(dB)", "(mag)", "normalised flux²"))
    assert any("(km/s)" in axes.get_xlabel() for axes in line_figure({"": table_of()}).axes)


@pytest.mark.parametrize("n", [1, 8])
def test_curves_and_legend_share_their_looks(n):
    figure = reconstruction_figure({f"{k}%": table_of(k) for k in range(n)})
    handles = figure.legends[0].get_lines()
    looks = [(to_hex(h.get_color()), h.get_marker()) for h in handles]
    assert len(set(looks)) == n
    lines = [line for line in figure.axes[0].lines if line.get_marker() not in ("None", "")]
    assert [(to_hex(line.get_color()), line.get_marker()) for line in lines] == looks
    centred = np.mean([curve[:, 0] for curve in curves(figure.axes[0])], axis=0)
    assert centred == pytest.approx(np.arange(5))


def test_bins_without_numbers_are_empty():
    table = table_of()
    few = (table["quantity"] == "image psnr") & (table["z_low"] == 0.8)
    table.loc[few, ["low", "high"]] = np.nan
    lost = (table["quantity"] == "image ssim") & (table["z_low"] == 0.8)
    gone = table["quantity"] == "spectrum mse"
    figure = reconstruction_figure({"a": table[~lost & ~gone], "b": table_of(0.5)})
    psnr, ssim, *_ = figure.axes
    assert curves(psnr)[0][2, 1] == 2.0
    assert [len(ends) for ends in intervals(psnr)] == [4, 5]
    assert np.isnan(curves(ssim)[0][:, 1]).tolist() == [False, False, True, False, False]
    assert np.isnan(curves(figure.axes[4])[0][:, 1]).all()
    assert np.isfinite(curves(figure.axes[4])[1][:, 1]).all()


def test_a_bin_that_one_ratio_lacks_keeps_its_place():
    near = table_of()
    near = near[(near["part"] != "bin") | (near["z_high"] <= 0.8)]
    figure = reconstruction_figure({"near": near, "all": table_of()})
    assert len(figure.axes[-1].get_xticklabels()) == 5
    assert np.isfinite(curves(figure.axes[0])[0][:, 1]).sum() == 2
    assert np.isfinite(curves(figure.axes[0])[1][:, 1]).sum() == 5
    alone = reconstruction_figure({"near": near})
    assert len(alone.axes[-1].get_xticklabels()) == 2


def test_lines_are_rows_by_wavelength(fits):
    figure = line_figure({"one": table_of(), "two": table_of(100)})
    assert fits(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    labels = {
        place: text.get_text()
        for place, text in zip(
            figure.axes[0].get_yticks(), figure.axes[0].get_yticklabels(), strict=True
        )
    }
    expected = [f"{LINES[line].label} (50)" for line in FOUND]
    assert [labels[place] for place in sorted(labels, reverse=True)] == expected
    assert figure.axes[0].get_ylabel() == "line (galaxies)"
    for k, (axes, panel) in enumerate(zip(figure.axes, LINE_PANELS, strict=True)):
        assert axes.get_xlabel() == panel.label
        points, others = curves(axes)
        assert points[:, 0] == pytest.approx(10 * k + np.arange(4)[::-1])
        assert others[:, 0] == pytest.approx(points[:, 0] + 100)
        assert (points[:, 1] + others[:, 1]) / 2 == pytest.approx([3, 2, 1, 0])
        assert (points[:, 1] > others[:, 1]).all(), "the first model above"
        ends = intervals(axes)[0]
        assert ends[:, :, 0] == pytest.approx(points[:, :1] + np.array([-0.2, 0.3]))
        ideal = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [[*line.get_xdata()] for line in ideal] == [[panel.ideal] * 2]


def test_a_line_is_drawn_as_far_as_it_is_measured(fits):
    table = table_of()
    table = table[(table["line"] != "Mg II") | table["quantity"].isin(["line false"])]
    table.loc[table["line"] == "H-alpha", ["low", "high"]] = np.nan
    figure = line_figure({"": table})
    assert fits(figure)
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert "Mg II (30)" in shown
    assert np.isnan(curves(figure.axes[0])[0][:, 0]).tolist() == [False, True, False, False]
    false = [axes for axes in figure.axes if "false" in axes.get_xlabel()]
    assert np.isfinite(curves(false[0])[0]).all()
    assert np.isfinite(curves(figure.axes[0])[0][3, 0])
    one = line_figure({"": table[table["line"] == "H-alpha"]})
    assert fits(one)
    assert len(one.axes[0].get_yticks()) == 1
    # images alone
    assert not len(line_figure({"": table[table["line"] == ""]}).axes[0].get_yticks())


def test_empty_tables_are_refused():
    with pytest.raises(InputError, match="reconstruction figure: found no table"):
        reconstruction_figure({})
    with pytest.raises(InputError, match="reconstruction figure: found no rows"):
        reconstruction_figure({"75%": table_of(), "90%": table_of()[:0]})
    with pytest.raises(InputError, match="line figure: found no table"):
        line_figure({})
    with pytest.raises(InputError, match="line figure: found no rows"):
        line_figure({"": table_of()[:0]})
    with pytest.raises(InputError, match=r"line figure: found .* rows without scatter"):
        line_figure({"": table_of().drop(columns="scatter")})
