//! Integrators over the plan, each with its declared order.
//!
//! | stepper | deterministic order | strong order (noise that enters linearly) |
//! |---|---|---|
//! | Euler, synchronous or published order | 1 | 1 |
//! | Heun | 2 | – |
//! | RK4 | 4 | – |
//!
//! Orders hold between the edges of stimuli, which lie on the grid. [`Simulation`] runs a block of
//! lanes; [`linear`] gives fixed points and Jacobians of the same compiled equations.

mod constants;
mod kernel;
pub mod linear;

use crate::circuit::{CircuitVisitor, LocalCircuit};
use crate::ids::Replicate;
use crate::lanes::{Lanes, Pack};
use crate::plan::Plan;
use crate::rng::{Site, normal_pair, normal_pairs};
use constants::Constants;
use kernel::State;

/// Lanes that can look up noise: everything but dual numbers.
pub(crate) trait NoisyLanes: Lanes {
    /// Normal numbers of an even step and of the odd one after it, one address a lane.
    fn normal_pairs(seed: u64, pair: u32, sites: &[Site], replicates: &[Replicate])
    -> (Self, Self);
}

impl NoisyLanes for f64 {
    #[inline(always)]
    fn normal_pairs(seed: u64, pair: u32, sites: &[Site], replicates: &[Replicate]) -> (f64, f64) {
        normal_pair(seed, pair, sites[0], replicates[0])
    }
}

impl<const N: usize> NoisyLanes for Pack<N> {
    #[inline(always)]
    fn normal_pairs(
        seed: u64,
        pair: u32,
        sites: &[Site],
        replicates: &[Replicate],
    ) -> (Self, Self) {
        let sites = sites.first_chunk().expect("one site a lane");
        let replicates = replicates.first_chunk().expect("one replicate a lane");
        normal_pairs(seed, pair, sites, replicates)
    }
}

/// Samples of one block: `[variable][replicate][sample][area]`, room for `capacity` samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// Values.
    pub data: Vec<f64>,
    /// Room, in samples.
    pub capacity: usize,
    /// Samples written since the last [`Samples::clear`].
    pub written: usize,
    /// First value of each replicate that was not finite.
    pub diverged: Vec<Option<Divergence>>,
}

/// The first value that was not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Divergence {
    /// Sample.
    pub sample: u64,
    /// Circuit variable.
    pub variable: usize,
    /// Area, as its index in the connectome.
    pub area: usize,
}

impl Samples {
    /// Room for `capacity` samples of a block of `replicates`.
    #[must_use]
    pub fn new(plan: &Plan, replicates: usize, capacity: usize) -> Self {
        let record = &plan.record;
        let size = record.variables.len() * replicates * capacity * record.areas.len();
        Samples {
            data: vec![0.0; size],
            capacity,
            written: 0,
            diverged: vec![None; replicates],
        }
    }

    /// Forgets the samples, keeps the room.
    pub fn clear(&mut self) {
        self.written = 0;
    }
}

trait Block: Send {
    fn advance(&mut self, samples: &mut Samples, until: u64);
    fn step(&self) -> u64;
}

struct Runner<'a, C, L> {
    plan: &'a Plan,
    constants: Constants<L>,
    state: State<L>,
    circuit: std::marker::PhantomData<C>,
}

impl<C: LocalCircuit, L: NoisyLanes> Block for Runner<'_, C, L> {
    fn step(&self) -> u64 {
        self.state.step
    }

    fn advance(&mut self, samples: &mut Samples, until: u64) {
        let isa = self.constants.isa;
        kernel::run::<C, L>(
            isa,
            self.plan,
            &self.constants,
            &mut self.state,
            samples,
            until,
        );
    }
}

/// One block of lanes on its way through time.
pub struct Simulation<'a> {
    block: Box<dyn Block + 'a>,
    replicates: usize,
}

impl<'a> Simulation<'a> {
    /// A block of `replicates` from `first` on, that starts from `start`, `[position][variable]`.
    #[must_use]
    pub fn new(plan: &'a Plan, first: u32, replicates: u32, start: &[f64]) -> Self {
        struct Make<'a, 's> {
            plan: &'a Plan,
            replicates: Vec<Replicate>,
            start: &'s [f64],
        }
        impl<'a> Make<'a, '_> {
            fn make<C: LocalCircuit, L: NoisyLanes>(self) -> Box<dyn Block + 'a> {
                let constants = Constants::<L>::new(self.plan, self.plan.lanes.axis);
                let state = State::new(self.plan, &constants, self.start, self.replicates);
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
                match self.plan.lanes.width {
                    8 => self.make::<C, Pack<8>>(),
                    4 => self.make::<C, Pack<4>>(),
                    _ => self.make::<C, f64>(),
                }
            }
        }
        let replicates: Vec<Replicate> = (first..first + replicates).map(Replicate).collect();
        let count = replicates.len();
        let block = plan.circuit.visit(Make {
            plan,
            replicates,
            start,
        });
        Simulation {
            block,
            replicates: count,
        }
    }

    /// Number of replicates in the block.
    #[must_use]
    pub fn replicates(&self) -> usize {
        self.replicates
    }

    /// Runs until the samples are full or the last step is done.
    pub fn advance(&mut self, samples: &mut Samples) {
        self.block.advance(samples, u64::MAX);
    }

    /// Runs until the samples are full, the step `until` is reached, or the last step is done.
    pub fn advance_until(&mut self, samples: &mut Samples, until: u64) {
        self.block.advance(samples, until);
    }

    /// The next step.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.block.step()
    }
}

#[cfg(test)]
mod tests {
    use super::constants::Constants;
    use super::kernel::{self, Isa, State};
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
            let mut constants = Constants::<L>::new(self.plan, self.plan.lanes.axis);
            constants.isa = self.isa;
            let start = linear::start_state(self.plan).unwrap();
            let replicates = vec![Replicate(0); 1];
            let mut state = State::new(self.plan, &constants, &start, replicates);
            let mut samples = Samples::new(self.plan, 1, self.plan.record.samples as usize);
            kernel::run::<C, L>(
                self.isa,
                self.plan,
                &constants,
                &mut state,
                &mut samples,
                u64::MAX,
            );
            samples.data.iter().map(|x| x.to_bits()).collect()
        }
    }

    impl CircuitVisitor for Run<'_> {
        type Output = Vec<u64>;

        fn visit<C: LocalCircuit>(self) -> Vec<u64> {
            match self.plan.lanes.width {
                8 => self.bits::<C, Pack<8>>(),
                _ => self.bits::<C, f64>(),
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
