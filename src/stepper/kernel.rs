//! The step: coupling, held input, local circuits, update. Allocates nothing and cannot fail.
//!
//! Order within a step k → k+1, because it matters:
//! 1. held input of step k (stimuli and means of its epoch, then noise),
//! 2. sample k, with algebraic variables brought up to date,
//! 3. update of the states; each evaluation of the derivative gathers the sent variables first, so
//!    that all new values come from all old values,
//! 4. coloured noise moves on to step k+1.

use crate::circuit::{Fields, LocalCircuit};
use crate::ids::Replicate;
use crate::lanes::Lanes;
use crate::noise::start_site;
use crate::plan::Plan;
use crate::rng::normal;
use crate::spec::{Order, Stepper};

use super::constants::{Constants, ProjectionOf, Weights};
use super::{Divergence, NoisyLanes, Samples};

/// State of a block of lanes and its scratch.
pub(crate) struct State<L> {
    /// The next step.
    pub step: u64,
    next_sample: u64,
    epoch: usize,
    /// Whether the held input already belongs to `step`.
    prepared: bool,
    /// `[cell][variable]`.
    x: Vec<L>,
    /// Value of coloured noise.
    memory: Vec<L>,
    replicates: Vec<Replicate>,
    /// Addresses need one replicate a lane: the block's, padded by its last.
    replicate_of_lane: Vec<Replicate>,
    scratch: Scratch<L>,
}

/// What a step writes before it reads it.
struct Scratch<L> {
    held: Vec<L>,
    odd: Vec<L>,
    normal: Vec<L>,
    work: Work<L>,
    k: [Vec<L>; 4],
    trial: Vec<L>,
}

/// Scratch of one evaluation of the derivative.
pub(crate) struct Work<L> {
    sent: Vec<L>,
    sum: Vec<L>,
    input: Vec<L>,
}

impl<L: Lanes> Work<L> {
    pub fn new(constants: &Constants<L>, inputs: usize) -> Self {
        let zero = L::splat(0.0);
        Work {
            sent: vec![zero; constants.cells],
            sum: vec![zero; constants.cells],
            input: vec![zero; constants.cells * inputs],
        }
    }
}

impl<L: NoisyLanes> State<L> {
    pub fn new(
        plan: &Plan,
        constants: &Constants<L>,
        start: &[f64],
        replicates: Vec<Replicate>,
    ) -> Self {
        let info = plan.circuit.info();
        let zero = L::splat(0.0);
        let x = constants.spread(start, info.variables.len());
        let last = *replicates
            .last()
            .expect("a block has at least one replicate");
        let replicate_of_lane: Vec<Replicate> = (0..L::WIDTH)
            .map(|lane| match constants.over_areas {
                true => last,
                false => replicates.get(lane).copied().unwrap_or(last),
            })
            .collect();
        let memory = constants.noise.iter().map(|row| {
            let mut value = zero;
            for (lane, &replicate) in replicate_of_lane.iter().enumerate() {
                let n = normal(plan.seed, 0, start_site(row.sites[lane]), replicate);
                value.set_lane(lane, row.start_sd.lane(lane) * n);
            }
            value
        });
        let slopes = || vec![zero; x.len()];
        State {
            step: 0,
            next_sample: 0,
            epoch: 0,
            prepared: false,
            memory: memory.collect(),
            replicates,
            replicate_of_lane,
            scratch: Scratch {
                held: vec![zero; constants.cells * info.inputs.len()],
                odd: vec![zero; constants.noise.len()],
                normal: vec![zero; constants.noise.len()],
                work: Work::new(constants, info.inputs.len()),
                k: [slopes(), slopes(), slopes(), slopes()],
                trial: slopes(),
            },
            x,
        }
    }
}

/// Instruction sets that hot code is compiled for. All give the same bits: every operation used is
/// fixed to the bit by IEEE 754.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    Avx512,
    Avx2,
    /// What the target guarantees.
    Base,
}

impl Isa {
    /// The widest one that this machine has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw");
            if avx2 {
                return if avx512 { Isa::Avx512 } else { Isa::Avx2 };
            }
        }
        Isa::Base
    }
}

