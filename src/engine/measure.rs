//! Measures computed inside a run: from the recorded activity, or exactly from the linearised
//! network.

use ndarray::{Array1, Array2, ArrayView3, s};
use rayon::prelude::*;

use super::trials::{self, TrialTable};
use super::{EngineError, Recording};
use crate::analysis::AnalysisError;
use crate::analysis::fc;
use crate::analysis::fcd;
use crate::analysis::lyapunov::{self, Lyapunov};
use crate::analysis::modes::{Modes, eigenmodes};
use crate::analysis::spectrum::{Spectrum, welch};
use crate::analysis::timescale::{FitKind, FitOptions, autocorrelation, fit_decay};
use crate::analysis::{peaks, response, stats};
use crate::network::Network;
use crate::noise::{Memory, Noise, Target};
use crate::plan::Plan;
use crate::spec::{
    DelayActivitySpec, ExperimentSpec, FcSpec, LatenciesSpec, Method, Solve, SpecError,
    TimescalesSpec, Window,
};
use crate::stepper::linear::linearise;
use crate::stimulus::nearest_step;

/// Spacing of the lags at which an exact autocorrelation is evaluated, ms. Part of the estimator:
/// the fit weighs every lag alike.
const EXACT_LAG_MS: f64 = 2.0;

/// What was measured in a run.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// Largest departure of the first recorded variable from baseline, per recorded area.
    pub peaks: Peaks,
    /// Timescale per recorded area.
    pub timescales: Option<Vec<TimescaleRow>>,
    /// Functional connectivity of the recorded areas.
    pub functional_connectivity: Option<Connectivity>,
    /// Eigenmodes.
    pub modes: Option<ModeTable>,
    /// Delay activity per recorded area.
    pub delay_activity: Option<Vec<DelayActivity>>,
    /// What was read out of the trials of a task.
    pub trials: Option<TrialTable>,
    /// Latency per recorded area, ms after the onset; none where nothing happens.
    pub latencies: Option<Vec<Option<f64>>>,
}

/// Activity of an area while something has to be remembered; mean over time and replicates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DelayActivity {
    /// Before anything was shown, unit of the variable.
    pub baseline: f64,
    /// In the delay, unit of the variable.
    pub delay: f64,
    /// Whether the difference exceeds what the experiment asks for.
    pub persistent: bool,
}

/// Largest departures from baseline of all recorded areas.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Peaks {
    /// Of each area; means over `trials`.
    pub rows: Vec<Peak>,
    /// Standard deviation over trials, unit of the variable; none of one run.
    pub sd: Vec<Option<f64>>,
    /// When the first stimulus began, ms: the start of a run is left out, since it need not start at rest. None
    /// where nothing is shown, and the whole run counts. Where it differs, that of the first trial.
    pub from_ms: Option<f64>,
    /// Whether they are departures from what the area showed then, and not from the baseline: where the baseline
    /// is only where the run starts, not where it rests.
    pub from_onset: bool,
    /// Trials over which they are taken, those of one condition; 0 without a task, or in a session.
    pub trials: usize,
}

/// Where peaks begin to count in a recording.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PeakStart {
    /// When the first stimulus begins, ms; none where nothing is shown.
    pub onset_ms: Option<f64>,
    /// The first sample that counts: 0 where nothing is shown, or only after the recording.
    pub sample: usize,
    /// Whether peaks are departures from that sample, and not from the baseline.
    pub is_base: bool,
}

/// Largest departure from baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Above (below, if negative) baseline, unit of the variable.
    pub value: f64,
    /// When, ms.
    pub time_ms: f64,
}

/// The timescale of an area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimescaleRow {
    /// ms; none if the area's activity does not vary.
    pub tau_ms: Option<f64>,
    /// 1 or 2 exponentials; 0 with no timescale.
    pub exponentials: u8,
    /// Whether the autocorrelation fell below the floor of the fit within the longest lag. If not,
    /// the timescale depends on that lag.
    pub reached_floor: bool,
    /// Whether a fitted constant lies at the longest one allowed, on which the timescale then
    /// depends.
    pub at_bound: bool,
}

impl TimescaleRow {
    /// Whether the timescale depends on the settings of the estimator more than on the activity.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        self.tau_ms.is_some() && (!self.reached_floor || self.at_bound)
    }
}

/// Correlation of the activity of areas.
#[derive(Debug, Clone)]
pub struct Connectivity {
    /// [area, area], Pearson correlation.
    pub correlation: Array2<f64>,
}

