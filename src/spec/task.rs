//! Tasks as typed and as meant: what can be shown, when, in which conditions, and what is read out.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::draft::{AreasDraft as Areas, Named};
use super::node::path_segment;
use super::perturbation::PerturbationDraft;
use super::{Config, ExperimentSpec, SpecError};
use crate::units::{Dimension, Quantity};

/// A task as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskDraft {
    /// What can be shown.
    #[serde(default)]
    pub stimuli: Named<ShownDraft>,
    /// What is shown in a trial.
    #[serde(default)]
    pub events: Named<EventDraft>,
    /// Trials of a task with one condition.
    #[serde(default)]
    pub trials: Option<u32>,
    /// Conditions, each with its trials and what it changes.
    #[serde(default)]
    pub conditions: Named<ConditionDraft>,
    /// What is read out of every trial.
    #[serde(default)]
    pub readouts: Named<ReadoutDraft>,
    /// Sensitivities.
    #[serde(default)]
    pub d_prime: Named<DPrime>,
    /// What `at` of the conditions is, for figures.
    #[serde(default)]
    pub axis: String,
    /// Trials that follow one another; each is a run of its own if absent.
    #[serde(default)]
    pub session: Option<SessionDraft>,
    /// What trials of a session leave behind for the next by reward.
    #[serde(default)]
    pub learning: Option<LearningDraft>,
}

/// What trials of a session leave behind for the next by reward, as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningDraft {
    /// Readout whose choice is rewarded or not.
    pub readout: String,
    /// State of the circuit by choice: what is learned of it.
    pub states: Named<String>,
    /// Areas in which it is learned.
    #[serde(default)]
    pub areas: Areas,
    /// Which choice is rewarded, one stretch of trials after another.
    pub rewarded: Vec<RewardedDraft>,
    /// Share of what is missing to 1 that a rewarded choice gains.
    pub gain: f64,
    /// Share of what is there that an unrewarded choice loses.
    pub loss: f64,
    /// Whether everything else starts anew in every trial.
    #[serde(default)]
    pub restart: bool,
}

/// A stretch of trials in which one choice is rewarded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardedDraft {
    /// The choice.
    pub choice: String,
    /// Number of trials; of the last stretch, all that are left if absent.
    #[serde(default)]
    pub trials: Option<u32>,
}

/// What trials of a session leave behind for the next by reward.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningSpec {
    /// Readout whose choice is rewarded or not.
    pub readout: String,
    /// State of the circuit by choice.
    pub states: Named<String>,
    /// Areas in which it is learned.
    pub areas: Areas,
    /// Choice that is rewarded in each trial of a session.
    pub rewarded: Vec<String>,
    /// Share of what is missing to 1 that a rewarded choice gains.
    pub gain: f64,
    /// Share of what is there that an unrewarded choice loses.
    pub loss: f64,
    /// Whether everything else starts anew in every trial.
    pub restart: bool,
}

/// Trials that follow one another, as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionDraft {
    /// Number of sessions, each with all trials.
    #[serde(default = "once")]
    pub sessions: u32,
    /// Time from the end of a trial to the start of the next.
    pub interval: Quantity,
    /// Intervals are longer or shorter by up to this, drawn for each.
    #[serde(default)]
    pub jitter: Option<Quantity>,
    /// Order of the trials.
    #[serde(default)]
    pub order: TrialOrder,
}

/// Order of the trials of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialOrder {
    /// Drawn for each session.
    #[default]
    Drawn,
    /// Condition by condition, in the order of their names.
    Blocks,
}

/// Trials that follow one another in one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SessionSpec {
    /// Number of sessions, each with all trials.
    pub sessions: u32,
    /// Length of a trial, ms.
    pub trial_ms: f64,
    /// Time from the end of a trial to the start of the next, ms.
    pub interval_ms: f64,
    /// Intervals are longer or shorter by up to this, ms.
    pub jitter_ms: f64,
    /// Order of the trials.
    pub order: TrialOrder,
}

/// A stimulus that events can show.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownDraft {
    /// Input of the circuit, or several.
    pub into: Words,
    /// Areas that receive it.
    pub areas: Areas,
    /// Height at strength 1, in the unit of the inputs.
    pub amplitude: Quantity,
}

/// A word or a list of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordsVisitor;
        impl<'de> Visitor<'de> for WordsVisitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name or a list of names")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Words, E> {
                Ok(Words(vec![word.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Words, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Words(names))
            }
        }
        deserializer.deserialize_any(WordsVisitor)
    }
}

/// An event as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventDraft {
    /// Stimulus; of several one is drawn in each trial.
    #[serde(default)]
    pub shows: Option<Words>,
    /// Instead of `shows`: the stimulus of another event, or another one.
    #[serde(default)]
    pub matches: Option<MatchDraft>,
    /// Start, from the start of the trial or the end of `after`.
    pub onset: Quantity,
    /// Event from whose end the onset counts.
    #[serde(default)]
    pub after: Option<String>,
    /// How long it lasts.
    pub duration: Quantity,
    /// The onset is moved by up to this, either way, drawn in each trial.
    #[serde(default)]
    pub jitter: Option<Quantity>,
    /// Factor on the amplitude of the stimulus.
    #[serde(default = "one")]
    pub strength: f64,
    /// How often it comes.
    #[serde(default = "once")]
    pub repeat: u32,
    /// Time between the onsets of repeats.
    #[serde(default)]
    pub every: Option<Quantity>,
    /// Whether it may overlap with others that reach the same input of the same area.
    #[serde(default)]
    pub may_overlap: bool,
}

