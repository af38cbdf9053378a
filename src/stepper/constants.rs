//! The plan's numbers spread over lanes. Immutable; one per block of lanes.
//!
//! A *cell* is what one vector holds: with lanes over replicates a cell is an area, with lanes over
//! areas it is `WIDTH` neighbouring positions. State is laid out `[cell][variable][lane]`.

use std::sync::Arc;

use super::isa::{may_share, stand_once};
use super::kernel::bounds;
use super::sums::GROUP;
use crate::circuit::{
    CircuitVisitor, Fields, LocalCircuit, Numbered, ParameterFields, reads_inputs,
};
use crate::ids::Replicate;
use crate::lanes::{Isa, Lanes};
use crate::noise::Target;
use crate::plan::{Axis, Delayed, Epoch, Matrix, Member, Plan, Sparse};
use crate::rng::Site;
use crate::spec::Stepper;

/// Numbers of the plan over lanes.
pub(crate) struct Constants<L> {
    /// Number of cells.
    pub cells: usize,
    /// Number of areas.
    pub areas: usize,
    /// Whether lanes hold areas.
    pub over_areas: bool,
    /// Instruction set of this machine.
    pub isa: Isa,
    /// Whether all lanes of a cell share their parameters and held inputs, and code for it exists.
    pub shared: bool,
    /// `[cell][parameter]`, time constants as rates.
    pub parameters: Numbers<L>,
    /// First step after each epoch: whenever held input changes in any lane.
    pub epoch_ends: Vec<u64>,
    /// Held input of each epoch, `[cell][input]`.
    pub held: Vec<Numbers<L>>,
    /// Exponential Euler: effective step of each state, ms, `[cell][state]`.
    pub decay_steps: Vec<L>,
    /// Variables that are sent, each once.
    pub sent: Vec<usize>,
    /// Projections.
    pub projections: Vec<ProjectionOf<L>>,
    /// For every input what arrives there: (projection, gain per cell), in the order of projections.
    pub arrivals: Vec<Vec<(usize, Vec<L>)>>,
    /// Whether a variable that each stage of the circuit's published order updates reads an input.
    pub stage_reads: Vec<bool>,
    /// The only projection, if there is just one and its weights are dense.
    pub one: Option<One<L>>,
    /// Bounds of each state, see [`bounds`].
    pub bounds: Vec<(f64, f64)>,
    /// Noise, sorted by cell, and there in the order of the sources.
    pub noise: Vec<NoiseRow<L>>,
    /// Rows of noise of each cell.
    pub noise_bounds: Vec<u32>,
    /// Whether noise enters inputs.
    pub noise_in_inputs: bool,
    /// Whether noise enters derivatives.
    pub noise_in_slopes: bool,
    /// Whether variables multiply noise.
    pub noise_is_multiplied: bool,
    /// Whether all noise is white, not multiplied, and no two sources meet.
    pub noise_is_plain: bool,
}

/// What a single dense projection does.
pub(crate) struct One<L> {
    /// The state that is sent.
    pub variable: usize,
    /// Gains, `[cell][input]`.
    pub gains: Vec<L>,
    /// A bit for each input that the projection reaches.
    pub reached: u32,
    /// A bit for each input that noise reaches.
    pub noisy: u32,
}

impl<L: Lanes> One<L> {
    fn new(
        states: usize,
        variable: usize,
        arrivals: &[Vec<(usize, Vec<L>)>],
        noise: &[NoiseRow<L>],
        cells: usize,
    ) -> Option<Self> {
        let inputs = arrivals.len();
        if variable >= states || inputs > 32 || arrivals.iter().any(|a| a.len() > 1) {
            return None;
        }
        let mut one = One {
            variable,
            gains: vec![L::splat(0.0); cells * inputs],
            reached: 0,
            noisy: 0,
        };
        for (input, arrivals) in arrivals.iter().enumerate() {
            for (_, gain) in arrivals {
                one.reached |= 1 << input;
                for (cell, &gain) in gain.iter().enumerate() {
                    one.gains[cell * inputs + input] = gain;
                }
            }
            if noise.iter().any(|row| row.target == Target::Input(input)) {
                one.noisy |= 1 << input;
            }
        }
        Some(one)
    }
}

