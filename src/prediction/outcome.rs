//! What is read out of every replicate of control and perturbation, and how the two are held together.

use std::collections::BTreeSet;

use ndarray::s;

use super::statistics::{Detected, Line, Tally, sensitivities};
use super::{Case, Design, PredictionError, Readout, Take};
use crate::engine::{self, Choice, ReadoutValues, Recording, TrialTable};
use crate::network::Network;
use crate::spec::node::path_segment;
use crate::spec::suggest::did_you_mean;
use crate::spec::{Areas, Config, ReadoutKind, ReadoutSpec, SpecError, TaskSpec};
use crate::units::{Dimension, Quantity};

/// A readout of a design with its names resolved.
pub(super) struct Outcome {
    pub name: String,
    pub unit: &'static str,
    what: What,
    /// Conditions of the task whose trials count; all if none is named.
    conditions: Option<BTreeSet<usize>>,
}

enum What {
    /// Mean of a recorded variable over areas and a window of the run.
    Window {
        /// Index among the recorded variables.
        variable: usize,
        /// Names; all recorded ones if none is given.
        areas: Option<Vec<String>>,
        from_ms: f64,
        to_ms: f64,
    },
    /// A readout of the task.
    Task {
        /// Its index among those of the task.
        readout: usize,
        take: Taken,
    },
    /// A sensitivity of the task.
    DPrime {
        readout: usize,
        signal: usize,
        noise: usize,
    },
}

/// What is taken of a readout of a task.
enum Taken {
    Number,
    /// Whether the choice was right.
    Correct,
    /// When it was made, ms.
    Time,
    /// Whether it was one of these.
    Chosen(Vec<usize>),
}

/// What a run gave.
pub(super) struct Values {
    /// Number of each trial, or of each replicate without a task; none where it cannot be read.
    trials: Vec<Trial>,
    runs: usize,
}

#[derive(Clone, Copy)]
struct Trial {
    run: usize,
    /// With a signal, in a sensitivity.
    signal: bool,
    value: Option<f64>,
}

/// What a line of the table says of a control and a perturbation.
pub(super) struct Compared {
    pub control: f64,
    pub perturbed: f64,
    pub difference: f64,
    pub line: Line,
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

impl Outcome {
    /// Conditions whose trials count, for people; nothing where all do.
    pub fn conditions(&self, task: Option<&TaskSpec>) -> String {
        let all = task.iter().flat_map(|t| &t.conditions).enumerate();
        let counts = |k: usize| self.conditions.as_ref().is_some_and(|c| c.contains(&k));
        let names: Vec<&str> = all
            .filter(|(k, _)| counts(*k))
            .map(|(_, c)| c.name.as_str())
            .collect();
        names.join(", ")
    }

    /// Whether it needs the trial table.
    pub fn is_of_task(&self) -> bool {
        !matches!(self.what, What::Window { .. })
    }

    /// What every trial of a case gave; means go over areas but those in `apart`.
    pub fn read(
        &self,
        case: &Case,
        recording: &Recording,
        table: Option<&TrialTable>,
        apart: &[&str],
    ) -> Values {
        let network = &case.network;
        let runs = case.plan.replicates as usize;
        let counts = |condition: usize| {
            let wanted = self.conditions.as_ref();
            wanted.is_none_or(|c| c.contains(&condition))
        };
        if let What::Window { .. } = &self.what {
            // Trials of one run share a network, and a condition where that counts.
            let mut condition = vec![0; runs];
            for trial in network.trials.iter().flat_map(|t| &t.trials) {
                condition[trial.run as usize] = trial.condition;
            }
            let condition_of = |run: usize| condition[run];
            let of = |run: usize| Trial {
                run,
                signal: false,
                value: Some(self.window(case, recording, run, condition_of(run), apart)),
            };
            let runs_that_count = (0..runs).filter(|&run| counts(condition_of(run)));
            let trials = runs_that_count.map(of).collect();
            return Values { trials, runs };
        }
        let all = network
            .trials
            .iter()
            .flat_map(|t| t.trials.iter().enumerate());
        let of = |(t, trial): (usize, &crate::stimulus::Trial)| {
            let signal = match &self.what {
                What::DPrime { signal, noise, .. } => {
                    let known = [*signal, *noise].contains(&trial.condition);
                    known.then_some(trial.condition == *signal)?
                }
                _ => counts(trial.condition).then_some(false)?,
            };
            Some(Trial {
                run: trial.run as usize,
                signal,
                value: table.and_then(|table| self.of_trial(table, t)),
            })
        };
        Values {
            trials: all.filter_map(of).collect(),
            runs,
        }
    }

