"""Targets kept while the catalogue goes by: none too few, and the result as from the whole."""

import numpy as np
import pandas as pd
import pytest

from mmae.errors import InputError
from mmae.survey import nearby
from mmae.survey.crossmatch import crossmatch
from mmae.survey.nearby import SkyGrid, count_distinct, nearby_targets
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


def by_all_pairs(hsc: pd.DataFrame, desi: pd.DataFrame, radius: float) -> dict[str, object]:
    """The cross-match by its words alone: pairs {hsc row: desi row}, losers, counts."""
    targets = desi[desi["OBJTYPE"] == "TGT"]
    groups = targets.groupby(["TARGET_RA", "TARGET_DEC"])["ZCAT_PRIMARY"]
    standing = sorted(g.index[g].min() if g.any() else g.index.min() for _, g in groups)
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
    assert counts["DESI rows of a target at the same position"] == expected["repeats"]
    assert counts["DESI targets with no HSC row"] == expected["distinct"] - len(pairs)
    assert counts.loc["HSC rows matched"] == len(pairs) > 50


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("radius", [1.0, 60.0, 3000.0, 4e5])
def test_the_tables_are_the_same_with_and_without_the_filter(monkeypatch, seed, radius):
    hsc, desi = clustered_catalogues(seed, radius)
    filtered = crossmatch(hsc, desi, radius)
    monkeypatch.setattr(nearby, "MAX_CELLS", 1)  # one cell: everything is near
    assert len(nearby_targets(hsc, [desi], radius).targets) == (desi["OBJTYPE"] == "TGT").sum()
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
    assert len(kept.targets) < (desi["OBJTYPE"] == "TGT").sum() - 400
    assert len(kept.positions) == (desi["OBJTYPE"] == "TGT").sum()


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
        for others in range(0, len(desi), 97):
            rows = pd.concat([desi[:others], tied, desi[others:]], ignore_index=True)
            assert crossmatch(one, rows, 1.0).matches["desi_row"].tolist() == [others]


def test_a_duplicated_targetid_changes_nothing():
    hsc, desi = clustered_catalogues(3, 1.0)
    result = crossmatch(hsc, desi.assign(TARGETID=7), 1.0)
    assert result.matches["targetid"].eq(7).all()
    assert result.counts.equals(crossmatch(hsc, desi, 1.0).counts)


def test_distinct_positions_are_counted_whole():
    rng = np.random.default_rng(0)
    for choices in (2, 5, 1000, 10**9):
        positions = rng.integers(0, choices, (500, 2)) / 7
        assert count_distinct(positions) == len({tuple(row) for row in positions})


def test_an_empty_side_is_one_sentence():
    hsc, desi = clustered_catalogues(0, 1.0)
    with pytest.raises(InputError, match=r"no rows, found 0 HSC rows and .* expected galaxies"):
        crossmatch(hsc[:0], [desi], 1.0)
    with pytest.raises(InputError, match="no rows, found 360 HSC rows and 0 DESI rows on targets"):
        crossmatch(hsc, [desi[:0]], 1.0)


def test_how_far_the_nearest_pair_is_when_there_is_none():
    hsc, desi = clustered_catalogues(0, 1.0)
    far = desi[desi["OBJTYPE"] == "TGT"].assign(TARGET_RA=200.0, TARGET_DEC=30.0)
    far.iloc[-1, far.columns.get_loc("TARGET_DEC")] = 29.0
    one = hsc[:1].assign(ra=200.0, dec=28.0)
    with pytest.raises(InputError, match=r"1 HSC and 2 DESI .*the nearest is at 3600\.0 arcsec"):
        crossmatch(one, [far[:100], far[100:]], 1.0)
