//! The circuit of the mouse cortex with nuclei of its thalamus (Ding et al. 2024, eLife 13:e85442).
//!
//! That of [`mejias_wang2022`](super::mejias_wang2022), two selective excitatory populations A and B and one inhibitory
//! population C, with gates of A and B that saturate or do not:
//!
//! ```text
//! tau_r dr/dt = -r + phi(I)     phi_E = (a I - b) / (1 - exp(-d (a I - b)))
//!                               phi_C = [(c1 I - c0) / g_I + r_0]_+
//! dS_A/dt = -S_A/tau_S + gamma (1 - s S_A) r_A        the same for B
//! dS_C/dt = -S_C/tau_G + gamma_I r_C
//!
//! I_A = J_s S_A + J_c S_B + J_EI S_C + I_0 + input    I_B with A and B exchanged
//! I_C = J_IE (S_A + S_B) + J_II S_C + I_0C + input
//! ```
//!
//! Rates in Hz, time in s; J_EI and J_II are negative, first subscript = receiving population. An area of the
//! cortex has s = 1 and slow NMDA gates. A nucleus has s = 0, fast AMPA gates, and no couplings of its own: its
//! population C is stepped and means nothing.

use super::LocalCircuit;
use super::froudist_walsh2021::{gate, phi_E};
use crate::lanes::{Lanes, Tau};

local_circuit! {
    /// Two selective E populations, whose gates saturate or do not, and one I population with GABA gates.
    Ding2024Thalamus {
        name: "ding2024_thalamus",
        title: "two selective E populations and one I population, gates that may not saturate",
        citation: "Ding, Froudist-Walsh, Jaramillo, Jiang & Wang 2024, eLife 13:e85442",
        doi: "10.7554/eLife.85442",
        sent: ["S_A", "S_B"],
        published_order: [["r_A", "r_B", "r_C"], ["S_A", "S_B", "S_C"]],
        background: [],
    }
    time_constants {
        tau_r => "time constant of the firing rates";
        tau_S => "decay time constant of the gates of E: NMDA in the cortex, AMPA in the thalamus";
        tau_G => "decay time constant of the GABA gate";
    }
    parameters {
        gamma: "1" => "gate of E opened per spike";
        saturation: "1" => "how much an open gate of E is opened less: 1 NMDA, 0 AMPA";
        gamma_I: "1" => "GABA gate opened per spike";
        a: "Hz/pA" => "gain of the excitatory rate function";
        b: "Hz" => "threshold of the excitatory rate function";
        d: "ms" => "curvature of the excitatory rate function";
        c1: "Hz/pA" => "slope of the inhibitory rate function before division";
        c0: "Hz" => "threshold of the inhibitory rate function before division";
        g_I: "1" => "what slope and threshold of the inhibitory rate function are divided by";
        r_0: "Hz" => "inhibitory rate at that threshold";
        J_s: "pA" => "local coupling of E to E of the same selectivity, per unit of gate";
        J_c: "pA" => "local coupling of E to E of the other selectivity";
        J_EI: "pA" => "local coupling I to E, negative";
        J_IE: "pA" => "local coupling E to I";
        J_II: "pA" => "local coupling I to I, negative";
        I_0: "pA" => "background current of E";
        I_0C: "pA" => "background current of I";
    }
    states {
        S_A: "1", "S" of "A", 0.0..f64::INFINITY => "gate opened by E, selectivity A";
        S_B: "1", "S" of "B", 0.0..f64::INFINITY => "gate opened by E, selectivity B";
        S_C: "1", "S" of "C", 0.0..f64::INFINITY => "GABA gate opened by I";
        r_A: "Hz", "r" of "A", 0.0..f64::INFINITY => "firing rate of E, selectivity A";
        r_B: "Hz", "r" of "B", 0.0..f64::INFINITY => "firing rate of E, selectivity B";
        r_C: "Hz", "r" of "C", 0.0..f64::INFINITY => "firing rate of I";
    }
    algebraic {}
    inputs {
        I_A: "pA" => "current to E, selectivity A";
        I_B: "pA" => "current to E, selectivity B";
        I_C: "pA" => "current to I";
    }
}

/// What moves a gate that opens the less the more it is open, as far as `saturation` says.
#[inline(always)]
fn partly_saturating_gate<L: Lanes>(gamma: L, saturation: L, tau: Tau<L>, S: L, r: L) -> L {
    gate(gamma * (L::splat(1.0) - saturation * S), tau, S, r)
}