/// Eigenmodes of the linearised network, slowest first.
#[derive(Debug, Clone)]
pub struct ModeTable {
    /// Real parts, 1/ms.
    pub real: Vec<f64>,
    /// Imaginary parts, 1/ms.
    pub imag: Vec<f64>,
    /// -1 / real part, ms.
    pub timescale_ms: Vec<f64>,
    /// Inverse participation ratio over the areas' components of the chosen variable; NaN where it has none.
    pub participation: Vec<f64>,
}

/// Refuses measures that the experiment cannot give, before the first step.
///
/// # Errors
/// What is unknown, not recorded, or driven by nothing, with its place in the config.
pub fn check(network: &Network, spec: &ExperimentSpec) -> Result<(), SpecError> {
    let analysis = &spec.analysis;
    let exact = [
        (
            "analysis.timescales",
            analysis.timescales.as_ref().map(|t| t.method),
        ),
        (
            "analysis.functional_connectivity",
            analysis.functional_connectivity.as_ref().map(|f| f.method),
        ),
        (
            "analysis.modes",
            analysis.modes.as_ref().map(|_| Method::Exact),
        ),
    ];
    for (path, method) in exact {
        if method == Some(Method::Exact) {
            refuse_delays(network, spec, path)?;
        }
    }
    if let Some(t) = &analysis.timescales {
        variable(network, spec, "analysis.timescales", &t.variable, t.method)?;
        driving_noise(
            network,
            spec,
            "analysis.timescales",
            t.method,
            t.drive.as_ref(),
        )?;
    }
    if let Some(f) = &analysis.functional_connectivity {
        let path = "analysis.functional_connectivity";
        variable(network, spec, path, &f.variable, f.method)?;
        driving_noise(network, spec, path, f.method, f.drive.as_ref())?;
    }
    if let Some(name) = &analysis.modes {
        variable(network, spec, "analysis.modes", name, Method::Exact)?;
    }
    trials::check(network, spec)?;
    if let Some(d) = &analysis.delay_activity {
        threshold(network, spec, d)?;
    }
    if let Some(l) = &analysis.latencies {
        let path = "analysis.latencies";
        variable(network, spec, path, &l.variable, Method::Simulated)?;
        onset_ms(network, spec, l)?;
    }
    if let Some(map) = &analysis.hierarchy {
        network.check_gradient(spec, "analysis.hierarchy", map)?;
    }
    Ok(())
}

/// Whether a measure needs the activity of all replicates.
#[must_use]
pub fn needs_recording(spec: &ExperimentSpec) -> bool {
    let a = &spec.analysis;
    a.timescales
        .as_ref()
        .is_some_and(|t| t.method == Method::Simulated)
        || a.functional_connectivity
            .as_ref()
            .is_some_and(|f| f.method == Method::Simulated)
        || a.delay_activity.is_some()
        || a.latencies.is_some()
        || spec.task.is_some()
}

/// What delay activity has to exceed its baseline by, in the unit of the variable.
fn threshold(
    network: &Network,
    spec: &ExperimentSpec,
    wanted: &DelayActivitySpec,
) -> Result<f64, SpecError> {
    let path = "analysis.delay_activity";
    let v = variable(network, spec, path, &wanted.variable, Method::Simulated)?;
    let above = (wanted.persistent_above).in_unit_of(network.info().variables[v].unit);
    above.map_err(|e| (spec.config).error(&format!("{path}.persistent_above"), e.to_string()))
}

/// Onset of the stimulus from which latencies count, ms.
fn onset_ms(
    network: &Network,
    spec: &ExperimentSpec,
    wanted: &LatenciesSpec,
) -> Result<f64, SpecError> {
    let known = || network.stimuli.iter().map(|s| s.name.as_str());
    let found = network.stimuli.iter().find(|s| s.name == wanted.stimulus);
    found.map(|s| s.onset_ms).ok_or_else(|| {
        let message = format!(
            "unknown stimulus: found `{}`, expected one of {}",
            wanted.stimulus,
            known().collect::<Vec<_>>().join(", ")
        );
        (spec.config).error("analysis.latencies.stimulus", message)
    })
}

/// Index of the variable a measure is about: recorded, or a state for the exact route.
pub(super) fn variable(
    network: &Network,
    spec: &ExperimentSpec,
    path: &str,
    name: &str,
    method: Method,
) -> Result<usize, SpecError> {
    let info = network.info();
    let path = format!("{path}.variable");
    let known: Vec<&str> = match method {
        Method::Exact => info.variables[..info.states]
            .iter()
            .map(|v| v.name)
            .collect(),
        Method::Simulated => spec.run.variables.iter().map(String::as_str).collect(),
    };
    if !known.contains(&name) {
        let kind = match method {
            Method::Exact => "state",
            Method::Simulated => "recorded variable",
        };
        let known = known.join(", ");
        let message = format!("unknown {kind}: found `{name}`, expected one of {known}");
        return Err(spec.config.error(&path, message));
    }
    info.variable(name).ok_or_else(|| {
        spec.config
            .error(&path, format!("unknown variable: found `{name}`"))
    })
}