    /// Areas of a mean or count in one or the other case that are in `apart`.
    pub fn left_out(&self, cases: [&Case; 2], apart: &[&str]) -> Result<Vec<String>, SpecError> {
        let mut out = BTreeSet::new();
        if apart.is_empty() {
            return Ok(Vec::new());
        }
        for case in cases {
            let task = case.spec.task.as_ref();
            let readout = |k: usize| task.and_then(|t| t.readouts.get(k));
            let areas = match &self.what {
                What::Window { areas: None, .. } => case.areas_of(&Areas::All)?,
                What::Window {
                    areas: Some(areas), ..
                } => areas.clone(),
                What::Task { readout: k, .. } => {
                    match readout(*k).filter(|r| !r.what.is_choice()) {
                        Some(readout) => case.areas_of(&readout.areas)?,
                        None => Vec::new(),
                    }
                }
                What::DPrime { .. } => Vec::new(),
            };
            let (gone, left): (Vec<String>, Vec<String>) =
                areas.into_iter().partition(|a| apart.contains(&a.as_str()));
            // Where none is left, all count.
            if !left.is_empty() {
                out.extend(gone);
            }
        }
        Ok(out.into_iter().collect())
    }

    fn of_trial(&self, table: &TrialTable, trial: usize) -> Option<f64> {
        let (readout, take) = match &self.what {
            What::Task { readout, take } => (*readout, take),
            What::DPrime { readout, .. } => (*readout, &Taken::Number),
            What::Window { .. } => return None,
        };
        match &table.readouts.get(readout)?.values {
            ReadoutValues::Number { values, .. } => values[trial],
            ReadoutValues::Choice { choices, .. } => {
                let choice: Choice = choices[trial]?;
                let share = |is: bool| f64::from(u8::from(is));
                match take {
                    // In a sensitivity: whether there is a choice.
                    Taken::Number => Some(share(choice.chosen.is_some())),
                    Taken::Correct => choice.correct.map(share),
                    Taken::Time => choice.reaction_ms,
                    Taken::Chosen(of) => {
                        Some(share(choice.chosen.is_some_and(|c| of.contains(&c))))
                    }
                }
            }
        }
    }

    /// Mean over areas and window in one run; NaN where no area is left. Where all are in `apart`, they count.
    fn window(
        &self,
        case: &Case,
        recording: &Recording,
        run: usize,
        condition: usize,
        apart: &[&str],
    ) -> f64 {
        let What::Window {
            variable,
            areas: wanted,
            from_ms,
            to_ms,
        } = &self.what
        else {
            return f64::NAN;
        };
        let plan = &case.plan;
        let is_wanted = |k: &usize| {
            let id = plan.record.areas[*k];
            let name = &plan.areas[id.index()];
            let named = wanted.as_ref().is_none_or(|a| a.contains(name));
            named && case.network.has_in(condition, id)
        };
        let own: Vec<usize> = (0..plan.record.areas.len()).filter(is_wanted).collect();
        let name = |k: usize| plan.areas[plan.record.areas[k].index()].as_str();
        let left = own.iter().copied().filter(|&k| !apart.contains(&name(k)));
        let left: Vec<usize> = left.collect();
        let areas = if left.is_empty() { own } else { left };
        let samples = case.spec.run.samples_in(*from_ms, *to_ms);
        let activity = recording.variables[*variable].slice(s![run, .., ..]);
        let picked = samples.flat_map(|t| areas.iter().map(move |&a| (t, a)));
        let all: Vec<f64> = picked.map(|at| activity[at]).collect();
        mean(&all)
    }

