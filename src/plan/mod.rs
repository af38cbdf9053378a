//! The physical plan: what will be executed, laid out for the machine and never changed while
//! running.
//!
//! [`Plan::compile`] turns a [`Network`] and a [`RunSpec`] into positions (areas in canonical
//! order), packed parameters, a matrix per projection, inputs held constant between stimulus
//! edges, addresses of noise, and a recording schedule. Which axis fills the lanes is decided here;
//! circuits cannot tell. [`Plan::explain`] prints all of it.

pub mod history;
mod learning;
mod matrix;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use crate::circuit::CircuitKind;
use crate::coupling::Delay;
use crate::ids::{AreaId, Replicate};
use crate::lanes::Isa;
use crate::network::Network;
use crate::noise::Target;
use crate::rng::Site;
use crate::spec::node::path_segment;
use crate::spec::{
    Areas, DelayGrid, ExperimentSpec, Order, RunSpec, SpecError, Stepper, is_on_grid,
};
use crate::stimulus::{Stimulus, Trial, Trials, nearest_step};
use crate::units::rounded;

pub use history::{Delayed, History};
pub use learning::LearningPlan;
pub use matrix::{Matrix, Sparse};

/// Which axis fills the lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Replicates side by side: one gather of the coupling serves all.
    Replicates,
    /// Areas side by side, one replicate at a time.
    Areas,
}

/// Numbers stepped together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes {
    /// What lies side by side.
    pub axis: Axis,
    /// How many: one of [`WIDTHS`].
    pub width: usize,
}

/// What the person asks of the execution; never changes a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Execution {
    /// Lane width, or the plan's choice.
    pub width: Option<usize>,
    /// Lane axis, or the plan's choice.
    pub axis: Option<Axis>,
}

/// Lane widths that are compiled.
#[cfg(not(test))]
pub const WIDTHS: [usize; 4] = [1, 4, 8, 16];
/// Unit tests do with two, since each is minutes of compiling; `tests/` goes through all of them.
#[cfg(test)]
pub const WIDTHS: [usize; 2] = [1, 8];

/// A time step this close to the largest stable one is refused: explicit Euler needs
/// dt < 2 tau for decay alone, and rates overshoot from dt = tau on.
const LARGEST_DT_PER_TAU: f64 = 0.5;

/// Values of a run from here on are refused, so that no count of bytes overflows: at 10^9 values a
/// second they would take two years.
const MOST_VALUES: u128 = 1 << 56;

/// One projection, compiled.
#[derive(Debug, Clone)]
pub struct PlanProjection {
    /// Name in the config.
    pub name: String,
    /// Variable sent.
    pub sent: usize,
    /// Weights over positions.
    pub matrix: Matrix,
    /// Inputs reached: (input, gain per position).
    pub received: Vec<(usize, Vec<f64>)>,
}

/// A span of steps over which stimuli and noise means are constant.
#[derive(Debug, Clone, PartialEq)]
pub struct Epoch {
    /// First step that no longer belongs to it.
    pub end: u64,
    /// Held input, `[position][input]`.
    pub input: Vec<f64>,
}

/// One noise source in one position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Channel {
    /// Index of the source; channels of one source may share a vector.
    pub source: usize,
    /// Position of the area.
    pub position: usize,
    /// What it is added to.
    pub target: Target,
    /// Variable that multiplies it.
    pub times: Option<usize>,
    /// Constant part, where it is not part of the held input of the epochs.
    pub mean: f64,
    /// Address.
    pub site: Site,
    /// Factor on the old value; 0 for white noise.
    pub decay: f64,
    /// Factor on the normal number.
    pub amplitude: f64,
    /// Standard deviation at the start; 0 for white noise.
    pub start_sd: f64,
}

/// One run of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Index of its condition.
    pub condition: usize,
    /// Its replicate: where its noise is looked up.
    pub replicate: Replicate,
}

/// What may differ between the conditions of an ensemble. Everything else of a plan is shared.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Parameters, `[position][parameter]`; none for those of the plan.
    pub parameters: Option<Vec<f64>>,
    /// Gain of every input that every projection reaches, `[projection][received][position]`; none for
    /// those of the plan.
    pub gains: Option<Vec<Vec<Vec<f64>>>>,
    /// Held inputs, in order of time; the last one never ends.
    pub epochs: Vec<Epoch>,
    /// Index in [`Plan::models`] of the network that it belongs to; none for that of the plan.
    pub model: Option<usize>,
}

/// The network of a condition that cannot share lanes with the others.
#[derive(Debug, Clone)]
pub struct Part {
    /// How it is stepped; runs have the same numbers as in the plan that it is part of, and the same times.
    pub plan: Plan,
    /// Its recorded area for each recorded area of the whole; none where it has no such area.
    pub recorded: Vec<Option<usize>>,
    /// Area of the whole for each of its areas.
    pub areas: Vec<AreaId>,
}

/// What is sampled and when.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordPlan {
    /// Recorded circuit variables.
    pub variables: Vec<usize>,
    /// Recorded areas, in the order asked for.
    pub areas: Vec<AreaId>,
    /// Step of the first sample.
    pub first: u64,
    /// Steps between samples.
    pub every: u64,
    /// Number of samples.
    pub samples: u64,
}

