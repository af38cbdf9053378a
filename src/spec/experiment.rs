//! An experiment as meant: no options left, canonical units, one digest.

use std::ops::Range;

pub use super::draft::{
    AddedDraft as AddedSpec, AllToAllDraft as AllToAll, AreasDraft as Areas,
    CircuitDraft as CircuitSpec, ConnectomeDraft as ConnectomeSpec, CurveDraft as CurveSpec,
    DelayDraft as DelaySpec, DelayGrid, DelayKind, GradientDraft as GradientSpec,
    KeepDraft as Keep, LayersAtMostDraft as LayersAtMost, LayersDraft as Layers, LesionBackground,
    LesionDraft as LesionSpec, LinkDraft as LinkSpec, LostStimuli, ModulatorDraft as ModulatorSpec,
    Named, NormaliseDraft as Normalise, OrderKind as Order, PrecisionKind as Precision,
    ProjectionDraft as ProjectionSpec, RowsDraft as Rows, ShuffleDraft as ShuffleSpec, ShuffleKind,
    SolveDraft as Solve, StepperKind as Stepper, SymmetriseDraft as Symmetrise,
    TimescaleMethod as Method, WeightsDraft as Weights,
};
use super::draft::{
    AnalysisDraft, AreasDraft, DelayActivityDraft, Draft, FcDraft, LatenciesDraft, NoiseDraft,
    NoiseKind, TimescaleMethod, TimescalesDraft, WindowDraft,
};
use super::{Config, PerturbationSpec, SpecError, TaskSpec};
use crate::units::{Dimension, Quantity, UnitError};

/// A complete experiment. Quantities whose unit only the circuit knows stay [`Quantity`].
#[derive(Debug, Clone)]
pub struct ExperimentSpec {
    /// One line that names the experiment.
    pub title: String,
    /// What it shows.
    pub description: String,
    /// Publications.
    pub sources: Vec<String>,
    /// Areas and links.
    pub connectome: ConnectomeSpec,
    /// The local circuit.
    pub circuit: CircuitSpec,
    /// Gradients by name.
    pub gradients: Named<GradientSpec>,
    /// Modulators by name.
    pub modulators: Named<ModulatorSpec>,
    /// Projections by name.
    pub projections: Named<ProjectionSpec>,
    /// Variable → baseline value.
    pub baseline: Named<Quantity>,
    /// What is solved for the baseline.
    pub solve: Solve,
    /// Area or `all` → variable → start value.
    pub initial: Named<Named<Quantity>>,
    /// Receptors: parameters and projections that are proportional to one.
    pub receptors: Named<Vec<String>>,
    /// Perturbations by name.
    pub perturbations: Named<PerturbationSpec>,
    /// Areas removed.
    pub lesions: Option<LesionSpec>,
    /// Stimuli by name.
    pub stimuli: Named<StimulusSpec>,
    /// Trials, if there are any.
    pub task: Option<TaskSpec>,
    /// Noise sources by name.
    pub noise: Named<NoiseSpec>,
    /// How the run is made.
    pub run: RunSpec,
    /// Measures.
    pub analysis: AnalysisSpec,
    /// The document it was made from, for messages and for the canonical text.
    pub config: Config,
}

