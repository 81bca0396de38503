"""Targets kept while the catalogue goes by: none too few, and the result as from the whole."""

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.survey import nearby
from mmae.survey.crossmatch import crossmatch
from mmae.survey.nearby import KINDS, SkyGrid, nearby_targets, standing
from skies import clustered_catalogues


def unit_vectors(ra, dec) -> np.ndarray:
    """(N, 3) of positions in degrees."""
    lon, lat = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def separations(hsc: pd.DataFrame, desi: pd.DataFrame) -> np.ndarray:
    """(HSC rows, DESI rows) arcsec, of all pairs."""
    a = unit_vectors(hsc["ra"], hsc["dec"])
    b = unit_vectors(desi["TARGET_RA"], desi["TARGET_DEC"])
    chord = np.linalg.norm(a[:, None] - b[None], axis=2)
    return np.degrees(2 * np.arcsin(chord / 2)) * 3600


def standing_rows(targets: pd.DataFrame) -> list[int]:
    """The row that stands for each target, by the words alone."""

    def rank(row: int) -> tuple:
        of = targets.loc[row]
        chi2 = of["DELTACHI2"]
        return (not of["ZCAT_PRIMARY"], of["ZWARN"] != 0, np.isnan(chi2), -chi2, row)

    for key in ("TARGETID", ["TARGET_RA", "TARGET_DEC"]):
        groups = targets.groupby(key, sort=False).groups.values()
        targets = targets.loc[sorted(min(group, key=rank) for group in groups)]
    return targets.index.tolist()


def by_all_pairs(hsc: pd.DataFrame, desi: pd.DataFrame, radius: float) -> dict[str, object]:
    """The cross-match by its words alone: pairs {hsc row: desi row}, losers, counts."""
    targets = desi[desi["OBJTYPE"] == "TGT"]
    standing = standing_rows(targets)
    distance = separations(hsc, desi.loc[standing])
    # the first of those that are equally near; 2e-9 arcsec is rounding
    nearest = (distance <= distance.min(axis=1)[:, None] + 2e-9).argmax(axis=1)
    wants = {row: standing[k] for row, k in enumerate(nearest) if distance[row, k] <= radius}
    best: dict[int, int] = {}
    for row in sorted(wants, key=lambda row: (round(distance[row].min(), 6), row)):
        best.setdefault(wants[row], row)
    pairs = {row: target for target, row in best.items()}
    return {
        "pairs": pairs,
        "losers": sorted(set(wants) - set(pairs)),
        "distinct": len(standing),
        "repeats": len(targets) - len(standing),
    }


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius", [1.0, 60.0, 3000.0])
def test_blocks_give_what_all_pairs_give(seed, radius):
    hsc, desi = clustered_catalogues(seed, radius, n=30)
    blocks = [desi[start : start + 123] for start in range(0, len(desi), 123)]
    result, expected = crossmatch(hsc, blocks, radius), by_all_pairs(hsc, desi, radius)
    pairs = dict(zip(result.matches["hsc_row"], result.matches["desi_row"], strict=True))
    assert pairs == expected["pairs"]
    assert sorted(result.contested["object_id"] - 1000) == expected["losers"]
    counts = result.counts.set_index("quantity")["count"]
    assert counts["DESI rows"] == len(desi)
    assert counts["DESI fibres on blank sky"] == (desi["OBJTYPE"] != "TGT").sum()
    assert counts["DESI rows of a target that another row stands for"] == expected["repeats"]
    assert expected["repeats"] > len(desi) / 10
    assert counts["DESI targets with no HSC row"] == expected["distinct"] - len(pairs)
    assert counts.loc["HSC rows matched"] == len(pairs) > 50


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", [1.0, 60.0, 3000.0, 4e5])
def test_the_tables_are_the_same_with_and_without_the_filter(monkeypatch, seed, radius):
    hsc, desi = clustered_catalogues(seed, radius)
    filtered = crossmatch(hsc, desi, radius)
    monkeypatch.setattr(nearby, "MAX_CELLS", 1)  # one cell: everything is near
    everything = nearby_targets(hsc, [desi], radius)
    assert len(everything.targets) == everything.counts["DESI targets"] > 700
    for ours, theirs in zip(filtered, crossmatch(hsc, desi, radius), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    in_parts = crossmatch(hsc, [desi[:77], desi[77:77], desi[77:]], radius)
    for ours, theirs in zip(filtered, in_parts, strict=True):
        pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize("radius", [0.1, 1.0, 60.0, 1600.0, 1700.0, 50_000.0, 300_000.0])
def test_nothing_within_the_radius_is_left_out(radius):
    rng = np.random.default_rng(0)
    here = rng.normal(size=(2000, 3))
    here[:50] = [1, 0, 0]
    here[50:100] = [0, 0, 1]
    here[100:150] = [0, -1, 0]
    here /= np.linalg.norm(here, axis=1)[:, None]
    # exactly one radius away, in random directions: what is nearest to being left out
    side = np.cross(here, rng.normal(size=here.shape))
    side /= np.linalg.norm(side, axis=1)[:, None]
    angle = np.radians(radius / 3600)
    there = np.cos(angle) * here + np.sin(angle) * side
    for one, other in zip(here, there, strict=True):
        (ra, dec), (ra2, dec2) = (
            (np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y))))
            for x, y, z in (one, other)
        )
        grid = _grid_of_one(ra, dec, radius)
        assert grid.has(np.array([ra2, ra2 % 360]), np.array([dec2, dec2])).all(), (one, other)


