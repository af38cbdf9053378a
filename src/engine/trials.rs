//! What is read out of the trials of a task.

use std::collections::BTreeSet;
use std::ops::Range;

use ndarray::{ArrayView1, Axis, s};

use super::measure::variable;
use super::{EngineError, Recording};
use crate::analysis::stats;
use crate::network::{Learning, Network, decide};
use crate::spec::node::path_segment;
use crate::spec::{
    Areas, ExperimentSpec, Method, Named, ReadoutKind, ReadoutSpec, RunSpec, SpecError, TaskSpec,
};
use crate::stimulus::{Trial, Trials};
use crate::units::{Quantity, UnitError, rounded};

/// The readouts of all trials.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialTable {
    /// In the order of their names.
    pub readouts: Vec<ReadoutColumn>,
    /// d′ by name; none where a condition has no trial that could be read.
    pub d_prime: Vec<(String, Option<f64>)>,
    /// What was rewarded and learned, where trials teach.
    pub learning: Option<LearningColumns>,
}

/// What was rewarded and learned in all trials.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningColumns {
    /// Whether the choice of each trial was rewarded; none where nothing was chosen.
    pub rewarded: Vec<Option<bool>>,
    /// By choice the state that is learned, and its strength during each trial, in the first of the areas that
    /// learn.
    pub strengths: Vec<(String, Vec<f64>)>,
}

/// One readout of all trials.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadoutColumn {
    /// Its name.
    pub name: String,
    /// What it says.
    pub values: ReadoutValues,
    /// Whether choices have times: those by threshold.
    pub timed: bool,
}

/// What a readout says of each trial; none where it could not be read.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadoutValues {
    /// A number.
    Number {
        /// Its unit.
        unit: String,
        /// Of each trial.
        values: Vec<Option<f64>>,
    },
    /// A choice.
    Choice {
        /// What there is to choose.
        names: Vec<String>,
        /// Of each trial.
        choices: Vec<Option<Choice>>,
    },
}

/// What a trial that could be read ended with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Choice {
    /// Index of what was chosen.
    pub chosen: Option<usize>,
    /// Whether it was right; none where nothing says what is.
    pub correct: Option<bool>,
    /// By threshold: time from the start of the window, ms.
    pub reaction_ms: Option<f64>,
}

/// Refuses readouts that the experiment cannot give, before the first step.
///
/// # Errors
/// As [`trial_table`].
pub fn check(network: &Network, spec: &ExperimentSpec) -> Result<(), SpecError> {
    let Some(task) = &spec.task else {
        return Ok(());
    };
    for r in &task.readouts {
        resolve(network, spec, r)?;
    }
    names_apart(network, spec, task)
}

/// Refuses events and readouts whose variables in the result file would have the name of another one.
fn names_apart(network: &Network, spec: &ExperimentSpec, task: &TaskSpec) -> Result<(), SpecError> {
    let gradients = network.connectome.gradients.iter();
    let mut taken: BTreeSet<String> = gradients.map(|g| g.name.clone()).collect();
    taken.extend(["condition", "session", "trial_start", "rewarded_choice"].map(str::to_owned));
    let mut claim = |path: String, name: String| match taken.insert(name.clone()) {
        true => Ok(()),
        false => {
            let message = format!(
                "name is taken: found `{name}` twice among what the result file holds, expected other \
                 names of events and readouts"
            );
            Err(spec.config.error(&path, message))
        }
    };
    for (event, &repeats) in (network.trials.iter()).flat_map(|t| t.events.iter().zip(&t.repeats)) {
        for repeat in 0..repeats {
            for suffix in ["stimulus", "onset", "offset", "strength", "match"] {
                let path = format!("task.events.{}", path_segment(event));
                claim(
                    path,
                    format!("{}_{suffix}", event_name(event, repeats, repeat)),
                )?;
            }
        }
    }
    for (suffix, _) in learning_columns(network) {
        claim("task.learning".to_owned(), suffix)?;
    }
    for r in &task.readouts {
        for suffix in ["", "_correct", "_time"] {
            let path = format!("task.readouts.{}", path_segment(&r.name));
            claim(path, format!("readout_{}{suffix}", r.name))?;
        }
    }
    Ok(())
}