const fn one() -> f64 {
    1.0
}

const fn once() -> u32 {
    1
}

/// A stimulus that is that of an earlier event with some chance.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatchDraft {
    /// The earlier event; the event itself with `back`.
    #[serde(default)]
    pub event: Option<String>,
    /// Repeats back in the event itself, as in n-back tasks.
    #[serde(default)]
    pub back: Option<u32>,
    /// What is drawn where it does not match, and at first.
    pub of: Vec<String>,
    /// Chance that it matches.
    pub chance: f64,
    /// With `back`: chance of a lure, which is what was shown one repeat before or after that.
    #[serde(default)]
    pub lures: Option<f64>,
}

/// A condition as typed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionDraft {
    /// Number of trials.
    pub trials: u32,
    /// Events that are not shown.
    #[serde(default)]
    pub without: Vec<String>,
    /// Events that are other than in the task.
    #[serde(default)]
    pub events: Named<ChangeDraft>,
    /// Place on the axis of figures.
    #[serde(default)]
    pub at: Option<f64>,
    /// Overrides of the model, `path=value`.
    #[serde(default)]
    pub set: Vec<String>,
    /// Perturbations beside those of the experiment.
    #[serde(default)]
    pub perturbations: Named<PerturbationDraft>,
}

/// What a condition changes in an event.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeDraft {
    /// See [`EventDraft::shows`].
    #[serde(default)]
    pub shows: Option<Words>,
    /// See [`EventDraft::onset`].
    #[serde(default)]
    pub onset: Option<Quantity>,
    /// See [`EventDraft::duration`].
    #[serde(default)]
    pub duration: Option<Quantity>,
    /// See [`EventDraft::jitter`].
    #[serde(default)]
    pub jitter: Option<Quantity>,
    /// See [`EventDraft::strength`].
    #[serde(default)]
    pub strength: Option<f64>,
}

/// A readout as typed: exactly one of `mean`, `persistent`, `winner`, `threshold`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadoutDraft {
    /// Mean of a recorded variable over areas and window.
    #[serde(default)]
    pub mean: Option<String>,
    /// With `mean`: variable whose mean is taken off, for selectivity.
    #[serde(default)]
    pub minus: Option<String>,
    /// Number of areas in which a recorded variable exceeds its baseline.
    #[serde(default)]
    pub persistent: Option<String>,
    /// With `persistent`: samples before anything is shown.
    #[serde(default)]
    pub baseline: Option<super::draft::WindowDraft>,
    /// Variables by the name of a choice; the choice is that of the largest mean.
    #[serde(default)]
    pub winner: Option<Named<String>>,
    /// Variables by the name of a choice; the choice is that of the first that reaches `above`.
    #[serde(default)]
    pub threshold: Option<Named<String>>,
    /// `persistent`: by how much; `threshold`: which level; unit of the variable.
    #[serde(default)]
    pub above: Option<Quantity>,
    /// With `threshold`: the level is reached by the mean over so long before a sample.
    #[serde(default)]
    pub over: Option<Quantity>,
    /// Areas over whose mean it is read, or among which areas are counted.
    #[serde(default)]
    pub areas: Areas,
    /// Event from whose first onset the window counts; else from the start of the trial.
    #[serde(default)]
    pub after: Option<String>,
    /// Start of the window.
    pub from: Quantity,
    /// End of the window.
    pub to: Quantity,
    /// `winner` and `threshold`: event whose stimulus is the right choice; where it is not shown, none is.
    #[serde(default)]
    pub correct: Option<String>,
}

/// A sensitivity: z of the share of trials with a choice in one condition minus that in another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DPrime {
    /// A readout by `threshold`.
    pub readout: String,
    /// Condition with something to detect.
    pub signal: String,
    /// Condition without.
    pub noise: String,
}

/// A task as meant. Names of inputs, areas and variables are not resolved yet.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    /// What can be shown.
    pub stimuli: Named<ShownDraft>,
    /// Conditions, sorted by name.
    pub conditions: Vec<ConditionSpec>,
    /// What is read out.
    pub readouts: Vec<ReadoutSpec>,
    /// Sensitivities.
    pub d_prime: Named<DPrime>,
    /// Names of all events, sorted.
    pub events: Vec<String>,
    /// What `at` of the conditions is, for figures.
    pub axis: String,
    /// Trials that follow one another; none if each is a run of its own.
    pub session: Option<SessionSpec>,
    /// What they leave behind for the next by reward.
    pub learning: Option<LearningSpec>,
}

/// A condition.
#[derive(Debug, Clone)]
pub struct ConditionSpec {
    /// Its name.
    pub name: String,
    /// Number of trials.
    pub trials: u32,
    /// Its events, each after those that it refers to.
    pub events: Vec<EventSpec>,
    /// Place on the axis of figures.
    pub at: Option<f64>,
    /// Overrides of the model, `path=value`.
    pub set: Vec<String>,
    /// The experiment with these overrides and its perturbations, without task and measures; none for a
    /// condition that leaves the model alone.
    pub model: Option<Arc<ExperimentSpec>>,
}

