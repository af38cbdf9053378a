//! The step: held input, coupling, local circuits, update. Allocates nothing and cannot fail.
//!
//! Order within a step k → k+1, because it matters:
//! 1. noise of step k,
//! 2. sample k, with algebraic variables brought up to date,
//! 3. the stages of the stepper; each sums what areas send before any area changes, so that all new
//!    values come from all old values,
//! 4. coloured noise moves on to step k+1.

#![allow(
    clippy::needless_range_loop,
    reason = "lanes, states and partial sums are counted by constants that several arrays share"
)]

use rayon::prelude::*;

use crate::circuit::{CircuitInfo, Fields, LocalCircuit, Numbered, ParameterFields};
use crate::ids::Replicate;
use crate::lanes::{Aligned, Isa, Lanes};
use crate::noise::{Target, start_site};
use crate::plan::history::{LONGEST_BLOCK, WINDOW};
use crate::plan::{Delayed, History, Member, Plan, Sparse};
use crate::rng::{Keys, normal};
use crate::spec::{Order, Stepper};

use super::constants::{Constants, Group, NoiseRow, Numbers, Weights, over_lanes};
use super::isa::{for_isa, one_turn_at_a_time, prefetch_to_write};
use super::ranks::{Among, Exchange, Share, Split};
use super::snapshot::{self, Carry};
use super::sums::{MOST_ABREAST, Partial, sum_delayed, sum_groups, sum_now};
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
    sent: Vec<L>,
    /// The same at the start of the step, where a stage may overwrite it.
    sent_before: Vec<L>,
    /// In the order of [`Plan::histories`].
    pasts: Vec<Past>,
    /// Those that this process steps.
    parts: Vec<Part<L>>,
    /// Who steps which cells; none where this process steps all.
    split: Option<Split>,
    /// Recorded areas in their order.
    recorded: Vec<Recorded>,
    /// Where each run left its bounds.
    pub stops: Vec<Option<Stop>>,
}

impl<L: NoisyLanes> State<L> {
    /// Shows everything that later steps depend on. What is not shown is set by the plan, or scratch.
    pub fn carry(&mut self, by: &mut dyn Carry) {
        self.carry_common(by);
        self.carry_parts(by);
        self.carry_stops(by);
    }

    /// What is the same in all processes that step a network, once they have [`complete`](Self::complete)d it.
    pub fn carry_common(&mut self, by: &mut dyn Carry) {
        by.word(&mut self.step);
        by.word(&mut self.next_sample);
        snapshot::count(by, &mut self.epoch);
        let mut prepared = usize::from(self.prepared);
        snapshot::count(by, &mut prepared);
        self.prepared = prepared != 0;
        snapshot::lanes(by, &mut self.sent);
        for past in &mut self.pasts {
            snapshot::floats(by, &mut past.data);
            snapshot::count(by, &mut past.cursor);
            snapshot::count(by, &mut past.passed);
        }
    }

    /// What belongs to the parts that this process steps.
    pub fn carry_parts(&mut self, by: &mut dyn Carry) {
        for part in &mut self.parts {
            snapshot::lanes(by, &mut part.x);
            let noise = &mut part.noise;
            for numbers in [
                &mut noise.value,
                &mut noise.inputs,
                &mut noise.slopes,
                &mut noise.even,
                &mut noise.odd,
                &mut noise.sum,
                &mut noise.memory,
            ] {
                snapshot::lanes(by, numbers);
            }
            snapshot::option(by, &mut noise.from, |by, from| by.word(from));
            snapshot::count(by, &mut noise.at);
            for delayed in &mut part.delayed {
                snapshot::lanes(by, &mut delayed.sums);
            }
        }
    }

    /// Where runs left their bounds, which all processes know.
    pub fn carry_stops(&mut self, by: &mut dyn Carry) {
        for stop in &mut self.stops {
            snapshot::option(by, stop, |by, stop| {
                by.word(&mut stop.step);
                snapshot::count(by, &mut stop.variable);
                snapshot::count(by, &mut stop.area);
                by.float(&mut stop.value);
            });
        }
    }

    /// Gives every process what the others have sent since they told each other last.
    pub fn complete(&mut self, plan: &Plan, exchange: &dyn Exchange) {
        let Some(split) = &mut self.split else {
            return;
        };
        split.share_sent(exchange, &mut self.sent);
        for (past, history) in self.pasts.iter_mut().zip(&plan.histories) {
            if past.block > 0 {
                past.share(history, split, exchange, 0, past.passed);
            }
        }
    }

    /// Who steps which cells; none where this process steps all.
    pub fn split(&mut self) -> Option<&mut Split> {
        self.split.as_mut()
    }
}

impl<L: NoisyLanes> State<L> {
    /// Shows the variables of every area in every run, by run and position, and takes them back.
    pub fn revise(&mut self, c: &Constants<L>, variables: usize, by: &mut super::Revise<'_>) {
        let mut x = vec![0.0; variables];
        for position in 0..c.areas {
            let (cell, place) = c.place(position);
            let part = self.parts.partition_point(|p| p.first <= cell) - 1;
            let part = &mut self.parts[part];
            let at = (cell - part.first) * variables;
            let values = &mut part.x[at..at + variables];
            for run in 0..self.members.len() {
                let lane = if c.over_areas { place } else { run };
                let both = x.iter_mut().zip(values.iter());
                both.for_each(|(x, value)| *x = value.lane(lane));
                by(run, position, &mut x);
                let both = x.iter().zip(values.iter_mut());
                both.for_each(|(x, value)| value.set_lane(lane, *x));
            }
            for (k, v) in c.sent.iter().enumerate() {
                self.sent[k * c.cells + cell] = values[*v];
            }
        }
    }
}

/// Where a run starts, if there is one start for all conditions or one for each.
fn start_of<'a>(starts: &[&'a [f64]], member: Member) -> &'a [f64] {
    match starts {
        [one] => one,
        all => all[member.condition],
    }
}

/// How many numbers the lanes of a variable take in memory.
const fn numbers_of<L: Lanes>() -> usize {
    size_of::<L>() / size_of::<f64>()
}

impl Recorded {
    /// Copies the numbers that stand `shift` after the first of each area.
    #[inline(always)]
    fn copy<L: Lanes>(&self, x: &[L], shift: usize, row: &mut [f64]) {
        let count = size_of_val(x) / size_of::<f64>();
        assert!(self.last as usize + shift < count && row.len() == self.areas);
        let (lines, rest) = row.split_at_mut(self.lines.len() * NUMBERS_OF_A_LINE);
        let (lines, _) = lines.as_chunks_mut::<NUMBERS_OF_A_LINE>();
        let from = x.as_ptr().cast::<f64>();
        for (line, &at) in lines.iter_mut().zip(&self.lines) {
            // SAFETY: within the lanes, which lie in memory as their numbers; no place is after `last`.
            *line = unsafe { *from.add(at as usize + shift).cast() };
        }
        for (row, &at) in rest.iter_mut().zip(&self.at) {
            // SAFETY: as above.
            *row = unsafe { *from.add(at as usize + shift) };
        }
    }
}

/// Samples ahead of the present one whose memory is asked for: other caches had it last.
const SAMPLES_AHEAD: usize = 8;
/// Numbers of a line of a cache.
const NUMBERS_OF_A_LINE: usize = 8;

/// What a variable has sent, see [`crate::plan::history`].
struct Past {
    /// Index in [`Constants::sent`].
    sent: usize,
    data: Aligned,
    /// Entry of the present step.
    cursor: usize,
    /// Entries whose sums are formed at once; 0 where a link is too short to look ahead.
    block: usize,
    /// Entries of the present block that have passed.
    passed: usize,
}

/// Recorded areas that follow each other and lie in the same part.
struct Recorded {
    /// One that is not there where another process steps them.
    part: usize,
    /// How many.
    areas: usize,
    /// Where the first variable of an area stands among the numbers of the part, in the first of its lanes: of the
    /// first of every [`NUMBERS_OF_A_LINE`] areas that lie side by side, as long as they do; then of each area.
    lines: Vec<u32>,
    at: Vec<u32>,
    /// The largest of these places.
    last: u32,
}

impl Recorded {
    /// Areas of a part at these places.
    fn new(part: usize, places: &[u32]) -> Self {
        let (whole, _) = places.as_chunks::<NUMBERS_OF_A_LINE>();
        let side_by_side = |line: &&[u32; NUMBERS_OF_A_LINE]| {
            (line[0]..).zip(*line).all(|(expected, &at)| at == expected)
        };
        let lines: Vec<u32> = (whole.iter().take_while(side_by_side))
            .map(|line| line[0])
            .collect();
        Recorded {
            part,
            areas: places.len(),
            at: places[lines.len() * NUMBERS_OF_A_LINE..].to_vec(),
            lines,
            last: places.iter().copied().max().unwrap_or(0),
        }
    }
}