impl ExperimentSpec {
    /// Key path at which runs are counted: replicates, or trials of a task.
    #[must_use]
    pub fn counted_at(&self) -> &'static str {
        match self.task {
            None => "simulation.replicates",
            Some(_) => "task",
        }
    }

    /// Whether an area, or a group, is removed by this name.
    #[must_use]
    pub fn is_lesioned(&self, name: &str) -> bool {
        self.lesioned().any(|(_, area, _)| area == name)
    }

    /// Length of a trial, ms; that of the run where there are none or each is a run of its own.
    #[must_use]
    pub fn trial_ms(&self) -> f64 {
        let session = self.task.as_ref().and_then(|task| task.session);
        session.map_or(self.run.duration_ms, |s| s.trial_ms)
    }

    /// Stimuli that are shown to areas that are removed and that nothing is given to for this reason: name
    /// of the stimulus and of the area. `lesioned` is what the network lists.
    #[must_use]
    pub fn dropped_stimuli(&self, lesioned: &[(String, LostStimuli)]) -> Vec<(String, String)> {
        let own = self.stimuli.iter().map(|(name, s)| (name, &s.areas));
        let task = self.task.iter().flat_map(|task| {
            let events = task.conditions.iter().flat_map(|c| &c.events);
            let shown: Vec<&String> = events.flat_map(|e| e.shows.possible()).collect();
            let of = task.stimuli.iter().map(|(name, s)| (name, &s.areas));
            of.filter(move |(name, _)| shown.contains(name))
        });
        let all: Vec<_> = own.chain(task).collect();
        let mut out = Vec::new();
        for (area, _) in (lesioned.iter()).filter(|(_, s)| *s == LostStimuli::Dropped) {
            for (name, areas) in &all {
                if areas
                    .names()
                    .is_some_and(|names| names.iter().any(|n| n == area))
                {
                    out.push(((*name).clone(), area.clone()));
                }
            }
        }
        out
    }

    /// Every area, or group of areas, that is removed, by `lesions` or a perturbation: key path, name as typed,
    /// and what becomes of stimuli into it.
    pub fn lesioned(&self) -> impl Iterator<Item = (String, &str, LostStimuli)> {
        let own = self.lesions.iter().flat_map(|l| {
            let areas = l.areas.iter().enumerate();
            areas.map(|(i, a)| (format!("lesions.areas[{i}]"), a.as_str(), l.stimuli))
        });
        let perturbed = self.perturbations.iter().flat_map(|(name, p)| {
            let PerturbationSpec::Lesion { areas, stimuli } = p else {
                return Vec::new();
            };
            let path = format!("perturbations.{}.lesion", super::node::path_segment(name));
            let areas = areas.iter().enumerate();
            areas
                .map(|(i, a)| (format!("{path}[{i}]"), a.as_str(), *stimuli))
                .collect()
        });
        own.chain(perturbed)
    }
}

/// A step of input.
#[derive(Debug, Clone)]
pub struct StimulusSpec {
    /// Input of the circuit.
    pub into: String,
    /// Areas.
    pub areas: Areas,
    /// Height in the input's unit.
    pub amplitude: Quantity,
    /// Start, ms.
    pub onset_ms: f64,
    /// End, ms.
    pub offset_ms: f64,
}

/// Noise added to an input, or to the derivative of a state.
#[derive(Debug, Clone)]
pub struct NoiseSpec {
    /// Input or state of the circuit.
    pub into: String,
    /// Variable that multiplies it.
    pub times: Option<String>,
    /// Areas.
    pub areas: Areas,
    /// Areas taken out.
    pub except: Vec<String>,
    /// Constant part, in the input's unit.
    pub mean: Option<Quantity>,
    /// Standard deviation in the input's unit; see [`NoiseMemory`].
    pub sd: Quantity,
    /// White or coloured.
    pub memory: NoiseMemory,
}

/// Memory of a noise source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoiseMemory {
    /// White: `sd` is that of the mean over one bin, so the intensity is sd² × bin.
    White {
        /// The bin, ms.
        bin_ms: f64,
    },
    /// Ornstein–Uhlenbeck: `sd` is the stationary one.
    Ou {
        /// Time constant, ms.
        tau_ms: f64,
    },
}

/// How a run is made: time, scheme, seed, what is recorded.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// Length, ms.
    pub duration_ms: f64,
    /// Step, ms.
    pub dt_ms: f64,
    /// Integrator.
    pub stepper: Stepper,
    /// Order of updates within an Euler step.
    pub order: Order,
    /// Whether the model is the map of Euler's step itself: a step may be as long as a time constant.
    pub discrete: bool,
    /// How delays off the grid are taken.
    pub delays: DelayGrid,
    /// Lookups of noise per step, at least 1.
    pub noise_per_step: u32,
    /// Seed of all noise.
    pub seed: u64,
    /// Number of replicates.
    pub replicates: u32,
    /// Recorded variables.
    pub variables: Vec<String>,
    /// Recorded areas.
    pub areas: Areas,
    /// Sampling interval, ms.
    pub every_ms: f64,
    /// First sample, ms.
    pub start_ms: f64,
    /// Number type in the file.
    pub precision: Precision,
    /// Deflate level, 0 for none.
    pub compression: u8,
}

