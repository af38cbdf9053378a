//! The step: held input, coupling, local circuits, update. Allocates nothing and cannot fail.
//!
//! Order within a step k → k+1, because it matters:
//! 1. noise of step k,
//! 2. sample k, with algebraic variables brought up to date,
//! 3. the stages of the stepper; each sums what areas send before any area changes, so that all new
//!    values come from all old values,
//! 4. coloured noise moves on to step k+1.

use rayon::prelude::*;

use crate::circuit::{Fields, LocalCircuit, ParameterFields};
use crate::ids::Replicate;
use crate::lanes::Lanes;
use crate::noise::{Target, start_site};
use crate::plan::history::{LONGEST_BLOCK, WINDOW};
use crate::plan::{Delayed, History, Member, Plan};
use crate::rng::{Keys, normal};
use crate::spec::{Order, Stepper};

use super::constants::{Constants, Numbers, Weights, over_lanes};
use super::isa::{for_isa, one_turn_at_a_time};
use super::sums::{MOST_ABREAST, Partial, sum_delayed, sum_now};
use super::{NoisyLanes, Samples, Stop};

/// Every so many steps states are searched for what left its bounds, and what is negligible becomes
/// zero. Counted from the start of the run, so that nothing else decides when it happens.
pub const WATCH_STEPS: u64 = 64;
/// Where a variable has no bound of its own, it is out of hand beyond this magnitude: no rate,
/// current or gate of a brain comes near.
const OUT_OF_HAND: f64 = 1e9;
/// Blocks of areas that are stepped in parallel have at least so many areas.
const AREAS_PER_PART: usize = 1024;
/// Most parts of one network.
const MOST_PARTS: usize = 64;
/// Numbers of partial sums that stay in the first-level cache beside one source's past (32 KiB).
const PARTIAL_SUMS: usize = 4096;

/// State of a block of lanes and its scratch.
pub(crate) struct State<L: NoisyLanes> {
    /// The next step.
    pub step: u64,
    next_sample: u64,
    epoch: usize,
    /// Whether the noise already belongs to `step`.
    prepared: bool,
    members: Vec<Member>,
    replicate_of_lane: L::Words,
    keys: Keys,
    /// What is sent now, `[sent variable][cell]`.
    sent: Vec<Vec<L>>,
    /// The same at the start of the step, where a stage may overwrite it.
    sent_before: Vec<Vec<L>>,
    /// In the order of [`Plan::histories`].
    pasts: Vec<Past>,
    parts: Vec<Part<L>>,
    /// Part, cell within it and lane of each recorded area.
    recorded: Vec<(usize, usize, usize)>,
    /// Where each run left its bounds.
    pub stops: Vec<Option<Stop>>,
}

/// What a variable has sent, see [`crate::plan::history`].
struct Past {
    /// Index in [`Constants::sent`].
    sent: usize,
    data: Vec<f64>,
    /// Entry of the present step.
    cursor: usize,
    /// Entries whose sums are formed at once; 0 where a link is too short to look ahead.
    block: usize,
    /// Entries of the present block that have passed.
    passed: usize,
}

/// A block of cells: all of a small network, some of a large one.
struct Part<L: NoisyLanes> {
    first: usize,
    /// `[cell][variable]`.
    x: Vec<L>,
    noise: NoiseState<L>,
    work: Work<L>,
    /// Per delayed projection.
    delayed: Vec<DelayedSums<L>>,
}

/// Delayed sums of the cells of a part.
struct DelayedSums<L> {
    projection: usize,
    past: usize,
    targets: usize,
    cells: usize,
    even: Vec<f64>,
    odd: Vec<f64>,
    /// `[entry of the block][cell]`, the first of them the last of the block before.
    sums: Vec<L>,
}

/// Noise of the cells of a part, one entry a row.
struct NoiseState<L: NoisyLanes> {
    rows: std::ops::Range<usize>,
    sites: Vec<L::Words>,
    /// Values of the present step.
    value: Vec<L>,
    /// Normal numbers of an even lookup and of the one after it.
    even: Vec<L>,
    odd: Vec<L>,
    /// Sum of the numbers of the present step.
    sum: Vec<L>,
    /// Value of coloured noise.
    memory: Vec<L>,
}

/// Scratch of a stage and what it leaves.
pub(super) struct Work<L> {
    /// `[projection][cell]`.
    pub sums: Vec<L>,
    input: Vec<L>,
    pub k: [Vec<L>; 4],
    trial: Vec<L>,
    /// What a stage makes its cells send, `[sent variable][cell]`.
    next: Vec<L>,
    /// The same for the middle of a step.
    middle: Vec<L>,
}

