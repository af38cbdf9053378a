//! Reduced Wong–Wang circuit with excitation only of Deco et al. (2013, J Neurosci 33:11239): one gate an
//! area, for models of the resting human brain.
//!
//! ```text
//! dS_E/dt = -S_E/tau_E + gamma (1 - S_E) r_E              r in Hz, time in s
//! r_E     = phi(w J_N S_E + I_0 + I_E; a, b, d)
//! ```
//!
//! Other areas act through I_E, there G J_N sum_j C_ij S_j.

use super::{LocalCircuit, S_PER_MS, abbott_chance};
use crate::lanes::Lanes;

local_circuit! {
    /// One NMDA-gated excitatory population.
    Deco2013 {
        name: "deco2013",
        title: "reduced Wong-Wang circuit with excitation only",
        citation: "Deco, Ponce-Alvarez, Mantini, Romani, Hagmann & Corbetta 2013, J Neurosci 33:11239-11252",
        doi: "10.1523/JNEUROSCI.1091-13.2013",
        sent: ["S_E"],
        published_order: [["r_E"], ["S_E"]],
        background: [],
    }
    time_constants {
        tau_E => "decay time constant of the NMDA gate";
    }
    parameters {
        gamma: "1" => "gate opened per spike";
        a: "Hz/pA" => "gain of the rate function";
        b: "Hz" => "threshold of the rate function";
        d: "ms" => "curvature of the rate function";
        w: "1" => "local recurrence";
        J_N: "pA" => "coupling per unit of gate";
        I_0: "pA" => "external input";
    }
    states {
        S_E: "1", "S" of "E", 0.0..1.0 => "NMDA gate opened by the population";
    }
    algebraic {
        r_E: "Hz", "r" of "E", 0.0..f64::INFINITY => "firing rate";
    }
    inputs {
        I_E: "pA" => "current to the population";
    }
}

impl LocalCircuit for Deco2013 {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn algebraic<L: Lanes>(p: &Parameters<L>, x: &mut Variables<L>, i: &Inputs<L>) {
        x.r_E = abbott_chance(p.w * p.J_N * x.S_E + p.I_0 + i.I_E, p.a, p.b, p.d);
    }

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, _: &Inputs<L>) -> Variables<L> {
        let opened = p.gamma * (L::splat(1.0) - x.S_E) * x.r_E * L::splat(S_PER_MS);
        Variables {
            S_E: opened - x.S_E / p.tau_E,
            r_E: L::splat(0.0),
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            S_E: p.tau_E.rate(),
            r_E: L::splat(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// The printed constants with other w and I_0 [pA].
    fn printed(w: f64, I_0: f64) -> Vec<f64> {
        vec![100.0, 0.641, 0.27, 108.0, 154.0, w, 260.9, I_0]
    }

    /// All fixed points, by bisection between the points of a fine scan.
    fn fixed_points(p: &[f64]) -> Vec<f64> {
        let f = |S: f64| facts::derivative::<Deco2013>(p, &[S], &[0.0])[0];
        let grid = |k: i32| f64::from(k) / 1000.0;
        let crossings = (0..1000).filter(|&k| f(grid(k)).signum() != f(grid(k + 1)).signum());
        let root = |k: i32| {
            let (mut low, mut high) = (grid(k), grid(k + 1));
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                match f(middle).signum() == f(low).signum() {
                    true => low = middle,
                    false => high = middle,
                }
            }
            low
        };
        crossings.map(root).collect()
    }

    /// Areas alone, and areas that all stand at the same S, whose total coupling g then adds to w (M9.6 to
    /// M9.9). Recomputed independently of this program.
    #[test]
    fn fixed_points_for_four_couplings() {
        let cases: [(f64, f64, &[&str], &[&str]); 4] = [
            (0.9, 300.0, &["0.0344"], &["0.555"]),
            (
                1.4,
                300.0,
                &["0.0435", "0.2368", "0.7513"],
                &["0.709", "4.84", "47.1"],
            ),
            (1.9, 300.0, &["0.847"], &[]),
            (1.0, 320.0, &["0.0997", "0.4248", "0.4832"], &[]),
        ];
        for (w, I_0, gates, rates) in cases {
            let p = printed(w, I_0);
            let found = fixed_points(&p);
            let what = format!("w + g = {w}, I_0 = {I_0} pA: {found:?}");
            assert!(found.len() >= gates.len(), "{what}");
            // A listed point is the highest; below it others may stand.
            let listed = &found[found.len() - gates.len()..];
            for (S, digits) in listed.iter().zip(gates) {
                facts::assert_digits(&what, *S, digits);
            }
            for (S, digits) in listed.iter().zip(rates) {
                let all = facts::variables::<Deco2013>(&p, &[*S], &[0.0]);
                facts::assert_digits(&what, all[1], digits);
            }
        }
    }
}