impl RunSpec {
    /// The samples in `from_ms <= t < to_ms`. Counted in steps, so that rounding moves no edge.
    #[must_use]
    pub fn samples_in(&self, from_ms: f64, to_ms: f64) -> Range<usize> {
        let steps = |ms: f64| (ms / self.dt_ms).round() as i64;
        let (first, every) = (steps(self.start_ms), steps(self.every_ms).max(1));
        let samples = ((steps(self.duration_ms) - first) / every + 1).max(0);
        let at = |ms: f64| {
            let past = steps(ms).saturating_sub(first).max(0);
            (past.unsigned_abs().div_ceil(every.unsigned_abs()) as usize).min(samples as usize)
        };
        at(from_ms)..at(to_ms).max(at(from_ms))
    }
}

/// Measures computed inside the run.
#[derive(Debug, Clone, Default)]
pub struct AnalysisSpec {
    /// Gradient by which tables and figures are ordered.
    pub hierarchy: Option<String>,
    /// Per-area timescales.
    pub timescales: Option<TimescalesSpec>,
    /// Functional connectivity.
    pub functional_connectivity: Option<FcSpec>,
    /// Variable whose components give inverse participation ratios of the eigenmodes.
    pub modes: Option<String>,
    /// Delay activity.
    pub delay_activity: Option<DelayActivitySpec>,
    /// Response latencies.
    pub latencies: Option<LatenciesSpec>,
}

/// Delay activity.
#[derive(Debug, Clone)]
pub struct DelayActivitySpec {
    /// Recorded variable.
    pub variable: String,
    /// Before anything was shown.
    pub baseline: Window,
    /// When it has to be remembered.
    pub delay: Window,
    /// Persistent where delay exceeds baseline by more, unit of the variable.
    pub persistent_above: Quantity,
}

/// Response latencies.
#[derive(Debug, Clone)]
pub struct LatenciesSpec {
    /// Recorded variable.
    pub variable: String,
    /// Stimulus whose onset is time 0.
    pub stimulus: String,
    /// From where the response is counted.
    pub baseline: Window,
    /// Fraction of the largest departure that counts as a response, above 0 and at most 1.
    pub fraction: f64,
}

/// A span of time within the run, `from_ms <= t < to_ms`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// First moment, ms.
    pub from_ms: f64,
    /// First moment that no longer belongs to it, ms.
    pub to_ms: f64,
}

/// Per-area timescales.
#[derive(Debug, Clone)]
pub struct TimescalesSpec {
    /// Where they come from.
    pub method: Method,
    /// Variable.
    pub variable: String,
    /// Noise that drives the network in the exact method, if not the experiment's own.
    pub drive: Option<Named<NoiseSpec>>,
    /// Longest lag, ms.
    pub max_lag_ms: f64,
    /// Simulated: activity before this is left out, ms.
    pub after_ms: f64,
}

/// Functional connectivity.
#[derive(Debug, Clone)]
pub struct FcSpec {
    /// Where it comes from.
    pub method: Method,
    /// Variable.
    pub variable: String,
    /// Noise that drives the network in the exact method, if not the experiment's own.
    pub drive: Option<Named<NoiseSpec>>,
    /// Simulated: activity before this is left out, ms.
    pub after_ms: f64,
}

/// Longest lag when none is typed, ms: the default of the timescale estimator.
const DEFAULT_MAX_LAG_MS: f64 = 6000.0;
/// Longest lag that may be asked for, ms: no timescale of the cortex needs more than 1000 s of lags.
const LARGEST_MAX_LAG_MS: f64 = 1e6;