/// One number a field, or one a lane.
pub(crate) struct Numbers<L> {
    one: Vec<f64>,
    each: Vec<L>,
    /// Where each field stands in `each`, in numbers; empty where it stands in order.
    at: Vec<u32>,
}

impl<L: Lanes> Numbers<L> {
    /// One for all lanes.
    pub fn shared(one: Vec<f64>) -> Self {
        Numbers {
            one,
            each: Vec::new(),
            at: Vec::new(),
        }
    }

    /// One for each lane, `[cell][field]` of so many fields.
    pub fn own(all: Vec<L>, fields: usize) -> Self {
        let (mut each, mut at) = (Vec::new(), Vec::new());
        if const { !stand_once::<L>() } {
            each = all;
        } else {
            let same =
                |a: L, b: L| (0..L::WIDTH).all(|k| a.lane(k).to_bits() == b.lane(k).to_bits());
            for (n, &value) in all.iter().enumerate() {
                // Like the cell before it, or like the first one.
                let others = [n.checked_sub(fields), (n >= fields).then(|| n % fields)];
                let mut known = others.into_iter().flatten().map(|other| at[other]);
                let known = known.find(|&k: &u32| same(each[k as usize / L::WIDTH], value));
                at.push(known.unwrap_or_else(|| {
                    each.push(value);
                    let place = (each.len() - 1) * L::WIDTH;
                    u32::try_from(place).expect("fewer numbers of a block of lanes than 2^32")
                }));
            }
        }
        let one = Vec::new();
        Numbers { one, each, at }
    }

    /// Zeros.
    pub fn zero<const SHARED: bool>(count: usize) -> Self {
        if SHARED {
            Self::shared(vec![0.0; count])
        } else {
            Self::own(vec![L::splat(0.0); count], 1)
        }
    }

    /// The numbers as slices; `SHARED` says how they were made.
    #[inline(always)]
    pub fn view<const SHARED: bool>(&self) -> View<'_, L, SHARED> {
        View {
            one: &self.one,
            each: &self.each,
            at: &self.at,
        }
    }
}

/// [`Numbers`] of which is known whether all lanes share them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, L, const SHARED: bool> {
    one: &'a [f64],
    each: &'a [L],
    /// As in [`Numbers`]: every place is one of `each`.
    at: &'a [u32],
}

impl<'a, L: Lanes, const SHARED: bool> View<'a, L, SHARED> {
    /// Number of fields.
    #[inline(always)]
    pub fn len(self) -> usize {
        if SHARED {
            self.one.len()
        } else if const { stand_once::<L>() } {
            self.at.len()
        } else {
            self.each.len()
        }
    }

    /// The `n`-th group of `count` fields.
    #[inline(always)]
    pub fn group(self, n: usize, count: usize) -> Group<'a, L, SHARED> {
        let end = n.checked_add(1).and_then(|n| n.checked_mul(count));
        assert!(end.is_some_and(|end| end <= self.len()));
        // SAFETY: as was made sure.
        unsafe { self.group_unchecked(n, count) }
    }

    /// As [`View::group`].
    ///
    /// # Safety
    /// `(n + 1) * count <= self.len()`.
    #[inline(always)]
    pub unsafe fn group_unchecked(self, n: usize, count: usize) -> Group<'a, L, SHARED> {
        let span = n * count..(n + 1) * count;
        // SAFETY: the caller's.
        unsafe {
            Group(if SHARED {
                let one = self.one.get_unchecked(span);
                View { one, ..self }
            } else if const { stand_once::<L>() } {
                let at = self.at.get_unchecked(span);
                View { at, ..self }
            } else {
                let each = self.each.get_unchecked(span);
                View { each, ..self }
            })
        }
    }
}

/// Neighbouring fields of a [`View`].
#[derive(Clone, Copy)]
pub(crate) struct Group<'a, L, const SHARED: bool>(View<'a, L, SHARED>);

