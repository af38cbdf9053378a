//! What is read out of the trials of a task.

use ndarray::{ArrayView2, Axis, s};

use super::measure::variable;
use super::{EngineError, Recording};
use crate::analysis::response::window_mean;
use crate::analysis::{AnalysisError, stats};
use crate::network::Network;
use crate::spec::node::path_segment;
use crate::spec::{ExperimentSpec, Method, Named, ReadoutKind, ReadoutSpec, SpecError, TaskSpec};
use crate::stimulus::{Trial, Trials};
use crate::units::{Quantity, Unit, UnitError};

/// The readouts of all trials.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialTable {
    /// In the order of their names.
    pub readouts: Vec<ReadoutColumn>,
    /// d′ by name; none where a condition has no trial that could be read.
    pub d_prime: Vec<(String, Option<f64>)>,
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
        choices: Vec<Choice>,
    },
}

/// A choice, or none.
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
pub(super) fn check(network: &Network, spec: &ExperimentSpec) -> Result<(), SpecError> {
    let Some(task) = &spec.task else {
        return Ok(());
    };
    for r in &task.readouts {
        resolve(network, spec, r)?;
    }
    Ok(())
}

/// A readout with its names resolved.
struct Reader {
    what: Reading,
    /// Recorded areas, as indices into the recorded ones.
    areas: Vec<usize>,
    after: Option<String>,
    from_ms: f64,
    to_ms: f64,
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
        let unit: Unit = unit.parse().map_err(failed)?;
        q.expect(unit.dimension).map_err(failed)
    };
    let choices = |key: &str, of: &Named<String>| {
        let one = |(choice, name): (&String, &String)| {
            let (k, unit) = recorded(&format!("{key}.{}", path_segment(choice)), name)?;
            Ok((choice.clone(), k, unit))
        };
        of.iter().map(one).collect::<Result<Vec<_>, SpecError>>()
    };
    let what = match &r.what {
        ReadoutKind::Mean { variable: v, minus } => {
            let (variable, unit) = recorded("mean", v)?;
            let minus = match minus {
                None => None,
                Some(m) => Some(recorded("minus", m)?.0),
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
            of: choices("winner", of)?
                .into_iter()
                .map(|(name, k, _)| (name, k))
                .collect(),
            above: None,
            correct: correct.clone(),
        },
        ReadoutKind::Threshold { of, above, correct } => {
            let of = choices("threshold", of)?;
            let unit = of.first().map_or("1", |c| c.2);
            Reading::Choice {
                above: Some(level(above, unit)?),
                of: of.into_iter().map(|(name, k, _)| (name, k)).collect(),
                correct: correct.clone(),
            }
        }
    };
    let at = format!("{path}.areas");
    let all = network.areas_of(spec, "record.areas", &spec.run.areas)?;
    let wanted = network.areas_of(spec, &at, &r.areas)?;
    let mut areas = Vec::new();
    for area in wanted {
        match all.iter().position(|a| *a == area) {
            Some(k) => areas.push(k),
            // `all` means all that are recorded.
            None if r.areas.names().is_none() => {}
            None => {
                let name = &network.connectome.areas[area.index()].name;
                let message =
                    format!("area is not recorded: found `{name}`, expected a recorded area");
                return Err(spec.config.error(&at, message));
            }
        }
    }
    let run = &spec.run;
    let every = run.every_ms;
    let holds_a_sample = |(from_ms, to_ms): (f64, f64)| {
        let first = ((from_ms - run.start_ms) / every).ceil().max(0.0);
        run.start_ms + first * every < to_ms
    };
    let mut windows = vec![("to", (r.from_ms, r.to_ms), r.after.is_some())];
    if let Reading::Persistent { baseline_ms, .. } = what {
        windows.push(("baseline", baseline_ms, false));
    }
    for (key, window, moves) in windows {
        let holds = match moves {
            false => holds_a_sample(window),
            true => window.1 - window.0 >= every,
        };
        if !holds {
            let message = format!(
                "window without samples: found {} to {} ms, samples are {every} ms apart from {} ms on",
                window.0, window.1, run.start_ms
            );
            return Err(spec.config.error(&format!("{path}.{key}"), message));
        }
    }
    Ok(Reader {
        what,
        areas,
        after: r.after.clone(),
        from_ms: r.from_ms,
        to_ms: r.to_ms,
    })
}

