//! Cortical column of Jansen & Rit (1995, Biol Cybern 73:357): pyramidal cells with excitatory and
//! inhibitory interneurons, coupled through postsynaptic potentials.
//!
//! ```text
//! y_0'' = A a S(v_P)                          - 2 a y_0' - a^2 y_0
//! y_1'' = A a (p + p_ext + a_2 J S(a_1 J y_0)) - 2 a y_1' - a^2 y_1
//! y_2'' = B b a_4 J S(a_3 J y_0)              - 2 b y_2' - b^2 y_2
//! v_P   = y_1 - y_2 + y_ext
//! S(v)  = 2 nu_max / (1 + exp(r (v_0 - v)))                S in Hz, time in s
//! ```
//!
//! with a = 1/tau_e, b = 1/tau_i, y_3 = y_0', y_4 = y_1', y_5 = y_2'. v_P is the potential of pyramidal
//! cells, the model EEG. y_0 is what one pyramidal synapse evokes, so that a weighted sum of y_0 of other
//! areas in `y_ext` is exactly the weighted sum of their firing rates through the excitatory synapse:
//! convolution is linear.

use super::{LocalCircuit, S_PER_MS};
use crate::lanes::Lanes;

local_circuit! {
    /// Three populations, two kinds of synapse.
    JansenRit {
        name: "jansen_rit",
        title: "cortical column of pyramidal cells and interneurons",
        citation: "Jansen & Rit 1995, Biol Cybern 73:357-366",
        doi: "10.1007/BF00199471",
        sent: ["y_0"],
        published_order: [["v_P"], ["y_0", "y_1", "y_2", "y_3", "y_4", "y_5"]],
        background: [],
    }
    time_constants {
        tau_e => "time constant of excitatory postsynaptic potentials, 1/a";
        tau_i => "time constant of inhibitory postsynaptic potentials, 1/b";
    }
    parameters {
        A: "mV" => "amplitude of excitatory postsynaptic potentials";
        B: "mV" => "amplitude of inhibitory postsynaptic potentials";
        nu_max: "Hz" => "half of the largest firing rate";
        r: "1/mV" => "steepness of the sigmoid";
        v_0: "mV" => "potential at which half of the largest rate is reached";
        J: "1" => "number of synapses between populations";
        a_1: "1" => "share of J from pyramidal cells to excitatory interneurons";
        a_2: "1" => "share of J from excitatory interneurons to pyramidal cells";
        a_3: "1" => "share of J from pyramidal cells to inhibitory interneurons";
        a_4: "1" => "share of J from inhibitory interneurons to pyramidal cells";
        p: "Hz" => "constant input to pyramidal cells, pulses per time";
    }
    states {
        y_0: "mV", "y" of "0", -1000.0..f64::INFINITY => "potential evoked by one pyramidal synapse";
        y_1: "mV", "y" of "1", -1000.0..f64::INFINITY => "excitatory potential of pyramidal cells";
        y_2: "mV", "y" of "2", -1000.0..f64::INFINITY => "inhibitory potential of pyramidal cells";
        y_3: "mV/ms", "y" of "3", -1000.0..f64::INFINITY => "rate of change of y_0";
        y_4: "mV/ms", "y" of "4", -1000.0..f64::INFINITY => "rate of change of y_1";
        y_5: "mV/ms", "y" of "5", -1000.0..f64::INFINITY => "rate of change of y_2";
    }
    algebraic {
        v_P: "mV", "v" of "P", -1000.0..f64::INFINITY => "potential of pyramidal cells";
    }
    inputs {
        p_ext: "Hz" => "input to pyramidal cells beside p, pulses per time";
        y_ext: "mV" => "excitatory potential of pyramidal cells from other areas";
    }
}

/// Firing rate [1/ms] at a potential [mV].
#[inline(always)]
fn sigmoid<L: Lanes>(p: &Parameters<L>, v: L) -> L {
    let largest = L::splat(2.0 * S_PER_MS) * p.nu_max;
    largest * (p.r * (v - p.v_0)).logistic()
}

