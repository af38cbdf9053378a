//! Perturbations held against a control with the same noise.
//!
//! A design names an experiment, what is read out of it, and perturbations, each a list of config
//! overrides; all of them and the control run with the same seed, and noise is looked up by address,
//! so replicate r of a perturbation differs from replicate r of the control by the perturbation
//! alone. Differences are therefore taken replicate by replicate. Nothing here knows a paper.

mod statistics;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ndarray::s;
use serde::Deserialize;

use crate::engine::{self, Conditions, EngineError, Quiet, Recording};
use crate::network::{Network, NetworkError};
use crate::plan::{Execution, Plan};
use crate::spec::{self, Areas, Config, SpecError};
use crate::units::{Dimension, Quantity};

pub use statistics::{interval, max_t};

/// A design as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// One line that names it.
    pub title: String,
    /// Config path or bundled name of the control.
    pub experiment: String,
    /// Overrides of control and perturbations alike.
    #[serde(default)]
    pub set: Vec<String>,
    /// What is read out of every replicate, by name.
    pub readouts: BTreeMap<String, Readout>,
    /// Perturbations by name.
    pub perturbations: BTreeMap<String, Perturbation>,
}

/// Mean of a recorded variable over areas and a window of time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readout {
    /// Recorded variable.
    pub variable: String,
    /// Areas; lesioned ones are left out of the mean.
    #[serde(default)]
    pub areas: Areas,
    /// Start of the window.
    pub from: Quantity,
    /// End of the window.
    pub to: Quantity,
}

/// A change of the control.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Perturbation {
    /// Overrides, `path=value`; `{each}` stands for one of `each`.
    pub set: Vec<String>,
    /// Levels, or names of areas; one line of the table each.
    #[serde(default)]
    pub each: Areas,
    /// With `each: all`: areas that are left out.
    #[serde(default)]
    pub except: Vec<String>,
    /// What an experiment would have to find to refute the prediction.
    pub refuted_if: String,
}

impl Perturbation {
    fn has_levels(&self) -> bool {
        self.set.iter().any(|s| s.contains(EACH))
    }
}

/// One line of the table: one readout under one perturbation.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Row {
    /// Perturbation.
    pub perturbation: String,
    /// Level or area, if there are several.
    pub level: String,
    /// Readout.
    pub readout: String,
    /// Unit of the readout.
    pub unit: String,
    /// Mean over replicates in the control.
    pub control: f64,
    /// Mean over replicates under the perturbation.
    pub perturbed: f64,
    /// Mean over replicates of perturbed minus control, noise alike.
    pub difference: f64,
    /// 95 % interval of the difference, bootstrapped over replicates; none for one replicate.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p of the difference by flipping signs of replicates, corrected over all lines of the
    /// table; none for one replicate, and where a replicate gives no number.
    pub p: Option<f64>,
    /// What would refute the prediction.
    pub refuted_if: String,
}

/// Why a design could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// The design or a config is faulty.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A run failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Any of these in a perturbation.
    #[error("perturbation {name}: {source}")]
    Perturbation {
        /// Its name and level.
        name: String,
        /// What happened.
        source: Box<PredictionError>,
    },
}

impl PredictionError {
    /// Whether the person asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        match self {
            PredictionError::Engine(e) => matches!(e, EngineError::Interrupted),
            PredictionError::Perturbation { source, .. } => source.is_interrupted(),
            _ => false,
        }
    }

    /// The same, with the perturbation and its level.
    fn of(self, name: &str, level: &str) -> PredictionError {
        PredictionError::Perturbation {
            name: format!("{name} {level}").trim_end().to_owned(),
            source: Box::new(self),
        }
    }
}

/// Designs inside the binary: (name, text).
#[must_use]
pub fn bundled() -> &'static [(&'static str, &'static str)] {
    &[(
        "froudist_walsh2021",
        include_str!("../../configs/predictions/froudist_walsh2021.yaml"),
    )]
}

/// Reads a design.
///
/// # Errors
/// Bad YAML, unknown keys, no readout, no perturbation, an empty window; with line and column.
pub fn load(name: &str, text: &str) -> Result<(Config, Design), SpecError> {
    let config = Config::parse(name, text)?;
    let design: Design = config.deserialize()?;
    let empty = |path: &str, what: &str| {
        config.error(
            path,
            format!("nothing to do: found no {what}, expected one or more"),
        )
    };
    if design.readouts.is_empty() {
        return Err(empty("readouts", "readouts"));
    }
    if design.perturbations.is_empty() {
        return Err(empty("perturbations", "perturbations"));
    }
    for (name, p) in &design.perturbations {
        let has = p.has_levels();
        let path = format!("perturbations.{name}.each");
        if let Areas::List(levels) = &p.each
            && (levels.is_empty() || !has)
        {
            let message = format!(
                "levels that change nothing: found {} levels and {} `{EACH}` in `set`, expected \
                 both",
                levels.len(),
                if has { "a" } else { "no" }
            );
            return Err(config.error(&path, message));
        }
    }
    Ok((config, design))
}

const EACH: &str = "{each}";

/// A network ready to run, with what it is called.
struct Case {
    name: String,
    level: String,
    refuted_if: String,
    plan: Plan,
}

fn compile(experiment: &str, sets: &[String]) -> Result<Plan, PredictionError> {
    let spec = spec::load(experiment, sets)?;
    let network = Network::build(&spec)?;
    Ok(Plan::compile(&network, &spec, Execution::default())?)
}