impl<L: Lanes> Work<L> {
    /// Scratch for `cells` cells; the steppers need a trial state and up to four slopes.
    pub fn new(c: &Constants<L>, plan: &Plan, cells: usize, slopes: usize) -> Self {
        let info = plan.circuit.info();
        let zero = L::splat(0.0);
        let states = |wanted: bool| vec![zero; usize::from(wanted) * cells * info.variables.len()];
        Work {
            sums: vec![zero; c.projections.len() * cells],
            input: vec![zero; info.inputs.len()],
            k: std::array::from_fn(|i| states(i < slopes)),
            trial: states(true),
            next: vec![zero; c.sent.len() * cells],
            middle: vec![zero; c.sent.len() * cells],
        }
    }
}

/// What a stage does with the derivative that it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `x' = x + dt f(x)`.
    Euler,
    /// `x' = x + (1 - e^{-leak dt}) / leak f(x)`.
    ExponentialEuler,
    /// Euler for the variables of one stage of the circuit's published order.
    Published(usize),
    /// `k1 = f(x)`, trial = x + dt k1.
    HeunPredict,
    /// `x' = x + dt/2 (k1 + f(trial))`.
    HeunCorrect,
    /// Classical Runge–Kutta, stage 1 to 4: `x' = x + dt/6 ((k1 + k4) + 2 (k2 + k3))`.
    Rk(usize),
    /// Leaves the derivative in `k[0]`.
    Slope,
    /// Brings the algebraic variables up to date.
    Algebraic,
}

/// What all cells of a stage see alike.
#[derive(Clone, Copy)]
pub(super) struct At<'a, L> {
    pub stage: Stage,
    pub dt_ms: f64,
    pub held: &'a Numbers<L>,
}

for_isa! {
    /// One stage of the cells of a part.
    run_stage<C: LocalCircuit, L: Lanes; const SHARED: bool>(
        c: &Constants<L>,
        at: At<'_, L>,
        first: usize,
        x: &mut [L],
        noise: (usize, &[L]),
        work: &mut Work<L>,
    ) = stage
}