impl<L: Lanes, const SHARED: bool> Numbered<L> for Group<'_, L, SHARED> {
    #[inline(always)]
    fn number(&self, k: usize) -> L {
        if SHARED {
            L::splat(self.0.one[k])
        } else if const { stand_once::<L>() } {
            let numbers = self.0.each.as_ptr().cast::<f64>();
            // SAFETY: places are those of the first lanes of `each`, which lie in memory as their numbers.
            unsafe { *numbers.add(self.0.at[k] as usize).cast() }
        } else {
            self.0.each[k]
        }
    }
}

/// A projection over lanes.
pub(crate) struct ProjectionOf<L> {
    /// Index of what is sent in [`Constants::sent`].
    pub sent: usize,
    /// Weights.
    pub weights: Weights<L>,
}

/// Weights in the form that the product wants.
pub(crate) enum Weights<L> {
    /// Lanes hold areas: `[group of cells][source][cell of the group]`, each vector with the weights
    /// of the cell's targets.
    Columns(Vec<L>),
    /// Lanes hold replicates: `[group of targets][source][target of the group]`, one weight for all
    /// lanes.
    Rows(Vec<f64>),
    /// Sparse rows, for either axis.
    Sparse(Arc<Sparse>),
    /// Links with delays, for either axis.
    Delayed(Arc<Delayed>),
}

/// The channels of one noise source that share a vector.
pub(crate) struct NoiseRow<L> {
    /// The cell.
    pub cell: usize,
    /// What it is added to.
    pub target: Target,
    /// Variable that multiplies it.
    pub times: Option<usize>,
    /// Address of each lane.
    pub sites: Vec<Site>,
    /// Factor on the old value; 0 for white noise.
    pub decay: f64,
    /// Factor on the normal number; 0 in lanes without this source.
    pub amplitude: L,
    /// Constant part.
    pub mean: L,
    /// Standard deviation at the start.
    pub start_sd: L,
}

impl<L: Lanes> Constants<L> {
    /// Spreads the plan over the lanes of a block of `members`.
    pub fn new(plan: &Plan, axis: Axis, members: &[Member]) -> Self {
        let noise = noise_rows(plan, axis == Axis::Areas);
        Self::with_noise(plan, axis, members, noise, true)
    }

    /// The same without noise, each lane with its own numbers, for evaluations outside time.
    pub fn at_rest(plan: &Plan) -> Self {
        let condition = Member {
            condition: 0,
            replicate: Replicate(0),
        };
        Self::with_noise(plan, Axis::Replicates, &[condition], Vec::new(), false)
    }

