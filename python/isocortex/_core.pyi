# The compiled part. Private: names and arguments may change with every version.
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .configs import Source

_Floats: TypeAlias = NDArray[np.float64]
_Progress: TypeAlias = Callable[[int, int], object] | None
_Path: TypeAlias = str | os.PathLike[str]

__all__ = [
    "COMMIT",
    "IsocortexError",
    "VERSION",
    "autocorrelation",
    "bold",
    "check",
    "collect",
    "config",
    "connectivity_dynamics",
    "correlation_of",
    "covariance",
    "eigenmodes",
    "export",
    "fit",
    "fit_decay",
    "frequency",
    "functional_connectivity",
    "import_tables",
    "ks_distance",
    "latency",
    "linear_fit",
    "linearised",
    "load",
    "load_connectome",
    "names",
    "peak",
    "pearson",
    "power_spectrum",
    "predict",
    "report",
    "reproduce",
    "run",
    "settle",
    "spearman",
    "stationary_autocorrelation",
    "stationary_covariance",
    "sweep",
    "timescales",
    "validate",
]

VERSION: str
COMMIT: str

class IsocortexError(ValueError): ...

def run(
    source: Source,
    output: _Path,
    kept: bool,
    resume: bool,
    threads: int | None,
    progress: _Progress,
) -> list[str]: ...
def sweep(
    source: Source,
    output: _Path,
    resume: bool,
    restart: bool,
    activity: bool,
    threads: int | None,
    progress: _Progress,
) -> tuple[int, list[tuple[int, str]]]: ...
def collect(source: Source, output: _Path, to: _Path) -> int: ...
def fit(
    name: str,
    sets: list[str],
    folder: _Path,
    resume: bool,
    restart: bool,
    threads: int | None,
    progress: _Progress,
) -> str: ...
def reproduce(paper: str, threads: int | None, progress: _Progress) -> str: ...
def validate(
    recordings: str, experiment: str | None, sets: list[str], threads: int | None
) -> str: ...
def predict(design: str, sets: list[str], threads: int | None, progress: _Progress) -> str: ...
def check(source: Source) -> tuple[list[str], str]: ...
def config(source: Source) -> tuple[str, str]: ...
def linearised(source: Source) -> dict[str, Any]: ...
def names(kind: str) -> list[str]: ...
def load(path: _Path) -> dict[str, Any]: ...
def report(results: _Path, output: _Path, replicates: list[int] | None) -> list[str]: ...
def import_tables(path: _Path, of: str) -> dict[str, Any]: ...
def load_connectome(source: str) -> dict[str, Any]: ...
def export(source: str, form: str, output: _Path) -> list[str]: ...
def autocorrelation(x: _Floats, max_lag: int) -> _Floats: ...
def fit_decay(
    lags_ms: _Floats,
    acf: _Floats,
    max_lag_ms: float | None,
    floor: float | None,
    ratio: float | None,
    min_tau_ms: float | None,
    max_tau_ms: float | None,
) -> dict[str, Any]: ...
def timescales(series: _Floats, dt_ms: float, max_lag_ms: float) -> list[tuple[float, int, bool]]: ...
def settle(
    x: _Floats, dt_ms: float, offset: int, baseline: float, fraction: float | None, band: float | None
) -> float | None: ...
def functional_connectivity(series: _Floats) -> _Floats: ...
def connectivity_dynamics(series: _Floats, window: int, step: int) -> _Floats: ...
def power_spectrum(x: _Floats, dt_ms: float, segment: int) -> list[_Floats]: ...
def ks_distance(x: _Floats, y: _Floats) -> float: ...
def covariance(series: _Floats) -> _Floats: ...
def correlation_of(covariance: _Floats) -> _Floats: ...
def bold(activity: _Floats, dt_ms: float, preset: str) -> _Floats: ...
def eigenmodes(jacobian: _Floats) -> tuple[_Floats, _Floats, _Floats, _Floats]: ...
def stationary_covariance(jacobian: _Floats, intensity: _Floats) -> _Floats: ...
def stationary_autocorrelation(
    jacobian: _Floats, covariance: _Floats, indices: list[int], lags_ms: _Floats
) -> _Floats: ...
def frequency(x: _Floats, dt_ms: float) -> float | None: ...
def peak(x: _Floats, baseline: float) -> tuple[float, int]: ...
def latency(
    x: _Floats, time_ms: _Floats, baseline: float, onset_ms: float, fraction: float
) -> float | None: ...
def pearson(x: _Floats, y: _Floats) -> float: ...
def spearman(x: _Floats, y: _Floats) -> float: ...
def linear_fit(x: _Floats, y: _Floats) -> tuple[float, float, float]: ...