/// One stage of the cells from `first` on, whose variables are `x`. `noise` holds the number of the
/// first row of noise of the part, and the values of its rows; `work.sums` what arrives from other
/// areas.
#[inline(always)]
pub(super) fn stage<C: LocalCircuit, L: Lanes, const SHARED: bool>(
    c: &Constants<L>,
    at: At<'_, L>,
    first: usize,
    x: &mut [L],
    (first_row, noise): (usize, &[L]),
    work: &mut Work<L>,
) {
    let (variables, states) = (C::INFO.variables.len(), C::INFO.states);
    let (inputs, parameters) = (C::INFO.inputs.len(), C::INFO.parameters.len());
    let cells = x.len() / variables;
    let dt = L::splat(at.dt_ms);
    let Work {
        sums,
        input,
        k,
        trial,
        next,
        middle,
    } = work;
    let input = &mut input[..inputs];
    for local in 0..cells {
        one_turn_at_a_time();
        let cell = first + local;
        let own = local * variables..(local + 1) * variables;
        let seen = match at.stage {
            Stage::HeunCorrect | Stage::Rk(2..) => &trial[own.clone()],
            _ => &x[own.clone()],
        };

        // Held input and noise, then what arrives over projections.
        for (i, value) in input.iter_mut().enumerate() {
            *value = at.held.get::<SHARED>(cell * inputs + i);
        }
        let rows = c.noise_bounds[cell] as usize..c.noise_bounds[cell + 1] as usize;
        for row in rows.clone() {
            let (r, value) = (&c.noise[row], noise[row - first_row]);
            if let Target::Input(i) = r.target {
                input[i] = match r.times {
                    None => input[i] + value,
                    Some(v) => value.mul_add(seen[v], input[i]),
                };
            }
        }
        for (p, projection) in c.projections.iter().enumerate() {
            let sum = sums[p * cells + local];
            for (i, gain) in &projection.received {
                input[*i] = gain.at(cell).mul_add(sum, input[*i]);
            }
        }

        // The circuit.
        let p = C::Parameters::from_rates(|k| c.parameters.get::<SHARED>(cell * parameters + k));
        let i = C::Inputs::read(input);
        let mut v = C::Variables::read(seen);
        if !matches!(at.stage, Stage::Published(_)) {
            C::algebraic(&p, &mut v, &i);
        }
        let dx = match at.stage {
            Stage::Rk(n) => &mut k[n - 1][own.clone()],
            Stage::HeunCorrect => &mut k[1][own.clone()],
            _ => &mut k[0][own.clone()],
        };
        if at.stage == Stage::Algebraic {
            v.write(dx);
            x[own][states..].copy_from_slice(&dx[states..]);
            continue;
        }
        C::drift(&p, &v, &i).write(dx);
        for row in rows {
            let (r, value) = (&c.noise[row], noise[row - first_row]);
            if let Target::State(s) = r.target {
                dx[s] = match r.times {
                    None => dx[s] + value,
                    Some(v) => value.mul_add(seen[v], dx[s]),
                };
            }
        }

        // The update.
        let x = &mut x[own.clone()];
        match at.stage {
            Stage::Euler => {
                for s in 0..states {
                    x[s] = dt.mul_add(dx[s], x[s]);
                }
            }
            Stage::ExponentialEuler => {
                for s in 0..states {
                    x[s] = c.decay_steps[cell * states + s].mul_add(dx[s], x[s]);
                }
            }
            Stage::Published(n) => {
                // Algebraic variables from the values that the stage began with.
                C::algebraic(&p, &mut v, &i);
                let trial = &mut trial[own.clone()];
                v.write(trial);
                for (s, variable) in C::INFO.variables.iter().enumerate() {
                    if C::INFO.published_order[n].contains(&variable.name) {
                        x[s] = if s < states {
                            dt.mul_add(dx[s], x[s])
                        } else {
                            trial[s]
                        };
                    }
                }
            }
            Stage::HeunPredict | Stage::Rk(1..=3) => {
                let h = match at.stage {
                    Stage::Rk(1 | 2) => L::splat(at.dt_ms * 0.5),
                    _ => dt,
                };
                let trial = &mut trial[own.clone()];
                trial.copy_from_slice(x);
                for s in 0..states {
                    trial[s] = h.mul_add(dx[s], x[s]);
                }
            }
            Stage::HeunCorrect => {
                let h = L::splat(at.dt_ms * 0.5);
                let [k1, k2, ..] = &*k;
                for s in 0..states {
                    let slope = k1[own.start + s] + k2[own.start + s];
                    x[s] = h.mul_add(slope, x[s]);
                }
            }
            Stage::Rk(_) => {
                let (h, two) = (L::splat(at.dt_ms / 6.0), L::splat(2.0));
                let [k1, k2, k3, k4] = k.each_ref().map(|k| &k[own.clone()]);
                // The middle of the step, by the continuous extension of order 3 (Zennaro 1986):
                // what looks back between two steps keeps the fourth order of the method.
                for (n, &v) in c.sent.iter().enumerate() {
                    let slope = k1[v] * L::splat(5.0 / 24.0) + (k2[v] + k3[v]) * L::splat(1.0 / 6.0)
                        - k4[v] * L::splat(1.0 / 24.0);
                    middle[n * cells + local] = dt.mul_add(slope, x[v]);
                }
                for s in 0..states {
                    let slope = (k1[s] + k4[s]) + (k2[s] + k3[s]) * two;
                    x[s] = h.mul_add(slope, x[s]);
                }
            }
            Stage::Slope | Stage::Algebraic => {}
        }
        let left = match at.stage {
            Stage::HeunPredict | Stage::Rk(1..=3) => &trial[own.clone()],
            _ => &*x,
        };
        for (n, &v) in c.sent.iter().enumerate() {
            next[n * cells + local] = left[v];
        }
    }
}

for_isa! {
    /// Normal numbers of a step pair for all rows: `even` for the even step, `odd` for the other.
    look_up<L: NoisyLanes>(
        keys: &Keys,
        pair: u32,
        sites: &[L::Words],
        replicates: &L::Words,
        even: &mut [L],
        odd: &mut [L],
    ) = normals
}

/// Uniform numbers of all rows first, then normal ones: each loop is short enough that a processor
/// works on several turns at once.
#[inline(always)]
fn normals<L: NoisyLanes>(
    keys: &Keys,
    pair: u32,
    sites: &[L::Words],
    replicates: &L::Words,
    even: &mut [L],
    odd: &mut [L],
) {
    for ((site, even), odd) in sites.iter().zip(&mut *even).zip(&mut *odd) {
        one_turn_at_a_time();
        (*even, *odd) = L::uniforms(keys, pair, site, replicates);
    }
    for (even, odd) in even.iter_mut().zip(odd) {
        one_turn_at_a_time();
        (*even, *odd) = L::normals(*even, *odd);
    }
}

impl<L: NoisyLanes> NoiseState<L> {
    fn new(
        c: &Constants<L>,
        plan: &Plan,
        rows: std::ops::Range<usize>,
        replicate_of_lane: &[Replicate],
    ) -> Self {
        let zero = L::splat(0.0);
        let of = |rows: std::ops::Range<usize>| c.noise[rows].iter();
        let memory = of(rows.clone()).map(|row| {
            let mut value = zero;
            for (lane, &replicate) in replicate_of_lane.iter().enumerate() {
                let n = normal(plan.seed, 0, start_site(row.sites[lane]), replicate);
                value.set_lane(lane, row.start_sd.lane(lane) * n);
            }
            value
        });
        NoiseState {
            sites: of(rows.clone()).map(|r| L::words(|lane| r.sites[lane].0)).collect(),
            value: vec![zero; rows.len()],
            even: vec![zero; rows.len()],
            odd: vec![zero; rows.len()],
            sum: vec![zero; rows.len()],
            memory: memory.collect(),
            rows,
        }
    }