    /// Holds a control and a perturbation together, trial by trial: only trials that could be read in both
    /// count. Trials of one session are one replicate.
    pub fn compare(&self, control: &Values, perturbed: &Values) -> Compared {
        let both = control.trials.iter().zip(&perturbed.trials);
        let pairs = both.filter_map(|(a, b)| Some((a.run, a.signal, a.value?, b.value?)));
        if let What::DPrime { .. } = self.what {
            let mut all: Vec<Option<Detected>> = vec![None; control.runs];
            for (run, signal, a, b) in pairs {
                let own = all[run].get_or_insert_default();
                let tally: &mut Tally = if signal {
                    &mut own.signal
                } else {
                    &mut own.noise
                };
                tally.trials += 1;
                tally.control += u32::from(a > 0.5);
                tally.perturbed += u32::from(b > 0.5);
            }
            let found = sensitivities(&all);
            let (control, perturbed) = found.unwrap_or((f64::NAN, f64::NAN));
            return Compared {
                control,
                perturbed,
                difference: perturbed - control,
                line: Line::Sensitivity(all),
            };
        }
        let mut of_run: Vec<Vec<(f64, f64)>> = vec![Vec::new(); control.runs];
        for (run, _, a, b) in pairs {
            of_run[run].push((a, b));
        }
        let one = |pairs: &Vec<(f64, f64)>| match &pairs[..] {
            [] => None,
            [pair] => Some(*pair),
            all => {
                let (a, b): (Vec<f64>, Vec<f64>) = all.iter().copied().unzip();
                Some((mean(&a), mean(&b)))
            }
        };
        let replicates: Vec<Option<(f64, f64)>> = of_run.iter().map(one).collect();
        let (a, b): (Vec<f64>, Vec<f64>) = replicates.iter().flatten().copied().unzip();
        let differences: Vec<Option<f64>> = (replicates.iter())
            .map(|pair| pair.map(|(a, b)| b - a))
            .collect();
        let known: Vec<f64> = differences.iter().flatten().copied().collect();
        Compared {
            control: mean(&a),
            perturbed: mean(&b),
            difference: mean(&known),
            line: Line::Mean(differences),
        }
    }
}

/// Refuses a perturbation whose trials are not those of the control: there is nothing to hold together.
pub(super) fn check_trials(control: &Network, case: &Network) -> Result<(), String> {
    let order = |network: &Network| -> Vec<(String, u32)> {
        let all = network.trials.iter();
        let of = |t: &crate::stimulus::Trials| -> Vec<(String, u32)> {
            let one =
                |trial: &crate::stimulus::Trial| (t.conditions[trial.condition].clone(), trial.run);
            t.trials.iter().map(one).collect()
        };
        all.flat_map(of).collect()
    };
    match order(control) == order(case) {
        true => Ok(()),
        false => Err(
            "found other trials or conditions than in the control, expected the same: a perturbation leaves them \
             as they are"
                .to_owned(),
        ),
    }
}

/// Resolves the readouts of a design.
pub(super) fn resolve(
    config: &Config,
    design: &Design,
    control: &Case,
) -> Result<Vec<Outcome>, PredictionError> {
    let resolve = Resolve { config, control };
    let usual = match &design.condition {
        None => None,
        Some(names) => Some(resolve.conditions("condition", &names.0)?),
    };
    let one = |(name, r): (&String, &Readout)| resolve.one(name, r, usual.as_ref());
    let all: Vec<Outcome> = design.readouts.iter().map(one).collect::<Result<_, _>>()?;
    if all.iter().any(Outcome::is_of_task) {
        engine::check_readouts(&control.network, &control.spec)?;
    }
    Ok(all)
}

struct Resolve<'a> {
    config: &'a Config,
    control: &'a Case,
}

impl<'a> Resolve<'a> {
    fn error<T>(&self, path: &str, message: String) -> Result<T, SpecError> {
        Err(self.config.error(path, message))
    }

