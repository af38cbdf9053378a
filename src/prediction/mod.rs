//! Perturbations held against a control with the same noise.
//!
//! A design names an experiment, what is read out of it, and perturbations, each in words or as a list of
//! config overrides; all of them and the control run with the same seed, and noise is looked up by address,
//! so replicate r of a perturbation differs from replicate r of the control by the perturbation
//! alone. Differences are therefore taken replicate by replicate. Nothing here knows a paper.

mod outcome;
mod statistics;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use serde::Deserialize;

use crate::engine::{self, Conditions, EngineError, Quiet, Recording};
use crate::ids::AreaId;
use crate::network::{DataSets, Network, NetworkError};
use crate::plan::{Execution, Plan};
use crate::spec::node::path_segment;
use crate::spec::{
    Areas, Config, ConfigLayers, ExperimentSpec, Override, SpecError, Words, overrides,
};
use crate::units::Quantity;
use outcome::{Outcome, Values};

pub use statistics::{Detected, Line, Tally, interval, max_t, sensitivities};

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
    /// Conditions of the task whose trials count; all if absent.
    #[serde(default)]
    pub condition: Option<Words>,
    /// What is read out of every replicate, by name.
    pub readouts: BTreeMap<String, Readout>,
    /// Perturbations by name.
    pub perturbations: BTreeMap<String, Perturbation>,
}

/// What is read out of every replicate: exactly one of `variable`, `task` and `d_prime`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readout {
    /// Recorded variable, whose mean over areas and a window of time is taken.
    #[serde(default)]
    pub variable: Option<String>,
    /// With `variable`: areas; those that only control or perturbation has are left out of both means.
    #[serde(default)]
    pub areas: Option<Areas>,
    /// With `variable`: start of the window.
    #[serde(default)]
    pub from: Option<Quantity>,
    /// With `variable`: end of the window.
    #[serde(default)]
    pub to: Option<Quantity>,
    /// Readout of the task.
    #[serde(default)]
    pub task: Option<String>,
    /// With `task`, where that is a choice: what is taken of it.
    #[serde(default)]
    pub take: Option<Take>,
    /// With `task`, where that is a choice: the share of trials that end with one of these is taken.
    #[serde(default)]
    pub chosen: Option<Words>,
    /// Sensitivity of the task.
    #[serde(default)]
    pub d_prime: Option<String>,
    /// Conditions of the task whose trials count; those of the design if absent.
    #[serde(default)]
    pub condition: Option<Words>,
}

/// What is taken of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// Share of trials with the right one, of those in which there is something right.
    Correct,
    /// Reaction time in trials with a choice.
    Time,
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
    /// Conditions of the task whose trials count; empty where all do.
    pub condition: String,
    /// Replicates that gave a number in both.
    pub replicates: usize,
    /// Unit of the readout.
    pub unit: String,
    /// Mean over replicates in the control, over areas that both have.
    pub control: f64,
    /// Mean over replicates under the perturbation.
    pub perturbed: f64,
    /// Mean over replicates of perturbed minus control, noise alike.
    pub difference: f64,
    /// 95 % interval of the difference, bootstrapped over replicates; none for one replicate.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p of the difference by swapping control and perturbation of replicates, corrected over all
    /// lines of the table; none for one replicate, and where a replicate diverged.
    pub p: Option<f64>,
    /// What would refute the prediction.
    pub refuted_if: String,
    /// Areas that means and counts leave out, since only one of the two has them.
    pub left_out: Vec<String>,
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
    network: Network,
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
        let lost = spec.dropped_stimuli(&network.lesioned).into_iter();
        let lost = lost.map(|(stimulus, area)| format!("{stimulus} into {area} is not given"));
        Ok(Case {
            name: String::new(),
            level: String::new(),
            refuted_if: String::new(),
            note: lost.collect::<Vec<_>>().join("; "),
            spec,
            network,
            plan,
        })
    }
}

impl Case {
    /// Areas that only one of two cases has, in any condition of the task.
    fn apart<'a>(&'a self, other: &'a Case) -> Vec<&'a str> {
        let conditions = self
            .network
            .trials
            .as_ref()
            .map_or(1, |t| t.conditions.len());
        let both: BTreeSet<&str> = [self, other]
            .into_iter()
            .flat_map(|case| case.network.area_names())
            .collect();
        let differs =
            |name: &&str| (0..conditions).any(|k| self.has_in(k, name) != other.has_in(k, name));
        both.into_iter().filter(differs).collect()
    }

    /// Whether there is an area of that name in a condition of the task.
    fn has_in(&self, condition: usize, name: &str) -> bool {
        let area = self.network.connectome.area_id(name);
        area.is_ok_and(|area| self.network.has_in(condition, area))
    }

