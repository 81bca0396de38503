"""Each cut by eye, and all of them against the truth of the simulation."""

import dataclasses

import h5py
import numpy as np
import pandas as pd
import pytest

from helpers import read_zcatalog
from mmae.config import read_section
from mmae.dataset.arrays import open_arrays
from mmae.dataset.clean import (
    CUTS,
    apply_cuts,
    bad_fibre,
    damaged_image,
    duplicate,
    inconsistent_redshift,
    mostly_missing,
    no_data,
    no_spectrum,
    not_galaxy_or_quasar,
    redshift_warning,
    with_notes,
)
from mmae.dataset.spectra import lost_arm
from mmae.errors import InputError
from mmae.instruments import N_WAVE
from mmae.settings import Cleaning
from mmae.survey.galaxiesml import read_catalog


@pytest.fixture
def settings(config) -> Cleaning:
    return read_section(Cleaning, config["clean"], "clean")


def pairs_of(n: int = 4, **columns) -> pd.DataFrame:
    """Pairs that pass all cuts, but for what is given."""
    good = {
        **{"targetid": np.arange(n), "object_id": np.arange(n), "spectype": "GALAXY", "zwarn": 0},
        **{"zcat_primary": True, "separation_arcsec": 0.1, "missing_fraction": 0.0},
        **{"available": True, "coadd_fiberstatus": 0, "damaged_pixels": 0, "damaged_image": False},
        **{"hsc_redshift": 0.5, "desi_redshift": 0.5},
    }
    return pd.DataFrame(good | columns)


def test_spectra_that_could_not_be_had(settings):
    assert no_spectrum(pairs_of(2, available=[True, False]), settings).tolist() == [False, True]


def test_some_may_have_no_spectrum_if_the_config_says_so(settings):
    pairs = pairs_of(4, available=[True, True, False, True])
    with pytest.raises(InputError, match="target 2: found 1 of 4 pairs without a spectrum"):
        apply_cuts(pairs, settings)
    cleaned = apply_cuts(pairs, dataclasses.replace(settings, max_unavailable=0.25))
    assert cleaned.kept.index.tolist() == [0, 1, 3]
    assert cleaned.removed["cut"].tolist() == ["no spectrum to be had"]


BITS = {
    **{"UNASSIGNED": 0, "STUCKPOSITIONER": 1, "BROKENFIBER": 2, "RESTRICTED": 3},
    **{"MISSINGPOSITION": 8, "BADPOSITION": 9, "POORPOSITION": 10, "LOWEFFTIME": 15},
    **{"BADFIBER": 16, "BADTRACE": 17, "BADFLAT": 18, "BADARC": 19, "MANYBADCOL": 20},
    **{"MANYREJECTED": 21, "BADAMPB": 22, "BADAMPR": 23, "BADAMPZ": 24, "BADREADNOISE": 30},
}
"""DESI's fibermask (desispec.maskbits)."""
HARMLESS = {
    *("STUCKPOSITIONER", "RESTRICTED", "POORPOSITION", "LOWEFFTIME", "BADREADNOISE"),
    *("BADAMPB", "BADAMPR", "BADAMPZ"),
}


@pytest.mark.parametrize("name", BITS)
def test_fibres_are_judged_by_the_bits_of_their_status(settings, name):
    status = [0, 1 << BITS[name], (1 << BITS[name]) | 8, 8]
    expected = [False, name not in HARMLESS, name not in HARMLESS, False]
    assert bad_fibre(pairs_of(coadd_fiberstatus=status), settings).tolist() == expected


def test_the_values_of_the_release_are_bad_and_the_config_may_say_otherwise(settings):
    pairs = pairs_of(6, coadd_fiberstatus=[1, 512, 513, 515, 520, 1033])
    assert bad_fibre(pairs, settings).all()
    less = dataclasses.replace(settings, bad_fiberstatus_bits=(9, 9))
    assert bad_fibre(pairs, less).tolist() == [False, True, True, True, True, False]
    assert not bad_fibre(pairs, dataclasses.replace(settings, bad_fiberstatus_bits=())).any()


def test_spectra_without_data_and_images_without_numbers(settings):
    pairs = pairs_of(missing_fraction=[0.0, 1.0, 0.999, 1.0], damaged_image=[True, False] * 2)
    assert no_data(pairs, settings).tolist() == [False, True, False, True]
    assert damaged_image(pairs, settings).tolist() == [True, False] * 2


@pytest.mark.parametrize("column", ["damaged_image", "damaged_pixels"])
def test_many_damaged_pairs_are_an_error(settings, column):
    pairs = pairs_of(20, **{column: [False] * 18 + [True, False]})
    removed = int(column == "damaged_image")
    assert len(apply_cuts(pairs, settings).kept) == 20 - removed
    pairs.loc[3, column] = True
    words = r"target 3: found 2 of 20 pairs with pixels that are no .* 0\.05 .*clean\.max_damaged"
    with pytest.raises(InputError, match=words):
        apply_cuts(pairs, settings)