/// Resolves a draft. Errors name the key path, which the caller turns into a line and column.
pub(super) fn resolve(draft: Draft, config: Config) -> Result<ExperimentSpec, SpecError> {
    let at = |path: &str, e: UnitError| config.error(path, e.to_string());
    let time = |path: &str, q: Quantity| q.expect(Dimension::TIME).map_err(|e| at(path, e));
    let positive = |path: &str, q: Quantity| {
        let value = time(path, q)?;
        if value > 0.0 {
            return Ok(value);
        }
        Err(config.error(
            path,
            format!("not positive: found {q}, expected a time above 0 ms"),
        ))
    };

    let mut stimuli = Named::new();
    for (name, s) in draft.stimuli {
        let path = format!("stimuli.{}", super::node::path_segment(&name));
        let onset_ms = time(&format!("{path}.onset"), s.onset)?;
        let offset_ms = time(&format!("{path}.offset"), s.offset)?;
        if onset_ms < 0.0 || offset_ms <= onset_ms {
            return Err(config.error(
                &format!("{path}.offset"),
                format!(
                    "stimulus `{name}` has no duration: found onset {onset_ms} ms and offset \
                     {offset_ms} ms, expected 0 ms <= onset < offset"
                ),
            ));
        }
        let spec = StimulusSpec {
            into: s.into,
            areas: s.areas,
            amplitude: s.amplitude,
            onset_ms,
            offset_ms,
        };
        stimuli.insert(name, spec);
    }

    let noise = resolve_noise(&config, "noise", draft.noise)?;
    let sim = &draft.simulation;
    let duration_ms = positive("simulation.duration", sim.duration)?;
    let dt_ms = positive("simulation.dt", sim.dt)?;
    if sim.replicates == 0 {
        return Err(config.error(
            "simulation.replicates",
            "no replicates: found 0, expected at least 1".to_owned(),
        ));
    }
    let record = &draft.record;
    let start_ms = match record.start {
        Some(q) => time("record.start", q)?,
        None => 0.0,
    };
    if record.compression > 9 {
        return Err(config.error(
            "record.compression",
            format!(
                "deflate level out of range: found {}, expected 0 to 9",
                record.compression
            ),
        ));
    }
    let mut run = RunSpec {
        duration_ms,
        dt_ms,
        stepper: sim.stepper,
        order: sim.order,
        discrete: sim.discrete,
        delays: sim.delays,
        noise_per_step: noise_per_step(&config, sim.noise_grid, dt_ms)?,
        seed: sim.seed,
        replicates: sim.replicates,
        variables: record.variables.clone(),
        areas: record.areas.clone(),
        every_ms: positive("record.every", record.every)?,
        start_ms,
        precision: record.precision,
        compression: record.compression,
    };
    let task = super::task::resolve(&config, draft.task, duration_ms, dt_ms)?;
    if let Some(task) = &task {
        // A trial is a replicate of its own, or a session of many is.
        run.replicates = task.runs();
        run.duration_ms = task.run_ms(duration_ms);
    }
    let duration_ms = run.duration_ms;
    for (name, stimulus) in &stimuli {
        if stimulus.offset_ms > duration_ms {
            let path = format!("stimuli.{}.offset", super::node::path_segment(name));
            return Err(config.error(
                &path,
                format!(
                    "stimulus `{name}` outlasts the run: found offset {} ms, expected at most \
                     simulation.duration = {duration_ms} ms",
                    stimulus.offset_ms
                ),
            ));
        }
    }
    let analysis = resolve_analysis(&config, draft.analysis, &run)?;
    let perturbations =
        super::perturbation::resolve(&config, &draft.perturbations, run.duration_ms, dt_ms)?;
    if task.is_some() && sim.replicates != 1 {
        let message = format!(
            "found {} replicates of a task, expected 1: its trials are counted in `task.trials` or its \
             conditions",
            sim.replicates
        );
        return Err(config.error("simulation.replicates", message));
    }
    Ok(ExperimentSpec {
        title: draft.title,
        description: draft.description,
        sources: draft.sources,
        connectome: draft.connectome,
        circuit: draft.circuit,
        gradients: draft.gradients,
        modulators: draft.modulators,
        projections: draft.projections,
        baseline: draft.baseline.state,
        solve: draft.baseline.solve,
        initial: draft.initial,
        receptors: draft.receptors,
        perturbations,
        lesions: draft.lesions,
        stimuli,
        task,
        noise,
        run,
        analysis,
        config,
    })
}

