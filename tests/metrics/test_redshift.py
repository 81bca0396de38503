"""Redshift metrics by eye, by a second road, and against the authors' own numbers."""

import json
import tracemalloc

import numpy as np
import pytest
from astropy.stats import mad_std

from helpers import SHARED, run_mmae, shared
from mmae import progress
from mmae.errors import InputError
from mmae.evaluation.scoring import read_predictions
from mmae.metrics import redshift
from mmae.metrics.bootstrap import bootstrap_interval
from mmae.metrics.redshift import METRICS, RedshiftRange, bin_ranges, point_metrics
from mmae.metrics.report import redshift_report
from mmae.settings import Scoring

AUTHORS_NAMES = {
    **{"L": "loss", "bias_bw": "bias_biweight", "bias_conv": "bias"},
    **{"scatter_bw": "scatter_biweight", "scatter_conv": "sigma_nmad"},
    **{"outlier_bw": "outlier_fraction_biweight", "outlier_conv": "outlier_fraction"},
    **{"mse": "mse", "rmse": "rmse", "catastrophic_outliers": "catastrophic_fraction"},
}
"""The authors' names of the metrics, and ours."""


def test_metrics_by_eye():
    z_spec = np.array([0.0, 0.0, 0.0, 1.0, 1.0])
    z_pred = np.array([0.0, 0.1, -0.1, 1.4, 3.0])  # dz: 0, 0.1, -0.1, 0.2, 1
    metrics = point_metrics(z_pred, z_spec)
    assert metrics["bias"] == pytest.approx(0.1)
    assert metrics["sigma_nmad"] == pytest.approx(1.4826 * 0.1, rel=1e-4)
    assert metrics["outlier_fraction"] == pytest.approx(2 / 5)
    assert metrics["catastrophic_fraction"] == pytest.approx(1 / 5)
    assert metrics["mse"] == pytest.approx((0.01 + 0.01 + 0.16 + 4) / 5)
    assert metrics["rmse"] == pytest.approx(np.sqrt((0.01 + 0.01 + 0.04 + 1) / 5))
    assert metrics["loss"] == pytest.approx(
        np.mean([1 - 1 / (1 + (dz / 0.15) ** 2) for dz in (0, 0.1, -0.1, 0.2, 1)])
    )


def test_sigma_nmad_is_astropys_mad_std():
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0, 3, 1000)
    z_pred = z_spec + rng.normal(0, 0.05, 1000) * (1 + z_spec)
    ours = METRICS["sigma_nmad"](z_pred, z_spec)
    assert ours == pytest.approx(mad_std((z_pred - z_spec) / (1 + z_spec)))
    assert ours == pytest.approx(0.05, rel=0.1)


def test_perfect_predictions():
    z = np.linspace(0.1, 2, 20)
    assert set(point_metrics(z, z).values()) == {0.0}


def test_metrics_are_along_the_last_axis():
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0, 2, (2, 3, 40))
    z_pred = z_spec + rng.standard_t(1, (2, 3, 40)) * 0.1
    # one set of which more than half agree, and so without any scatter
    z_pred[1, 2, :30] = z_spec[1, 2, :30]
    for name, metric in METRICS.items():
        values = metric(z_pred, z_spec)
        assert values.shape == (2, 3), name
        for k in np.ndindex(2, 3):
            # numpy squares arrays and raises numbers to a power, each rounded in its own way
            alone = metric(z_pred[k], z_spec[k])
            assert type(alone) is float
            assert alone == point_metrics(z_pred[k], z_spec[k])[name]
            assert values[k] == pytest.approx(alone, rel=1e-14), name


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("z_pred", "z_spec", "words"),
    [
        ([], [], "at least one"),
        ([0.1], [0.1, 0.2], "as many of both"),
        ([np.nan, 0.1], [0.1, 0.2], "1 redshifts not finite"),
    ],
)
def test_bad_redshifts_are_an_error(name, z_pred, z_spec, words):
    with pytest.raises(InputError, match=words):
        METRICS[name](np.array(z_pred), np.array(z_spec))


def test_ranges_are_open_below_and_closed_above():
    z = np.array([0.0, 0.2, 0.4, 0.41])
    assert RedshiftRange(0.0, 0.4).contains(z).tolist() == [False, True, True, False]
    assert bin_ranges([0, 0.2, 0.4]) == [(0, 0.2), (0.2, 0.4)]
    with pytest.raises(InputError, match="increasing"):
        bin_ranges([0, 0.4, 0.2])