    fn with_noise(
        plan: &Plan,
        axis: Axis,
        members: &[Member],
        noise: Vec<NoiseRow<L>>,
        in_time: bool,
    ) -> Self {
        let over_areas = axis == Axis::Areas;
        let areas = plan.n_areas();
        let cells = if over_areas {
            areas.div_ceil(L::WIDTH)
        } else {
            areas
        };
        let info = plan.circuit.info();
        let conditions = Conditions {
            plan,
            // Lanes beyond the last run repeat it; nothing reads what becomes of them.
            of_lane: (0..L::WIDTH)
                .map(|lane| members[lane.min(members.len() - 1)].condition)
                .collect(),
        };
        let epoch_ends = conditions.epoch_ends();
        let shared = const { may_share::<L>() }
            && in_time
            && !over_areas
            && conditions.alike(|k| conditions.parameters(k))
            && (epoch_ends.iter()).all(|&end| conditions.alike(|k| conditions.held(k, end)));
        // What the condition of each lane says, `[position][field]`, over lanes.
        let by_lane = |fields: usize, of: &dyn Fn(usize) -> Vec<f64>| -> Vec<L> {
            let first = of(conditions.of_lane[0]);
            if over_areas {
                return over_lanes(&first, fields, areas);
            }
            let mut all: Vec<L> = first.iter().map(|&x| L::splat(x)).collect();
            for (lane, &k) in conditions.of_lane.iter().enumerate() {
                if k != conditions.of_lane[0] {
                    for (value, x) in all.iter_mut().zip(of(k)) {
                        value.set_lane(lane, x);
                    }
                }
            }
            all
        };
        let spread = |fields: usize, of: &dyn Fn(usize) -> Vec<f64>| match shared {
            true => Numbers::shared(of(conditions.of_lane[0])),
            false => Numbers::own(by_lane(fields, of), fields),
        };
        let mut sent: Vec<usize> = plan.projections.iter().map(|p| p.sent).collect();
        sent.sort_unstable();
        sent.dedup();
        let gains = plan.gains();
        let mut arrivals: Vec<Vec<(usize, Vec<L>)>> = Vec::new();
        arrivals.resize_with(info.inputs.len(), Vec::new);
        for (p, projection) in plan.projections.iter().enumerate() {
            for (r, (input, _)) in projection.received.iter().enumerate() {
                let of = |k: usize| match k {
                    0 => gains[p][r].clone(),
                    k => (plan.variants[k - 1].gains.as_ref()).unwrap_or(&gains)[p][r].clone(),
                };
                arrivals[*input].push((p, by_lane(1, &of)));
            }
        }
        let projections = plan.projections.iter().map(|projection| ProjectionOf {
            sent: sent.partition_point(|s| *s < projection.sent),
            weights: weights(&projection.matrix, cells, over_areas),
        });
        let projections: Vec<ProjectionOf<L>> = projections.collect();
        let one = match &projections[..] {
            [p] if matches!(p.weights, Weights::Columns(_) | Weights::Rows(_)) => {
                One::new(info.states, sent[p.sent], &arrivals, &noise, cells)
            }
            _ => None,
        };
        let held = (epoch_ends.iter())
            .map(|&end| {
                let held = |k| conditions.held(k, end).to_vec();
                spread(info.inputs.len(), &held)
            })
            .collect();
        let decay_steps = match plan.stepper {
            Stepper::ExponentialEuler => {
                let steps = |k| {
                    plan.circuit.visit(DecaySteps {
                        parameters: conditions.parameters(k),
                        dt_ms: plan.dt_ms,
                    })
                };
                by_lane(info.states, &steps)
            }
            _ => Vec::new(),
        };
        let rates = |k: usize| {
            let mut rates = conditions.parameters(k).to_vec();
            for row in rates.chunks_exact_mut(info.parameters.len()) {
                for tau in &mut row[..info.time_constants] {
                    *tau = 1.0 / *tau;
                }
            }
            rates
        };
        let mut noise_bounds = vec![0_u32; cells + 1];
        for row in &noise {
            noise_bounds[row.cell + 1] += 1;
        }
        for cell in 0..cells {
            noise_bounds[cell + 1] += noise_bounds[cell];
        }
        Constants {
            shared,
            stage_reads: plan.circuit.visit(StageReads),
            parameters: spread(info.parameters.len(), &rates),
            epoch_ends,
            held,
            decay_steps,
            projections,
            cells,
            areas,
            over_areas,
            isa: Isa::detect(),
            bounds: info.variables[..info.states].iter().map(bounds).collect(),
            sent,
            arrivals,
            one,
            noise_in_inputs: noise.iter().any(|r| matches!(r.target, Target::Input(_))),
            noise_in_slopes: noise.iter().any(|r| matches!(r.target, Target::State(_))),
            noise_is_multiplied: noise.iter().any(|r| r.times.is_some()),
            noise_is_plain: is_plain(&noise),
            noise,
            noise_bounds,
        }
    }

    /// Cell and lane of a position, for lanes over areas.
    pub fn place(&self, position: usize) -> (usize, usize) {
        if self.over_areas {
            (position / L::WIDTH, position % L::WIDTH)
        } else {
            (position, 0)
        }
    }
}

/// The conditions of the lanes of a block.
struct Conditions<'a> {
    plan: &'a Plan,
    of_lane: Vec<usize>,
}