    /// Values of a step, in which `per_step` numbers are looked up. Coloured noise holds what it is
    /// at the start of the step and moves on to its end.
    fn prepare(
        &mut self,
        c: &Constants<L>,
        keys: &Keys,
        step: u64,
        per_step: u32,
        replicates: &L::Words,
    ) {
        let rows = &c.noise[self.rows.clone()];
        for n in 0..per_step {
            let lookup = step * u64::from(per_step) + u64::from(n);
            let even = lookup.is_multiple_of(2);
            if even {
                // The plan refuses runs whose pairs do not fit 32 bits.
                let pair = (lookup / 2) as u32;
                let (even, odd) = (&mut self.even, &mut self.odd);
                look_up::<L>(c.isa, keys, pair, &self.sites, replicates, even, odd);
            }
            let numbers = if even { &self.even } else { &self.odd };
            for (k, (row, &number)) in rows.iter().zip(numbers).enumerate() {
                if row.decay == 0.0 {
                    let sum = if n == 0 { number } else { self.sum[k] + number };
                    self.sum[k] = sum;
                    self.value[k] = row.amplitude * sum + row.mean;
                } else {
                    if n == 0 {
                        self.value[k] = self.memory[k] + row.mean;
                    }
                    let kick = row.amplitude * number;
                    self.memory[k] = L::splat(row.decay).mul_add(self.memory[k], kick);
                }
            }
        }
    }

    /// Coloured noise that has decayed to nothing becomes zero.
    fn flush(&mut self) {
        for value in &mut self.memory {
            *value = value.flush();
        }
    }
}

impl Past {
    /// Moves the past back to the start of its stretches.
    fn slide(&mut self, history: &History, lanes: usize) {
        for (&start, &depth) in history.start.iter().zip(&history.depth) {
            let from = (start as usize + self.cursor) * lanes;
            let count = (depth as usize + 1) * lanes;
            self.data.copy_within(from..from + count, start as usize * lanes);
        }
        self.cursor = 0;
    }

    /// Writes what the cells from `first` on send as the entry `ahead` of the present one.
    fn write<L: Lanes>(
        &mut self,
        c: &Constants<L>,
        history: &History,
        ahead: usize,
        first: usize,
        sent: &[L],
    ) {
        let at = self.cursor + ahead;
        let place = |position: usize| {
            (history.start[position] + history.depth[position]) as usize + at
        };
        if c.over_areas {
            let areas = first * L::WIDTH..((first + sent.len()) * L::WIDTH).min(c.areas);
            for position in areas {
                let value = sent[position / L::WIDTH - first].lane(position % L::WIDTH);
                self.data[place(position)] = value;
            }
        } else {
            for (position, value) in (first..).zip(sent) {
                value.store(&mut self.data[place(position) * L::WIDTH..]);
            }
        }
    }
}

impl<L: Lanes> DelayedSums<L> {
    /// Forms the sums of `entries` consecutive entries, the first of them `ahead` of the present one,
    /// and leaves them from slot `to` on.
    fn form(
        &mut self,
        c: &Constants<L>,
        links: &Delayed,
        past: &Past,
        first: usize,
        (ahead, entries, to): (usize, usize, usize),
    ) {
        let lanes = if c.over_areas { 1 } else { L::WIDTH };
        let abreast = entries * lanes;
        let first_target = if c.over_areas { first * L::WIDTH } else { first };
        let targets = self.targets;
        let mut partial = Partial {
            even: &mut self.even[..targets * abreast],
            odd: &mut self.odd[..targets * abreast],
        };
        let place = (past.cursor + ahead, lanes, abreast);
        sum_delayed(c.isa, links, &past.data, place, first_target, &mut partial);
        for entry in 0..entries {
            let slot = &mut self.sums[(to + entry) * self.cells..][..self.cells];
            if c.over_areas {
                for target in 0..targets {
                    let at = target * abreast + entry;
                    let sum = self.even[at] + self.odd[at];
                    slot[target / L::WIDTH].set_lane(target % L::WIDTH, sum);
                }
            } else {
                for (target, slot) in slot.iter_mut().enumerate() {
                    let at = target * abreast + entry * lanes;
                    *slot = L::load(&self.even[at..]) + L::load(&self.odd[at..]);
                }
            }
        }
    }
}