/// A block of cells: all of a small network, some of a large one.
struct Part<L: NoisyLanes> {
    first: usize,
    /// `[cell][variable]`.
    x: Vec<L>,
    noise: NoiseState<L>,
    work: Work<L>,
    /// What the cells send after a stage, `[sent variable][cell]`, where there are several parts.
    next: Vec<L>,
    /// Per delayed projection.
    delayed: Vec<DelayedSums<L>>,
}

/// Delayed sums of the cells of a part.
struct DelayedSums<L> {
    projection: usize,
    past: usize,
    targets: usize,
    cells: usize,
    even: Aligned,
    odd: Aligned,
    /// `[entry of the block][cell]`, the first of them the last of the block before.
    sums: Vec<L>,
}

/// Where a row of noise goes.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    in_inputs: bool,
    at: usize,
    first: bool,
}

/// Noise of the cells of a part, one entry a row.
struct NoiseState<L: NoisyLanes> {
    rows: std::ops::Range<usize>,
    sites: Vec<L::Words>,
    /// Values of the present step, one entry a row.
    value: Vec<L>,
    /// Their sums, `[step][cell][input]` and `[step][cell][state]`; empty where nothing goes there.
    /// Plain noise stands there for some steps from an even one on, other noise for one step.
    inputs: Vec<L>,
    slopes: Vec<L>,
    /// How many of a step.
    input_count: usize,
    slope_count: usize,
    /// How many steps stand there, from which step on, and which of them is the present one.
    ahead: usize,
    from: Option<u64>,
    at: usize,
    /// Where each row goes in the one or the other, and whether it is the first there.
    slots: Vec<Slot>,
    /// Normal numbers of an even lookup and of the one after it.
    even: Vec<L>,
    odd: Vec<L>,
    /// Where all lanes have the same noise, as where conditions of one replicate lie side by side: the same numbers of
    /// neighbouring rows in the lanes of a lookup, whose `sites` are those of the rows.
    of_rows: Option<[Vec<L>; 2]>,
    /// Sum of the numbers of the present step.
    sum: Vec<L>,
    /// Value of coloured noise.
    memory: Vec<L>,
}

/// Scratch of a stage and what it leaves.
pub(super) struct Work<L> {
    /// What arrives over projections, `[projection][cell]`.
    pub sums: Vec<L>,
    /// What reaches the circuits, `[cell][input]`.
    pub inputs: Vec<L>,
    /// Slopes, `[cell][variable]`.
    pub k: [Vec<L>; 4],
    trial: Vec<L>,
    /// What cells would send in the middle of a step, `[sent variable][cell]`.
    middle: Vec<L>,
}

impl<L: Lanes> Work<L> {
    /// Scratch for `cells` cells; the steppers need a trial state and up to four slopes.
    pub fn new(c: &Constants<L>, plan: &Plan, cells: usize, slopes: usize) -> Self {
        let zero = L::splat(0.0);
        let states =
            |wanted| vec![zero; usize::from(wanted) * cells * plan.circuit.info().variables.len()];
        Work {
            sums: vec![zero; c.projections.len() * cells],
            inputs: vec![zero; cells * plan.circuit.info().inputs.len()],
            k: std::array::from_fn(|i| states(i < slopes)),
            trial: states(slopes > 0),
            middle: vec![zero; if slopes == 4 { c.sent.len() * cells } else { 0 }],
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
pub(super) struct At {
    pub stage: Stage,
    pub dt_ms: f64,
}

/// What reaches the inputs of the cells of a part from outside.
#[derive(Clone, Copy)]
pub(super) struct Given<'a, L> {
    pub held: &'a Numbers<L>,
    /// `[cell][input]`; empty where there is none.
    pub noise: &'a [L],
}

for_isa! {
    /// Inputs of the cells of a part.
    arrive<L: Lanes; const SHARED: bool>(
        c: &Constants<L>,
        given: Given<'_, L>,
        first: usize,
        sums: &[L],
        inputs: &mut [L],
    ) = arrived over L at L
}

/// Inputs of the cells from `first` on, `[cell][input]`: held input and noise, then what `sums` say
/// arrives over projections.
#[inline(always)]
pub(super) fn arrived<L: Lanes, const SHARED: bool>(
    c: &Constants<L>,
    given: Given<'_, L>,
    first: usize,
    sums: &[L],
    inputs: &mut [L],
) {
    let count = c.arrivals.len();
    let cells = inputs.len() / count.max(1);
    let held = given.held.view::<SHARED>();
    for (local, inputs) in inputs.chunks_exact_mut(count.max(1)).enumerate() {
        let cell = first + local;
        let (held, noise) = (held.group(cell, count), of_cell(given.noise, local, count));
        for (i, (input, arrivals)) in inputs.iter_mut().zip(&c.arrivals).enumerate() {
            one_turn_at_a_time::<L>();
            let mut value = held.number(i);
            if !noise.is_empty() {
                value = value + noise[i];
            }
            for (p, gain) in arrivals {
                value = gain[cell].mul_add(sums[p * cells + local], value);
            }
            *input = value;
        }
    }
}

for_isa! {
    /// One stage of the cells of a part.
    run_stage<C: LocalCircuit, L: Lanes; const SHARED: bool>(
        c: &Constants<L>,
        at: At,
        slope_noise: &[L],
        first: usize,
        x: &mut [L],
        work: &mut Work<L>,
        next: &mut [L],
    ) = stage over L at C
}

/// One stage of the cells from `first` on, whose variables are `x`. `work.inputs` holds their inputs,
/// `slope_noise` the noise in their derivatives, `[cell][state]` or empty; what the cells send
/// afterwards is left in `next`, `[sent variable][cell]`.
#[inline(always)]
pub(super) fn stage<C: LocalCircuit, L: Lanes, const SHARED: bool>(
    c: &Constants<L>,
    at: At,
    slope_noise: &[L],
    first: usize,
    x: &mut [L],
    work: &mut Work<L>,
    next: &mut [L],
) {
    all_cells::<C, L, SHARED>(c, at, slope_noise, first, x, work);
    let left = match at.stage {
        Stage::HeunPredict | Stage::Rk(1..=3) => &work.trial,
        Stage::Slope | Stage::Algebraic => return,
        _ => &*x,
    };
    send(c, left, C::INFO.variables.len(), next);
}

/// What cells with the variables `x` send, `[sent variable][cell]`.
#[inline(always)]
fn send<L: Lanes>(c: &Constants<L>, x: &[L], variables: usize, next: &mut [L]) {
    let by_variable = next.chunks_exact_mut(x.len() / variables);
    for (&v, next) in c.sent.iter().zip(by_variable) {
        for (next, x) in next.iter_mut().zip(x.chunks_exact(variables)) {
            *next = x[v];
        }
    }
}

/// Most stages of a published order: as many as [`Part::run`] lists.
const MOST_STAGES: usize = 4;

for_isa! {
    /// One stage of the circuit's published order.
    run_published<C: LocalCircuit, L: Lanes; const SHARED: bool, const N: usize>(
        c: &Constants<L>,
        dt_ms: f64,
        slope_noise: &[L],
        first: usize,
        x: &mut [L],
        inputs: &[L],
        next: &mut [L],
    ) = published over L at C
}

/// Euler for the variables of stage `N` of the circuit's published order, with the arguments of
/// [`stage`]. A function for each stage: what an equation does for other variables is left out.
#[inline(always)]
fn published<C: LocalCircuit, L: Lanes, const SHARED: bool, const N: usize>(
    c: &Constants<L>,
    dt_ms: f64,
    slope_noise: &[L],
    first: usize,
    x: &mut [L],
    inputs: &[L],
    next: &mut [L],
) {
    let (variables, states) = (C::INFO.variables.len(), C::INFO.states);
    let (count, parameters) = (C::INFO.inputs.len(), C::INFO.parameters.len());
    let (dt, values) = (L::splat(dt_ms), c.parameters.view::<SHARED>());
    for (local, x) in x.chunks_exact_mut(variables).enumerate() {
        one_turn_at_a_time::<L>();
        let i = C::Inputs::read(&inputs[local * count..][..count]);
        let p = C::Parameters::from_rates(&values.group(first + local, parameters));
        let mut v = C::Variables::read(x);
        let drift = C::drift(&p, &v, &i);
        // Algebraic variables from the values that the stage began with.
        C::algebraic(&p, &mut v, &i);
        let noise = of_cell(slope_noise, local, states);
        for s in 0..variables {
            if const { C::INFO.updated_in(N) } >> s & 1 == 0 {
                continue;
            }
            x[s] = if s >= states {
                v.get(s)
            } else if noise.is_empty() {
                dt.mul_add(drift.get(s), x[s])
            } else {
                dt.mul_add(drift.get(s) + noise[s], x[s])
            };
        }
    }
    send(c, x, variables, next);
}

/// The cells of a stage.
#[inline(always)]
fn all_cells<C: LocalCircuit, L: Lanes, const SHARED: bool>(
    c: &Constants<L>,
    at: At,
    slope_noise: &[L],
    first: usize,
    x: &mut [L],
    work: &mut Work<L>,
) {
    let (variables, states) = (C::INFO.variables.len(), C::INFO.states);
    let (inputs, parameters) = (C::INFO.inputs.len(), C::INFO.parameters.len());
    let cells = x.len() / variables;
    let dt = L::splat(at.dt_ms);
    // Slices of their own: what stands behind a pointer would be read again in every turn.
    let (arrived, k) = (&work.inputs[..], work.k.each_mut().map(|k| &mut k[..]));
    let (trial, middle) = (&mut work.trial[..], &mut work.middle[..]);
    let (values, decay_steps) = (c.parameters.view::<SHARED>(), &c.decay_steps[..]);
    for (local, x) in x.chunks_exact_mut(variables).enumerate() {
        one_turn_at_a_time::<L>();
        let cell = first + local;
        let own = local * variables;
        let seen = match at.stage {
            Stage::HeunCorrect | Stage::Rk(2..) => &trial[own..][..variables],
            _ => &*x,
        };

        // The circuit.
        let i = C::Inputs::read(&arrived[local * inputs..][..inputs]);
        let p = C::Parameters::from_rates(&values.group(cell, parameters));
        let mut v = C::Variables::read(seen);
        C::algebraic(&p, &mut v, &i);
        if at.stage == Stage::Algebraic {
            for a in states..variables {
                x[a] = v.get(a);
            }
            continue;
        }
        let drift = C::drift(&p, &v, &i);
        let noise = of_cell(slope_noise, local, states);
        // A macro and not a closure: see `Numbered`.
        macro_rules! dx {
            ($s:expr) => {
                if noise.is_empty() {
                    drift.get($s)
                } else {
                    drift.get($s) + noise[$s]
                }
            };
        }

        // The update.
        match at.stage {
            Stage::Euler => {
                for s in 0..states {
                    x[s] = dt.mul_add(dx!(s), x[s]);
                }
            }
            Stage::ExponentialEuler => {
                let steps = &decay_steps[cell * states..][..states];
                for s in 0..states {
                    x[s] = steps[s].mul_add(dx!(s), x[s]);
                }
            }
            Stage::HeunPredict => {
                let (k1, trial) = (&mut k[0][own..][..states], &mut trial[own..][..variables]);
                for s in 0..states {
                    k1[s] = dx!(s);
                    trial[s] = dt.mul_add(k1[s], x[s]);
                }
                trial[states..].copy_from_slice(&x[states..]);
            }
            Stage::HeunCorrect => {
                let (h, k1) = (L::splat(at.dt_ms * 0.5), &k[0][own..][..states]);
                for s in 0..states {
                    x[s] = h.mul_add(k1[s] + dx!(s), x[s]);
                }
            }
            Stage::Rk(n @ 1..=3) => {
                let h = if n < 3 { L::splat(at.dt_ms * 0.5) } else { dt };
                let (k, trial) = (
                    &mut k[n - 1][own..][..states],
                    &mut trial[own..][..variables],
                );
                for s in 0..states {
                    k[s] = dx!(s);
                    trial[s] = h.mul_add(k[s], x[s]);
                }
                trial[states..].copy_from_slice(&x[states..]);
            }
            Stage::Rk(_) => {
                let (h, two) = (L::splat(at.dt_ms / 6.0), L::splat(2.0));
                let [k1, k2, k3, _] = k.each_ref().map(|k| &k[own..][..states]);
                for s in 0..states {
                    let k4 = dx!(s);
                    // The middle of the step, by the continuous extension of order 3 (Zennaro
                    // 1986): what looks back between two steps keeps the fourth order of the method.
                    let slope = k1[s] * L::splat(5.0 / 24.0)
                        + (k2[s] + k3[s]) * L::splat(1.0 / 6.0)
                        - k4 * L::splat(1.0 / 24.0);
                    if let Ok(n) = c.sent.binary_search(&s) {
                        middle[n * cells + local] = dt.mul_add(slope, x[s]);
                    }
                    let slope = (k1[s] + k4) + (k2[s] + k3[s]) * two;
                    x[s] = h.mul_add(slope, x[s]);
                }
            }
            Stage::Slope => {
                let k1 = &mut k[0][own..][..states];
                for s in 0..states {
                    k1[s] = dx!(s);
                }
            }
            Stage::Algebraic | Stage::Published(_) => {}
        }
    }
}

/// The numbers of a cell; nothing of nothing.
#[inline(always)]
fn of_cell<L>(all: &[L], cell: usize, count: usize) -> &[L] {
    match all {
        [] => all,
        all => &all[cell * count..][..count],
    }
}

for_isa! {
    /// Euler steps without anything between them.
    run_burst<C: LocalCircuit, L: Lanes; const SHARED: bool, const NOISE: u8>(
        c: &Constants<L>,
        turns: Turns<'_, L>,
        x: &mut [L],
        sums: &mut [L],
        sent: &mut [L],
        record: &mut Recording<'_>,
    ) = burst over L at C
}

/// Where noise enters in a burst.
const NOWHERE: u8 = 0;
const IN_SLOPES: u8 = 1;
const IN_INPUTS: u8 = 2;

/// Steps of a burst.
#[derive(Clone, Copy)]
pub(super) struct Turns<'a, L> {
    dt_ms: f64,
    count: usize,
    held: &'a Numbers<L>,
    /// Noise in inputs, `[step][cell][input]`; empty where there is none.
    input_noise: &'a [L],
    /// Noise in derivatives, `[step][cell][state]`; empty where there is none.
    slope_noise: &'a [L],
}

/// What is sampled in a burst, in a network of one part.
pub(super) struct Recording<'a> {
    /// Steps of the burst until the next sample is due, and from one to the next.
    next: usize,
    every: usize,
    /// Samples that were taken.
    taken: usize,
    /// Steps that were made: fewer than were asked for where a state left its bounds at a sample.
    steps: usize,
    bounds: &'a [(f64, f64)],
    variables: &'a [usize],
    areas: &'a Recorded,
    runs: usize,
    /// Room of a run and variable, and the part of it that is written.
    stride: usize,
    written: usize,
    /// As in [`Samples`].
    data: &'a mut [f64],
}