/// Makes a function that runs `$body` compiled for an instruction set.
///
/// Each set gets a copy that is not inlined: coupling and noise know nothing of circuits, so one
/// copy per lane type serves all of them, and a further circuit costs little to compile.
macro_rules! for_isa {
    ($(#[$doc:meta])* $name:ident<$($g:ident: $bound:path),+>($($arg:ident: $ty:ty),* $(,)?) = $body:ident) => {
        $(#[$doc])*
        pub(crate) fn $name<$($g: $bound),+>(isa: Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
                #[inline(never)]
                fn avx512<$($g: $bound),+>($($arg: $ty),*) {
                    $body::<$($g),+>($($arg),*);
                }
                #[target_feature(enable = "avx2,fma")]
                #[inline(never)]
                fn avx2<$($g: $bound),+>($($arg: $ty),*) {
                    $body::<$($g),+>($($arg),*);
                }
                match isa {
                    // SAFETY: `Isa::detect`, the only source of these values, found the features.
                    Isa::Avx512 => return unsafe { avx512::<$($g),+>($($arg),*) },
                    // SAFETY: as above.
                    Isa::Avx2 => return unsafe { avx2::<$($g),+>($($arg),*) },
                    Isa::Base => {}
                }
            }
            let _ = isa;
            $body::<$($g),+>($($arg),*);
        }
    };
}

for_isa! {
    /// Runs until the samples are full, the step `until` is reached, or the last step is done.
    run<C: LocalCircuit, L: NoisyLanes>(
        plan: &Plan,
        c: &Constants<L>,
        state: &mut State<L>,
        samples: &mut Samples,
        until: u64,
    ) = advance
}

for_isa! {
    /// Held input of the next step.
    hold<L: NoisyLanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>) = hold_input
}

for_isa! {
    /// Weighted sums of a projection.
    sum<L: Lanes>(c: &Constants<L>, p: &ProjectionOf<L>, sent: &[L], sums: &mut [L]) = weighted_sums
}

/// Runs until the samples are full or the last step is done.
#[inline(always)]
fn advance<C: LocalCircuit, L: NoisyLanes>(
    plan: &Plan,
    c: &Constants<L>,
    state: &mut State<L>,
    samples: &mut Samples,
    until: u64,
) {
    let published = plan.update_order == Order::Published;
    let algebraic = C::INFO.variables.len() > C::INFO.states;
    if published && algebraic && state.step == 0 && !state.prepared {
        // The authors' code starts from rates at rest, before any stimulus or noise.
        let State { x, scratch, .. } = state;
        fill_algebraic::<C, L>(c, None, x, &mut scratch.work);
    }
    loop {
        if !state.prepared {
            hold::<L>(c.isa, plan, c, state);
            state.prepared = true;
        }
        let due = plan.record.first + state.next_sample * plan.record.every;
        if state.step == due && state.next_sample < plan.record.samples {
            if samples.written == samples.capacity {
                return;
            }
            if algebraic && !published {
                let State { x, scratch, .. } = state;
                fill_algebraic::<C, L>(c, Some(&scratch.held), x, &mut scratch.work);
            }
            sample(plan, c, state, samples);
        }
        if state.step >= plan.steps.min(until) {
            return;
        }
        match (plan.stepper, plan.update_order) {
            (Stepper::Euler, Order::Synchronous) => euler::<C, L>(plan, c, state),
            (Stepper::Euler, Order::Published) => published_euler::<C, L>(plan, c, state),
            (Stepper::Heun, _) => heun::<C, L>(plan, c, state),
            (Stepper::Rk4, _) => rk4::<C, L>(plan, c, state),
        }
        for (i, row) in c.noise.iter().enumerate() {
            if row.decay != 0.0 {
                let kick = row.amplitude * state.scratch.normal[i];
                state.memory[i] = L::splat(row.decay).mul_add(state.memory[i], kick);
            }
        }
        state.step += 1;
        state.prepared = false;
    }
}

/// Stimuli and means of the epoch, then noise, in the order of the sources.
#[inline(always)]
fn hold_input<L: NoisyLanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>) {
    while state.step >= plan.epochs[state.epoch].end {
        state.epoch += 1;
    }
    let scratch = &mut state.scratch;
    scratch.held.copy_from_slice(&c.epochs[state.epoch]);
    let even = state.step.is_multiple_of(2);
    for (i, row) in c.noise.iter().enumerate() {
        if even {
            // The plan refuses runs whose step pairs do not fit 32 bits.
            let pair = (state.step / 2) as u32;
            let lanes = &state.replicate_of_lane;
            (scratch.normal[i], scratch.odd[i]) =
                L::normal_pairs(plan.seed, pair, &row.sites, lanes);
        } else {
            scratch.normal[i] = scratch.odd[i];
        }
        let white = row.amplitude * scratch.normal[i];
        let value = if row.decay == 0.0 {
            white
        } else {
            state.memory[i]
        };
        scratch.held[row.at] = scratch.held[row.at] + value;
    }
}