def test_an_arm_is_lost_where_it_alone_sees_nothing():
    ivar = np.ones((5, N_WAVE))
    ivar[1, :2701] = 0  # B sees alone to 5760 Å
    ivar[2, :2700] = 0
    ivar[2, 2699] = 1
    ivar[3, 2751:4900] = 0  # R from 5800 to 7520 Å
    ivar[4, 5026:] = 0  # Z from 7620 Å
    assert lost_arm(ivar).tolist() == [False, True, False, True, True]


def test_spectypes(settings):
    pairs = pairs_of(spectype=["GALAXY", "QSO", "STAR", ""])
    assert not_galaxy_or_quasar(pairs, settings).tolist() == [False, False, True, True]


def test_warnings(settings):
    pairs = pairs_of(zwarn=[0, 4, 1024, 0])
    assert redshift_warning(pairs, settings).tolist() == [False, True, True, False]


def test_of_duplicates_the_primary_then_the_closest_stays(settings):
    pairs = pairs_of(targetid=[7, 7, 7, 8], separation_arcsec=[0.3, 0.2, 0.1, 0.5])
    pairs["zcat_primary"] = [True, True, False, False]
    assert duplicate(pairs, settings).tolist() == [True, False, True, False]
    # the same HSC object twice is a duplicate, too
    assert duplicate(pairs_of(object_id=[1, 1, 2, 3]), settings).sum() == 1


def test_redshifts_may_differ_by_a_limit_that_grows_with_redshift(settings):
    limit = settings.max_redshift_difference
    pairs = pairs_of(desi_redshift=[0.0, 0.0, 2.0, 2.0])
    pairs["hsc_redshift"] = pairs["desi_redshift"] + limit * np.array([0.99, -1.01, 2.97, 3.03])
    assert inconsistent_redshift(pairs, settings).tolist() == [False, True, False, True]


def test_redshifts_that_are_no_numbers_do_not_stay(settings):
    pairs = pairs_of(desi_redshift=[np.nan, 0.5, 0.5, 0.5], hsc_redshift=[0.5, np.nan, 0.5, 0.5])
    assert inconsistent_redshift(pairs, settings).tolist() == [True, True, False, False]


def test_the_limit_keeps_the_pair_of_table_1(settings):
    """The paper's highest redshift is 4.000 in HSC and 4.119 in DESI."""
    pairs = pairs_of(1, hsc_redshift=4.000, desi_redshift=4.119)
    assert not inconsistent_redshift(pairs, settings).any()


def test_more_than_eighty_per_cent_missing(settings):
    pairs = pairs_of(missing_fraction=[0.0, 0.79, 0.80, 0.81])
    assert mostly_missing(pairs, settings).tolist() == [False, False, False, True]


def test_the_report_counts_each_cut_once(settings):
    pairs = pairs_of(5, spectype=["STAR", "STAR", "QSO", "GALAXY", "GALAXY"], zwarn=[4, 0, 0, 4, 0])
    cleaned = apply_cuts(pairs, settings)
    assert cleaned.kept.index.tolist() == [2, 4]
    counts = cleaned.report.set_index("cut")
    assert counts["removed"].sum() == 3
    assert counts.loc["not a galaxy or quasar"].tolist() == [2, 3]
    assert counts.loc["redshift warning"].tolist() == [1, 2]
    assert counts["remaining"].iloc[[0, -1]].tolist() == [5, 2]
    assert cleaned.removed["cut"].tolist() == ["not a galaxy or quasar"] * 2 + ["redshift warning"]


def test_what_is_counted_stands_below_the_cuts(settings):
    report = with_notes(apply_cuts(pairs_of(), settings).report, "3 arms", "17 artefact pixels")
    assert report.iloc[-2:].values.tolist() == [["3 arms", 0, 4], ["17 artefact pixels", 0, 4]]


def test_nothing_left_is_an_error(settings):
    with pytest.raises(InputError, match="no pair left of 4"):
        apply_cuts(pairs_of(zwarn=4), settings)


PLANTED = {
    "bad fibre": "bad_fiber",
    "spectrum without data": "empty",
    "not a galaxy or quasar": "star",
    "redshift warning": "zwarn",
    "duplicate": "duplicate",
    "inconsistent redshift": "inconsistent",
    "mostly missing spectrum": "missing",
    "damaged image": "bad_image",
}
"""Role in the simulation of what each cut must remove."""


