//! Integrators over the plan, each with its declared order.
//!
//! [`ORDERS`] says what each stepper promises; `tests/convergence.rs` measures it. Orders hold between
//! the edges of stimuli, which lie on the grid. [`Simulation`] runs a block of lanes; [`linear`] gives
//! fixed points and Jacobians of the same compiled equations.

mod constants;
pub(crate) mod isa;
mod kernel;
pub mod linear;
mod ranks;
mod snapshot;
mod sums;

use crate::circuit::{CircuitVisitor, LocalCircuit};
#[cfg(target_arch = "x86_64")]
use crate::lanes::{Avx2, Avx512};
use crate::lanes::{Isa, Lanes, Pack, Vectors, box_muller};
use crate::plan::{Axis, Member, Plan};
use crate::rng::{Keys, uniform_pairs};
use crate::spec::Stepper;
use constants::Constants;
use isa::may_share;
use kernel::State;
use snapshot::{Carry, Restore, Save};

pub use constants::decay_step;
pub use kernel::{WATCH_STEPS, bounds};
pub use ranks::{Among, Exchange, Share};

/// The order of a stepper: the error shrinks as this power of dt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Orders {
    /// Which one.
    pub stepper: Stepper,
    /// Without noise.
    pub deterministic: f64,
    /// Without noise, with delays that are whole numbers of steps.
    pub delayed: f64,
    /// Without noise, with delays that are interpolated.
    pub interpolated: f64,
    /// Of single paths, with noise that enters linearly.
    pub strong: f64,
    /// Of single paths, with noise that a variable multiplies.
    pub strong_multiplicative: f64,
    /// Of means, with noise that enters linearly.
    pub weak: f64,
}

/// The declared orders.
///
/// White noise that is multiplied is Itô's with the methods of Euler, Stratonovich's with the others.
/// Rounding a delay that is no whole number of steps is an error of order 1 in itself.
pub const ORDERS: [Orders; 4] = [
    Orders {
        stepper: Stepper::Euler,
        deterministic: 1.0,
        delayed: 1.0,
        interpolated: 1.0,
        strong: 1.0,
        strong_multiplicative: 0.5,
        weak: 1.0,
    },
    Orders {
        stepper: Stepper::ExponentialEuler,
        deterministic: 1.0,
        delayed: 1.0,
        interpolated: 1.0,
        strong: 1.0,
        strong_multiplicative: 0.5,
        weak: 1.0,
    },
    Orders {
        stepper: Stepper::Heun,
        deterministic: 2.0,
        delayed: 2.0,
        interpolated: 2.0,
        strong: 1.0,
        strong_multiplicative: 1.0,
        weak: 2.0,
    },
    Orders {
        stepper: Stepper::Rk4,
        deterministic: 4.0,
        delayed: 4.0,
        interpolated: 2.0,
        strong: 1.0,
        strong_multiplicative: 1.0,
        weak: 2.0,
    },
];

/// Lanes that can look up noise: everything but dual numbers.
pub(crate) trait NoisyLanes: Lanes {
    /// A 64-bit word a lane.
    type Words: Copy + Send + Sync;

    /// Words by lane.
    fn words(of: impl Fn(usize) -> u64) -> Self::Words;

    /// Uniform numbers of a pair of lookups, one address a lane.
    fn uniforms(
        keys: &Keys,
        pair: u32,
        sites: &Self::Words,
        replicates: &Self::Words,
    ) -> (Self, Self);

    /// Normal numbers made of them: of the even lookup and of the odd one after it.
    fn normals(u1: Self, u2: Self) -> (Self, Self);
}

impl NoisyLanes for f64 {
    type Words = [u64; 1];

    fn words(of: impl Fn(usize) -> u64) -> [u64; 1] {
        [of(0)]
    }

    #[inline(always)]
    fn uniforms(keys: &Keys, pair: u32, site: &[u64; 1], replicate: &[u64; 1]) -> (f64, f64) {
        let (u1, u2) = uniform_pairs(keys, pair, site, replicate);
        (u1[0], u2[0])
    }

    #[inline(always)]
    fn normals(u1: f64, u2: f64) -> (f64, f64) {
        let (even, odd) = box_muller([u1], [u2]);
        (even[0], odd[0])
    }
}

impl<const N: usize, V: Vectors> NoisyLanes for Pack<N, V> {
    type Words = [u64; N];

    fn words(of: impl Fn(usize) -> u64) -> [u64; N] {
        std::array::from_fn(of)
    }