/// The noise that drives an exact measure: its own, or that of the experiment. `path` is the key path
/// of the measure.
///
/// # Errors
/// What is unknown in the measure's own noise; an exact measure that nothing drives.
pub fn driving_noise(
    network: &Network,
    spec: &ExperimentSpec,
    path: &str,
    method: Method,
    own: Option<&crate::spec::Named<crate::spec::NoiseSpec>>,
) -> Result<Vec<Noise>, SpecError> {
    let noise = match own {
        Some(sources) => network.resolve_noise(spec, &format!("{path}.drive"), sources)?,
        None => network.noise.clone(),
    };
    if method == Method::Exact && noise.iter().all(|n| n.sd == 0.0 || n.areas.is_empty()) {
        let message = "nothing drives the network: found no noise, expected `noise:` in the \
                       experiment or `drive:` here"
            .to_owned();
        return Err(spec.config.error(path, message));
    }
    if method == Method::Exact
        && let Some(source) = noise.iter().find(|n| n.times.is_some())
    {
        let message = format!(
            "no exact route: found noise `{}`, which a variable multiplies, expected noise that enters \
             linearly, or `method: simulated`",
            source.name
        );
        return Err(spec.config.error(path, message));
    }
    Ok(noise)
}

/// Refuses exact measures of a network with delays: its linearisation has infinitely many modes.
fn refuse_delays(network: &Network, spec: &ExperimentSpec, path: &str) -> Result<(), SpecError> {
    if !network.is_delayed() {
        return Ok(());
    }
    let message = "no exact route with delays: found projections with `delay`, expected none, or \
                   `method: simulated`";
    Err(spec.config.error(path, message.to_owned()))
}

/// A linear stochastic system dz = J z dt + dW with intensity Q: the network's states, then one
/// state for every coloured noise.
#[derive(Debug, Clone)]
pub struct LinearNetwork {
    /// Jacobian, [1/ms].
    pub jacobian: Array2<f64>,
    /// Noise intensity, [unit of state² / ms].
    pub intensity: Array2<f64>,
}

/// The network linearised at its baseline (`[position][variable]`) and driven by `noise`. Means of the
/// noise do not move the point of linearisation.
///
/// White noise of intensity S in input u adds g gᵀ S, with g the gain from u to the states; an
/// Ornstein–Uhlenbeck source of stationary SD s and time constant τ is a state of its own with
/// dy = -y/τ dt + s sqrt(2/τ) dW that reaches the others through g.
#[must_use]
pub fn linear_network(plan: &Plan, baseline: &[f64], noise: &[Noise]) -> LinearNetwork {
    let linear = linearise(plan, baseline);
    let info = plan.circuit.info();
    let (inputs, states) = (info.inputs.len(), info.states);
    let n = linear.jacobian.nrows();
    let coloured: usize = noise
        .iter()
        .filter(|s| matches!(s.memory, Memory::Ou { .. }))
        .map(|s| s.areas.len())
        .sum();
    let size = n + coloured;
    let mut jacobian = Array2::zeros((size, size));
    jacobian.slice_mut(s![..n, ..n]).assign(&linear.jacobian);
    let mut intensity = Array2::<f64>::zeros((size, size));
    let mut next = n;
    for source in noise {
        for (area, _) in &source.areas {
            let gain = match source.target {
                Target::Input(i) => linear
                    .input_gain
                    .column(area.index() * inputs + i)
                    .to_owned(),
                Target::State(v) => {
                    let mut unit = Array1::zeros(n);
                    unit[area.index() * states + v] = 1.0;
                    unit
                }
            };
            match source.memory {
                Memory::White { bin_ms } => {
                    let strength = source.sd * source.sd * bin_ms;
                    for (i, a) in gain.iter().enumerate().filter(|(_, a)| **a != 0.0) {
                        for (j, b) in gain.iter().enumerate() {
                            intensity[[i, j]] += a * b * strength;
                        }
                    }
                }
                Memory::Ou { tau_ms } => {
                    jacobian.slice_mut(s![..n, next]).assign(&gain);
                    jacobian[[next, next]] = -1.0 / tau_ms;
                    intensity[[next, next]] = 2.0 * source.sd * source.sd / tau_ms;
                    next += 1;
                }
            }
        }
    }
    LinearNetwork {
        jacobian,
        intensity,
    }
}