impl Recording<'_> {
    /// Samples states.
    #[inline(never)]
    fn sample<L: Lanes>(&mut self, x: &[L]) {
        let areas = self.areas.areas;
        let rows = self.data.chunks_exact_mut(self.stride);
        let mut lanes = self.variables.iter().flat_map(|v| {
            let first = v * numbers_of::<L>();
            first..first + self.runs
        });
        for row in rows {
            let Some(shift) = lanes.next() else { break };
            let place = &mut row[self.written..];
            for line in (0..areas).step_by(NUMBERS_OF_A_LINE) {
                let ahead = place.as_ptr().wrapping_add(SAMPLES_AHEAD * areas + line);
                prefetch_to_write(ahead);
            }
            self.areas.copy(x, shift, &mut place[..areas]);
        }
        self.written += areas;
        self.taken += 1;
        self.next += self.every;
    }
}

/// The inputs of a cell in a burst.
struct Bursting<'a, L, const SHARED: bool, const NOISE: u8> {
    held: Group<'a, L, SHARED>,
    /// By input.
    gains: &'a [L],
    noise: &'a [L],
    /// A bit for each input: whether the projection and whether noise reaches it.
    reached: u32,
    noisy: u32,
    /// What the projection brings.
    sum: L,
}

impl<L: Lanes, const SHARED: bool, const NOISE: u8> Numbered<L> for Bursting<'_, L, SHARED, NOISE> {
    #[inline(always)]
    fn number(&self, i: usize) -> L {
        let bit = 1 << i;
        let mut value = self.held.number(i);
        if NOISE == IN_INPUTS && self.noisy & bit != 0 {
            value = value + self.noise[i];
        }
        if self.reached & bit != 0 {
            value = self.gains[i].mul_add(self.sum, value);
        }
        value
    }
}