impl<'a> Conditions<'a> {
    fn parameters(&self, condition: usize) -> &'a [f64] {
        match condition {
            0 => &self.plan.parameters,
            k => (self.plan.variants[k - 1].parameters.as_ref()).unwrap_or(&self.plan.parameters),
        }
    }

    fn epochs(&self, condition: usize) -> &'a [Epoch] {
        match condition {
            0 => &self.plan.epochs,
            k => &self.plan.variants[k - 1].epochs,
        }
    }

    /// Where an epoch of any lane ends, in order. The last one never does.
    fn epoch_ends(&self) -> Vec<u64> {
        let of_lanes = self.of_lane.iter().flat_map(|&k| self.epochs(k));
        let mut ends: Vec<u64> = of_lanes.map(|epoch| epoch.end).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// Held input of a condition in the epoch of the lanes that ends at a step.
    fn held(&self, condition: usize, end: u64) -> &'a [f64] {
        let epochs = self.epochs(condition);
        let at = epochs.partition_point(|epoch| epoch.end < end);
        &epochs[at].input
    }

    /// Whether all lanes have the same of something.
    fn alike<T: PartialEq>(&self, of: impl Fn(usize) -> T) -> bool {
        let first = self.of_lane[0];
        self.of_lane
            .iter()
            .all(|&k| k == first || of(k) == of(first))
    }
}

/// Values `[position][field]` as `[cell][field]` with lanes over areas. Lanes beyond the last area
/// repeat its numbers; nothing reads what becomes of them.
pub(crate) fn over_lanes<L: Lanes>(values: &[f64], fields: usize, areas: usize) -> Vec<L> {
    let mut out = Vec::with_capacity(areas.div_ceil(L::WIDTH) * fields);
    for first in (0..areas).step_by(L::WIDTH) {
        for field in 0..fields {
            let at = |position: usize| values[position.min(areas - 1) * fields + field];
            let mut value = L::splat(at(first));
            for lane in 0..L::WIDTH {
                value.set_lane(lane, at(first + lane));
            }
            out.push(value);
        }
    }
    out
}

/// Whether each stage of the published order reads an input.
struct StageReads;

impl CircuitVisitor for StageReads {
    type Output = Vec<bool>;

    fn visit<C: LocalCircuit>(self) -> Vec<bool> {
        let reads = reads_inputs::<C>();
        let stage = |n| (0..reads.len()).any(|v| reads[v] && C::INFO.updated_in(n) >> v & 1 == 1);
        (0..C::INFO.published_order.len()).map(stage).collect()
    }
}

/// Effective step of every state, ms: (1 - e^{-leak dt}) / leak, which is dt without leak.
struct DecaySteps<'a> {
    parameters: &'a [f64],
    dt_ms: f64,
}

impl CircuitVisitor for DecaySteps<'_> {
    type Output = Vec<f64>;

    fn visit<C: LocalCircuit>(self) -> Vec<f64> {
        let mut leak = vec![0.0; C::INFO.variables.len()];
        let rows = self.parameters.chunks_exact(C::INFO.parameters.len());
        rows.flat_map(|row| {
            let p = C::Parameters::<f64>::from_values(row);
            C::leak(&p).write(&mut leak);
            let step = |rate: &f64| decay_step(*rate, self.dt_ms);
            leak[..C::INFO.states].iter().map(step).collect::<Vec<_>>()
        })
        .collect()
    }
}

/// (1 - e^{-rate dt}) / rate; dt for a rate of 0.
#[must_use]
pub fn decay_step(rate: f64, dt_ms: f64) -> f64 {
    if rate == 0.0 {
        dt_ms
    } else {
        -Lanes::exp_m1(-rate * dt_ms) / rate
    }
}

fn weights<L: Lanes>(matrix: &Matrix, cells: usize, over_areas: bool) -> Weights<L> {
    match matrix {
        Matrix::Sparse(sparse) => Weights::Sparse(Arc::clone(sparse)),
        Matrix::Delayed(delayed) => Weights::Delayed(Arc::clone(delayed)),
        Matrix::Dense { n, weights } if !over_areas => {
            Weights::Rows(in_groups(*n, *n, |target, source| {
                weights[target * n + source]
            }))
        }
        Matrix::Dense { n, weights } => Weights::Columns(in_groups(cells, *n, |cell, source| {
            let mut column = L::splat(0.0);
            for lane in 0..L::WIDTH {
                let target = cell * L::WIDTH + lane;
                if target < *n {
                    column.set_lane(lane, weights[target * n + source]);
                }
            }
            column
        })),
    }
}

