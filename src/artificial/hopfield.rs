//! Patterns stored in symmetric weights (Hopfield 1982, PNAS 79:2554), and how much such a network holds
//! (Amit, Gutfreund & Sompolinsky 1985, Phys Rev Lett 55:1530).
//!
//! States are 1 and -1. w_ij = sum_a x_i^a x_j^a / D, w_ii = 0, where D is the number of units or that of
//! patterns. Sums of patterns are kept undivided, as whole numbers, so that ties are ties.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::{Draws, Misfit};

/// What the sums over patterns are divided by: the scale of the energy, without effect on the dynamics at
/// threshold 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divisor {
    /// The number of units, as Hopfield did.
    #[default]
    Units,
    /// The number of patterns.
    Patterns,
}

/// Order of updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// One unit after another, in a new random order in every sweep.
    #[default]
    Asynchronous,
    /// All units from the states before.
    Synchronous,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The last state.
    pub state: Array1<f64>,
    /// Sweeps, or synchronous steps, with the one that changed nothing.
    pub sweeps: usize,
    /// Whether the last sweep changed nothing.
    pub fixed: bool,
    /// Whether the last two synchronous states alternate.
    pub alternates: bool,
}

/// A network that holds patterns.
#[derive(Debug, Clone)]
pub struct Hopfield {
    /// Sums over patterns of x_i x_j, whole numbers, 0 on the diagonal.
    sums: Array2<f64>,
    divisor: f64,
    /// Thresholds.
    theta: Array1<f64>,
}

impl Hopfield {
    /// Stores patterns [pattern, unit] of 1 and -1; thresholds are 0.
    ///
    /// # Errors
    /// No pattern, no unit, other numbers.
    pub fn store(patterns: ArrayView2<'_, f64>, divisor: Divisor) -> Result<Hopfield, Misfit> {
        if patterns.is_empty() {
            let message = format!(
                "patterns: found {:?}, expected at least one",
                patterns.dim()
            );
            return Err(Misfit(message));
        }
        if let Some(odd) = patterns.iter().find(|x| x.abs() != 1.0) {
            return Err(Misfit(format!("patterns: found {odd}, expected 1 and -1")));
        }
        let mut sums = patterns.t().dot(&patterns);
        sums.diag_mut().fill(0.0);
        let n = patterns.ncols();
        Ok(Hopfield {
            sums,
            divisor: match divisor {
                Divisor::Units => n as f64,
                Divisor::Patterns => patterns.nrows() as f64,
            },
            theta: Array1::zeros(n),
        })
    }

    /// The same with a threshold for every unit.
    ///
    /// # Errors
    /// Another number of thresholds.
    pub fn with_thresholds(mut self, theta: Array1<f64>) -> Result<Hopfield, Misfit> {
        if theta.len() != self.theta.len() {
            let (found, expected) = (theta.len(), self.theta.len());
            return Err(Misfit(format!(
                "thresholds: found {found}, expected {expected}"
            )));
        }
        self.theta = theta;
        Ok(self)
    }

    /// The same with the links that `keep` names only: from where to where the patterns may spread.
    #[must_use]
    pub fn masked(mut self, keep: impl Fn(usize, usize) -> bool) -> Hopfield {
        for ((i, j), w) in self.sums.indexed_iter_mut() {
            if !keep(i, j) {
                *w = 0.0;
            }
        }
        self
    }

    /// w [unit, unit].
    #[must_use]
    pub fn weights(&self) -> Array2<f64> {
        &self.sums / self.divisor
    }

    /// E = -1/2 sum w_ij x_i x_j + sum theta_i x_i.
    #[must_use]
    pub fn energy(&self, x: ArrayView1<'_, f64>) -> f64 {
        -0.5 * x.dot(&self.sums.dot(&x)) / self.divisor + self.theta.dot(&x)
    }

    /// -sum x_i w_ij y_j, which synchronous steps from y to x never raise at threshold 0.
    #[must_use]
    pub fn energy_of_steps(&self, x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
        -x.dot(&self.sums.dot(&y)) / self.divisor
    }

    /// 1 where what a unit receives exceeds its threshold, else -1; a tie gives -1.
    fn answer(&self, i: usize, received: f64) -> f64 {
        if received > self.theta[i] * self.divisor {
            1.0
        } else {
            -1.0
        }
    }

