//! Reduced Wong–Wang circuit with excitation and inhibition of Deco et al. (2014, J Neurosci 34:7886),
//! the dynamic mean field of human whole-brain models.
//!
//! ```text
//! dS_E/dt = -S_E/tau_E + gamma (1 - S_E) r_E              r in Hz, time in s
//! dS_I/dt = -S_I/tau_I + r_I
//! r_E     = phi(W_E I_0 + w_EE S_E - J_i S_I + I_E; a_E, b_E, d_E)
//! r_I     = phi(W_I I_0 + w_IE S_E - w_II S_I + I_I; a_I, b_I, d_I)
//! ```
//!
//! First subscript = receiving population. The paper writes w_+ J_NMDA for w_EE, J_NMDA for w_IE and
//! does not name w_II, which is 1 nA. J_i is its local feedback inhibition.
//!
//! Feedback inhibition control. With `solve: background` J_i is set in every area so that the area rests at the
//! S_E of the baseline, hence at the rate r_E = S_E/(gamma tau_E (1 - S_E)), whatever other areas send. The paper
//! finds J_i by trial and error; here it is the closed form,
//!
//! ```text
//! J_i = (W_E I_0 + w_EE S_E + I_E - phi^-1(r_E)) / S_I
//! ```
//!
//! with S_I, which does not depend on J_i, solved from its own equation.

use super::{LocalCircuit, S_PER_MS, abbott_chance};
use crate::lanes::{Dual, Lanes};

local_circuit! {
    /// NMDA-gated excitation, GABA-gated inhibition, feedback inhibition control.
    Deco2014 {
        name: "deco2014",
        title: "reduced Wong-Wang E-I circuit with feedback inhibition control",
        citation: "Deco, Ponce-Alvarez, Hagmann, Romani, Mantini & Corbetta 2014, J Neurosci 34:7886-7898",
        doi: "10.1523/JNEUROSCI.5068-13.2014",
        sent: ["S_E"],
        published_order: [["r_E", "r_I"], ["S_E", "S_I"]],
        background: ["J_i", "S_I"],
    }
    time_constants {
        tau_E => "decay time constant of the NMDA gate";
        tau_I => "decay time constant of the GABA gate";
    }
    parameters {
        gamma: "1" => "NMDA gate opened per excitatory spike";
        a_E: "Hz/pA" => "gain of the excitatory rate function";
        b_E: "Hz" => "threshold of the excitatory rate function";
        d_E: "ms" => "curvature of the excitatory rate function";
        a_I: "Hz/pA" => "gain of the inhibitory rate function";
        b_I: "Hz" => "threshold of the inhibitory rate function";
        d_I: "ms" => "curvature of the inhibitory rate function";
        I_0: "pA" => "overall effective external input";
        W_E: "1" => "share of I_0 that excitatory cells receive";
        W_I: "1" => "share of I_0 that inhibitory cells receive";
        w_EE: "pA" => "local coupling E to E, per unit of gate";
        w_IE: "pA" => "local coupling E to I, per unit of gate";
        w_II: "pA" => "local coupling I to I, per unit of gate";
        J_i: "pA" => "feedback inhibition I to E, per unit of gate";
    }
    states {
        S_E: "1", "S" of "E", 0.0..1.0 => "NMDA gate opened by the excitatory population";
        S_I: "1", "S" of "I", 0.0..1.0 => "GABA gate opened by the inhibitory population";
    }
    algebraic {
        r_E: "Hz", "r" of "E", 0.0..f64::INFINITY => "excitatory firing rate";
        r_I: "Hz", "r" of "I", 0.0..f64::INFINITY => "inhibitory firing rate";
    }
    inputs {
        I_E: "pA" => "current to the excitatory population";
        I_I: "pA" => "current to the inhibitory population";
    }
}

impl LocalCircuit for Deco2014 {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn algebraic<L: Lanes>(p: &Parameters<L>, x: &mut Variables<L>, i: &Inputs<L>) {
        let to_e = p.W_E * p.I_0 + p.w_EE * x.S_E - p.J_i * x.S_I + i.I_E;
        let to_i = p.W_I * p.I_0 + p.w_IE * x.S_E - p.w_II * x.S_I + i.I_I;
        x.r_E = abbott_chance(to_e, p.a_E, p.b_E, p.d_E);
        x.r_I = abbott_chance(to_i, p.a_I, p.b_I, p.d_I);
    }

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, _: &Inputs<L>) -> Variables<L> {
        let (one, zero, s_per_ms) = (L::splat(1.0), L::splat(0.0), L::splat(S_PER_MS));
        Variables {
            S_E: p.gamma * (one - x.S_E) * x.r_E * s_per_ms - x.S_E / p.tau_E,
            S_I: x.r_I * s_per_ms - x.S_I / p.tau_I,
            r_E: zero,
            r_I: zero,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            S_E: p.tau_E.rate(),
            S_I: p.tau_I.rate(),
            r_E: L::splat(0.0),
            r_I: L::splat(0.0),
        }
    }

    fn rest(p: &Parameters<f64>, x: &mut Variables<f64>, i: &Inputs<f64>) {
        // S_I - tau_I r_I(S_I) rises and is concave: Newton's method climbs from 0 to its only root.
        let excess = |S_I: f64| {
            let s = Dual::splat;
            let S_I = Dual::new(S_I, 1.0);
            let to_i = s(p.W_I * p.I_0 + p.w_IE * x.S_E + i.I_I) - s(p.w_II) * S_I;
            S_I - abbott_chance(to_i, s(p.a_I), s(p.b_I), s(p.d_I)) * s(S_PER_MS / p.tau_I.rate())
        };
        x.S_I = newton(0.0, excess);
    }

    fn background(p: &mut Parameters<f64>, x: &Variables<f64>, i: &Inputs<f64>) {
        let r_E = x.S_E * p.tau_E.rate() / (p.gamma * S_PER_MS * (1.0 - x.S_E));
        // phi rises, is convex and lies above the line x: Newton's method descends from there.
        let excess = |to_e: f64| {
            let s = Dual::splat;
            abbott_chance(Dual::new(to_e, 1.0), s(p.a_E), s(p.b_E), s(p.d_E)) - s(r_E)
        };
        let to_e = newton((r_E + p.b_E) / p.a_E, excess);
        p.J_i = (p.W_E * p.I_0 + p.w_EE * x.S_E + i.I_E - to_e) / x.S_I;
    }
}