impl<L: NoisyLanes> State<L> {
    /// A block of `members` that start from `starts`, for each condition `[position][variable]`.
    pub fn new(plan: &Plan, c: &Constants<L>, members: &[Member], starts: &[&[f64]]) -> Self {
        let info = plan.circuit.info();
        let (variables, zero) = (info.variables.len(), L::splat(0.0));
        let lane_member = |lane: usize| members[lane.min(members.len() - 1)];
        let x: Vec<L> = if c.over_areas {
            over_lanes(starts[members[0].condition], variables, c.areas)
        } else {
            let at = |at: usize| {
                let mut value = zero;
                for lane in 0..L::WIDTH {
                    value.set_lane(lane, starts[lane_member(lane).condition][at]);
                }
                value
            };
            (0..c.areas * variables).map(at).collect()
        };
        // With lanes over areas all lanes belong to one run.
        let replicates: Vec<Replicate> = (0..L::WIDTH)
            .map(|lane| lane_member(if c.over_areas { 0 } else { lane }).replicate)
            .collect();
        let sent: Vec<Vec<L>> = c
            .sent
            .iter()
            .map(|v| x.iter().skip(*v).step_by(variables).copied().collect())
            .collect();
        let pasts: Vec<Past> = (0..plan.histories.len())
            .map(|history| Past::new(plan, c, history, &sent))
            .collect();
        let slopes = match plan.stepper {
            Stepper::Euler | Stepper::ExponentialEuler => 1,
            Stepper::Heun => 2,
            Stepper::Rk4 => 4,
        };
        let parts = cells_of_parts(c).into_iter().map(|cells| {
            let rows = c.noise_bounds[cells.start] as usize..c.noise_bounds[cells.end] as usize;
            let delayed = c.projections.iter().enumerate();
            Part {
                first: cells.start,
                x: x[cells.start * variables..cells.end * variables].to_vec(),
                noise: NoiseState::new(c, plan, rows, &replicates),
                work: Work::new(c, plan, cells.len(), slopes),
                delayed: delayed
                    .filter_map(|(projection, p)| match &p.weights {
                        Weights::Delayed(links) => {
                            let block = pasts[links.history].block;
                            Some(DelayedSums::new(c, projection, links.history, block, &cells))
                        }
                        _ => None,
                    })
                    .collect(),
            }
        });
        let parts: Vec<Part<L>> = parts.collect();
        let recorded = plan.record.areas.iter().map(|area| {
            let (cell, lane) = c.place(plan.position[area.index()]);
            let part = parts.partition_point(|p| p.first <= cell) - 1;
            (part, cell - parts[part].first, lane)
        });
        State {
            step: 0,
            next_sample: 0,
            epoch: 0,
            prepared: false,
            recorded: recorded.collect(),
            sent_before: sent.clone(),
            parts,
            members: members.to_vec(),
            replicate_of_lane: L::words(|lane| u64::from(replicates[lane].0)),
            keys: Keys::new(plan.seed),
            sent,
            pasts,
            stops: vec![None; members.len()],
        }
    }
}

/// Cells of each part: one for a small network, more for a large one whose lanes hold areas.
fn cells_of_parts<L: Lanes>(c: &Constants<L>) -> Vec<std::ops::Range<usize>> {
    let parts = match c.areas / AREAS_PER_PART {
        many if c.over_areas && many > 1 => many.next_power_of_two().min(MOST_PARTS),
        _ => 1,
    };
    let size = c.cells.div_ceil(parts);
    (0..c.cells)
        .step_by(size)
        .map(|first| first..(first + size).min(c.cells))
        .collect()
}

impl Past {
    fn new<L: Lanes>(plan: &Plan, c: &Constants<L>, history: usize, sent: &[Vec<L>]) -> Self {
        let of = &plan.histories[history];
        let lanes = if c.over_areas { 1 } else { L::WIDTH };
        let index = c.sent.partition_point(|v| *v < of.variable);
        let shortest = c.projections.iter().filter_map(|p| match &p.weights {
            Weights::Delayed(d) if d.history == history => Some((d.shortest as usize, d.by_source)),
            _ => None,
        });
        let (shortest, by_source) = shortest
            .reduce(|a, b| (a.0.min(b.0), a.1))
            .unwrap_or((0, true));
        let per_step = plan.stepper.entries_per_step() as usize;
        // As many entries at once as the shortest link allows and the cache holds.
        let mut block = LONGEST_BLOCK;
        while block > 0
            && (block > shortest
                || block * lanes > MOST_ABREAST
                || (by_source && block > per_step && block * lanes * c.areas > PARTIAL_SUMS))
        {
            block /= 2;
        }
        let mut past = Past {
            sent: index,
            data: vec![0.0; of.entries * lanes],
            cursor: 0,
            block: if block < per_step { 0 } else { block },
            passed: 0,
        };
        // Before the start every variable has always been what it is at the start.
        for back in 0..=of.depth.iter().copied().max().unwrap_or(0) as usize {
            for position in 0..c.areas {
                let (start, depth) = (of.start[position] as usize, of.depth[position] as usize);
                if back > depth {
                    continue;
                }
                let place = (start + depth - back) * lanes;
                if c.over_areas {
                    past.data[place] = sent[index][position / L::WIDTH].lane(position % L::WIDTH);
                } else {
                    sent[index][position].store(&mut past.data[place..]);
                }
            }
        }
        past
    }
}