/// Reads all trials.
///
/// # Errors
/// What [`check`] refuses.
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
        let each = trials.trials.iter().enumerate();
        let values = match &reader.what {
            Reading::Mean { .. } | Reading::Persistent { .. } => ReadoutValues::Number {
                unit: reader.unit().to_owned(),
                values: each
                    .map(|(t, trial)| reader.number(trials, trial, t, recording).ok())
                    .collect(),
            },
            Reading::Choice { of, .. } => ReadoutValues::Choice {
                names: of.iter().map(|(name, _)| name.clone()).collect(),
                choices: each
                    .map(|(t, trial)| reader.choice(trials, trial, t, recording))
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
    Ok(Some(TrialTable { readouts, d_prime }))
}

impl Reader {
    /// Unit of the numbers.
    fn unit(&self) -> &'static str {
        match self.what {
            Reading::Mean { unit, .. } => unit,
            Reading::Persistent { .. } | Reading::Choice { .. } => "1",
        }
    }

    /// The window of a trial, ms; none if the event that it follows is not shown.
    fn window(&self, trials: &Trials, trial: &Trial) -> Option<(f64, f64)> {
        let from = match &self.after {
            None => 0.0,
            Some(event) => trial.event(trials.event_index(event), 0)?.onset_ms,
        };
        Some((from + self.from_ms, from + self.to_ms))
    }

    /// Activity of a variable in a trial, mean over the areas, `[time]`.
    fn series(&self, variable: usize, trial: usize, recording: &Recording) -> Vec<f64> {
        let all = recording.variables[variable].index_axis(Axis(0), trial);
        let mean = |row: ndarray::ArrayView1<'_, f64>| {
            self.areas.iter().map(|&a| row[a]).sum::<f64>() / self.areas.len() as f64
        };
        all.outer_iter().map(mean).collect()
    }

    fn number(
        &self,
        trials: &Trials,
        trial: &Trial,
        t: usize,
        recording: &Recording,
    ) -> Result<f64, AnalysisError> {
        let (from, to) = self.window(trials, trial).unwrap_or((0.0, 0.0));
        let time = &recording.time_ms;
        match &self.what {
            Reading::Mean {
                variable, minus, ..
            } => {
                let mean = |v: usize| window_mean(&self.series(v, t, recording), time, from, to);
                let taken = minus.map_or(Ok(0.0), mean)?;
                Ok(mean(*variable)? - taken)
            }
            Reading::Persistent {
                variable,
                baseline_ms,
                above,
            } => {
                let all: ArrayView2<'_, f64> = recording.variables[*variable].slice(s![t, .., ..]);
                let mut count = 0;
                for &a in &self.areas {
                    let x = all.column(a).to_vec();
                    let before = window_mean(&x, time, baseline_ms.0, baseline_ms.1)?;
                    count += u32::from(window_mean(&x, time, from, to)? - before > *above);
                }
                Ok(f64::from(count))
            }
            Reading::Choice { .. } => Ok(f64::NAN),
        }
    }

    fn choice(&self, trials: &Trials, trial: &Trial, t: usize, recording: &Recording) -> Choice {
        let (Reading::Choice { of, above, correct }, Some((from, to))) =
            (&self.what, self.window(trials, trial))
        else {
            return Choice::default();
        };
        let time = &recording.time_ms;
        let series: Vec<Vec<f64>> = (of.iter())
            .map(|(_, v)| self.series(*v, t, recording))
            .collect();
        if series.iter().flatten().any(|x| !x.is_finite()) {
            return Choice::default();
        }
        let mut chosen = None;
        let mut reaction_ms = None;
        match above {
            None => {
                let means: Vec<f64> = (series.iter())
                    .filter_map(|x| window_mean(x, time, from, to).ok())
                    .collect();
                let largest = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                // Equal ones are no decision.
                if means.len() == of.len() && means.iter().filter(|m| **m == largest).count() == 1 {
                    chosen = means.iter().position(|m| *m == largest);
                }
            }
            Some(above) => {
                let inside = (0..time.len()).filter(|&k| (from..to).contains(&time[k]));
                for k in inside {
                    let at = |x: &Vec<f64>| x[k] - above;
                    let over = (0..of.len()).filter(|&c| at(&series[c]) >= 0.0);
                    let first = over.max_by(|&a, &b| series[a][k].total_cmp(&series[b][k]));
                    if let Some(c) = first {
                        chosen = Some(c);
                        reaction_ms = Some(time[k] - from);
                        break;
                    }
                }
            }
        }
        let correct = correct.as_ref().map(|event| {
            let shown = trial.event(trials.event_index(event), 0);
            match (shown, chosen) {
                (Some(shown), Some(c)) => shown.stimulus == of[c].0,
                // Nothing to choose, and nothing chosen.
                (None, None) => true,
                _ => false,
            }
        });
        Choice {
            chosen,
            correct,
            reaction_ms,
        }
    }
}

/// z of the share of trials with a choice under `signal` minus that under `noise`, with half a trial
/// added to either outcome (log-linear rule, Hautus 1995, Behav Res Meth 27:46), so that all or none
/// stay finite.
fn sensitivities(
    task: &TaskSpec,
    trials: &Trials,
    readouts: &[ReadoutColumn],
) -> Vec<(String, Option<f64>)> {
    let share = |readout: &str, condition: &str| -> Option<f64> {
        let column = readouts.iter().find(|r| r.name == readout)?;
        let ReadoutValues::Choice { choices, .. } = &column.values else {
            return None;
        };
        let at = trials.conditions.iter().position(|c| c == condition)?;
        let of = (trials.trials.iter().zip(choices)).filter(|(trial, _)| trial.condition == at);
        let (mut n, mut chosen) = (0u32, 0u32);
        for (_, choice) in of {
            n += 1;
            chosen += u32::from(choice.chosen.is_some());
        }
        (n > 0).then(|| (f64::from(chosen) + 0.5) / (f64::from(n) + 1.0))
    };
    let one = |d: &crate::spec::DPrime| {
        let z = |condition: &str| share(&d.readout, condition).map(stats::normal_quantile);
        Some(z(&d.signal)? - z(&d.noise)?)
    };
    (task.d_prime.iter())
        .map(|(name, d)| (name.clone(), one(d)))
        .collect()
}
