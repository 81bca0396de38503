"""What redshifts, magnitudes and fluxes can be; the rest is unknown, counted and told."""

import logging

import numpy as np
import pytest

from mmae import limits
from mmae.limits import Known, Limits
from mmae.survey import desi, galaxiesml


@pytest.mark.parametrize(
    ("limit", "possible", "sentinels"),
    [
        (limits.REDSHIFT, [-0.001, 0.0, 0.5, 6.9, 14.4], [-1, -9, -99, 99, 999]),
        (limits.Z_PRED, [-0.3, 0.0, 6.0], [-1, -9, -99, 99, 1e308]),
        (limits.Z_STD, [1e-6, 0.1, 3.0], [0, -1, -99, 99, 1e-300]),
        (limits.MAGNITUDE, [12.0, 22.5, 28.0, 32.0], [99, -99, -999, 0, 999]),
        (limits.SIZE, [0.12, 5.0], [0, -1, -99, 999]),
        (limits.FLUX, [-1e6, 0.0, 1e30], []),
        (limits.IVAR, [0.0, 1e12], [-1]),
    ],
)
def test_what_can_be_is_told_from_what_stands_for_nothing(limit, possible, sentinels):
    values = np.array([*possible, *sentinels, np.nan, np.inf, -np.inf])
    assert limit.contain(values).tolist() == [k < len(possible) for k in range(len(values))]


def test_surveys_take_their_limits_from_the_one_place():
    assert desi.LIMITS["Z"] is galaxiesml.LIMITS[galaxiesml.REDSHIFT] is limits.REDSHIFT


def test_what_cannot_be_is_counted_over_blocks_and_told_once(caplog):
    blocks = ([22.0, 99.0, np.nan], [-999.0, 21.0, 20.0], [np.inf])
    with Known("file") as known:
        found = [known("magnitude", np.array(b, np.float32), limits.MAGNITUDE) for b in blocks]
        assert known("z", np.array([0.1, 0.2]), limits.REDSHIFT).tolist() == [0.1, 0.2]
        assert not caplog.records
    values = np.concatenate(found)
    np.testing.assert_array_equal(values, np.array([22, *3 * [np.nan], 21, 20, np.nan], "f4"))
    assert values.dtype == np.float32
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "file: magnitude: 3 of 7 values are not from 5 to 35 and taken as unknown, such as 99"
    )


def test_something_else_may_stand_in_for_it(caplog):
    with Known("file") as known:
        found = known("flux", np.array([1.0, np.nan, np.inf]), limits.FLUX, instead=0)
    assert found.tolist() == [1.0, 0.0, 0.0]
    assert "2 of 3 values" in caplog.text
    assert "taken as 0, such as nan" in caplog.text


def test_rows_that_nobody_wants_are_not_counted(caplog):
    with Known("survey.hdf5") as known:
        known.wanted = np.array([0, 2])
        values = known("flux", np.array([1.0, np.nan, 2.0]), Limits(-3, 3), damage=True)
    assert np.isnan(values[1])
    assert known.damaged == 0
    assert not caplog.text
    known.wanted = np.array([1, 2])
    known("flux", np.array([1.0, np.nan, 2.0]), Limits(-3, 3), damage=True)
    assert known.damaged == 1
    assert known.counts["flux"][:2] == (1, 4)
