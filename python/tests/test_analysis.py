"""Measures on arrays, held against closed forms and against the program."""

import json

import isocortex as iso
import numpy as np
import pytest
from isocortex import analysis

rng = np.random.default_rng(1)


def test_timescale_of_an_exponential():
    lags = np.arange(0.0, 300.0, 1.0)
    fit = analysis.fit_decay(lags, np.exp(-lags / 37.0))
    assert fit.tau_ms == pytest.approx(37.0, rel=1e-6)
    assert fit.exponentials == 1 and fit.reached_floor and not fit.at_bound
    assert analysis.fit_decay(lags, np.exp(-lags / 37.0), floor=0.5).n_points < fit.n_points


def test_timescales_and_connectivity_are_those_of_the_program(program, tmp_path):
    path = tmp_path / "noise.h5"
    data = iso.run(
        "chaudhuri2015_rest_noise", set={"simulation.duration": "2 s", "analysis": None}, replicates=2, output=path
    )
    name = "nu_E" if "nu_E" in data else "nu"
    series = data[name] if name == "nu_E" else data["nu"].sel(population="E")
    dt = float(data["time"][1] - data["time"][0])
    areas = list(data["area"].values)
    ours = analysis.timescales(series, dt, areas=areas, max_lag_ms=500.0)
    said = json.loads(program("timescales", path, "--max-lag", 500, "--json").stdout)
    assert {a: row["timescale_ms"] for a, row in said.items()} == ours["tau_ms"].to_dict()
    fc = analysis.functional_connectivity(series)
    assert np.array_equal(fc, json.loads(program("fc", path, "--json").stdout)["correlation"])
    one = series.isel(replicate=0)
    assert np.allclose(analysis.functional_connectivity(one), np.corrcoef(one.T), atol=1e-12)
    said = json.loads(program("fcd", path, "--window", 50 * dt, "--step", 10 * dt, "--json").stdout)
    dynamics = analysis.connectivity_dynamics(one, window=50, step=10)
    assert np.array_equal(dynamics, said["dynamics"][0])
    above = np.triu_indices(len(areas), 1)
    windows = [np.corrcoef(one[k : k + 50].T)[above] for k in range(0, len(one) - 49, 10)]
    assert np.allclose(dynamics, np.corrcoef(windows), atol=1e-10)


def test_power_spectrum_is_that_of_the_program(program, tmp_path):
    path = tmp_path / "noise.h5"
    data = iso.run(
        "chaudhuri2015_rest_noise", set={"simulation.duration": "2 s", "analysis": None}, replicates=1, output=path
    )
    series = data["nu_E"] if "nu_E" in data else data["nu"].sel(population="E")
    dt = float(data["time"][1] - data["time"][0])
    said = json.loads(program("spectra", path, "--segment", 64 * dt, "--json").stdout)
    hz, density = analysis.power_spectrum(series.sel(area="V1")[0], dt, segment=64)
    assert np.array_equal(hz, said["frequency_hz"]) and np.array_equal(density, said["density"]["V1"])
    assert hz[-1] == 500 / dt and (density > 0).all()


def test_ks_distance():
    assert analysis.ks_distance([1, 2, 3, 4], [2.5, 9]) == 0.5
    assert analysis.ks_distance([1, 2], [2, 1]) == 0


def test_autocorrelation_is_the_biased_estimator():
    x = rng.normal(size=200)
    y = x - x.mean()
    direct = [np.sum(y[: len(y) - k] * y[k:]) / np.sum(y * y) for k in range(6)]
    assert np.allclose(analysis.autocorrelation(x, 5), direct, atol=1e-12)


def test_covariance_and_its_correlation():
    x = rng.normal(size=(100, 4)) @ rng.normal(size=(4, 4))
    assert np.allclose(analysis.covariance(x), np.cov(x.T))
    assert np.allclose(analysis.correlation_of(np.cov(x.T)), np.corrcoef(x.T))


def test_a_linear_system_in_closed_form():
    jacobian = np.diag([-0.1, -0.02])
    covariance = analysis.stationary_covariance(jacobian, np.diag([2.0, 1.0]))
    assert np.allclose(covariance, np.diag([10.0, 25.0]))
    lags = np.array([0.0, 10.0, 20.0])
    acf = analysis.stationary_autocorrelation(jacobian, covariance, [0, 1], lags)
    assert np.allclose(acf, np.exp(np.outer(lags, [-0.1, -0.02])))
    values, vectors = analysis.eigenmodes(np.array([[0.0, 1.0], [-1.0, 0.0]]))
    assert np.allclose(values, [1j, -1j]) and vectors.shape == (2, 2)


def test_responses():
    t = np.arange(0.0, 100.0)
    x = np.where(t >= 20, 1 - np.exp(-(t - 20) / 5), 0.0)
    found = analysis.latency(x, t, baseline=0.0, onset_ms=20.0, fraction=0.5)
    assert found == pytest.approx(5 * np.log(2), abs=0.1)
    assert analysis.latency(0 * x, t, baseline=0.0, onset_ms=20.0, fraction=0.5) is None
    value, at = analysis.peak(-x, 0.0)
    assert value == pytest.approx(-1.0, abs=1e-6) and at == 99
    decaying = np.exp(-t / 10)
    assert analysis.decay(decaying, 1.0, offset=0, baseline=0.0, fraction=0.05) == pytest.approx(30, abs=0.1)
    assert analysis.decay(decaying, 1.0, offset=0, baseline=0.0, band=0.1) == pytest.approx(23.03, abs=0.1)
    assert analysis.frequency(np.sin(2 * np.pi * t / 20), 1.0) == pytest.approx(50.0)
    assert analysis.frequency(decaying, 1.0) is None
    with pytest.raises(iso.IsocortexError, match="either"):
        analysis.decay(decaying, 1.0, offset=0, baseline=0.0)


def test_bold_of_columns_is_that_of_each():
    z = rng.normal(0.1, 0.05, size=(500, 2))
    both = analysis.bold(z, 10.0, preset="deco_tau")
    assert np.array_equal(both[:, 1], analysis.bold(z[:, 1], 10.0, preset="deco_tau"))
    with pytest.raises(iso.IsocortexError, match="expected one of friston_rate"):
        analysis.bold(z, 10.0, preset="deco")


def test_statistics():
    x, y = rng.normal(size=50), rng.normal(size=50)
    assert analysis.pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert analysis.spearman(x, np.exp(x)) == pytest.approx(1.0)
    line = analysis.linear_fit(x, 3 * x + 1)
    assert (line.slope, line.intercept, line.r2) == pytest.approx((3.0, 1.0, 1.0))
    with pytest.raises(iso.IsocortexError, match="lengths differ"):
        analysis.pearson(x, y[:3])
    with pytest.raises(iso.IsocortexError, match="dimensions: found 2"):
        analysis.pearson(np.ones((2, 2)), y)
