//! One experiment, run as far as the measures need it.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array2;
use rayon::prelude::*;

use super::recordings::{Comparison, bundled_recordings, compare_lab, load_recordings};
use super::targets::{BoldFeature, Measure, Part};
use super::unrolled::{discrimination, hopfield_overlap, n_back_accuracy};
use crate::analysis::bold::Haemodynamics;
use crate::analysis::cycle::frequency_hz;
use crate::analysis::modes::{Modes, eigenmodes};
use crate::analysis::timescale::decay_to;
use crate::analysis::{AnalysisError, stats};
use crate::artificial::hopfield;
use crate::artificial::n_back::NBack;
use crate::artificial::unroll::Form;
use crate::engine::{
    self, Choice, Conditions, DelayActivity, EngineError, LinearNetwork, Peak, Quiet,
    ReadoutValues, Recording, TimescaleRow,
};
use crate::ids::AreaId;
use crate::network::{DataSets, Network, NetworkError};
use crate::plan::{Execution, Plan};
use crate::spec::{
    self, Areas, ExperimentSpec, LesionBackground, LesionSpec, LostStimuli, ShuffleKind,
    ShuffleSpec, SpecError,
};
use crate::stepper::linear::{NoFixedPoint, baseline_state, fixed_point, linearise, start_from};
use crate::units::{Dimension, Quantity};

/// What a measure gives.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Names of areas.
    Names(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(x) => write!(f, "{x:.6}"),
            Value::Names(names) => f.write_str(&names.join(", ")),
        }
    }
}

/// A number that every area has.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PerArea {
    /// Its timescale, ms, as the experiment's `analysis.timescales` says.
    Timescale,
    /// Its latency, ms, as the experiment's `analysis.latencies` says.
    Latency,
    /// A variable at the baseline, in its unit.
    Baseline {
        /// Variable.
        variable: String,
    },
    /// Mean of a recorded variable over replicates and a span of time, in its unit.
    Mean {
        /// Variable.
        variable: String,
        /// First moment.
        from: Quantity,
        /// First moment that no longer belongs to it.
        to: Quantity,
    },
}

/// Why a measure could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The experiment cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The experiment or the target is faulty.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The run failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No fixed point was found.
    #[error(transparent)]
    NoFixedPoint(#[from] NoFixedPoint),
    /// A measure failed.
    #[error(transparent)]
    Analysis(#[from] AnalysisError),
    /// The measure does not fit the experiment.
    #[error("measure does not fit: {0}")]
    Misfit(String),
    /// Any of these, with the target it happened in.
    #[error("target {id}: {source}")]
    Target {
        /// Identifier of the target.
        id: String,
        /// What happened.
        source: Box<LabError>,
    },
}

impl LabError {
    /// Whether the person asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        match self {
            LabError::Engine(EngineError::Interrupted) => true,
            LabError::Target { source, .. } => source.is_interrupted(),
            _ => false,
        }
    }

    pub(super) fn of(self, id: &str) -> LabError {
        LabError::Target {
            id: id.to_owned(),
            source: Box::new(self),
        }
    }
}

/// Pearson's correlation over the areas whose mean exceeds a value.
fn correlation_above(least: f64, x: &[f64], means: &[f64]) -> Result<f64, LabError> {
    let pairs = x.iter().zip(means).filter(|(_, m)| **m > least);
    let (x, y): (Vec<f64>, Vec<f64>) = pairs.map(|(x, m)| (*x, *m)).unzip();
    Ok(stats::pearson(&x, &y)?)
}

pub(super) fn misfit(message: impl Into<String>) -> LabError {
    LabError::Misfit(message.into())
}

/// One experiment with what has been computed of it.
pub struct Lab {
    spec: ExperimentSpec,
    network: Network,
    plan: Plan,
    threads: usize,
    baseline: Option<Vec<f64>>,
    recording: Option<Recording>,
    timescales: Option<Vec<TimescaleRow>>,
    modes: Option<Modes>,
    shuffles: Vec<(ShuffleKey, Vec<Option<f64>>)>,
    /// Fixed points, with the end of their scan.
    fixed_points: Option<(Option<Quantity>, Vec<Vec<f64>>)>,
}

/// Which shuffled networks: projection, what is shuffled, how many.
type ShuffleKey = (String, String, u64);

/// Points at which the first state is started in a search for fixed points.
const SCAN_POINTS: usize = 60;
/// The same for the second state, at each point of the first.
const SECOND_POINTS: usize = 10;
/// Fixed points closer than this, relative to the scanned range, are one.
const SAME_POINT: f64 = 1e-6;

impl Lab {
    /// Builds an experiment; with `isolate`, only that area of it.
    ///
    /// # Errors
    /// What is wrong with the config, the data or the name of the area.
    pub fn new(
        experiment: &str,
        sets: &[String],
        isolate: Option<&str>,
        threads: usize,
    ) -> Result<Lab, LabError> {
        let spec = spec::load(experiment, sets)?;
        Self::of(spec, isolate, &DataSets::default(), threads)
    }