/// A condition that cannot run in one ensemble with the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "condition {condition} differs in its {what}: expected conditions that differ in parameters, \
     gains and stimuli alone"
)]
pub struct ConditionError {
    /// Which one.
    pub condition: usize,
    /// In what.
    pub what: &'static str,
}

/// What the runs of a condition of a task are stepped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Model {
    /// Matrices of the plan, with values of their own if it is one of [`Plan::models`].
    Shared(Option<usize>),
    /// One of [`Plan::parts`].
    Part(usize),
}

/// Everything the steppers need.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Title of the experiment.
    pub title: String,
    /// The circuit.
    pub circuit: CircuitKind,
    /// How lanes are filled.
    pub lanes: Lanes,
    /// Names of the areas, in the order of the connectome.
    pub areas: Vec<String>,
    /// Area at each position: canonical order.
    pub order: Vec<AreaId>,
    /// Position of each area.
    pub position: Vec<usize>,
    /// Parameters, `[position][parameter]`.
    pub parameters: Vec<f64>,
    /// Projections.
    pub projections: Vec<PlanProjection>,
    /// What delayed projections look back at.
    pub histories: Vec<History>,
    /// Held inputs, in order of time; the last one never ends.
    pub epochs: Vec<Epoch>,
    /// Noise, sorted by source and position.
    pub channels: Vec<Channel>,
    /// Baseline or its guess, `[position][variable]`.
    pub baseline: Vec<f64>,
    /// Whether the baseline is to be found from the guess.
    pub find_fixed_point: bool,
    /// Start values off the baseline: (position, variable, value).
    pub initial: Vec<(usize, usize, f64)>,
    /// Step, ms.
    pub dt_ms: f64,
    /// Number of steps.
    pub steps: u64,
    /// Integrator.
    pub stepper: Stepper,
    /// Order of updates within an Euler step.
    pub update_order: Order,
    /// How delays off the grid are taken.
    pub delays: DelayGrid,
    /// Lookups of noise per step.
    pub noise_per_step: u32,
    /// Seed of all noise.
    pub seed: u64,
    /// Number of runs, those of [`members`](Self::members).
    pub replicates: u32,
    /// What every run is, in order; empty where run r is replicate r of condition 0.
    pub members: Vec<Member>,
    /// Conditions beside the one that the plan itself describes, which is number 0.
    pub variants: Vec<Condition>,
    /// Networks of conditions of a task that change the model: where their runs start.
    pub models: Vec<Plan>,
    /// Networks of conditions of a task with other areas, connections or noise: plans of their own, which step
    /// their runs.
    pub parts: Vec<Part>,
    /// Part that steps each run, by its index in [`parts`](Self::parts); none for the plan itself. Empty where
    /// that is so of all runs.
    pub stepped_by: Vec<Option<usize>>,
    /// Recording schedule.
    pub record: RecordPlan,
    /// What the trials of a session leave behind for the next.
    pub learning: Option<LearningPlan>,
}

impl Plan {
    /// Lays a network out for execution.
    ///
    /// # Errors
    /// What would be wrong at the end: a step too long for the fastest time constant, a sampling
    /// interval or duration off the grid, noise with a deterministic stepper, too many steps.
    pub fn compile(
        network: &Network,
        spec: &ExperimentSpec,
        execution: Execution,
    ) -> Result<Plan, SpecError> {
        let run = &spec.run;
        let steps = nearest_step(run.duration_ms, run.dt_ms);
        if steps >= 1 << 33 {
            let message = format!("too many steps: found {steps}, expected fewer than 2^33");
            return Err(spec.config.error("simulation.duration", message));
        }
        let steps = whole_steps(spec, "simulation.duration", run.duration_ms, run.dt_ms)?;
        if steps.saturating_mul(u64::from(run.noise_per_step)) >= 1 << 33 {
            let message = format!(
                "too many lookups of noise: found {steps} steps of {}, expected fewer than 2^33",
                run.noise_per_step
            );
            return Err(spec.config.error("simulation.noise_grid", message));
        }
        check_step_length(network, spec)?;
        check_scheme(spec)?;
        check_stimuli(network, spec)?;
        check_size(network, spec, steps)?;
        let info = network.info();
        let order = network.canonical.clone();
        let mut position = vec![0; order.len()];
        for (at, area) in order.iter().enumerate() {
            position[area.index()] = at;
        }
        let by_position = |values: &ndarray::Array2<f64>| -> Vec<f64> {
            order
                .iter()
                .flat_map(|a| values.row(a.index()).to_vec())
                .collect()
        };
        let (histories, projections) = projections(network, spec, &order, &position)?;
        let initial = network
            .initial
            .iter()
            .map(|&(a, v, x)| (position[a.index()], v, x))
            .collect();
        let record = record_plan(network, spec, steps)?;
        let plan = Plan {
            title: network.title.clone(),
            circuit: network.circuit,
            lanes: choose_lanes(execution, order.len(), run.replicates, &histories),
            areas: network
                .area_names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            parameters: by_position(&network.parameters),
            projections,
            histories,
            epochs: epochs(network, &[], run, &position, info.inputs.len()),
            channels: channels(network, run, &position),
            baseline: by_position(&network.baseline),
            find_fixed_point: network.find_fixed_point,
            initial,
            dt_ms: run.dt_ms,
            steps,
            stepper: run.stepper,
            update_order: run.order,
            delays: run.delays,
            noise_per_step: run.noise_per_step,
            seed: run.seed,
            replicates: run.replicates,
            members: Vec::new(),
            variants: Vec::new(),
            models: Vec::new(),
            parts: Vec::new(),
            stepped_by: Vec::new(),
            learning: learning::plan(network, spec, &position, &record)?,
            record,
            order,
            position,
        };
        match &network.trials {
            None => Ok(plan),
            Some(trials) => plan.with_trials(network, spec, trials, execution),
        }
    }