impl<L: Lanes> DelayedSums<L> {
    fn new(
        c: &Constants<L>,
        projection: usize,
        past: usize,
        block: usize,
        cells: &std::ops::Range<usize>,
    ) -> Self {
        let lanes = if c.over_areas { 1 } else { L::WIDTH };
        let targets = if c.over_areas {
            (cells.end * L::WIDTH).min(c.areas) - cells.start * L::WIDTH
        } else {
            cells.len()
        };
        let room = targets * block.max(1) * lanes;
        DelayedSums {
            projection,
            past,
            targets,
            cells: cells.len(),
            even: vec![0.0; room],
            odd: vec![0.0; room],
            sums: vec![L::splat(0.0); (block + 1) * cells.len()],
        }
    }
}

/// Runs until the samples are full, the step `until` is reached, or the last step is done.
pub(super) fn advance<C: LocalCircuit, L: NoisyLanes, const SHARED: bool>(
    plan: &Plan,
    c: &Constants<L>,
    state: &mut State<L>,
    samples: &mut Samples,
    until: u64,
) {
    let mut run = Run::<C, L, SHARED> {
        plan,
        c,
        state,
        circuit: std::marker::PhantomData,
    };
    run.advance(samples, until);
}

/// A block on its way.
struct Run<'a, C, L: NoisyLanes, const SHARED: bool> {
    plan: &'a Plan,
    c: &'a Constants<L>,
    state: &'a mut State<L>,
    circuit: std::marker::PhantomData<C>,
}

