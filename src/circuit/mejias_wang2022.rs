//! Three-population circuit of distributed working memory (Mejias & Wang 2022, eLife 11:e72136).
//!
//! Two selective excitatory populations A and B, one inhibitory population C.
//!
//! ```text
//! tau_r dr/dt = -r + phi(I)     phi_E = (a I - b) / (1 - exp(-d (a I - b)))
//!                               phi_C = [(c1 I - c0) / g_I + r_0]_+
//! dS_A/dt = -S_A/tau_N + gamma (1 - S_A) r_A          the same for B
//! dS_C/dt = -S_C/tau_G + gamma_I r_C
//!
//! I_A = J_s S_A + J_c S_B + J_EI S_C + I_0 + input    I_B with A and B exchanged
//! I_C = J_IE (S_A + S_B) + J_II S_C + I_0C + input
//! ```
//!
//! Rates in Hz, time in s; J_EI and J_II are negative, first subscript = receiving population.
//! What differs from area to area are J_s and J_IE in the macaque, and J_EI and J_II in the mouse
//! (Ding et al. 2024, eLife 13:e85442, the same equations): gradients of the model files. The
//! code of Mejias & Wang takes all new values from old ones; that of Ding et al. advances the rates
//! first and the gates with the new rates, which is the circuit's `published` order.

use super::LocalCircuit;
use super::froudist_walsh2021::{gate, phi_E, saturating_gate};
use crate::lanes::Lanes;

local_circuit! {
    /// Two selective E populations with NMDA gates and one I population with GABA gates.
    MejiasWang2022 {
        name: "mejias_wang2022",
        title: "two selective E populations and one I population",
        citation: "Mejias & Wang 2022, eLife 11:e72136",
        doi: "10.7554/eLife.72136",
        sent: ["S_A", "S_B"],
        published_order: [["r_A", "r_B", "r_C"], ["S_A", "S_B", "S_C"]],
        background: [],
    }
    time_constants {
        tau_r => "time constant of the firing rates";
        tau_N => "decay time constant of the NMDA gates";
        tau_G => "decay time constant of the GABA gate";
    }
    parameters {
        gamma: "1" => "NMDA gate opened per spike";
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
        S_A: "1", "S" of "A", 0.0..1.0 => "NMDA gate opened by E, selectivity A";
        S_B: "1", "S" of "B", 0.0..1.0 => "NMDA gate opened by E, selectivity B";
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

impl LocalCircuit for MejiasWang2022 {
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
            S_A: saturating_gate(p.gamma, p.tau_N, x.S_A, x.r_A),
            S_B: saturating_gate(p.gamma, p.tau_N, x.S_B, x.r_B),
            S_C: gate(p.gamma_I, p.tau_G, x.S_C, x.r_C),
            r_A: (phi_E(rate, to_A) - x.r_A) / p.tau_r,
            r_B: (phi_E(rate, to_B) - x.r_B) / p.tau_r,
            r_C: (phi_C - x.r_C) / p.tau_r,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            S_A: p.tau_N.rate(),
            S_B: p.tau_N.rate(),
            S_C: p.tau_G.rate(),
            r_A: p.tau_r.rate(),
            r_B: p.tau_r.rate(),
            r_C: p.tau_r.rate(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Fields, ParameterFields};

    /// Rest of every area, whatever its J_s: gates of E, rate of E [Hz].
    const REST: (f64, f64) = (0.047_98, 0.6552);

    /// Published numbers in the order of the table, with J_s and the J_IE that belongs to it.
    fn published(J_s: f64) -> Parameters<f64> {
        // J_IE such that the rest is the same: (J_0 - J_s - J_c) / (2 J_EI zeta), J_0 = 211.2 pA.
        let zeta = 615.0 * 0.005 * 2.0 / (4.0 + 0.12 * 0.005 * 2.0 * 615.0);
        let J_IE = (211.2 - J_s - 10.7) / (2.0 * -0.310 * zeta);
        Parameters::from_values(&[
            2.0, 60.0, 5.0, 1.282, 2.0, // time constants, gates
            0.135, 54.0, 308.0, 0.615, 177.0, 4.0, 5.5, // rate functions
            J_s, 10.7, -310.0, J_IE, -120.0, 329.4, 260.0, // couplings, background
        ])
    }

    /// Rate of I where the gates of E are at rest: r_C = [(c1 I_C - c0)/g_I + r_0], S_C = 10 ms r_C.
    fn rate_of_C(p: &Parameters<f64>) -> f64 {
        let open = 2.0 * 0.005;
        let drive = (p.c1 * (p.J_IE * 2.0 * REST.0 + p.I_0C) - p.c0) / p.g_I + p.r_0;
        drive / (1.0 - p.c1 * p.J_II * open / p.g_I)
    }

    #[test]
    fn every_area_rests_at_the_same_rates_with_its_own_inhibition() {
        for (J_s, r_C) in [(210.0, 1.18), (321.3, 2.90), (420.0, 4.43)] {
            let p = published(J_s);
            let found = rate_of_C(&p);
            assert!((found - r_C).abs() < 0.006, "J_s {J_s}: {found}");
            let (S, r) = REST;
            let x = Variables::read(&[S, S, 0.01 * found, r, r, found]);
            let dx = MejiasWang2022::drift(&p, &x, &Inputs::read(&[0.0; 3]));
            // The rest is printed with four digits.
            assert!(dx.r_A.abs() * 2.0 < 2e-3 * r, "J_s {J_s}: {}", dx.r_A);
            assert!(dx.S_A.abs() * 60.0 < 2e-4 * S, "J_s {J_s}: {}", dx.S_A);
            assert!(dx.r_C.abs() < 1e-12 && dx.S_C.abs() < 1e-12);
        }
    }

    /// Scaled as published, the coupling E to I is that of the paper: 150 pA at J_s 321.3 pA.
    #[test]
    fn excitation_of_inhibition_follows_from_the_rest() {
        assert!((published(321.3).J_IE - 150.0).abs() < 0.5);
        assert!((published(420.0).J_IE - 272.8).abs() < 0.5);
    }

    #[test]
    fn selectivities_are_alike_and_compete_through_C() {
        let p = published(420.0);
        let i = Inputs::read(&[0.0; 3]);
        let dx = MejiasWang2022::drift(&p, &Variables::read(&[0.4, 0.1, 0.05, 9.0, 2.0, 5.0]), &i);
        let dy = MejiasWang2022::drift(&p, &Variables::read(&[0.1, 0.4, 0.05, 2.0, 9.0, 5.0]), &i);
        assert_eq!((dx.r_A, dx.r_B, dx.r_C), (dy.r_B, dy.r_A, dy.r_C));
        assert_eq!((dx.S_A, dx.S_B), (dy.S_B, dy.S_A));
        let more = Variables::read(&[0.4, 0.1, 0.15, 9.0, 2.0, 5.0]);
        let less = MejiasWang2022::drift(&p, &more, &i);
        assert!(less.r_A < dx.r_A && less.r_B < dx.r_B && less.r_C < dx.r_C);
    }

    /// Inputs reach gates through rates alone, so that the second stage needs none.
    #[test]
    fn rates_alone_read_inputs() {
        let reads = crate::circuit::reads_inputs::<MejiasWang2022>();
        assert_eq!(reads, [false, false, false, true, true, true]);
    }
}