    #[inline(always)]
    fn uniforms(keys: &Keys, pair: u32, sites: &[u64; N], replicates: &[u64; N]) -> (Self, Self) {
        let (u1, u2) = uniform_pairs(keys, pair, sites, replicates);
        (Pack::new(u1), Pack::new(u2))
    }

    #[inline(always)]
    fn normals(u1: Self, u2: Self) -> (Self, Self) {
        let (even, odd) = box_muller(u1.numbers(), u2.numbers());
        (Pack::new(even), Pack::new(odd))
    }
}

/// Samples of one block: `[variable][run][sample][area]`, room for `capacity` samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Values; NaN from the sample on at which a run was stopped.
    pub data: Vec<f64>,
    /// Room, in samples.
    pub capacity: usize,
    /// Samples written since the last [`Samples::clear`].
    pub written: usize,
    /// Areas of a sample.
    pub areas: usize,
}

/// Where a run left its bounds and was stopped.
///
/// Runs are watched at every sample and every [`WATCH_STEPS`] steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stop {
    /// Step at which it was noticed.
    pub step: u64,
    /// Circuit variable.
    pub variable: usize,
    /// Area, as its index in the connectome.
    pub area: usize,
    /// What was found.
    pub value: f64,
}

impl Samples {
    /// Room for `capacity` samples of a block of `runs`.
    #[must_use]
    pub fn new(plan: &Plan, runs: usize, capacity: usize) -> Self {
        let record = &plan.record;
        let size = record.variables.len() * runs * capacity * record.areas.len();
        Samples {
            data: vec![0.0; size],
            capacity,
            written: 0,
            areas: record.areas.len(),
        }
    }

    /// Forgets the samples, keeps the room.
    pub fn clear(&mut self) {
        self.written = 0;
    }
}

trait Block: Send {
    fn advance(&mut self, samples: &mut Samples, until: u64, among: Option<Among<'_>>);
    fn step(&self) -> u64;
    fn stops(&self) -> &[Option<Stop>];
    fn is_parallel(&self) -> bool;
    fn carry(&mut self, by: &mut dyn Carry);
    fn revise(&mut self, by: &mut Revise<'_>);
    fn save_among(&mut self, exchange: &dyn Exchange) -> Vec<u64>;
    fn restore_among(&mut self, words: &[u64], exchange: &dyn Exchange) -> bool;
}

/// Is shown the variables of an area at a position in a run, and may change its states.
pub type Revise<'a> = dyn FnMut(usize, usize, &mut [f64]) + 'a;

struct Runner<'a, C, L: NoisyLanes> {
    plan: &'a Plan,
    constants: Constants<L>,
    state: State<L>,
    circuit: std::marker::PhantomData<C>,
}

impl<C: LocalCircuit, L: NoisyLanes> Block for Runner<'_, C, L> {
    fn step(&self) -> u64 {
        self.state.step
    }

    fn stops(&self) -> &[Option<Stop>] {
        &self.state.stops
    }

    fn is_parallel(&self) -> bool {
        self.state.is_parallel()
    }

    fn carry(&mut self, by: &mut dyn Carry) {
        self.state.carry(by);
    }

    fn revise(&mut self, by: &mut Revise<'_>) {
        let variables = self.plan.circuit.info().variables.len();
        self.state.revise(&self.constants, variables, by);
    }

    fn save_among(&mut self, exchange: &dyn Exchange) -> Vec<u64> {
        self.state.complete(self.plan, exchange);
        let mut parts = Save::default();
        self.state.carry_parts(&mut parts);
        let parts = exchange.collect(&parts.words);
        let mut save = Save::default();
        self.state.carry_common(&mut save);
        save.words.extend(parts.into_iter().flatten());
        self.state.carry_stops(&mut save);
        save.words
    }

    fn restore_among(&mut self, words: &[u64], exchange: &dyn Exchange) -> bool {
        let mut own = Save::default();
        self.state.carry_parts(&mut own);
        let count = own.words.len();
        let (mut before, mut after) = (0, 0);
        if let Some(split) = self.state.split() {
            let counts = split.share_few(exchange, &[count as f64]).iter();
            let counts: Vec<usize> = counts.map(|count| *count as usize).collect();
            before = counts[..exchange.rank()].iter().sum();
            after = counts[exchange.rank() + 1..].iter().sum();
        }
        let mut restore = Restore::new(words);
        self.state.carry_common(&mut restore);
        restore.skip(before);
        self.state.carry_parts(&mut restore);
        restore.skip(after);
        self.state.carry_stops(&mut restore);
        restore.fits()
    }