impl<C: LocalCircuit, L: NoisyLanes, const SHARED: bool> Run<'_, C, L, SHARED> {
    fn advance(&mut self, samples: &mut Samples, until: u64) {
        let plan = self.plan;
        let published = plan.update_order == Order::Published;
        let algebraic = C::INFO.variables.len() > C::INFO.states;
        if self.state.step == 0 && !self.state.prepared {
            self.begin_delays();
            if published && algebraic {
                // The authors' code starts from rates at rest, before any stimulus or noise.
                let zero = Numbers::<L>::zero::<SHARED>(self.c.cells * C::INFO.inputs.len());
                self.all_cells(Stage::Algebraic, 0, &zero);
            }
        }
        loop {
            if !self.state.prepared {
                self.prepare();
            }
            let due = plan.record.first + self.state.next_sample * plan.record.every;
            if self.state.step == due && self.state.next_sample < plan.record.samples {
                if samples.written == samples.capacity {
                    return;
                }
                if algebraic && !published {
                    self.stage(Stage::Algebraic, 0);
                }
                self.watch();
                self.sample(samples);
            }
            if self.state.step >= plan.steps.min(until) {
                return;
            }
            if self.state.stops.iter().any(Option::is_none) {
                self.step();
            }
            self.state.step += 1;
            self.state.prepared = false;
            if self.state.step.is_multiple_of(WATCH_STEPS) {
                self.watch();
            }
        }
    }

    /// Noise and delayed sums of the step that comes.
    fn prepare(&mut self) {
        let state = &mut *self.state;
        while state.step >= self.plan.epochs[state.epoch].end {
            state.epoch += 1;
        }
        let (keys, per_step, replicates) =
            (&state.keys, self.plan.noise_per_step, &state.replicate_of_lane);
        if !self.c.noise.is_empty() {
            let (c, step) = (self.c, state.step);
            in_parts(&mut state.parts, |part| {
                part.noise.prepare(c, keys, step, per_step, replicates);
            });
        }
        self.look_ahead();
        self.state.prepared = true;
    }

    fn step(&mut self) {
        match (self.plan.stepper, self.plan.update_order) {
            (Stepper::Euler, Order::Synchronous) => self.stage(Stage::Euler, 0),
            (Stepper::Euler, Order::Published) => {
                let State {
                    sent, sent_before, ..
                } = &mut *self.state;
                for (before, sent) in sent_before.iter_mut().zip(sent) {
                    before.copy_from_slice(sent);
                }
                for n in 0..C::INFO.published_order.len() {
                    self.stage(Stage::Published(n), 0);
                }
                let State {
                    sent_before, pasts, ..
                } = &mut *self.state;
                for (past, history) in pasts.iter_mut().zip(&self.plan.histories) {
                    past.write(self.c, history, 0, 0, &sent_before[past.sent]);
                }
            }
            (Stepper::ExponentialEuler, _) => self.stage(Stage::ExponentialEuler, 0),
            (Stepper::Heun, _) => {
                self.stage(Stage::HeunPredict, 0);
                self.stage(Stage::HeunCorrect, 1);
            }
            (Stepper::Rk4, _) => {
                self.stage(Stage::Rk(1), 0);
                self.stage(Stage::Rk(2), 1);
                self.stage(Stage::Rk(3), 1);
                self.stage(Stage::Rk(4), 2);
            }
        }
        if (self.state.step + 1).is_multiple_of(WATCH_STEPS) {
            self.flush();
        }
        self.remember();
    }

    /// What is negligible becomes zero.
    fn flush(&mut self) {
        let variables = C::INFO.variables.len();
        let State { parts, sent, .. } = &mut *self.state;
        for part in parts {
            part.noise.flush();
            for (local, cell) in part.x.chunks_exact_mut(variables).enumerate() {
                for x in &mut cell[..C::INFO.states] {
                    *x = x.flush();
                }
                for (sent, &v) in sent.iter_mut().zip(&self.c.sent) {
                    sent[part.first + local] = cell[v];
                }
            }
        }
    }

    /// Finds what left its bounds, and stops those runs.
    fn watch(&mut self) {
        let (c, plan) = (self.c, self.plan);
        let variables = C::INFO.variables.len();
        let state = &mut *self.state;
        for part in &state.parts {
            for (local, cell) in part.x.chunks_exact(variables).enumerate() {
                for (v, x) in cell[..C::INFO.states].iter().enumerate() {
                    let (low, high) = bounds(&C::INFO.variables[v]);
                    // Written so that NaN is outside.
                    let inside = |x: f64| x >= low && x <= high;
                    if (0..L::WIDTH).fold(true, |all, lane| all & inside(x.lane(lane))) {
                        continue;
                    }
                    for lane in (0..L::WIDTH).filter(|lane| !inside(x.lane(*lane))) {
                        let (position, run) = match c.over_areas {
                            true => ((part.first + local) * L::WIDTH + lane, 0),
                            false => (part.first + local, lane),
                        };
                        if position >= c.areas || run >= state.stops.len() {
                            continue;
                        }
                        let found = Stop {
                            step: state.step,
                            variable: v,
                            area: plan.order[position].index(),
                            value: x.lane(lane),
                        };
                        let stop = &mut state.stops[run];
                        let first = |s: &Stop| (s.step, plan.position[s.area], s.variable);
                        if stop.as_ref().is_none_or(|old| first(&found) < first(old)) {
                            *stop = Some(found);
                        }
                    }
                }
            }
        }
    }

    /// Copies the recorded variables out of the lanes; NaN for runs that were stopped.
    fn sample(&mut self, out: &mut Samples) {
        let state = &mut *self.state;
        let (record, variables) = (&self.plan.record, C::INFO.variables.len());
        let (runs, areas) = (state.members.len(), record.areas.len());
        for (v, &variable) in record.variables.iter().enumerate() {
            for run in 0..runs {
                let row = (v * runs + run) * out.capacity + out.written;
                let row = &mut out.data[row * areas..][..areas];
                if state.stops[run].is_some() {
                    row.fill(f64::NAN);
                    continue;
                }
                for (value, &(part, cell, lane)) in row.iter_mut().zip(&state.recorded) {
                    let lane = if self.c.over_areas { lane } else { run };
                    *value = state.parts[part].x[cell * variables + variable].lane(lane);
                }
            }
        }
        out.written += 1;
        state.next_sample += 1;
    }

    /// One stage of all cells, at the entry `entry` of the step; leaves what they send then in
    /// `state.sent`.
    fn stage(&mut self, stage: Stage, entry: usize) {
        let plan = self.plan;
        for (past, history) in self.state.pasts.iter_mut().zip(&plan.histories) {
            // Links too short to look ahead see what the cells send in this very stage.
            if past.block == 0 {
                past.write(self.c, history, entry, 0, &self.state.sent[past.sent]);
            }
        }
        let held = &self.c.held[self.state.epoch];
        self.all_cells(stage, entry, held);
    }

    fn all_cells(&mut self, stage: Stage, entry: usize, held: &Numbers<L>) {
        let (c, plan) = (self.c, self.plan);
        let State {
            parts, sent, pasts, ..
        } = &mut *self.state;
        let at = At {
            stage,
            dt_ms: plan.dt_ms,
            held,
        };
        in_parts(parts, |part| {
            let cells = part.x.len() / C::INFO.variables.len();
            for delayed in &mut part.delayed {
                let past = &pasts[delayed.past];
                let Weights::Delayed(links) = &c.projections[delayed.projection].weights else {
                    continue;
                };
                let slot = if past.block == 0 {
                    delayed.form(c, links, past, part.first, (entry, 1, 0));
                    0
                } else {
                    past.passed + entry
                };
                let sums = &delayed.sums[slot * cells..][..cells];
                part.work.sums[delayed.projection * cells..][..cells].copy_from_slice(sums);
            }
            for (p, projection) in c.projections.iter().enumerate() {
                if !matches!(projection.weights, Weights::Delayed(_)) {
                    let sums = &mut part.work.sums[p * cells..][..cells];
                    let sent = &sent[projection.sent];
                    sum_now::<L>(
                        c.isa,
                        &projection.weights,
                        c.over_areas,
                        c.areas,
                        sent,
                        part.first,
                        sums,
                    );
                }
            }
            let noise = (part.noise.rows.start, &part.noise.value[..]);
            run_stage::<C, L, SHARED>(
                c.isa,
                c,
                at,
                part.first,
                &mut part.x,
                noise,
                &mut part.work,
            );
        });
        if stage == Stage::Algebraic {
            return;
        }
        for part in parts {
            let cells = part.x.len() / C::INFO.variables.len();
            for (n, sent) in sent.iter_mut().enumerate() {
                sent[part.first..part.first + cells]
                    .copy_from_slice(&part.work.next[n * cells..][..cells]);
            }
        }
    }

    /// What the past holds before the first step: the sums of the first entry.
    fn begin_delays(&mut self) {
        let c = self.c;
        let State { parts, pasts, .. } = &mut *self.state;
        in_parts(parts, |part| {
            for delayed in &mut part.delayed {
                let Weights::Delayed(links) = &c.projections[delayed.projection].weights else {
                    continue;
                };
                let last = pasts[delayed.past].block;
                delayed.form(c, links, &pasts[delayed.past], part.first, (0, 1, last));
            }
        });
        for past in pasts {
            past.passed = past.block;
        }
    }

    /// Where a block of delayed sums has passed, forms those of the next one.
    fn look_ahead(&mut self) {
        let (c, plan) = (self.c, self.plan);
        let per_step = plan.stepper.entries_per_step() as usize;
        let lanes = if c.over_areas { 1 } else { L::WIDTH };
        let State { parts, pasts, .. } = &mut *self.state;
        for (k, past) in pasts.iter_mut().enumerate() {
            let ahead = past.block.max(per_step);
            if past.cursor + ahead > WINDOW && (past.block == 0 || past.passed == past.block) {
                past.slide(&plan.histories[k], lanes);
            }
            if past.block == 0 || past.passed < past.block {
                continue;
            }
            let block = past.block;
            let past_now = &*past;
            in_parts(parts, |part| {
                for delayed in part.delayed.iter_mut().filter(|d| d.past == k) {
                    let Weights::Delayed(links) = &c.projections[delayed.projection].weights else {
                        continue;
                    };
                    let cells = delayed.cells;
                    delayed.sums.copy_within(block * cells.., 0);
                    delayed.form(c, links, past_now, part.first, (1, block, 1));
                }
            });
            past.passed = 0;
        }
    }

    /// Moves the past on by a step.
    fn remember(&mut self) {
        let (c, plan) = (self.c, self.plan);
        let per_step = plan.stepper.entries_per_step() as usize;
        let State {
            parts, sent, pasts, ..
        } = &mut *self.state;
        for (past, history) in pasts.iter_mut().zip(&plan.histories) {
            for part in parts.iter().filter(|_| per_step == 2) {
                let cells = part.x.len() / C::INFO.variables.len();
                let middle = &part.work.middle[past.sent * cells..][..cells];
                past.write(c, history, 1, part.first, middle);
            }
            past.write(c, history, per_step, 0, &sent[past.sent]);
            past.cursor += per_step;
            past.passed += per_step;
        }
    }
}

/// Bounds beyond which a variable is out of hand: its own, wider by the width of their span, since
/// noise may carry it over them; where it has none, a magnitude that no variable reaches.
#[must_use]
pub fn bounds(v: &crate::circuit::Variable) -> (f64, f64) {
    let span = v.max - v.min;
    if span.is_finite() {
        (v.min - span, v.max + span)
    } else {
        (-OUT_OF_HAND, OUT_OF_HAND)
    }
}

/// Does something for all parts: in turn where there is one, else in parallel.
fn in_parts<L: NoisyLanes>(parts: &mut [Part<L>], work: impl Fn(&mut Part<L>) + Send + Sync) {
    match parts {
        [one] => work(one),
        many => many.par_iter_mut().for_each(work),
    }
}