    /// Makes a run of every trial. Trials of one network that show the same at the same times share a
    /// condition.
    fn with_trials(
        mut self,
        network: &Network,
        spec: &ExperimentSpec,
        trials: &Trials,
        execution: Execution,
    ) -> Result<Plan, SpecError> {
        // What each condition of the task is stepped with.
        let mut models = vec![Model::Shared(None); trials.conditions.len()];
        let conditions = spec.task.iter().flat_map(|task| &task.conditions);
        for ((k, own), condition) in network.conditions.iter().enumerate().zip(conditions) {
            let (Some(own), Some(model)) = (own, &condition.model) else {
                continue;
            };
            let path = format!("task.conditions.{}", path_segment(&condition.name));
            let of = |message: String| SpecError {
                message: format!("condition `{}`: {message}", condition.name),
                ..spec.config.error(&path, String::new())
            };
            // One list of recorded areas serves the intact and the lesioned network.
            let mut model = Cow::Borrowed(&**model);
            if let Areas::List(names) = &model.run.areas {
                let left = names.iter().filter(|name| !own.is_lesioned(name));
                let left: Vec<String> = left.cloned().collect();
                if left.len() < names.len() {
                    model.to_mut().run.areas = Areas::List(left);
                }
            }
            let plan = Plan::compile(own, &model, execution).map_err(|e| SpecError {
                message: format!("condition `{}`: {}", condition.name, e.message),
                ..e
            })?;
            models[k] = match self.differs_in(&plan) {
                None => {
                    self.models.push(plan);
                    Model::Shared(Some(self.models.len() - 1))
                }
                Some("areas" | "connections" | "noise") => {
                    let part = self.part(plan).map_err(of)?;
                    self.parts.push(part);
                    Model::Part(self.parts.len() - 1)
                }
                Some(what) => {
                    return Err(of(format!(
                        "found other {what} than in the rest of the task, expected the same in all conditions; \
                         for other {what} make each an experiment, or a perturbation of `predict`"
                    )));
                }
            };
        }
        let inputs = self.circuit.info().inputs.len();
        // What is shown when and in which network, by which alike trials are found.
        type Key = (Model, Vec<(usize, Vec<AreaId>, u64, u64, u64)>);
        let mut known: BTreeMap<Key, usize> = BTreeMap::new();
        let mut by_run: Vec<Vec<&Trial>> = vec![Vec::new(); self.replicates as usize];
        for trial in &trials.trials {
            by_run[trial.run as usize].push(trial);
        }
        for (run, of_run) in by_run.into_iter().enumerate() {
            let run = run as u32;
            let stimuli: Vec<Stimulus> = network.shown(&of_run);
            let shown = (stimuli.iter())
                .map(|s| {
                    let (on, off) = s.steps(self.dt_ms);
                    (s.input, s.areas.clone(), s.amplitude.to_bits(), on, off)
                })
                .collect();
            let first = of_run.first();
            let model = first.map_or(Model::Shared(None), |t| models[t.condition]);
            let condition = *known.entry((model, shown)).or_insert_with(|| {
                let own = first.map_or(network, |t| network.of_condition(t.condition));
                let position = match model {
                    Model::Part(k) => &self.parts[k].plan.position,
                    Model::Shared(_) => &self.position,
                };
                let shared = match model {
                    Model::Shared(m) => m,
                    Model::Part(_) => None,
                };
                let plan = shared.map(|m| &self.models[m]);
                let condition = Condition {
                    parameters: plan.map(|p| p.parameters.clone()),
                    gains: plan.map(Plan::gains),
                    epochs: epochs(own, &stimuli, &spec.run, position, inputs),
                    model: shared,
                };
                let variants = match model {
                    Model::Part(k) => &mut self.parts[k].plan.variants,
                    Model::Shared(_) => &mut self.variants,
                };
                variants.push(condition);
                variants.len()
            });
            let replicate = Replicate(run);
            let member = |condition| Member {
                condition,
                replicate,
            };
            let stepped_by = match model {
                Model::Part(k) => Some(k),
                Model::Shared(_) => None,
            };
            self.members.push(member(match stepped_by {
                Some(_) => 0,
                None => condition,
            }));
            for (k, part) in self.parts.iter_mut().enumerate() {
                let own = stepped_by == Some(k);
                part.plan
                    .members
                    .push(member(if own { condition } else { 0 }));
            }
            if !self.parts.is_empty() {
                self.stepped_by.push(stepped_by);
            }
        }
        Ok(self)
    }

