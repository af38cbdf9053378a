//! Artificial recurrent networks as arrays: what can be said of their weights without simulating a cortex.
//!
//! The same networks run as experiments: a unit is an area with the circuit `leaky_rnn`, the matrix a projection
//! of weights of either sign. Here they are small pure functions: steps, the equivalent feedforward network,
//! patterns stored in weights, streams of symbols and a network that compares them.

pub mod hopfield;
pub mod n_back;
pub mod rnn;
pub mod unroll;

use crate::rng::{Site, below};

/// What is wrong with arrays that should make a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub String);

/// Draws of a named purpose, one after another: exact by seed on every machine.
#[derive(Debug, Clone)]
struct Draws {
    seed: u64,
    site: Site,
    next: u32,
}

impl Draws {
    fn new(seed: u64, purpose: &str) -> Self {
        Draws {
            seed,
            site: Site::new("artificial", purpose, ""),
            next: 0,
        }
    }

    /// A whole number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        let drawn = below(self.seed, self.next, self.site, bound as u64);
        self.next += 1;
        drawn as usize
    }

    /// Whether something of this probability happens.
    fn happens(&mut self, probability: f64) -> bool {
        const PARTS: usize = 1 << 53;
        (self.below(PARTS) as f64) < probability * PARTS as f64
    }

    /// The numbers below `n` in random order.
    fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let other = self.below(last + 1);
            order.swap(last, other);
        }
        order
    }
}
