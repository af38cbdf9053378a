"""Measures of activity, as the program takes them. Times are in ms, frequencies in Hz; series are
[time, area] or [replicate, time, area], matrices [target, source]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from . import _core

Floats = NDArray[np.float64]


def _array(values: ArrayLike, *dimensions: int) -> Floats:
    array = np.ascontiguousarray(values, dtype=float)
    if array.ndim not in dimensions:
        expected = " or ".join(str(d) for d in dimensions)
        raise _core.IsocortexError(f"dimensions: found {array.ndim}, expected {expected}")
    return array


def _replicates(series: ArrayLike) -> Floats:
    array = _array(series, 2, 3)
    return array[np.newaxis] if array.ndim == 2 else array


def autocorrelation(x: ArrayLike, max_lag: int) -> Floats:
    """Autocorrelation at lags 0 to `max_lag` samples, biased estimator; 1 at lag 0."""
    return _core.autocorrelation(_array(x, 1), max_lag)


@dataclass(frozen=True)
class Decay:
    """Timescale of an autocorrelation, and what it was chosen from; those of two exponentials are None with fewer
    than four points."""

    tau_ms: float
    exponentials: int
    single_amplitude: float
    single_tau_ms: float
    fast_amplitude: float | None
    fast_tau_ms: float | None
    slow_tau_ms: float | None
    n_points: int
    reached_floor: bool
    at_bound: bool


def fit_decay(
    lags_ms: ArrayLike,
    acf: ArrayLike,
    *,
    max_lag_ms: float | None = None,
    floor: float | None = None,
    ratio: float | None = None,
    min_tau_ms: float | None = None,
    max_tau_ms: float | None = None,
) -> Decay:
    """Timescale of an autocorrelation by one or two exponentials; options left out are the program's."""
    lags, values = _array(lags_ms, 1), _array(acf, 1)
    return Decay(**_core.fit_decay(lags, values, max_lag_ms, floor, ratio, min_tau_ms, max_tau_ms))


def timescales(
    series: ArrayLike,
    dt_ms: float,
    *,
    areas: list[str] | None = None,
    max_lag_ms: float = 6000.0,
) -> pd.DataFrame:
    """Timescale of every area, as `isocortex timescales` gives it: `tau_ms`, `exponentials`, `uncertain`."""
    rows = _core.timescales(_replicates(series), dt_ms, max_lag_ms)
    index = None if areas is None else pd.Index(areas, name="area")
    return pd.DataFrame(rows, columns=["tau_ms", "exponentials", "uncertain"], index=index)


def decay(
    x: ArrayLike,
    dt_ms: float,
    *,
    offset: int,
    baseline: float,
    fraction: float | None = None,
    band: float | None = None,
) -> float | None:
    """Time after sample `offset` until `x` stays near `baseline`: within `fraction` of its peak, or within `band`
    in its unit. None if it does not."""
    return _core.settle(_array(x, 1), dt_ms, offset, baseline, fraction, band)


def functional_connectivity(series: ArrayLike) -> Floats:
    """Correlation of the areas' activity [area, area], averaged over replicates that stayed finite."""
    return _core.functional_connectivity(_replicates(series))


def connectivity_dynamics(series: ArrayLike, *, window: int, step: int) -> Floats:
    """Correlations [window, window] between the functional connectivities of windows of a series [time, area], each
    `window` samples long and `step` samples after the one before (Hansen et al. 2015)."""
    return _core.connectivity_dynamics(_array(series, 2), window, step)


def power_spectrum(x: ArrayLike, dt_ms: float, *, segment: int) -> tuple[Floats, Floats]:
    """Frequencies in Hz and power spectral density of `x` in its unit squared per Hz: Welch's method with segments of
    `segment` samples that overlap by half, under a Hann window."""
    frequencies, density = _core.power_spectrum(_array(x, 1), dt_ms, segment)
    return frequencies, density


def ks_distance(x: ArrayLike, y: ArrayLike) -> float:
    """Kolmogorov-Smirnov distance of two samples: the largest difference of their cumulative distributions."""
    return _core.ks_distance(_array(x, 1), _array(y, 1))


def covariance(series: ArrayLike) -> Floats:
    """Covariance of the columns of a series [time, area], divisor n - 1."""
    return _core.covariance(_array(series, 2))


def correlation_of(covariance: ArrayLike) -> Floats:
    """Correlation matrix of a covariance matrix."""
    return _core.correlation_of(_array(covariance, 2))


def bold(activity: ArrayLike, dt_ms: float, *, preset: str) -> Floats:
    """BOLD signal that activity [time] or [time, area] evokes, one sample a sample, by the balloon model with the
    constants of `preset`: friston_rate, deco_tau or friston_rate_3t."""
    array = _array(activity, 1, 2)
    if array.ndim == 1:
        return _core.bold(array, dt_ms, preset)
    columns = [_core.bold(np.ascontiguousarray(x), dt_ms, preset) for x in array.T]
    return np.stack(columns, axis=1)


def eigenmodes(jacobian: ArrayLike) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Eigenvalues [mode] and right eigenvectors [variable, mode] of a Jacobian, slowest first."""
    re, im, vectors_re, vectors_im = _core.eigenmodes(_array(jacobian, 2))
    return re + 1j * im, vectors_re + 1j * vectors_im


def stationary_covariance(jacobian: ArrayLike, intensity: ArrayLike) -> Floats:
    """Covariance C of a linear system under white noise, J C + C J' + Q = 0, with `intensity` Q."""
    return _core.stationary_covariance(_array(jacobian, 2), _array(intensity, 2))


def stationary_autocorrelation(
    jacobian: ArrayLike, covariance: ArrayLike, indices: list[int], lags_ms: ArrayLike
) -> Floats:
    """Exact autocorrelations [lag, variable in the order of `indices`] of such a system."""
    return _core.stationary_autocorrelation(
        _array(jacobian, 2), _array(covariance, 2), indices, _array(lags_ms, 1)
    )


def frequency(x: ArrayLike, dt_ms: float) -> float | None:
    """Frequency of an oscillation; None with less than a cycle."""
    return _core.frequency(_array(x, 1), dt_ms)


def peak(x: ArrayLike, baseline: float) -> tuple[float, int]:
    """Largest departure from `baseline`, with its sign, and its sample."""
    return _core.peak(_array(x, 1), baseline)


def latency(
    x: ArrayLike, time_ms: ArrayLike, *, baseline: float, onset_ms: float, fraction: float
) -> float | None:
    """Time from `onset_ms` until `x` has covered `fraction` of the way to its largest departure; None if it does
    not depart."""
    return _core.latency(_array(x, 1), _array(time_ms, 1), baseline, onset_ms, fraction)


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's correlation."""
    return _core.pearson(_array(x, 1), _array(y, 1))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation, ties by mean rank."""
    return _core.spearman(_array(x, 1), _array(y, 1))


@dataclass(frozen=True)
class Line:
    """A least-squares line and the share of variance that it explains."""

    slope: float
    intercept: float
    r2: float


def linear_fit(x: ArrayLike, y: ArrayLike) -> Line:
    """Least-squares line of `y` on `x`."""
    return Line(*_core.linear_fit(_array(x, 1), _array(y, 1)))
