//! The covariance matrix adaptation evolution strategy: a search without gradients that learns the
//! shape of the valley it is in.
//!
//! Hansen 2016 (revised 2023), "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772: the
//! (mu/mu_w, lambda) strategy with the weights and rates of its Table 1, negative weights included.
//! Nothing here knows what is minimised. Random numbers are looked up by (seed, generation, candidate,
//! coordinate), so that a search repeats itself whoever computes the losses, and in which order.

use faer::{Mat, Side};

use crate::ids::Replicate;
use crate::rng::{Site, normal};

/// Candidates of a generation for so many parameters, by default: 4 + floor(3 ln n).
#[must_use]
pub fn default_population(parameters: usize) -> usize {
    4 + (3.0 * (parameters.max(1) as f64).ln()).floor() as usize
}

/// Weights and rates, from numbers of parameters and candidates alone.
#[derive(Debug, Clone)]
struct Rates {
    /// Weights by rank, best first; those of the worse half are negative.
    weights: Vec<f64>,
    /// How many have a share in the mean.
    parents: usize,
    /// Variance effective number of parents.
    mu_eff: f64,
    c_sigma: f64,
    d_sigma: f64,
    c_c: f64,
    c_1: f64,
    c_mu: f64,
    /// Expected length of a vector of normal numbers.
    expected_length: f64,
}

impl Rates {
    fn new(n: usize, population: usize) -> Rates {
        let (d, lambda) = (n as f64, population as f64);
        let parents = population / 2;
        let raw: Vec<f64> = (1..=population)
            .map(|i| ((lambda + 1.0) / 2.0).ln() - (i as f64).ln())
            .collect();
        let effective = |w: &[f64]| {
            let (sum, squares) = w.iter().fold((0.0, 0.0), |(s, q), x| (s + x, q + x * x));
            if squares > 0.0 {
                sum * sum / squares
            } else {
                0.0
            }
        };
        let mu_eff = effective(&raw[..parents]);
        let mu_eff_negative = effective(&raw[parents..]);
        let c_1 = 2.0 / ((d + 1.3).powi(2) + mu_eff);
        let c_mu = (1.0 - c_1)
            .min(2.0 * (0.25 + mu_eff + 1.0 / mu_eff - 2.0) / ((d + 2.0).powi(2) + mu_eff));
        // How much the negative weights may sum to: the least of three, the last of which keeps the
        // matrix positive definite.
        let most_negative = (1.0 + c_1 / c_mu)
            .min(1.0 + 2.0 * mu_eff_negative / (mu_eff + 2.0))
            .min((1.0 - c_1 - c_mu) / (d * c_mu));
        let positive: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let negative: f64 = raw.iter().filter(|w| **w < 0.0).map(|w| -w).sum();
        let weight = |w: &f64| match *w >= 0.0 {
            true => w / positive,
            false => w * most_negative / negative,
        };
        let c_sigma = (mu_eff + 2.0) / (d + mu_eff + 5.0);
        let excess = ((mu_eff - 1.0) / (d + 1.0)).sqrt() - 1.0;
        Rates {
            weights: raw.iter().map(weight).collect(),
            parents,
            mu_eff,
            c_sigma,
            d_sigma: 1.0 + 2.0 * excess.max(0.0) + c_sigma,
            c_c: (4.0 + mu_eff / d) / (d + 4.0 + 2.0 * mu_eff / d),
            c_1,
            c_mu,
            expected_length: d.sqrt() * (1.0 - 1.0 / (4.0 * d) + 1.0 / (21.0 * d * d)),
        }
    }
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Cma {
    rates: Rates,
    seed: u64,
    generation: u64,
    mean: Vec<f64>,
    sigma: f64,
    /// Evolution path of the step size.
    p_sigma: Vec<f64>,
    /// Evolution path of the matrix.
    p_c: Vec<f64>,
    covariance: Mat<f64>,
    /// Eigenvectors of the covariance, a column each.
    axes: Mat<f64>,
    /// Square roots of its eigenvalues.
    lengths: Vec<f64>,
}

impl Cma {
    /// Starts around a point with a step size, and candidates of a generation, 2 or more.
    #[must_use]
    pub fn new(start: Vec<f64>, sigma: f64, population: usize, seed: u64) -> Cma {
        let n = start.len();
        Cma {
            rates: Rates::new(n, population.max(2)),
            seed,
            generation: 0,
            mean: start,
            sigma,
            p_sigma: vec![0.0; n],
            p_c: vec![0.0; n],
            covariance: Mat::identity(n, n),
            axes: Mat::identity(n, n),
            lengths: vec![1.0; n],
        }
    }