/// Stationary covariance of the linear network, states numbered as in
/// [`Linearised`](crate::stepper::linear::Linearised).
///
/// # Errors
/// An unstable network.
pub fn exact_covariance(linear: &LinearNetwork) -> Result<Lyapunov, AnalysisError> {
    lyapunov::covariance(linear.jacobian.view(), linear.intensity.view())
}

/// Timescales by the exact route or from the recording, in the order of the recorded areas.
///
/// # Errors
/// An unstable network, a recording too short for the lags, a variable that is not there.
pub fn timescales_of(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    wanted: &TimescalesSpec,
    baseline: &[f64],
    recording: Option<&Recording>,
) -> Result<Vec<TimescaleRow>, EngineError> {
    let path = "analysis.timescales";
    let v = variable(network, spec, path, &wanted.variable, wanted.method)?;
    let failed = |source| EngineError::Analysis {
        measure: "timescales".to_owned(),
        source,
    };
    let options = FitOptions {
        max_lag_ms: wanted.max_lag_ms,
        ..FitOptions::default()
    };
    match (wanted.method, recording) {
        (Method::Exact, _) => {
            let noise = driving_noise(network, spec, path, wanted.method, wanted.drive.as_ref())?;
            let linear = linear_network(plan, baseline, &noise);
            let covariance = exact_covariance(&linear).map_err(failed)?.covariance;
            let states = plan.circuit.info().states;
            let index = |a: &crate::ids::AreaId| a.index() * states + v;
            let indices: Vec<usize> = plan.record.areas.iter().map(index).collect();
            // An area that no noise reaches has no variance and so no timescale.
            let reached: Vec<usize> = indices
                .iter()
                .copied()
                .filter(|&i| covariance[[i, i]] > 0.0)
                .collect();
            let count = (wanted.max_lag_ms / EXACT_LAG_MS).floor() as usize;
            let lags: Vec<f64> = (0..=count).map(|k| k as f64 * EXACT_LAG_MS).collect();
            let acf = lyapunov::autocorrelations(
                linear.jacobian.view(),
                covariance.view(),
                &reached,
                &lags,
            )
            .map_err(failed)?;
            let row = |index: &usize| match reached.iter().position(|r| r == index) {
                Some(k) => fitted(&lags, &acf.column(k).to_vec(), &options),
                None => Ok(NO_TIMESCALE),
            };
            let rows: Result<Vec<_>, _> = indices.par_iter().map(row).collect();
            rows.map_err(failed)
        }
        (Method::Simulated, Some(recording)) => {
            let Some(k) = plan.record.variables.iter().position(|&r| r == v) else {
                let message = format!("not recorded: found `{}`", wanted.variable);
                return Err(spec.config.error(path, message).into());
            };
            let dt = plan.record.every as f64 * plan.dt_ms;
            let first = first_sample(plan, wanted.after_ms);
            let series = recording.variables[k].slice(s![.., first.., ..]);
            simulated_timescales(series, dt, &options).map_err(failed)
        }
        (Method::Simulated, None) => {
            let message = "no recording: `method: simulated` needs a run".to_owned();
            Err(spec.config.error(path, message).into())
        }
    }
}

const NO_TIMESCALE: TimescaleRow = TimescaleRow {
    tau_ms: None,
    exponentials: 0,
    reached_floor: false,
    at_bound: false,
};

fn fitted(lags: &[f64], acf: &[f64], options: &FitOptions) -> Result<TimescaleRow, AnalysisError> {
    let fit = match fit_decay(lags, acf, options) {
        // Faster than one lag: there is a decay, but the sampling is too coarse to see it.
        Err(AnalysisError::TooFew { .. }) => return Ok(NO_TIMESCALE),
        other => other?,
    };
    let exponentials = match fit.kind {
        FitKind::Single => 1,
        FitKind::Double => 2,
    };
    let tau_ms = Some(fit.tau_ms);
    Ok(TimescaleRow {
        tau_ms,
        exponentials,
        reached_floor: fit.reached_floor,
        at_bound: fit.at_bound,
    })
}

/// First sample that does not lie before a time.
fn first_sample(plan: &Plan, after_ms: f64) -> usize {
    let step = nearest_step(after_ms, plan.dt_ms);
    let sample = step
        .saturating_sub(plan.record.first)
        .div_ceil(plan.record.every);
    sample.min(plan.record.samples) as usize
}