    /// Makes a plan of its own of the network of a condition.
    fn part(&self, plan: Plan) -> Result<Part, String> {
        let areas: Option<Vec<AreaId>> = (plan.areas.iter())
            .map(|name| self.areas.iter().position(|known| known == name))
            .map(|at| at.map(AreaId::from))
            .collect();
        let Some(areas) = areas else {
            let unknown = |name: &&String| !self.areas.contains(name);
            let new = plan.areas.iter().find(unknown);
            return Err(format!(
                "found area `{}`, which the rest of the task does not have, expected no other areas",
                new.map_or("", String::as_str)
            ));
        };
        let own = |area: &AreaId| {
            plan.record
                .areas
                .iter()
                .position(|a| areas[a.index()] == *area)
        };
        let recorded = self.record.areas.iter().map(own).collect();
        let (lanes, replicates) = (self.lanes, self.replicates);
        Ok(Part {
            plan: Plan {
                lanes,
                replicates,
                ..plan
            },
            recorded,
            areas,
        })
    }

    /// Lets go of all links but those onto the areas at some positions, for a process that steps no others; see
    /// [`crate::stepper::positions`].
    #[must_use]
    pub fn keep_rows(mut self, positions: Range<usize>) -> Plan {
        for projection in &mut self.projections {
            projection.matrix.keep_rows(&positions);
        }
        self
    }

    /// Plan that steps a run: that of its part, or this one.
    #[must_use]
    pub fn of_run(&self, run: u32) -> &Plan {
        self.part_of(run).map_or(self, |part| &part.plan)
    }

    /// Part that steps a run; none if the plan does so itself.
    #[must_use]
    pub fn part_of(&self, run: u32) -> Option<&Part> {
        let at = self.stepped_by.get(run as usize).copied().flatten()?;
        self.parts.get(at)
    }

