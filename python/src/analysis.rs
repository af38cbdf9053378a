//! The pure functions of `analysis/` and `engine`'s measures of recordings, on arrays.

use isocortex::analysis::bold::Haemodynamics;
use isocortex::analysis::timescale::{self, FitKind, FitOptions};
use isocortex::analysis::{cycle, fc, fcd, lyapunov, modes, peaks, response, spectrum, stats};
use isocortex::engine;
use isocortex::spec::suggest::did_you_mean;
use numpy::{PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::watch::{raised, watched};

type Line<'py> = PyReadonlyArray1<'py, f64>;
type Matrix<'py> = PyReadonlyArray2<'py, f64>;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(autocorrelation, module)?)?;
    module.add_function(wrap_pyfunction!(fit_decay, module)?)?;
    module.add_function(wrap_pyfunction!(timescales, module)?)?;
    module.add_function(wrap_pyfunction!(settle, module)?)?;
    module.add_function(wrap_pyfunction!(functional_connectivity, module)?)?;
    module.add_function(wrap_pyfunction!(connectivity_dynamics, module)?)?;
    module.add_function(wrap_pyfunction!(power_spectrum, module)?)?;
    module.add_function(wrap_pyfunction!(ks_distance, module)?)?;
    module.add_function(wrap_pyfunction!(covariance, module)?)?;
    module.add_function(wrap_pyfunction!(correlation_of, module)?)?;
    module.add_function(wrap_pyfunction!(bold, module)?)?;
    module.add_function(wrap_pyfunction!(eigenmodes, module)?)?;
    module.add_function(wrap_pyfunction!(stationary_covariance, module)?)?;
    module.add_function(wrap_pyfunction!(stationary_autocorrelation, module)?)?;
    module.add_function(wrap_pyfunction!(frequency, module)?)?;
    module.add_function(wrap_pyfunction!(peak, module)?)?;
    module.add_function(wrap_pyfunction!(latency, module)?)?;
    module.add_function(wrap_pyfunction!(pearson, module)?)?;
    module.add_function(wrap_pyfunction!(spearman, module)?)?;
    module.add_function(wrap_pyfunction!(linear_fit, module)?)
}

fn listed(x: &Line<'_>) -> Vec<f64> {
    x.as_array().to_vec()
}

#[pyfunction]
fn autocorrelation<'py>(
    py: Python<'py>,
    x: Line<'py>,
    max_lag: usize,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let acf = timescale::autocorrelation(&listed(&x), max_lag).map_err(|e| raised(&e))?;
    Ok(acf.to_pyarray(py))
}

/// What of the options is given; the library's own for the rest.
fn options(
    max_lag_ms: Option<f64>,
    floor: Option<f64>,
    ratio: Option<f64>,
    min_tau_ms: Option<f64>,
    max_tau_ms: Option<f64>,
) -> FitOptions {
    let own = FitOptions::default();
    FitOptions {
        max_lag_ms: max_lag_ms.unwrap_or(own.max_lag_ms),
        floor: floor.unwrap_or(own.floor),
        ratio: ratio.unwrap_or(own.ratio),
        min_tau_ms: min_tau_ms.unwrap_or(own.min_tau_ms),
        max_tau_ms: max_tau_ms.unwrap_or(own.max_tau_ms),
    }
}