    /// The experiment with means and counts of areas that its task reads out taken over areas but those in `apart`.
    /// Choices stay: they were made with all areas.
    fn reading_without(&self, apart: &[&str]) -> Result<Cow<'_, ExperimentSpec>, PredictionError> {
        let mut spec = Cow::Borrowed(&self.spec);
        if apart.is_empty() {
            return Ok(spec);
        }
        let readouts = spec.to_mut().task.iter_mut().flat_map(|t| &mut t.readouts);
        for readout in readouts.filter(|r| !r.what.is_choice()) {
            let left = self.areas_of(&readout.areas)?.into_iter();
            let left: Vec<String> = left.filter(|a| !apart.contains(&a.as_str())).collect();
            if !left.is_empty() {
                readout.areas = Areas::List(left);
            }
        }
        Ok(spec)
    }

    /// Names of the areas that a readout of the task goes over.
    fn areas_of(&self, areas: &Areas) -> Result<Vec<String>, SpecError> {
        let wanted = match areas.names() {
            None => self.spec.run.areas.clone(),
            // As where they are read: one config serves the intact and the lesioned network.
            Some(names) => {
                let left = names.iter().filter(|name| !self.network.is_lesioned(name));
                Areas::List(left.cloned().collect())
            }
        };
        if wanted.names().is_some_and(<[String]>::is_empty) {
            return Ok(Vec::new());
        }
        let found = self.network.areas_of(&self.spec, "", &wanted)?;
        let name = |a: &AreaId| self.plan.areas[a.index()].clone();
        Ok(found.iter().map(name).collect())
    }
}

/// A design with all of its networks built, and so checked.
pub struct Screen {
    control: Case,
    cases: Vec<Case>,
    outcomes: Vec<Outcome>,
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
    let outcomes = outcome::resolve(config, design, &control)?;
    let of_task = outcomes.iter().any(Outcome::is_of_task);
    let mut cases = Vec::new();
    for (name, p) in &design.perturbations {
        let levels: Vec<String> = match &p.each {
            Areas::List(levels) => levels.clone(),
            Areas::All if p.has_levels() => control.plan.areas.clone(),
            Areas::All => vec![String::new()],
        };
        let except = except(config, &control, name, p)?;
        for level in levels.into_iter().filter(|l| !except.contains(l)) {
            let all = [common.clone(), p.overrides(&level)].concat();
            let case = Case::compile(&base, &all, &data).map_err(|e| e.of(name, &level))?;
            outcome::check_trials(&control.network, &case.network).map_err(|message| {
                let path = format!("perturbations.{}", path_segment(name));
                PredictionError::from(config.error(&path, message)).of(name, &level)
            })?;
            if of_task {
                engine::check_readouts(&case.network, &case.spec)
                    .map_err(|e| PredictionError::from(e).of(name, &level))?;
            }
            cases.push(Case {
                name: name.clone(),
                level,
                refuted_if: p.refuted_if.clone(),
                ..case
            });
        }
    }
    Ok(Screen {
        control,
        cases,
        outcomes,
    })
}

/// Levels that are left out. Beside `each: all` they are areas, or groups of them.
fn except(
    config: &Config,
    control: &Case,
    name: &str,
    p: &Perturbation,
) -> Result<Vec<String>, SpecError> {
    if p.except.is_empty() || p.each != Areas::All {
        return Ok(p.except.clone());
    }
    let path = format!("perturbations.{}.except", path_segment(name));
    let areas = Areas::List(p.except.clone());
    let found = control.network.areas_of(&control.spec, "", &areas);
    let found = found.map_err(|e| config.error(&path, e.message))?;
    let name = |a: &AreaId| control.plan.areas[a.index()].clone();
    Ok(found.iter().map(name).collect())
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
        outcomes,
    } = screen;
    let total = cases.len() + 1;
    let conditions = Conditions {
        threads,
        stop,
        progress: &Quiet,
    };
    let task = control.spec.task.as_ref();
    progress(0, total);
    let reference = engine::simulate(&control.plan, &conditions)?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (done, case) in cases.iter().enumerate() {
        progress(done + 1, total);
        let of = |e: PredictionError| e.of(&case.name, &case.level);
        let run = engine::simulate(&case.plan, &conditions).map_err(|e| of(e.into()))?;
        // A mean over other areas would differ for that alone.
        let apart = control.apart(case);
        let before = read(outcomes, control, &reference, &apart).map_err(of)?;
        let after = read(outcomes, case, &run, &apart).map_err(of)?;
        for (outcome, (before, after)) in outcomes.iter().zip(before.iter().zip(&after)) {
            let found = outcome.compare(before, after);
            rows.push(Row {
                perturbation: case.name.clone(),
                level: case.level.clone(),
                readout: outcome.name.clone(),
                condition: outcome.conditions(task),
                replicates: found.line.replicates(),
                unit: outcome.unit.to_owned(),
                control: found.control,
                perturbed: found.perturbed,
                difference: found.difference,
                interval: interval(&found.line),
                p: None,
                refuted_if: case.refuted_if.clone(),
                left_out: outcome
                    .left_out([control, case], &apart)
                    .map_err(|e| of(e.into()))?,
                note: case.note.clone(),
            });
            lines.push(found.line);
        }
    }
    progress(total, total);
    for (row, p) in rows.iter_mut().zip(max_t(&lines)) {
        row.p = p;
    }
    Ok(rows)
}

/// What every outcome is in every trial of a run; means go over areas but those in `apart`.
fn read(
    outcomes: &[Outcome],
    case: &Case,
    recording: &Recording,
    apart: &[&str],
) -> Result<Vec<Values>, PredictionError> {
    let table = match outcomes.iter().any(Outcome::is_of_task) {
        true => {
            let spec = case.reading_without(apart)?;
            engine::trial_table(&case.network, &spec, recording)?
        }
        false => None,
    };
    let one = |outcome: &Outcome| outcome.read(case, recording, table.as_ref(), apart);
    Ok(outcomes.iter().map(one).collect())
}