/// Variables of the result file that tell what was learned, with what each is.
pub(super) fn learning_columns(network: &Network) -> Vec<(String, String)> {
    let Some(rule) = &network.learning else {
        return Vec::new();
    };
    let info = network.info();
    let strengths = rule.choices.iter().map(|c| {
        let state = info.variables[c.state].name;
        let long = format!("{state}: strength of choice {} during the trial", c.name);
        (format!("learned_{state}"), long)
    });
    let rewarded = "1 where the choice was rewarded, 0 where it was not, NaN without a choice";
    std::iter::once(("rewarded".to_owned(), rewarded.to_owned()))
        .chain(strengths)
        .collect()
}

/// Name of a repeat of an event in the result file.
pub(super) fn event_name(event: &str, repeats: u32, repeat: u32) -> String {
    match repeats {
        1 => event.to_owned(),
        _ => format!("{event}_{}", repeat + 1),
    }
}

/// A readout with its names resolved.
struct Reader {
    what: Reading,
    /// Areas that are there in each condition of the task, as indices into the recorded ones.
    areas: Vec<Vec<usize>>,
    after: Option<String>,
    window_ms: (f64, f64),
    run: RunSpec,
}

enum Reading {
    Mean {
        variable: usize,
        minus: Option<usize>,
        unit: &'static str,
    },
    Persistent {
        variable: usize,
        baseline_ms: (f64, f64),
        above: f64,
    },
    Choice {
        /// Name of each choice and its variable.
        of: Vec<(String, usize)>,
        /// The level that counts, if it is not the largest mean.
        above: Option<f64>,
        /// Samples whose mean is held against the level.
        over: usize,
        correct: Option<String>,
    },
}