    /// All units from the states before.
    #[must_use]
    pub fn synchronous(&self, x: ArrayView1<'_, f64>) -> Array1<f64> {
        let received = self.sums.dot(&x);
        received
            .iter()
            .enumerate()
            .map(|(i, &h)| self.answer(i, h))
            .collect()
    }

    /// Updates until nothing changes, or `most` sweeps are over. Units in `clamped` stay as they are.
    #[must_use]
    pub fn settle(
        &self,
        start: ArrayView1<'_, f64>,
        update: Update,
        clamped: &[usize],
        most: usize,
        seed: u64,
    ) -> Settled {
        let n = start.len();
        let mut free = vec![true; n];
        clamped.iter().for_each(|&i| free[i] = false);
        let mut x = start.to_owned();
        let mut before: Option<Array1<f64>> = None;
        let mut draws = Draws::new(seed, "order");
        let mut received = self.sums.dot(&x);
        for sweep in 1..=most {
            let old = x.clone();
            if update == Update::Synchronous {
                let new = self.synchronous(x.view());
                (0..n).filter(|&i| free[i]).for_each(|i| x[i] = new[i]);
            } else {
                for i in draws.order(n) {
                    let new = self.answer(i, received[i]);
                    if free[i] && new != x[i] {
                        received.scaled_add(new - x[i], &self.sums.column(i));
                        x[i] = new;
                    }
                }
            }
            let fixed = x == old;
            let alternates = !fixed && before.as_ref() == Some(&x);
            if fixed || alternates {
                return Settled {
                    state: x,
                    sweeps: sweep,
                    fixed,
                    alternates,
                };
            }
            before = Some(old);
        }
        Settled {
            state: x,
            sweeps: most,
            fixed: false,
            alternates: false,
        }
    }
}

/// Learning in three factors, dw_ij = y x_i x_j / D over one presentation, w_ii = 0: with y = 0 nothing is
/// learned, with y = 1 presentations of all patterns give the stored weights.
pub fn learn(weights: &mut Array2<f64>, x: ArrayView1<'_, f64>, y: f64, divisor: f64) {
    if y == 0.0 {
        return;
    }
    for ((i, j), w) in weights.indexed_iter_mut() {
        if i != j {
            *w += y * x[i] * x[j] / divisor;
        }
    }
}

/// Random patterns [pattern, unit], each unit 1 or -1 as likely.
#[must_use]
pub fn random_patterns(patterns: usize, units: usize, seed: u64) -> Array2<f64> {
    let mut draws = Draws::new(seed, "patterns");
    Array2::from_shape_simple_fn((patterns, units), || match draws.below(2) {
        0 => -1.0,
        _ => 1.0,
    })
}

/// A pattern with this share of its units, drawn at random, turned over.
#[must_use]
pub fn flipped(pattern: ArrayView1<'_, f64>, share: f64, seed: u64) -> Array1<f64> {
    let mut x = pattern.to_owned();
    let n = (share * x.len() as f64).round() as usize;
    let order = Draws::new(seed, "flips").order(x.len());
    order.into_iter().take(n).for_each(|i| x[i] = -x[i]);
    x
}

/// A pattern of which only these units are given; the others are random.
#[must_use]
pub fn partial(pattern: ArrayView1<'_, f64>, given: &[usize], seed: u64) -> Array1<f64> {
    let mut x = random_patterns(1, pattern.len(), seed)
        .index_axis(Axis(0), 0)
        .to_owned();
    given.iter().for_each(|&i| x[i] = pattern[i]);
    x
}

/// Overlap of a state with a pattern over these units: 1 for the pattern, -1 for its negative.
#[must_use]
pub fn overlap(
    x: ArrayView1<'_, f64>,
    pattern: ArrayView1<'_, f64>,
    units: std::ops::Range<usize>,
) -> f64 {
    let n = units.len() as f64;
    units.map(|i| x[i] * pattern[i]).sum::<f64>() / n
}

/// Probability that a unit of a stored pattern is wrong after one step, at a load of patterns per unit.
#[must_use]
pub fn one_step_error(load: f64) -> f64 {
    0.5 * libm::erfc(1.0 / (2.0 * load).sqrt())
}

