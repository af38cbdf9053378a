//! Decision circuit of Wong & Wang (2006, J Neurosci 26:1314): two pools that compete, two variables.
//!
//! ```text
//! dS_1/dt = -S_1/tau_S + gamma (1 - S_1) r_1               r in Hz, time in s
//! r_1     = phi(J_11 S_1 - J_12 S_2 + I_0 + J_ext (mu_1 + drive_1) + I_1; a, b, d)
//! ```
//!
//! and the same with 1 and 2 exchanged. S is the mean NMDA gate of a selective excitatory pool; the
//! inhibitory pool that the two share is eliminated, which leaves J_12 between them. A stimulus of
//! coherence c is a rate mu (1 + c) to one pool and mu (1 - c) to the other: `drive_1`, `drive_2` where
//! it comes and goes, `mu_1`, `mu_2` where it is always there. Noise is a current, `I_1` and `I_2`.

use super::{LocalCircuit, S_PER_MS, abbott_chance};
use crate::lanes::Lanes;

local_circuit! {
    /// Two NMDA-gated pools that inhibit each other.
    WongWang2006 {
        name: "wong_wang2006",
        title: "two-variable decision circuit",
        citation: "Wong & Wang 2006, J Neurosci 26:1314-1328",
        doi: "10.1523/JNEUROSCI.3733-05.2006",
        sent: ["S_1", "S_2"],
        published_order: [["r_1", "r_2"], ["S_1", "S_2"]],
        background: [],
    }
    time_constants {
        tau_S => "decay time constant of the NMDA gates";
    }
    parameters {
        gamma: "1" => "gate opened per spike";
        a: "Hz/pA" => "gain of the rate function";
        b: "Hz" => "threshold of the rate function";
        d: "ms" => "curvature of the rate function";
        J_11: "pA" => "coupling within a pool, per unit of gate";
        J_12: "pA" => "effective inhibition between the pools, per unit of gate";
        J_ext: "pA/Hz" => "coupling of the stimulus";
        I_0: "pA" => "background current of both pools";
        mu_1: "Hz" => "constant stimulus rate of pool 1";
        mu_2: "Hz" => "constant stimulus rate of pool 2";
    }
    states {
        S_1: "1", "S" of "1", 0.0..1.0 => "NMDA gate of pool 1";
        S_2: "1", "S" of "2", 0.0..1.0 => "NMDA gate of pool 2";
    }
    algebraic {
        r_1: "Hz", "r" of "1", 0.0..f64::INFINITY => "firing rate of pool 1";
        r_2: "Hz", "r" of "2", 0.0..f64::INFINITY => "firing rate of pool 2";
    }
    inputs {
        I_1: "pA" => "current to pool 1";
        I_2: "pA" => "current to pool 2";
        drive_1: "Hz" => "stimulus rate of pool 1";
        drive_2: "Hz" => "stimulus rate of pool 2";
    }
}