impl LocalCircuit for Ding2024Thalamus {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let to_both = p.J_EI * x.S_C + p.I_0;
        let to_A = p.J_s * x.S_A + p.J_c * x.S_B + to_both + i.I_A;
        let to_B = p.J_s * x.S_B + p.J_c * x.S_A + to_both + i.I_B;
        let to_C = p.J_IE * (x.S_A + x.S_B) + p.J_II * x.S_C + p.I_0C + i.I_C;
        let phi_C = ((p.c1 * to_C - p.c0) / p.g_I + p.r_0).rectify();
        let rate = [p.a, p.b, p.d];
        Variables {
            S_A: partly_saturating_gate(p.gamma, p.saturation, p.tau_S, x.S_A, x.r_A),
            S_B: partly_saturating_gate(p.gamma, p.saturation, p.tau_S, x.S_B, x.r_B),
            S_C: gate(p.gamma_I, p.tau_G, x.S_C, x.r_C),
            r_A: (phi_E(rate, to_A) - x.r_A) / p.tau_r,
            r_B: (phi_E(rate, to_B) - x.r_B) / p.tau_r,
            r_C: (phi_C - x.r_C) / p.tau_r,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            S_A: p.tau_S.rate(),
            S_B: p.tau_S.rate(),
            S_C: p.tau_G.rate(),
            r_A: p.tau_r.rate(),
            r_B: p.tau_r.rate(),
            r_C: p.tau_r.rate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mejias_wang2022::MejiasWang2022;
    use super::*;
    use crate::circuit::facts::derivative;

    /// An area of the cortex with mean PV density, in the order of the table.
    const CORTEX: [f64; 20] = [
        2.0, 60.0, 5.0, 1.282, 1.0, 2.0, // time constants, gates
        0.14, 54.0, 308.0, 0.615, 177.0, 4.0, 5.5, // rate functions
        400.0, 10.7, -267.4, 265.6, -140.5, 305.0, 260.0, // couplings, background
    ];
    const INPUTS: [f64; 3] = [13.0, -7.0, 21.0];

    /// A nucleus: AMPA gates, nothing of its own but background.
    fn nucleus() -> [f64; 20] {
        let mut p = CORTEX;
        (p[1], p[3], p[4]) = (2.0, 2.0, 0.0);
        p[13..18].fill(0.0);
        p
    }

    #[test]
    fn areas_of_the_cortex_are_those_of_the_circuit_that_always_saturates() {
        let saturation = 4;
        let saturating: Vec<f64> = (0..20)
            .filter(|k| *k != saturation)
            .map(|k| CORTEX[k])
            .collect();
        let x = [0.41, 0.07, 0.052, 14.0, 1.9, 5.3];
        let found = derivative::<Ding2024Thalamus>(&CORTEX, &x, &INPUTS);
        let expected = derivative::<MejiasWang2022>(&saturating, &x, &INPUTS);
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-15 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
    }

    /// At 160 Hz an AMPA gate is at 2 ms × 2 × 160 Hz = 0.64, and at 640 Hz at 2.56, above what any NMDA gate reaches.
    #[test]
    fn gates_of_nuclei_follow_rates_without_end() {
        for (rate, open) in [(160.0, 0.64), (640.0, 2.56)] {
            let x = [open, open, 0.0, rate, rate, 0.0];
            let dx = derivative::<Ding2024Thalamus>(&nucleus(), &x, &INPUTS);
            assert!(dx[0].abs() < 1e-15 && dx[1].abs() < 1e-15, "{dx:?}");
        }
    }

    #[test]
    fn populations_of_nuclei_hear_their_inputs_alone() {
        let derive = |x: &[f64]| derivative::<Ding2024Thalamus>(&nucleus(), x, &INPUTS);
        let shut = derive(&[0.0, 0.0, 0.0, 3.0, 2.0, 1.0]);
        let open = derive(&[0.6, 1.3, 0.9, 3.0, 2.0, 1.0]);
        assert_eq!(shut[3..], open[3..]);
        // r_A at rest is that of phi_E alone: 0.14 Hz/pA × 318 pA - 54 Hz = -9.48 Hz.
        let phi = -9.48 / (1.0 - (0.308_f64 * 9.48).exp());
        assert!((shut[3] - (phi - 3.0) / 2.0).abs() < 1e-12, "{}", shut[3]);
    }
}