    /// In what another plan differs that all conditions of one ensemble must share.
    fn differs_in(&self, other: &Plan) -> Option<&'static str> {
        let same_links = self.projections.len() == other.projections.len()
            && self
                .projections
                .iter()
                .zip(&other.projections)
                .all(|(a, b)| {
                    let inputs = |p: &PlanProjection| -> Vec<usize> {
                        p.received.iter().map(|(input, _)| *input).collect()
                    };
                    a.sent == b.sent && a.matrix == b.matrix && inputs(a) == inputs(b)
                });
        let checks = [
            (self.circuit == other.circuit, "circuit"),
            (
                self.areas == other.areas && self.order == other.order,
                "areas",
            ),
            (
                same_links && self.histories == other.histories,
                "connections",
            ),
            (self.channels == other.channels, "noise"),
            (
                self.dt_ms == other.dt_ms && self.steps == other.steps,
                "steps",
            ),
            (
                self.stepper == other.stepper && self.update_order == other.update_order,
                "stepper",
            ),
            (self.seed == other.seed, "seed"),
            (self.learning == other.learning, "learning"),
        ];
        let differs = checks.into_iter().find(|(same, _)| !same);
        differs.map(|(_, what)| what)
    }

    /// Runs several conditions of one network together: `conditions` are networks that differ from
    /// that of the plan in parameters, gains and stimuli alone, `members` says which run is which
    /// (condition 0 is the plan's own network, condition k the k-th of `conditions` counted from 1).
    ///
    /// # Errors
    /// The first condition that differs in what all must share, and in what.
    pub fn with_conditions(
        mut self,
        conditions: &[Plan],
        members: Vec<Member>,
    ) -> Result<Plan, ConditionError> {
        for (k, other) in conditions.iter().enumerate() {
            let differs = |what| ConditionError {
                condition: k + 1,
                what,
            };
            if !self.members.is_empty() || !other.members.is_empty() {
                return Err(differs("trials: a plan with a task has its own conditions"));
            }
            if let Some(what) = self.differs_in(other) {
                return Err(differs(what));
            }
            self.variants.push(Condition {
                parameters: Some(other.parameters.clone()),
                gains: Some(other.gains()),
                epochs: other.epochs.clone(),
                model: None,
            });
        }
        if let Some(bad) = members.iter().find(|m| m.condition > self.variants.len()) {
            return Err(ConditionError {
                condition: bad.condition,
                what: "number: there is no such condition",
            });
        }
        self.replicates = members.len() as u32;
        self.members = members;
        Ok(self)
    }

    /// As many of some plans, from the first on, as can be stepped side by side, as one plan with the runs of
    /// each one after another; and how many these are.
    ///
    /// # Panics
    /// Without any plan.
    #[must_use]
    pub fn side_by_side(plans: &[Plan]) -> (Plan, usize) {
        let members = |count: usize| -> Vec<Member> {
            let of = |condition| {
                (0..plans[0].replicates).map(move |r| Member {
                    condition,
                    replicate: Replicate(r),
                })
            };
            (0..count).flat_map(of).collect()
        };
        let mut count = plans.len();
        while count > 1 {
            let joined = (plans[0].clone()).with_conditions(&plans[1..count], members(count));
            match joined {
                Ok(plan) => return (plan.with_lanes(Execution::default()), count),
                Err(e) => count = e.condition.clamp(1, count - 1),
            }
        }
        (plans[0].clone(), 1)
    }

    /// Fills the lanes anew, as a plan of so many runs would have been compiled.
    #[must_use]
    pub fn with_lanes(mut self, execution: Execution) -> Plan {
        self.lanes = choose_lanes(execution, self.n_areas(), self.replicates, &self.histories);
        self
    }

    /// What runs from `first` on are, `count` of them.
    #[must_use]
    pub fn members_of(&self, first: u32, count: u32) -> Vec<Member> {
        let runs = first..first + count;
        if self.members.is_empty() {
            let member = |r| Member {
                condition: 0,
                replicate: Replicate(r),
            };
            return runs.map(member).collect();
        }
        self.members[runs.start as usize..runs.end as usize].to_vec()
    }

    /// Gains of the plan's own network, `[projection][received][position]`.
    pub(crate) fn gains(&self) -> Vec<Vec<Vec<f64>>> {
        let of = |p: &PlanProjection| p.received.iter().map(|(_, gain)| gain.clone()).collect();
        self.projections.iter().map(of).collect()
    }

    /// Time between the entries of a history, ms.
    #[must_use]
    pub fn entry_ms(&self) -> f64 {
        self.dt_ms / f64::from(self.stepper.entries_per_step())
    }

    /// Number of areas.
    #[must_use]
    pub fn n_areas(&self) -> usize {
        self.order.len()
    }

    /// Time of a sample, ms.
    #[must_use]
    pub fn sample_ms(&self, sample: u64) -> f64 {
        (self.record.first + sample * self.record.every) as f64 * self.dt_ms
    }

    /// Bytes of the state, the inputs, the past and the scratch of one block of lanes.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        let info = self.circuit.info();
        let per_area = 4 * info.variables.len() + 2 * info.inputs.len() + info.parameters.len() + 2;
        let (cells, past) = match self.lanes.axis {
            Axis::Replicates => (self.n_areas(), self.lanes.width),
            Axis::Areas => (self.n_areas().div_ceil(self.lanes.width), 1),
        };
        let entries: usize = self.histories.iter().map(|h| h.entries).sum();
        8 * self.lanes.width * (cells * per_area + 3 * self.channels.len()) + 8 * past * entries
    }

    /// Bytes of the held inputs of all conditions, and of all blocks, in which one changes wherever one
    /// of its lanes does.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let row = |plan: &Plan| 8 * plan.n_areas() * plan.circuit.info().inputs.len();
        let plans = std::iter::once(self).chain(self.parts.iter().map(|p| &p.plan));
        let own = plans
            .map(|plan| row(plan) * plan.variants.iter().map(|c| c.epochs.len()).sum::<usize>());
        let mut out = own.sum();
        if self.members.is_empty() {
            // All runs are alike: of very many there is no need to go through every block.
            let epochs = self.epochs.len() * self.replicates as usize;
            return out + row(self) * epochs * self.lanes.width;
        }
        for (first, runs) in self.blocks() {
            let plan = self.of_run(first);
            let epochs = |m: &Member| match m.condition {
                0 => plan.epochs.len(),
                k => plan.variants[k - 1].epochs.len(),
            };
            let most: usize = plan.members_of(first, runs).iter().map(epochs).sum();
            out += row(plan) * most * plan.lanes.width;
        }
        out
    }

    /// Bytes of all connections, which blocks of lanes share.
    #[must_use]
    pub fn link_bytes(&self) -> usize {
        let own: usize = self.projections.iter().map(|p| p.matrix.bytes()).sum();
        let parts: usize = self.parts.iter().map(|p| p.plan.link_bytes()).sum();
        own + parts
    }

    /// What will run, for people.
    #[must_use]
    pub fn explain(&self) -> String {
        let info = self.circuit.info();
        let mut out = String::new();
        let mut line = |key: &str, value: String| {
            let _ = writeln!(out, "{key:<12} {value}");
        };
        line("experiment", self.title.clone());
        line(
            "circuit",
            format!(
                "{} — {} in each of {} areas",
                info.name,
                info.title,
                self.n_areas()
            ),
        );
        line("", format!("{} (doi {})", info.citation, info.doi));
        for p in &self.projections {
            let inputs: Vec<&str> = p
                .received
                .iter()
                .map(|(i, _)| info.inputs[*i].name)
                .collect();
            line(
                "projection",
                format!(
                    "{}: {} -> {}, {} links, {}",
                    p.name,
                    info.variables[p.sent].name,
                    inputs.join(" + "),
                    p.matrix.links(),
                    p.matrix.describe(&self.histories, self.entry_ms()),
                ),
            );
        }
        let scheme = match (self.stepper, self.update_order) {
            (Stepper::Euler, Order::Synchronous) => "Euler, synchronous (all new from all old)",
            (Stepper::Euler, Order::Published) => "Euler, in the published order of updates",
            (Stepper::ExponentialEuler, _) => "exponential Euler (decay taken exactly)",
            (Stepper::Heun, _) => "Heun, second order",
            (Stepper::Rk4, _) => "Runge-Kutta, fourth order",
        };
        line("stepper", scheme.to_owned());
        line(
            "time",
            format!(
                "{} steps of {} ms = {} ms",
                self.steps,
                self.dt_ms,
                rounded(self.steps as f64 * self.dt_ms)
            ),
        );
        let mut from = 0;
        for epoch in &self.epochs {
            let mut given = Vec::new();
            for (at, area) in self.order.iter().enumerate() {
                for (i, input) in info.inputs.iter().enumerate() {
                    let value = epoch.input[at * info.inputs.len() + i];
                    if value != 0.0 {
                        let name = &self.areas[area.index()];
                        given.push(format!("{name}.{} {value} {}", input.name, input.unit));
                    }
                }
            }
            let end = epoch.end.min(self.steps);
            let given = match given.len() {
                0 => "no held input".to_owned(),
                1..=4 => given.join(", "),
                n => format!("{}, … {n} held inputs", given[..3].join(", ")),
            };
            if from < end {
                line("epoch", format!("steps {from}..{end}: {given}"));
            }
            from = end;
        }
        let coloured = self.channels.iter().filter(|c| c.decay != 0.0).count();
        let white = self.channels.len() - coloured;
        line(
            "noise",
            format!(
                "{white} white and {coloured} Ornstein-Uhlenbeck channels, seed {}{}",
                self.seed,
                match self.noise_per_step {
                    1 => String::new(),
                    n => format!(", looked up {n} times a step"),
                }
            ),
        );
        for (k, part) in self.parts.iter().enumerate() {
            let runs = self.stepped_by.iter().filter(|by| **by == Some(k)).count();
            line(
                "part",
                format!(
                    "{runs} run(s) in a network of their own: {} areas, {} links",
                    part.plan.n_areas(),
                    (part.plan.projections.iter())
                        .map(|p| p.matrix.links())
                        .sum::<usize>()
                ),
            );
        }
        let axis = match self.lanes.axis {
            Axis::Replicates => "replicates",
            Axis::Areas => "areas",
        };
        line("lanes", format!("{} {axis} side by side", self.lanes.width));
        line(
            "blocks",
            format!(
                "{} of {:.1} KiB for {} replicate(s)",
                self.blocks().len(),
                self.block_bytes() as f64 / 1024.0,
                self.replicates
            ),
        );
        let names: Vec<&str> = self
            .record
            .variables
            .iter()
            .map(|&v| info.variables[v].name)
            .collect();
        line(
            "record",
            format!(
                "{} of {} areas, {} samples every {} step(s), {:.1} MB",
                names.join(", "),
                self.record.areas.len(),
                self.record.samples,
                self.record.every,
                self.record_bytes() as f64 / 1e6
            ),
        );
        out
    }

    /// Bytes of recorded values.
    #[must_use]
    pub fn record_bytes(&self) -> u64 {
        let r = &self.record;
        8 * r.samples * (r.variables.len() * r.areas.len()) as u64 * u64::from(self.replicates)
    }

    /// Replicates of each block of lanes: (first, how many). All of a block are stepped by one plan.
    #[must_use]
    pub fn blocks(&self) -> Vec<(u32, u32)> {
        let width = match self.lanes.axis {
            Axis::Replicates => self.lanes.width as u32,
            Axis::Areas => 1,
        };
        let part = |run: u32| self.stepped_by.get(run as usize).copied().flatten();
        let (mut out, mut first) = (Vec::new(), 0);
        while first < self.replicates {
            let mut end = first + width.min(self.replicates - first);
            if !self.parts.is_empty() {
                let other = (first..end).find(|&run| part(run) != part(first));
                end = other.unwrap_or(end);
            }
            out.push((first, end - first));
            first = end;
        }
        out
    }
}

