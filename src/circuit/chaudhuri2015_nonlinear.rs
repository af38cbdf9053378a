//! NMDA-gating circuit of Chaudhuri et al. 2015 (Neuron 88:419, Fig. 7 and its equations).
//!
//! ```text
//! ds_E/dt = -s_E/tau_N + gamma (1 - s_E) nu_E          nu_E in Hz, time in s
//! nu_E    = phi(w_EE s_E + I_E - w_EI nu_I + I_0E; a, b, d)
//! tau_I dnu_I/dt = -nu_I + [ beta_I (w_IE s_E + I_I - w_II nu_I) + drive_0I ]_+
//! ```
//!
//! phi is the rate function of Abbott & Chance (2005), evaluated through its removable singularity.
//! The excitatory rate is algebraic: it follows its current at once. As in the linear circuit the
//! factor 1 + eta h is a gradient on w_EE, w_IE and the long-range gain.

use super::LocalCircuit;
use crate::lanes::Lanes;

local_circuit! {
    /// NMDA-gated excitation with threshold-linear inhibition.
    Chaudhuri2015Nonlinear {
        name: "chaudhuri2015_nonlinear",
        title: "NMDA-gated E population with threshold-linear I population",
        citation: "Chaudhuri, Knoblauch, Gariel, Kennedy & Wang 2015, Neuron 88:419-431, Fig. 7",
        doi: "10.1016/j.neuron.2015.09.008",
        sent: ["s_E"],
        published_order: [["s_E"], ["nu_E", "nu_I"]],
        background: [],
    }
    time_constants {
        tau_N => "decay time constant of the NMDA gate";
        tau_I => "time constant of the inhibitory population";
    }
    parameters {
        gamma: "1" => "gate opened per excitatory spike";
        a: "Hz/pA" => "gain of the excitatory rate function";
        b: "Hz" => "threshold of the excitatory rate function";
        d: "ms" => "curvature of the excitatory rate function";
        beta_I: "Hz/pA" => "slope of the inhibitory f-I curve";
        w_EE: "pA" => "local coupling E to E, per unit of gate";
        w_IE: "pA" => "local coupling E to I, per unit of gate";
        w_EI: "pA/Hz" => "local coupling I to E";
        w_II: "pA/Hz" => "local coupling I to I";
        I_0E: "pA" => "background current of the excitatory population";
        drive_0I: "Hz" => "background drive of the inhibitory population, after the f-I slope";
    }
    states {
        s_E: "1", "s" of "E", 0.0..1.0 => "NMDA gate opened by the excitatory population";
        nu_I: "Hz", "nu" of "I", 0.0..f64::INFINITY => "inhibitory firing rate";
    }
    algebraic {
        nu_E: "Hz", "nu" of "E", 0.0..f64::INFINITY => "excitatory firing rate";
    }
    inputs {
        I_E: "pA" => "current to the excitatory population";
        I_I: "pA" => "current to the inhibitory population";
    }
}

/// Seconds in a millisecond: gamma and d multiply rates in Hz while times are in ms.
const S_PER_MS: f64 = 1e-3;

impl LocalCircuit for Chaudhuri2015Nonlinear {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn algebraic<L: Lanes>(p: &Parameters<L>, x: &mut Variables<L>, i: &Inputs<L>) {
        let to_e = p.w_EE * x.s_E + i.I_E - p.w_EI * x.nu_I + p.I_0E;
        x.nu_E = (p.a * to_e - p.b).x_over_one_minus_exp(p.d * L::splat(S_PER_MS));
    }

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let one = L::splat(1.0);
        let zero = L::splat(0.0);
        let to_i = p.w_IE * x.s_E + i.I_I - p.w_II * x.nu_I;
        Variables {
            s_E: p.gamma * (one - x.s_E) * x.nu_E * L::splat(S_PER_MS) - x.s_E / p.tau_N,
            nu_I: ((p.beta_I * to_i + p.drive_0I).rectify() - x.nu_I) / p.tau_I,
            nu_E: zero,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            s_E: p.tau_N.rate(),
            nu_I: p.tau_I.rate(),
            nu_E: L::splat(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Tau;

    /// Isolated areas (M1.20, M1.22): the published fixed points do not move.
    #[test]
    fn published_fixed_points_are_stationary() {
        for (scale, s_E, nu_E, nu_I) in [
            (1.0, 0.021_48, 0.5708, 11.8889),
            (4.4, 0.028_52, 0.7634, f64::NAN),
            (4.4, 0.332_46, 12.95, f64::NAN),
            (4.4, 0.597_92, 38.665, f64::NAN),
        ] {
            let p = Parameters {
                tau_N: Tau::new(60.0),
                tau_I: Tau::new(10.0),
                gamma: 0.641,
                a: 0.27,
                b: 108.0,
                d: 154.0,
                beta_I: 0.351,
                w_EE: 250.2 * scale,
                w_IE: 303.9 * scale,
                w_EI: 8.11,
                w_II: 12.5,
                I_0E: 400.0,
                drive_0I: 61.76,
            };
            let i = Inputs { I_E: 0.0, I_I: 0.0 };
            // nu_I follows from its own equation at rest: nu_I (1 + beta_I w_II) = beta_I w_IE s + 61.76.
            let rest_I = (p.beta_I * p.w_IE * s_E + 61.76) / (1.0 + p.beta_I * p.w_II);
            if nu_I.is_finite() {
                assert!((rest_I - nu_I).abs() < 1e-3);
            }
            let mut x = Variables {
                s_E,
                nu_I: rest_I,
                nu_E: 0.0,
            };
            Chaudhuri2015Nonlinear::algebraic(&p, &mut x, &i);
            assert!(
                (x.nu_E / nu_E - 1.0).abs() < 2e-3,
                "{scale} {s_E}: {}",
                x.nu_E
            );
            let dx = Chaudhuri2015Nonlinear::drift(&p, &x, &i);
            assert!(dx.nu_I.abs() < 1e-12);
            assert!(dx.s_E.abs() < 1e-5, "{scale} {s_E}: {}", dx.s_E);
        }
    }
}