impl LocalCircuit for JansenRit {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn algebraic<L: Lanes>(_: &Parameters<L>, x: &mut Variables<L>, i: &Inputs<L>) {
        x.v_P = x.y_1 - x.y_2 + i.y_ext;
    }

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let (a, b, two) = (p.tau_e.rate(), p.tau_i.rate(), L::splat(2.0));
        let given = (p.p + i.p_ext) * L::splat(S_PER_MS);
        let excited = given + p.a_2 * p.J * sigmoid(p, p.a_1 * p.J * x.y_0);
        let inhibited = p.a_4 * p.J * sigmoid(p, p.a_3 * p.J * x.y_0);
        Variables {
            y_0: x.y_3,
            y_1: x.y_4,
            y_2: x.y_5,
            y_3: a * (p.A * sigmoid(p, x.v_P) - two * x.y_3 - a * x.y_0),
            y_4: a * (p.A * excited - two * x.y_4 - a * x.y_1),
            y_5: b * (p.B * inhibited - two * x.y_5 - b * x.y_2),
            v_P: L::splat(0.0),
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        let (zero, two) = (L::splat(0.0), L::splat(2.0));
        Variables {
            y_0: zero,
            y_1: zero,
            y_2: zero,
            y_3: two * p.tau_e.rate(),
            y_4: two * p.tau_e.rate(),
            y_5: two * p.tau_i.rate(),
            v_P: zero,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// The usual constants with v_0 = 6 mV and input p [Hz].
    fn usual(p: f64) -> Vec<f64> {
        vec![
            10.0, 20.0, 3.25, 22.0, 2.5, 0.56, 6.0, 135.0, 1.0, 0.8, 0.25, 0.25, p,
        ]
    }

    /// v_P over the 5 s after the first 5 s [mV], every 0.1 ms.
    fn potential(p: f64) -> Vec<f64> {
        let path = facts::path::<JansenRit>(&usual(p), &[0.0; 6], 0.1, 100_000);
        path[50_000..].iter().map(|x| x[6]).collect()
    }

    /// Input [Hz]; range of v_P [mV]; frequency [Hz]. Recomputed independently of this program.
    #[test]
    fn rhythms_by_input() {
        for (p, low, high, hz) in [
            (120.0, "1.226", "11.170", "2.4"),
            (220.0, "6.088", "9.035", "10.9"),
            (320.0, "7.679", "8.549", "11.1"),
        ] {
            let v = potential(p);
            let (least, most) = v
                .iter()
                .fold((f64::MAX, f64::MIN), |(a, b), &x| (a.min(x), b.max(x)));
            facts::assert_digits(&format!("{p} Hz, lowest"), least, low);
            facts::assert_digits(&format!("{p} Hz, highest"), most, high);
            let middle = 0.5 * (least + most);
            let rises: Vec<usize> = (1..v.len())
                .filter(|&k| v[k - 1] < middle && v[k] >= middle)
                .collect();
            let steps = rises[rises.len() - 1] - rises[0];
            let found = 1e3 * (rises.len() - 1) as f64 / (steps as f64 * 0.1);
            facts::assert_digits(&format!("{p} Hz, frequency"), found, hz);
        }
    }

    #[test]
    fn rests_under_weak_input() {
        let v = potential(90.0);
        facts::assert_digits("first", v[0], "1.1455");
        facts::assert_digits("last", v[v.len() - 1], "1.1455");
    }

    /// Without synapses in the column what is left of y_1 is the input: it rests at A p / a. Interneurons fire
    /// at rest, too, since S(0) is not 0, but reach nobody.
    #[test]
    fn a_column_without_synapses_rests_at_its_input() {
        let mut p = usual(300.0);
        p[7] = 0.0;
        let y_1 = 3.25 * 10.0 * 0.3;
        let x = [0.0, y_1, 0.0, 0.0, 0.0, 0.0];
        let dx = facts::derivative::<JansenRit>(&p, &x, &[0.0; 2]);
        assert_eq!((dx[1], dx[5]), (0.0, 0.0));
        assert!(dx[4].abs() < 1e-15 && dx[3] > 0.0, "{dx:?}");
        // Pulses from outside are worth as much as p, potentials as much as y_1.
        let given = facts::derivative::<JansenRit>(&p, &x, &[20.0, 0.0]);
        p[12] = 320.0;
        assert_eq!(given, facts::derivative::<JansenRit>(&p, &x, &[0.0; 2]));
        let lifted = facts::variables::<JansenRit>(&p, &x, &[0.0, 2.0]);
        assert_eq!(lifted[6], y_1 + 2.0);
    }
}