/// Copies the recorded variables out of the lanes.
#[inline(always)]
fn sample<L: NoisyLanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>, out: &mut Samples) {
    let variables = plan.circuit.info().variables.len();
    let record = &plan.record;
    let replicates = state.replicates.len();
    for (v, &variable) in record.variables.iter().enumerate() {
        for replicate in 0..replicates {
            let row = (v * replicates + replicate) * out.capacity + out.written;
            let row = &mut out.data[row * record.areas.len()..][..record.areas.len()];
            for (value, area) in row.iter_mut().zip(&record.areas) {
                let (cell, lane) = c.place(plan.position[area.index()]);
                let lane = if c.over_areas { lane } else { replicate };
                *value = state.x[cell * variables + variable].lane(lane);
                if !value.is_finite() && out.diverged[replicate].is_none() {
                    let area = area.index();
                    out.diverged[replicate] = Some(Divergence {
                        sample: state.next_sample,
                        variable,
                        area,
                    });
                }
            }
        }
    }
    out.written += 1;
    state.next_sample += 1;
}

/// `x' = x + dt f(x)`.
#[inline(always)]
fn euler<C: LocalCircuit, L: Lanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>) {
    let s = &mut state.scratch;
    derivative::<C, L>(c, &s.held, &state.x, &mut s.work, &mut s.k[0]);
    add_scaled::<C, L>(&mut state.x, plan.dt_ms, &s.k[0]);
}

/// Euler in the circuit's published order: each stage from what the stages before it left.
#[inline(always)]
fn published_euler<C: LocalCircuit, L: Lanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>) {
    let s = &mut state.scratch;
    let (variables, states) = (C::INFO.variables.len(), C::INFO.states);
    for stage in C::INFO.published_order {
        s.trial.copy_from_slice(&state.x);
        receive::<C, L>(c, Some(&s.held), &state.x, &mut s.work);
        local_algebraic::<C, L>(c, &mut s.trial, &s.work);
        local_drift::<C, L>(c, &state.x, &s.work, &mut s.k[0]);
        for (v, variable) in C::INFO.variables.iter().enumerate() {
            if !stage.contains(&variable.name) {
                continue;
            }
            for cell in 0..c.cells {
                let at = cell * variables + v;
                state.x[at] = if v < states {
                    L::splat(plan.dt_ms).mul_add(s.k[0][at], state.x[at])
                } else {
                    s.trial[at]
                };
            }
        }
    }
}

/// `x' = x + dt/2 (k1 + k2)`, k2 = f(x + dt k1).
#[inline(always)]
fn heun<C: LocalCircuit, L: Lanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>) {
    let s = &mut state.scratch;
    let [k1, k2, ..] = &mut s.k;
    derivative::<C, L>(c, &s.held, &state.x, &mut s.work, k1);
    s.trial.copy_from_slice(&state.x);
    add_scaled::<C, L>(&mut s.trial, plan.dt_ms, k1);
    derivative::<C, L>(c, &s.held, &s.trial, &mut s.work, k2);
    for (a, b) in k1.iter_mut().zip(&*k2) {
        *a = *a + *b;
    }
    add_scaled::<C, L>(&mut state.x, plan.dt_ms * 0.5, k1);
}

/// Classical Runge–Kutta: `x' = x + dt/6 ((k1 + k4) + 2 (k2 + k3))`.
#[inline(always)]
fn rk4<C: LocalCircuit, L: Lanes>(plan: &Plan, c: &Constants<L>, state: &mut State<L>) {
    let dt = plan.dt_ms;
    let s = &mut state.scratch;
    let [k1, k2, k3, k4] = &mut s.k;
    derivative::<C, L>(c, &s.held, &state.x, &mut s.work, k1);
    s.trial.copy_from_slice(&state.x);
    add_scaled::<C, L>(&mut s.trial, dt * 0.5, k1);
    derivative::<C, L>(c, &s.held, &s.trial, &mut s.work, k2);
    s.trial.copy_from_slice(&state.x);
    add_scaled::<C, L>(&mut s.trial, dt * 0.5, k2);
    derivative::<C, L>(c, &s.held, &s.trial, &mut s.work, k3);
    s.trial.copy_from_slice(&state.x);
    add_scaled::<C, L>(&mut s.trial, dt, k3);
    derivative::<C, L>(c, &s.held, &s.trial, &mut s.work, k4);
    let two = L::splat(2.0);
    for (((a, b), c), d) in k1.iter_mut().zip(&*k2).zip(&*k3).zip(&*k4) {
        *a = (*a + *d) + (*b + *c) * two;
    }
    add_scaled::<C, L>(&mut state.x, dt / 6.0, k1);
}

