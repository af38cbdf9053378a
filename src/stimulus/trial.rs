//! Trials of a task, as drawn: who is shown what, and when.

use super::Stimulus;

/// The trials of a task, in the order in which they are run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    /// Names of all events of the task, sorted.
    pub events: Vec<String>,
    /// How often each event comes at most.
    pub repeats: Vec<u32>,
    /// Names of the conditions, sorted.
    pub conditions: Vec<String>,
    /// The trials in the order in which they are run. Where each is a run of its own: condition by
    /// condition, and trial t sees the noise of replicate t.
    pub trials: Vec<Trial>,
    /// Whether runs are sessions of trials that follow one another.
    pub sessions: bool,
}

/// One trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Index of its condition.
    pub condition: usize,
    /// The run that it is part of.
    pub run: u32,
    /// Its start from that of the run, ms.
    pub start_ms: f64,
    /// What is shown, in no order.
    pub shown: Vec<Shown>,
}

/// One event of a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Index of the event.
    pub event: usize,
    /// Which of its repeats, from 0.
    pub repeat: u32,
    /// Name of the stimulus.
    pub stimulus: String,
    /// Whether it is that of the event or repeat that it may match; none if there is nothing to match.
    pub matches: Option<bool>,
    /// Whether it is a lure, that of a repeat next to the one that it may match; none if there are no lures.
    pub lure: Option<bool>,
    /// Factor on the amplitude of the stimulus.
    pub strength: f64,
    /// Start from that of the trial, ms.
    pub onset_ms: f64,
    /// End from the start of the trial, ms.
    pub offset_ms: f64,
    /// Steps of input that it is made of, one for each input that it reaches, in the time of the run.
    pub parts: Vec<Stimulus>,
}

impl Trials {
    /// The trials of a run, in their order.
    pub fn of_run(&self, run: u32) -> impl Iterator<Item = &Trial> {
        // They stand in the order of runs.
        let from = self.trials.partition_point(|t| t.run < run);
        self.trials[from..].iter().take_while(move |t| t.run == run)
    }

    /// The first trial with the most events among those of conditions that count, or of all if none does.
    #[must_use]
    pub fn example(&self, counts: impl Fn(usize) -> bool) -> usize {
        let any = self.trials.iter().any(|t| counts(t.condition));
        let counted = |t: &&Trial| !any || counts(t.condition);
        let most = (self.trials.iter().filter(counted))
            .map(|t| t.shown.len())
            .max();
        let is = |t: &Trial| counted(&t) && Some(t.shown.len()) == most;
        self.trials.iter().position(is).unwrap_or_default()
    }

    /// Index of an event that is there.
    #[must_use]
    pub fn event_index(&self, name: &str) -> usize {
        let at = self.events.iter().position(|event| event == name);
        at.expect("the task was resolved with its events")
    }
}

impl Trial {
    /// All steps of input of the trial.
    pub fn stimuli(&self) -> impl Iterator<Item = &Stimulus> {
        self.shown.iter().flat_map(|shown| &shown.parts)
    }

    /// A repeat of an event, if it is shown.
    #[must_use]
    pub fn event(&self, event: usize, repeat: u32) -> Option<&Shown> {
        let is = |s: &&Shown| s.event == event && s.repeat == repeat;
        self.shown.iter().find(is)
    }
}
