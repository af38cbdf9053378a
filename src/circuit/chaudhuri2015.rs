//! Threshold-linear E–I circuit of Chaudhuri et al. 2015 (Neuron 88:419, equations 1–2).
//!
//! ```text
//! tau_E dnu_E/dt = -nu_E + [ beta_E (w_EE nu_E + I_E - w_EI nu_I + I_0E) + drive_E ]_+
//! tau_I dnu_I/dt = -nu_I + [ beta_I (w_IE nu_E + I_I - w_II nu_I + I_0I) + drive_I ]_+
//! ```
//!
//! The factor 1 + eta h of the paper multiplies w_EE, w_IE and the long-range gains of each area;
//! it is a gradient of the model file, not part of the circuit. First subscript = receiving
//! population. The paper's stimuli and noise are given after multiplication with beta, in Hz:
//! they enter through `drive_E` and `drive_I`.

use super::LocalCircuit;
use crate::lanes::Lanes;

local_circuit! {
    /// Threshold-linear excitatory–inhibitory rate circuit.
    Chaudhuri2015 {
        name: "chaudhuri2015",
        title: "threshold-linear E-I rate circuit",
        citation: "Chaudhuri, Knoblauch, Gariel, Kennedy & Wang 2015, Neuron 88:419-431",
        doi: "10.1016/j.neuron.2015.09.008",
        sent: ["nu_E"],
        published_order: [["nu_E", "nu_I"]],
        background: ["I_0E", "I_0I"],
    }
    time_constants {
        tau_E => "time constant of the excitatory population";
        tau_I => "time constant of the inhibitory population";
    }
    parameters {
        beta_E: "Hz/pA" => "slope of the excitatory f-I curve";
        beta_I: "Hz/pA" => "slope of the inhibitory f-I curve";
        w_EE: "pA/Hz" => "local coupling E to E";
        w_IE: "pA/Hz" => "local coupling E to I";
        w_EI: "pA/Hz" => "local coupling I to E";
        w_II: "pA/Hz" => "local coupling I to I";
        I_0E: "pA" => "background current of the excitatory population";
        I_0I: "pA" => "background current of the inhibitory population";
    }
    states {
        nu_E: "Hz", "nu" of "E", 0.0..f64::INFINITY => "excitatory firing rate";
        nu_I: "Hz", "nu" of "I", 0.0..f64::INFINITY => "inhibitory firing rate";
    }
    algebraic {}
    inputs {
        I_E: "pA" => "current to the excitatory population";
        I_I: "pA" => "current to the inhibitory population";
        drive_E: "Hz" => "drive to the excitatory population, after the f-I slope";
        drive_I: "Hz" => "drive to the inhibitory population, after the f-I slope";
    }
}

impl LocalCircuit for Chaudhuri2015 {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        // What comes from other areas is known last: nothing waits for it longer than needed.
        let to_e = p.w_EE * x.nu_E - p.w_EI * x.nu_I + p.I_0E + i.I_E;
        let to_i = p.w_IE * x.nu_E - p.w_II * x.nu_I + p.I_0I + i.I_I;
        Variables {
            nu_E: ((p.beta_E * to_e + i.drive_E).rectify() - x.nu_E) / p.tau_E,
            nu_I: ((p.beta_I * to_i + i.drive_I).rectify() - x.nu_I) / p.tau_I,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            nu_E: p.tau_E.rate(),
            nu_I: p.tau_I.rate(),
        }
    }

    /// beta I_0 = nu - beta (recurrent + long-range current): both populations stay where they are.
    fn background(p: &mut Parameters<f64>, x: &Variables<f64>, i: &Inputs<f64>) {
        p.I_0E = (x.nu_E - i.drive_E) / p.beta_E - (p.w_EE * x.nu_E + i.I_E - p.w_EI * x.nu_I);
        p.I_0I = (x.nu_I - i.drive_I) / p.beta_I - (p.w_IE * x.nu_E + i.I_I - p.w_II * x.nu_I);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{Dual, Tau};

    fn printed<L: Lanes>(scale: f64) -> Parameters<L> {
        let s = L::splat;
        Parameters {
            tau_E: Tau::new(s(20.0)),
            tau_I: Tau::new(s(10.0)),
            beta_E: s(0.066),
            beta_I: s(0.351),
            w_EE: s(24.3 * scale),
            w_IE: s(12.2 * scale),
            w_EI: s(19.7),
            w_II: s(12.5),
            I_0E: s(0.0),
            I_0I: s(0.0),
        }
    }

    fn no_input<L: Lanes>() -> Inputs<L> {
        let zero = L::splat(0.0);
        Inputs {
            I_E: zero,
            I_I: zero,
            drive_E: zero,
            drive_I: zero,
        }
    }

    #[test]
    fn background_makes_the_baseline_a_fixed_point() {
        let mut p: Parameters<f64> = printed(1.3);
        let x = Variables {
            nu_E: 10.0,
            nu_I: 35.0,
        };
        let i = Inputs {
            I_E: 12.0,
            I_I: 7.0,
            drive_E: 0.5,
            drive_I: -0.25,
        };
        Chaudhuri2015::background(&mut p, &x, &i);
        let dx = Chaudhuri2015::drift(&p, &x, &i);
        assert!(dx.nu_E.abs() < 1e-14 && dx.nu_I.abs() < 1e-14, "{dx:?}");
    }

    /// Eigenvalues of an isolated area (M1.4): V1 (h = 0) and 24c (h = 1), printed parameters.
    #[test]
    fn isolated_area_eigenvalues() {
        for (h, slow, fast) in [(0.0, -23.9, -484.7), (1.0, -2.494, -451.5)] {
            let mut p: Parameters<f64> = printed(1.0 + 0.68 * h);
            let at = Variables {
                nu_E: 10.0,
                nu_I: 35.0,
            };
            Chaudhuri2015::background(&mut p, &at, &no_input());
            let mut q: Parameters<Dual> = printed(1.0 + 0.68 * h);
            (q.I_0E, q.I_0I) = (Dual::splat(p.I_0E), Dual::splat(p.I_0I));
            let column = |seed_E: f64, seed_I: f64| {
                let x = Variables {
                    nu_E: Dual::new(10.0, seed_E),
                    nu_I: Dual::new(35.0, seed_I),
                };
                Chaudhuri2015::drift(&q, &x, &no_input())
            };
            let (by_E, by_I) = (column(1.0, 0.0), column(0.0, 1.0));
            let (a, b, c, d) = (
                by_E.nu_E.slope,
                by_I.nu_E.slope,
                by_E.nu_I.slope,
                by_I.nu_I.slope,
            );
            let (mean, root) = ((a + d) / 2.0, ((a - d).powi(2) / 4.0 + b * c).sqrt());
            let per_second = |rate: f64| rate * 1e3;
            assert!((per_second(mean + root) / slow - 1.0).abs() < 2e-3);
            assert!((per_second(mean - root) / fast - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn rectification_holds_the_rate_at_zero() {
        let x = Variables {
            nu_E: 0.0,
            nu_I: 100.0,
        };
        let dx = Chaudhuri2015::drift(&printed::<f64>(1.0), &x, &no_input());
        assert_eq!(dx.nu_E, 0.0);
    }
}