/// The replicates that stayed finite: at least one.
fn finite(series: ArrayView3<'_, f64>) -> Result<Vec<usize>, AnalysisError> {
    let all = series.outer_iter().enumerate();
    let kept: Vec<usize> = all
        .filter(|(_, r)| r.iter().all(|x| x.is_finite()))
        .map(|(k, _)| k)
        .collect();
    if kept.is_empty() {
        return Err(AnalysisError::TooFew {
            what: "replicates that stayed finite",
            found: 0,
            expected: 1,
        });
    }
    Ok(kept)
}

/// Timescales of recorded activity, [replicate, time, area] sampled every `dt_ms`: the
/// autocorrelation of each area is averaged over the replicates that stayed finite, and fitted.
///
/// # Errors
/// Fewer samples than two, values that are not finite.
pub fn simulated_timescales(
    series: ArrayView3<'_, f64>,
    dt_ms: f64,
    options: &FitOptions,
) -> Result<Vec<TimescaleRow>, AnalysisError> {
    let (_, samples, areas) = series.dim();
    let replicates = finite(series)?;
    // The estimate at lags near the length of the series rests on a handful of products.
    let max_lag =
        ((options.max_lag_ms / dt_ms).floor() as usize).min(samples.saturating_sub(1) / 2);
    let lags: Vec<f64> = (0..=max_lag).map(|k| k as f64 * dt_ms).collect();
    (0..areas)
        .into_par_iter()
        .map(|area| {
            let mut mean = vec![0.0; lags.len()];
            for &replicate in &replicates {
                let x = series.slice(s![replicate, .., area]).to_vec();
                let acf = match autocorrelation(&x, max_lag) {
                    Err(AnalysisError::Constant { .. }) => return Ok(NO_TIMESCALE),
                    other => other?,
                };
                mean.iter_mut()
                    .zip(&acf)
                    .for_each(|(m, a)| *m += a / replicates.len() as f64);
            }
            mean[0] = 1.0; // every term is 1 there; the sum of 1/n is so only to round-off
            fitted(&lags, &mean, options)
        })
        .collect()
}

/// Functional connectivity of the recorded areas, exact or from the recording.
///
/// # Errors
/// As [`timescales_of`].
pub fn connectivity_of(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    wanted: &FcSpec,
    baseline: &[f64],
    recording: Option<&Recording>,
) -> Result<Connectivity, EngineError> {
    let path = "analysis.functional_connectivity";
    let v = variable(network, spec, path, &wanted.variable, wanted.method)?;
    let failed = |source| EngineError::Analysis {
        measure: "functional connectivity".to_owned(),
        source,
    };
    let areas = &plan.record.areas;
    let correlation = match (wanted.method, recording) {
        (Method::Exact, _) => {
            let noise = driving_noise(network, spec, path, wanted.method, wanted.drive.as_ref())?;
            let linear = linear_network(plan, baseline, &noise);
            let covariance = exact_covariance(&linear).map_err(failed)?.covariance;
            let states = plan.circuit.info().states;
            let at = |k: usize| areas[k].index() * states + v;
            let part = Array2::from_shape_fn((areas.len(), areas.len()), |(i, j)| {
                covariance[[at(i), at(j)]]
            });
            fc::from_covariance(part.view()).map_err(failed)?
        }
        (Method::Simulated, Some(recording)) => {
            let Some(k) = plan.record.variables.iter().position(|&r| r == v) else {
                let message = format!("not recorded: found `{}`", wanted.variable);
                return Err(spec.config.error(path, message).into());
            };
            let first = first_sample(plan, wanted.after_ms);
            simulated_connectivity(recording.variables[k].slice(s![.., first.., ..]))
                .map_err(failed)?
        }
        (Method::Simulated, None) => {
            let message = "no recording: `method: simulated` needs a run".to_owned();
            return Err(spec.config.error(path, message).into());
        }
    };
    Ok(Connectivity { correlation })
}

/// Correlation matrix of recorded activity, [replicate, time, area], averaged over the replicates that
/// stayed finite.
///
/// # Errors
/// Fewer than two samples, an area that does not vary.
pub fn simulated_connectivity(series: ArrayView3<'_, f64>) -> Result<Array2<f64>, AnalysisError> {
    let areas = series.dim().2;
    let replicates = finite(series)?;
    let mut mean = Array2::zeros((areas, areas));
    for &replicate in &replicates {
        let one = fc::correlation(series.slice(s![replicate, .., ..]))?;
        mean = mean + one / replicates.len() as f64;
    }
    mean.diag_mut().fill(1.0);
    Ok(mean)
}

