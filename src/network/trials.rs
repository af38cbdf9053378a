//! Draws the trials of a task. What trial t shows depends on the seed, on its number t and on the events
//! that it has, not on the trials after it, on what is simulated, or in which order.

use super::build::{dimension, in_unit, input, reached};
use crate::circuit::CircuitInfo;
use crate::connectome::Connectome;
use crate::rng::{Site, below};
use crate::spec::node::path_segment;
use crate::spec::{
    ConditionSpec, EventSpec, ExperimentSpec, Named, Shows, SpecError, TaskSpec, TrialOrder,
};
use crate::stimulus::{Shown, Stimulus, Trial, Trials, nearest_step};

/// The trials of an experiment; none if it has no task.
pub(super) fn draw(
    spec: &ExperimentSpec,
    info: &CircuitInfo,
    connectome: &Connectome,
) -> Result<Option<Trials>, SpecError> {
    let Some(task) = &spec.task else {
        return Ok(None);
    };
    let events = task.conditions.iter().flat_map(|c| &c.events);
    let shown: Vec<&String> = events.flat_map(|e| e.shows.possible()).collect();
    let mut stimuli = Named::new();
    for (name, s) in &task.stimuli {
        let path = format!("task.stimuli.{}", path_segment(name));
        let mut parts = Vec::new();
        // What nothing shows may stand in areas that are lesioned.
        let to = match shown.contains(&name) {
            true => reached(spec, connectome, &format!("{path}.areas"), &s.areas)?,
            false => Vec::new(),
        };
        for into in &s.into.0 {
            let at = input(spec, info, &format!("{path}.into"), into)?;
            let wanted = dimension(info.inputs[at].unit);
            parts.push(Stimulus {
                name: name.clone(),
                input: at,
                areas: to.clone(),
                amplitude: in_unit(spec, &format!("{path}.amplitude"), s.amplitude, wanted)?,
                onset_ms: 0.0,
                offset_ms: 0.0,
            });
        }
        stimuli.insert(name.clone(), parts);
    }
    let mut out = Trials {
        events: task.events.clone(),
        repeats: vec![1; task.events.len()],
        conditions: task.conditions.iter().map(|c| c.name.clone()).collect(),
        trials: Vec::new(),
        sessions: task.session.is_some(),
    };
    for condition in &task.conditions {
        for event in &condition.events {
            let at = out.event_index(&event.name);
            out.repeats[at] = out.repeats[at].max(event.repeat);
        }
    }
    for place in places(spec, task) {
        let number = out.trials.len() as u32;
        let condition = &task.conditions[place.condition];
        let trial = Trial {
            shown: one(spec, condition, &out, &stimuli, number, place.start),
            condition: place.condition,
            run: place.run,
            start_ms: place.start as f64 * spec.run.dt_ms,
        };
        check(spec, condition, &out, &trial, number)?;
        out.trials.push(trial);
    }
    Ok(Some(out))
}

/// Where a trial stands.
struct Place {
    condition: usize,
    run: u32,
    /// First step, from the start of the run.
    start: u64,
}

/// All trials in the order in which they are run. Order and intervals of a session depend on the seed, on the
/// session and on the place in it.
fn places(spec: &ExperimentSpec, task: &TaskSpec) -> Vec<Place> {
    let conditions: Vec<usize> = (task.conditions.iter().enumerate())
        .flat_map(|(k, c)| std::iter::repeat_n(k, c.trials as usize))
        .collect();
    let Some(session) = task.session else {
        let of = |(run, &condition): (usize, &usize)| Place {
            condition,
            run: run as u32,
            start: 0,
        };
        return conditions.iter().enumerate().map(of).collect();
    };
    let steps = |ms: f64| nearest_step(ms, spec.run.dt_ms);
    let (trial, interval) = (steps(session.trial_ms), steps(session.interval_ms));
    let jitter = steps(session.jitter_ms);
    let mut out = Vec::new();
    for run in 0..session.sessions {
        let site = |what: &str| Site::new(what, &run.to_string(), "");
        let mut order = conditions.clone();
        if session.order == TrialOrder::Drawn {
            for last in (1..order.len()).rev() {
                let draw = below(
                    spec.run.seed,
                    last as u32,
                    site("task order"),
                    last as u64 + 1,
                );
                order.swap(last, draw as usize);
            }
        }
        let mut start = 0;
        for (k, condition) in order.into_iter().enumerate() {
            out.push(Place {
                condition,
                run,
                start,
            });
            let moved = below(
                spec.run.seed,
                k as u32,
                site("task interval"),
                2 * jitter + 1,
            );
            start += trial + interval + moved - jitter;
        }
    }
    out
}

