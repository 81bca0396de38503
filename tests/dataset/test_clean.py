"""Each cut by eye, and all of them against the truth of the simulation."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from mmae.config import read_section
from mmae.dataset.clean import (
    CUTS,
    apply_cuts,
    duplicate,
    inconsistent_redshift,
    mostly_missing,
    no_spectrum,
    not_galaxy_or_quasar,
    redshift_warning,
    with_replaced,
)
from mmae.errors import InputError
from mmae.settings import Cleaning


@pytest.fixture
def settings(config) -> Cleaning:
    return read_section(Cleaning, config["clean"], "clean")


def pairs_of(n: int = 4, **columns) -> pd.DataFrame:
    """Pairs that pass all cuts, but for what is given."""
    good = {
        **{"targetid": np.arange(n), "object_id": np.arange(n), "spectype": "GALAXY", "zwarn": 0},
        **{"zcat_primary": True, "separation_arcsec": 0.1, "missing_fraction": 0.0},
        **{"available": True},
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
    assert cleaned.report["removed"].tolist() == [0, 0, 2, 1, 0, 0, 0]
    assert cleaned.report["remaining"].tolist() == [5, 5, 3, 2, 2, 2, 2]
    assert cleaned.removed["cut"].tolist() == ["not a galaxy or quasar"] * 2 + ["redshift warning"]


def test_replaced_pixels_stand_below_the_cuts(settings):
    report = with_replaced(apply_cuts(pairs_of(), settings).report, 17)
    assert report.iloc[-1].tolist() == ["17 artefact pixels replaced", 0, 4]


def test_nothing_left_is_an_error(settings):
    with pytest.raises(InputError, match="no pair left of 4"):
        apply_cuts(pairs_of(zwarn=4), settings)


PLANTED = {
    "not a galaxy or quasar": "star",
    "redshift warning": "zwarn",
    "duplicate": "duplicate",
    "inconsistent redshift": "inconsistent",
    "mostly missing spectrum": "missing",
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
    assert len(planted) >= 4
    assert sorted(removed["object_id"]) == sorted(planted)
    counts = pd.read_csv(small_survey.report).set_index("cut")["removed"]
    assert counts[cut] == len(planted)


def test_what_stays_is_what_was_good(small_survey):
    import h5py

    truth = small_survey.truth_table("HSC")
    with h5py.File(small_survey.dataset) as file:
        kept = file["hsc/object_id"][:]
    assert sorted(kept) == sorted(truth.loc[truth["role"] == "good", "object_id"])


def test_the_crossmatch_leaves_out_what_was_planted_as_unmatched(small_survey):
    truth = small_survey.truth_table("HSC")
    matched = pd.read_csv(small_survey.matches)["object_id"]
    unmatched = truth.loc[~truth["object_id"].isin(matched), "role"]
    assert set(unmatched) == {"hsc_only", "neighbour"}
    assert (truth["role"].isin(["hsc_only", "neighbour"])).sum() == len(unmatched)
    contested = pd.read_csv(small_survey.contested)["object_id"]
    neighbours = truth.loc[truth["role"] == "neighbour", "object_id"]
    assert sorted(contested) == sorted(neighbours)
    assert (pd.read_csv(small_survey.matches)["separation_arcsec"] <= 1.0).all()
