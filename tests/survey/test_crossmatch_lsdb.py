"""LSDB finds the same pairs as astropy, across the edges of its partitions too."""

import importlib.util
import sys

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.survey.crossmatch import crossmatch
from skies import clustered_catalogues

needs_lsdb = pytest.mark.skipif(
    importlib.util.find_spec("lsdb") is None,
    reason="LSDB is optional and not installed: pip install 'galaxy-mmae[lsdb]'",
)


def assert_engines_agree(hsc: pd.DataFrame, desi: pd.DataFrame, radius: float) -> pd.DataFrame:
    """Compare all three tables; return the matches."""
    ours, theirs = (crossmatch(hsc, desi, radius, engine) for engine in ("astropy", "lsdb"))
    for one, other in zip(ours, theirs, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        assert one.equals(other)
    return ours.matches


@needs_lsdb
@pytest.mark.parametrize(("seed", "radius"), [(0, 1.0), (1, 60.0), (2, 1000.0)])
def test_all_tables_are_identical_at_seams_poles_and_ties(monkeypatch, seed, radius):
    from mmae.survey import nearest_lsdb

    monkeypatch.setattr(nearest_lsdb, "PARTITION_ROWS", 20)
    hsc, desi = clustered_catalogues(seed, radius)
    assert len(assert_engines_agree(hsc, desi, radius)) > 100


@needs_lsdb
def test_pairs_across_the_edges_of_partitions_are_found(monkeypatch):
    from mmae.survey import nearest_lsdb

    monkeypatch.setattr(nearest_lsdb, "PARTITION_ROWS", 5)
    # healpix cells of all orders meet at these right ascensions near the equator
    corners = np.array([45.0, 90.0, 135.0, 180.0])
    step = 0.3 / 3600
    hsc = pd.DataFrame({"object_id": range(4), "ra": corners - step, "dec": 5 * step})
    desi = clustered_catalogues(0, 1.0)[1][:4]
    desi = desi.assign(OBJTYPE="TGT", TARGET_RA=corners + step, TARGET_DEC=5 * step)
    matches = assert_engines_agree(hsc.assign(specz_redshift=0.5), desi, 1.0)
    assert matches["separation_arcsec"].tolist() == pytest.approx([0.6] * 4, abs=1e-6)


@needs_lsdb
@pytest.mark.parametrize("side", [1, -1])
def test_of_equally_near_targets_the_first_in_the_file_wins(side):
    hsc, desi = clustered_catalogues(0, 1.0)
    # cells of all orders meet here: one of the two is in the margin
    tied = np.array([side, -side]) * 0.25 / 3600
    desi = desi[:2].assign(OBJTYPE="TGT", TARGET_RA=45.0, TARGET_DEC=tied)
    matches = assert_engines_agree(hsc[:1].assign(ra=45.0, dec=0.0), desi, 1.0)
    assert matches["desi_row"].tolist() == [0]


@needs_lsdb
def test_no_pair_is_the_same_sentence():
    hsc, desi = clustered_catalogues(0, 1.0)
    far = desi.assign(TARGET_RA=200.0, TARGET_DEC=30.0)
    sentences = []
    for engine in ("astropy", "lsdb"):
        with pytest.raises(InputError) as caught:
            crossmatch(hsc, far, 1.0, engine)
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    near = desi[:1].assign(OBJTYPE="TGT", TARGET_RA=0.0, TARGET_DEC=0.1)
    one = hsc[:1].assign(ra=0.0, dec=0.0)
    with pytest.raises(InputError, match=r"nearest is at 360\.0 arcsec"):
        crossmatch(one, near, 1.0, "lsdb")


@needs_lsdb
def test_a_radius_larger_than_all_partitions_is_named():
    hsc, desi = clustered_catalogues(0, 1.0)
    with pytest.raises(InputError, match=r"crossmatch\.radius_arcsec: found 400000\.0, expected a"):
        crossmatch(hsc, desi, 4e5, "lsdb")


def test_without_lsdb_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lsdb", None)
    monkeypatch.delitem(sys.modules, "mmae.survey.nearest_lsdb", raising=False)
    hsc, desi = clustered_catalogues(0, 1.0)
    with pytest.raises(InputError, match=r"crossmatch\.engine: .*'galaxy-mmae\[lsdb\]'") as caught:
        crossmatch(hsc, desi, 1.0, "lsdb")
    assert "\n" not in str(caught.value)