/// What is drawn for one repeat of an event.
struct Draw<'a> {
    seed: u64,
    trial: u32,
    event: &'a str,
    repeat: String,
}

impl Draw<'_> {
    fn below(&self, what: &str, bound: u64) -> u64 {
        let site = Site::new(what, self.event, &self.repeat);
        below(self.seed, self.trial, site, bound)
    }

    fn one_of<'n>(&self, names: &[&'n String]) -> &'n String {
        names[self.below("task stimulus", names.len() as u64) as usize]
    }

    fn happens(&self, what: &str, chance: f64) -> bool {
        const FINE: u64 = 1 << 53;
        (self.below(what, FINE) as f64) < chance * FINE as f64
    }
}

fn one(
    spec: &ExperimentSpec,
    condition: &ConditionSpec,
    trials: &Trials,
    stimuli: &Named<Vec<Stimulus>>,
    number: u32,
    start: u64,
) -> Vec<Shown> {
    let dt = spec.run.dt_ms;
    let mut shown: Vec<Shown> = Vec::new();
    for event in &condition.events {
        let at = trials.event_index(&event.name);
        let from_ms = event.after.as_ref().map_or(0.0, |after| {
            let after = trials.event_index(after);
            let ends = shown.iter().filter(|s| s.event == after);
            ends.map(|s| s.offset_ms).fold(0.0, f64::max)
        });
        for repeat in 0..event.repeat {
            let draw = Draw {
                seed: spec.run.seed,
                trial: number,
                event: &event.name,
                repeat: repeat.to_string(),
            };
            let Chosen {
                stimulus,
                matches,
                lure,
            } = choose(event, &draw, trials, &shown, repeat);
            let steps = |ms: f64| nearest_step(ms, dt);
            let jitter = steps(event.jitter_ms);
            let moved = draw.below("task jitter", 2 * jitter + 1);
            let planned =
                steps(from_ms) + steps(event.onset_ms) + u64::from(repeat) * steps(event.every_ms);
            // The onset is never below the jitter.
            let onset = planned + moved - jitter;
            let offset = onset + steps(event.duration_ms);
            let (onset_ms, offset_ms) = (onset as f64 * dt, offset as f64 * dt);
            let part = |s: &Stimulus| Stimulus {
                name: event.name.clone(),
                amplitude: s.amplitude * event.strength,
                onset_ms: (start + onset) as f64 * dt,
                offset_ms: (start + offset) as f64 * dt,
                ..s.clone()
            };
            shown.push(Shown {
                event: at,
                repeat,
                parts: stimuli[stimulus].iter().map(part).collect(),
                stimulus: stimulus.clone(),
                matches,
                lure,
                strength: event.strength,
                onset_ms,
                offset_ms,
            });
        }
    }
    shown
}

/// What one repeat of an event shows.
struct Chosen<'e> {
    stimulus: &'e String,
    matches: Option<bool>,
    lure: Option<bool>,
}