    fn advance(&mut self, samples: &mut Samples, until: u64, among: Option<Among<'_>>) {
        let (plan, c, state) = (self.plan, &self.constants, &mut self.state);
        if const { may_share::<L>() } && c.shared {
            kernel::advance::<C, L, true>(plan, c, state, samples, until, among);
        } else {
            kernel::advance::<C, L, false>(plan, c, state, samples, until, among);
        }
    }
}

/// One block of lanes on its way through time.
pub struct Simulation<'a> {
    block: Box<dyn Block + 'a>,
    replicates: usize,
}

impl<'a> Simulation<'a> {
    /// A block of `runs` of the plan's members from `first` on, all of condition 0, that starts from
    /// `start`, `[position][variable]`.
    #[must_use]
    pub fn new(plan: &'a Plan, first: u32, runs: u32, start: &[f64]) -> Self {
        Self::of_conditions(plan, first, runs, &[start])
    }

    /// The same with one start for all conditions, or one for each.
    #[must_use]
    pub fn of_conditions(plan: &'a Plan, first: u32, runs: u32, starts: &[&[f64]]) -> Self {
        Self::of_share(plan, first, runs, starts, Share::WHOLE)
    }

    /// The share of one of several processes, of which there are at most as many as the network has
    /// [`parts`]; they advance, save and restore together.
    #[must_use]
    pub fn of_share(
        plan: &'a Plan,
        first: u32,
        runs: u32,
        starts: &[&[f64]],
        share: Share,
    ) -> Self {
        struct Make<'a, 's> {
            plan: &'a Plan,
            members: Vec<Member>,
            starts: &'s [&'s [f64]],
            share: Share,
        }
        impl<'a> Make<'a, '_> {
            fn make<C: LocalCircuit, L: NoisyLanes>(self) -> Box<dyn Block + 'a> {
                let constants = Constants::<L>::new(self.plan, self.plan.lanes.axis, &self.members);
                let (members, starts) = (&self.members[..], self.starts);
                let state = State::new(self.plan, &constants, members, starts, self.share);
                let circuit = std::marker::PhantomData::<C>;
                Box::new(Runner {
                    plan: self.plan,
                    constants,
                    state,
                    circuit,
                })
            }
        }
        impl<'a> CircuitVisitor for Make<'a, '_> {
            type Output = Box<dyn Block + 'a>;

            fn visit<C: LocalCircuit>(self) -> Self::Output {
                // The widths of `crate::plan::WIDTHS`.
                match (self.plan.lanes.width, Isa::detect()) {
                    #[cfg(all(target_arch = "x86_64", not(test)))]
                    (16, Isa::Avx512) => self.make::<C, Pack<16, Avx512>>(),
                    #[cfg(target_arch = "x86_64")]
                    (8, Isa::Avx512) => self.make::<C, Pack<8, Avx512>>(),
                    #[cfg(target_arch = "x86_64")]
                    (8, Isa::Avx2) => self.make::<C, Pack<8, Avx2>>(),
                    #[cfg(all(target_arch = "x86_64", not(test)))]
                    (4, Isa::Avx512 | Isa::Avx2) => self.make::<C, Pack<4, Avx2>>(),
                    #[cfg(not(any(target_arch = "x86_64", test)))]
                    (16, _) => self.make::<C, Pack<16>>(),
                    #[cfg(not(target_arch = "x86_64"))]
                    (8, _) => self.make::<C, Pack<8>>(),
                    #[cfg(not(any(target_arch = "x86_64", test)))]
                    (4, _) => self.make::<C, Pack<4>>(),
                    (1, _) => self.make::<C, f64>(),
                    (width, isa) => unreachable!("{width} lanes are not compiled for {isa:?}"),
                }
            }
        }
        let members = plan.members_of(first, runs);
        let count = members.len();
        let block = plan.circuit.visit(Make {
            plan,
            members,
            starts,
            share,
        });
        Simulation {
            block,
            replicates: count,
        }
    }

    /// Number of runs in the block.
    #[must_use]
    pub fn replicates(&self) -> usize {
        self.replicates
    }

    /// Where each run of the block left its bounds, if it did.
    #[must_use]
    pub fn stops(&self) -> &[Option<Stop>] {
        self.block.stops()
    }

    /// Whether a step of the block is shared out among threads.
    #[must_use]
    pub fn is_parallel(&self) -> bool {
        self.block.is_parallel()
    }

    /// Runs until the samples are full or the last step is done.
    pub fn advance(&mut self, samples: &mut Samples) {
        self.block.advance(samples, u64::MAX, None);
    }

    /// Runs until the samples are full, the step `until` is reached, or the last step is done.
    pub fn advance_until(&mut self, samples: &mut Samples, until: u64) {
        self.block.advance(samples, until, None);
    }

    /// The same for the share of a process: all of them call it with the same room and step. Samples of areas that
    /// others step are left as they are.
    pub fn advance_among(&mut self, samples: &mut Samples, until: u64, among: Among<'_>) {
        self.block.advance(samples, until, Some(among));
    }

    /// The next step.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.block.step()
    }

    /// Shows the variables of every area in every run of the block, by run and position, to whoever may change
    /// the states between two steps. Delayed projections go on with what was sent before.
    pub fn revise(&mut self, by: &mut Revise<'_>) {
        self.block.revise(by);
    }

    /// Everything that later steps depend on, for [`Simulation::restore`].
    #[must_use]
    pub fn save(&mut self) -> Vec<u64> {
        let mut save = Save::default();
        self.block.carry(&mut save);
        save.words
    }

    /// Goes back to what was saved of the same block of the same plan with the same lanes. Says whether
    /// the words fit; if they do not, the block is of no use any longer.
    #[must_use]
    pub fn restore(&mut self, words: &[u64]) -> bool {
        let mut restore = Restore::new(words);
        self.block.carry(&mut restore);
        restore.fits()
    }

    /// As [`Simulation::save`] for the share of a process: all call it together, and rank 0 gets the words that one
    /// process with the whole network would save. Those of the others are of no use.
    #[must_use]
    pub fn save_among(&mut self, exchange: &dyn Exchange) -> Vec<u64> {
        self.block.save_among(exchange)
    }

    /// As [`Simulation::restore`] for the share of a process: all call it together with the words that rank 0, or
    /// one process with the whole network, has saved.
    #[must_use]
    pub fn restore_among(&mut self, words: &[u64], exchange: &dyn Exchange) -> bool {
        self.block.restore_among(words, exchange)
    }
}