/// Functional connectivity dynamics of recorded activity, [replicate, time, area], of every replicate that stayed
/// finite: `analysis::fcd::dynamics` with windows of `window` samples, `step` apart.
///
/// # Errors
/// As there.
pub fn connectivity_dynamics(
    series: ArrayView3<'_, f64>,
    window: usize,
    step: usize,
) -> Result<Vec<Array2<f64>>, AnalysisError> {
    let of = |k: usize| fcd::dynamics(series.slice(s![k, .., ..]), window, step);
    finite(series)?.into_iter().map(of).collect()
}

/// Power spectral density of every area of recorded activity, [replicate, time, area], by
/// `analysis::spectrum::welch`, averaged over the replicates that stayed finite.
///
/// # Errors
/// As there.
pub fn spectra(
    series: ArrayView3<'_, f64>,
    dt_ms: f64,
    segment: usize,
) -> Result<Vec<Spectrum>, AnalysisError> {
    let replicates = finite(series)?;
    let of_area = |area: usize| {
        let of = |&k: &usize| welch(&series.slice(s![k, .., area]).to_vec(), dt_ms, segment);
        let mut all = replicates.iter().map(of);
        let mut mean = all.next().expect("a finite replicate")?;
        for one in all {
            let both = mean.density.iter_mut().zip(one?.density);
            both.for_each(|(sum, p)| *sum += p);
        }
        let count = replicates.len() as f64;
        mean.density.iter_mut().for_each(|p| *p /= count);
        Ok(mean)
    };
    (0..series.dim().2).map(of_area).collect()
}

/// The measures that need no activity: modes, and what is asked for by the exact method. Taken
/// before a run, so that an unstable network is refused at the start. `baseline` is
/// `[position][variable]`.
///
/// # Errors
/// As [`timescales_of`].
pub fn measure_network(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    baseline: &[f64],
) -> Result<Measures, EngineError> {
    let analysis = &spec.analysis;
    let mut out = Measures::default();
    if let Some(wanted) = &analysis.timescales
        && wanted.method == Method::Exact
    {
        out.timescales = Some(timescales_of(network, plan, spec, wanted, baseline, None)?);
    }
    if let Some(wanted) = &analysis.functional_connectivity
        && wanted.method == Method::Exact
    {
        let fc = connectivity_of(network, plan, spec, wanted, baseline, None)?;
        out.functional_connectivity = Some(fc);
    }
    if let Some(name) = &analysis.modes {
        let v = variable(network, spec, "analysis.modes", name, Method::Exact)?;
        let modes = modes(plan, baseline).map_err(|source| EngineError::Analysis {
            measure: "modes".to_owned(),
            source,
        })?;
        out.modes = Some(mode_table(plan, &modes, v));
    }
    Ok(out)
}

/// The measures that need the recorded activity, added to those of [`measure_network`].
///
/// # Errors
/// As [`timescales_of`].
pub fn measure_recording(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    baseline: &[f64],
    recording: &Recording,
    out: &mut Measures,
) -> Result<(), EngineError> {
    let analysis = &spec.analysis;
    out.peaks = peaks_from_onset(network, plan, spec, baseline, recording);
    if let Some(wanted) = &analysis.timescales
        && wanted.method == Method::Simulated
    {
        let all = Some(recording);
        out.timescales = Some(timescales_of(network, plan, spec, wanted, baseline, all)?);
    }
    if let Some(wanted) = &analysis.functional_connectivity
        && wanted.method == Method::Simulated
    {
        let all = Some(recording);
        let fc = connectivity_of(network, plan, spec, wanted, baseline, all)?;
        out.functional_connectivity = Some(fc);
    }
    out.trials = trials::trial_table(network, spec, recording)?;
    if let Some(wanted) = &analysis.delay_activity {
        let rows = delay_activity_of(network, plan, spec, wanted, recording)?;
        out.delay_activity = Some(rows);
    }
    if let Some(wanted) = &analysis.latencies {
        out.latencies = Some(latencies_of(network, plan, spec, wanted, recording)?);
    }
    Ok(())
}

/// Activity of every recorded area averaged over the replicates that stayed finite.
fn mean_series(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    path: &str,
    name: &str,
    recording: &Recording,
) -> Result<Vec<Vec<f64>>, EngineError> {
    let v = variable(network, spec, path, name, Method::Simulated)?;
    let Some(k) = plan.record.variables.iter().position(|&r| r == v) else {
        let message = format!("not recorded: found `{name}`");
        return Err(spec.config.error(path, message).into());
    };
    let all = recording.variables[k].view();
    let kept = finite(all).map_err(|source| EngineError::Analysis {
        measure: path.to_owned(),
        source,
    })?;
    let mean =
        |a: usize, t: usize| kept.iter().map(|&r| all[[r, t, a]]).sum::<f64>() / kept.len() as f64;
    let samples = recording.time_ms.len();
    let areas = 0..plan.record.areas.len();
    Ok(areas
        .map(|a| (0..samples).map(|t| mean(a, t)).collect())
        .collect())
}