/// Overlap with a stored pattern of the state at rest beside it, in a large network at this load; `None` beyond
/// capacity.
///
/// The largest y that solves erf(y) = y (sqrt(2 load) + 2/sqrt(pi) e^(-y^2)) gives erf(y).
#[must_use]
pub fn retrieval_overlap(load: f64) -> Option<f64> {
    const STEP: f64 = 1e-3;
    let f = |y: f64| {
        let noise = (2.0 * load).sqrt() + std::f64::consts::FRAC_2_SQRT_PI * (-y * y).exp();
        libm::erf(y) - y * noise
    };
    // From far above, where f is negative, down to the first point at which it is not.
    let mut high = 1.0 + 1.0 / (2.0 * load).sqrt();
    let mut low = high - STEP;
    while f(low) < 0.0 {
        high = low;
        low -= STEP;
        // Closer to y = 0, a solution at every load, f is as good as 0.
        if low < 0.1 {
            return None;
        }
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        match f(middle) < 0.0 {
            true => high = middle,
            false => low = middle,
        }
    }
    Some(libm::erf(low))
}

/// Largest load at which [`retrieval_overlap`] exists, patterns per unit.
#[must_use]
pub fn capacity() -> f64 {
    let (mut low, mut high) = (0.05, 0.3);
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        match retrieval_overlap(middle) {
            Some(_) => low = middle,
            None => high = middle,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(patterns: usize, units: usize, seed: u64) -> (Array2<f64>, Hopfield) {
        let x = random_patterns(patterns, units, seed);
        let net = Hopfield::store(x.view(), Divisor::Units).unwrap();
        (x, net)
    }

    fn all(x: &Array1<f64>) -> std::ops::Range<usize> {
        0..x.len()
    }

    /// Sweep by sweep from random states, with thresholds, too.
    #[test]
    fn asynchronous_updates_never_raise_the_energy() {
        let (_, net) = made(30, 200, 1);
        let theta = random_patterns(1, 200, 9).row(0).mapv(|x| 0.05 * x);
        for net in [net.clone(), net.with_thresholds(theta).unwrap()] {
            for seed in 0..5 {
                let mut x = random_patterns(1, 200, 100 + seed).row(0).to_owned();
                let mut energy = net.energy(x.view());
                for sweep in 0..100 {
                    let next = net.settle(x.view(), Update::Asynchronous, &[], 1, 7 * seed + sweep);
                    let now = net.energy(next.state.view());
                    assert!(now <= energy + 1e-9);
                    (x, energy) = (next.state, now);
                    if next.fixed {
                        break;
                    }
                }
                assert!(net.settle(x.view(), Update::Asynchronous, &[], 1, 0).fixed);
            }
        }
    }

    #[test]
    fn synchronous_steps_may_alternate_and_lower_their_own_energy() {
        // Two units that excite each other exchange their states for ever.
        let pair = Hopfield::store(ndarray::array![[1.0, 1.0]].view(), Divisor::Units).unwrap();
        let start = ndarray::array![1.0, -1.0];
        let end = pair.settle(start.view(), Update::Synchronous, &[], 10, 0);
        assert!(end.alternates && !end.fixed);
        let (_, net) = made(40, 150, 2);
        let mut x = random_patterns(1, 150, 5).row(0).to_owned();
        let mut y = net.synchronous(x.view());
        for _ in 0..30 {
            let z = net.synchronous(y.view());
            let (before, now) = (
                net.energy_of_steps(y.view(), x.view()),
                net.energy_of_steps(z.view(), y.view()),
            );
            assert!(now <= before + 1e-9);
            (x, y) = (y, z);
        }
    }

    #[test]
    fn one_pattern_is_reached_in_one_step_from_any_overlap() {
        let (patterns, net) = made(1, 101, 3);
        let pattern = patterns.row(0);
        for share in [0.0, 0.1, 0.3, 0.48] {
            let x = flipped(pattern, share, 4);
            assert!(overlap(x.view(), pattern, all(&x)) > 1.0 / 101.0);
            assert_eq!(net.synchronous(x.view()), pattern);
        }
        let negative = pattern.mapv(|x| -x);
        assert_eq!(net.synchronous(negative.view()), negative);
    }

    #[test]
    fn dividing_by_patterns_changes_the_energy_only() {
        let x = random_patterns(5, 80, 6);
        let [units, patterns] =
            [Divisor::Units, Divisor::Patterns].map(|d| Hopfield::store(x.view(), d).unwrap());
        let start = random_patterns(1, 80, 7).row(0).to_owned();
        let [a, b] = [&units, &patterns].map(|n| {
            n.settle(start.view(), Update::Asynchronous, &[], 50, 1)
                .state
        });
        assert_eq!(a, b);
        let ratio = patterns.energy(a.view()) / units.energy(a.view());
        assert!((ratio - 80.0 / 5.0).abs() < 1e-12);
    }

    /// Closed forms at the loads of the literature: bits wrong after one step, overlap at rest, capacity.
    #[test]
    fn loads_and_capacity() {
        for (load, expected) in [
            (0.05, 3.87e-6),
            (0.10, 7.83e-4),
            (0.138, 3.55e-3),
            (0.15, 4.91e-3),
        ] {
            assert!(
                (one_step_error(load) / expected - 1.0).abs() < 2e-3,
                "{load}"
            );
        }
        for (load, expected, digits) in [
            (0.05, 0.99999, 5e-6),
            (0.10, 0.9980, 5e-5),
            (0.13, 0.9872, 5e-5),
        ] {
            let found = retrieval_overlap(load).unwrap();
            assert!((found - expected).abs() < digits, "{load}: {found}");
        }
        assert!((capacity() - 0.1379).abs() < 5e-5, "{}", capacity());
        assert!((retrieval_overlap(0.137).unwrap() - 0.975).abs() < 5e-4);
        assert_eq!(retrieval_overlap(0.15), None);
    }

    /// 2000 units, 200 patterns: share of wrong bits after one step over 30 patterns, 4.7 standard
    /// errors of independent bits.
    #[test]
    fn bits_wrong_after_one_step() {
        let (patterns, net) = made(200, 2000, 8);
        let wrong: usize = (0..30)
            .map(|k| {
                let y = net.synchronous(patterns.row(k));
                y.iter()
                    .zip(patterns.row(k))
                    .filter(|(a, b)| *a != *b)
                    .count()
            })
            .sum();
        let (n, p) = (60_000.0, one_step_error(0.1));
        assert!(
            (wrong as f64 / n - p).abs() < 4.7 * (p / n).sqrt(),
            "{wrong}"
        );
    }

    /// 6 areas of 100 units, 30 patterns; one area held at the pattern, the others random. One draw of 96
    /// fails in an independent program, so that three of 40 do with a probability below 0.01.
    #[test]
    fn a_cue_in_one_area_completes_the_others() {
        let cue: Vec<usize> = (0..100).collect();
        let mut complete = 0;
        for seed in 0..5 {
            let (patterns, net) = made(30, 600, seed);
            for k in 0..8 {
                let start = partial(patterns.row(k), &cue, 50 + k as u64);
                let end = net.settle(start.view(), Update::Asynchronous, &cue, 100, k as u64);
                assert!(end.fixed);
                let held = ndarray::s![..100];
                assert_eq!(end.state.slice(held), patterns.row(k).slice(held));
                let others = overlap(end.state.view(), patterns.row(k), 100..600);
                complete += usize::from(others == 1.0);
            }
        }
        assert!(complete >= 38, "{complete} of 40");
        let (patterns, net) = made(30, 600, 0);
        let islands = net.masked(|i, j| i / 100 == j / 100);
        let start = partial(patterns.row(0), &cue, 50);
        let end = islands.settle(start.view(), Update::Asynchronous, &cue, 100, 0);
        assert!(overlap(end.state.view(), patterns.row(0), 100..600).abs() < 0.5);
    }

    #[test]
    fn the_third_factor_gates_learning() {
        let x = random_patterns(4, 30, 11);
        let stored = Hopfield::store(x.view(), Divisor::Units).unwrap().weights();
        let mut w = Array2::zeros((30, 30));
        for pattern in x.outer_iter() {
            learn(&mut w, pattern, 1.0, 30.0);
        }
        assert!(w.iter().zip(&stored).all(|(a, b)| (a - b).abs() < 1e-15));
        let before = w.clone();
        learn(&mut w, x.row(0), 0.0, 30.0);
        assert!(
            w.iter()
                .zip(&before)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
    }
}