    /// Candidates of a generation.
    #[must_use]
    pub fn population(&self) -> usize {
        self.rates.weights.len()
    }

    /// Generations that were told.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Where the search stands.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The step size.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Standard deviation of the candidates along the longest axis.
    #[must_use]
    pub fn spread(&self) -> f64 {
        self.sigma * self.lengths.iter().copied().fold(0.0, f64::max)
    }

    /// Longest axis of the candidates over the shortest.
    #[must_use]
    pub fn axis_ratio(&self) -> f64 {
        let longest = self.lengths.iter().copied().fold(0.0, f64::max);
        longest / self.lengths.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The candidates of the next generation.
    #[must_use]
    pub fn ask(&self) -> Vec<Vec<f64>> {
        let n = self.mean.len();
        let site = Site::new("fit", "candidate", "");
        let candidate = |k: usize| -> Vec<f64> {
            let z: Vec<f64> = (0..n)
                .map(|i| {
                    let address = self.generation * n as u64 + i as u64;
                    self.lengths[i] * normal(self.seed, address, site, Replicate(k as u32))
                })
                .collect();
            (0..n)
                .map(|i| {
                    let y: f64 = (0..n).map(|j| self.axes[(i, j)] * z[j]).sum();
                    self.mean[i] + self.sigma * y
                })
                .collect()
        };
        (0..self.population()).map(candidate).collect()
    }

    /// Takes the candidates with their losses; NaN and infinite ones are the worst. Among equals the
    /// first is the better. A generation without any finite loss says nothing and moves nothing.
    pub fn tell(&mut self, candidates: &[Vec<f64>], losses: &[f64]) {
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        let rank = |k: usize| match losses[k].is_finite() {
            true => losses[k],
            false => f64::INFINITY,
        };
        // A stable sort: equals stay in their order.
        order.sort_by(|&a, &b| rank(a).total_cmp(&rank(b)));
        self.generation += 1;
        if order.first().is_none_or(|&best| !rank(best).is_finite()) {
            return;
        }
        let n = self.mean.len();
        let r = &self.rates;
        // Steps from the mean in units of sigma, best first.
        let steps: Vec<Vec<f64>> = (order.iter())
            .map(|&k| {
                let both = candidates[k].iter().zip(&self.mean);
                both.map(|(x, m)| (x - m) / self.sigma).collect()
            })
            .collect();
        let mean_step: Vec<f64> = (0..n)
            .map(|i| (0..r.parents).map(|k| r.weights[k] * steps[k][i]).sum())
            .collect();
        for (m, step) in self.mean.iter_mut().zip(&mean_step) {
            *m += self.sigma * step;
        }
        let white = self.whitened(&mean_step);
        let gain = (r.c_sigma * (2.0 - r.c_sigma) * r.mu_eff).sqrt();
        for (p, w) in self.p_sigma.iter_mut().zip(&white) {
            *p = (1.0 - r.c_sigma) * *p + gain * w;
        }
        let length = norm(&self.p_sigma);
        let told = 2.0 * self.generation as f64;
        let settled = length / (1.0 - (1.0 - r.c_sigma).powf(told)).sqrt();
        let moves = settled < (1.4 + 2.0 / (n as f64 + 1.0)) * r.expected_length;
        let gain = match moves {
            true => (r.c_c * (2.0 - r.c_c) * r.mu_eff).sqrt(),
            false => 0.0,
        };
        for (p, step) in self.p_c.iter_mut().zip(&mean_step) {
            *p = (1.0 - r.c_c) * *p + gain * step;
        }
        let lost = if moves { 0.0 } else { r.c_c * (2.0 - r.c_c) };
        let sum: f64 = r.weights.iter().sum();
        let kept = 1.0 + r.c_1 * lost - r.c_1 - r.c_mu * sum;
        let weights: Vec<f64> = (r.weights.iter().zip(&steps))
            .map(|(&w, step)| match w >= 0.0 {
                true => w,
                // Long steps of bad candidates must not make the matrix indefinite.
                false => {
                    let white = norm(&self.whitened(step));
                    w * n as f64 / (white * white).max(f64::MIN_POSITIVE)
                }
            })
            .collect();
        for i in 0..n {
            for j in 0..=i {
                let of_steps: f64 = (weights.iter().zip(&steps))
                    .map(|(w, s)| w * s[i] * s[j])
                    .sum();
                let c = kept * self.covariance[(i, j)]
                    + r.c_1 * self.p_c[i] * self.p_c[j]
                    + r.c_mu * of_steps;
                self.covariance[(i, j)] = c;
                self.covariance[(j, i)] = c;
            }
        }
        self.sigma *= (r.c_sigma / r.d_sigma * (length / r.expected_length - 1.0)).exp();
        self.decompose();
    }

    /// C^(-1/2) times a vector.
    fn whitened(&self, x: &[f64]) -> Vec<f64> {
        let n = x.len();
        let along: Vec<f64> = (0..n)
            .map(|j| (0..n).map(|i| self.axes[(i, j)] * x[i]).sum::<f64>() / self.lengths[j])
            .collect();
        (0..n)
            .map(|i| (0..n).map(|j| self.axes[(i, j)] * along[j]).sum())
            .collect()
    }

    fn decompose(&mut self) {
        // Only a matrix that is not finite has no decomposition; the search then keeps its axes.
        let Ok(eigen) = self.covariance.self_adjoint_eigen(Side::Lower) else {
            return;
        };
        let values: Vec<f64> = eigen.S().column_vector().iter().copied().collect();
        let largest = values.iter().copied().fold(0.0, f64::max);
        self.axes = eigen.U().to_owned();
        // Round-off may put an eigenvalue that is far below the others under 0.
        let least = largest * f64::EPSILON;
        self.lengths = values.iter().map(|v| v.max(least).sqrt()).collect();
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Folds a number into 0 to 1 as between two mirrors: what is 0.1 beyond a bound counts as 0.1 inside.
#[must_use]
pub fn mirrored(x: f64) -> f64 {
    let fold = x.rem_euclid(2.0);
    // Of a tiny negative number the remainder is rounded up to 2 itself.
    if fold > 1.0 { 2.0 - fold } else { fold }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Evaluations until the loss is below 1e-10; none within `most`.
    fn needed(
        loss: impl Fn(&[f64]) -> f64,
        start: &[f64],
        sigma: f64,
        seed: u64,
        most: usize,
    ) -> Option<usize> {
        let n = start.len();
        let mut cma = Cma::new(start.to_vec(), sigma, default_population(n), seed);
        for generation in 1..=most / cma.population() {
            let candidates = cma.ask();
            let losses: Vec<f64> = candidates.iter().map(|x| loss(x)).collect();
            cma.tell(&candidates, &losses);
            if losses.iter().any(|l| *l < 1e-10) {
                return Some(generation * cma.population());
            }
        }
        None
    }

    fn sphere(x: &[f64]) -> f64 {
        x.iter().map(|v| v * v).sum()
    }

    /// Axes whose squared lengths run from 1 to 1e6.
    fn ellipsoid(x: &[f64]) -> f64 {
        let last = (x.len() - 1) as f64;
        let of = |(i, v): (usize, &f64)| 1e6_f64.powf(i as f64 / last) * v * v;
        x.iter().enumerate().map(of).sum()
    }

    fn rosenbrock(x: &[f64]) -> f64 {
        let of = |w: &[f64]| 100.0 * (w[0] * w[0] - w[1]).powi(2) + (w[0] - 1.0).powi(2);
        x.windows(2).map(of).sum()
    }

    /// The same vector seen from axes that mix all coordinates: a reflection at a plane.
    fn reflected(x: &[f64]) -> Vec<f64> {
        let normal: Vec<f64> = (1..=x.len()).map(|i| i as f64).collect();
        let along: f64 = x.iter().zip(&normal).map(|(a, b)| a * b).sum();
        let square: f64 = normal.iter().map(|v| v * v).sum();
        let both = x.iter().zip(&normal);
        both.map(|(v, b)| v - 2.0 * along / square * b).collect()
    }

    /// The weights and rates that follow from the formulas of the tutorial for five parameters,
    /// worked out apart from this code.
    #[test]
    fn rates_are_those_of_the_tutorial() {
        assert_eq!([1, 2, 5, 10].map(default_population), [4, 6, 8, 10]);
        let r = Rates::new(5, 8);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 5e-5, "found {a}, expected {b}");
        let weights: f64 = r.weights[..4].iter().sum();
        close(weights, 1.0);
        close(r.mu_eff, 2.6002);
        close(r.c_sigma, 0.3651);
        close(r.d_sigma, 1.3651);
        close(r.c_c, 0.4502);
        close(r.c_1, 0.0473);
        close(r.c_mu, 0.0479);
        assert!(r.weights.windows(2).all(|w| w[0] > w[1]), "{:?}", r.weights);
        // The matrix stays positive definite whatever the steps are.
        let negative: f64 = r.weights[4..].iter().sum();
        assert!(negative < 0.0 && -negative <= (1.0 - r.c_1 - r.c_mu) / (5.0 * r.c_mu) + 1e-12);
    }

    /// Ten dimensions need some 1,700 to 2,000 evaluations on the sphere from (1, …, 1), and 5,000 to 7,000
    /// on the ellipsoid, turned or not; five on Rosenbrock's function 1,500 to 3,000.
    #[test]
    fn known_functions_are_minimised_within_the_usual_numbers() {
        for seed in 1..=3 {
            let found = needed(sphere, &[1.0; 10], 0.5, seed, 3_000);
            assert!(found.is_some(), "sphere, seed {seed}");
            let found = needed(ellipsoid, &[1.0; 10], 0.5, seed, 9_000);
            assert!(found.is_some(), "ellipsoid, seed {seed}");
            let turned = |x: &[f64]| ellipsoid(&reflected(x));
            let found = needed(turned, &[1.0; 10], 0.5, seed, 9_000);
            assert!(found.is_some(), "turned ellipsoid, seed {seed}");
            let found = needed(rosenbrock, &[0.0; 5], 0.3, seed, 5_000);
            assert!(found.is_some(), "Rosenbrock, seed {seed}");
            let found = needed(sphere, &[1.0], 0.5, seed, 500);
            assert!(found.is_some(), "one parameter, seed {seed}");
        }
    }

    #[test]
    fn the_matrix_learns_the_inverse_of_the_curvature() {
        let mut cma = Cma::new(vec![1.0; 4], 0.5, default_population(4), 5);
        for _ in 0..250 {
            let candidates = cma.ask();
            let losses: Vec<f64> = candidates.iter().map(|x| ellipsoid(x)).collect();
            cma.tell(&candidates, &losses);
        }
        let ratio = cma.axis_ratio();
        assert!(
            (300.0..3000.0).contains(&ratio),
            "found {ratio}, expected about 1000"
        );
    }

    #[test]
    fn the_seed_decides_and_ranks_alone_count() {
        let run = |seed: u64, of: fn(f64) -> f64| {
            let mut cma = Cma::new(vec![0.3, 0.7, 0.5], 0.2, 7, seed);
            for _ in 0..20 {
                let candidates = cma.ask();
                let losses: Vec<f64> = candidates.iter().map(|x| of(rosenbrock(x))).collect();
                cma.tell(&candidates, &losses);
            }
            cma.ask()
                .concat()
                .iter()
                .map(|x| x.to_bits())
                .collect::<Vec<u64>>()
        };
        assert_eq!(run(1, |x| x), run(1, |x| x));
        assert_ne!(run(1, |x| x), run(2, |x| x));
        assert_eq!(run(1, |x| x), run(1, |x| 5.0 * x - 3.0));
    }

    #[test]
    fn failures_are_the_worst_and_a_lost_generation_moves_nothing() {
        let start = Cma::new(vec![0.5, 0.5], 0.3, 6, 1);
        let candidates = start.ask();
        let told = |losses: [f64; 6]| {
            let mut cma = start.clone();
            cma.tell(&candidates, &losses);
            cma
        };
        let worst = told([1.0, 2.0, f64::NAN, 3.0, f64::INFINITY, 0.0]);
        let large = told([1.0, 2.0, 9.0, 3.0, 10.0, 0.0]);
        assert_eq!(worst.mean, large.mean);
        assert_eq!(worst.sigma, large.sigma);
        let lost = told([f64::NAN; 6]);
        assert_eq!((lost.mean(), lost.sigma()), (start.mean(), start.sigma()));
        // The next one draws other numbers.
        assert_ne!(lost.ask(), candidates);
    }

    #[test]
    fn mirrors_fold_into_the_range() {
        for (x, folded) in [
            (0.25, 0.25),
            (-0.25, 0.25),
            (1.25, 0.75),
            (2.25, 0.25),
            (-1.0, 1.0),
            (1.0, 1.0),
            (0.0, 0.0),
        ] {
            assert_eq!(mirrored(x), folded, "{x}");
        }
    }

    proptest! {
        #[test]
        fn mirrored_numbers_lie_in_the_range(x in -1e6_f64..1e6) {
            prop_assert!((0.0..=1.0).contains(&mirrored(x)));
        }

        /// Whatever the losses: candidates are numbers, and the step size stays above 0.
        #[test]
        fn no_losses_break_the_search(
            losses in prop::collection::vec(prop_oneof![
                -1e300_f64..1e300, Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0),
            ], 6 * 12),
        ) {
            let mut cma = Cma::new(vec![0.5, 0.1], 0.3, 6, 3);
            for told in losses.chunks(6) {
                let candidates = cma.ask();
                cma.tell(&candidates, told);
                prop_assert!(cma.ask().concat().iter().all(|x| x.is_finite()));
                prop_assert!(cma.sigma() > 0.0);
            }
        }
    }
}