impl LocalCircuit for WongWang2006 {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn algebraic<L: Lanes>(p: &Parameters<L>, x: &mut Variables<L>, i: &Inputs<L>) {
        let shown_1 = p.J_ext * (p.mu_1 + i.drive_1);
        let shown_2 = p.J_ext * (p.mu_2 + i.drive_2);
        let to_1 = p.J_11 * x.S_1 - p.J_12 * x.S_2 + p.I_0 + shown_1 + i.I_1;
        let to_2 = p.J_11 * x.S_2 - p.J_12 * x.S_1 + p.I_0 + shown_2 + i.I_2;
        x.r_1 = abbott_chance(to_1, p.a, p.b, p.d);
        x.r_2 = abbott_chance(to_2, p.a, p.b, p.d);
    }

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, _: &Inputs<L>) -> Variables<L> {
        let (one, zero) = (L::splat(1.0), L::splat(0.0));
        let gamma = p.gamma * L::splat(S_PER_MS);
        Variables {
            S_1: gamma * (one - x.S_1) * x.r_1 - x.S_1 / p.tau_S,
            S_2: gamma * (one - x.S_2) * x.r_2 - x.S_2 / p.tau_S,
            r_1: zero,
            r_2: zero,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables {
            S_1: p.tau_S.rate(),
            S_2: p.tau_S.rate(),
            r_1: L::splat(0.0),
            r_2: L::splat(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// The printed constants, under a stimulus of that rate [Hz] and coherence [%].
    fn printed(mu: f64, c: f64) -> Vec<f64> {
        let (mu_1, mu_2) = (mu * (1.0 + c / 100.0), mu * (1.0 - c / 100.0));
        vec![
            100.0, 0.641, 0.27, 108.0, 154.0, 260.9, 49.7, 0.52, 325.5, mu_1, mu_2,
        ]
    }

    /// Rate of the stimulus [Hz] and coherence [%]; guess; gates; rate of pool 1 [Hz]. Recomputed
    /// independently of this program.
    #[test]
    fn fixed_points() {
        for (mu, c, guess, [s_1, s_2], r_1) in [
            (0.0, 0.0, [0.1, 0.1], ["0.1027", "0.1027"], "1.78"),
            (0.0, 0.0, [0.57, 0.03], ["0.5670", "0.0319"], "20.43"),
            (0.0, 0.0, [0.31, 0.06], ["0.3138", "0.0558"], "7.14"),
            (30.0, 0.0, [0.42, 0.42], ["0.4245", "0.4245"], "11.51"),
            (30.0, 0.0, [0.66, 0.05], ["0.6587", "0.0518"], "30.11"),
            (30.0, 6.4, [0.66, 0.05], ["0.6631", "0.0489"], "30.70"),
            (30.0, 6.4, [0.05, 0.65], ["0.0550", "0.6540"], "0.91"),
            (30.0, 6.4, [0.41, 0.44], ["0.4073", "0.4393"], "10.72"),
            (30.0, 51.2, [0.69, 0.03], ["0.6884", "0.0341"], "34.46"),
            (30.0, 51.2, [0.09, 0.61], ["0.0922", "0.6075"], "1.59"),
            (30.0, 100.0, [0.71, 0.02], ["0.7093", "0.0240"], "38.06"),
        ] {
            let p = printed(mu, c);
            let x = facts::fixed_point::<WongWang2006>(&p, guess);
            let what = format!("{mu} Hz, {c} %, from {guess:?}");
            facts::assert_digits(&what, x[0], s_1);
            facts::assert_digits(&what, x[1], s_2);
            let all = facts::variables::<WongWang2006>(&p, &x, &[0.0; 4]);
            facts::assert_digits(&what, all[2], r_1);
        }
    }

    /// Guess; eigenvalues in 1/s. Without a stimulus the undecided state is stable, with one it is a
    /// saddle.
    #[test]
    fn eigenvalues_of_the_undecided_state() {
        for (mu, guess, slow, fast) in [
            (0.0, [0.1, 0.1], "-2.26", "-5.11"),
            (30.0, [0.42, 0.42], "4.35", "-2.60"),
        ] {
            let p = printed(mu, 0.0);
            let x = facts::fixed_point::<WongWang2006>(&p, guess);
            let [first, second] = facts::eigenvalues::<WongWang2006>(&p, &x);
            facts::assert_digits("slow", first.0, slow);
            facts::assert_digits("fast", second.0, fast);
            assert_eq!((first.1, second.1), (0.0, 0.0));
        }
    }

    /// A stimulus that comes and goes acts as one that is always there, and so does its current.
    #[test]
    fn stimuli_by_rate_and_by_current_agree() {
        let x = [0.2, 0.3];
        let derivative = |mu: f64, inputs: [f64; 4]| {
            facts::derivative::<WongWang2006>(&printed(mu, 0.0), &x, &inputs)
        };
        let always = derivative(30.0, [0.0; 4]);
        assert_eq!(derivative(0.0, [0.0, 0.0, 30.0, 30.0]), always);
        let by_current = derivative(0.0, [0.52 * 30.0, 0.52 * 30.0, 0.0, 0.0]);
        for (a, b) in by_current.iter().zip(&always) {
            assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
        }
        let first = derivative(0.0, [0.0, 0.0, 30.0, 0.0]);
        assert_eq!(
            (first[0], first[1]),
            (always[0], derivative(0.0, [0.0; 4])[1])
        );
    }
}
