"""Cross-match on a few positions whose answer is known by eye."""

import importlib.util

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.survey.crossmatch import crossmatch, nearest_neighbour

ARCSEC = 1 / 3600


def hsc_catalog(*positions: tuple[float, float]) -> pd.DataFrame:
    """HSC rows at (east, north) arcsec from (150, 0)."""
    east, north = np.array(positions).T
    return pd.DataFrame(
        {
            "object_id": 100 + np.arange(len(positions)),
            "ra": 150 + east * ARCSEC,
            "dec": north * ARCSEC,
            "specz_redshift": 0.5,
        }
    )


def desi_catalog(*positions: tuple[float, float], **columns) -> pd.DataFrame:
    """DESI rows at (east, north) arcsec from (150, 0)."""
    east, north = np.array(positions).T
    defaults = {
        **{"TARGETID": np.arange(len(positions)), "SURVEY": "main", "PROGRAM": "dark"},
        **{"HEALPIX": 1, "Z": 0.5, "ZWARN": 0, "SPECTYPE": "GALAXY", "OBJTYPE": "TGT"},
        **{"DELTACHI2": 25.0, "COADD_FIBERSTATUS": 0},
        **{"TARGET_RA": 150 + east * ARCSEC, "TARGET_DEC": north * ARCSEC, "ZCAT_PRIMARY": True},
    }
    return pd.DataFrame(defaults | columns)


def counts_of(result) -> dict[str, int]:
    return result.counts.set_index("quantity")["count"].to_dict()


def test_nearest_within_the_radius():
    hsc = hsc_catalog((0, 0), (100, 0), (200, 0))
    desi = desi_catalog((0.5, 0), (101.5, 0), (0.2, 0), (300, 0))
    result = crossmatch(hsc, desi, radius_arcsec=1.0)
    assert result.matches["object_id"].tolist() == [100]
    assert result.matches["targetid"].tolist() == [2]
    assert result.matches["separation_arcsec"].to_numpy() == pytest.approx([0.2], abs=1e-4)
    counts = counts_of(result)
    assert counts["HSC rows with no DESI target within the radius"] == 2
    assert counts["DESI targets with no HSC row"] == 3


def test_one_to_one_the_closer_has_it_and_the_other_is_reported():
    hsc = hsc_catalog((0.6, 0), (-0.3, 0))
    result = crossmatch(hsc, desi_catalog((0, 0)), radius_arcsec=1.0)
    assert result.matches["object_id"].tolist() == [101]
    (loser,) = result.contested.to_dict("records")
    assert (loser["object_id"], loser["targetid"], loser["winner"]) == (100, 0, 101)
    assert loser["separation_arcsec"] == pytest.approx(0.6, abs=1e-4)
    assert loser["winner_separation_arcsec"] == pytest.approx(0.3, abs=1e-4)
    assert counts_of(result)["HSC rows that lost their target to a closer one"] == 1


def test_equal_distances_go_to_the_first_in_the_file():
    hsc = hsc_catalog((0, 0), (0, 0))
    result = crossmatch(hsc, desi_catalog((0.1, 0)), radius_arcsec=1.0)
    assert result.matches["object_id"].tolist() == [100]
    assert len(result.contested) == 1


def test_a_position_observed_twice_is_one_target_and_the_primary_stands_for_it():
    desi = desi_catalog((0, 0), (0, 0), ZCAT_PRIMARY=[False, True], PROGRAM=["bright", "dark"])
    result = crossmatch(hsc_catalog((0, 0)), desi, radius_arcsec=1.0)
    assert result.matches["desi_row"].tolist() == [1]
    assert result.matches["program"].tolist() == ["dark"]
    assert counts_of(result)["DESI rows of a target that another row stands for"] == 1