/// Lanes over replicates as soon as they fill a vector; otherwise over areas.
///
/// A vector of 16 replicates halves the traffic of weights; with a history it would push the past out
/// of the second-level cache.
fn choose_lanes(
    execution: Execution,
    areas: usize,
    replicates: u32,
    histories: &[History],
) -> Lanes {
    let axis = execution.axis.unwrap_or(if replicates >= 4 {
        Axis::Replicates
    } else {
        Axis::Areas
    });
    let available = match axis {
        Axis::Replicates => replicates as usize,
        Axis::Areas => areas,
    };
    let most = match axis {
        Axis::Replicates if histories.is_empty() => 16,
        _ => 8,
    };
    let widest = WIDTHS
        .into_iter()
        .rev()
        .find(|&w| w <= available.max(1).min(most));
    // Plain x86-64 has vectors of two numbers and no fused multiply–add: lanes side by side would be the
    // most code of all, for rare machines, and no faster. With AVX2 sixteen numbers are four of its
    // sixteen vectors: code that is long to compile and spills.
    let compiled = match Isa::detect() {
        _ if cfg!(not(target_arch = "x86_64")) => 16,
        Isa::Avx512 => 16,
        Isa::Avx2 => 8,
        Isa::Base => 1,
    };
    Lanes {
        axis,
        width: execution.width.or(widest).unwrap_or(1).min(compiled),
    }
}