fn resolve(network: &Network, spec: &ExperimentSpec, r: &ReadoutSpec) -> Result<Reader, SpecError> {
    let path = format!("task.readouts.{}", path_segment(&r.name));
    let info = network.info();
    // Index among the recorded variables, and the unit.
    let recorded = |key: &str, name: &str| -> Result<(usize, &'static str), SpecError> {
        let at = format!("{path}.{key}");
        let v = variable(network, spec, &at, name, Method::Simulated)?;
        let k = spec.run.variables.iter().position(|known| known == name);
        Ok((k.unwrap_or_default(), info.variables[v].unit))
    };
    let level = |q: &Quantity, unit: &str| {
        let failed = |e: UnitError| spec.config.error(&format!("{path}.above"), e.to_string());
        q.in_unit_of(unit).map_err(failed)
    };
    let same_unit = |key: &str, (k, found): (usize, &str), unit: &str| match found == unit {
        true => Ok(k),
        false => {
            let message = format!("units differ: found {found}, expected {unit} as in the other");
            Err(spec.config.error(&format!("{path}.{key}"), message))
        }
    };
    // Name and variable of each choice, and the unit that all share.
    let choices = |key: &str, of: &Named<String>| -> Result<_, SpecError> {
        let mut out: Vec<(String, usize)> = Vec::new();
        let mut unit = "1";
        for (choice, name) in of {
            let at = format!("{key}.{}", path_segment(choice));
            let found = recorded(&at, name)?;
            if out.is_empty() {
                unit = found.1;
            }
            out.push((choice.clone(), same_unit(&at, found, unit)?));
        }
        Ok((out, unit))
    };
    let what = match &r.what {
        ReadoutKind::Mean { variable: v, minus } => {
            let (variable, unit) = recorded("mean", v)?;
            let minus = match minus {
                None => None,
                Some(m) => Some(same_unit("minus", recorded("minus", m)?, unit)?),
            };
            Reading::Mean {
                variable,
                minus,
                unit,
            }
        }
        ReadoutKind::Persistent {
            variable: v,
            baseline_from_ms,
            baseline_to_ms,
            above,
        } => {
            let (variable, unit) = recorded("persistent", v)?;
            Reading::Persistent {
                variable,
                baseline_ms: (*baseline_from_ms, *baseline_to_ms),
                above: level(above, unit)?,
            }
        }
        ReadoutKind::Winner { of, correct } => Reading::Choice {
            of: choices("winner", of)?.0,
            above: None,
            over: 1,
            correct: correct.clone(),
        },
        ReadoutKind::Threshold {
            of,
            above,
            over_ms,
            correct,
        } => {
            let (of, unit) = choices("threshold", of)?;
            Reading::Choice {
                of,
                above: Some(level(above, unit)?),
                over: over_ms.map_or(1, |ms| ((ms / spec.run.every_ms).round() as usize).max(1)),
                correct: correct.clone(),
            }
        }
    };
    let at = format!("{path}.areas");
    let all = network.areas_of(spec, "record.areas", &spec.run.areas)?;
    // As in predictions, lesioned areas are left out.
    let wanted = match r.areas.names() {
        None => all.clone(),
        Some(names) => {
            let left: Vec<String> = (names.iter())
                .filter(|n| !network.is_lesioned(n))
                .cloned()
                .collect();
            if left.is_empty() && !names.is_empty() {
                let message = format!(
                    "nothing is left: found lesioned areas alone, {}, expected one that is there",
                    names.join(", ")
                );
                return Err(spec.config.error(&at, message));
            }
            network.areas_of(spec, &at, &Areas::List(left))?
        }
    };
    let mut areas = Vec::new();
    for area in wanted {
        let Some(k) = all.iter().position(|a| *a == area) else {
            let name = &network.connectome.areas[area.index()].name;
            let message = format!("area is not recorded: found `{name}`, expected a recorded area");
            return Err(spec.config.error(&at, message));
        };
        areas.push(k);
    }
    let conditions = 0..network.trials.as_ref().map_or(1, |t| t.conditions.len());
    let there = |condition: usize| -> Vec<usize> {
        let kept = |k: &&usize| network.has_in(condition, all[**k]);
        areas.iter().filter(kept).copied().collect()
    };
    let reader = Reader {
        what,
        areas: conditions.map(there).collect(),
        after: r.after.clone(),
        window_ms: (r.from_ms, r.to_ms),
        run: spec.run.clone(),
    };
    let trials = network.trials.as_ref();
    if let Reading::Persistent { baseline_ms, .. } = reader.what {
        let mut all = trials.iter().flat_map(|t| &t.trials);
        if all.any(|trial| reader.in_run(trial, baseline_ms).is_empty()) {
            let message = "window without samples of the trial".to_owned();
            return Err(spec.config.error(&format!("{path}.baseline"), message));
        }
    }
    for (t, trial) in trials.iter().flat_map(|t| t.trials.iter().enumerate()) {
        let Some((from_ms, to_ms)) = trials.and_then(|all| reader.window(all, trial)) else {
            continue;
        };
        let end_ms = spec.trial_ms();
        let inside = from_ms >= 0.0 && to_ms <= end_ms * (1.0 + 1e-9);
        if !inside || reader.in_run(trial, (from_ms, to_ms)).is_empty() {
            let message = format!(
                "window without samples of the trial, or beyond it: found {} to {} ms in trial {t}, expected a \
                 part of 0 to {end_ms} ms with recorded samples",
                rounded(from_ms),
                rounded(to_ms)
            );
            return Err(spec.config.error(&format!("{path}.to"), message));
        }
    }
    Ok(reader)
}

