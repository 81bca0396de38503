"""Resampling in blocks is resampling one by one."""

import numpy as np
import pytest

from mmae.errors import InputError
from mmae.metrics import bootstrap
from mmae.metrics.bootstrap import bootstrap_interval, median_interval, resamplings
from mmae.metrics.paired import paired_difference
from mmae.metrics.redshift import METRICS, sigma_nmad
from mmae.metrics.uncertainty import uncertainty_report

N = 57
"""Odd, so that half of a generator's 64 bits is left over between resamplings."""


def galaxies(n: int = N) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z_pred, z_std and z_spec."""
    rng = np.random.default_rng(0)
    z_spec = rng.uniform(0, 2, n)
    return z_spec + rng.standard_t(2, n) * 0.05, rng.uniform(0.02, 0.1, n), z_spec


@pytest.fixture(params=[1, 20 * N, 1000 * N], ids=["one by one", "in blocks", "all at once"])
def block(request, monkeypatch) -> int:
    monkeypatch.setattr(bootstrap, "BLOCK", request.param)
    return request.param


def test_galaxies_drawn_are_those_of_a_loop(block):
    blocks = [*resamplings(N, 70, 3)]
    assert [len(rows) for rows in blocks] == {1: [1] * 70, 20 * N: [20] * 3 + [10]}.get(block, [70])
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(
        np.concatenate(blocks), [rng.integers(0, N, N) for _ in range(70)]
    )


def test_a_block_is_bounded_whatever_the_number_of_galaxies():
    for n in (1, 10, 1000, bootstrap.BLOCK):
        sizes = [rows.size for rows in resamplings(n, 3 * bootstrap.BLOCK // n, 0)]
        assert max(sizes) <= bootstrap.BLOCK
    for n in (bootstrap.ALL_DRAWN + 1, 10**9):
        blocks = [*resamplings(n, 20, 0)]
        assert [rows.shape for rows in blocks] == [(16, bootstrap.PART_DRAWN), (4, 2**12)]
        assert max(rows.max() for rows in blocks) > 0.99 * n


def test_intervals_of_many_galaxies_are_those_of_the_whole_bootstrap(monkeypatch):
    """Within their own noise: an end of 500 resamplings scatters by 0.12 sigma."""
    z_pred, z_std, z_spec = galaxies(12_000)
    z_pred = np.clip(z_pred, -0.9, 6)

    def everything(seed: int) -> dict[str, tuple[float, float, float]]:
        """Value, low and high."""
        intervals = bootstrap_interval(METRICS, z_pred, z_spec, 500, seed)
        found = {name: (METRICS[name](z_pred, z_spec), *ends) for name, ends in intervals.items()}
        found["median"] = median_interval(z_pred, 500, seed)
        pair = paired_difference(sigma_nmad, z_pred, z_pred + z_std**2, z_spec, 500, seed)
        found["difference"] = pair[:3]
        report = uncertainty_report(z_pred, z_std, z_spec, 500, seed)
        names = [name for name in report if f"{name}_interval" in report]
        return found | {name: (report[name], *report[f"{name}_interval"]) for name in names}

    whole = everything(0)
    monkeypatch.setattr(bootstrap, "ALL_DRAWN", 1000)
    monkeypatch.setattr(bootstrap, "PART_DRAWN", 4_000)
    part = everything(1)
    assert len(whole) == 15
    assert {"mse", "rmse"}.isdisjoint(whole)
    for name, (value, low, high) in whole.items():
        sigma = (high - low) / 3.92
        assert part[name][0] == value, name
        assert part[name] == pytest.approx((value, low, high), abs=0.5 * sigma), name


def test_intervals_are_those_of_a_loop(block):
    z_pred, _, z_spec = galaxies()
    rng = np.random.default_rng(5)
    draws = [rng.integers(0, N, N) for _ in range(70)]
    found = bootstrap_interval(METRICS, z_pred, z_spec, 70, 5)
    drawn = {name: metric for name, metric in METRICS.items() if metric.interval == "resampled"}
    assert [*drawn] == ["bias", "sigma_nmad", "bias_biweight"]
    for name, metric in drawn.items():
        values = [metric(z_pred[rows], z_spec[rows]) for rows in draws]
        assert found[name] == pytest.approx(np.percentile(values, [2.5, 97.5]), rel=1e-12), name
    medians = [np.median(z_pred[rows]) for rows in draws]
    with_nan = np.insert(z_pred, 4, np.nan)
    assert median_interval(with_nan, 70, 5) == pytest.approx(
        (np.median(z_pred), *np.percentile(medians, [2.5, 97.5])), rel=1e-12
    )


def test_a_scale_of_few_galaxies_is_drawn_on_a_logarithmic_scale(block):
    z_pred, _, z_spec = galaxies()
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, N, N) for _ in range(70)]
    logs = np.log([METRICS["scatter_biweight"](z_pred[r], z_spec[r]) for r in rows])
    value = METRICS["scatter_biweight"](z_pred, z_spec)
    found = bootstrap_interval(METRICS, z_pred, z_spec, 70, 5)["scatter_biweight"]
    assert np.log(found) == pytest.approx(
        np.log(value) + np.array([-1.96, 1.96]) * logs.std(), rel=1e-3
    )


def test_means_that_rare_errors_decide_have_no_interval():
    z_pred, _, z_spec = galaxies(99)
    assert {"loss", "mse", "rmse"}.isdisjoint(bootstrap_interval(METRICS, z_pred, z_spec, 20, 0))
    z_pred, _, z_spec = galaxies(100)
    found = bootstrap_interval(METRICS, z_pred, z_spec, 200, 0)
    assert {"mse", "rmse"}.isdisjoint(found)
    assert found["loss"][0] < METRICS["loss"](z_pred, z_spec) < found["loss"][1]


def test_the_mean_of_equal_values_is_known():
    assert bootstrap.mean_interval(np.full(200, 0.25), 50, 0) == (0.25, 0.25)


def test_medians_of_fewer_than_five_are_not_told():
    assert np.isnan(median_interval(np.array([1.0, 2, 3, 4, np.nan]), 20, 0)).all()
    assert np.isfinite(median_interval(np.array([1.0, 2, 3, 4, 5]), 20, 0)).all()


def test_no_number_depends_on_the_size_of_blocks(block, monkeypatch):
    z_pred, z_std, z_spec = galaxies()

    def everything():
        return (
            bootstrap_interval(METRICS, z_pred, z_spec, 70, 5),
            median_interval(z_pred, 70, 5),
            paired_difference(sigma_nmad, z_pred, z_pred + z_std**2, z_spec, 70, 5),
            uncertainty_report(z_pred, z_std, z_spec, 70, 5),
        )

    found = everything()
    monkeypatch.setattr(bootstrap, "BLOCK", 7 * N)
    assert found == everything()


def test_bad_redshifts_are_an_error():
    z_pred, _, z_spec = galaxies()
    with pytest.raises(InputError, match="as many of both"):
        bootstrap_interval(METRICS, z_pred[1:], z_spec, 5, 0)
    with pytest.raises(InputError, match="1 redshifts not finite"):
        bootstrap_interval(METRICS, np.append(z_pred[1:], np.nan), z_spec, 5, 0)
