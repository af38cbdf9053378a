//! One rate an area with a sigmoid: the simplified model of Mejias & Wang (2022, eLife 11:e72136, Fig. 3).
//!
//! ```text
//! tau dr_E/dt = -r_E + r_max / (1 + exp(-slope (J r_E + I_0 + input - theta)))
//! ```
//!
//! J of an area is J eta, a gradient of the model file; other areas act through the input, G sum_j W_ij r_j.
//! The source gives input no unit: here it is in Hz, so that J, eta, G and W are numbers. An area alone can
//! have two stable rates, at some input, where J > 4 / (r_max slope).

use super::LocalCircuit;
use crate::lanes::Lanes;

local_circuit! {
    /// One excitatory population with a sigmoidal rate function.
    MejiasWang2022Reduced {
        name: "mejias_wang2022_reduced",
        title: "one rate an area with a sigmoid",
        citation: "Mejias & Wang 2022, eLife 11:e72136",
        doi: "10.7554/eLife.72136",
        sent: ["r_E"],
        published_order: [["r_E"]],
        background: [],
    }
    time_constants {
        tau => "time constant of the rate";
    }
    parameters {
        r_max: "Hz" => "greatest rate";
        slope: "1/Hz" => "steepness of the rate function";
        theta: "Hz" => "input at which the rate is half of the greatest";
        J: "1" => "local coupling";
        I_0: "Hz" => "background input";
    }
    states {
        r_E: "Hz", "r" of "E", 0.0..f64::INFINITY => "firing rate";
    }
    algebraic {}
    inputs {
        I_E: "Hz" => "input from outside and from other areas";
    }
}

impl LocalCircuit for MejiasWang2022Reduced {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let input = p.J * x.r_E + p.I_0 + i.I_E;
        let rate = p.r_max * (p.slope * (input - p.theta)).logistic();
        Variables {
            r_E: (rate - x.r_E) / p.tau,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables { r_E: p.tau.rate() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// Constants of the authors' code with another J.
    fn published(J: f64) -> Vec<f64> {
        vec![20.0, 60.0, 0.1, 30.0, J, 4.813_627]
    }

    /// Rates at which an area alone does not move, by bisection between the points of a scan.
    fn rests(p: &[f64]) -> Vec<f64> {
        let f = |r: f64| facts::derivative::<MejiasWang2022Reduced>(p, &[r], &[0.0])[0].signum();
        let mut out = Vec::new();
        for k in 0..600 {
            let (mut low, mut high) = (f64::from(k) * 0.1, f64::from(k + 1) * 0.1);
            if f(low) == f(high) {
                continue;
            }
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if f(middle) == f(low) {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            out.push(0.5 * (low + high));
        }
        out
    }

    /// The background is such that a local coupling of 0.9092 alone rests at 10 Hz.
    #[test]
    fn the_published_coupling_rests_at_ten_hertz() {
        let found = rests(&published(0.9092));
        assert_eq!(found.len(), 3);
        for (found, digits) in found.into_iter().zip(["10.0000", "20.4345", "55.5996"]) {
            facts::assert_digits("rest", found, digits);
        }
    }

    /// Recomputed from the equation: two stable rates at couplings between 0.8014 and 0.9495.
    #[test]
    fn bistable_between_two_couplings() {
        for (J, count) in [(0.8013, 1), (0.8015, 3), (0.9494, 3), (0.9497, 1)] {
            assert_eq!(rests(&published(J)).len(), count, "J {J}");
        }
    }

    /// Where the slope of the sigmoid is greatest, r_max slope J / 4 has to exceed 1: J above 2/3, at the input
    /// at which the area rests at half of the greatest rate.
    #[test]
    fn no_input_makes_a_weak_coupling_bistable() {
        for (J, count) in [(0.66, 1), (0.68, 3)] {
            let mut p = published(J);
            p[5] = 30.0 - 30.0 * J + 1e-9;
            assert_eq!(rests(&p).len(), count, "J {J}");
        }
    }
}