/// An event of a condition.
#[derive(Debug, Clone)]
pub struct EventSpec {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub shows: Shows,
    /// Start, ms from the start of the trial or from the end of `after`.
    pub onset_ms: f64,
    /// Event from whose end the onset counts.
    pub after: Option<String>,
    /// How long it lasts, ms.
    pub duration_ms: f64,
    /// The onset is moved by up to this either way, ms.
    pub jitter_ms: f64,
    /// Factor on the amplitude.
    pub strength: f64,
    /// How often it comes.
    pub repeat: u32,
    /// Time between the onsets of repeats, ms.
    pub every_ms: f64,
    /// Whether it may overlap with others.
    pub may_overlap: bool,
}

/// What an event shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Shows {
    /// One of these, drawn in each trial and repeat; one for certain if there is one.
    OneOf(Vec<String>),
    /// What an earlier event showed, with a chance, else another one of these.
    Match {
        /// The earlier event.
        event: String,
        /// What else may be shown.
        of: Vec<String>,
        /// Chance of a match.
        chance: f64,
    },
    /// What was shown that many repeats ago, with a chance, else another one of these.
    Back {
        /// Repeats back, at least 1.
        back: u32,
        /// What may be shown, drawn at first.
        of: Vec<String>,
        /// Chance of a match.
        chance: f64,
        /// Chance of a lure: what was shown one repeat before or after that many. What is neither match nor
        /// lure then differs from all three; without it, from the match alone.
        lures: Option<f64>,
    },
}

impl Shows {
    /// Whether it may be a lure.
    #[must_use]
    pub fn has_lures(&self) -> bool {
        matches!(self, Shows::Back { lures: Some(_), .. })
    }

    /// Everything that may be shown.
    #[must_use]
    pub fn possible(&self) -> &[String] {
        match self {
            Shows::OneOf(of) | Shows::Match { of, .. } | Shows::Back { of, .. } => of,
        }
    }
}

/// A readout.
#[derive(Debug, Clone)]
pub struct ReadoutSpec {
    /// Its name.
    pub name: String,
    /// What is read.
    pub what: ReadoutKind,
    /// Areas.
    pub areas: Areas,
    /// Event from whose first onset the window counts.
    pub after: Option<String>,
    /// Start of the window, ms.
    pub from_ms: f64,
    /// End of the window, ms.
    pub to_ms: f64,
}

/// What a readout reads.
#[derive(Debug, Clone)]
pub enum ReadoutKind {
    /// A mean, or a difference of two.
    Mean {
        /// Variable.
        variable: String,
        /// What is taken off.
        minus: Option<String>,
    },
    /// Number of areas above their baseline.
    Persistent {
        /// Variable.
        variable: String,
        /// Start of the baseline, ms.
        baseline_from_ms: f64,
        /// End of the baseline, ms.
        baseline_to_ms: f64,
        /// By more than this, unit of the variable.
        above: Quantity,
    },
    /// A choice by the largest mean.
    Winner {
        /// Variables by choice.
        of: Named<String>,
        /// Event whose stimulus is right.
        correct: Option<String>,
    },
    /// A choice by the first to reach a level, and when.
    Threshold {
        /// Variables by choice.
        of: Named<String>,
        /// The level, unit of the variables.
        above: Quantity,
        /// Over how long activity is averaged before it is held against the level, ms.
        over_ms: Option<f64>,
        /// Event whose stimulus is right.
        correct: Option<String>,
    },
}

impl ReadoutKind {
    /// Whether trials end with a choice.
    #[must_use]
    pub fn is_choice(&self) -> bool {
        matches!(
            self,
            ReadoutKind::Winner { .. } | ReadoutKind::Threshold { .. }
        )
    }
}

impl TaskSpec {
    /// Number of trials of all conditions; each session has so many.
    #[must_use]
    pub fn trials(&self) -> u32 {
        self.conditions.iter().map(|c| c.trials).sum()
    }

    /// Number of runs: sessions, or trials.
    #[must_use]
    pub fn runs(&self) -> u32 {
        self.session.map_or(self.trials(), |s| s.sessions)
    }

    /// Length of a run, ms, where a trial takes `trial_ms`: of a session with the longest intervals.
    #[must_use]
    pub fn run_ms(&self, trial_ms: f64) -> f64 {
        let Some(session) = self.session else {
            return trial_ms;
        };
        let trials = f64::from(self.trials());
        trials * trial_ms + (trials - 1.0) * (session.interval_ms + session.jitter_ms)
    }
}

/// Resolves a task; none if no event is given.
pub(super) fn resolve(
    config: &Config,
    draft: TaskDraft,
    duration_ms: f64,
    dt_ms: f64,
) -> Result<Option<TaskSpec>, SpecError> {
    let inactive = draft.events.is_empty()
        && draft.conditions.is_empty()
        && draft.readouts.is_empty()
        && draft.d_prime.is_empty()
        && draft.learning.is_none();
    if inactive {
        return match draft.trials {
            None => Ok(None),
            Some(_) => {
                let message = "trials of nothing: found no events, expected one or more";
                Err(config.error("task.trials", message.to_owned()))
            }
        };
    }
    let task = Resolve {
        config,
        draft: &draft,
        duration_ms,
        dt_ms,
    };
    task.shown()?;
    task.names("events", draft.events.keys())?;
    task.names("readouts", draft.readouts.keys())?;
    let conditions = task.conditions()?;
    let readouts = task.readouts()?;
    Ok(Some(TaskSpec {
        session: task.session(&conditions)?,
        learning: task.learning(&conditions, &readouts)?,
        conditions,
        readouts,
        d_prime: task.d_prime()?,
        events: draft.events.keys().cloned().collect(),
        stimuli: draft.stimuli.clone(),
        axis: draft.axis.clone(),
    }))
}

