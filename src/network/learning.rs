//! What trials of a session leave behind for the next: strengths that grow where their choice is rewarded.

use std::ops::Range;

use super::build::{dimension, left_of, variable};
use crate::circuit::CircuitInfo;
use crate::connectome::Connectome;
use crate::ids::AreaId;
use crate::spec::node::path_segment;
use crate::spec::{ExperimentSpec, Order, Precision, ReadoutKind, RunSpec, SpecError};
use crate::stimulus::Trials;

/// The rule of a session in which reward teaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Learning {
    /// What there is to choose.
    pub choices: Vec<Learned>,
    /// Areas over whose mean a choice is read.
    pub read_in: Vec<AreaId>,
    /// Areas in which it is learned.
    pub learned_in: Vec<AreaId>,
    /// Samples that a choice is read from, ms from the start of the trial.
    pub window_ms: (f64, f64),
    /// The level that counts, if it is not the largest mean.
    pub above: Option<f64>,
    /// Samples whose mean is held against the level.
    pub over: usize,
    /// Index of the rewarded choice of each trial of a session.
    pub rewarded: Vec<usize>,
    /// Share of what is missing to 1 that a rewarded choice gains.
    pub gain: f64,
    /// Share of what is there that an unrewarded choice loses.
    pub loss: f64,
    /// Whether everything else starts anew in every trial.
    pub restart: bool,
    /// Start of each trial of a session, ms; the same in all sessions.
    pub starts_ms: Vec<f64>,
    /// Whether samples are rounded to the precision of the file before they are read.
    pub rounded: bool,
}

/// One choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Its name.
    pub name: String,
    /// Variable whose activity speaks for it.
    pub read: usize,
    /// State that holds what is learned of it.
    pub state: usize,
}

impl Learning {
    /// Samples of a trial that the choice is read from.
    #[must_use]
    pub fn samples(&self, run: &RunSpec, trial: usize) -> Range<usize> {
        let start = self.starts_ms[trial];
        run.samples_in(start + self.window_ms.0, start + self.window_ms.1)
    }

    /// A recorded number as it is read.
    #[must_use]
    pub fn as_read(&self, x: f64) -> f64 {
        match self.rounded {
            true => f64::from(x as f32),
            false => x,
        }
    }

    /// The choice of a trial by the activity of each choice, mean over the areas, by sample.
    #[must_use]
    pub fn chosen(&self, series: &[Vec<f64>]) -> Option<usize> {
        let finite = series.iter().flatten().all(|x| x.is_finite());
        finite.then(|| decide(series, self.above, self.over).0)?
    }

    /// Whether a choice is rewarded.
    #[must_use]
    pub fn is_rewarded(&self, trial: usize, chosen: usize) -> bool {
        self.rewarded.get(trial) == Some(&chosen)
    }

    /// The strength of what was chosen after the trial.
    #[must_use]
    pub fn learn(&self, trial: usize, chosen: usize, strength: f64) -> f64 {
        match self.is_rewarded(trial, chosen) {
            true => strength + self.gain * (1.0 - strength),
            false => strength - self.loss * strength,
        }
    }

    /// Values of an area's variables at the start of the next trial: `x` as the trial left them, `start` those
    /// of the start of the run.
    pub fn begin(
        &self,
        trial: usize,
        chosen: Option<usize>,
        learns: bool,
        start: &[f64],
        x: &mut [f64],
    ) {
        if self.restart {
            for (v, (x, start)) in x.iter_mut().zip(start).enumerate() {
                if !self.choices.iter().any(|c| c.state == v) {
                    *x = *start;
                }
            }
        }
        if let Some(chosen) = chosen.filter(|_| learns) {
            let state = self.choices[chosen].state;
            x[state] = self.learn(trial, chosen, x[state]);
        }
    }
}