def _grid_of_one(ra: float, dec: float, radius: float) -> SkyGrid:
    return SkyGrid(np.array([ra]), np.array([dec]), radius)


def test_the_far_sky_is_left_out():
    hsc, desi = clustered_catalogues(0, 1.0)
    kept = nearby_targets(hsc, [desi], 1.0)
    assert len(kept.targets) < kept.counts["DESI targets"] - 350
    assert len(kept.positions) == kept.counts["DESI targets"]


def test_right_ascension_may_be_written_either_way():
    hsc, desi = clustered_catalogues(1, 1.0)
    turned = desi.assign(TARGET_RA=desi["TARGET_RA"] % 360)
    first, second = crossmatch(hsc, desi, 1.0), crossmatch(hsc, turned, 1.0)
    assert first.matches["desi_row"].tolist() == second.matches["desi_row"].tolist()
    for ra in (0.0, 360.0, -360.0, -0.0001, 359.9999):
        one = hsc[:1].assign(ra=ra, dec=0.0)
        target = desi[:1].assign(OBJTYPE="TGT", TARGET_RA=0.0, TARGET_DEC=0.0)
        (pair,) = crossmatch(one, target, 1.0).matches["separation_arcsec"]
        assert pair == pytest.approx(0.36 if ra % 360 else 0.0, abs=1e-6)


def test_one_pole_is_one_point_whatever_the_right_ascension():
    hsc, desi = clustered_catalogues(1, 1.0)
    one = hsc[:1].assign(ra=10.0, dec=90.0)
    target = desi[:1].assign(OBJTYPE="TGT", TARGET_RA=250.0, TARGET_DEC=90.0)
    assert crossmatch(one, target, 1.0).matches["separation_arcsec"].tolist() == [
        pytest.approx(0, abs=1e-6)
    ]


def test_of_equally_near_targets_the_first_in_the_file_wins_whatever_else_is_there():
    hsc, desi = clustered_catalogues(2, 1.0)
    one = hsc[:1].assign(ra=150.0, dec=0.0)
    offsets = np.array([0.25, -0.25]) / 3600
    for order in (offsets, -offsets):
        tied = desi[:2].assign(OBJTYPE="TGT", TARGET_RA=150.0, TARGET_DEC=order)
        tied["TARGETID"] = [-1 + len(desi) * 2, len(desi) * 2]
        for others in range(0, len(desi), 97):
            rows = pd.concat([desi[:others], tied, desi[others:]], ignore_index=True)
            assert crossmatch(one, rows, 1.0).matches["desi_row"].tolist() == [others]


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ({"ZCAT_PRIMARY": [False, False, True]}, 2),
        ({"ZCAT_PRIMARY": [False, True, False], "ZWARN": [0, 4, 0]}, 1),
        ({"ZWARN": [4, 0, 0]}, 1),
        ({"ZWARN": [4, 0, 0], "ZCAT_PRIMARY": True}, 1),
        ({"DELTACHI2": [9.0, np.nan, 25.0]}, 2),
        ({"DELTACHI2": np.nan}, 0),
        ({"ZWARN": [4, 4, 1024], "DELTACHI2": [9.0, 9.1, 8.0]}, 1),
        ({}, 0),
    ],
)
def test_which_row_stands_for_a_target(columns, row):
    """The primary, else one without a warning, else the largest DELTACHI2, else the first."""
    plain = {"ZCAT_PRIMARY": False, "ZWARN": 0, "DELTACHI2": 9.0, "TARGETID": 7}
    places = {"TARGET_RA": [10.0, 10.1, 200.0], "TARGET_DEC": [0.0, 0.0, 50.0]}
    rows = pd.DataFrame(places | plain | columns)
    assert np.flatnonzero(standing(rows.assign(ZWARN=rows["ZWARN"] != 0))).tolist() == [row]


