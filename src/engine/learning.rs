//! A block of lanes whose runs learn between trials.

use super::Samples;
use crate::plan::{LearningPlan, Plan};
use crate::stepper::{Among, Exchange, Share, Simulation, Stop};

/// A simulation, and what its runs have shown of the present trial.
pub(super) struct Block<'a> {
    simulation: Simulation<'a>,
    learner: Option<Learner<'a>>,
}

struct Learner<'a> {
    plan: &'a Plan,
    of: &'a LearningPlan,
    /// Start of each run, `[position][variable]`.
    starts: Vec<&'a [f64]>,
    /// The trial that is running.
    trial: usize,
    /// Samples that were taken since the start of the run.
    taken: u64,
    /// Activity in the window of the trial, `[run][choice][sample]`.
    series: Vec<Vec<Vec<f64>>>,
}

impl<'a> Block<'a> {
    /// As [`Simulation::of_share`], with the plan that steps these runs. Starts of the parts of a plan come
    /// after those of its conditions.
    pub fn new(plan: &'a Plan, first: u32, runs: u32, starts: &[&'a [f64]], share: Share) -> Self {
        let part = plan.stepped_by.get(first as usize).copied().flatten();
        let (plan, starts) = match part {
            None => (plan, starts),
            Some(part) => {
                let at = starts.len() - plan.parts.len() + part;
                (&plan.parts[part].plan, &starts[at..=at])
            }
        };
        let learner = plan.learning.as_ref().map(|of| Learner {
            plan,
            of,
            starts: (plan.members_of(first, runs).iter())
                .map(|m| starts[if starts.len() == 1 { 0 } else { m.condition }])
                .collect(),
            trial: 0,
            taken: 0,
            series: vec![vec![Vec::new(); of.read.len()]; runs as usize],
        });
        Block {
            simulation: Simulation::of_share(plan, first, runs, starts, share),
            learner,
        }
    }

    /// See [`Simulation::stops`].
    pub fn stops(&self) -> &[Option<Stop>] {
        self.simulation.stops()
    }

    /// See [`Simulation::is_parallel`].
    pub fn is_parallel(&self) -> bool {
        self.simulation.is_parallel()
    }

    /// See [`Simulation::step`].
    pub fn step(&self) -> u64 {
        self.simulation.step()
    }

    /// Step up to which it may be advanced at once.
    pub fn may_reach(&self) -> u64 {
        let next = self.learner.as_ref().and_then(Learner::begins);
        next.unwrap_or(u64::MAX)
    }

    /// Runs until the samples are full or a step is reached, at most that of [`may_reach`](Self::may_reach).
    pub fn advance(&mut self, samples: &mut Samples, until: u64) {
        samples.clear();
        self.simulation.advance_until(samples, until);
        if let Some(learner) = &mut self.learner {
            learner.take(samples);
            learner.learn(&mut self.simulation);
        }
    }

    /// See [`Simulation::advance_among`]; of blocks that learn nothing.
    pub fn advance_among(&mut self, samples: &mut Samples, until: u64, among: Among<'_>) {
        samples.clear();
        self.simulation.advance_among(samples, until, among);
    }

    /// See [`Simulation::save_among`]; of blocks that learn nothing.
    pub fn save_among(&mut self, exchange: &dyn Exchange) -> Vec<u64> {
        self.simulation.save_among(exchange)
    }

    /// See [`Simulation::restore_among`]; of blocks that learn nothing.
    pub fn restore_among(&mut self, words: &[u64], exchange: &dyn Exchange) -> bool {
        self.simulation.restore_among(words, exchange)
    }

    /// See [`Simulation::save`].
    pub fn save(&mut self) -> Vec<u64> {
        let mut words = self.simulation.save();
        if let Some(learner) = &self.learner {
            let own = learner.words();
            words.extend(&own);
            words.push(own.len() as u64);
        }
        words
    }

    /// See [`Simulation::restore`].
    pub fn restore(&mut self, words: &[u64]) -> bool {
        let Some(learner) = &mut self.learner else {
            return self.simulation.restore(words);
        };
        let Some((&count, words)) = words.split_last() else {
            return false;
        };
        let Some(at) = words.len().checked_sub(count as usize) else {
            return false;
        };
        let (state, own) = words.split_at(at);
        learner.set(own).is_some() && self.simulation.restore(state)
    }
}

impl Learner<'_> {
    /// Step at which the next trial begins.
    fn begins(&self) -> Option<u64> {
        self.of.begins.get(self.trial).copied()
    }

    fn take(&mut self, samples: &Samples) {
        let (runs, areas) = (self.series.len(), self.plan.record.areas.len());
        let window = &self.of.windows[self.trial];
        for s in 0..samples.written {
            if !window.contains(&(self.taken + s as u64)) {
                continue;
            }
            for (run, series) in self.series.iter_mut().enumerate() {
                for (series, variable) in series.iter_mut().zip(&self.of.read) {
                    let row = ((variable * runs + run) * samples.capacity + s) * areas;
                    let read = |a: &usize| self.of.rule.as_read(samples.data[row + a]);
                    let sum = self.of.areas.iter().map(read).sum::<f64>();
                    series.push(sum / self.of.areas.len() as f64);
                }
            }
        }
        self.taken += samples.written as u64;
    }

    /// Begins the next trial where the present one has ended. A sample at that moment still belongs to the one
    /// that ended, however samples are cut into chunks.
    fn learn(&mut self, simulation: &mut Simulation<'_>) {
        let record = &self.plan.record;
        let Some(begins) = self.begins().filter(|b| *b == simulation.step()) else {
            return;
        };
        let due = match begins.checked_sub(record.first) {
            Some(since) => (since / record.every + 1).min(record.samples),
            None => 0,
        };
        if self.taken < due {
            return;
        }
        let rule = &self.of.rule;
        let chosen: Vec<Option<usize>> = self.series.iter().map(|s| rule.chosen(s)).collect();
        let variables = self.plan.circuit.info().variables.len();
        simulation.revise(&mut |run, position, x| {
            let start = &self.starts[run][position * variables..][..variables];
            rule.begin(self.trial, chosen[run], self.of.learns[position], start, x);
        });
        self.trial += 1;
        self.series.iter_mut().flatten().for_each(Vec::clear);
    }

    fn words(&self) -> Vec<u64> {
        let mut words = vec![self.trial as u64, self.taken];
        for series in self.series.iter().flatten() {
            words.push(series.len() as u64);
            words.extend(series.iter().map(|x| x.to_bits()));
        }
        words
    }

    fn set(&mut self, words: &[u64]) -> Option<()> {
        let mut words = words.iter().copied();
        self.trial = words.next()? as usize;
        self.taken = words.next()?;
        for series in self.series.iter_mut().flatten() {
            let count = words.next()? as usize;
            *series = words.by_ref().take(count).map(f64::from_bits).collect();
            (series.len() == count).then_some(())?;
        }
        words.next().is_none().then_some(())
    }
}