/// Runs the control and all perturbations and compares them, replicate by replicate. Everything is
/// built, and so checked, before anything runs.
///
/// # Errors
/// See [`PredictionError`].
pub fn predict(
    config: &Config,
    design: &Design,
    sets: &[String],
    threads: usize,
    stop: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<Row>, PredictionError> {
    let common: Vec<String> = design.set.iter().chain(sets).cloned().collect();
    let control = compile(&design.experiment, &common)?;
    let mut cases = Vec::new();
    for (name, p) in &design.perturbations {
        let levels: Vec<String> = match &p.each {
            Areas::List(levels) => levels.clone(),
            Areas::All if p.has_levels() => control.areas.clone(),
            Areas::All => vec![String::new()],
        };
        for level in levels.into_iter().filter(|l| !p.except.contains(l)) {
            let own = p.set.iter().map(|s| s.replace(EACH, &level));
            let all: Vec<String> = common.iter().cloned().chain(own).collect();
            let plan = compile(&design.experiment, &all).map_err(|e| e.of(name, &level))?;
            cases.push(Case {
                name: name.clone(),
                level,
                refuted_if: p.refuted_if.clone(),
                plan,
            });
        }
    }
    let windows = windows(config, design, &control)?;
    let total = cases.len() + 1;
    let conditions = Conditions {
        threads,
        stop,
        progress: &Quiet,
    };
    progress(0, total);
    let reference = engine::simulate(&control, &conditions)?;
    let reference: Vec<Vec<f64>> = windows
        .iter()
        .map(|w| w.read(&control, &reference))
        .collect();
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (done, case) in cases.iter().enumerate() {
        progress(done + 1, total);
        let run = engine::simulate(&case.plan, &conditions)
            .map_err(|e| PredictionError::from(e).of(&case.name, &case.level))?;
        for (window, before) in windows.iter().zip(&reference) {
            let after = window.read(&case.plan, &run);
            let differences: Vec<f64> = after.iter().zip(before).map(|(a, b)| a - b).collect();
            rows.push(Row {
                perturbation: case.name.clone(),
                level: case.level.clone(),
                readout: window.name.clone(),
                unit: window.unit.to_owned(),
                control: mean(before),
                perturbed: mean(&after),
                difference: mean(&differences),
                interval: interval(&differences),
                p: None,
                refuted_if: case.refuted_if.clone(),
            });
            lines.push(differences);
        }
    }
    progress(total, total);
    for (row, p) in rows.iter_mut().zip(max_t(&lines)) {
        row.p = p;
    }
    Ok(rows)
}

/// A readout with its names resolved.
struct Window {
    name: String,
    unit: &'static str,
    /// Index among the recorded variables.
    variable: usize,
    areas: Option<Vec<String>>,
    from_ms: f64,
    to_ms: f64,
}

fn windows(config: &Config, design: &Design, plan: &Plan) -> Result<Vec<Window>, SpecError> {
    let info = plan.circuit.info();
    let recorded = || plan.record.variables.iter().map(|v| &info.variables[*v]);
    let one = |(name, r): (&String, &Readout)| {
        let path = |key: &str| format!("readouts.{name}.{key}");
        let time = |key: &str, q: Quantity| {
            q.expect(Dimension::TIME)
                .map_err(|e| config.error(&path(key), e.to_string()))
        };
        let Some(variable) = recorded().position(|v| v.name == r.variable) else {
            let known: Vec<&str> = recorded().map(|v| v.name).collect();
            let message = format!(
                "variable is not recorded: found `{}`, expected one of {}",
                r.variable,
                known.join(", ")
            );
            return Err(config.error(&path("variable"), message));
        };
        let areas = r.areas.names().map(<[String]>::to_vec);
        let present = |a: &&String| {
            let place = plan.areas.iter().position(|name| name == *a);
            place.is_some_and(|at| plan.record.areas.iter().any(|id| id.index() == at))
        };
        if let Some(bad) = areas.iter().flatten().find(|a| !present(a)) {
            let message = format!("area is not recorded: found `{bad}`, expected a recorded area");
            return Err(config.error(&path("areas"), message));
        }
        let (from_ms, to_ms) = (time("from", r.from)?, time("to", r.to)?);
        let inside = (0..plan.record.samples)
            .map(|k| plan.sample_ms(k))
            .any(|t| from_ms <= t && t < to_ms);
        let end_ms = plan.steps as f64 * plan.dt_ms;
        if !inside || to_ms > end_ms {
            let message = format!(
                "window without samples of the run: found {from_ms} to {to_ms} ms, expected a part \
                 of 0 to {end_ms} ms with recorded samples"
            );
            return Err(config.error(&path("to"), message));
        }
        let unit = recorded().nth(variable).map_or("1", |v| v.unit);
        Ok(Window {
            name: name.clone(),
            unit,
            variable,
            areas,
            from_ms,
            to_ms,
        })
    };
    design.readouts.iter().map(one).collect()
}

impl Window {
    /// Value of every replicate.
    fn read(&self, plan: &Plan, recording: &Recording) -> Vec<f64> {
        let name = |k: usize| &plan.areas[plan.record.areas[k].index()];
        let wanted = |k: &usize| self.areas.as_ref().is_none_or(|a| a.contains(name(*k)));
        let areas: Vec<usize> = (0..plan.record.areas.len()).filter(wanted).collect();
        let samples: Vec<usize> = (0..recording.time_ms.len())
            .filter(|&k| (self.from_ms..self.to_ms).contains(&recording.time_ms[k]))
            .collect();
        let values = &recording.variables[self.variable];
        let one = |r: usize| {
            let activity = values.slice(s![r, .., ..]);
            let picked = (samples.iter()).flat_map(|&t| areas.iter().map(move |&a| (t, a)));
            let all: Vec<f64> = picked.map(|at| activity[at]).collect();
            mean(&all)
        };
        (0..values.shape()[0]).map(one).collect()
    }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}