#[pyfunction]
#[allow(clippy::too_many_arguments)]
fn fit_decay<'py>(
    py: Python<'py>,
    lags_ms: Line<'py>,
    acf: Line<'py>,
    max_lag_ms: Option<f64>,
    floor: Option<f64>,
    ratio: Option<f64>,
    min_tau_ms: Option<f64>,
    max_tau_ms: Option<f64>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = options(max_lag_ms, floor, ratio, min_tau_ms, max_tau_ms);
    let fit = timescale::fit_decay(&listed(&lags_ms), &listed(&acf), &options);
    let fit = fit.map_err(|e| raised(&e))?;
    let out = PyDict::new(py);
    out.set_item("tau_ms", fit.tau_ms)?;
    let exponentials = match fit.kind {
        FitKind::Single => 1,
        FitKind::Double => 2,
    };
    out.set_item("exponentials", exponentials)?;
    out.set_item("single_amplitude", fit.single.amplitude)?;
    out.set_item("single_tau_ms", fit.single.tau_ms)?;
    out.set_item("fast_amplitude", fit.double.map(|d| d.fast_amplitude))?;
    out.set_item("fast_tau_ms", fit.double.map(|d| d.fast_tau_ms))?;
    out.set_item("slow_tau_ms", fit.double.map(|d| d.slow_tau_ms))?;
    out.set_item("n_points", fit.n_points)?;
    out.set_item("reached_floor", fit.reached_floor)?;
    out.set_item("at_bound", fit.at_bound)?;
    Ok(out)
}

/// Timescale (NaN: none), number of exponentials and whether it is uncertain, of each area.
#[pyfunction]
fn timescales(
    py: Python<'_>,
    series: PyReadonlyArray3<'_, f64>,
    dt_ms: f64,
    max_lag_ms: f64,
) -> PyResult<Vec<(f64, u8, bool)>> {
    let series = series.as_array().to_owned();
    let options = options(Some(max_lag_ms), None, None, None, None);
    let rows = watched(py, None, |_| {
        Ok(engine::simulated_timescales(
            series.view(),
            dt_ms,
            &options,
        )?)
    })?;
    let row = |r: &engine::TimescaleRow| {
        (
            r.tau_ms.unwrap_or(f64::NAN),
            r.exponentials,
            r.is_uncertain(),
        )
    };
    Ok(rows.iter().map(row).collect())
}

#[pyfunction]
fn settle(
    x: Line<'_>,
    dt_ms: f64,
    offset: usize,
    baseline: f64,
    fraction: Option<f64>,
    band: Option<f64>,
) -> PyResult<Option<f64>> {
    let x = listed(&x);
    let found = match (fraction, band) {
        (Some(fraction), None) => timescale::decay_to(&x, dt_ms, offset, baseline, fraction),
        (None, Some(band)) => timescale::settle(&x, dt_ms, offset, baseline, band),
        _ => return Err(raised(&"decay: expected either fraction or band")),
    };
    found.map_err(|e| raised(&e))
}

#[pyfunction]
fn functional_connectivity<'py>(
    py: Python<'py>,
    series: PyReadonlyArray3<'py, f64>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let matrix = engine::simulated_connectivity(series.as_array()).map_err(|e| raised(&e))?;
    Ok(matrix.to_pyarray(py))
}

#[pyfunction]
fn connectivity_dynamics<'py>(
    py: Python<'py>,
    series: Matrix<'py>,
    window: usize,
    step: usize,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let matrix = fcd::dynamics(series.as_array(), window, step).map_err(|e| raised(&e))?;
    Ok(matrix.to_pyarray(py))
}

#[pyfunction]
fn power_spectrum<'py>(
    py: Python<'py>,
    x: Line<'py>,
    dt_ms: f64,
    segment: usize,
) -> PyResult<[Bound<'py, PyArray1<f64>>; 2]> {
    let found = spectrum::welch(&listed(&x), dt_ms, segment).map_err(|e| raised(&e))?;
    Ok([&found.frequency_hz, &found.density].map(|x| x.to_pyarray(py)))
}

#[pyfunction]
fn ks_distance(x: Line<'_>, y: Line<'_>) -> PyResult<f64> {
    fcd::ks_distance(&listed(&x), &listed(&y)).map_err(|e| raised(&e))
}

#[pyfunction]
fn covariance<'py>(py: Python<'py>, series: Matrix<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let matrix = fc::covariance(series.as_array()).map_err(|e| raised(&e))?;
    Ok(matrix.to_pyarray(py))
}

#[pyfunction]
fn correlation_of<'py>(
    py: Python<'py>,
    covariance: Matrix<'py>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let matrix = fc::from_covariance(covariance.as_array()).map_err(|e| raised(&e))?;
    Ok(matrix.to_pyarray(py))
}