    fn task(&self, path: &str) -> Result<&'a TaskSpec, SpecError> {
        match &self.control.spec.task {
            Some(task) => Ok(task),
            None => self.error(
                path,
                format!(
                    "no task: found none in the experiment `{}`, expected one",
                    self.control.spec.title
                ),
            ),
        }
    }

    /// Index of a name among the known ones.
    fn known(
        &self,
        path: &str,
        kind: &str,
        name: &str,
        known: &[&str],
    ) -> Result<usize, SpecError> {
        if let Some(at) = known.iter().position(|k| *k == name) {
            return Ok(at);
        }
        let hint = did_you_mean(name, known.iter().copied());
        let known = match known {
            [] => "none here".to_owned(),
            _ => format!("one of {}", known.join(", ")),
        };
        self.error(
            path,
            format!("unknown {kind}: found `{name}`, expected {known}{hint}"),
        )
    }

    fn conditions(&self, path: &str, names: &[String]) -> Result<BTreeSet<usize>, SpecError> {
        let task = self.task(path)?;
        if names.is_empty() {
            let message = "no condition: found an empty list, expected one or more".to_owned();
            return self.error(path, message);
        }
        let known: Vec<&str> = task.conditions.iter().map(|c| c.name.as_str()).collect();
        let of = |name: &String| self.known(path, "condition of the task", name, &known);
        names.iter().map(of).collect()
    }

    fn one(
        &self,
        name: &str,
        r: &Readout,
        usual: Option<&BTreeSet<usize>>,
    ) -> Result<Outcome, SpecError> {
        let path = format!("readouts.{}", path_segment(name));
        let kinds = [
            ("variable", r.variable.is_some()),
            ("task", r.task.is_some()),
            ("d_prime", r.d_prime.is_some()),
        ];
        let found: Vec<&str> = kinds.iter().filter(|k| k.1).map(|k| k.0).collect();
        let [kind] = found[..] else {
            let found = match found.as_slice() {
                [] => "none".to_owned(),
                several => several.join(" and "),
            };
            let message = format!(
                "what is read: found {found}, expected one of `variable` (recorded), `task` (a readout of the \
                 task) and `d_prime`"
            );
            return self.error(&path, message);
        };
        let beside: &[&str] = match kind {
            "variable" => &["areas", "from", "to", "condition"],
            "task" => &["take", "chosen", "condition"],
            _ => &[],
        };
        for key in self.config.keys(&path) {
            if key != kind && !beside.contains(&key.as_str()) {
                let expected = match beside {
                    [] => "nothing".to_owned(),
                    _ => beside.join(", "),
                };
                let message = format!(
                    "key does not belong: found `{key}` beside `{kind}`, expected {expected}"
                );
                return self.error(&format!("{path}.{key}"), message);
            }
        }
        let own = match &r.condition {
            None => None,
            Some(names) => Some(self.conditions(&format!("{path}.condition"), &names.0)?),
        };
        let (what, unit) = match (&r.variable, &r.task, &r.d_prime) {
            (Some(variable), ..) => self.window(&path, variable, r)?,
            (_, Some(readout), _) => self.of_task(&path, readout, r)?,
            (.., Some(d)) => (self.d_prime(&path, d)?, "1"),
            _ => return self.error(&path, "a key is missing".to_owned()),
        };
        let conditions = match what {
            // It says itself which.
            What::DPrime { .. } => None,
            _ => own.or_else(|| usual.cloned()),
        };
        let sessions = self
            .control
            .spec
            .task
            .as_ref()
            .is_some_and(|t| t.session.is_some());
        if sessions && conditions.is_some() && matches!(what, What::Window { .. }) {
            let at = if r.condition.is_some() {
                "condition"
            } else {
                "variable"
            };
            let message = "a session has trials of all conditions: found `condition` for a window of the \
                           session, expected a readout of the task";
            return self.error(&format!("{path}.{at}"), message.to_owned());
        }
        Ok(Outcome {
            name: name.to_owned(),
            unit,
            what,
            conditions,
        })
    }

    fn window(
        &self,
        path: &str,
        variable: &str,
        r: &Readout,
    ) -> Result<(What, &'static str), SpecError> {
        let Case {
            plan,
            spec,
            network,
            ..
        } = self.control;
        let info = plan.circuit.info();
        let at = |key: &str| format!("{path}.{key}");
        let time = |key: &str, q: Option<Quantity>| {
            let Some(q) = q else {
                return self.error(path, format!("missing key: expected `{key}` here"));
            };
            q.expect(Dimension::TIME)
                .map_err(|e| self.config.error(&at(key), e.to_string()))
        };
        let recorded: Vec<_> = (plan.record.variables.iter())
            .map(|v| &info.variables[*v])
            .collect();
        let Some(k) = recorded.iter().position(|v| v.name == variable) else {
            let known: Vec<&str> = recorded.iter().map(|v| v.name).collect();
            let message = format!(
                "variable is not recorded: found `{variable}`, expected one of {}",
                known.join(", ")
            );
            return self.error(&at("variable"), message);
        };
        let wanted = r.areas.clone().unwrap_or_default();
        let areas = match wanted.names() {
            None => None,
            Some(_) => {
                let found = network.areas_of(spec, "", &wanted);
                let found = found.map_err(|e| self.config.error(&at("areas"), e.message))?;
                let name = |a: &crate::ids::AreaId| &plan.areas[a.index()];
                if let Some(bad) = found.iter().find(|a| !plan.record.areas.contains(a)) {
                    let message = format!(
                        "area is not recorded: found `{}`, expected a recorded area",
                        name(bad)
                    );
                    return self.error(&at("areas"), message);
                }
                Some(found.iter().map(|a| name(a).clone()).collect())
            }
        };
        let (from_ms, to_ms) = (time("from", r.from)?, time("to", r.to)?);
        let end_ms = spec.run.duration_ms;
        let beyond = from_ms < 0.0 || to_ms > end_ms * (1.0 + 1e-9);
        if beyond || spec.run.samples_in(from_ms, to_ms).is_empty() {
            let message = format!(
                "window without samples of the run: found {from_ms} to {to_ms} ms, expected a part \
                 of 0 to {end_ms} ms with recorded samples"
            );
            return self.error(&at("to"), message);
        }
        let what = What::Window {
            variable: k,
            areas,
            from_ms,
            to_ms,
        };
        Ok((what, recorded[k].unit))
    }

    fn readout(&self, path: &str, name: &str) -> Result<(usize, &'a ReadoutSpec), SpecError> {
        let task = self.task(path)?;
        let known: Vec<&str> = task.readouts.iter().map(|r| r.name.as_str()).collect();
        let at = self.known(path, "readout of the task", name, &known)?;
        Ok((at, &task.readouts[at]))
    }

    fn of_task(
        &self,
        path: &str,
        name: &str,
        r: &Readout,
    ) -> Result<(What, &'static str), SpecError> {
        let (readout, spec) = self.readout(&format!("{path}.task"), name)?;
        let info = self.control.network.info();
        let (of, correct, timed) = match &spec.what {
            ReadoutKind::Mean { variable, .. } => {
                self.no_choice(path, name, r)?;
                let unit = info
                    .variable(variable)
                    .map_or("1", |v| info.variables[v].unit);
                let take = Taken::Number;
                return Ok((What::Task { readout, take }, unit));
            }
            ReadoutKind::Persistent { .. } => {
                self.no_choice(path, name, r)?;
                let take = Taken::Number;
                return Ok((What::Task { readout, take }, "1"));
            }
            ReadoutKind::Winner { of, correct } => (of, correct, false),
            ReadoutKind::Threshold { of, correct, .. } => (of, correct, true),
        };
        let (take, unit) = match (r.take, &r.chosen) {
            (Some(Take::Correct), None) if correct.is_none() => {
                let message = format!(
                    "nothing is right or wrong: found readout `{name}` without `correct`, expected one with it"
                );
                return self.error(&format!("{path}.take"), message);
            }
            (Some(Take::Correct), None) => (Taken::Correct, "1"),
            (Some(Take::Time), None) if !timed => {
                let message = format!(
                    "no reaction time: found readout `{name}` by `winner`, expected one by `threshold`"
                );
                return self.error(&format!("{path}.take"), message);
            }
            (Some(Take::Time), None) => (Taken::Time, "ms"),
            (None, Some(names)) => {
                let at = format!("{path}.chosen");
                if names.0.is_empty() {
                    let message = "no choice: found an empty list, expected one or more".to_owned();
                    return self.error(&at, message);
                }
                let known: Vec<&str> = of.keys().map(String::as_str).collect();
                let of = |name: &String| self.known(&at, "choice", name, &known);
                let chosen = names.0.iter().map(of).collect::<Result<_, _>>()?;
                (Taken::Chosen(chosen), "1")
            }
            (take, _) => {
                let found = if take.is_some() { "both" } else { "neither" };
                let names: Vec<&str> = of.keys().map(String::as_str).collect();
                let time = if timed { ", `take: time`" } else { "" };
                let message = format!(
                    "a choice where a number is needed: found readout `{name}` with {found} of `take` and \
                     `chosen`, expected `take: correct` (share of right choices){time} or `chosen` (share of \
                     trials that end with {})",
                    names.join(" or ")
                );
                return self.error(path, message);
            }
        };
        Ok((What::Task { readout, take }, unit))
    }

    /// Refuses what belongs to choices beside a number.
    fn no_choice(&self, path: &str, name: &str, r: &Readout) -> Result<(), SpecError> {
        let keys = [("take", r.take.is_some()), ("chosen", r.chosen.is_some())];
        match keys.iter().find(|(_, is)| *is) {
            None => Ok(()),
            Some((key, _)) => self.error(
                &format!("{path}.{key}"),
                format!(
                    "key does not belong: found `{key}` beside readout `{name}`, which is a number, expected none"
                ),
            ),
        }
    }

    fn d_prime(&self, path: &str, name: &str) -> Result<What, SpecError> {
        let path = format!("{path}.d_prime");
        let task = self.task(&path)?;
        let known: Vec<&str> = task.d_prime.keys().map(String::as_str).collect();
        self.known(&path, "d′ of the task", name, &known)?;
        let d = &task.d_prime[name];
        let (readout, _) = self.readout(&path, &d.readout)?;
        let condition = |wanted: &String| {
            let at = task.conditions.iter().position(|c| c.name == *wanted);
            at.unwrap_or_default()
        };
        Ok(What::DPrime {
            readout,
            signal: condition(&d.signal),
            noise: condition(&d.noise),
        })
    }
}