def test_intervals_hold_the_value_and_shrink_with_more_galaxies():
    rng = np.random.default_rng(0)
    widths = []
    for n in (100, 10_000):
        z_spec = rng.uniform(0, 2, n)
        z_pred = z_spec + rng.normal(0, 0.05, n) * (1 + z_spec)
        low, high = bootstrap_interval(METRICS, z_pred, z_spec, 100, 0)["sigma_nmad"]
        assert low < METRICS["sigma_nmad"](z_pred, z_spec) < high
        widths.append(high - low)
    assert 5 < widths[0] / widths[1] < 20


def test_intervals_depend_on_the_seed_alone():
    rng = np.random.default_rng(0)
    pair = rng.uniform(0, 1, 50), rng.uniform(0, 1, 50)
    one, same, other = (bootstrap_interval(METRICS, *pair, 20, seed) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_empty_bins_have_no_numbers_and_galaxies_outside_are_counted():
    z = np.array([0.1, 0.15, 5.0])
    report = redshift_report(z, z, Scoring(bootstrap_samples=2))
    assert (report["all"]["n"], report["n_outside"]) == (2, 1)
    assert report["bins"][1] == {"z_range": [0.2, 0.4], "n": 0}
    with pytest.raises(InputError, match="none with z_spec in"):
        redshift_report(z + 5, z + 5, Scoring())


def test_a_long_report_tells_how_far_it_is(monkeypatch, caplog):
    monkeypatch.setattr(progress, "LINE_EVERY_SECONDS", -1)
    caplog.set_level("INFO")
    z = np.linspace(0.1, 0.9, 20)
    redshift_report(z, z, Scoring(bootstrap_samples=2))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 22
    assert lines[0].startswith("redshift ranges: 1 of 22")


def test_biweights_in_blocks_are_astropys(monkeypatch):
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0, 2, 5000)
    constant = np.where(np.arange(5000) % 5, z_spec, 0.5)  # of which the MAD is 0
    for z_pred in (z_spec + 0.05 * rng.standard_t(2, 5000) + 0.02, constant):
        whole = point_metrics(z_pred, z_spec)
        for many in (100, 4999):
            monkeypatch.setattr(redshift, "MANY", many)
            assert point_metrics(z_pred, z_spec) == pytest.approx(whole, rel=1e-12)
        monkeypatch.undo()


def test_memory_is_seventy_bytes_a_galaxy():
    """With a resampling of all, or with astropy's biweights of all, it would be a hundred."""
    z_spec = np.random.default_rng(0).uniform(0, 2, 600_000)
    z_pred = z_spec + 0.03 * np.random.default_rng(1).normal(size=len(z_spec))
    tracemalloc.start()
    redshift_report(z_pred, z_spec, Scoring(bootstrap_samples=8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 75 * len(z_spec)


@pytest.mark.parametrize("view", ["nomask", "quartermask"])
def test_published_predictions_have_the_authors_metrics(view):
    file = f"mmae_fullmaskspectrum_{view}image_redshift_predictions.csv"
    z_pred, z_spec = read_predictions(shared(f"himes2025/{file}"))
    golden = json.loads(shared("golden/published_prediction_metrics.json").read_text())[view]
    n_compared = 0
    for expected in (part for parts in golden.values() for part in parts):
        inside = RedshiftRange(*expected.pop("zspec_bin")).contains(z_spec)
        assert inside.sum() == expected.pop("count")
        ours = point_metrics(z_pred[inside], z_spec[inside]) if inside.any() else {}
        for theirs, value in expected.items():
            if inside.any():
                assert ours[AUTHORS_NAMES[theirs]] == pytest.approx(value, abs=1e-6), theirs
                n_compared += 1
    assert n_compared > 200


def test_the_command_prints_the_papers_numbers():
    file = "mmae_fullmaskspectrum_quartermaskimage_redshift_predictions.csv"
    path = shared(f"himes2025/{file}")
    assert path.is_relative_to(SHARED)
    options = ["--config", '{"scoring": {"bootstrap_samples": 5}}']
    text = run_mmae("metrics", path, *options).stdout
    block = text.partition("low: 0 < z_spec <= 0.4, 11148 galaxies")[2].partition("\n\n")[0]
    assert "sigma_nmad                   0.0163" in block
    report = json.loads(run_mmae("metrics", path, "--json", *options).stdout)
    assert report["all"]["sigma_nmad"] == pytest.approx(0.021010, abs=1e-6)
    assert report["low_redshift"]["sigma_nmad"] == pytest.approx(0.016302, abs=1e-6)