/// Delay activity of the recorded areas: mean over replicates of the means over both windows.
///
/// # Errors
/// A variable that is not recorded, a threshold in another unit, no replicate that stayed finite.
pub fn delay_activity_of(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    wanted: &DelayActivitySpec,
    recording: &Recording,
) -> Result<Vec<DelayActivity>, EngineError> {
    let path = "analysis.delay_activity";
    let above = threshold(network, spec, wanted)?;
    let series = mean_series(network, plan, spec, path, &wanted.variable, recording)?;
    let row = |x: &Vec<f64>| {
        let mean = |w: Window| stats::mean(&x[spec.run.samples_in(w.from_ms, w.to_ms)]);
        let (baseline, delay) = (mean(wanted.baseline)?, mean(wanted.delay)?);
        Ok(DelayActivity {
            baseline,
            delay,
            persistent: delay - baseline > above,
        })
    };
    let rows: Result<Vec<_>, AnalysisError> = series.iter().map(row).collect();
    rows.map_err(|source| EngineError::Analysis {
        measure: path.to_owned(),
        source,
    })
}

/// Latency of the recorded areas after the onset of a stimulus, ms, from the mean over replicates.
///
/// # Errors
/// As [`delay_activity_of`]; a stimulus that is not there.
pub fn latencies_of(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    wanted: &LatenciesSpec,
    recording: &Recording,
) -> Result<Vec<Option<f64>>, EngineError> {
    let path = "analysis.latencies";
    let onset = onset_ms(network, spec, wanted)?;
    let series = mean_series(network, plan, spec, path, &wanted.variable, recording)?;
    let (time, w) = (&recording.time_ms, wanted.baseline);
    let row = |x: &Vec<f64>| {
        let baseline = stats::mean(&x[spec.run.samples_in(w.from_ms, w.to_ms)])?;
        response::latency(x, time, baseline, onset, wanted.fraction)
    };
    let rows: Result<Vec<_>, AnalysisError> = series.iter().map(row).collect();
    rows.map_err(|source| EngineError::Analysis {
        measure: path.to_owned(),
        source,
    })
}

/// The run that tables and figures show: the first, of a task a trial with all that happens or its session.
#[must_use]
pub fn example(network: &Network) -> usize {
    let trial = network.trials.as_ref().zip(network.example());
    trial.map_or(0, |(t, shown)| t.trials[shown].run as usize)
}

/// Largest departure from baseline of the first recorded variable, per recorded area, in one replicate, from a
/// sample on.
#[must_use]
pub fn peaks(
    plan: &Plan,
    baseline: &[f64],
    recording: &Recording,
    replicate: usize,
    first: usize,
) -> Vec<Peak> {
    let variables = plan.circuit.info().variables.len();
    let times = &recording.time_ms;
    let values = recording.variables[0].slice(s![replicate, first.., ..]);
    let peak = |(k, area): (usize, &crate::ids::AreaId)| {
        let base = baseline[plan.position[area.index()] * variables + plan.record.variables[0]];
        match peaks::peak(&values.column(k).to_vec(), base) {
            Ok(p) => Peak {
                value: p.value,
                time_ms: times[first + p.index],
            },
            // Only a diverged replicate, or an area that is lesioned in it, has no peak.
            Err(_) => Peak {
                value: f64::NAN,
                time_ms: f64::NAN,
            },
        }
    };
    plan.record.areas.iter().enumerate().map(peak).collect()
}

/// When the first stimulus of a run begins, ms; currents that belong to perturbations count for nothing.
fn first_onset_ms(network: &Network, spec: &ExperimentSpec, run: u32) -> Option<f64> {
    let own = network.of_run(run).stimuli.iter();
    let own = own.filter(|s| spec.stimuli.contains_key(&s.name));
    let shown = network.shown_in(run);
    let all = own.chain(&shown).filter(|s| s.amplitude != 0.0);
    all.map(|s| s.onset_ms).reduce(f64::min)
}