/// `x + h dx` for the states; algebraic variables stay.
#[inline(always)]
fn add_scaled<C: LocalCircuit, L: Lanes>(x: &mut [L], h: f64, dx: &[L]) {
    let (variables, states) = (C::INFO.variables.len(), C::INFO.states);
    let h = L::splat(h);
    for (x, dx) in x
        .chunks_exact_mut(variables)
        .zip(dx.chunks_exact(variables))
    {
        for v in 0..states {
            x[v] = h.mul_add(dx[v], x[v]);
        }
    }
}

/// Time derivative of every state, [unit / ms], `[cell][variable]`.
#[inline(always)]
pub(crate) fn derivative<C: LocalCircuit, L: Lanes>(
    c: &Constants<L>,
    held: &[L],
    x: &[L],
    work: &mut Work<L>,
    dx: &mut [L],
) {
    receive::<C, L>(c, Some(held), x, work);
    let (inputs, variables) = (C::INFO.inputs.len(), C::INFO.variables.len());
    let parameters = C::INFO.parameters.len();
    for cell in 0..c.cells {
        let p = C::Parameters::read(&c.parameters[cell * parameters..][..parameters]);
        let i = C::Inputs::read(&work.input[cell * inputs..][..inputs]);
        let mut x = C::Variables::read(&x[cell * variables..][..variables]);
        C::algebraic(&p, &mut x, &i);
        C::drift(&p, &x, &i).write(&mut dx[cell * variables..][..variables]);
    }
}

/// Drift with the algebraic variables as they stand, from inputs that were received.
#[inline(always)]
fn local_drift<C: LocalCircuit, L: Lanes>(c: &Constants<L>, x: &[L], work: &Work<L>, dx: &mut [L]) {
    let (inputs, variables) = (C::INFO.inputs.len(), C::INFO.variables.len());
    let parameters = C::INFO.parameters.len();
    for cell in 0..c.cells {
        let p = C::Parameters::read(&c.parameters[cell * parameters..][..parameters]);
        let i = C::Inputs::read(&work.input[cell * inputs..][..inputs]);
        let x = C::Variables::read(&x[cell * variables..][..variables]);
        C::drift(&p, &x, &i).write(&mut dx[cell * variables..][..variables]);
    }
}

/// Algebraic variables from inputs that were received.
#[inline(always)]
fn local_algebraic<C: LocalCircuit, L: Lanes>(c: &Constants<L>, x: &mut [L], work: &Work<L>) {
    let (inputs, variables) = (C::INFO.inputs.len(), C::INFO.variables.len());
    let parameters = C::INFO.parameters.len();
    for cell in 0..c.cells {
        let p = C::Parameters::read(&c.parameters[cell * parameters..][..parameters]);
        let i = C::Inputs::read(&work.input[cell * inputs..][..inputs]);
        let slice = &mut x[cell * variables..][..variables];
        let mut x = C::Variables::read(slice);
        C::algebraic(&p, &mut x, &i);
        x.write(slice);
    }
}

/// Brings the algebraic variables up to date, with the held input or with coupling alone.
#[inline(always)]
pub(crate) fn fill_algebraic<C: LocalCircuit, L: Lanes>(
    c: &Constants<L>,
    held: Option<&[L]>,
    x: &mut [L],
    work: &mut Work<L>,
) {
    receive::<C, L>(c, held, x, work);
    local_algebraic::<C, L>(c, x, work);
}

/// `work.input` = what arrives over projections, plus the held input.
#[inline(always)]
fn receive<C: LocalCircuit, L: Lanes>(
    c: &Constants<L>,
    held: Option<&[L]>,
    x: &[L],
    work: &mut Work<L>,
) {
    let (inputs, variables) = (C::INFO.inputs.len(), C::INFO.variables.len());
    work.input.fill(L::splat(0.0));
    for projection in &c.projections {
        for (cell, sent) in work.sent.iter_mut().enumerate() {
            *sent = x[cell * variables + projection.sent];
        }
        sum::<L>(c.isa, c, projection, &work.sent, &mut work.sum);
        for (input, gain) in &projection.received {
            for (cell, (gain, sum)) in gain.iter().zip(&work.sum).enumerate() {
                let at = cell * inputs + input;
                work.input[at] = work.input[at] + *gain * *sum;
            }
        }
    }
    if let Some(held) = held {
        for (input, held) in work.input.iter_mut().zip(held) {
            *input = *input + *held;
        }
    }
}