/// Reads all trials.
///
/// # Errors
/// Readouts of what is not recorded, in another unit, or of windows beyond the trial: a run refuses them
/// before its first step.
pub fn trial_table(
    network: &Network,
    spec: &ExperimentSpec,
    recording: &Recording,
) -> Result<Option<TrialTable>, EngineError> {
    let (Some(task), Some(trials)) = (&spec.task, &network.trials) else {
        return Ok(None);
    };
    let mut readouts = Vec::new();
    for r in &task.readouts {
        let reader = resolve(network, spec, r)?;
        let each = trials.trials.iter();
        let values = match &reader.what {
            Reading::Mean { .. } | Reading::Persistent { .. } => ReadoutValues::Number {
                unit: reader.unit().to_owned(),
                values: each
                    .map(|trial| reader.number(trials, trial, recording))
                    .collect(),
            },
            Reading::Choice { of, .. } => ReadoutValues::Choice {
                names: of.iter().map(|(name, _)| name.clone()).collect(),
                choices: each
                    .map(|trial| reader.choice(trials, trial, recording))
                    .collect(),
            },
        };
        readouts.push(ReadoutColumn {
            name: r.name.clone(),
            values,
            timed: matches!(r.what, ReadoutKind::Threshold { .. }),
        });
    }
    let d_prime = sensitivities(task, trials, &readouts);
    let learning =
        (network.learning.as_ref().zip(task.learning.as_ref())).and_then(|(rule, of)| {
            let column = readouts.iter().find(|r| r.name == of.readout)?;
            let ReadoutValues::Choice { choices, .. } = &column.values else {
                return None;
            };
            Some(learned(network, rule, trials, choices))
        });
    Ok(Some(TrialTable {
        readouts,
        d_prime,
        learning,
    }))
}

/// Goes through the trials of every session as the run did.
fn learned(
    network: &Network,
    rule: &Learning,
    trials: &Trials,
    choices: &[Option<Choice>],
) -> LearningColumns {
    let start = |state: usize| {
        let Some(&area) = rule.learned_in.first() else {
            return f64::NAN;
        };
        let own = network.initial.iter().rev();
        let own = own.into_iter().find(|(a, v, _)| (*a, *v) == (area, state));
        own.map_or(network.baseline[[area.index(), state]], |(.., x)| *x)
    };
    let start: Vec<f64> = rule.choices.iter().map(|c| start(c.state)).collect();
    let mut out = LearningColumns {
        rewarded: Vec::new(),
        strengths: (rule.choices.iter())
            .map(|c| {
                (
                    network.info().variables[c.state].name.to_owned(),
                    Vec::new(),
                )
            })
            .collect(),
    };
    let (mut now, mut run, mut number) = (start.clone(), 0, 0);
    for (trial, choice) in trials.trials.iter().zip(choices) {
        if trial.run != run {
            (now, run, number) = (start.clone(), trial.run, 0);
        }
        for ((_, column), strength) in out.strengths.iter_mut().zip(&now) {
            column.push(*strength);
        }
        let chosen = choice.and_then(|c| c.chosen);
        out.rewarded
            .push(chosen.map(|c| rule.is_rewarded(number, c)));
        if let Some(c) = chosen {
            now[c] = rule.learn(number, c, now[c]);
        }
        number += 1;
    }
    out
}