/// The same as [`stage`] with [`Stage::Euler`], several times, with one dense projection:
/// `x' = x + dt f(x)`.
#[inline(always)]
fn burst<C: LocalCircuit, L: Lanes, const SHARED: bool, const NOISE: u8>(
    c: &Constants<L>,
    turns: Turns<'_, L>,
    x: &mut [L],
    sums: &mut [L],
    sent: &mut [L],
    record: &mut Recording<'_>,
) {
    let (variables, states) = (C::INFO.variables.len(), C::INFO.states);
    let (inputs, parameters) = (C::INFO.inputs.len(), C::INFO.parameters.len());
    let (cells, areas) = (c.cells, c.areas);
    let (dt, count) = (L::splat(turns.dt_ms), turns.count);
    let (held, values) = (turns.held.view::<SHARED>(), c.parameters.view::<SHARED>());
    let (mut noise, mut slope_noise) = (turns.input_noise, turns.slope_noise);
    let Some(one) = &c.one else { return };
    let (weights, gains) = (&c.projections[0].weights, &one.gains[..]);
    let (v, reached, noisy) = (one.variable, one.reached, one.noisy);
    assert!(x.len() == cells * variables && values.len() == cells * parameters);
    assert!(sums.len() >= cells && held.len() == cells * inputs && gains.len() == cells * inputs);
    assert!(sent.len() == cells && v < states);
    let sums = &mut sums[..cells];
    for step in 0..count {
        if step == record.next {
            let mut beyond = false;
            outside(record.bounds, variables, x, &mut beyond);
            if beyond {
                return;
            }
            record.sample(x);
        }
        record.steps = step + 1;
        let first = sum_groups(weights, areas, sent, sums);
        if first < cells {
            sum_now::<L>(
                c.isa,
                weights,
                c.over_areas,
                areas,
                sent,
                first,
                &mut sums[first..],
            );
        }
        for cell in 0..cells {
            one_turn_at_a_time::<L>();
            // SAFETY: all of this has a group for each cell, as was made sure above.
            let (i, p, x) = unsafe {
                let i = Bursting::<L, SHARED, NOISE> {
                    held: held.group_unchecked(cell, inputs),
                    gains: gains.get_unchecked(cell * inputs..(cell + 1) * inputs),
                    noise: of_cell(noise, cell, inputs),
                    reached,
                    noisy,
                    sum: *sums.get_unchecked(cell),
                };
                let p = values.group_unchecked(cell, parameters);
                let x = x.get_unchecked_mut(cell * variables..(cell + 1) * variables);
                (
                    C::Inputs::from_numbers(&i),
                    C::Parameters::from_rates(&p),
                    x,
                )
            };
            let mut now = C::Variables::read(x);
            C::algebraic(&p, &mut now, &i);
            let drift = C::drift(&p, &now, &i);
            let slope_noise = of_cell(slope_noise, cell, states);
            for s in 0..states {
                let mut dx = drift.get(s);
                if NOISE == IN_SLOPES {
                    dx = dx + slope_noise[s];
                }
                let next = dt.mul_add(dx, now.get(s));
                x[s] = next;
                if s == v {
                    sent[cell] = next;
                }
            }
        }
        if NOISE == IN_INPUTS {
            noise = &noise[cells * inputs..];
        }
        if NOISE == IN_SLOPES {
            slope_noise = &slope_noise[cells * states..];
        }
    }
}

for_isa! {
    /// Whether states of cells are outside their bounds; `found` is left alone where none is.
    look_outside<L: Lanes>(bounds: &[(f64, f64)], variables: usize, x: &[L], found: &mut bool) = outside over L at L
}

/// All lanes of all cells at a time; which one it is may be asked when there is one.
#[inline(always)]
fn outside<L: Lanes>(bounds: &[(f64, f64)], variables: usize, x: &[L], found: &mut bool) {
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    let mut beyond = zero;
    for cell in x.chunks_exact(variables) {
        for (&x, &(low, high)) in cell.iter().zip(bounds) {
            one_turn_at_a_time::<L>();
            // What is not finite leaves NaN, which nothing removes.
            let above = L::select_gt(x, L::splat(high), one, x * zero);
            beyond = beyond + L::select_gt(L::splat(low), x, one, above);
        }
    }
    *found |= !(0..L::WIDTH).fold(true, |all, lane| all & (beyond.lane(lane) == 0.0));
}

for_isa! {
    /// Normal numbers of consecutive step pairs, `[pair][row]`: `even` for the even steps, `odd` for
    /// the others.
    look_up<L: NoisyLanes>(
        keys: &Keys,
        pair: u32,
        sites: &[L::Words],
        replicates: &L::Words,
        even: &mut [L],
        odd: &mut [L],
    ) = normals over L at L
}

/// Uniform numbers of all rows first, then normal ones: each loop is short enough that a processor
/// works on several turns at once.
#[inline(always)]
fn normals<L: NoisyLanes>(
    keys: &Keys,
    first: u32,
    sites: &[L::Words],
    replicates: &L::Words,
    even: &mut [L],
    odd: &mut [L],
) {
    let rows = sites.len().max(1);
    let pairs = even.chunks_exact_mut(rows).zip(odd.chunks_exact_mut(rows));
    for (n, (even, odd)) in pairs.enumerate() {
        // Pairs beyond the last step of a run may be looked up; nobody reads them.
        let pair = first.wrapping_add(n as u32);
        for ((site, even), odd) in sites.iter().zip(even).zip(odd) {
            one_turn_at_a_time::<f64>();
            (*even, *odd) = L::uniforms(keys, pair, site, replicates);
        }
    }
    for (even, odd) in even.iter_mut().zip(odd) {
        one_turn_at_a_time::<f64>();
        (*even, *odd) = L::normals(*even, *odd);
    }
}

for_isa! {
    /// Numbers of rows side by side, `[pair][row]`, in all lanes of each row.
    spread<L: Lanes>(numbers: &[L], rows: usize, all: &mut [L]) = spread_out over L at L
}

#[inline(always)]
fn spread_out<L: Lanes>(numbers: &[L], rows: usize, all: &mut [L]) {
    let pairs = numbers.chunks_exact(rows.div_ceil(L::WIDTH));
    for (numbers, all) in pairs.zip(all.chunks_exact_mut(rows)) {
        for (row, all) in all.iter_mut().enumerate() {
            *all = L::splat(numbers[row / L::WIDTH].lane(row % L::WIDTH));
        }
    }
}

for_isa! {
    /// White noise of one source an input or derivative: numbers become values where they go.
    scale<L: Lanes>(
        rows: &[NoiseRow<L>],
        numbers: &[L],
        slots: &[Slot],
        inputs: &mut [L],
        slopes: &mut [L],
    ) = scaled over L at L
}

#[inline(always)]
fn scaled<L: Lanes>(
    rows: &[NoiseRow<L>],
    numbers: &[L],
    slots: &[Slot],
    inputs: &mut [L],
    slopes: &mut [L],
) {
    for ((row, &number), slot) in rows.iter().zip(numbers).zip(slots) {
        one_turn_at_a_time::<f64>();
        let value = row.amplitude * number + row.mean;
        match slot.in_inputs {
            true => inputs[slot.at] = value,
            false => slopes[slot.at] = value,
        }
    }
}

for_isa! {
    /// Noise of any kind: the numbers of a lookup, the `first` of its step or a later one, become
    /// values. White noise holds their sum; coloured noise holds what it is at the start of the step
    /// and moves on to its end.
    move_on<L: Lanes>(
        rows: &[NoiseRow<L>],
        numbers: &[L],
        first: bool,
        sums: &mut [L],
        values: &mut [L],
        memory: &mut [L],
    ) = moved_on over L at L
}

#[inline(always)]
fn moved_on<L: Lanes>(
    rows: &[NoiseRow<L>],
    numbers: &[L],
    first: bool,
    sums: &mut [L],
    values: &mut [L],
    memory: &mut [L],
) {
    let state = sums.iter_mut().zip(values).zip(memory);
    for ((row, &number), ((sum, value), memory)) in rows.iter().zip(numbers).zip(state) {
        one_turn_at_a_time::<L>();
        if row.decay == 0.0 {
            *sum = if first { number } else { *sum + number };
            *value = row.amplitude * *sum + row.mean;
        } else {
            if first {
                *value = *memory + row.mean;
            }
            let kick = row.amplitude * number;
            *memory = L::splat(row.decay).mul_add(*memory, kick);
        }
    }
}

/// Variables as a stage sees them, `[cell][variable]` from a first cell on.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a, L> {
    x: &'a [L],
    variables: usize,
    first: usize,
}

for_isa! {
    /// Sums of the values that enter each input and each derivative.
    add_noise<L: Lanes>(
        rows: &[NoiseRow<L>],
        values: &[L],
        slots: &[Slot],
        seen: Seen<'_, L>,
        inputs: &mut [L],
        slopes: &mut [L],
    ) = added over L at L
}

#[inline(always)]
fn added<L: Lanes>(
    rows: &[NoiseRow<L>],
    values: &[L],
    slots: &[Slot],
    seen: Seen<'_, L>,
    inputs: &mut [L],
    slopes: &mut [L],
) {
    let zero = L::splat(0.0);
    for ((row, slot), &value) in rows.iter().zip(slots).zip(values) {
        one_turn_at_a_time::<L>();
        let sum = match slot.in_inputs {
            true => &mut inputs[slot.at],
            false => &mut slopes[slot.at],
        };
        let before = if slot.first { zero } else { *sum };
        *sum = match row.times {
            None => before + value,
            Some(v) => {
                let times = seen.x[(row.cell - seen.first) * seen.variables + v];
                value.mul_add(times, before)
            }
        };
    }
}

/// Bytes of normal numbers that are looked up at once where a network is small: enough rows side by
/// side to hide how long one of them takes, few enough to stay in the first-level cache.
const NOISE_AHEAD: usize = 8192;
/// Step pairs that are looked up at once, at most.
const MOST_PAIRS: usize = 8;