/// Parts of a network, of which processes and threads step some each: as many processes may share it at most.
#[must_use]
pub fn parts(plan: &Plan) -> usize {
    cells_of_parts(plan).len()
}

fn cells_of_parts(plan: &Plan) -> Vec<std::ops::Range<usize>> {
    let over_areas = plan.lanes.axis == Axis::Areas;
    kernel::cells_of_parts(plan.n_areas(), plan.lanes.width, over_areas)
}

/// Positions of the areas that a process steps, for [`Plan::keep_rows`].
#[must_use]
pub fn positions(plan: &Plan, share: Share) -> std::ops::Range<usize> {
    let parts = cells_of_parts(plan);
    let own = &parts[share.parts(parts.len())];
    let width = match plan.lanes.axis {
        Axis::Areas => plan.lanes.width,
        Axis::Replicates => 1,
    };
    let bounds = |cell: usize| (cell * width).min(plan.n_areas());
    match (own.first(), own.last()) {
        (Some(first), Some(last)) => bounds(first.start)..bounds(last.end),
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests {
    use super::constants::Constants;
    use super::kernel::{self, State};
    use super::*;
    use crate::network::Network;
    use crate::plan::Execution;
    use crate::spec;

    /// Bits of a noisy run with the hot code compiled for one instruction set.
    struct Run<'a> {
        plan: &'a Plan,
        isa: Isa,
    }

    impl Run<'_> {
        fn bits<C: LocalCircuit, L: NoisyLanes>(&self) -> Vec<u64> {
            let (plan, members) = (self.plan, &self.plan.members_of(0, 1)[..]);
            let mut constants = Constants::<L>::new(plan, plan.lanes.axis, members);
            constants.isa = self.isa;
            let start = linear::start_state(plan).unwrap();
            let starts = [&start[..]];
            let mut state = State::new(plan, &constants, members, &starts, Share::WHOLE);
            let mut samples = Samples::new(plan, 1, plan.record.samples as usize);
            let (c, until) = (&constants, u64::MAX);
            kernel::advance::<C, L, false>(plan, c, &mut state, &mut samples, until, None);
            samples.data.iter().map(|x| x.to_bits()).collect()
        }
    }

    impl CircuitVisitor for Run<'_> {
        type Output = Vec<u64>;

        fn visit<C: LocalCircuit>(self) -> Vec<u64> {
            match (self.plan.lanes.width, self.isa) {
                #[cfg(target_arch = "x86_64")]
                (8, Isa::Avx512) => self.bits::<C, Pack<8, Avx512>>(),
                #[cfg(target_arch = "x86_64")]
                (8, Isa::Avx2) => self.bits::<C, Pack<8, Avx2>>(),
                _ => self.bits::<C, f64>(),
            }
        }
    }

    /// A short run of all replicates, block by block; bits by run, sample and area.
    fn bits(network: &Network, spec: &spec::ExperimentSpec, execution: Execution) -> Vec<u64> {
        let plan = Plan::compile(network, spec, execution).unwrap();
        let start = linear::start_state(&plan).unwrap();
        let mut out = Vec::new();
        for (first, runs) in plan.blocks() {
            let count = plan.record.samples as usize;
            let mut samples = Samples::new(&plan, runs as usize, count);
            Simulation::new(&plan, first, runs, &start).advance(&mut samples);
            assert_eq!(samples.written, count);
            out.extend(samples.data.iter().map(|x| x.to_bits()));
        }
        out
    }

    /// Every loop that reads past the checks of the language, over all lanes: small enough for Miri, an interpreter
    /// that watches each access to memory.
    #[test]
    fn small_networks_give_the_same_bits_over_lanes() {
        let areas: String = (0..10)
            .map(|k| format!("a{k}: {{hierarchy_norm: 0.{k}}}, "))
            .collect();
        let text = format!(
            "title: small\nfrom: chaudhuri2015\nconnectome: {{data: null, areas: {{{areas}}}, all_to_all: {{weight: \
             0.02}}}}\nsimulation: {{duration: 4 ms, dt: 0.2 ms, replicates: 3, order: \
             synchronous}}\nrecord: {{variables: [nu_E], \
             every: 0.4 ms}}\nanalysis: null\n"
        );
        let into_input = "noise.a={kind: white, into: I_E, sd: 0.5 pA, bin: 0.2 ms}";
        let into_slope = "noise.b={kind: white, into: nu_I, sd: 0.1 Hz/ms, bin: 1 ms}";
        let coloured = "noise={b: {kind: ornstein_uhlenbeck, into: I_E, sd: 0.5 pA, tau: 5 ms}}";
        let delay = "projections.long_range.delay={kind: constant, value: 1.1 ms}";
        for sets in [
            &[][..],
            &[into_input],
            &[into_slope],
            &[into_input, into_slope],
            &[coloured],
            &[into_input, delay],
            &[delay, "simulation.delays=interpolated"],
            &[into_input, into_slope, "simulation.stepper=heun"],
            &["simulation.order=published"],
        ] {
            let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
            let spec = spec::from_text("small", &text, &sets).unwrap();
            let network = Network::build(&spec).unwrap();
            let over = |axis, width| {
                let execution = Execution {
                    width: Some(width),
                    axis: Some(axis),
                };
                bits(&network, &spec, execution)
            };
            let one = over(crate::plan::Axis::Areas, 1);
            for width in crate::plan::WIDTHS {
                assert!(over(crate::plan::Axis::Areas, width) == one, "{sets:?}");
                assert!(
                    over(crate::plan::Axis::Replicates, width) == one,
                    "{sets:?}"
                );
            }
        }
    }

    #[test]
    fn every_instruction_set_of_this_machine_gives_the_same_bits() {
        let noise = "noise={a: {kind: white, into: I_E, sd: 0.5 pA, bin: 0.2 ms}, \
                     b: {kind: ornstein_uhlenbeck, into: I_E, sd: 0.5 pA, tau: 5 ms}}";
        for model in ["chaudhuri2015", "chaudhuri2015_nonlinear"] {
            let sets = [noise, "simulation.duration=40 ms"].map(str::to_owned);
            let spec = spec::load(model, &sets).unwrap();
            let network = Network::build(&spec).unwrap();
            for width in [1, 8] {
                let execution = Execution {
                    width: Some(width),
                    axis: Some(crate::plan::Axis::Areas),
                };
                let plan = Plan::compile(&network, &spec, execution).unwrap();
                let run = |isa| plan.circuit.visit(Run { plan: &plan, isa });
                let base = run(Isa::Base);
                // In the order of inclusion: a machine has all sets up to its widest.
                for isa in [Isa::Avx2, Isa::Avx512] {
                    if isa == Isa::detect() || Isa::detect() == Isa::Avx512 {
                        assert!(run(isa) == base, "{model}, {width} lanes, {isa:?}");
                    }
                }
            }
        }
    }
}