impl Reader {
    /// Unit of the numbers.
    fn unit(&self) -> &'static str {
        match self.what {
            Reading::Mean { unit, .. } => unit,
            Reading::Persistent { .. } | Reading::Choice { .. } => "1",
        }
    }

    /// Samples of a window that counts from the start of a trial, ms.
    fn in_run(&self, trial: &Trial, (from_ms, to_ms): (f64, f64)) -> Range<usize> {
        let start = trial.start_ms;
        self.run.samples_in(start + from_ms, start + to_ms)
    }

    /// The window of a trial, ms from its start; none if the event that it follows is not shown.
    fn window(&self, trials: &Trials, trial: &Trial) -> Option<(f64, f64)> {
        let from = match &self.after {
            None => 0.0,
            Some(event) => trial.event(trials.event_index(event), 0)?.onset_ms,
        };
        Some((from + self.window_ms.0, from + self.window_ms.1))
    }

    /// Activity of a variable in a trial, mean over the areas, in a span of samples; none if it left its
    /// bounds there, or if no area is there.
    fn series(
        &self,
        variable: usize,
        trial: &Trial,
        samples: &Range<usize>,
        recording: &Recording,
    ) -> Option<Vec<f64>> {
        let all = recording.variables[variable].slice(s![trial.run as usize, samples.clone(), ..]);
        let areas = &self.areas[trial.condition];
        let mean = |row: ArrayView1<'_, f64>| {
            areas.iter().map(|&a| row[a]).sum::<f64>() / areas.len() as f64
        };
        let series: Vec<f64> = all.outer_iter().map(mean).collect();
        series.iter().all(|x| x.is_finite()).then_some(series)
    }

    fn samples(&self, trials: &Trials, trial: &Trial) -> Option<Range<usize>> {
        Some(self.in_run(trial, self.window(trials, trial)?))
    }

    fn number(&self, trials: &Trials, trial: &Trial, recording: &Recording) -> Option<f64> {
        let samples = self.samples(trials, trial)?;
        let mean = |v: usize| stats::mean(&self.series(v, trial, &samples, recording)?).ok();
        match self.what {
            Reading::Mean {
                variable, minus, ..
            } => {
                let taken = minus.map_or(Some(0.0), mean)?;
                Some(mean(variable)? - taken)
            }
            Reading::Persistent {
                variable,
                baseline_ms,
                above,
            } => {
                let before = self.in_run(trial, baseline_ms);
                let all = recording.variables[variable].index_axis(Axis(0), trial.run as usize);
                let mean = |a: usize, samples: &Range<usize>| {
                    stats::mean(&all.slice(s![samples.clone(), a]).to_vec()).ok()
                };
                let areas = &self.areas[trial.condition];
                let mut count = 0;
                for &a in areas {
                    count += u32::from(mean(a, &samples)? - mean(a, &before)? > above);
                }
                (!areas.is_empty()).then_some(f64::from(count))
            }
            Reading::Choice { .. } => None,
        }
    }

    fn choice(&self, trials: &Trials, trial: &Trial, recording: &Recording) -> Option<Choice> {
        let Reading::Choice {
            of,
            above,
            over,
            correct,
        } = &self.what
        else {
            return None;
        };
        let samples = self.samples(trials, trial)?;
        let series: Vec<Vec<f64>> = (of.iter())
            .map(|(_, v)| self.series(*v, trial, &samples, recording))
            .collect::<Option<_>>()?;
        let (chosen, at) = decide(&series, *above, *over);
        let correct = correct.as_ref().and_then(|event| {
            let shown = trial.event(trials.event_index(event), 0);
            match (shown, chosen) {
                (Some(shown), Some(c)) => Some(shown.stimulus == of[c].0),
                (Some(_), None) => Some(false),
                // Nothing to choose: right if nothing was chosen. One always wins, which is no error.
                (None, _) => above.map(|_| chosen.is_none()),
            }
        });
        let from_ms = trial.start_ms + self.window(trials, trial)?.0;
        Some(Choice {
            chosen,
            correct,
            reaction_ms: at.map(|k| recording.time_ms[samples.start + k] - from_ms),
        })
    }
}

/// z of the share of trials with a choice under `signal` minus that under `noise`, see
/// [`stats::z_of_share`].
fn sensitivities(
    task: &TaskSpec,
    trials: &Trials,
    readouts: &[ReadoutColumn],
) -> Vec<(String, Option<f64>)> {
    let z = |readout: &str, condition: &str| -> Option<f64> {
        let column = readouts.iter().find(|r| r.name == readout)?;
        let ReadoutValues::Choice { choices, .. } = &column.values else {
            return None;
        };
        let at = trials.conditions.iter().position(|c| c == condition)?;
        let of = (trials.trials.iter().zip(choices)).filter(|(trial, _)| trial.condition == at);
        let (mut n, mut chosen) = (0u32, 0u32);
        for choice in of.filter_map(|(_, choice)| choice.as_ref()) {
            n += 1;
            chosen += u32::from(choice.chosen.is_some());
        }
        stats::z_of_share(chosen, n)
    };
    let one = |d: &crate::spec::DPrime| Some(z(&d.readout, &d.signal)? - z(&d.readout, &d.noise)?);
    (task.d_prime.iter())
        .map(|(name, d)| (name.clone(), one(d)))
        .collect()
}