/// How often noise is looked up in a step of length dt.
fn noise_per_step(config: &Config, grid: Option<Quantity>, dt_ms: f64) -> Result<u32, SpecError> {
    const MOST: f64 = 4096.0;
    let path = "simulation.noise_grid";
    let Some(q) = grid else { return Ok(1) };
    let ms = q
        .expect(Dimension::TIME)
        .map_err(|e| config.error(path, e.to_string()))?;
    let times = (dt_ms / ms).round();
    if (1.0..=MOST).contains(&times) && (times * ms - dt_ms).abs() <= 1e-9 * dt_ms {
        return Ok(times as u32);
    }
    let message = format!(
        "noise is off the grid: found {q}, expected simulation.dt = {dt_ms} ms divided by a whole \
         number up to {MOST}"
    );
    Err(config.error(path, message))
}

fn resolve_noise(
    config: &Config,
    under: &str,
    drafts: Named<NoiseDraft>,
) -> Result<Named<NoiseSpec>, SpecError> {
    let mut out = Named::new();
    for (name, n) in drafts {
        let path = format!("{under}.{}", super::node::path_segment(&name));
        let (key, other, wanted, unwanted) = match n.kind {
            NoiseKind::White => ("bin", "tau", n.bin, n.tau),
            NoiseKind::OrnsteinUhlenbeck => ("tau", "bin", n.tau, n.bin),
        };
        if unwanted.is_some() {
            let path = format!("{path}.{other}");
            let kind = if key == "bin" {
                "white"
            } else {
                "ornstein_uhlenbeck"
            };
            let message =
                format!("key does not belong: found `{other}` in {kind} noise, expected `{key}`");
            return Err(config.error(&path, message));
        }
        let Some(q) = wanted else {
            let message = format!("missing key: expected `{key}` for this kind of noise");
            return Err(config.error(&path, message));
        };
        let ms = q
            .expect(Dimension::TIME)
            .map_err(|e| config.error(&format!("{path}.{key}"), e.to_string()))?;
        if ms <= 0.0 || n.sd.value < 0.0 {
            let found = if ms <= 0.0 { q } else { n.sd };
            let (key, least) = if ms <= 0.0 {
                (key, "above 0")
            } else {
                ("sd", "of 0 or more")
            };
            let message = format!("out of range: found {found}, expected {key} {least}");
            return Err(config.error(&format!("{path}.{key}"), message));
        }
        let memory = match n.kind {
            NoiseKind::White => NoiseMemory::White { bin_ms: ms },
            NoiseKind::OrnsteinUhlenbeck => NoiseMemory::Ou { tau_ms: ms },
        };
        let spec = NoiseSpec {
            into: n.into,
            times: n.times,
            areas: n.areas,
            except: n.except,
            mean: n.mean,
            sd: n.sd,
            memory,
        };
        out.insert(name, spec);
    }
    Ok(out)
}

/// A window of the run with at least one sample in it.
fn window(
    config: &Config,
    path: &str,
    draft: WindowDraft,
    run: &RunSpec,
) -> Result<Window, SpecError> {
    let time = |key: &str, q: Quantity| {
        q.expect(Dimension::TIME)
            .map_err(|e| config.error(&format!("{path}.{key}"), e.to_string()))
    };
    let window = Window {
        from_ms: time("from", draft.from)?,
        to_ms: time("to", draft.to)?,
    };
    let samples = run.samples_in(window.from_ms, window.to_ms);
    if window.from_ms >= 0.0 && window.to_ms <= run.duration_ms && !samples.is_empty() {
        return Ok(window);
    }
    let message = format!(
        "window without samples of the run: found {} to {}, expected a part of 0 to {} ms with \
         recorded samples",
        draft.from, draft.to, run.duration_ms
    );
    Err(config.error(path, message))
}