impl<L: NoisyLanes> NoiseState<L> {
    fn new(
        c: &Constants<L>,
        plan: &Plan,
        cells: &std::ops::Range<usize>,
        replicate_of_lane: &[Replicate],
    ) -> Self {
        let zero = L::splat(0.0);
        let info = plan.circuit.info();
        let rows = c.noise_bounds[cells.start] as usize..c.noise_bounds[cells.end] as usize;
        let mut taken = std::collections::BTreeSet::new();
        let slots = c.noise[rows.clone()].iter().map(|row| {
            let cell = row.cell - cells.start;
            let (in_inputs, at) = match row.target {
                Target::Input(i) => (true, cell * info.inputs.len() + i),
                Target::State(s) => (false, cell * info.states + s),
            };
            Slot {
                in_inputs,
                at,
                first: taken.insert((in_inputs, at)),
            }
        });
        let plain = c.noise_is_plain && plan.noise_per_step == 1;
        let pairs = match NOISE_AHEAD / (2 * rows.len() * size_of::<L>()).max(1) {
            several if plain => several.clamp(1, MOST_PAIRS),
            _ => 1,
        };
        let ahead = if plain { 2 * pairs } else { 1 };
        let count = |wanted, fields| usize::from(wanted) * cells.len() * fields;
        let input_count = count(c.noise_in_inputs, info.inputs.len());
        let slope_count = count(c.noise_in_slopes, info.states);
        let of = |rows: std::ops::Range<usize>| c.noise[rows].iter();
        let memory = of(rows.clone()).map(|row| {
            let mut value = zero;
            for (lane, &replicate) in replicate_of_lane.iter().enumerate() {
                let n = normal(plan.seed, 0, start_site(row.sites[lane]), replicate);
                value.set_lane(lane, row.start_sd.lane(lane) * n);
            }
            value
        });
        let alike = replicate_of_lane.iter().all(|r| *r == replicate_of_lane[0]);
        let packed = alike && L::WIDTH > 1 && !c.over_areas && !rows.is_empty();
        let sites: Vec<L::Words> = if packed {
            let packs = c.noise[rows.clone()].chunks(L::WIDTH);
            let site =
                |pack: &[NoiseRow<L>], lane: usize| pack.get(lane).map_or(0, |r| r.sites[0].0);
            packs
                .map(|pack| L::words(|lane| site(pack, lane)))
                .collect()
        } else {
            let words = |row: &NoiseRow<L>| L::words(|lane| row.sites[lane].0);
            of(rows.clone()).map(words).collect()
        };
        let numbers = || vec![zero; pairs * sites.len()];
        NoiseState {
            of_rows: packed.then(|| [numbers(), numbers()]),
            sites,
            slots: slots.collect(),
            inputs: vec![zero; ahead * input_count],
            slopes: vec![zero; ahead * slope_count],
            input_count,
            slope_count,
            ahead,
            from: None,
            at: 0,
            value: vec![zero; rows.len()],
            even: vec![zero; pairs * rows.len()],
            odd: vec![zero; pairs * rows.len()],
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
        if per_step == 1 && c.noise_is_plain {
            if !self.reaches(step) {
                let from = step - step % 2;
                // The plan refuses runs whose pairs do not fit 32 bits.
                let pair = (from / 2) as u32;
                self.look_up(c.isa, keys, pair, replicates);
                for n in 0..self.ahead {
                    let numbers = if n % 2 == 0 { &self.even } else { &self.odd };
                    let numbers = &numbers[n / 2 * rows.len()..][..rows.len()];
                    let inputs = &mut self.inputs[n * self.input_count..][..self.input_count];
                    let slopes = &mut self.slopes[n * self.slope_count..][..self.slope_count];
                    scale::<L>(c.isa, rows, numbers, &self.slots, inputs, slopes);
                }
                self.from = Some(from);
            }
            self.go_to(step);
            return;
        }
        for n in 0..per_step {
            let lookup = step * u64::from(per_step) + u64::from(n);
            let even = lookup.is_multiple_of(2);
            if even {
                // The plan refuses runs whose pairs do not fit 32 bits.
                let pair = (lookup / 2) as u32;
                self.look_up(c.isa, keys, pair, replicates);
            }
            let numbers = if even { &self.even } else { &self.odd };
            let (sum, value, memory) = (&mut self.sum, &mut self.value, &mut self.memory);
            move_on::<L>(c.isa, rows, numbers, n == 0, sum, value, memory);
        }
        if !c.noise_is_multiplied {
            self.add_up(c, 0, 0, &[]);
        }
    }

    /// Normal numbers of consecutive step pairs from one on.
    fn look_up(&mut self, isa: Isa, keys: &Keys, pair: u32, replicates: &L::Words) {
        let (sites, rows) = (&self.sites, self.rows.len());
        let (even, odd) = (&mut self.even, &mut self.odd);
        match &mut self.of_rows {
            None => look_up::<L>(isa, keys, pair, sites, replicates, even, odd),
            Some([of_even, of_odd]) => {
                look_up::<L>(isa, keys, pair, sites, replicates, of_even, of_odd);
                spread::<L>(isa, of_even, rows, even);
                spread::<L>(isa, of_odd, rows, odd);
            }
        }
    }

    /// Sums of the values that enter each input and each derivative. Noise that is multiplied takes
    /// the variables as a stage sees them, `[cell][variable]`.
    fn add_up(&mut self, c: &Constants<L>, variables: usize, first: usize, seen: &[L]) {
        let rows = &c.noise[self.rows.clone()];
        let seen = Seen {
            x: seen,
            variables,
            first,
        };
        let (inputs, slopes) = (&mut self.inputs, &mut self.slopes);
        add_noise::<L>(c.isa, rows, &self.value, &self.slots, seen, inputs, slopes);
    }

    /// Whether the values of a step already stand ready.
    fn reaches(&self, step: u64) -> bool {
        let until = |from: u64| from + self.ahead as u64;
        self.from
            .is_some_and(|from| (from..until(from)).contains(&step))
    }

    /// Turns to the values of a step that stand ready.
    fn go_to(&mut self, step: u64) {
        self.at = self.from.map_or(0, |from| (step - from) as usize);
    }

    /// What reaches the inputs in the present step.
    fn given<'a>(&'a self, held: &'a Numbers<L>) -> Given<'a, L> {
        Given {
            held,
            noise: &self.inputs[self.at * self.input_count..][..self.input_count],
        }
    }

    /// Noise in the derivatives in the present step, `[cell][state]`.
    fn in_slopes(&self) -> &[L] {
        &self.slopes[self.at * self.slope_count..][..self.slope_count]
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
            self.data
                .copy_within(from..from + count, start as usize * lanes);
        }
        self.cursor = 0;
    }

    /// Gives other processes the last `entries` of its areas up to the one `ahead` of the present.
    fn share(
        &mut self,
        history: &History,
        split: &mut Split,
        exchange: &dyn Exchange,
        ahead: usize,
        entries: usize,
    ) {
        // One number an entry: only lanes over areas are split.
        let first = self.cursor + ahead + 1 - entries;
        let place = |area: usize| (history.start[area] + history.depth[area]) as usize + first;
        split.share_rows(exchange, entries, &mut self.data, place);
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
        let place =
            |position: usize| (history.start[position] + history.depth[position]) as usize + at;
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
        let first_target = if c.over_areas {
            first * L::WIDTH
        } else {
            first
        };
        let targets = self.targets;
        let mut partial = Partial {
            even: &mut self.even[..targets * abreast],
            odd: &mut self.odd[..targets * abreast],
        };
        let place = (past.cursor + ahead, lanes, abreast);
        sum_delayed(c.isa, links, &past.data, place, first_target, &mut partial);
        // Added as plain numbers: what is compiled here knows no vector instructions.
        for (even, odd) in partial.even.iter_mut().zip(&*partial.odd) {
            *even += odd;
        }
        for entry in 0..entries {
            let slot = &mut self.sums[(to + entry) * self.cells..][..self.cells];
            if c.over_areas {
                for target in 0..targets {
                    let at = target * abreast + entry;
                    slot[target / L::WIDTH].set_lane(target % L::WIDTH, self.even[at]);
                }
            } else {
                for (target, slot) in slot.iter_mut().enumerate() {
                    let at = target * abreast + entry * lanes;
                    *slot = L::load(&self.even[at..]);
                }
            }
        }
    }
}

