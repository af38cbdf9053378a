//! Exact mean field of quadratic integrate-and-fire neurons (Montbrió, Pazó & Roxin 2015, Phys Rev X
//! 5:021028).
//!
//! ```text
//! tau dr_E/dt = Delta/(pi tau) + 2 V_E r_E                 r in spikes per time, here in Hz
//! tau dV_E/dt = V_E^2 - (pi tau r_E)^2 + eta + J tau r_E + I_E
//! ```
//!
//! r and V are the rate and the mean potential of infinitely many all-to-all coupled neurons whose
//! excitability follows a Lorentzian of centre eta and half-width Delta. V, eta, Delta and J are
//! dimensionless, as there. The rate stays positive: at r_E = 0 it grows.

use super::{LocalCircuit, S_PER_MS};
use crate::lanes::Lanes;

local_circuit! {
    /// Firing rate and mean potential of quadratic integrate-and-fire neurons.
    MontbrioPazoRoxin {
        name: "montbrio_pazo_roxin",
        title: "exact mean field of quadratic integrate-and-fire neurons",
        citation: "Montbrio, Pazo & Roxin 2015, Phys Rev X 5:021028",
        doi: "10.1103/PhysRevX.5.021028",
        sent: ["r_E", "V_E"],
        published_order: [["r_E", "V_E"]],
        background: [],
    }
    time_constants {
        tau => "membrane time constant";
    }
    parameters {
        Delta: "1" => "half-width of the excitabilities";
        J: "1" => "coupling within the population";
        eta: "1" => "centre of the excitabilities";
    }
    states {
        r_E: "Hz", "r" of "E", 0.0..f64::INFINITY => "firing rate";
        V_E: "1", "V" of "E", -1000.0..f64::INFINITY => "mean membrane potential";
    }
    algebraic {}
    inputs {
        I_E: "1" => "input to the population";
    }
}

impl LocalCircuit for MontbrioPazoRoxin {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        // Spikes per time constant: tau r, from Hz and ms.
        let spikes = x.r_E * L::splat(S_PER_MS) / p.tau.rate();
        let turns = L::splat(std::f64::consts::PI) * spikes;
        let spread = p.Delta * L::splat(1.0 / (S_PER_MS * std::f64::consts::PI)) / p.tau;
        Variables {
            r_E: (spread + L::splat(2.0) * x.V_E * x.r_E) / p.tau,
            V_E: (x.V_E * x.V_E - turns * turns + p.eta + p.J * spikes + i.I_E) / p.tau,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// Constants in the bistable range, with this time constant [ms].
    fn bistable(tau: f64) -> Vec<f64> {
        vec![tau, 1.0, 15.0, -5.0]
    }

    /// Low node, saddle and high focus with tau = 1 ms: tau r, V; eigenvalues in 1/tau. Recomputed
    /// independently of this program.
    #[test]
    fn fixed_points_and_eigenvalues() {
        for (guess, r, V, slow, fast) in [
            (
                [0.08, -2.0],
                "0.0811344",
                "-1.9616200",
                ("-2.449", "0.0000"),
                "-5.398",
            ),
            (
                [0.47, -0.34],
                "0.4729803",
                "-0.3364938",
                ("1.642", "0.0000"),
                "-2.988",
            ),
            (
                [1.03, -0.15],
                "1.0305968",
                "-0.1544299",
                ("-0.3089", "3.3186"),
                "-0.3089",
            ),
        ] {
            for tau in [1.0, 7.0] {
                let p = bistable(tau);
                let hz = 1e3 / tau;
                let x = facts::fixed_point::<MontbrioPazoRoxin>(&p, [guess[0] * hz, guess[1]]);
                let what = format!("{guess:?}, tau = {tau} ms");
                facts::assert_digits(&what, x[0] / hz, r);
                facts::assert_digits(&what, x[1], V);
                let [first, second] = facts::eigenvalues::<MontbrioPazoRoxin>(&p, &x);
                facts::assert_digits(&what, first.0 / hz, slow.0);
                facts::assert_digits(&what, first.1 / hz, slow.1);
                facts::assert_digits(&what, second.0 / hz, fast);
            }
        }
    }

    #[test]
    fn the_rate_stays_positive() {
        let dx = facts::derivative::<MontbrioPazoRoxin>(&bistable(1.0), &[0.0, -9.0], &[0.0]);
        assert!(dx[0] > 0.0);
        let path = facts::path::<MontbrioPazoRoxin>(&bistable(1.0), &[0.0, -9.0], 0.01, 2000);
        assert!(path.iter().skip(1).all(|x| x[0] > 0.0));
    }
}
