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
    /// The trials, condition by condition. Trial t sees the noise of replicate t.
    pub trials: Vec<Trial>,
}

/// One trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Index of its condition.
    pub condition: usize,
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
    /// Factor on the amplitude of the stimulus.
    pub strength: f64,
    /// Start, ms.
    pub onset_ms: f64,
    /// End, ms.
    pub offset_ms: f64,
    /// Steps of input that it is made of, one for each input that it reaches.
    pub parts: Vec<Stimulus>,
}

impl Trials {
    /// The trial that tables and figures show: the first with the most events.
    #[must_use]
    pub fn example(&self) -> usize {
        let most = self.trials.iter().map(|t| t.shown.len()).max();
        let is = |t: &Trial| Some(t.shown.len()) == most;
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