impl<L: NoisyLanes> State<L> {
    /// The share of a process in a block of `members` that start from `starts`, one for all conditions or
    /// one for each, `[position][variable]`.
    pub fn new(
        plan: &Plan,
        c: &Constants<L>,
        members: &[Member],
        starts: &[&[f64]],
        share: Share,
    ) -> Self {
        let info = plan.circuit.info();
        let (variables, zero) = (info.variables.len(), L::splat(0.0));
        let lane_member = |lane: usize| members[lane.min(members.len() - 1)];
        let x: Vec<L> = if c.over_areas {
            over_lanes(start_of(starts, members[0]), variables, c.areas)
        } else {
            let at = |at: usize| {
                let mut value = zero;
                for lane in 0..L::WIDTH {
                    value.set_lane(lane, start_of(starts, lane_member(lane))[at]);
                }
                value
            };
            (0..c.areas * variables).map(at).collect()
        };
        // With lanes over areas all lanes belong to one run.
        let replicates: Vec<Replicate> = (0..L::WIDTH)
            .map(|lane| lane_member(if c.over_areas { 0 } else { lane }).replicate)
            .collect();
        let of = |v: &usize| x.iter().skip(*v).step_by(variables).copied();
        let sent: Vec<L> = c.sent.iter().flat_map(of).collect();
        let pasts: Vec<Past> = (0..plan.histories.len())
            .map(|history| Past::new(plan, c, history, &sent))
            .collect();
        let slopes = match plan.stepper {
            Stepper::Euler | Stepper::ExponentialEuler => 0,
            Stepper::Heun => 2,
            Stepper::Rk4 => 4,
        };
        let all_parts = cells_of_parts(c.areas, L::WIDTH, c.over_areas);
        let width = if c.over_areas { L::WIDTH } else { 1 };
        let split = Split::new(&all_parts, (width, c.areas), share);
        let own = share.parts(all_parts.len());
        let parts = all_parts[own].iter().map(|cells| {
            let delayed = c.projections.iter().enumerate();
            Part {
                first: cells.start,
                x: x[cells.start * variables..cells.end * variables].to_vec(),
                noise: NoiseState::new(c, plan, cells, &replicates),
                work: Work::new(c, plan, cells.len(), slopes),
                next: vec![zero; c.sent.len() * cells.len()],
                delayed: delayed
                    .filter_map(|(projection, p)| match &p.weights {
                        Weights::Delayed(links) => {
                            let block = pasts[links.history].block;
                            Some(DelayedSums::new(c, projection, links.history, block, cells))
                        }
                        _ => None,
                    })
                    .collect(),
            }
        });
        let parts: Vec<Part<L>> = parts.collect();
        let mut recorded: Vec<(usize, Vec<u32>)> = Vec::new();
        for area in &plan.record.areas {
            let (cell, lane) = c.place(plan.position[area.index()]);
            let is_own = (split.as_ref()).is_none_or(|split| split.own_cells().contains(&cell));
            let (part, at) = if is_own {
                let part = parts.partition_point(|p| p.first <= cell) - 1;
                let local = cell - parts[part].first;
                (part, (local * variables * numbers_of::<L>() + lane) as u32)
            } else {
                (parts.len(), 0)
            };
            match recorded.last_mut() {
                Some((same, places)) if *same == part => places.push(at),
                _ => recorded.push((part, vec![at])),
            }
        }
        let recorded = recorded.iter();
        let recorded = recorded.map(|(part, places)| Recorded::new(*part, places));
        State {
            step: 0,
            next_sample: 0,
            epoch: 0,
            prepared: false,
            recorded: recorded.collect(),
            sent_before: sent.clone(),
            parts,
            split,
            members: members.to_vec(),
            replicate_of_lane: L::words(|lane| u64::from(replicates[lane].0)),
            keys: Keys::new(plan.seed),
            sent,
            pasts,
            stops: vec![None; members.len()],
        }
    }
}

impl<L: NoisyLanes> State<L> {
    /// Whether a step is shared out among threads.
    pub fn is_parallel(&self) -> bool {
        self.parts.len() > 1
    }
}

/// Cells of each part: one for a small network, more for a large one whose lanes hold areas. `width` is that of
/// the lanes.
pub(super) fn cells_of_parts(
    areas: usize,
    width: usize,
    over_areas: bool,
) -> Vec<std::ops::Range<usize>> {
    let cells = if over_areas {
        areas.div_ceil(width)
    } else {
        areas
    };
    let parts = match areas / AREAS_PER_PART {
        many if over_areas && many > 1 => many.next_power_of_two().min(MOST_PARTS),
        _ => 1,
    };
    // Whole groups of sparse rows, however many areas a cell has.
    let size = cells.div_ceil(parts).next_multiple_of(Sparse::ROWS);
    (0..cells)
        .step_by(size)
        .map(|first| first..(first + size).min(cells))
        .collect()
}

impl Past {
    fn new<L: Lanes>(plan: &Plan, c: &Constants<L>, history: usize, sent: &[L]) -> Self {
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
            data: Aligned::zeros(of.entries * lanes),
            cursor: 0,
            block: if block < per_step { 0 } else { block },
            passed: 0,
        };
        let sent = &sent[index * c.cells..][..c.cells];
        // Before the start every variable has always been what it is at the start.
        for back in 0..=of.depth.iter().copied().max().unwrap_or(0) as usize {
            for position in 0..c.areas {
                let (start, depth) = (of.start[position] as usize, of.depth[position] as usize);
                if back > depth {
                    continue;
                }
                let place = (start + depth - back) * lanes;
                if c.over_areas {
                    past.data[place] = sent[position / L::WIDTH].lane(position % L::WIDTH);
                } else {
                    sent[position].store(&mut past.data[place..]);
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
            even: Aligned::zeros(room),
            odd: Aligned::zeros(room),
            sums: vec![L::splat(0.0); (block + 1) * cells.len()],
        }
    }
}

/// Runs until the samples are full, the step `until` is reached, or the last step is done; together with other
/// processes where the state is a share.
pub(super) fn advance<C: LocalCircuit, L: NoisyLanes, const SHARED: bool>(
    plan: &Plan,
    c: &Constants<L>,
    state: &mut State<L>,
    samples: &mut Samples,
    until: u64,
    among: Option<Among<'_>>,
) {
    let mut run = Run::<L, SHARED> {
        plan,
        c,
        state,
        among,
        info: &C::INFO,
        hot: Hot::of::<C, SHARED>(),
    };
    run.advance(samples, until);
}

impl<L: NoisyLanes> Part<L> {
    /// Noise that is multiplied, and the inputs of a stage at an entry of the step, if it reads any.
    fn gather<const SHARED: bool>(
        &mut self,
        c: &Constants<L>,
        info: &CircuitInfo,
        (stage, entry): (Stage, usize),
        pasts: &[Past],
        sent: &[L],
        held: &Numbers<L>,
    ) {
        if c.noise_is_multiplied {
            let seen = match stage {
                Stage::HeunCorrect | Stage::Rk(2..) => &self.work.trial,
                _ => &self.x,
            };
            self.noise.add_up(c, info.variables.len(), self.first, seen);
        }
        if matches!(stage, Stage::Published(n) if !c.stage_reads[n]) {
            return;
        }
        let cells = self.x.len() / info.variables.len();
        for delayed in &mut self.delayed {
            let past = &pasts[delayed.past];
            let Weights::Delayed(links) = &c.projections[delayed.projection].weights else {
                continue;
            };
            let slot = if past.block == 0 {
                delayed.form(c, links, past, self.first, (entry, 1, 0));
                0
            } else {
                past.passed + entry
            };
            let sums = &delayed.sums[slot * cells..][..cells];
            self.work.sums[delayed.projection * cells..][..cells].copy_from_slice(sums);
        }
        for (p, projection) in c.projections.iter().enumerate() {
            if !matches!(projection.weights, Weights::Delayed(_)) {
                let sums = &mut self.work.sums[p * cells..][..cells];
                let sent = &sent[projection.sent * c.cells..][..c.cells];
                let (over_areas, weights) = (c.over_areas, &projection.weights);
                sum_now::<L>(c.isa, weights, over_areas, c.areas, sent, self.first, sums);
            }
        }
        let (given, work) = (self.noise.given(held), &mut self.work);
        let (sums, inputs) = (&work.sums, &mut work.inputs);
        arrive::<L, SHARED>(c.isa, c, given, self.first, sums, inputs);
    }