    /// The same of an experiment that was read, with data sets that were read for others.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn of(
        mut spec: ExperimentSpec,
        isolate: Option<&str>,
        data: &DataSets,
        threads: usize,
    ) -> Result<Lab, LabError> {
        if let Some(area) = isolate {
            let whole = Network::build_from(&spec, data)?;
            isolate_area(&mut spec, &whole, area)?;
        }
        Self::build(spec, data, threads)
    }

    fn from_spec(spec: ExperimentSpec, threads: usize) -> Result<Lab, LabError> {
        Self::build(spec, &DataSets::default(), threads)
    }

    fn build(spec: ExperimentSpec, data: &DataSets, threads: usize) -> Result<Lab, LabError> {
        let network = Network::build_from(&spec, data)?;
        let plan = Plan::compile(&network, &spec, Execution::default())?;
        engine::check_measures(&network, &spec)?;
        Ok(Lab {
            spec,
            network,
            plan,
            threads,
            baseline: None,
            recording: None,
            timescales: None,
            modes: None,
            shuffles: Vec::new(),
            fixed_points: None,
        })
    }

    fn area(&self, name: &str) -> Result<AreaId, LabError> {
        self.network
            .connectome
            .area_id(name)
            .map_err(|e| misfit(e.to_string()))
    }

    /// Place of an area among the recorded ones.
    pub(super) fn recorded(&self, name: &str) -> Result<usize, LabError> {
        self.place(self.area(name)?)
    }

    fn place(&self, id: AreaId) -> Result<usize, LabError> {
        let at = self.plan.record.areas.iter().position(|a| *a == id);
        at.ok_or_else(|| misfit(format!("{} is not recorded", self.plan.areas[id.index()])))
    }

    /// Areas by name; a group stands for its areas.
    fn named(&self, names: &[String]) -> Result<Vec<AreaId>, LabError> {
        let mut out = Vec::new();
        for name in names {
            let known = out.len();
            out.extend(self.network.connectome.group(name));
            if out.len() == known {
                out.push(self.area(name)?);
            }
        }
        Ok(out)
    }

    /// Places of areas among the recorded ones.
    fn places(&self, areas: &Areas) -> Result<Vec<usize>, LabError> {
        match areas.names() {
            None => Ok((0..self.plan.record.areas.len()).collect()),
            Some(names) => {
                let named = self.named(names)?.into_iter();
                named.map(|id| self.place(id)).collect()
            }
        }
    }

    /// Names of the recorded areas, in their order.
    pub(super) fn recorded_areas(&self) -> Vec<&str> {
        let areas = self.plan.record.areas.iter();
        areas.map(|a| self.plan.areas[a.index()].as_str()).collect()
    }

    /// Name of the data set.
    pub(super) fn data_set(&self) -> &str {
        &self.network.connectome.name
    }

    /// Delay activity of the recorded areas.
    pub(super) fn delay_activity(
        &mut self,
        stop: &AtomicBool,
    ) -> Result<Vec<DelayActivity>, LabError> {
        let wanted = self.spec.analysis.delay_activity.clone();
        let wanted =
            wanted.ok_or_else(|| misfit("no `analysis.delay_activity` in the experiment"))?;
        self.recording(stop)?;
        let Some(recording) = &self.recording else {
            return Err(misfit("no recording"));
        };
        let (network, plan, spec) = (&self.network, &self.plan, &self.spec);
        Ok(engine::delay_activity_of(
            network, plan, spec, &wanted, recording,
        )?)
    }

    /// Unit of delay activity.
    pub(super) fn delay_unit(&self) -> &'static str {
        let wanted = self.spec.analysis.delay_activity.as_ref();
        wanted.map_or("1", |w| self.network.info().unit(&w.variable))
    }

    /// Latencies of the recorded areas, ms.
    pub(super) fn latencies(&mut self, stop: &AtomicBool) -> Result<Vec<Option<f64>>, LabError> {
        let wanted = self.spec.analysis.latencies.clone();
        let wanted = wanted.ok_or_else(|| misfit("no `analysis.latencies` in the experiment"))?;
        self.recording(stop)?;
        let Some(recording) = &self.recording else {
            return Err(misfit("no recording"));
        };
        let (network, plan, spec) = (&self.network, &self.plan, &self.spec);
        Ok(engine::latencies_of(
            network, plan, spec, &wanted, recording,
        )?)
    }

    fn variable(&self, name: &str) -> Result<usize, LabError> {
        let info = self.network.info();
        info.variable(name)
            .ok_or_else(|| misfit(format!("{} has no variable {name}", info.name)))
    }

    /// Hierarchy of the recorded areas.
    fn hierarchy(&self) -> Result<Vec<f64>, LabError> {
        let map = self.spec.analysis.hierarchy.as_deref();
        let map = map.ok_or_else(|| misfit("the experiment states no `analysis.hierarchy`"))?;
        let gradient = self
            .network
            .connectome
            .gradient(map)
            .map_err(|e| misfit(e.to_string()))?;
        Ok(self
            .plan
            .record
            .areas
            .iter()
            .map(|a| gradient.values[a.index()])
            .collect())
    }

    fn baseline(&mut self) -> Result<&[f64], LabError> {
        if self.baseline.is_none() {
            self.baseline = Some(baseline_state(&self.plan)?);
        }
        Ok(self.baseline.as_deref().unwrap_or_default())
    }

    fn recording(&mut self, stop: &AtomicBool) -> Result<&Recording, LabError> {
        if self.recording.is_none() {
            let conditions = Conditions {
                threads: self.threads,
                stop,
                progress: &Quiet,
            };
            self.recording = Some(engine::simulate(&self.plan, &conditions)?);
        }
        self.recording
            .as_ref()
            .ok_or_else(|| misfit("no recording"))
    }

    /// Whether a measure needs the run, and not only the equations.
    #[must_use]
    pub fn needs_run(&self, measure: &Measure) -> bool {
        use Measure as M;
        match measure {
            M::Timescale { .. }
            | M::TimescaleMin
            | M::TimescaleMax
            | M::TimescaleHierarchyR2
            | M::TimescaleRankShift { .. }
            | M::AreasByTimescale { .. }
            | M::TimescaleRatio { .. } => self.simulates_timescales(),
            M::EigenTimescale { .. }
            | M::InverseParticipation { .. }
            | M::AreaEigenvalue { .. }
            | M::AreaTimescaleRankCorrelation
            | M::Baseline { .. }
            | M::BaselineMin { .. }
            | M::BaselineMax { .. }
            | M::SdRatio { .. }
            | M::ConnectivityFlnR2
            | M::LesionHierarchyR2
            | M::ShuffledSlowest { .. }
            | M::ShuffledUnstable { .. }
            | M::FixedPointCount
            | M::FixedPointsBelow { .. }
            | M::FixedPoint { .. }
            | M::FixedPointEigenvalue { .. }
            | M::Parameter { .. }
            | M::BistableAreas
            | M::BifurcationFactor { .. }
            | M::BifurcationParameter { .. }
            | M::GraphTelling { .. }
            | M::UnrolledDepth { .. }
            | M::UnrolledUntied
            | M::HopfieldOverlap { .. }
            | M::HopfieldCapacity
            | M::HopfieldRetrieval { .. }
            | M::HopfieldOneStepError { .. }
            | M::NBackAccuracy { .. }
            | M::GradientCorrelation { .. } => false,
            _ => true,
        }
    }

    /// Whether timescales are taken from the run.
    #[must_use]
    pub fn simulates_timescales(&self) -> bool {
        let wanted = self.spec.analysis.timescales.as_ref();
        wanted.is_some_and(|t| t.method == spec::Method::Simulated)
    }

    /// Bytes of the recording of a run.
    #[must_use]
    pub fn recording_bytes(&self) -> u64 {
        self.plan.record_bytes()
    }

    /// Runs of the experiment: replicates, or trials of a task.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.plan.replicates as usize
    }

    /// Checksums of the data set.
    #[must_use]
    pub fn data_digest(&self) -> String {
        self.network.connectome.provenance.digest()
    }

    /// Runs several experiments, side by side in the lanes where they differ in parameters, gains and stimuli
    /// alone, in the thread of the caller. Each has the bits of a run of its own. Returns for each whether it
    /// went well.
    ///
    /// # Errors
    /// Only of all of them: `stop` was set.
    pub fn run_together(
        labs: &mut [&mut Lab],
        stop: &AtomicBool,
    ) -> Result<Vec<Result<(), LabError>>, LabError> {
        let mut out: Vec<Result<(), LabError>> = (labs.iter_mut())
            .map(|lab| lab.baseline().map(|_| ()))
            .collect();
        let (mut ready, mut plans) = (Vec::new(), Vec::new());
        for (k, lab) in labs.iter().enumerate() {
            if out[k].is_ok() && lab.recording.is_none() {
                ready.push(k);
                plans.push(lab.plan.clone());
            }
        }
        let mut from = 0;
        while from < ready.len() {
            let (joined, count) = Plan::side_by_side(&plans[from..]);
            let members = &ready[from..from + count];
            let mut starts = Vec::new();
            for &k in members {
                let lab = &labs[k];
                let baseline = lab.baseline.as_deref().unwrap_or_default();
                starts.push(engine::starts(&lab.plan, start_from(&lab.plan, baseline)));
            }
            match starts.into_iter().collect::<Result<Vec<_>, _>>() {
                Ok(starts) => {
                    let starts: Vec<&[f64]> = starts.iter().flatten().map(Vec::as_slice).collect();
                    let all = engine::record_here(&joined, &starts, stop)?;
                    let runs = all.stops.len() / count;
                    for (place, &k) in members.iter().enumerate() {
                        let own = all.of_runs(place * runs..(place + 1) * runs);
                        let lab = &mut *labs[k];
                        match engine::all_diverged(&lab.plan, &own.stops) {
                            Some(error) => out[k] = Err(error.into()),
                            None => lab.recording = Some(own),
                        }
                    }
                }
                // The networks of a task's conditions: such a plan stands alone.
                Err(e) => out[members[0]] = Err(e.into()),
            }
            from += count;
        }
        Ok(out)
    }

    /// A number for each of some areas, in their order; none where an area has none.
    ///
    /// # Errors
    /// See [`LabError`]; an area that is not recorded.
    pub fn per_area(
        &mut self,
        what: &PerArea,
        areas: &[&str],
        stop: &AtomicBool,
    ) -> Result<Vec<Option<f64>>, LabError> {
        let places: Vec<usize> =
            (areas.iter().map(|name| self.recorded(name))).collect::<Result<_, _>>()?;
        let all: Vec<Option<f64>> = match what {
            PerArea::Timescale => self.timescales_where_any(stop)?,
            PerArea::Latency => self.latencies(stop)?,
            PerArea::Mean { variable, from, to } => {
                let means = self.window_means(variable, &Areas::All, *from, *to, stop)?;
                means.into_iter().map(Some).collect()
            }
            PerArea::Baseline { variable } => {
                let (v, variables) = (
                    self.variable(variable)?,
                    self.network.info().variables.len(),
                );
                let at: Vec<usize> = (self.plan.record.areas.iter())
                    .map(|a| self.plan.position[a.index()] * variables + v)
                    .collect();
                let baseline = self.baseline()?;
                at.into_iter().map(|at| Some(baseline[at])).collect()
            }
        };
        Ok(places.into_iter().map(|k| all[k]).collect())
    }

    fn peak(&mut self, area: &str, stop: &AtomicBool) -> Result<Peak, LabError> {
        let k = self.recorded(area)?;
        self.recording(stop)?;
        self.baseline()?;
        let (Some(recording), Some(baseline)) = (&self.recording, &self.baseline) else {
            return Err(misfit("no recording"));
        };
        nth(
            &engine::peaks(
                &self.plan,
                baseline,
                recording,
                engine::example(&self.network),
                0,
            ),
            k,
        )
    }

    fn timescales(&mut self, stop: &AtomicBool) -> Result<Vec<f64>, LabError> {
        let rows = self.timescales_where_any(stop)?.into_iter();
        rows.map(|t| t.ok_or_else(|| misfit("an area has no timescale")))
            .collect()
    }

    /// Timescales of the recorded areas, ms; none where an area's activity does not vary.
    pub(super) fn timescales_where_any(
        &mut self,
        stop: &AtomicBool,
    ) -> Result<Vec<Option<f64>>, LabError> {
        if self.timescales.is_none() {
            let wanted = self.spec.analysis.timescales.clone();
            let wanted = wanted.ok_or_else(|| misfit("no `analysis.timescales` in the config"))?;
            if wanted.method == spec::Method::Simulated {
                self.recording(stop)?;
            }
            self.baseline()?;
            let baseline = self.baseline.as_deref().unwrap_or_default();
            let rows = engine::timescales_of(
                &self.network,
                &self.plan,
                &self.spec,
                &wanted,
                baseline,
                self.recording.as_ref(),
            )?;
            self.timescales = Some(rows);
        }
        Ok(self.timescales.iter().flatten().map(|r| r.tau_ms).collect())
    }

    fn modes(&mut self) -> Result<&Modes, LabError> {
        if self.modes.is_none() {
            let baseline = self.baseline()?.to_vec();
            self.modes = Some(engine::modes(&self.plan, &baseline)?);
        }
        self.modes.as_ref().ok_or_else(|| misfit("no modes"))
    }

    /// Modes of one area's own block of the Jacobian.
    fn area_modes(&mut self, area: usize) -> Result<Modes, LabError> {
        let baseline = self.baseline()?.to_vec();
        let linear = linearise(&self.plan, &baseline);
        let states = self.network.info().states;
        let block = ndarray::s![
            area * states..(area + 1) * states,
            area * states..(area + 1) * states
        ];
        Ok(eigenmodes(linear.jacobian.slice(block))?)
    }

    /// Takes a measure.
    ///
    /// # Errors
    /// See [`LabError`].
    pub fn measure(&mut self, measure: &Measure, stop: &AtomicBool) -> Result<Value, LabError> {
        use Measure as M;
        let number = match measure {
            M::EigenTimescale { rank } => nth(&self.modes()?.timescales_ms(), *rank)?,
            M::InverseParticipation { rank } => {
                let states = self.network.info().states;
                let indices: Vec<usize> = (0..self.network.n_areas()).map(|a| a * states).collect();
                self.modes()?.inverse_participation_ratio(*rank, &indices)?
            }
            M::AreaEigenvalue { area, rank, part } => {
                let area = self.area(area)?.index();
                eigenvalue(&self.area_modes(area)?, *rank, *part)?
            }
            M::AreaTimescaleRankCorrelation => {
                let mut own = Vec::new();
                for area in self.plan.record.areas.clone() {
                    own.push(-1.0 / nth(self.area_modes(area.index())?.re(), 0)?);
                }
                stats::spearman(&self.hierarchy()?, &own)?
            }
            M::Baseline { area, variable } => {
                let (area, v) = (self.area(area)?, self.variable(variable)?);
                let at = self.plan.position[area.index()] * self.network.info().variables.len() + v;
                self.baseline()?[at]
            }
            M::BaselineMin { variable } => self
                .baseline_values(variable)?
                .into_iter()
                .fold(f64::INFINITY, f64::min),
            M::BaselineMax { variable } => self
                .baseline_values(variable)?
                .into_iter()
                .fold(f64::NEG_INFINITY, f64::max),
            M::Peak { area } => self.peak(area, stop)?.value,
            M::PeakRatio { area, to } => self.peak(area, stop)?.value / self.peak(to, stop)?.value,
            M::PeakTime { area } => self.peak(area, stop)?.time_ms,
            M::DecayTime { area, fraction } => {
                let k = self.recorded(area)?;
                self.decay_time(k, *fraction, stop)?
                    .unwrap_or(f64::INFINITY)
            }
            M::Timescale { area } => {
                let k = self.recorded(area)?;
                self.timescales(stop)?[k]
            }
            M::TimescaleMin => self
                .timescales(stop)?
                .into_iter()
                .fold(f64::INFINITY, f64::min),
            M::TimescaleMax => self.timescales(stop)?.into_iter().fold(0.0, f64::max),
            M::TimescaleHierarchyR2 => {
                stats::linear_fit(&self.hierarchy()?, &self.timescales(stop)?)?.r2
            }
            M::TimescaleRankShift { area } => {
                let k = self.recorded(area)?;
                let place = |values: &[f64]| values.iter().filter(|v| **v < values[k]).count();
                place(&self.timescales(stop)?) as f64 - place(&self.hierarchy()?) as f64
            }
            M::AreasByTimescale { areas } => {
                let timescales = self.timescales(stop)?;
                let mut order = Vec::new();
                for name in areas {
                    order.push((timescales[self.recorded(name)?], name.clone()));
                }
                order.sort_by(|a, b| a.0.total_cmp(&b.0));
                return Ok(Value::Names(
                    order.into_iter().map(|(_, name)| name).collect(),
                ));
            }
            M::TimescaleRatio { area, to } => {
                let (a, b) = (self.recorded(area)?, self.recorded(to)?);
                let timescales = self.timescales(stop)?;
                timescales[a] / timescales[b]
            }
            M::SdRatio { lobe, to } => self.sd_ratio(lobe, to)?,
            M::ConnectivityFlnR2 => self.connectivity_fln_r2()?,
            M::LesionHierarchyR2 => self.lesion_hierarchy_r2()?,
            M::ShuffledSlowest {
                projection,
                what,
                shuffles,
                quantile,
            } => {
                let slowest = self.shuffled_slowest(projection, what, *shuffles, stop)?;
                quantile_of(slowest.into_iter().flatten().collect(), *quantile)?
            }
            M::ShuffledUnstable {
                projection,
                what,
                shuffles,
            } => {
                let slowest = self.shuffled_slowest(projection, what, *shuffles, stop)?;
                slowest.iter().filter(|s| s.is_none()).count() as f64
            }
            M::ShuffledDecayHierarchyR2 {
                projection,
                what,
                shuffles,
                fraction,
            } => {
                let r2 = |lab: &mut Lab| lab.decay_hierarchy_r2(*fraction, stop);
                if *shuffles == 0 {
                    r2(self)?.ok_or_else(|| misfit("the network is unstable"))?
                } else {
                    let all = self.shuffled(projection, what, *shuffles, stop, r2)?;
                    quantile_of(all.into_iter().flatten().collect(), 0.5)?
                }
            }
            M::FixedPointCount => self.fixed_points(None)?.len() as f64,
            M::FixedPointsBelow { scan_to } => self.fixed_points(Some(*scan_to))?.len() as f64,
            M::FixedPoint {
                which,
                variable,
                scan_to,
            } => {
                let v = self.variable(variable)?;
                let point = self.nth_fixed_point(*which, *scan_to)?;
                linearise(&self.plan, &point).state[[0, v]]
            }
            M::FixedPointEigenvalue {
                which,
                rank,
                part,
                scan_to,
            } => {
                let point = self.nth_fixed_point(*which, *scan_to)?;
                eigenvalue(&engine::modes(&self.plan, &point)?, *rank, *part)?
            }
            M::Parameter { area, parameter } => {
                let area = self.area(area)?.index();
                let info = self.network.info();
                let k = info.parameter(parameter);
                let none = || misfit(format!("{} has no parameter {parameter}", info.name));
                self.network.parameters[[area, k.ok_or_else(none)?]]
            }
            M::BistableAreas => return self.bistable_areas(),
            M::BifurcationFactor {
                gradient,
                from,
                to,
                variable,
            } => self.bifurcation(gradient, *from, *to, variable.as_deref())?,
            M::BifurcationParameter {
                parameter,
                from,
                to,
                scan_to,
            } => self.bifurcation_parameter(parameter, *from, *to, *scan_to)?,
            M::Mean {
                variable,
                areas,
                from,
                to,
            } => stats::mean(&self.window_means(variable, areas, *from, *to, stop)?)?,
            M::MeanChange {
                variable,
                against,
                set,
                areas,
                from,
                to,
            } => {
                let mut other = Lab::new(against, set, None, self.threads)?;
                let other = other.window_means(variable, areas, *from, *to, stop)?;
                let ours = self.window_means(variable, areas, *from, *to, stop)?;
                stats::mean(&ours)? / stats::mean(&other)? - 1.0
            }
            M::MeanCorrelation {
                variable,
                with,
                set,
                areas,
                from,
                to,
            } => {
                let mut other = Lab::new(with, set, None, self.threads)?;
                let other = other.window_means(variable, areas, *from, *to, stop)?;
                stats::pearson(
                    &self.window_means(variable, areas, *from, *to, stop)?,
                    &other,
                )?
            }
            M::MeanGradientCorrelation {
                variable,
                gradient,
                areas,
                from,
                to,
            } => {
                let means = self.window_means(variable, areas, *from, *to, stop)?;
                let of: Vec<f64> = self.gradient_of(gradient, areas)?;
                stats::pearson(&of, &means)?
            }
            M::InputStrengthCorrelation {
                variable,
                above,
                excitation,
                inhibition,
                gradient,
                from,
                to,
            } => {
                let least = self.in_unit_of(variable, *above)?;
                let means = self.window_means(variable, &Areas::All, *from, *to, stop)?;
                let strength = self.input_strength(excitation, inhibition, gradient.as_deref())?;
                correlation_above(least, &strength, &means)?
            }
            M::GraphCorrelation {
                graph,
                variable,
                above,
                from,
                to,
            } => {
                let least = self.in_unit_of(variable, *above)?;
                let means = self.window_means(variable, &Areas::All, *from, *to, stop)?;
                correlation_above(least, &self.graph(graph)?, &means)?
            }
            M::GraphPrediction {
                graph,
                variable,
                above,
                from,
                to,
            } => {
                let least = self.in_unit_of(variable, *above)?;
                let means = self.window_means(variable, &Areas::All, *from, *to, stop)?;
                let active: Vec<bool> = means.iter().map(|m| *m > least).collect();
                stats::logistic_share(&self.graph(graph)?, &active)?
            }
            M::GraphTelling { graph, areas } => {
                for name in areas {
                    self.recorded(name)?;
                }
                let known = self.recorded_areas();
                let told: Vec<bool> = known.iter().map(|n| areas.iter().any(|a| a == n)).collect();
                stats::logistic_share(&self.graph(graph)?, &told)?
            }
            M::Bold {
                preset,
                variable,
                area,
                what,
            } => self.bold(preset, variable, area, *what, stop)?,
            M::AboveCount {
                variable,
                above,
                areas,
                from,
                to,
            } => {
                let least = self.in_unit_of(variable, *above)?;
                let means = self.window_means(variable, areas, *from, *to, stop)?;
                means.iter().filter(|m| **m > least).count() as f64
            }
            M::MeanProduct {
                variable,
                times,
                areas,
                from,
                to,
            } => {
                let one = self.window_means(variable, areas, *from, *to, stop)?;
                let other = self.window_means(times, areas, *from, *to, stop)?;
                let products: Vec<f64> = one.iter().zip(&other).map(|(a, b)| a * b).collect();
                stats::mean(&products)?
            }
            M::Largest {
                variable,
                area,
                from,
                to,
            } => self.of_series(variable, area, (*from, *to), stop, |x, _| {
                Ok(x.iter().copied().fold(f64::NEG_INFINITY, f64::max))
            })?,
            M::Lowest {
                variable,
                area,
                from,
                to,
            } => self.of_series(variable, area, (*from, *to), stop, |x, _| {
                Ok(x.iter().copied().fold(f64::INFINITY, f64::min))
            })?,
            M::Sd {
                variable,
                area,
                from,
                to,
            } => self.of_series(variable, area, (*from, *to), stop, |x, _| stats::sd(x))?,
            M::Frequency {
                variable,
                area,
                from,
                to,
            } => self.of_series(variable, area, (*from, *to), stop, |x, dt_ms| {
                Ok(frequency_hz(x, dt_ms)?.unwrap_or(0.0))
            })?,
            M::ShareCorrect { readout, condition } => {
                let choices = self.choices(readout, condition, stop)?;
                let right: Vec<f64> = (choices.iter())
                    .filter_map(|c| Some(f64::from(u8::from(c.correct?))))
                    .collect();
                stats::mean(&right)?
            }
            M::RewardedShare { first, last } => {
                let rewarded = self.rewarded(*first, *last, stop)?;
                stats::mean(&rewarded)?
            }
            M::ReactionTime { readout, condition } => {
                let choices = self.choices(readout, condition, stop)?;
                let times: Vec<f64> = choices.iter().filter_map(|c| c.reaction_ms).collect();
                stats::mean(&times)?
            }
            M::ExceedingCount {
                variable,
                than,
                areas,
                from,
                to,
            } => {
                let one = self.window_means(variable, areas, *from, *to, stop)?;
                let other = self.window_means(than, areas, *from, *to, stop)?;
                one.iter().zip(&other).filter(|(a, b)| a > b).count() as f64
            }
            M::PersistentCount => {
                let rows = self.delay_activity(stop)?;
                rows.iter().filter(|d| d.persistent).count() as f64
            }
            M::Agreement { recordings } => {
                let compared = self.beside(recordings, stop)?;
                compared.rows.iter().filter(|r| r.agrees).count() as f64
            }
            M::AgreementChiSquaredP { recordings } => {
                let p = self.beside(recordings, stop)?.chi_squared_p;
                p.ok_or_else(|| misfit("all areas or none are persistent"))?
            }
            M::Disagreement { recordings } => {
                return Ok(Value::Names(self.beside(recordings, stop)?.disagree));
            }
            M::MatchDiscrimination {
                event,
                variables,
                areas,
                from,
                to,
            } => self.match_discrimination(event, variables, areas, (*from, *to), stop)?,
            M::UnrolledDeparture { form } => self.unroll(*form, None, stop)?.departure,
            M::UnrolledDepth { form } => self.unroll(*form, None, stop)?.cost.depth as f64,
            M::UnrolledUntied => {
                let cost = self.unroll(Form::Synchronous, None, stop)?.cost;
                cost.untied as f64 / cost.tied as f64
            }
            M::HopfieldOverlap {
                units,
                patterns,
                tested,
                flipped,
                areas,
                networks,
            } => hopfield_overlap(*units, *patterns, *tested, *flipped, *areas, *networks)?,
            M::HopfieldCapacity => hopfield::capacity(),
            M::HopfieldRetrieval { load } => hopfield::retrieval_overlap(*load).unwrap_or(0.0),
            M::HopfieldOneStepError { load } => hopfield::one_step_error(*load),
            M::NBackAccuracy {
                back,
                symbols,
                length,
                targets,
                lures,
                memory,
                seed,
            } => {
                let task = NBack {
                    back: *back,
                    symbols: *symbols,
                    length: *length,
                    targets: *targets,
                    lures: *lures,
                };
                n_back_accuracy(task, *memory, *seed)?
            }
            M::GradientCorrelation { gradient, with } => {
                let values = |name: &str| {
                    let found = self.network.connectome.gradient(name);
                    found.map_err(|e| misfit(e.to_string()))
                };
                stats::pearson(&values(gradient)?.values, &values(with)?.values)?
            }
        };
        Ok(Value::Number(number))
    }

    /// The experiment and its network.
    pub(super) fn experiment(&self) -> (&ExperimentSpec, &Network) {
        (&self.spec, &self.network)
    }

    /// A recorded variable in the first run [sample, area], areas in the order of the network, NaN where an
    /// area is not recorded.
    ///
    /// # Errors
    /// No such variable, or one that is not recorded; a run that cannot be made.
    pub fn activity(&mut self, variable: &str, stop: &AtomicBool) -> Result<Array2<f64>, LabError> {
        let v = self.variable(variable)?;
        let at = self.plan.record.variables.iter().position(|&r| r == v);
        let at = at.ok_or_else(|| misfit(format!("{variable} is not recorded")))?;
        let areas: Vec<usize> = self.plan.record.areas.iter().map(|a| a.index()).collect();
        let n = self.network.n_areas();
        let values = &self.recording(stop)?.variables[at];
        let first = values.index_axis(ndarray::Axis(0), 0);
        let mut out = Array2::from_elem((first.nrows(), n), f64::NAN);
        for (column, &area) in first.columns().into_iter().zip(&areas) {
            out.column_mut(area).assign(&column);
        }
        Ok(out)
    }

    /// See [`Measure::MatchDiscrimination`].
    fn match_discrimination(
        &mut self,
        event: &str,
        variables: &[String],
        areas: &Areas,
        (from, to): (Quantity, Quantity),
        stop: &AtomicBool,
    ) -> Result<f64, LabError> {
        let ms = |q: Quantity| (q.expect(Dimension::TIME)).map_err(|e| misfit(e.to_string()));
        let (from, to) = (ms(from)?, ms(to)?);
        let areas = self.places(areas)?;
        let mut recorded = Vec::new();
        for name in variables {
            let v = self.variable(name)?;
            let at = self.plan.record.variables.iter().position(|&r| r == v);
            recorded.push(at.ok_or_else(|| misfit(format!("{name} is not recorded")))?);
        }
        self.recording(stop)?;
        let (Some(recording), Some(trials)) = (&self.recording, &self.network.trials) else {
            return Err(misfit("the experiment has no task"));
        };
        if !trials.events.iter().any(|e| e == event) {
            return Err(misfit(format!("no event {event}")));
        }
        let event = trials.event_index(event);
        let (mut matching, mut others) = (Vec::new(), Vec::new());
        for trial in &trials.trials {
            for shown in trial.shown.iter().filter(|s| s.event == event) {
                let Some(matches) = shown.matches else {
                    continue;
                };
                let onset = trial.start_ms + shown.onset_ms;
                let samples = self.spec.run.samples_in(onset + from, onset + to);
                let response = |&v: &usize| {
                    let run = ndarray::s![trial.run as usize, samples.clone(), ..];
                    let window = recording.variables[v].slice(run);
                    let of = areas.iter().flat_map(|&a| window.column(a).to_vec());
                    stats::mean(&of.collect::<Vec<f64>>())
                };
                let all: Vec<f64> = recorded.iter().map(response).collect::<Result<_, _>>()?;
                let response = all.into_iter().fold(f64::NEG_INFINITY, f64::max);
                match matches {
                    true => matching.push(response),
                    false => others.push(response),
                }
            }
        }
        let both = discrimination(&matching, &others);
        both.ok_or_else(|| misfit("items: expected both some that match and some that do not"))
    }

    /// The experiment beside bundled recordings.
    fn beside(&mut self, recordings: &str, stop: &AtomicBool) -> Result<Comparison, LabError> {
        let known = bundled_recordings();
        let Some((name, text)) = known.iter().find(|(name, _)| *name == recordings) else {
            return Err(misfit(format!("no recordings `{recordings}`")));
        };
        let table = load_recordings(name, text)?;
        compare_lab(&table, "", self, stop)
    }

    /// A recorded variable, [replicate, time, area], and the samples of a span.
    fn span(
        &mut self,
        variable: &str,
        (from, to): (Quantity, Quantity),
        stop: &AtomicBool,
    ) -> Result<(&ndarray::Array3<f64>, Range<usize>), LabError> {
        let v = self.variable(variable)?;
        let at = self.plan.record.variables.iter().position(|&r| r == v);
        let at = at.ok_or_else(|| misfit(format!("{variable} is not recorded")))?;
        let ms = |q: Quantity| (q.expect(Dimension::TIME)).map_err(|e| misfit(e.to_string()));
        let samples = self.spec.run.samples_in(ms(from)?, ms(to)?);
        if samples.is_empty() {
            return Err(misfit(format!("no samples from {from} to {to}")));
        }
        Ok((&self.recording(stop)?.variables[at], samples))
    }

    /// Mean of a recorded variable over a span and over replicates, per area.
    fn window_means(
        &mut self,
        variable: &str,
        areas: &Areas,
        from: Quantity,
        to: Quantity,
        stop: &AtomicBool,
    ) -> Result<Vec<f64>, LabError> {
        let areas = self.places(areas)?;
        let (values, samples) = self.span(variable, (from, to), stop)?;
        let mean = |&a: &usize| {
            let all = values.slice(ndarray::s![.., samples.clone(), a]);
            stats::mean(&all.iter().copied().collect::<Vec<f64>>())
        };
        Ok(areas.iter().map(mean).collect::<Result<_, _>>()?)
    }

    /// A value in the unit of a variable.
    fn in_unit_of(&self, variable: &str, q: Quantity) -> Result<f64, LabError> {
        let unit = self.network.info().variables[self.variable(variable)?].unit;
        q.in_unit_of(unit).map_err(|e| misfit(e.to_string()))
    }

    /// A gradient of recorded areas.
    pub(super) fn gradient_of(&self, gradient: &str, areas: &Areas) -> Result<Vec<f64>, LabError> {
        let gradient = self.network.connectome.gradient(gradient);
        let values = &gradient.map_err(|e| misfit(e.to_string()))?.values;
        match areas.names() {
            None => {
                let recorded = self.plan.record.areas.iter();
                Ok(recorded.map(|a| values[a.index()]).collect())
            }
            Some(names) => {
                let named = self.named(names)?.into_iter();
                Ok(named.map(|a| values[a.index()]).collect())
            }
        }
    }

    /// Strength of the input of each recorded area: sums of weights over sources, those that excite
    /// plus those that inhibit, or with a gradient minus the gradient times the latter.
    fn input_strength(
        &self,
        excitation: &str,
        inhibition: &str,
        gradient: Option<&str>,
    ) -> Result<Vec<f64>, LabError> {
        let sums = |name: &str| {
            let mut projections = self.network.projections.iter();
            let projection = projections.find(|p| p.name == name);
            let projection = projection.ok_or_else(|| misfit(format!("no projection {name}")))?;
            let rows = projection.weights.outer_iterator();
            Ok::<Vec<f64>, LabError>(rows.map(|r| r.data().iter().sum()).collect())
        };
        let (excitation, inhibition) = (sums(excitation)?, sums(inhibition)?);
        let share = match gradient {
            None => vec![-1.0; self.plan.record.areas.len()],
            Some(name) => self.gradient_of(name, &Areas::All)?,
        };
        let areas = self.plan.record.areas.iter().map(|a| a.index());
        let strength = |(a, share): (usize, f64)| excitation[a] - share * inhibition[a];
        Ok(areas.zip(share).map(strength).collect())
    }

    /// Mean over replicates of what `f` makes of a recorded variable in an area over a span; `f` is given the
    /// samples and their distance, ms.
    fn of_series(
        &mut self,
        variable: &str,
        area: &str,
        span: (Quantity, Quantity),
        stop: &AtomicBool,
        f: impl Fn(&[f64], f64) -> Result<f64, AnalysisError>,
    ) -> Result<f64, LabError> {
        let area = self.recorded(area)?;
        let dt_ms = self.spec.run.every_ms;
        let (values, samples) = self.span(variable, span, stop)?;
        let one = |replicate: ndarray::ArrayView2<'_, f64>| {
            f(
                &replicate.slice(ndarray::s![samples.clone(), area]).to_vec(),
                dt_ms,
            )
        };
        let all: Vec<f64> = values.outer_iter().map(one).collect::<Result<_, _>>()?;
        Ok(stats::mean(&all)?)
    }

    /// A feature of the BOLD signal that a recorded variable, per second, evokes in the first run.
    fn bold(
        &mut self,
        preset: &str,
        variable: &str,
        area: &str,
        what: BoldFeature,
        stop: &AtomicBool,
    ) -> Result<f64, LabError> {
        let haemodynamics = Haemodynamics::preset(preset)
            .ok_or_else(|| misfit(format!("no preset {preset} of haemodynamics")))?;
        let area = self.area(area)?.index();
        let z = self.activity(variable, stop)?.column(area).to_vec();
        let every_ms = self.spec.run.every_ms;
        let y = haemodynamics.bold(&z, every_ms)?;
        let time_s = |k: usize| (self.spec.run.start_ms + k as f64 * every_ms) * 1e-3;
        let order = |a: &usize, b: &usize| y[*a].total_cmp(&y[*b]);
        let (Some(up), Some(down), Some(last)) = (
            (0..y.len()).max_by(order),
            (0..y.len()).min_by(order),
            y.last(),
        ) else {
            return Err(misfit("no samples"));
        };
        Ok(match what {
            BoldFeature::Peak => y[up],
            BoldFeature::PeakTime => time_s(up),
            BoldFeature::Trough => y[down],
            BoldFeature::TroughTime => time_s(down),
            BoldFeature::End => *last,
        })
    }

    /// 1 for each rewarded and 0 for each other choice of some trials of each session, counted from 1.
    fn rewarded(
        &mut self,
        first: usize,
        last: usize,
        stop: &AtomicBool,
    ) -> Result<Vec<f64>, LabError> {
        self.recording(stop)?;
        let Some(recording) = &self.recording else {
            return Err(misfit("no recording"));
        };
        let table = engine::trial_table(&self.network, &self.spec, recording)?;
        let learning = table.and_then(|t| t.learning);
        let (Some(learning), Some(rule)) = (learning, &self.network.learning) else {
            return Err(misfit("the experiment has no `task.learning`"));
        };
        let sessions = learning.rewarded.chunks(rule.rewarded.len().max(1));
        let chosen = sessions.flat_map(|s| s.iter().take(last).skip(first.saturating_sub(1)));
        Ok(chosen
            .filter_map(|r| Some(f64::from(u8::from((*r)?))))
            .collect())
    }

    /// What the trials of a condition that ended with a choice ended with.
    fn choices(
        &mut self,
        readout: &str,
        condition: &str,
        stop: &AtomicBool,
    ) -> Result<Vec<Choice>, LabError> {
        self.recording(stop)?;
        let Some(recording) = &self.recording else {
            return Err(misfit("no recording"));
        };
        let table = engine::trial_table(&self.network, &self.spec, recording)?;
        let (Some(table), Some(trials)) = (table, &self.network.trials) else {
            return Err(misfit("the experiment has no task"));
        };
        let column = table.readouts.into_iter().find(|r| r.name == readout);
        let Some(ReadoutValues::Choice { choices, .. }) = column.map(|c| c.values) else {
            return Err(misfit(format!("no readout {readout} that gives choices")));
        };
        let Some(c) = trials.conditions.iter().position(|name| name == condition) else {
            return Err(misfit(format!("no condition {condition}")));
        };
        let of = trials.trials.iter().zip(choices);
        let of = of.filter(|(trial, _)| trial.condition == c);
        let ended = of.filter_map(|(_, choice)| choice.filter(|c| c.chosen.is_some()));
        Ok(ended.collect())
    }

    fn baseline_values(&mut self, variable: &str) -> Result<Vec<f64>, LabError> {
        let v = self.variable(variable)?;
        let variables = self.network.info().variables.len();
        Ok(self
            .baseline()?
            .iter()
            .skip(v)
            .step_by(variables)
            .copied()
            .collect())
    }

    /// Time after the end of the last stimulus until recorded area `k` is back, ms.
    fn decay_time(
        &mut self,
        k: usize,
        fraction: f64,
        stop: &AtomicBool,
    ) -> Result<Option<f64>, LabError> {
        let end = self
            .network
            .stimuli
            .iter()
            .map(|s| s.offset_ms)
            .fold(f64::NAN, f64::max);
        if end.is_nan() {
            return Err(misfit("a decay time needs a stimulus"));
        }
        let v = self.plan.record.variables[0];
        let variables = self.network.info().variables.len();
        let at = self.plan.position[self.plan.record.areas[k].index()] * variables + v;
        let base = self.baseline()?[at];
        let recording = self.recording(stop)?;
        let offset = recording.time_ms.partition_point(|t| *t < end);
        let series = recording.variables[0].slice(ndarray::s![0, .., k]).to_vec();
        let dt_ms = self.plan.record.every as f64 * self.plan.dt_ms;
        Ok(decay_to(&series, dt_ms, offset, base, fraction)?)
    }

    /// Squared correlation of hierarchy with decay times; none if the network is unstable. An area
    /// that is not back within the run counts with the length of the run.
    fn decay_hierarchy_r2(
        &mut self,
        fraction: f64,
        stop: &AtomicBool,
    ) -> Result<Option<f64>, LabError> {
        if !self.modes()?.is_stable() {
            return Ok(None);
        }
        let duration = self.plan.steps as f64 * self.plan.dt_ms;
        let mut times = Vec::new();
        for k in 0..self.plan.record.areas.len() {
            times.push(self.decay_time(k, fraction, stop)?.unwrap_or(duration));
        }
        Ok(Some(stats::linear_fit(&self.hierarchy()?, &times)?.r2))
    }

    /// The linear network under the noise that drives its timescales.
    fn driven(&mut self) -> Result<LinearNetwork, LabError> {
        let wanted = self.spec.analysis.timescales.as_ref();
        let noise = engine::driving_noise(
            &self.network,
            &self.spec,
            "analysis.timescales",
            spec::Method::Exact,
            wanted.and_then(|t| t.drive.as_ref()),
        )?;
        self.baseline()?;
        let baseline = self.baseline.as_deref().unwrap_or_default();
        Ok(engine::linear_network(&self.plan, baseline, &noise))
    }

    fn sd_ratio(&mut self, lobe: &str, to: &str) -> Result<f64, LabError> {
        let covariance = engine::exact_covariance(&self.driven()?)?.covariance;
        let states = self.network.info().states;
        let v = self.plan.record.variables[0];
        if v >= states {
            return Err(misfit("the first recorded variable is not a state"));
        }
        let sd = |a: usize| covariance[[a * states + v, a * states + v]].sqrt();
        let areas = self.network.connectome.areas.iter().enumerate();
        let in_lobe: Vec<f64> = areas
            .filter(|(_, a)| a.lobe.as_deref() == Some(lobe))
            .map(|(i, _)| sd(i))
            .collect();
        if in_lobe.is_empty() {
            return Err(misfit(format!("no area lies in the {lobe} lobe")));
        }
        Ok(in_lobe.into_iter().fold(0.0, f64::max) / sd(self.area(to)?.index()))
    }

    fn connectivity(&mut self) -> Result<Array2<f64>, LabError> {
        let wanted = self.spec.analysis.functional_connectivity.clone();
        let wanted = wanted.ok_or_else(|| misfit("no `analysis.functional_connectivity`"))?;
        self.baseline()?;
        let baseline = self.baseline.as_deref().unwrap_or_default();
        let (network, plan, spec) = (&self.network, &self.plan, &self.spec);
        Ok(engine::connectivity_of(network, plan, spec, &wanted, baseline, None)?.correlation)
    }

    fn connectivity_fln_r2(&mut self) -> Result<f64, LabError> {
        let fc = self.connectivity()?;
        let areas = &self.plan.record.areas;
        let fln = Array2::from_shape_fn(fc.dim(), |(i, j)| {
            let at = (areas[i].index(), areas[j].index());
            self.network
                .connectome
                .fln
                .get(at.0, at.1)
                .copied()
                .unwrap_or(0.0)
        });
        let (x, y) = (
            stats::off_diagonal(fln.view())?,
            stats::off_diagonal(fc.view())?,
        );
        Ok(stats::linear_fit(&x, &y)?.r2)
    }

    /// For every area l: |C_l - C| / |C| over the areas that are left, C_l without area l.
    fn lesion_hierarchy_r2(&mut self) -> Result<f64, LabError> {
        let mut spec = self.spec.clone();
        spec.run.areas = Areas::All;
        let mut whole = Lab::from_spec(spec, self.threads)?;
        let intact = whole.connectivity()?;
        let n = whole.network.n_areas();
        let mut impact = Vec::new();
        for l in 0..n {
            let mut spec = whole.spec.clone();
            remove_areas(&mut spec, vec![whole.plan.areas[l].clone()]);
            let lesioned = Lab::from_spec(spec, self.threads)?.connectivity()?;
            let keep: Vec<usize> = (0..n).filter(|&a| a != l).collect();
            let before = intact
                .select(ndarray::Axis(0), &keep)
                .select(ndarray::Axis(1), &keep);
            let norm = |m: &Array2<f64>| m.iter().map(|x| x * x).sum::<f64>().sqrt();
            impact.push(norm(&(&lesioned - &before)) / norm(&before));
        }
        Ok(stats::linear_fit(&whole.hierarchy()?, &impact)?.r2)
    }

    /// Slowest timescale of every shuffled network; none for an unstable one.
    fn shuffled_slowest(
        &mut self,
        projection: &str,
        what: &str,
        shuffles: u64,
        stop: &AtomicBool,
    ) -> Result<Vec<Option<f64>>, LabError> {
        let key = (projection.to_owned(), what.to_owned(), shuffles);
        if let Some((_, known)) = self.shuffles.iter().find(|(k, _)| *k == key) {
            return Ok(known.clone());
        }
        let slowest = self.shuffled(projection, what, shuffles, stop, |lab| {
            let modes = lab.modes()?;
            let slowest = nth(&modes.timescales_ms(), 0)?;
            Ok(modes.is_stable().then_some(slowest))
        })?;
        self.shuffles.push((key, slowest.clone()));
        Ok(slowest)
    }

    /// A measure of the network with one projection shuffled under seeds 0, 1, ….
    fn shuffled<T: Send>(
        &self,
        projection: &str,
        what: &str,
        shuffles: u64,
        stop: &AtomicBool,
        measure: impl Fn(&mut Lab) -> Result<T, LabError> + Sync,
    ) -> Result<Vec<T>, LabError> {
        let what = match what {
            "strengths" => ShuffleKind::Strengths,
            "topology" => ShuffleKind::Topology,
            other => return Err(misfit(format!("found shuffle `{other}`"))),
        };
        if !self.spec.projections.contains_key(projection) {
            return Err(misfit(format!("no projection {projection}")));
        }
        let one = |seed: u64| {
            if stop.load(Ordering::Relaxed) {
                return Err(EngineError::Interrupted.into());
            }
            let mut spec = self.spec.clone();
            if let Some(shuffled) = spec.projections.get_mut(projection) {
                shuffled.shuffle = Some(ShuffleSpec { what, seed });
            }
            measure(&mut Lab::from_spec(spec, 1)?)
        };
        (0..shuffles).into_par_iter().map(one).collect()
    }

    /// All fixed points of a one-area network that Newton's method reaches from a scan over the first state,
    /// and over the second where that has bounds, sorted by them.
    fn fixed_points(&mut self, scan_to: Option<Quantity>) -> Result<Vec<Vec<f64>>, LabError> {
        if self.network.n_areas() != 1 {
            let message = format!(
                "fixed points: found {} areas, expected 1",
                self.network.n_areas()
            );
            return Err(misfit(message));
        }
        let states = &self.network.info().variables[..self.network.info().states];
        let first = &states[0];
        let end = match scan_to {
            Some(q) => (q.in_unit_of(first.unit)).map_err(|e| misfit(e.to_string()))?,
            None => first.max,
        };
        if !end.is_finite() {
            return Err(misfit(format!(
                "{} has no upper bound to scan to, expected `scan_to`",
                first.name
            )));
        }
        let grid = |min: f64, max: f64, points: usize| {
            (0..=points).map(move |k| min + (max - min) * k as f64 / points as f64)
        };
        let second = states.get(1).filter(|v| v.max.is_finite());
        let base = self.plan.baseline.clone();
        let mut guesses: Vec<Vec<f64>> = Vec::new();
        for x in grid(first.min, end, SCAN_POINTS) {
            let mut guess = base.clone();
            guess[0] = x;
            guesses.push(guess.clone());
            if let Some(second) = second {
                guesses.extend(grid(second.min, second.max, SECOND_POINTS).map(|y| {
                    guess[1] = y;
                    guess.clone()
                }));
            }
        }
        let mut found: Vec<Vec<f64>> = Vec::new();
        for guess in guesses {
            let Ok(point) = fixed_point(&self.plan, &guess) else {
                continue;
            };
            let same = |f: &Vec<f64>| {
                let near = |v: usize, span: f64| (f[v] - point[v]).abs() <= SAME_POINT * span;
                near(0, end - first.min) && second.is_none_or(|s| near(1, s.max - s.min))
            };
            if !found.iter().any(same) {
                found.push(point);
            }
        }
        found.sort_by(|a, b| a[0].total_cmp(&b[0]));
        Ok(found)
    }

    fn nth_fixed_point(
        &mut self,
        which: usize,
        scan_to: Option<Quantity>,
    ) -> Result<Vec<f64>, LabError> {
        let known = self.fixed_points.take().filter(|(to, _)| *to == scan_to);
        let (_, points) = match known {
            Some(known) => self.fixed_points.insert(known),
            None => {
                let points = self.fixed_points(scan_to)?;
                self.fixed_points.insert((scan_to, points))
            }
        };
        let count = points.len();
        let missing = || {
            misfit(format!(
                "found {count} fixed points, expected more than {which}"
            ))
        };
        points.get(which).cloned().ok_or_else(missing)
    }

    fn bistable_areas(&mut self) -> Result<Value, LabError> {
        let mut names = Vec::new();
        for name in self.plan.areas.clone() {
            let mut spec = self.spec.clone();
            isolate_area(&mut spec, &self.network, &name)?;
            let mut lab = Lab::from_spec(spec, self.threads)?;
            let mut stable = 0;
            for point in lab.fixed_points(None)? {
                stable += usize::from(engine::modes(&lab.plan, &point)?.is_stable());
            }
            if stable > 1 {
                names.push(name);
            }
        }
        Ok(Value::Names(names))
    }

    /// Bisects a circuit parameter between two numbers of fixed points.
    fn bifurcation_parameter(
        &mut self,
        parameter: &str,
        from: Quantity,
        to: Quantity,
        scan_to: Option<Quantity>,
    ) -> Result<f64, LabError> {
        if !self.spec.circuit.parameters.contains_key(parameter) {
            return Err(misfit(format!("no parameter {parameter}")));
        }
        let count = |value: f64| {
            let mut spec = self.spec.clone();
            let set = Quantity { value, ..from };
            spec.circuit.parameters.insert(parameter.to_owned(), set);
            Ok(Lab::from_spec(spec, self.threads)?
                .fixed_points(scan_to)?
                .len())
        };
        let to = to
            .expect(from.dimension)
            .map_err(|e| misfit(e.to_string()))?;
        let found = bisect_fixed_points(from.value, to, count)?;
        Ok(0.5 * (found.low + found.high))
    }

    /// Bisects the factor of a gradient between two numbers of fixed points.
    fn bifurcation(
        &mut self,
        gradient: &str,
        from: f64,
        to: f64,
        variable: Option<&str>,
    ) -> Result<f64, LabError> {
        let g = self.spec.gradients.get(gradient);
        let g = g
            .ok_or_else(|| misfit(format!("no gradient {gradient}")))?
            .clone();
        let area = self.plan.areas[0].clone();
        let points_at = |factor: f64| -> Result<(Lab, Vec<Vec<f64>>), LabError> {
            let mut spec = self.spec.clone();
            let values = spec.connectome.replace.entry(g.map.clone()).or_default();
            values.insert(area.clone(), (factor - 1.0) / g.strength);
            let mut lab = Lab::from_spec(spec, self.threads)?;
            let points = lab.fixed_points(None)?;
            Ok((lab, points))
        };
        if !(from > 0.0 && from < to && g.strength != 0.0) {
            let message = format!("bifurcation: found {from} to {to}, expected 0 < from < to");
            return Err(misfit(message));
        }
        let count = |factor: f64| Ok(points_at(factor)?.1.len());
        let Bracket {
            low,
            high,
            at_low,
            at_high,
        } = bisect_fixed_points(from, to, count)?;
        let Some(name) = variable else {
            return Ok(0.5 * (low + high));
        };
        // Where two fixed points meet: their mean on the side that has them.
        let side = if at_low > at_high { low } else { high };
        let (lab, points) = points_at(side)?;
        let v = lab.variable(name)?;
        let value = |p: &Vec<f64>| linearise(&lab.plan, p).state[[0, v]];
        match points.as_slice() {
            [.., a, b] => Ok(0.5 * (value(a) + value(b))),
            _ => Err(misfit("fewer than two fixed points at the bifurcation")),
        }
    }
}

