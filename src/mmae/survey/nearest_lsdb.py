"""Nearest neighbours by LSDB: both catalogues in partitions of the sky, matched on Dask.

Source: LSDB, https://docs.lsdb.io
"""

import os

import numpy as np
import pandas as pd

from mmae.errors import InputError
from mmae.survey.nearest import nearest_neighbour

try:
    import dask
    import lsdb
    from hats.pixel_math.healpix_shim import margin2order, radec2pix
    from lsdb.catalog import Catalog
    from lsdb.core.crossmatch.abstract_crossmatch_algorithm import AbstractCrossmatchAlgorithm
    from lsdb.core.crossmatch.crossmatch_args import CrossmatchArgs
except ImportError as error:
    raise InputError(
        "config",
        key="crossmatch.engine",
        found=f"'lsdb', which is not installed ({error})",
        expected="'astropy', or LSDB: pip install 'galaxy-mmae[lsdb]'",
    ) from error

PARTITION_ROWS = 100_000
"""About so many rows of a catalogue are matched at a time."""
PARTITION_ORDER = 7
"""Healpix order of the smallest partitions, half a degree."""

MARGIN = 60.0
"""Smallest margin of a partition, arcsec. Narrower ones cost more: LSDB lists the pixels of an edge
in the size of the margin."""


class _Nearest(AbstractCrossmatchAlgorithm):
    """Our own nearest neighbour in one partition, so that ties fall as without LSDB."""

    extra_columns = pd.DataFrame({"separation_arcsec": pd.Series(dtype=np.float64)})

    def __init__(self, radius_arcsec: float):
        super().__init__()
        self.radius_arcsec = radius_arcsec

    def perform_crossmatch(
        self, crossmatch_args: CrossmatchArgs
    ) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
        """Rows of the left and of the right partition that are pairs, and their separation."""
        left, right = crossmatch_args.left_df, crossmatch_args.right_df
        order = np.argsort(right["desi_row"].to_numpy())
        ra, dec = right["ra"].to_numpy()[order], right["dec"].to_numpy()[order]
        nearest, separation = nearest_neighbour(left["ra"], left["dec"], ra, dec)
        near = separation <= self.radius_arcsec
        pairs = pd.DataFrame({"separation_arcsec": separation[near]})
        return np.flatnonzero(near), order[nearest[near]], pairs


def pairs_within_lsdb(
    hsc: pd.DataFrame, targets: pd.DataFrame, radius_arcsec: float
) -> pd.DataFrame:
    """As `mmae.survey.nearest.pairs_within`, by partitions of the sky.

    Targets within the radius of a partition's edge are in its margin, so that no pair across an
    edge is lost.

    Raises
    ------
    InputError
        If LSDB has no partitions that are larger than the radius.
    """
    left = pd.DataFrame({"ra": hsc["ra"], "dec": hsc["dec"], "hsc_row": np.arange(len(hsc))})
    right = pd.DataFrame(
        {"ra": targets["TARGET_RA"], "dec": targets["TARGET_DEC"], "desi_row": targets.index}
    )
    margin = max(MARGIN, 1.01 * radius_arcsec)  # more than the radius, whatever the rounding
    order = min(PARTITION_ORDER, int(margin2order(margin / 60)) - 1)
    if order < 0:
        raise InputError(
            "config",
            key="crossmatch.radius_arcsec",
            found=radius_arcsec,
            expected="a radius smaller than LSDB's partitions, or crossmatch.engine astropy",
        )
    ours = _catalog("hsc", left, order, margin_threshold=None)
    theirs = _catalog("desi", right, order, margin_threshold=margin)
    pairs = ours.crossmatch(
        theirs,
        algorithm=_Nearest(radius_arcsec),
        suffixes=("", "_desi"),
        suffix_method="overlapping_columns",
        require_right_margin=True,
        log_changes=False,
    )
    # the work is in compiled code, which threads run side by side; no scheduler, no ports
    with dask.config.set(scheduler="threads", num_workers=len(os.sched_getaffinity(0))):
        found = pairs.compute(progress_bar=False)
    table = pd.DataFrame(found[["hsc_row", "desi_row", "separation_arcsec"]])
    return table.sort_values("hsc_row").reset_index(drop=True)


def _catalog(name: str, table: pd.DataFrame, order: int, margin_threshold: float | None) -> Catalog:
    """A catalogue in partitions of about PARTITION_ROWS, none smaller than a pixel of `order`."""
    # LSDB gives up where a pixel of the highest order has more rows than a partition may have
    pixels = radec2pix(order, table["ra"].to_numpy(), table["dec"].to_numpy())
    fullest = np.unique(pixels, return_counts=True)[1].max()
    return lsdb.from_dataframe(
        table,
        catalog_name=name,
        ra_column="ra",
        dec_column="dec",
        highest_order=order,
        partition_rows=max(PARTITION_ROWS, int(fullest)),
        margin_threshold=margin_threshold,
        should_generate_moc=False,  # a filter that saves nothing here
        use_pyarrow_types=False,
    )