/// Which series wins: that of the largest mean, or the first whose mean over so many samples reaches a level, then
/// with the sample at which it does.
#[must_use]
pub fn decide(
    series: &[Vec<f64>],
    above: Option<f64>,
    over: usize,
) -> (Option<usize>, Option<usize>) {
    let Some(above) = above else {
        let mean = |x: &Vec<f64>| x.iter().sum::<f64>() / x.len() as f64;
        let means: Vec<f64> = series.iter().map(mean).collect();
        return (leader(&means), None);
    };
    // Where two stand equal above the level, neither is first; the next sample tells.
    let first = |k: usize| {
        let mean = |x: &Vec<f64>| x[k + 1 - over..=k].iter().sum::<f64>() / over as f64;
        let now: Vec<f64> = series.iter().map(mean).collect();
        leader(&now).filter(|&c| now[c] >= above)
    };
    let samples = series.first().map_or(0, Vec::len);
    let found = (over - 1..samples).find_map(|k| Some((first(k)?, k)));
    (found.map(|f| f.0), found.map(|f| f.1))
}

/// Index of the largest of some numbers, if there is one.
fn leader(x: &[f64]) -> Option<usize> {
    let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut at = (0..x.len()).filter(|&k| x[k] == largest);
    match (at.next(), at.next()) {
        (Some(k), None) => Some(k),
        _ => None,
    }
}

/// The rule of an experiment; none if nothing is learned.
pub(super) fn resolve(
    spec: &ExperimentSpec,
    info: &'static CircuitInfo,
    connectome: &Connectome,
    trials: Option<&Trials>,
    delayed: bool,
) -> Result<Option<Learning>, SpecError> {
    let (Some(task), Some(trials)) = (&spec.task, trials) else {
        return Ok(None);
    };
    let Some(learning) = &task.learning else {
        return Ok(None);
    };
    let path = "task.learning";
    let refuse = |message: &str| Err(spec.config.error(path, message.to_owned()));
    if delayed {
        return refuse(
            "learning between trials: found delays, expected none, as they reach into the next trial",
        );
    }
    if info.variables.len() > info.states && spec.run.order == Order::Published {
        return refuse(
            "learning between trials: found a circuit with algebraic variables in its published order, expected \
             `simulation.order: synchronous`",
        );
    }
    let readout = task.readouts.iter().find(|r| r.name == learning.readout);
    let Some(readout) = readout else {
        return Ok(None);
    };
    let at = format!("task.readouts.{}", path_segment(&readout.name));
    let (kind, of, above, over) = match &readout.what {
        ReadoutKind::Winner { of, .. } => ("winner", of, None, 1),
        ReadoutKind::Threshold {
            of, above, over_ms, ..
        } => {
            let over = over_ms.map_or(1, |ms| ((ms / spec.run.every_ms).round() as usize).max(1));
            ("threshold", of, Some(above), over)
        }
        ReadoutKind::Mean { .. } | ReadoutKind::Persistent { .. } => return Ok(None),
    };
    let mut choices = Vec::new();
    for (name, read) in of {
        let read = variable(
            spec,
            info,
            &format!("{at}.{kind}.{}", path_segment(name)),
            read,
        )?;
        let state_path = format!("{path}.states.{}", path_segment(name));
        let state = variable(spec, info, &state_path, &learning.states[name])?;
        if state >= info.states {
            let message = format!(
                "not a state: found `{}`, which follows from others, expected a state",
                info.variables[state].name
            );
            return Err(spec.config.error(&state_path, message));
        }
        choices.push(Learned {
            name: name.clone(),
            read,
            state,
        });
    }
    let above = match (above, choices.first()) {
        (Some(q), Some(first)) => {
            let wanted = dimension(info.variables[first.read].unit);
            let level = q.expect(wanted);
            Some(level.map_err(|e| spec.config.error(&format!("{at}.above"), e.to_string()))?)
        }
        _ => None,
    };
    let recorded = match readout.areas.names() {
        None => &spec.run.areas,
        Some(_) => &readout.areas,
    };
    let index = |name: &String| {
        choices
            .iter()
            .position(|c| c.name == *name)
            .unwrap_or_default()
    };
    let rewarded = learning.rewarded.iter().map(index).collect();
    Ok(Some(Learning {
        read_in: left_of(spec, connectome, &format!("{at}.areas"), recorded)?,
        learned_in: left_of(spec, connectome, &format!("{path}.areas"), &learning.areas)?,
        window_ms: (readout.from_ms, readout.to_ms),
        above,
        over,
        rewarded,
        gain: learning.gain,
        loss: learning.loss,
        restart: learning.restart,
        starts_ms: trials.of_run(0).map(|t| t.start_ms).collect(),
        rounded: spec.run.precision == Precision::Float32,
        choices,
    }))
}