@pytest.mark.parametrize("choices", [2, 5, 1000, 10**9])
def test_each_target_has_one_row_that_stands_for_it(choices):
    rng = np.random.default_rng(0)
    position = rng.integers(0, choices, (500, 2)) / 7
    rows = pd.DataFrame({"TARGETID": np.arange(500), "ZCAT_PRIMARY": False, "ZWARN": False})
    rows = rows.assign(DELTACHI2=1.0, TARGET_RA=position[:, 0], TARGET_DEC=position[:, 1])
    assert standing(rows).sum() == len({tuple(row) for row in position})
    rows["TARGETID"] = rng.integers(0, choices, 500)
    rows["TARGET_DEC"] = np.arange(500.0)
    assert standing(rows).sum() == rows["TARGETID"].nunique()


def test_a_primary_row_far_away_stands_for_those_that_are_near():
    """Also where it is in another block, and in cells that nobody looks into."""
    hsc, desi = clustered_catalogues(0, 1.0)
    one = hsc[:1].assign(ra=150.0, dec=0.0)
    rows = desi[:2].assign(OBJTYPE="TGT", TARGETID=7, TARGET_RA=[150.0, 20.0], TARGET_DEC=0.0)
    rows = rows.assign(ZCAT_PRIMARY=[False, True], ZWARN=0)
    for blocks in ([rows], [rows[:1], rows[1:]], [rows[1:], rows[:1]]):
        found = nearby_targets(one, blocks, 1.0)
        assert found.targets.empty
        assert found.positions["TARGET_RA"].tolist() == [20.0]


def test_all_rows_are_counted_as_one_thing(small_survey):
    counts = pd.read_csv(small_survey.counts).set_index("quantity")["count"]
    parts = [*KINDS, "DESI rows of a target that another row stands for", "DESI targets"]
    assert counts["DESI rows"] == counts[parts].sum()
    assert (
        counts["DESI targets"]
        == counts["DESI targets matched"] + counts["DESI targets with no HSC row"]
    )
    assert counts["HSC rows"] == counts[counts.index.str.match("HSC rows .")].sum()


def test_rows_that_are_no_targets_are_counted():
    hsc, desi = clustered_catalogues(0, 1.0)
    rows = desi[:6].assign(OBJTYPE="TGT", TARGETID=np.arange(6), TARGET_RA=150.0, TARGET_DEC=0.0)
    rows["OBJTYPE"] = ["SKY", "", "BAD", "TGT", "TGT", "TGT"]
    rows.loc[3, "TARGETID"] = -2713437
    rows.loc[4, "TARGET_RA"] = np.nan
    result = crossmatch(hsc[:1].assign(ra=150.0, dec=0.0), rows, 1.0)
    assert result.matches["targetid"].tolist() == [5]
    counts = result.counts.set_index("quantity")["count"]
    assert counts[list(KINDS)].tolist() == [1, 2, 1, 1]


def test_an_empty_side_is_one_sentence():
    hsc, desi = clustered_catalogues(0, 1.0)
    with pytest.raises(InputError, match=r"no rows, found 0 HSC rows and .* expected galaxies"):
        crossmatch(hsc[:0], [desi], 1.0)
    with pytest.raises(InputError, match="no rows, found 360 HSC rows and 0 DESI rows on targets"):
        crossmatch(hsc, [desi[:0]], 1.0)


def test_how_far_the_nearest_pair_is_when_there_is_none():
    hsc, desi = clustered_catalogues(0, 1.0)
    far = (
        desi[desi["OBJTYPE"] == "TGT"]
        .drop_duplicates("TARGETID")
        .assign(TARGET_RA=200.0, TARGET_DEC=30.0)
    )
    far.iloc[-1, far.columns.get_loc("TARGET_DEC")] = 29.0
    one = hsc[:1].assign(ra=200.0, dec=28.0)
    with pytest.raises(InputError, match=r"1 HSC and 2 DESI .*the nearest is at 3600\.0 arcsec"):
        crossmatch(one, [far[:100], far[100:]], 1.0)