/// The stimulus of one repeat of an event, whether it matches, and whether it is a lure.
fn choose<'e>(
    event: &'e EventSpec,
    draw: &Draw<'_>,
    trials: &Trials,
    shown: &[Shown],
    repeat: u32,
) -> Chosen<'e> {
    let just = |stimulus, matches| Chosen {
        stimulus,
        matches,
        lure: None,
    };
    let (of, chance, sample) = match &event.shows {
        Shows::OneOf(names) => {
            let names: Vec<&String> = names.iter().collect();
            return just(draw.one_of(&names), None);
        }
        Shows::Match {
            event: sample,
            of,
            chance,
        } => {
            let at = trials.event_index(sample);
            (of, chance, shown.iter().find(|s| s.event == at))
        }
        Shows::Back {
            back, of, chance, ..
        } => {
            let at = trials.event_index(&event.name);
            let then = repeat.checked_sub(*back);
            let before = |s: &&Shown| s.event == at && Some(s.repeat) == then;
            (of, chance, shown.iter().find(before))
        }
    };
    let Some(sample) = sample else {
        let names: Vec<&String> = of.iter().collect();
        return just(draw.one_of(&names), None);
    };
    let same = of.iter().find(|name| **name == sample.stimulus);
    if let Some(same) = same
        && draw.happens("task match", *chance)
    {
        return Chosen {
            lure: event.shows.has_lures().then_some(false),
            ..just(same, Some(true))
        };
    }
    let others: Vec<&String> = of.iter().filter(|name| **name != sample.stimulus).collect();
    let Shows::Back {
        back,
        lures: Some(lures),
        ..
    } = &event.shows
    else {
        return just(draw.one_of(&others), Some(false));
    };
    // What was shown next to the repeat that would match; one back has none after it.
    let then = |back: u32| repeat.checked_sub(back).filter(|then| *then < repeat);
    let beside = [then(back - 1), then(back + 1)];
    let at = trials.event_index(&event.name);
    let near = |name: &String| {
        let mut there = shown.iter().filter(|s| s.event == at);
        there.any(|s| beside.contains(&Some(s.repeat)) && s.stimulus == *name)
    };
    let (baits, free): (Vec<&String>, Vec<&String>) = others.iter().partition(|name| near(name));
    let lured = draw.happens("task lure", lures / (1.0 - chance).max(f64::MIN_POSITIVE));
    let lure = lured && !baits.is_empty();
    Chosen {
        lure: Some(lure),
        ..just(draw.one_of(if lure { &baits } else { &free }), Some(false))
    }
}

/// Refuses a trial that outlasts the run, and events that overlap where they must not.
fn check(
    spec: &ExperimentSpec,
    condition: &ConditionSpec,
    trials: &Trials,
    trial: &Trial,
    number: u32,
) -> Result<(), SpecError> {
    let path = |event: usize| format!("task.events.{}", path_segment(&trials.events[event]));
    let steps = |ms: f64| nearest_step(ms, spec.run.dt_ms);
    let place = format!("trial {number}, condition `{}`", condition.name);
    let may = |event: usize| {
        let of = condition
            .events
            .iter()
            .find(|e| e.name == trials.events[event]);
        of.is_some_and(|e| e.may_overlap)
    };
    let trial_ms = spec.trial_ms();
    for (k, a) in trial.shown.iter().enumerate() {
        if steps(a.offset_ms) > steps(trial_ms) {
            let message = format!(
                "event `{}` outlasts the run: found its end at {} ms ({place}), expected at most \
                 simulation.duration = {trial_ms} ms",
                trials.events[a.event], a.offset_ms
            );
            return Err(spec.config.error(&path(a.event), message));
        }
        for b in &trial.shown[..k] {
            let apart =
                steps(a.offset_ms) <= steps(b.onset_ms) || steps(b.offset_ms) <= steps(a.onset_ms);
            if apart || may(a.event) || may(b.event) {
                continue;
            }
            let shared = a.parts.iter().any(|p| {
                let meets = |q: &&Stimulus| {
                    p.input == q.input && p.areas.iter().any(|area| q.areas.contains(area))
                };
                b.parts.iter().any(|q| meets(&q))
            });
            if shared {
                let message = format!(
                    "events overlap: found `{}` from {} to {} ms and `{}` from {} to {} ms in the same \
                     input of the same area ({place}), expected them apart, or `may_overlap: true`",
                    trials.events[a.event],
                    a.onset_ms,
                    a.offset_ms,
                    trials.events[b.event],
                    b.onset_ms,
                    b.offset_ms
                );
                return Err(spec.config.error(&path(a.event), message));
            }
        }
    }
    Ok(())
}