#[pyfunction]
fn bold<'py>(
    py: Python<'py>,
    activity: Line<'py>,
    dt_ms: f64,
    preset: &str,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let Some(haemodynamics) = Haemodynamics::preset(preset) else {
        let known = Haemodynamics::PRESETS;
        let hint = did_you_mean(preset, known.iter().map(|k| k.0));
        let known: Vec<&str> = known.iter().map(|k| k.0).collect();
        let known = known.join(", ");
        let message = format!("unknown preset: found `{preset}`, expected one of {known}{hint}");
        return Err(raised(&message));
    };
    let activity = listed(&activity);
    let signal = watched(py, None, |_| Ok(haemodynamics.bold(&activity, dt_ms)?))?;
    Ok(signal.to_pyarray(py))
}

/// Real and imaginary parts of eigenvalues, then of eigenvectors [variable, mode].
type Eigen<'py> = (
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray2<f64>>,
);

#[pyfunction]
fn eigenmodes<'py>(py: Python<'py>, jacobian: Matrix<'py>) -> PyResult<Eigen<'py>> {
    let jacobian = jacobian.as_array().to_owned();
    let found = watched(py, None, |_| Ok(modes::eigenmodes(jacobian.view())?))?;
    Ok((
        found.re().to_pyarray(py),
        found.im().to_pyarray(py),
        found.vectors_re().to_pyarray(py),
        found.vectors_im().to_pyarray(py),
    ))
}

#[pyfunction]
fn stationary_covariance<'py>(
    py: Python<'py>,
    jacobian: Matrix<'py>,
    intensity: Matrix<'py>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let (jacobian, intensity) = (
        jacobian.as_array().to_owned(),
        intensity.as_array().to_owned(),
    );
    let found = watched(py, None, |_| {
        Ok(lyapunov::covariance(jacobian.view(), intensity.view())?)
    })?;
    Ok(found.covariance.to_pyarray(py))
}

#[pyfunction]
fn stationary_autocorrelation<'py>(
    py: Python<'py>,
    jacobian: Matrix<'py>,
    covariance: Matrix<'py>,
    indices: Vec<usize>,
    lags_ms: Line<'py>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let found = lyapunov::autocorrelations(
        jacobian.as_array(),
        covariance.as_array(),
        &indices,
        &listed(&lags_ms),
    );
    Ok(found.map_err(|e| raised(&e))?.to_pyarray(py))
}

#[pyfunction]
fn frequency(x: Line<'_>, dt_ms: f64) -> PyResult<Option<f64>> {
    cycle::frequency_hz(&listed(&x), dt_ms).map_err(|e| raised(&e))
}

#[pyfunction]
fn peak(x: Line<'_>, baseline: f64) -> PyResult<(f64, usize)> {
    let found = peaks::peak(&listed(&x), baseline).map_err(|e| raised(&e))?;
    Ok((found.value, found.index))
}

#[pyfunction]
fn latency(
    x: Line<'_>,
    time_ms: Line<'_>,
    baseline: f64,
    onset_ms: f64,
    fraction: f64,
) -> PyResult<Option<f64>> {
    let found = response::latency(&listed(&x), &listed(&time_ms), baseline, onset_ms, fraction);
    found.map_err(|e| raised(&e))
}

#[pyfunction]
fn pearson(x: Line<'_>, y: Line<'_>) -> PyResult<f64> {
    stats::pearson(&listed(&x), &listed(&y)).map_err(|e| raised(&e))
}

#[pyfunction]
fn spearman(x: Line<'_>, y: Line<'_>) -> PyResult<f64> {
    stats::spearman(&listed(&x), &listed(&y)).map_err(|e| raised(&e))
}

/// Slope, intercept, r².
#[pyfunction]
fn linear_fit(x: Line<'_>, y: Line<'_>) -> PyResult<(f64, f64, f64)> {
    let line = stats::linear_fit(&listed(&x), &listed(&y)).map_err(|e| raised(&e))?;
    Ok((line.slope, line.intercept, line.r2))
}