def test_the_simulation_has_all_spectra(small_survey):
    assert set(CUTS) == {*PLANTED, "no spectrum to be had"}
    counts = pd.read_csv(small_survey.report).set_index("cut")["removed"]
    assert counts["no spectrum to be had"] == 0


@pytest.mark.parametrize("cut", PLANTED)
def test_each_cut_removes_exactly_what_was_planted(small_survey, cut):
    removed = pd.read_csv(small_survey.removed)
    removed = removed[removed["cut"] == cut]
    truth = small_survey.truth_table("HSC")
    planted = truth.loc[truth["role"] == PLANTED[cut], "object_id"]
    assert len(planted) >= {"empty": 2, "bad_image": 1}.get(PLANTED[cut], 4)
    assert sorted(removed["object_id"]) == sorted(planted)
    counts = pd.read_csv(small_survey.report).set_index("cut")["removed"]
    assert counts[cut] == len(planted)


def test_what_stays_is_what_was_good(small_survey):
    truth = small_survey.truth_table("HSC")
    with h5py.File(small_survey.dataset) as file:
        kept = file["hsc/object_id"][:]
    assert sorted(kept) == sorted(truth.loc[truth["role"] == "good", "object_id"])


def test_the_crossmatch_leaves_out_what_was_planted_as_unmatched(small_survey):
    truth = small_survey.truth_table("HSC")
    matched = pd.read_csv(small_survey.matches)
    unmatched = truth["role"].drop(matched["hsc_row"])
    assert set(unmatched) == {"hsc_only", "neighbour"}
    assert (truth["role"].isin(["hsc_only", "neighbour"])).sum() == len(unmatched)
    contested = pd.read_csv(small_survey.contested)["object_id"]
    neighbours = truth.loc[truth["role"] == "neighbour", "object_id"]
    assert sorted(contested) == sorted(neighbours)
    assert (pd.read_csv(small_survey.matches)["separation_arcsec"] <= 1.0).all()


def test_no_second_row_takes_the_place_of_a_good_one(small_survey):
    """Displaced ones are nearer to HSC's galaxy and have a warning."""
    truth, matches = small_survey.truth_table("DESI"), pd.read_csv(small_survey.matches)
    displaced = truth.loc[truth["role"] == "displaced", "TARGETID"]
    ours = matches[matches["targetid"].isin(displaced)]
    assert len(ours) == len(displaced) == 6
    assert (truth.loc[ours["desi_row"], "role"] == "good").all()
    assert (ours["zwarn"] == 0).all()
    catalog = read_zcatalog(small_survey.desi)
    nearer = catalog[truth["role"] == "displaced"].set_index("TARGETID").loc[ours["targetid"]]
    hsc = read_catalog(small_survey.galaxiesml).iloc[ours["hsc_row"]]
    east = (nearer["TARGET_RA"].to_numpy() - hsc["ra"]) * np.cos(np.radians(hsc["dec"]))
    north = nearer["TARGET_DEC"].to_numpy() - hsc["dec"]
    assert (3600 * np.hypot(east, north) < ours["separation_arcsec"].to_numpy()).all()


def test_image_and_spectrum_are_always_of_one_source(small_survey):
    hsc, desi = small_survey.truth_table("HSC"), small_survey.truth_table("DESI")
    matches = pd.read_csv(small_survey.matches)
    ours, theirs = hsc.loc[matches["hsc_row"]], desi.loc[matches["desi_row"]]
    assert ours["source"].tolist() == theirs["source"].tolist()


def test_what_is_kept_in_spite_of_a_fault_is_counted(small_survey):
    report, truth = pd.read_csv(small_survey.report), small_survey.truth_table("DESI")
    good = truth[truth["role"] == "good"]
    arms, pixels, _, _ = report["cut"].iloc[-4:]
    n_arms, n_pixels = (good["lost_arm"] != "").sum(), (good["bad_pixel"] >= 0).sum()
    assert (n_arms, n_pixels) == (3, 1)
    with h5py.File(small_survey.dataset) as file:
        flux, ivar = file["spectrum/flux"][:], file["spectrum/ivar"][:]
        targetid = file["targetid"][:].astype(np.int64)
    assert arms == f"{lost_arm(ivar).sum()} kept spectra lack one of the three arms"
    lost = good.loc[good["lost_arm"] != "", "TARGETID"]
    assert lost_arm(ivar)[np.isin(targetid, lost)].all()
    assert pixels == "1 damaged spectrum pixels without weight"
    (odd,) = good[good["bad_pixel"] >= 0].itertuples()
    row = np.flatnonzero(targetid == odd.TARGETID)[0]
    assert ivar[row, odd.bad_pixel] == 0
    assert np.isfinite(flux).all()
    assert np.isfinite(open_arrays(small_survey.arrays).values["image"]).all()