/// Whether all noise is white, not multiplied, and no two sources meet. Rows are sorted by cell.
fn is_plain<L>(rows: &[NoiseRow<L>]) -> bool {
    let alone = |cell: &[NoiseRow<L>]| {
        let mut targets: Vec<Target> = cell.iter().map(|r| r.target).collect();
        targets.sort_unstable();
        targets.windows(2).all(|pair| pair[0] != pair[1])
    };
    rows.iter().all(|r| r.decay == 0.0 && r.times.is_none())
        && rows.chunk_by(|a, b| a.cell == b.cell).all(alone)
}

/// Weights onto `cells` from `sources` in the order of the dense product.
fn in_groups<T>(cells: usize, sources: usize, of: impl Fn(usize, usize) -> T) -> Vec<T> {
    let mut out = Vec::with_capacity(cells * sources);
    for first in (0..cells).step_by(GROUP) {
        for source in 0..sources {
            out.extend((first..(first + GROUP).min(cells)).map(|cell| of(cell, source)));
        }
    }
    out
}

fn noise_rows<L: Lanes>(plan: &Plan, over_areas: bool) -> Vec<NoiseRow<L>> {
    let zero = L::splat(0.0);
    let mut rows: Vec<NoiseRow<L>> = Vec::new();
    let mut last_source = None;
    for channel in &plan.channels {
        let (cell, lanes) = if over_areas {
            let lane = channel.position % L::WIDTH;
            (channel.position / L::WIDTH, lane..lane + 1)
        } else {
            (channel.position, 0..L::WIDTH)
        };
        // Channels are sorted by source and position: those of one vector follow each other.
        let joins = over_areas
            && last_source == Some(channel.source)
            && rows.last().is_some_and(|r| r.cell == cell);
        if !joins {
            rows.push(NoiseRow {
                cell,
                target: channel.target,
                times: channel.times,
                sites: vec![Site(0); L::WIDTH],
                decay: channel.decay,
                amplitude: zero,
                mean: zero,
                start_sd: zero,
            });
        }
        last_source = Some(channel.source);
        let row = rows.last_mut().expect("pushed above");
        for lane in lanes {
            row.sites[lane] = channel.site;
            row.amplitude.set_lane(lane, channel.amplitude);
            row.mean.set_lane(lane, channel.mean);
            row.start_sd.set_lane(lane, channel.start_sd);
        }
    }
    // Stable: the sources of a cell stay in their order, which is that of their sum.
    rows.sort_by_key(|row| row.cell);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Pack;

    /// Numbers that stand in memory once are those that were given, wherever the same ones recur.
    #[test]
    fn equal_lanes_stand_once() {
        type Wide = Pack<16>;
        const FIELDS: usize = 3;
        let lanes = |x: f64| {
            let mut all = Wide::splat(x);
            all.set_lane(15, -0.0);
            all
        };
        // The same everywhere; the first again after another one; one of its own for each cell.
        let of = |cell: usize, field: usize| match field {
            0 => lanes(7.0),
            1 => lanes(if cell == 2 { 0.0 } else { -0.0 }),
            _ => lanes(cell as f64),
        };
        let cells = 5;
        let all = (0..cells * FIELDS).map(|n| of(n / FIELDS, n % FIELDS));
        let numbers = Numbers::own(all.collect(), FIELDS);
        assert_eq!(numbers.each.len(), 1 + 2 + cells);
        let view = numbers.view::<false>();
        assert_eq!(view.len(), cells * FIELDS);
        let bits = |x: Wide| -> Vec<u64> { (0..16).map(|k| x.lane(k).to_bits()).collect() };
        for cell in 0..cells {
            let group = view.group(cell, FIELDS);
            for field in 0..FIELDS {
                assert_eq!(
                    bits(group.number(field)),
                    bits(of(cell, field)),
                    "{cell} {field}"
                );
            }
        }
        assert_eq!(
            bits(
                Numbers::<Wide>::zero::<false>(4)
                    .view::<false>()
                    .group(3, 1)
                    .number(0)
            ),
            [0; 16]
        );
    }
}