/// Cells whose sums are formed together: enough independent chains to hide the latency of the
/// fused multiply–add (4 cells × 2 partial sums).
const GROUP: usize = 4;

/// `sum_i = Σ_j W_ij sent_j` as two partial sums, over even and over odd source positions, each in
/// ascending order. Every branch forms the same sums in the same order.
#[inline(always)]
fn weighted_sums<L: Lanes>(c: &Constants<L>, p: &ProjectionOf<L>, sent: &[L], sum: &mut [L]) {
    let n = c.areas;
    let zero = L::splat(0.0);
    match &p.weights {
        Weights::Columns(columns) => {
            // One source at a time, its value in all lanes, its weights onto the cell's targets.
            let value = |j: usize| L::splat(sent[j / L::WIDTH].lane(j % L::WIDTH));
            let mut first = 0;
            while first + GROUP <= c.cells {
                let mut even = [zero; GROUP];
                let mut odd = [zero; GROUP];
                let mut j = 0;
                while j + 1 < n {
                    let (a, b) = (value(j), value(j + 1));
                    for g in 0..GROUP {
                        let at = (first + g) * n + j;
                        even[g] = columns[at].mul_add(a, even[g]);
                        odd[g] = columns[at + 1].mul_add(b, odd[g]);
                    }
                    j += 2;
                }
                for g in 0..GROUP {
                    if j < n {
                        even[g] = columns[(first + g) * n + j].mul_add(value(j), even[g]);
                    }
                    sum[first + g] = even[g] + odd[g];
                }
                first += GROUP;
            }
            for cell in first..c.cells {
                let (mut even, mut odd) = (zero, zero);
                for j in 0..n {
                    let w = columns[cell * n + j];
                    if j % 2 == 0 {
                        even = w.mul_add(value(j), even);
                    } else {
                        odd = w.mul_add(value(j), odd);
                    }
                }
                sum[cell] = even + odd;
            }
        }
        Weights::Rows(rows) => {
            let mut first = 0;
            while first + GROUP <= n {
                let mut even = [zero; GROUP];
                let mut odd = [zero; GROUP];
                let mut j = 0;
                while j + 1 < n {
                    for g in 0..GROUP {
                        let at = (first + g) * n + j;
                        even[g] = L::splat(rows[at]).mul_add(sent[j], even[g]);
                        odd[g] = L::splat(rows[at + 1]).mul_add(sent[j + 1], odd[g]);
                    }
                    j += 2;
                }
                for g in 0..GROUP {
                    if j < n {
                        let w = L::splat(rows[(first + g) * n + j]);
                        even[g] = w.mul_add(sent[j], even[g]);
                    }
                    sum[first + g] = even[g] + odd[g];
                }
                first += GROUP;
            }
            for target in first..n {
                let (mut even, mut odd) = (zero, zero);
                for j in 0..n {
                    let w = L::splat(rows[target * n + j]);
                    if j % 2 == 0 {
                        even = w.mul_add(sent[j], even);
                    } else {
                        odd = w.mul_add(sent[j], odd);
                    }
                }
                sum[target] = even + odd;
            }
        }
        Weights::Sparse {
            rows,
            sources,
            weights,
        } if c.over_areas => {
            for target in 0..n {
                let mut partial = [0.0; 2];
                for (parity, total) in partial.iter_mut().enumerate() {
                    let part =
                        rows[2 * target + parity] as usize..rows[2 * target + parity + 1] as usize;
                    for (&j, &w) in sources[part.clone()].iter().zip(&weights[part]) {
                        let j = j as usize;
                        *total = w.mul_add(sent[j / L::WIDTH].lane(j % L::WIDTH), *total);
                    }
                }
                sum[target / L::WIDTH].set_lane(target % L::WIDTH, partial[0] + partial[1]);
            }
        }
        Weights::Sparse {
            rows,
            sources,
            weights,
        } => {
            for target in 0..n {
                let mut partial = [zero; 2];
                for (parity, total) in partial.iter_mut().enumerate() {
                    let part =
                        rows[2 * target + parity] as usize..rows[2 * target + parity + 1] as usize;
                    for (&j, &w) in sources[part.clone()].iter().zip(&weights[part]) {
                        *total = L::splat(w).mul_add(sent[j as usize], *total);
                    }
                }
                sum[target] = partial[0] + partial[1];
            }
        }
    }
}
