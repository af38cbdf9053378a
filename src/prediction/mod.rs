//! Perturbations held against a control with the same noise.
//!
//! A design names an experiment, what is read out of it, and perturbations, each in words or as a list of
//! config overrides; all of them and the control run with the same seed, and noise is looked up by address,
//! so replicate r of a perturbation differs from replicate r of the control by the perturbation
//! alone. Differences are therefore taken replicate by replicate. Nothing here knows a paper.

mod statistics;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use ndarray::s;
use serde::Deserialize;

use crate::engine::{self, Conditions, EngineError, Quiet, Recording};
use crate::network::{DataSets, Network, NetworkError};
use crate::plan::{Execution, Plan};
use crate::spec::{
    Areas, Config, ConfigLayers, ExperimentSpec, Override, RunSpec, SpecError, overrides,
};
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
    #[serde(default)]
    pub set: Vec<String>,
    /// The perturbation in words, the other keys of the map; `{each}` as in `set`.
    #[serde(skip)]
    pub words: Option<Override>,
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
        let words = self.words.as_ref().is_some_and(|w| w.contains(EACH));
        words || self.set.iter().any(|s| s.contains(EACH))
    }

    /// What is laid on the control.
    fn overrides(&self, level: &str) -> Vec<Override> {
        let words = self.words.iter().map(|w| w.replaced(EACH, level));
        let sets = self.set.iter().enumerate().map(|(i, text)| Override::Set {
            label: format!("set[{i}]"),
            text: text.replace(EACH, level),
        });
        words.chain(sets).collect()
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
    /// What to know of the perturbation, such as a stimulus that reaches nothing any more.
    pub note: String,
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
    let (own, words) = config.without_perturbations(&["set", "each", "except", "refuted_if"]);
    let mut design: Design = own.deserialize()?;
    for (name, words) in words {
        if let Some(p) = design.perturbations.get_mut(&name) {
            p.words = Some(words);
        }
    }
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
        if p.set.is_empty() && p.words.is_none() {
            let path = format!("perturbations.{name}");
            return Err(empty(&path, "perturbation in words and no `set`"));
        }
        let has = p.has_levels();
        let path = format!("perturbations.{name}.each");
        if let Areas::List(levels) = &p.each
            && (levels.is_empty() || !has)
        {
            let message = format!(
                "levels that change nothing: found {} levels and {} `{EACH}` in the \
                 perturbation, expected both",
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
    note: String,
    spec: ExperimentSpec,
    plan: Plan,
}

impl Case {
    fn compile(
        base: &ConfigLayers,
        overrides: &[Override],
        data: &DataSets,
    ) -> Result<Case, PredictionError> {
        let spec = base.with(overrides)?;
        let network = Network::build_from(&spec, data)?;
        let plan = Plan::compile(&network, &spec, Execution::default())?;
        let lost = spec.dropped_stimuli().into_iter();
        let lost = lost.map(|(stimulus, area)| format!("{stimulus} into {area} is not given"));
        Ok(Case {
            name: String::new(),
            level: String::new(),
            refuted_if: String::new(),
            note: lost.collect::<Vec<_>>().join("; "),
            spec,
            plan,
        })
    }
}

/// A design with all of its networks built, and so checked.
pub struct Screen {
    control: Case,
    cases: Vec<Case>,
    windows: Vec<Window>,
}

/// Builds the control and all perturbations of a design, with overrides of all of them.
///
/// # Errors
/// Faulty configs and designs.
pub fn prepare(
    config: &Config,
    design: &Design,
    sets: &[String],
) -> Result<Screen, PredictionError> {
    let base = ConfigLayers::read(&design.experiment)?;
    let sets: Vec<String> = design.set.iter().chain(sets).cloned().collect();
    let common = overrides(&sets);
    let data = DataSets::default();
    let control = Case::compile(&base, &common, &data)?;
    let mut cases = Vec::new();
    for (name, p) in &design.perturbations {
        let levels: Vec<String> = match &p.each {
            Areas::List(levels) => levels.clone(),
            Areas::All if p.has_levels() => control.plan.areas.clone(),
            Areas::All => vec![String::new()],
        };
        for level in levels.into_iter().filter(|l| !p.except.contains(l)) {
            let all = [common.clone(), p.overrides(&level)].concat();
            let case = Case::compile(&base, &all, &data).map_err(|e| e.of(name, &level))?;
            cases.push(Case {
                name: name.clone(),
                level,
                refuted_if: p.refuted_if.clone(),
                ..case
            });
        }
    }
    let windows = windows(config, design, &control)?;
    Ok(Screen {
        control,
        cases,
        windows,
    })
}

impl Screen {
    /// The experiment and the plan of the control and of every perturbation.
    pub fn runs(&self) -> impl Iterator<Item = (&ExperimentSpec, &Plan)> {
        let all = std::iter::once(&self.control).chain(&self.cases);
        all.map(|case| (&case.spec, &case.plan))
    }
}

/// Runs the control and all perturbations and compares them, replicate by replicate.
///
/// # Errors
/// A run that fails or is stopped.
pub fn predict(
    screen: &Screen,
    threads: usize,
    stop: &AtomicBool,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<Row>, PredictionError> {
    let Screen {
        control,
        cases,
        windows,
    } = screen;
    let total = cases.len() + 1;
    let conditions = Conditions {
        threads,
        stop,
        progress: &Quiet,
    };
    progress(0, total);
    let reference = engine::simulate(&control.plan, &conditions)?;
    let reference: Vec<Vec<f64>> = windows
        .iter()
        .map(|w| w.read(control, &reference))
        .collect();
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (done, case) in cases.iter().enumerate() {
        progress(done + 1, total);
        let run = engine::simulate(&case.plan, &conditions)
            .map_err(|e| PredictionError::from(e).of(&case.name, &case.level))?;
        for (window, before) in windows.iter().zip(&reference) {
            let after = window.read(case, &run);
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
                note: case.note.clone(),
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

fn windows(config: &Config, design: &Design, control: &Case) -> Result<Vec<Window>, SpecError> {
    let Case { plan, spec, .. } = control;
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
        let end_ms = spec.run.duration_ms;
        let beyond = from_ms < 0.0 || to_ms > end_ms * (1.0 + 1e-9);
        if beyond || spec.run.samples_in(from_ms, to_ms).is_empty() {
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
    fn samples(&self, run: &RunSpec) -> Range<usize> {
        run.samples_in(self.from_ms, self.to_ms)
    }

    /// Value of every replicate.
    fn read(&self, case: &Case, recording: &Recording) -> Vec<f64> {
        let plan = &case.plan;
        let name = |k: usize| &plan.areas[plan.record.areas[k].index()];
        let wanted = |k: &usize| self.areas.as_ref().is_none_or(|a| a.contains(name(*k)));
        let areas: Vec<usize> = (0..plan.record.areas.len()).filter(wanted).collect();
        let samples = self.samples(&case.spec.run);
        let values = &recording.variables[self.variable];
        let one = |r: usize| {
            let activity = values.slice(s![r, .., ..]);
            let picked = samples
                .clone()
                .flat_map(|t| areas.iter().map(move |&a| (t, a)));
            let all: Vec<f64> = picked.map(|at| activity[at]).collect();
            mean(&all)
        };
        (0..values.shape()[0]).map(one).collect()
    }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}
