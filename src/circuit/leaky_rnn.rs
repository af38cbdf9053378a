//! A unit of an artificial recurrent network: leaky integration of a nonlinear function of the input; with
//! dt = tau the network of Elman (1990, Cogn Sci 14:179).
//!
//! ```text
//! tau da_u/dt = -a_u + f((1 - alpha) a_u + alpha (I_u + b))            I_u = sum_j W_ij a_j + stimuli
//! f(u) = c_identity u + c_relu [u]_+ + c_square [u]_+^2 + c_tanh tanh(gain u)
//!        + c_logistic / (1 + e^(-gain u)) + c_softplus ln(1 + e^u) + c_sign sign(u)
//! ```
//!
//! An area is one unit, W the matrix of a projection. f is one function where one c is 1 and the others are
//! 0. sign(0) is -1.
//!
//! Both forms of the leak that trained networks use, in steps of dt:
//!
//! - leak outside, alpha = 1: a <- (1 - dt/tau) a + dt/tau f(W a + I + b)
//! - leak inside, tau = dt and alpha the leak: a <- f((1 - alpha) a + alpha (W a + I + b))

use super::LocalCircuit;
use crate::lanes::Lanes;

local_circuit! {
    /// One unit of a leaky or Elman network.
    LeakyRnn {
        name: "leaky_rnn",
        title: "unit of a leaky or Elman recurrent network",
        citation: "Elman 1990, Cogn Sci 14:179-211",
        doi: "10.1207/s15516709cog1402_1",
        sent: ["a_u"],
        published_order: [["a_u"]],
        background: [],
    }
    time_constants {
        tau => "time constant of the leak";
    }
    parameters {
        alpha: "1" => "share of the input in what f sees, the rest is the unit's own activity; 1 if the leak is outside f";
        b: "1" => "bias";
        gain: "1" => "steepness of tanh and logistic";
        c_identity: "1" => "share of the identity in f";
        c_relu: "1" => "share of rectification in f";
        c_square: "1" => "share of squared rectification in f";
        c_tanh: "1" => "share of the hyperbolic tangent in f";
        c_logistic: "1" => "share of the logistic function in f";
        c_softplus: "1" => "share of ln(1 + e^u) in f";
        c_sign: "1" => "share of the sign in f";
    }
    states {
        a_u: "1", "a" of "u", -1000.0..f64::INFINITY => "activity";
    }
    algebraic {}
    inputs {
        I_u: "1" => "input";
    }
}

/// The nonlinearity.
#[inline(always)]
fn response<L: Lanes>(p: &Parameters<L>, u: L) -> L {
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    let positive = u.rectify();
    let steep = p.gain * u;
    p.c_identity * u
        + p.c_relu * positive
        + p.c_square * positive * positive
        + p.c_tanh * steep.tanh()
        + p.c_logistic * steep.logistic()
        + p.c_softplus * u.softplus()
        + p.c_sign * L::select_gt(u, zero, one, -one)
}

impl LocalCircuit for LeakyRnn {
    const INFO: super::CircuitInfo = Self::TABLE;
    type Parameters<L: Lanes> = Parameters<L>;
    type Variables<L: Lanes> = Variables<L>;
    type Inputs<L: Lanes> = Inputs<L>;

    #[inline(always)]
    fn drift<L: Lanes>(p: &Parameters<L>, x: &Variables<L>, i: &Inputs<L>) -> Variables<L> {
        let seen = (L::splat(1.0) - p.alpha) * x.a_u + p.alpha * (i.I_u + p.b);
        Variables {
            a_u: (response(p, seen) - x.a_u) / p.tau,
        }
    }

    fn leak<L: Lanes>(p: &Parameters<L>) -> Variables<L> {
        Variables { a_u: p.tau.rate() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts;
    use super::*;

    /// tau, alpha, b, gain, then the shares with that of one function 1.
    fn with(function: usize) -> Vec<f64> {
        let mut p = vec![5.0, 1.0, 0.25, 2.0];
        p.extend((0..7).map(|k| f64::from(u8::from(k == function))));
        p
    }

    /// dt = tau and alpha = 1: the new activity is f of the input, whatever the old one was.
    #[test]
    fn a_step_of_tau_is_elman() {
        let u: f64 = 0.75;
        let expected = [
            u,
            u,
            u * u,
            (2.0 * u).tanh(),
            1.0 / (1.0 + (-2.0 * u).exp()),
            u.exp().ln_1p(),
            1.0,
        ];
        for (k, expected) in expected.into_iter().enumerate() {
            for old in [-0.5, 0.0, 2.0] {
                let slope = facts::derivative::<LeakyRnn>(&with(k), &[old], &[0.5])[0];
                assert!((old + 5.0 * slope - expected).abs() < 1e-14, "{k}");
            }
        }
    }

    #[test]
    fn below_zero() {
        let u: f64 = -0.75;
        let expected = [
            u,
            0.0,
            0.0,
            (2.0 * u).tanh(),
            1.0 / (1.0 + (-2.0 * u).exp()),
            u.exp().ln_1p(),
            -1.0,
        ];
        for (k, expected) in expected.into_iter().enumerate() {
            let slope = facts::derivative::<LeakyRnn>(&with(k), &[0.0], &[-1.0])[0];
            assert!((5.0 * slope - expected).abs() < 1e-14, "{k}");
        }
    }

    /// Leak inside f: a <- f((1 - alpha) a + alpha (I + b)); the two forms differ at the same alpha.
    #[test]
    fn leaks_outside_and_inside_differ() {
        let mut inside = with(3);
        inside[1] = 0.2;
        let (a, i, b): (f64, f64, f64) = (0.4, 0.9, 0.25);
        let slope = facts::derivative::<LeakyRnn>(&inside, &[a], &[i])[0];
        let found = a + 5.0 * slope;
        assert!((found - (2.0 * (0.8 * a + 0.2 * (i + b))).tanh()).abs() < 1e-15);
        let outside = a + 0.2 * 5.0 * facts::derivative::<LeakyRnn>(&with(3), &[a], &[i])[0];
        assert!((found - outside).abs() > 0.05);
    }

    /// No input: e^(-t/tau) in time, (1 - dt/tau)^n in Euler's steps.
    #[test]
    fn decays_with_tau() {
        let mut p = with(1);
        p[2] = 0.0;
        let path = facts::path::<LeakyRnn>(&p, &[1.0], 0.05, 100);
        assert!((path[100][0] - (-1.0_f64).exp()).abs() < 1e-9);
    }
}