/// A time as a whole number of steps.
fn whole_steps(spec: &ExperimentSpec, path: &str, ms: f64, dt_ms: f64) -> Result<u64, SpecError> {
    let steps = nearest_step(ms, dt_ms);
    if steps > 0 && is_on_grid(ms, dt_ms) {
        return Ok(steps);
    }
    let message = format!(
        "off the grid: found {ms} ms with simulation.dt = {dt_ms} ms, expected a whole number of \
         steps above 0 (such as {} ms)",
        steps.max(1) as f64 * dt_ms
    );
    Err(spec.config.error(path, message))
}

/// Refuses stimuli whose edges lie between two steps: rounding would lengthen, shorten or even
/// remove them without a word.
fn check_stimuli(network: &Network, spec: &ExperimentSpec) -> Result<(), SpecError> {
    let dt = spec.run.dt_ms;
    for s in &network.stimuli {
        for (key, ms) in [("onset", s.onset_ms), ("offset", s.offset_ms)] {
            if !is_on_grid(ms, dt) {
                let message = format!(
                    "stimulus `{}` falls between two steps: found {key} {ms} ms with simulation.dt \
                     = {dt} ms, expected a whole number of steps (such as {} ms)",
                    s.name,
                    nearest_step(ms, dt) as f64 * dt
                );
                let path = format!("stimuli.{}.{key}", path_segment(&s.name));
                return Err(spec.config.error(&path, message));
            }
        }
    }
    Ok(())
}

/// Refuses a run whose number of values cannot be counted, let alone computed.
fn check_size(network: &Network, spec: &ExperimentSpec, steps: u64) -> Result<(), SpecError> {
    let per_step = network.n_areas() as u128 * network.info().variables.len() as u128;
    let values = u128::from(steps) * per_step * u128::from(spec.run.replicates);
    if values < MOST_VALUES {
        return Ok(());
    }
    let message = format!(
        "run too large: found {} replicates of {steps} steps of {} areas, {values} values in all, \
         expected fewer than 2^56",
        spec.run.replicates,
        network.n_areas()
    );
    Err(spec.config.error(spec.counted_at(), message))
}