/// The root of a function of one sign of curvature from its outer side, where steps only come closer;
/// ends where they hardly move. NaN if there is no root.
fn newton(start: f64, f: impl Fn(f64) -> Dual) -> f64 {
    const STEPS: usize = 1000;
    let mut x = start;
    for _ in 0..STEPS {
        let y = f(x);
        let next = x - y.value / y.slope;
        // Errors are squared from step to step: what is left is round-off.
        if (next - x).abs() <= 1e-9 * x.abs() {
            return next;
        }
        x = next;
    }
    f64::NAN
}

#[cfg(test)]
mod tests {
    use super::super::{ParameterFields, facts};
    use super::*;

    /// The printed constants with J_i [pA].
    fn printed(J_i: f64) -> Vec<f64> {
        vec![
            100.0, 10.0, 0.641, 0.31, 125.0, 160.0, 0.615, 177.0, 87.0, 382.0, 1.0, 0.7, 210.0,
            150.0, 1000.0, J_i,
        ]
    }

    /// An area alone with J_i = 1 nA (M9.1, M9.2), recomputed independently of this program.
    #[test]
    fn an_area_alone_rests_at_three_hertz() {
        let p = printed(1000.0);
        let x = facts::fixed_point::<Deco2014>(&p, [0.16, 0.04]);
        let all = facts::variables::<Deco2014>(&p, &x, &[0.0; 2]);
        for (v, digits) in ["0.1647572", "0.0392184", "3.0773271", "3.9218449"]
            .into_iter()
            .enumerate()
        {
            facts::assert_digits(Deco2014::INFO.variables[v].name, all[v], digits);
        }
        let [slow, fast] = facts::eigenvalues::<Deco2014>(&p, &x);
        facts::assert_digits("slow", slow.0, "-5.982");
        facts::assert_digits("fast", fast.0, "-231.45");
        assert_eq!(slow.1, 0.0);
    }

    /// Solves for J_i [pA] with S_E and long-range input I_E [pA]; returns it and the variables.
    fn controlled(S_E: f64, I_E: f64) -> (f64, Variables<f64>, Parameters<f64>) {
        let mut p = Parameters::from_values(&printed(f64::NAN));
        let i = Inputs { I_E, I_I: 0.0 };
        let mut x = Variables {
            S_E,
            S_I: f64::NAN,
            r_E: 0.0,
            r_I: 0.0,
        };
        Deco2014::rest(&p, &mut x, &i);
        Deco2014::background(&mut p, &x, &i);
        (p.J_i, x, p)
    }

    /// Areas whose weights sum to 1, with G = 0 to 3 (M9.4), recomputed independently of this program.
    #[test]
    fn inhibition_that_keeps_the_rate() {
        let S_E = 0.164_757_2;
        for (G, nA) in [
            (0.0, "1.0000"),
            (1.0, "1.6302"),
            (2.0, "2.2603"),
            (3.0, "2.8905"),
        ] {
            let (J_i, ..) = controlled(S_E, G * 150.0 * S_E);
            facts::assert_digits(&format!("G = {G}"), J_i / 1e3, nA);
        }
    }

    #[test]
    fn control_leaves_every_target_at_rest() {
        for S_E in [0.001, 0.05, 0.16, 0.4, 0.9] {
            for I_E in [0.0, 40.0, 300.0] {
                let (_, mut x, p) = controlled(S_E, I_E);
                let i = Inputs { I_E, I_I: 0.0 };
                Deco2014::algebraic(&p, &mut x, &i);
                let dx = Deco2014::drift(&p, &x, &i);
                assert!(
                    dx.S_E.abs() < 1e-14 && dx.S_I.abs() < 1e-14,
                    "{S_E} {I_E}: {dx:?}"
                );
            }
        }
    }

    /// No current gives a rate of 0 or less, nor a gate that is always open.
    #[test]
    fn targets_out_of_reach_have_no_inhibition() {
        for S_E in [-0.1, 0.0, 1.0] {
            assert!(!controlled(S_E, 0.0).0.is_finite(), "{S_E}");
        }
    }

    #[test]
    fn inhibition_lowers_excitation_and_excitation_raises_both() {
        let rates = |S_E: f64, S_I: f64| {
            let all = facts::variables::<Deco2014>(&printed(1000.0), &[S_E, S_I], &[0.0; 2]);
            (all[2], all[3])
        };
        let ((e, i), (e_up, i_up), (e_down, i_down)) =
            (rates(0.16, 0.04), rates(0.2, 0.04), rates(0.16, 0.06));
        assert!(e_up > e && i_up > i && e_down < e && i_down < i);
    }
}