ENGINES = [
    "astropy",
    pytest.param(
        "lsdb",
        marks=pytest.mark.skipif(
            importlib.util.find_spec("lsdb") is None, reason="LSDB is optional and not installed"
        ),
    ),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_nearer_row_with_a_warning_does_not_displace_the_good_one(engine, reverse):
    """One TARGETID at slightly different positions in two surveys."""
    desi = desi_catalog((0.2, 0), (0.0, 0), TARGETID=7, ZWARN=[0, 4], SURVEY=["main", "special"])
    desi["ZCAT_PRIMARY"] = [True, False]
    desi = desi[::-1].reset_index(drop=True) if reverse else desi
    (match,) = crossmatch(hsc_catalog((0, 0)), desi, 1.0, engine).matches.to_dict("records")
    assert (match["zwarn"], match["survey"]) == (0, "main")
    assert match["separation_arcsec"] == pytest.approx(0.2, abs=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_spectrum_never_gets_the_image_of_a_neighbour_by_its_second_row(engine, reverse):
    """The second row is nearest to the galaxy itself, the primary one to its neighbour."""
    galaxy, neighbour = (0.0, 0.0), (0.7, 0.0)
    desi = desi_catalog((0.3, 0), (-0.1, 0), TARGETID=7, ZWARN=[0, 4])
    desi["ZCAT_PRIMARY"] = [True, False]
    desi = desi[::-1].reset_index(drop=True) if reverse else desi
    result = crossmatch(hsc_catalog(galaxy, neighbour), desi, 1.0, engine)
    assert result.matches[["object_id", "targetid", "zwarn"]].values.tolist() == [[100, 7, 0]]
    assert result.contested["object_id"].tolist() == [101]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_row_beside_a_neighbour_matches_nothing(engine):
    """Of a target whose primary row is far from both."""
    desi = desi_catalog((30, 0), (0.6, 0), (0, 0.1), TARGETID=[7, 7, 8])
    desi["ZCAT_PRIMARY"] = [True, False, True]
    result = crossmatch(hsc_catalog((0, 0), (0.7, 0)), desi, 1.0, engine)
    assert result.matches[["object_id", "targetid"]].values.tolist() == [[100, 8]]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("column", "value"), [("ra", np.nan), ("dec", 91), ("specz_redshift", 99)])
def test_an_impossible_hsc_row_loses_itself_and_no_other_changes_its_number(engine, column, value):
    hsc = hsc_catalog((0, 0), (10, 0), (20, 0))
    hsc.loc[1, column] = value
    result = crossmatch(hsc, desi_catalog((0, 0), (10, 0), (20, 0)), 1.0, engine)
    assert result.matches["hsc_row"].tolist() == [0, 2]
    assert result.matches["object_id"].tolist() == [100, 102]
    assert counts_of(result)["HSC rows without a possible position or redshift"] == 1


def test_sky_fibres_are_no_targets():
    desi = desi_catalog((0, 0), (0.5, 0), OBJTYPE=["SKY", "TGT"])
    result = crossmatch(hsc_catalog((0, 0)), desi, radius_arcsec=1.0)
    assert result.matches["targetid"].tolist() == [1]
    assert counts_of(result)["DESI fibres on blank sky"] == 1


def test_right_ascension_wraps_and_shrinks_towards_the_pole():
    _, separation = nearest_neighbour(
        np.array([359.9999, 10.0]),
        np.array([0.0, 60.0]),
        np.array([0.0001, 10.001]),
        np.array([0.0, 60.0]),
    )
    assert separation == pytest.approx([0.72, 1.8], rel=1e-3)


def test_agrees_with_a_search_through_all_pairs():
    rng = np.random.default_rng(0)
    hsc = hsc_catalog(*rng.uniform(0, 20, (60, 2)))
    desi = desi_catalog(*rng.uniform(0, 20, (60, 2)))
    matches = crossmatch(hsc, desi, radius_arcsec=1.5).matches
    east = (hsc["ra"].to_numpy()[:, None] - desi["TARGET_RA"].to_numpy()) / ARCSEC
    north = (hsc["dec"].to_numpy()[:, None] - desi["TARGET_DEC"].to_numpy()) / ARCSEC
    distance = np.hypot(east, north)
    expected = {}
    for row in np.argsort(distance.min(axis=1)):
        target = int(distance[row].argmin())
        if distance[row, target] <= 1.5 and target not in expected.values():
            expected[int(row)] = target
    assert dict(zip(matches["hsc_row"], matches["desi_row"], strict=True)) == expected
    assert 5 < len(expected) < 60


def test_nothing_to_match_is_an_error():
    with pytest.raises(InputError, match=r"no pair within 1\.0 arcsec .* nearest is at 50\.0"):
        crossmatch(hsc_catalog((0, 0)), desi_catalog((50, 0)), radius_arcsec=1.0)
    with pytest.raises(InputError, match="no rows"):
        crossmatch(hsc_catalog((0, 0))[:0], desi_catalog((50, 0)), radius_arcsec=1.0)
    with pytest.raises(InputError, match="no rows"):
        crossmatch(hsc_catalog((0, 0)), desi_catalog((0, 0), OBJTYPE="SKY"), radius_arcsec=1.0)