/// Where peaks begin to count in runs that are taken together, or in their mean: at the first stimulus of any, since
/// the start of a run need not be at rest. Where the baseline is only where runs start, they are departures from
/// what areas showed then. `time_ms`: times of the samples.
#[must_use]
pub fn peak_start(
    network: &Network,
    spec: &ExperimentSpec,
    time_ms: &[f64],
    runs: &[usize],
) -> PeakStart {
    let onsets = runs
        .iter()
        .map(|run| first_onset_ms(network, spec, *run as u32));
    let onsets: Vec<Option<f64>> = onsets.collect();
    let onset_ms = onsets.iter().copied().flatten().reduce(f64::min);
    // Half a step early, since times are products of steps.
    let sample = onset_ms.map_or(0, |ms| {
        time_ms.partition_point(|t| *t < ms - spec.run.dt_ms / 2.0)
    });
    let is_recorded = sample < time_ms.len();
    let all_shown = onsets.iter().all(Option::is_some);
    PeakStart {
        onset_ms,
        sample: if is_recorded { sample } else { 0 },
        is_base: spec.solve == Solve::Nothing && all_shown && is_recorded,
    }
}

/// The baseline with what the first recorded variable was in one run at a sample.
fn state_at(
    plan: &Plan,
    baseline: &[f64],
    recording: &Recording,
    run: usize,
    sample: usize,
) -> Vec<f64> {
    let variables = plan.circuit.info().variables.len();
    let mut out = baseline.to_vec();
    let row = recording.variables[0].slice(s![run, sample, ..]);
    for (area, x) in plan.record.areas.iter().zip(row) {
        out[plan.position[area.index()] * variables + plan.record.variables[0]] = *x;
    }
    out
}

/// Peaks from the first stimulus on, of the first run, or means over the trials of the condition of
/// [`example`].
fn peaks_from_onset(
    network: &Network,
    plan: &Plan,
    spec: &ExperimentSpec,
    baseline: &[f64],
    recording: &Recording,
) -> Peaks {
    let example = example(network);
    let trials = network.trials.as_ref();
    let runs: Vec<usize> = match trials.zip(network.example()) {
        Some((trials, shown)) if !trials.sessions => {
            let condition = trials.trials[shown].condition;
            let all = trials.trials.iter().filter(|t| t.condition == condition);
            all.map(|t| t.run as usize).collect()
        }
        _ => vec![example],
    };
    let times = &recording.time_ms;
    let start = |run: &usize| peak_start(network, spec, times, &[*run]);
    let starts: Vec<PeakStart> = runs.iter().map(start).collect();
    let from_onset = starts.iter().all(|start| start.is_base);
    let of_run: Vec<Vec<Peak>> = (runs.iter().zip(&starts))
        .map(|(&run, &PeakStart { sample, .. })| match from_onset {
            false => peaks(plan, baseline, recording, run, sample),
            true => {
                let at_onset = state_at(plan, baseline, recording, run, sample);
                peaks(plan, &at_onset, recording, run, sample)
            }
        })
        .collect();
    let of_area = |k: usize, of: fn(&Peak) -> f64| -> Vec<f64> {
        let all = of_run.iter().map(|rows| of(&rows[k]));
        all.filter(|x| x.is_finite()).collect()
    };
    let areas = 0..plan.record.areas.len();
    let row = |k: usize| Peak {
        value: stats::mean(&of_area(k, |p| p.value)).unwrap_or(f64::NAN),
        time_ms: stats::mean(&of_area(k, |p| p.time_ms)).unwrap_or(f64::NAN),
    };
    Peaks {
        rows: areas.clone().map(row).collect(),
        sd: areas
            .map(|k| stats::sd(&of_area(k, |p| p.value)).ok())
            .collect(),
        from_ms: starts.first().and_then(|start| start.onset_ms),
        from_onset,
        trials: match trials {
            Some(trials) if !trials.sessions => runs.len(),
            _ => 0,
        },
    }
}

/// Eigenmodes of the network linearised at its baseline (`[position][variable]`), slowest first.
///
/// # Errors
/// A Jacobian that is not finite.
pub fn modes(plan: &Plan, baseline: &[f64]) -> Result<Modes, AnalysisError> {
    eigenmodes(linearise(plan, baseline).jacobian.view())
}

/// Eigenvalues, timescales and inverse participation ratios over the areas' components of state
/// variable `v`.
#[must_use]
pub fn mode_table(plan: &Plan, modes: &Modes, v: usize) -> ModeTable {
    let states = plan.circuit.info().states;
    let indices: Vec<usize> = (0..plan.n_areas()).map(|a| a * states + v).collect();
    let ratio = |k| {
        modes
            .inverse_participation_ratio(k, &indices)
            .unwrap_or(f64::NAN)
    };
    ModeTable {
        real: modes.re().to_vec(),
        imag: modes.im().to_vec(),
        timescale_ms: modes.timescales_ms(),
        participation: (0..modes.len()).map(ratio).collect(),
    }
}
