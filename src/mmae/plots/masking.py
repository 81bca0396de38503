"""The masking study: heat maps of redshift scatter, and of reconstructions."""

import pandas as pd
from matplotlib.figure import Figure

from mmae.plots.heat_map import HeatMap, heat_maps

PANELS = (
    ("sigma_nmad", r"redshift scatter, $\sigma_\mathrm{NMAD}$", "low"),
    ("low_sigma_nmad", r"the same at low redshift", "low"),
    ("image_psnr", "image PSNR (dB)", "high"),
    ("spectrum_mse", "spectrum MSE (normalised flux²)", "low"),
)
"""Column of the study, label, and which numbers are better."""


def masking_figure(study: pd.DataFrame) -> Figure:
    """Draw the study: mask ratios in training downwards, in the test to the right.

    Parameters
    ----------
    study : DataFrame
        Columns mask, test_mask, and each of PANELS with `_low` and `_high` (95% interval).
    """
    panels = []
    for name, label, better in PANELS:
        columns = {name: "value", f"{name}_low": "low", f"{name}_high": "high"}
        table = study[["mask", "test_mask", *columns]].rename(columns=columns)
        panels.append(HeatMap(label, table, better))
    return heat_maps(panels)


def missing_figure(study: pd.DataFrame) -> Figure:
    """Draw the tests with bands, arms or pixels missing: models downwards, views to the right.

    Parameters
    ----------
    study : DataFrame
        Columns model, view (in words), and each of PANELS with `_low` and `_high`.
    """
    panels = []
    for name, label, better in PANELS:
        columns = {"model": "mask", "view": "test_mask", name: "value"}
        columns |= {f"{name}_low": "low", f"{name}_high": "high"}
        table = study[[*columns]].rename(columns=columns)
        panels.append(HeatMap(label, table, better, "model", "what is missing in the test"))
    return heat_maps(panels)