/// Two values between which the number of fixed points changes, and the numbers at both.
struct Bracket {
    low: f64,
    high: f64,
    at_low: usize,
    at_high: usize,
}

/// Narrows a change of the number of fixed points down to 1e-7 of the value.
fn bisect_fixed_points(
    mut low: f64,
    mut high: f64,
    count: impl Fn(f64) -> Result<usize, LabError>,
) -> Result<Bracket, LabError> {
    let (at_low, at_high) = (count(low)?, count(high)?);
    if at_low == at_high {
        let message =
            format!("no bifurcation between {low} and {high}: found {at_low} fixed points at both");
        return Err(misfit(message));
    }
    while (high - low).abs() > 1e-7 * high.abs().max(low.abs()) {
        let middle = 0.5 * (low + high);
        if count(middle)? == at_low {
            low = middle
        } else {
            high = middle
        }
    }
    Ok(Bracket {
        low,
        high,
        at_low,
        at_high,
    })
}

/// Removes areas on top of those that the experiment removes already.
fn remove_areas(spec: &mut ExperimentSpec, areas: Vec<String>) {
    let lesions = spec.lesions.get_or_insert_with(|| LesionSpec {
        areas: Vec::new(),
        background: LesionBackground::Lesioned,
        stimuli: LostStimuli::Refused,
    });
    lesions.areas.extend(areas);
}