fn resolve_delay_activity(
    config: &Config,
    draft: DelayActivityDraft,
    run: &RunSpec,
) -> Result<DelayActivitySpec, SpecError> {
    let path = "analysis.delay_activity";
    Ok(DelayActivitySpec {
        variable: draft.variable,
        baseline: window(config, &format!("{path}.baseline"), draft.baseline, run)?,
        delay: window(config, &format!("{path}.delay"), draft.delay, run)?,
        persistent_above: draft.persistent_above,
    })
}

fn resolve_latencies(
    config: &Config,
    draft: LatenciesDraft,
    run: &RunSpec,
) -> Result<LatenciesSpec, SpecError> {
    let path = "analysis.latencies";
    if !(draft.fraction > 0.0 && draft.fraction <= 1.0) {
        let message = format!(
            "out of range: found {}, expected a fraction above 0 and at most 1",
            draft.fraction
        );
        return Err(config.error(&format!("{path}.fraction"), message));
    }
    Ok(LatenciesSpec {
        variable: draft.variable,
        stimulus: draft.stimulus,
        baseline: window(config, &format!("{path}.baseline"), draft.baseline, run)?,
        fraction: draft.fraction,
    })
}

fn resolve_analysis(
    config: &Config,
    draft: AnalysisDraft,
    run: &RunSpec,
) -> Result<AnalysisSpec, SpecError> {
    let time = |path: &str, q: Option<Quantity>, absent: f64| match q {
        None => Ok(absent),
        Some(q) => {
            let value = q
                .expect(Dimension::TIME)
                .map_err(|e| config.error(path, e.to_string()))?;
            if value >= 0.0 {
                return Ok(value);
            }
            Err(config.error(
                path,
                format!("negative time: found {q}, expected 0 ms or more"),
            ))
        }
    };
    let drive = |path: &str, method, drive: Option<Named<NoiseDraft>>| {
        let Some(drive) = drive else { return Ok(None) };
        if method == TimescaleMethod::Simulated {
            let message = "key does not belong: found `drive` with `method: simulated`, expected \
                           it only with `method: exact`";
            return Err(config.error(path, message.to_owned()));
        }
        resolve_noise(config, path, drive).map(Some)
    };
    let timescales = match draft.timescales {
        None => None,
        Some(TimescalesDraft {
            method,
            variable,
            drive: d,
            max_lag,
            after,
        }) => {
            let path = "analysis.timescales.max_lag";
            let max_lag_ms = time(path, max_lag, DEFAULT_MAX_LAG_MS)?;
            if !(max_lag_ms > 0.0 && max_lag_ms <= LARGEST_MAX_LAG_MS) {
                let message = format!(
                    "out of range: found {max_lag_ms} ms, expected above 0 and at most \
                     {LARGEST_MAX_LAG_MS} ms"
                );
                return Err(config.error(path, message));
            }
            Some(TimescalesSpec {
                method,
                variable,
                drive: drive("analysis.timescales.drive", method, d)?,
                max_lag_ms,
                after_ms: time("analysis.timescales.after", after, 0.0)?,
            })
        }
    };
    let functional_connectivity = match draft.functional_connectivity {
        None => None,
        Some(FcDraft {
            method,
            variable,
            drive: d,
            after,
        }) => Some(FcSpec {
            method,
            variable,
            drive: drive("analysis.functional_connectivity.drive", method, d)?,
            after_ms: time("analysis.functional_connectivity.after", after, 0.0)?,
        }),
    };
    Ok(AnalysisSpec {
        hierarchy: draft.hierarchy,
        timescales,
        functional_connectivity,
        modes: draft.modes.map(|m| m.variable),
        delay_activity: (draft.delay_activity)
            .map(|d| resolve_delay_activity(config, d, run))
            .transpose()?,
        latencies: (draft.latencies)
            .map(|d| resolve_latencies(config, d, run))
            .transpose()?,
    })
}

impl Areas {
    /// Names listed, or `None` for all.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        match self {
            AreasDraft::All => None,
            AreasDraft::List(names) => Some(names),
        }
    }
}