    /// One stage; what the cells send afterwards is left in `next`, or in the part where that is none.
    fn run(&mut self, c: &Constants<L>, hot: Hot<L>, at: At, next: Option<&mut [L]>) {
        let (first, noise) = (self.first, self.noise.in_slopes());
        let (x, work) = (&mut self.x, &mut self.work);
        let next = next.unwrap_or(&mut self.next);
        let Stage::Published(n) = at.stage else {
            return (hot.stage)(c.isa, c, at, noise, first, x, work, next);
        };
        if let Some(published) = hot.published[n] {
            published(c.isa, c, at.dt_ms, noise, first, x, &work.inputs, next);
        }
    }
}

/// The hot code of a circuit. Everything else of a run goes through these pointers, so that it is
/// compiled once for all circuits.
#[derive(Clone, Copy)]
struct Hot<L: NoisyLanes> {
    stage: HotStage<L>,
    /// By stage of the published order.
    published: [Option<HotPublished<L>>; MOST_STAGES],
    /// By where noise enters; none where bursts are not compiled.
    bursts: Option<[HotBurst<L>; 3]>,
}

/// [`run_stage`] of a circuit.
type HotStage<L> = fn(Isa, &Constants<L>, At, &[L], usize, &mut [L], &mut Work<L>, next: &mut [L]);
/// [`run_published`] of a circuit.
type HotPublished<L> = fn(Isa, &Constants<L>, f64, &[L], usize, &mut [L], &[L], next: &mut [L]);
/// [`run_burst`] of a circuit.
type HotBurst<L> =
    fn(Isa, &Constants<L>, Turns<'_, L>, &mut [L], &mut [L], &mut [L], &mut Recording<'_>);

impl<L: NoisyLanes> Hot<L> {
    fn of<C: LocalCircuit, const SHARED: bool>() -> Self {
        const { assert!(C::INFO.published_order.len() <= MOST_STAGES) };
        macro_rules! stage {
            ($n:literal) => {
                if const { C::INFO.has_stages() && $n < C::INFO.published_order.len() } {
                    Some(run_published::<C, L, SHARED, $n> as HotPublished<L>)
                } else {
                    None
                }
            };
        }
        // One number at a time gains nothing from bursts, and a circuit that sends several variables
        // has more projections than the one that they know.
        let bursts = if const { L::WIDTH > 1 && C::INFO.sent.len() == 1 } {
            Some([
                run_burst::<C, L, SHARED, NOWHERE> as HotBurst<L>,
                run_burst::<C, L, SHARED, IN_SLOPES>,
                run_burst::<C, L, SHARED, IN_INPUTS>,
            ])
        } else {
            None
        };
        Hot {
            stage: run_stage::<C, L, SHARED>,
            published: [stage!(0), stage!(1), stage!(2), stage!(3)],
            bursts,
        }
    }
}

/// A block on its way.
struct Run<'a, L: NoisyLanes, const SHARED: bool> {
    plan: &'a Plan,
    c: &'a Constants<L>,
    state: &'a mut State<L>,
    /// The processes that step the network, where there are several.
    among: Option<Among<'a>>,
    info: &'static CircuitInfo,
    hot: Hot<L>,
}