struct Resolve<'a> {
    config: &'a Config,
    draft: &'a TaskDraft,
    duration_ms: f64,
    dt_ms: f64,
}

/// Trials of a task, and repeats of an event, beyond which nobody means it.
const MOST_TRIALS: u32 = 1 << 20;
const MOST_REPEATS: u32 = 1000;

/// Whether a time is a whole number of steps, to the precision of how it was typed.
#[must_use]
pub fn is_on_grid(ms: f64, dt_ms: f64) -> bool {
    ((ms / dt_ms).round() * dt_ms - ms).abs() <= 1e-9 * ms.max(dt_ms)
}

impl Resolve<'_> {
    fn error<T>(&self, path: &str, message: String) -> Result<T, SpecError> {
        Err(self.config.error(path, message))
    }

    fn time(&self, path: &str, q: Quantity) -> Result<f64, SpecError> {
        let ms = q.expect(Dimension::TIME);
        ms.map_err(|e| self.config.error(path, e.to_string()))
    }

    /// A time of an event: 0 or more, in whole steps, since rounding would change it without a word.
    fn steps(&self, path: &str, q: Quantity) -> Result<f64, SpecError> {
        let ms = self.time(path, q)?;
        if ms < 0.0 {
            let message = format!("negative time: found {q}, expected 0 ms or more");
            return self.error(path, message);
        }
        if !is_on_grid(ms, self.dt_ms) {
            let message = format!(
                "falls between two steps: found {ms} ms with simulation.dt = {} ms, expected a whole \
                 number of steps (such as {} ms)",
                self.dt_ms,
                (ms / self.dt_ms).round() * self.dt_ms
            );
            return self.error(path, message);
        }
        Ok(ms)
    }

    /// Stimuli that reach something, each input once.
    fn shown(&self) -> Result<(), SpecError> {
        for (name, s) in &self.draft.stimuli {
            let path = format!("task.stimuli.{}.into", path_segment(name));
            if s.into.0.is_empty() {
                let message = "no input: found an empty list, expected an input".to_owned();
                return self.error(&path, message);
            }
            self.once(&path, &s.into.0)?;
        }
        Ok(())
    }

    /// Refuses a name that stands twice in a list.
    fn once(&self, path: &str, names: &[String]) -> Result<(), SpecError> {
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                let message = format!("found `{name}` twice, expected every name once");
                return self.error(path, message);
            }
        }
        Ok(())
    }

    /// Names that become names of variables of the result file.
    fn names<'n>(
        &self,
        key: &str,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<(), SpecError> {
        for name in names {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty()
                || !name.chars().all(fits)
                || name.starts_with(|c: char| c.is_ascii_digit())
            {
                let path = format!("task.{key}.{}", path_segment(name));
                let message = format!(
                    "not a name: found `{name}`, expected letters, digits and `_`, no digit \
                     first"
                );
                return self.error(&path, message);
            }
        }
        Ok(())
    }

    /// A name that has to be among the known ones.
    fn known<'n>(
        &self,
        path: &str,
        kind: &str,
        name: &str,
        mut names: impl Iterator<Item = &'n String> + Clone,
    ) -> Result<(), SpecError> {
        if names.clone().any(|known| known == name) {
            return Ok(());
        }
        let hint = super::did_you_mean(name, names.clone().map(String::as_str));
        let known = match names.next() {
            None => "none here".to_owned(),
            Some(first) => names.fold(first.clone(), |all, name| all + ", " + name),
        };
        let message = format!("unknown {kind}: found `{name}`, expected one of {known}{hint}");
        self.error(path, message)
    }

    fn session(&self, conditions: &[ConditionSpec]) -> Result<Option<SessionSpec>, SpecError> {
        let Some(session) = &self.draft.session else {
            return Ok(None);
        };
        let interval_ms = self.steps("task.session.interval", session.interval)?;
        let jitter_ms = match session.jitter {
            None => 0.0,
            Some(q) => self.steps("task.session.jitter", q)?,
        };
        if jitter_ms > interval_ms {
            let message = format!(
                "trials could overlap: found jitter {jitter_ms} ms, expected at most the interval, \
                 {interval_ms} ms"
            );
            return self.error("task.session.jitter", message);
        }
        let trials: u64 = conditions.iter().map(|c| u64::from(c.trials)).sum();
        let all = trials * u64::from(session.sessions);
        if all == 0 || all > u64::from(MOST_TRIALS) {
            let message = format!("found {all} trials, expected 1 to {MOST_TRIALS}");
            return self.error("task.session.sessions", message);
        }
        let changed = self.draft.conditions.iter();
        let changed = changed.filter(|(_, c)| !c.set.is_empty() || !c.perturbations.is_empty());
        if let Some((name, _)) = changed.into_iter().next() {
            let message = format!(
                "conditions of a session share one model: found changes of the model in `{name}`, expected \
                 none beside `session`"
            );
            return self.error(&format!("task.conditions.{}", path_segment(name)), message);
        }
        Ok(Some(SessionSpec {
            sessions: session.sessions,
            trial_ms: self.duration_ms,
            interval_ms,
            jitter_ms,
            order: session.order,
        }))
    }

    fn learning(
        &self,
        conditions: &[ConditionSpec],
        readouts: &[ReadoutSpec],
    ) -> Result<Option<LearningSpec>, SpecError> {
        let Some(learning) = &self.draft.learning else {
            return Ok(None);
        };
        let path = "task.learning";
        let Some(session) = &self.draft.session else {
            let message =
                "trials that know nothing of each other: expected `task.session` beside `learning`";
            return self.error(path, message.to_owned());
        };
        if session.jitter.is_some_and(|q| q.value != 0.0) {
            let message = "trials of all sessions have to begin at the same times: found `jitter`, expected none \
                           beside `learning`";
            return self.error("task.session.jitter", message.to_owned());
        }
        let at = format!("{path}.readout");
        self.known(
            &at,
            "readout",
            &learning.readout,
            self.draft.readouts.keys(),
        )?;
        let of = (readouts.iter()).find(|r| r.name == learning.readout);
        let choices = of.and_then(|r| match &r.what {
            ReadoutKind::Winner { of, .. } | ReadoutKind::Threshold { of, .. } => Some((r, of)),
            _ => None,
        });
        let Some((readout, choices)) = choices else {
            let message = format!(
                "no choice: found readout `{}`, expected one by `winner` or `threshold`",
                learning.readout
            );
            return self.error(&at, message);
        };
        if readout.after.is_some() || readout.from_ms <= 0.0 {
            let message = format!(
                "window of `{}`: found one that follows an event or begins with the trial, expected one from \
                 after the start of the trial",
                readout.name
            );
            return self.error(&at, message);
        }
        if !learning.states.keys().eq(choices.keys()) {
            let list = |names: &Named<String>| names.keys().cloned().collect::<Vec<_>>().join(", ");
            let message = format!(
                "states by choice: found [{}], expected [{}] as in the readout",
                list(&learning.states),
                list(choices)
            );
            return self.error(&format!("{path}.states"), message);
        }
        for (key, share) in [("gain", learning.gain), ("loss", learning.loss)] {
            if !(0.0..=1.0).contains(&share) {
                let message = format!("out of range: found {share}, expected 0 to 1");
                return self.error(&format!("{path}.{key}"), message);
            }
        }
        let trials: u32 = conditions.iter().map(|c| c.trials).sum();
        let mut rewarded: Vec<String> = Vec::new();
        for (k, stretch) in learning.rewarded.iter().enumerate() {
            let at = format!("{path}.rewarded[{k}]");
            self.known(
                &format!("{at}.choice"),
                "choice",
                &stretch.choice,
                choices.keys(),
            )?;
            let left = trials.saturating_sub(rewarded.len() as u32);
            let last = k + 1 == learning.rewarded.len();
            let count = match stretch.trials {
                Some(count) => count,
                None if last => left,
                None => {
                    let message = "missing key: expected `trials` in every stretch but the last";
                    return self.error(&at, message.to_owned());
                }
            };
            if count == 0 || count > left || (last && count != left) {
                let message = format!(
                    "stretches of trials: found {count} where {left} of {trials} are left, expected stretches \
                     that make up the session"
                );
                return self.error(&at, message);
            }
            rewarded.extend(std::iter::repeat_n(stretch.choice.clone(), count as usize));
        }
        if rewarded.is_empty() {
            let message = "nothing is rewarded: found an empty list, expected a stretch of trials";
            return self.error(&format!("{path}.rewarded"), message.to_owned());
        }
        Ok(Some(LearningSpec {
            readout: learning.readout.clone(),
            states: learning.states.clone(),
            areas: learning.areas.clone(),
            rewarded,
            gain: learning.gain,
            loss: learning.loss,
            restart: learning.restart,
        }))
    }

    fn conditions(&self) -> Result<Vec<ConditionSpec>, SpecError> {
        if self.draft.events.is_empty() {
            let message = "a task without events: expected `task.events`".to_owned();
            return self.error("task", message);
        }
        let some = |path: &str, trials: u32| match trials {
            0 => self.error(path, "no trials: found 0, expected at least 1".to_owned()),
            trials if trials > MOST_TRIALS => self.error(
                path,
                format!("too many trials: found {trials}, expected at most {MOST_TRIALS}"),
            ),
            trials => Ok(trials),
        };
        if self.draft.conditions.is_empty() {
            let trials = match self.draft.trials {
                None => 1,
                Some(trials) => some("task.trials", trials)?,
            };
            return Ok(vec![ConditionSpec {
                name: "all".to_owned(),
                trials,
                events: self.events("task", &[], &Named::new())?,
                at: None,
                set: Vec::new(),
                model: None,
            }]);
        }
        if self.draft.trials.is_some() {
            let message = "key does not belong: found `trials` beside `conditions`, expected it in \
                           each condition";
            return self.error("task.trials", message.to_owned());
        }
        let unplaced = self.draft.conditions.iter().find(|(_, c)| c.at.is_none());
        let placed = self.draft.conditions.values().any(|c| c.at.is_some());
        if let Some((name, _)) = unplaced.filter(|_| placed) {
            let path = format!("task.conditions.{}", path_segment(name));
            let message = format!(
                "no place on the axis: found none of `{name}`, expected `at` in every condition or in none"
            );
            return self.error(&path, message);
        }
        let mut out = Vec::new();
        let mut all = 0;
        for (name, c) in &self.draft.conditions {
            let path = format!("task.conditions.{}", path_segment(name));
            all += u64::from(c.trials);
            if all > u64::from(MOST_TRIALS) {
                let message = format!(
                    "too many trials: found {all} up to this condition, expected at most {MOST_TRIALS}"
                );
                return self.error(&format!("{path}.trials"), message);
            }
            out.push(ConditionSpec {
                name: name.clone(),
                trials: some(&format!("{path}.trials"), c.trials)?,
                events: self.events(&path, &c.without, &c.events)?,
                at: c.at,
                set: c.set.clone(),
                model: None,
            });
        }
        Ok(out)
    }

    /// Events of a condition, each after those that it refers to.
    fn events(
        &self,
        condition_path: &str,
        without: &[String],
        changes: &Named<ChangeDraft>,
    ) -> Result<Vec<EventSpec>, SpecError> {
        for (i, name) in without.iter().enumerate() {
            let path = format!("{condition_path}.without[{i}]");
            self.known(&path, "event", name, self.draft.events.keys())?;
        }
        for name in changes.keys() {
            let path = format!("{condition_path}.events.{}", path_segment(name));
            self.known(&path, "event", name, self.draft.events.keys())?;
            if without.contains(name) {
                let message = format!("found `{name}` both changed and in `without`");
                return self.error(&path, message);
            }
        }
        let mut waiting = Vec::new();
        for (name, event) in &self.draft.events {
            if without.contains(name) {
                continue;
            }
            let change = changes.get(name).cloned().unwrap_or_default();
            let own = format!("task.events.{}", path_segment(name));
            let changed = format!("{condition_path}.events.{}", path_segment(name));
            waiting.push((
                own.clone(),
                self.event(name, event, &change, &own, &changed)?,
            ));
        }
        let mut events: Vec<EventSpec> = Vec::new();
        while !waiting.is_empty() {
            let there = |name: &Option<String>| match name {
                None => true,
                Some(name) => events.iter().any(|e| e.name == *name),
            };
            let ready = waiting.iter().position(|(_, e)| {
                let matched = match &e.shows {
                    Shows::Match { event, .. } => Some(event.clone()),
                    _ => None,
                };
                there(&e.after) && there(&matched)
            });
            let Some(ready) = ready else {
                let (path, event) = &waiting[0];
                let message = format!(
                    "event `{}` refers to an event that does not come before it: not shown in this \
                     condition, or in a circle",
                    event.name
                );
                return self.error(path, message);
            };
            let (path, event) = waiting.remove(ready);
            if let Shows::Match {
                event: sample, of, ..
            } = &event.shows
            {
                let sample = events.iter().find(|e| e.name == *sample);
                let missing =
                    sample.and_then(|e| e.shows.possible().iter().find(|s| !of.contains(s)));
                if let Some(missing) = missing {
                    let message = format!(
                        "nothing could match: found `{missing}` among what may be shown there and not in \
                         `of`, expected all of it"
                    );
                    return self.error(&format!("{path}.matches.of"), message);
                }
            }
            events.push(event);
        }
        Ok(events)
    }

    fn event(
        &self,
        name: &str,
        event: &EventDraft,
        change: &ChangeDraft,
        own: &str,
        changed: &str,
    ) -> Result<EventSpec, SpecError> {
        // Where a value was typed: in the condition or in the event.
        let place = |key: &str, is_changed: bool| match is_changed {
            true => format!("{changed}.{key}"),
            false => format!("{own}.{key}"),
        };
        let shows_path = place("shows", change.shows.is_some());
        let shown = change.shows.as_ref().or(event.shows.as_ref());
        let shows = match (shown, &event.matches) {
            (Some(shown), matches) if matches.is_none() || change.shows.is_some() => {
                let names = shown.0.clone();
                self.stimuli(&shows_path, &names)?;
                Shows::OneOf(names)
            }
            (None, Some(matches)) => self.matching(name, matches, event.repeat, own)?,
            (found, _) => {
                let found = if found.is_some() { "both" } else { "neither" };
                let message = format!("found {found}, expected one of `shows` and `matches`");
                return self.error(own, message);
            }
        };
        let onset_path = place("onset", change.onset.is_some());
        let duration_path = place("duration", change.duration.is_some());
        let jitter_path = place("jitter", change.jitter.is_some());
        let strength_path = place("strength", change.strength.is_some());
        let onset_ms = self.steps(&onset_path, change.onset.unwrap_or(event.onset))?;
        let duration_ms = self.steps(&duration_path, change.duration.unwrap_or(event.duration))?;
        if duration_ms == 0.0 {
            let message = format!("event `{name}` has no duration: found 0 ms, expected more");
            return self.error(&duration_path, message);
        }
        let jitter = change.jitter.or(event.jitter);
        let jitter_ms = jitter.map_or(Ok(0.0), |q| self.steps(&jitter_path, q))?;
        if jitter_ms > onset_ms {
            let message = format!(
                "event `{name}` could begin before the trial or the end of `after`: found jitter \
                 {jitter_ms} ms, expected at most its onset, {onset_ms} ms"
            );
            return self.error(&jitter_path, message);
        }
        let strength = change.strength.unwrap_or(event.strength);
        if !strength.is_finite() {
            let message = format!("found {strength}, expected a number");
            return self.error(&strength_path, message);
        }
        if let Some(after) = &event.after {
            self.known(
                &format!("{own}.after"),
                "event",
                after,
                self.draft.events.keys(),
            )?;
        }
        let every_path = format!("{own}.every");
        let every_ms = match (event.repeat, event.every) {
            (0, _) => {
                let message = "no repeats: found 0, expected at least 1".to_owned();
                return self.error(&format!("{own}.repeat"), message);
            }
            (1, None) => 0.0,
            (_, Some(q)) => self.steps(&every_path, q)?,
            (_, None) => {
                let message = "missing key: expected `every` beside `repeat`".to_owned();
                return self.error(&format!("{own}.repeat"), message);
            }
        };
        if event.repeat > 1 && every_ms < (duration_ms + 2.0 * jitter_ms) * (1.0 - 1e-9) {
            let message = format!(
                "repeats of `{name}` could overlap: found one every {every_ms} ms, expected at least \
                 duration and twice the jitter, {} ms",
                duration_ms + 2.0 * jitter_ms
            );
            return self.error(&every_path, message);
        }
        if event.repeat > MOST_REPEATS {
            let message = format!(
                "too many repeats: found {}, expected at most {MOST_REPEATS}",
                event.repeat
            );
            return self.error(&format!("{own}.repeat"), message);
        }
        Ok(EventSpec {
            name: name.to_owned(),
            shows,
            onset_ms,
            after: event.after.clone(),
            duration_ms,
            jitter_ms,
            strength,
            repeat: event.repeat,
            every_ms,
            may_overlap: event.may_overlap,
        })
    }

    fn matching(
        &self,
        name: &str,
        matches: &MatchDraft,
        repeat: u32,
        own: &str,
    ) -> Result<Shows, SpecError> {
        let path = format!("{own}.matches");
        self.stimuli(&format!("{path}.of"), &matches.of)?;
        if matches.of.len() < 2 {
            let message = format!(
                "nothing else to show: found {} stimulus, expected two or more",
                matches.of.len()
            );
            return self.error(&format!("{path}.of"), message);
        }
        let chance = matches.chance;
        if !(0.0..=1.0).contains(&chance) {
            let message = format!("out of range: found {chance}, expected 0 to 1");
            return self.error(&format!("{path}.chance"), message);
        }
        let lures = matches.lures;
        if let Some(lures) = lures {
            let path = format!("{path}.lures");
            if matches.back.is_none() {
                let message =
                    format!("found {lures} without `back`, expected lures only beside it");
                return self.error(&path, message);
            }
            if !(lures >= 0.0 && chance + lures <= 1.0) {
                let message = format!(
                    "out of range: found {lures} beside a chance of {chance}, expected 0 or more and a sum of at \
                     most 1"
                );
                return self.error(&path, message);
            }
            // Three may be forbidden where there is neither match nor lure.
            if matches.of.len() < 4 {
                let message = format!(
                    "nothing else to show beside lures: found {} stimuli in `of`, expected four or more",
                    matches.of.len()
                );
                return self.error(&path, message);
            }
        }
        let of = matches.of.clone();
        match (&matches.event, matches.back) {
            (Some(event), None) if event != name => {
                self.known(
                    &format!("{path}.event"),
                    "event",
                    event,
                    self.draft.events.keys(),
                )?;
                let event = event.clone();
                Ok(Shows::Match { event, of, chance })
            }
            (None, Some(back)) if back > 0 && back < repeat => Ok(Shows::Back {
                back,
                of,
                chance,
                lures,
            }),
            (None, Some(back)) => {
                let message = format!(
                    "found {back} back of {repeat} repeats, expected at least 1 and fewer than the \
                     repeats"
                );
                self.error(&format!("{path}.back"), message)
            }
            _ => {
                let message = "expected `event`, another event, or `back`".to_owned();
                self.error(&path, message)
            }
        }
    }

    fn stimuli(&self, path: &str, names: &[String]) -> Result<(), SpecError> {
        if names.is_empty() {
            let message = "nothing to show: found an empty list, expected a stimulus".to_owned();
            return self.error(path, message);
        }
        for name in names {
            self.known(path, "stimulus", name, self.draft.stimuli.keys())?;
        }
        self.once(path, names)
    }

    fn readouts(&self) -> Result<Vec<ReadoutSpec>, SpecError> {
        let mut out = Vec::new();
        for (name, r) in &self.draft.readouts {
            let path = format!("task.readouts.{}", path_segment(name));
            out.push(self.readout(name, r, &path)?);
        }
        Ok(out)
    }

    fn readout(&self, name: &str, r: &ReadoutDraft, path: &str) -> Result<ReadoutSpec, SpecError> {
        let kinds = [
            ("mean", r.mean.is_some()),
            ("persistent", r.persistent.is_some()),
            ("winner", r.winner.is_some()),
            ("threshold", r.threshold.is_some()),
        ];
        let found: Vec<&str> = kinds.iter().filter(|k| k.1).map(|k| k.0).collect();
        let [kind] = found[..] else {
            let message = format!(
                "found {}, expected one of `mean`, `persistent`, `winner`, `threshold`",
                match found.as_slice() {
                    [] => "no kind of readout".to_owned(),
                    several => several.join(" and "),
                }
            );
            return self.error(path, message);
        };
        // Which of the other keys a kind takes, and which it cannot do without.
        let belongs = |key: &str, is: bool, kinds: &[&str], needed: &[&str]| {
            let at = format!("{path}.{key}");
            match (is, kinds.contains(&kind), needed.contains(&kind)) {
                (true, false, _) => self.error(
                    &at,
                    format!("key does not belong: found `{key}` beside `{kind}`"),
                ),
                (false, _, true) => self.error(
                    path,
                    format!("missing key: expected `{key}` beside `{kind}`"),
                ),
                _ => Ok(()),
            }
        };
        belongs("minus", r.minus.is_some(), &["mean"], &[])?;
        let persistent = ["persistent"];
        belongs("baseline", r.baseline.is_some(), &persistent, &persistent)?;
        let levels = ["persistent", "threshold"];
        belongs("above", r.above.is_some(), &levels, &levels)?;
        belongs("over", r.over.is_some(), &["threshold"], &[])?;
        belongs(
            "correct",
            r.correct.is_some(),
            &["winner", "threshold"],
            &[],
        )?;
        for (key, event) in [("after", &r.after), ("correct", &r.correct)] {
            if let Some(event) = event {
                let at = format!("{path}.{key}");
                self.known(&at, "event", event, self.draft.events.keys())?;
            }
        }
        let (from_ms, to_ms) = self.window(path, r.from, r.to, r.after.is_some())?;
        let choices = |of: &Named<String>| -> Result<Named<String>, SpecError> {
            let at = format!("{path}.{kind}");
            if of.is_empty() {
                let message = "nothing to choose: found no choice, expected one or more".to_owned();
                return self.error(&at, message);
            }
            self.names(
                &format!("readouts.{}.{kind}", path_segment(name)),
                of.keys(),
            )?;
            if r.correct.is_some() {
                for choice in of.keys() {
                    let at = format!("{at}.{}", path_segment(choice));
                    self.known(&at, "stimulus", choice, self.draft.stimuli.keys())?;
                }
            }
            Ok(of.clone())
        };
        let what = match (&r.mean, &r.persistent, &r.winner, &r.threshold, r.above) {
            (Some(variable), ..) => ReadoutKind::Mean {
                variable: variable.clone(),
                minus: r.minus.clone(),
            },
            (_, Some(variable), _, _, Some(above)) => {
                let b = r.baseline.map(|b| (b.from, b.to));
                let (from, to) = b.unwrap_or((r.from, r.to));
                let (baseline_from_ms, baseline_to_ms) =
                    self.window(&format!("{path}.baseline"), from, to, false)?;
                ReadoutKind::Persistent {
                    variable: variable.clone(),
                    baseline_from_ms,
                    baseline_to_ms,
                    above,
                }
            }
            (_, _, Some(of), ..) => ReadoutKind::Winner {
                of: choices(of)?,
                correct: r.correct.clone(),
            },
            (_, _, _, Some(of), Some(above)) => ReadoutKind::Threshold {
                of: choices(of)?,
                above,
                over_ms: r
                    .over
                    .map(|q| self.over(path, q, to_ms - from_ms))
                    .transpose()?,
                correct: r.correct.clone(),
            },
            _ => return self.error(path, "a key is missing".to_owned()),
        };
        Ok(ReadoutSpec {
            name: name.to_owned(),
            what,
            areas: r.areas.clone(),
            after: r.after.clone(),
            from_ms,
            to_ms,
        })
    }

    /// Length of a mean that moves through a window, ms.
    fn over(&self, path: &str, over: Quantity, window_ms: f64) -> Result<f64, SpecError> {
        let at = format!("{path}.over");
        let over_ms = self.time(&at, over)?;
        if over_ms > 0.0 && over_ms <= window_ms {
            return Ok(over_ms);
        }
        let message = format!(
            "found a mean over {over}, expected more than 0 ms and at most the window's {window_ms} ms"
        );
        self.error(&at, message)
    }

    fn window(
        &self,
        path: &str,
        from: Quantity,
        to: Quantity,
        moves: bool,
    ) -> Result<(f64, f64), SpecError> {
        let (from_ms, to_ms) = (
            self.time(&format!("{path}.from"), from)?,
            self.time(&format!("{path}.to"), to)?,
        );
        let inside = moves || (from_ms >= 0.0 && to_ms <= self.duration_ms);
        if from_ms < to_ms && inside {
            return Ok((from_ms, to_ms));
        }
        let message = match from_ms < to_ms {
            true => format!(
                "found a window from {from} to {to}, expected a part of the trial, 0 to {} ms",
                self.duration_ms
            ),
            false => format!(
                "found a window from {from} to {to}, expected one that ends later than it begins"
            ),
        };
        self.error(&format!("{path}.to"), message)
    }

    fn d_prime(&self) -> Result<Named<DPrime>, SpecError> {
        for (name, d) in &self.draft.d_prime {
            let path = format!("task.d_prime.{}", path_segment(name));
            let at = format!("{path}.readout");
            self.known(&at, "readout", &d.readout, self.draft.readouts.keys())?;
            if self.draft.readouts[&d.readout].threshold.is_none() {
                let message = format!(
                    "found readout `{}`, expected one by `threshold`: in every trial one wins",
                    d.readout
                );
                return self.error(&at, message);
            }
            for (key, condition) in [("signal", &d.signal), ("noise", &d.noise)] {
                let at = format!("{path}.{key}");
                self.known(&at, "condition", condition, self.draft.conditions.keys())?;
                let follows = &self.draft.readouts[&d.readout].after;
                let without = &self.draft.conditions[condition].without;
                if let Some(event) = follows.as_ref().filter(|event| without.contains(event)) {
                    let message = format!(
                        "readout `{}` follows event `{event}`, which `{condition}` does not show: found \
                         no window there, expected one from the start of the trial",
                        d.readout
                    );
                    return self.error(&at, message);
                }
            }
        }
        Ok(self.draft.d_prime.clone())
    }
}