/// Refuses a step that the fastest time constant of the circuit cannot bear.
fn check_step_length(network: &Network, spec: &ExperimentSpec) -> Result<(), SpecError> {
    let info = network.info();
    let constants = info.parameters[..info.time_constants].iter().enumerate();
    let fastest = constants
        .flat_map(|(k, p)| {
            let column = network.parameters.column(k).to_vec();
            column
                .into_iter()
                .enumerate()
                .map(move |(area, tau)| (tau, area, p.name))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((tau, area, name)) = fastest else {
        return Ok(());
    };
    // The map of an artificial network is no approximation: with dt = tau nothing of the past is left.
    let (share, part) = match spec.run.discrete {
        true => (1.0, "which is"),
        false => (LARGEST_DT_PER_TAU, "half of"),
    };
    let (dt, limit) = (spec.run.dt_ms, share * tau);
    if dt <= limit {
        return Ok(());
    }
    let message = format!(
        "time step too long: found {dt} ms, expected at most {limit} ms, {part} {name} = {tau} ms \
         in area {}",
        network.connectome.areas[area].name
    );
    Err(spec.config.error("simulation.dt", message))
}

/// Refuses combinations of stepper and order that are not defined.
fn check_scheme(spec: &ExperimentSpec) -> Result<(), SpecError> {
    if spec.run.order == Order::Published && spec.run.stepper != Stepper::Euler {
        let message = format!(
            "published order of updates: found stepper `{}`, expected `euler`, for which the order \
             is defined",
            spec.run.stepper.name()
        );
        return Err(spec.config.error("simulation.order", message));
    }
    if spec.run.discrete && spec.run.stepper != Stepper::Euler {
        let message = format!(
            "discrete steps: found stepper `{}`, expected `euler`, whose step is the map",
            spec.run.stepper.name()
        );
        return Err(spec.config.error("simulation.discrete", message));
    }
    Ok(())
}

/// Projections over positions, and what the delayed ones of them look back at.
fn projections(
    network: &Network,
    spec: &ExperimentSpec,
    order: &[AreaId],
    position: &[usize],
) -> Result<(Vec<History>, Vec<PlanProjection>), SpecError> {
    let run = &spec.run;
    let per_step = run.stepper.entries_per_step();
    let delay = |ms: f64| match run.delays {
        DelayGrid::Rounded => Delay::rounded(ms, run.dt_ms, per_step),
        DelayGrid::Interpolated => Delay::interpolated(ms, run.dt_ms, per_step),
    };
    // Delays that all come to nothing are no delays.
    let delays = |p: &'_ crate::coupling::Projection| -> bool {
        let all = p.delays_ms.as_deref().unwrap_or(&[]);
        all.iter().any(|&ms| {
            delay(ms)
                != Delay {
                    entries: 0,
                    fraction: 0.0,
                }
        })
    };
    let wanted: Vec<history::Wanted<'_>> = network
        .projections
        .iter()
        .filter(|p| delays(p))
        .filter_map(|p| {
            Some(history::Wanted {
                sent: p.sent,
                matrix: &p.weights,
                delays_ms: p.delays_ms.as_deref()?,
            })
        })
        .collect();
    let (histories, links) =
        history::compile(&wanted, order, position, delay).map_err(|entries| {
            let message = format!(
                "delays too long: found {entries} values of the past in all areas together, \
                 expected fewer than 2^32; a longer simulation.dt needs fewer"
            );
            spec.config.error("simulation.dt", message)
        })?;
    let mut links = links.into_iter();
    let projections = network.projections.iter().map(|p| PlanProjection {
        name: p.name.clone(),
        sent: p.sent,
        matrix: match delays(p).then(|| links.next()).flatten() {
            Some(delayed) => Matrix::Delayed(Arc::new(delayed)),
            None => Matrix::new(&p.weights, order, position),
        },
        received: p
            .received
            .iter()
            .map(|r| (r.input, order.iter().map(|a| r.gain[a.index()]).collect()))
            .collect(),
    });
    let projections = projections.collect();
    Ok((histories, projections))
}

fn record_plan(
    network: &Network,
    spec: &ExperimentSpec,
    steps: u64,
) -> Result<RecordPlan, SpecError> {
    let run = &spec.run;
    let info = network.info();
    let every = whole_steps(spec, "record.every", run.every_ms, run.dt_ms)?;
    if every > steps {
        let message = format!(
            "sampling interval longer than the run: found {} ms, expected at most {} ms",
            run.every_ms, run.duration_ms
        );
        return Err(spec.config.error("record.every", message));
    }
    let first = nearest_step(run.start_ms.max(0.0), run.dt_ms);
    if run.start_ms < 0.0 || first > steps || !is_on_grid(run.start_ms, run.dt_ms) {
        let message = format!(
            "recording starts outside the run or between two steps: found {} ms, expected 0 to {} ms in \
             whole steps",
            run.start_ms, run.duration_ms
        );
        return Err(spec.config.error("record.start", message));
    }
    let mut variables = Vec::new();
    for (i, name) in run.variables.iter().enumerate() {
        let path = format!("record.variables[{i}]");
        let Some(v) = info.variable(name) else {
            let known: Vec<&str> = info.variables.iter().map(|v| v.name).collect();
            let hint = crate::spec::suggest::did_you_mean(name, known.iter().copied());
            let known = known.join(", ");
            let message =
                format!("unknown variable: found `{name}`, expected one of {known}{hint}");
            return Err(spec.config.error(&path, message));
        };
        if variables.contains(&v) {
            let message = format!("variable twice: found `{name}` again, expected it once");
            return Err(spec.config.error(&path, message));
        }
        variables.push(v);
    }
    if variables.is_empty() {
        let message = "nothing recorded: found no variables, expected at least one".to_owned();
        return Err(spec.config.error("record.variables", message));
    }
    let areas = network.areas_of(spec, "record.areas", &run.areas)?;
    Ok(RecordPlan {
        variables,
        areas,
        first,
        every,
        samples: (steps - first) / every + 1,
    })
}

/// Held inputs under the stimuli of the network and `more` of one trial.
fn epochs(
    network: &Network,
    more: &[Stimulus],
    run: &RunSpec,
    position: &[usize],
    inputs: usize,
) -> Vec<Epoch> {
    let stimuli = || network.stimuli.iter().chain(more);
    let mut edges: Vec<u64> = stimuli()
        .flat_map(|s| <[u64; 2]>::from(s.steps(run.dt_ms)))
        .collect();
    edges.push(u64::MAX);
    edges.sort_unstable();
    edges.dedup();
    let mut start = 0;
    let mut out = Vec::new();
    for end in edges {
        if end == start {
            continue;
        }
        let mut input = vec![0.0; position.len() * inputs];
        for s in stimuli() {
            let (on, off) = s.steps(run.dt_ms);
            if (on..off).contains(&start) {
                for area in &s.areas {
                    input[position[area.index()] * inputs + s.input] += s.amplitude;
                }
            }
        }
        for source in &network.noise {
            // What is multiplied or goes to a derivative is added by its channel.
            if let (Target::Input(i), None) = (source.target, source.times) {
                for (area, _) in &source.areas {
                    input[position[area.index()] * inputs + i] += source.mean;
                }
            }
        }
        out.push(Epoch { end, input });
        start = end;
    }
    out
}

fn channels(network: &Network, run: &RunSpec, position: &[usize]) -> Vec<Channel> {
    let mut out = Vec::new();
    for (source, noise) in network.noise.iter().enumerate() {
        let update = noise.update(run.dt_ms, run.noise_per_step);
        let held = matches!((noise.target, noise.times), (Target::Input(_), None));
        let coloured = update.decay != 0.0;
        for &(area, site) in &noise.areas {
            out.push(Channel {
                source,
                position: position[area.index()],
                target: noise.target,
                times: noise.times,
                mean: if held { 0.0 } else { noise.mean },
                site,
                decay: update.decay,
                amplitude: update.amplitude,
                start_sd: if coloured { noise.sd } else { 0.0 },
            });
        }
    }
    out.sort_by_key(|c| (c.source, c.position));
    out
}