impl<L: NoisyLanes, const SHARED: bool> Run<'_, L, SHARED> {
    fn advance(&mut self, samples: &mut Samples, until: u64) {
        let plan = self.plan;
        let published = self.in_published_order();
        let algebraic = self.info.variables.len() > self.info.states;
        if self.state.step == 0 && !self.state.prepared {
            self.begin_delays();
            if published && algebraic {
                // The authors' code starts from rates at rest, before any stimulus or noise.
                let zero = Numbers::<L>::zero::<SHARED>(self.c.cells * self.info.inputs.len());
                self.all_cells(Stage::Algebraic, 0, &zero);
            }
        }
        let (end, may_burst) = (plan.steps.min(until), self.may_burst());
        loop {
            if !self.state.prepared {
                self.prepare();
            }
            let due = match self.state.next_sample {
                next if next < plan.record.samples => plan.record.first + next * plan.record.every,
                _ => u64::MAX,
            };
            if self.state.step == due {
                if samples.written == samples.capacity {
                    return;
                }
                if algebraic && !published {
                    self.stage(Stage::Algebraic, 0);
                }
                self.watch();
                self.sample(samples);
                continue;
            }
            if self.state.step >= end {
                return;
            }
            let running = self.state.stops.iter().any(Option::is_none);
            let steps = match running {
                true if may_burst => self.burst(end, due, samples),
                true => self.step(),
                false => 1,
            };
            self.state.step += steps;
            self.state.prepared = false;
            if self.state.step.is_multiple_of(WATCH_STEPS) {
                self.watch();
            }
        }
    }

    /// Noise and delayed sums of the step that comes.
    fn prepare(&mut self) {
        let state = &mut *self.state;
        while state.step >= self.c.epoch_ends[state.epoch] {
            state.epoch += 1;
        }
        let (keys, per_step, replicates) = (
            &state.keys,
            self.plan.noise_per_step,
            &state.replicate_of_lane,
        );
        let (c, step) = (self.c, state.step);
        let ready = |part: &Part<L>| part.noise.reaches(step);
        if state.parts.iter().all(ready) {
            for part in &mut state.parts {
                part.noise.go_to(step);
            }
        } else if !c.noise.is_empty() {
            in_parts(self.among, &mut state.parts, &|part| {
                part.noise.prepare(c, keys, step, per_step, replicates);
            });
        }
        self.look_ahead();
        self.state.prepared = true;
    }

    /// Whether variables are updated one after another.
    fn in_published_order(&self) -> bool {
        self.plan.update_order == Order::Published && self.info.has_stages()
    }

    /// Whether steps may be taken several at a time.
    fn may_burst(&self) -> bool {
        let c = self.c;
        self.hot.bursts.is_some()
            && c.one.is_some()
            && self.plan.stepper == Stepper::Euler
            && !self.in_published_order()
            && self.state.recorded.len() == 1
            && !self.state.is_parallel()
            && self.state.split.is_none()
            && (c.noise.is_empty() || (c.noise_is_plain && self.plan.noise_per_step == 1))
            // Code for both would be long to compile and is rarely wanted.
            && !(c.noise_in_slopes && c.noise_in_inputs)
    }

    /// Euler steps up to `end` at the latest, as many as nothing but samples comes between, the next of
    /// which is `due`; says how many.
    fn burst(&mut self, end: u64, due: u64, samples: &mut Samples) -> u64 {
        let (c, plan) = (self.c, self.plan);
        let State {
            step,
            next_sample,
            epoch,
            parts,
            sent,
            recorded,
            members,
            stops,
            ..
        } = &mut *self.state;
        let part = &mut parts[0];
        let noise = &part.noise;
        let noisy = !c.noise.is_empty();
        let ready = match noise.from {
            Some(from) if noisy => from + noise.ahead as u64,
            _ => u64::MAX,
        };
        let until = end
            .min(c.epoch_ends[*epoch])
            .min((*step / WATCH_STEPS + 1) * WATCH_STEPS)
            .min(ready);
        // Samples with algebraic variables or of runs that were stopped take more than copying.
        let samples_apart =
            self.info.variables.len() > self.info.states || stops.iter().any(Option::is_some);
        let record = &plan.record;
        let room = match samples_apart {
            true => 0,
            false => {
                ((samples.capacity - samples.written) as u64).min(record.samples - *next_sample)
            }
        };
        let first_without = due.saturating_add(room.saturating_mul(record.every));
        let count = until.min(first_without) - *step;
        let turns = Turns {
            dt_ms: plan.dt_ms,
            count: count as usize,
            held: &c.held[*epoch],
            input_noise: &noise.inputs[noise.at * noise.input_count..],
            slope_noise: &noise.slopes[noise.at * noise.slope_count..],
        };
        let areas = record.areas.len();
        let mut recording = Recording {
            next: (due - *step) as usize,
            every: record.every as usize,
            taken: 0,
            steps: 0,
            bounds: &c.bounds,
            variables: &record.variables,
            areas: &recorded[0],
            runs: members.len(),
            stride: (samples.capacity * areas).max(1),
            written: samples.written * areas,
            data: &mut samples.data,
        };
        let (x, sums) = (&mut part.x, &mut part.work.sums);
        if let Some(bursts) = self.hot.bursts {
            let noise = match (c.noise_in_slopes, c.noise_in_inputs) {
                (true, _) => IN_SLOPES,
                (_, true) => IN_INPUTS,
                _ => NOWHERE,
            };
            bursts[usize::from(noise)](c.isa, c, turns, x, sums, sent, &mut recording);
        }
        let (steps, taken) = (recording.steps as u64, recording.taken);
        samples.written += taken;
        *next_sample += taken as u64;
        if (*step + steps).is_multiple_of(WATCH_STEPS) {
            self.flush();
        }
        steps
    }

    /// One step.
    fn step(&mut self) -> u64 {
        match (self.plan.stepper, self.in_published_order()) {
            (Stepper::Euler, false) => self.stage(Stage::Euler, 0),
            (Stepper::Euler, true) => {
                let State {
                    sent, sent_before, ..
                } = &mut *self.state;
                sent_before.copy_from_slice(sent);
                for n in 0..self.info.published_order.len() {
                    self.stage(Stage::Published(n), 0);
                }
                let State {
                    sent_before,
                    pasts,
                    split,
                    ..
                } = &mut *self.state;
                for (past, history) in pasts.iter_mut().zip(&self.plan.histories) {
                    // No stage has overwritten it, and what others sent is known in their past alone.
                    if split.is_some() && past.block > 0 {
                        continue;
                    }
                    let cells = self.c.cells;
                    let before = &sent_before[past.sent * cells..][..cells];
                    past.write(self.c, history, 0, 0, before);
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
        1
    }

    /// What is negligible becomes zero.
    fn flush(&mut self) {
        let variables = self.info.variables.len();
        let State {
            parts, sent, split, ..
        } = &mut *self.state;
        if let Some(split) = split {
            // Other processes do the same with theirs.
            let own = split.own_cells();
            for (n, _) in (self.c.sent.iter().enumerate()).filter(|(_, v)| **v < self.info.states) {
                let sent = &mut sent[n * self.c.cells..][..self.c.cells];
                let (before, after) = (0..own.start, own.end..self.c.cells);
                before
                    .chain(after)
                    .for_each(|cell| sent[cell] = sent[cell].flush());
            }
        }
        for part in parts {
            part.noise.flush();
            for (local, cell) in part.x.chunks_exact_mut(variables).enumerate() {
                for x in &mut cell[..self.info.states] {
                    *x = x.flush();
                }
                for (n, &v) in self.c.sent.iter().enumerate() {
                    sent[n * self.c.cells + part.first + local] = cell[v];
                }
            }
        }
    }

    /// Finds what left its bounds, and stops those runs.
    fn watch(&mut self) {
        let (c, variables) = (self.c, self.info.variables.len());
        let mut outside = false;
        for part in &self.state.parts {
            look_outside(c.isa, &c.bounds, variables, &part.x, &mut outside);
        }
        if let (Some(split), Some(among)) = (&mut self.state.split, self.among) {
            let said = split.share_few(among.exchange, &[f64::from(u8::from(outside))]);
            if said.iter().any(|outside| *outside > 0.0) {
                self.stop();
                self.share_stops();
            }
        } else if outside {
            self.stop();
        }
    }

    /// Gives everyone the first stop of each run.
    #[cold]
    fn share_stops(&mut self) {
        const NUMBERS: usize = 5;
        let State { stops, split, .. } = &mut *self.state;
        let (Some(split), Some(among)) = (split, self.among) else {
            return;
        };
        let numbers = |stop: &Option<Stop>| match stop {
            // Steps are below 2^33.
            Some(s) => [
                1.0,
                s.step as f64,
                s.variable as f64,
                s.area as f64,
                s.value,
            ],
            None => [0.0; NUMBERS],
        };
        let own: Vec<f64> = stops.iter().flat_map(numbers).collect();
        let all = split.share_few(among.exchange, &own);
        let first = |s: &Stop| (s.step, self.plan.position[s.area], s.variable);
        for of_process in all.chunks_exact(own.len()) {
            let (found, _) = of_process.as_chunks::<NUMBERS>();
            for (stop, &[there, step, variable, area, value]) in stops.iter_mut().zip(found) {
                let found = Stop {
                    step: step as u64,
                    variable: variable as usize,
                    area: area as usize,
                    value,
                };
                if there > 0.0
                    && stop
                        .as_ref()
                        .is_none_or(|known| first(&found) < first(known))
                {
                    *stop = Some(found);
                }
            }
        }
    }

    /// Stops the runs that left their bounds.
    #[cold]
    fn stop(&mut self) {
        let (c, plan) = (self.c, self.plan);
        let variables = self.info.variables.len();
        let state = &mut *self.state;
        for (v, &(low, high)) in c.bounds.iter().enumerate() {
            // Written so that NaN is outside.
            let inside = |x: f64| x >= low && x <= high;
            for part in &state.parts {
                for (local, cell) in part.x.chunks_exact(variables).enumerate() {
                    let x = cell[v];
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
        let record = &self.plan.record;
        let (runs, areas) = (state.members.len(), record.areas.len());
        let (written, stride) = (out.written * areas, out.capacity * areas);
        assert!(out.written < out.capacity);
        for (v, &variable) in record.variables.iter().enumerate() {
            // `[run][sample][area]`
            let rows = &mut out.data[v * runs * stride..][..runs * stride];
            let shift = variable * numbers_of::<L>();
            for run in 0..runs {
                // Lanes hold areas of one run, or one area of all runs.
                let mut row = &mut rows[run * stride + written..][..areas];
                for of in &state.recorded {
                    let (now, later) = row.split_at_mut(of.areas);
                    if let Some(part) = state.parts.get(of.part) {
                        of.copy(&part.x, shift + run, now);
                    }
                    row = later;
                }
            }
            for (run, stop) in state.stops.iter().enumerate() {
                if stop.is_some() {
                    rows[run * stride + written..][..areas].fill(f64::NAN);
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
                let sent = &self.state.sent[past.sent * self.c.cells..][..self.c.cells];
                past.write(self.c, history, entry, 0, sent);
            }
        }
        let held = &self.c.held[self.state.epoch];
        self.all_cells(stage, entry, held);
    }

    fn all_cells(&mut self, stage: Stage, entry: usize, held: &Numbers<L>) {
        let (c, info, hot) = (self.c, self.info, self.hot);
        let State {
            parts,
            sent,
            pasts,
            split,
            ..
        } = &mut *self.state;
        let at = At {
            stage,
            dt_ms: self.plan.dt_ms,
        };
        if let ([part], None) = (&mut parts[..], &split) {
            part.gather::<SHARED>(c, info, (stage, entry), pasts, sent, held);
            part.run(c, hot, at, Some(sent));
            return;
        }
        in_parts(self.among, parts, &|part| {
            part.gather::<SHARED>(c, info, (stage, entry), pasts, sent, held);
            part.run(c, hot, at, None);
        });
        if !matches!(stage, Stage::Algebraic | Stage::Slope) {
            for part in parts {
                let cells = part.x.len() / info.variables.len();
                for n in 0..c.sent.len() {
                    let now = &mut sent[n * c.cells + part.first..][..cells];
                    now.copy_from_slice(&part.next[n * cells..][..cells]);
                }
            }
            self.share_sent(stage);
        }
    }

    /// Gives other processes what the cells send after a stage. Where all links look back far enough, nobody reads
    /// that before it is past: then it goes out in blocks, see [`Self::look_ahead`].
    fn share_sent(&mut self, stage: Stage) {
        let State {
            sent,
            pasts,
            split,
            step,
            ..
        } = &mut *self.state;
        let (Some(split), Some(among)) = (split, self.among) else {
            return;
        };
        let is_delayed = |weights: &Weights<L>| matches!(weights, Weights::Delayed(_));
        let read_now = !self.c.projections.iter().all(|p| is_delayed(&p.weights));
        let changed = match stage {
            // Rates at rest, which the first step starts from, are sent by its first stage.
            Stage::Published(n) if *step > 0 => {
                let updated = self.info.updated_in(n);
                self.c.sent.iter().any(|v| updated >> v & 1 == 1)
            }
            _ => true,
        };
        if changed && (read_now || pasts.iter().any(|past| past.block == 0)) {
            split.share_sent(among.exchange, sent);
        }
    }

    /// What the past holds before the first step: the sums of the first entry.
    fn begin_delays(&mut self) {
        let c = self.c;
        let State { parts, pasts, .. } = &mut *self.state;
        in_parts(self.among, parts, &|part| {
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
        let State {
            parts,
            pasts,
            split,
            ..
        } = &mut *self.state;
        for (k, past) in pasts.iter_mut().enumerate() {
            if let (Some(split), Some(among)) = (&mut *split, self.among)
                && past.block > 0
                && past.passed == past.block
                // Before the first step everyone knows the past of all.
                && past.cursor >= past.block
            {
                past.share(&plan.histories[k], split, among.exchange, 0, past.block);
            }
            let ahead = past.block.max(per_step);
            if past.cursor + ahead > WINDOW && (past.block == 0 || past.passed == past.block) {
                past.slide(&plan.histories[k], lanes);
            }
            if past.block == 0 || past.passed < past.block {
                continue;
            }
            let block = past.block;
            let past_now = &*past;
            in_parts(self.among, parts, &|part| {
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
            parts,
            sent,
            pasts,
            split,
            ..
        } = &mut *self.state;
        for (past, history) in pasts.iter_mut().zip(&plan.histories) {
            for part in parts.iter().filter(|_| per_step == 2) {
                let cells = part.x.len() / self.info.variables.len();
                let middle = &part.work.middle[past.sent * cells..][..cells];
                past.write(c, history, 1, part.first, middle);
            }
            let mut known = 0..c.cells;
            match (&mut *split, self.among) {
                // Goes out with its block.
                (Some(split), _) if past.block > 0 => known = split.own_cells(),
                (Some(split), Some(among)) if per_step == 2 => {
                    past.share(history, split, among.exchange, 1, 1);
                }
                _ => {}
            }
            let sent = &sent[past.sent * c.cells..][known.clone()];
            past.write(c, history, per_step, known.start, sent);
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

/// Does something for all parts: in turn where there is one, else in parallel. Among several processes the caller
/// is the one thread that speaks to the others, and no thread of the pool.
fn in_parts<L: NoisyLanes>(
    among: Option<Among<'_>>,
    parts: &mut [Part<L>],
    work: &(dyn Fn(&mut Part<L>) + Sync),
) {
    match (parts, among) {
        ([one], _) => work(one),
        (many, Some(among)) if among.pool.current_num_threads() == 1 => {
            many.iter_mut().for_each(work);
        }
        (many, Some(among)) => among.pool.install(|| many.par_iter_mut().for_each(work)),
        (many, None) => many.par_iter_mut().for_each(work),
    }
}