/// Leaves one area of an experiment.
fn isolate_area(spec: &mut ExperimentSpec, whole: &Network, name: &str) -> Result<(), LabError> {
    whole
        .connectome
        .area_id(name)
        .map_err(|e| misfit(e.to_string()))?;
    let others: Vec<String> = whole
        .area_names()
        .into_iter()
        .filter(|n| *n != name)
        .map(str::to_owned)
        .collect();
    spec.stimuli.clear();
    spec.noise.clear();
    spec.analysis = spec::AnalysisSpec::default();
    spec.run.areas = Areas::All;
    spec.initial
        .retain(|place, _| place == "all" || place == name);
    remove_areas(spec, others);
    Ok(())
}

/// Part of an eigenvalue, 1/s.
fn eigenvalue(modes: &Modes, rank: usize, part: Part) -> Result<f64, LabError> {
    let values = match part {
        Part::Real => modes.re(),
        Part::Imaginary => modes.im(),
    };
    Ok(nth(values, rank)? * 1e3)
}

fn nth<T: Copy>(values: &[T], rank: usize) -> Result<T, LabError> {
    let count = values.len();
    let missing = || misfit(format!("rank {rank}: there are only {count} values"));
    values.get(rank).copied().ok_or_else(missing)
}

/// Quantile by linear interpolation between the sorted values.
fn quantile_of(mut values: Vec<f64>, quantile: f64) -> Result<f64, LabError> {
    if values.is_empty() || !(0.0..=1.0).contains(&quantile) {
        return Err(misfit(format!(
            "quantile {quantile} of {} values",
            values.len()
        )));
    }
    values.sort_by(f64::total_cmp);
    let at = quantile * (values.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(values.len() - 1);
    Ok(values[low] + part * (values[high] - values[low]))
}
