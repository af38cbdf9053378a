//! The BOLD signal that neural activity would evoke: the balloon model of Buxton, Wong & Frank (1998) with
//! the haemodynamics of Friston, Harrison & Penny (2003).
//!
//! ```text
//! dx/dt     = z - kappa x - gamma (f - 1)                  df/dt = x
//! tau dv/dt = f - v^(1/alpha)
//! tau dq/dt = f (1 - (1 - rho)^(1/f))/rho - q v^(1/alpha - 1)
//! y         = V_0 (k_1 (1 - q) + k_2 (1 - q/v) + k_3 (1 - v))
//! ```
//!
//! z is neural activity (a gate, a rate that is scaled), x the vasodilatory signal, f inflow, v volume and q
//! deoxyhaemoglobin, each relative to rest, y the relative signal. It is not linear in z: say what z is.
//!
//! Codes read 0.65 and 0.41 as rates or as time constants; both readings are presets.

use super::{AnalysisError, check_finite};

/// The constants of the model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Haemodynamics {
    /// Decay of the vasodilatory signal, 1/s.
    pub kappa: f64,
    /// Feedback of inflow on that signal, 1/s.
    pub gamma: f64,
    /// Transit time, s.
    pub tau: f64,
    /// Stiffness of the vessels.
    pub alpha: f64,
    /// Oxygen extraction at rest.
    pub rho: f64,
    /// Volume fraction of blood at rest.
    pub v_0: f64,
    /// Weights of deoxyhaemoglobin, its concentration, and volume.
    pub k: [f64; 3],
}

/// Longest step of the integration, s.
const LONGEST_STEP_S: f64 = 0.01;

impl Haemodynamics {
    /// Rates: kappa 0.65 /s, gamma 0.41 /s, as Friston et al. (2003) and neurolib have them; k of 1.5 T, 7 rho, 2
    /// and 2 rho - 0.2.
    pub const FRISTON_RATE: Haemodynamics = Haemodynamics {
        kappa: 0.65,
        gamma: 0.41,
        tau: 0.98,
        alpha: 0.32,
        rho: 0.34,
        v_0: 0.02,
        k: [7.0 * 0.34, 2.0, 2.0 * 0.34 - 0.2],
    };

    /// The same numbers read as time constants, kappa = 1/(0.65 s), gamma = 1/(0.41 s), as cuBNM and codes of
    /// Deco and colleagues have them.
    pub const DECO_TAU: Haemodynamics = Haemodynamics {
        kappa: 1.0 / 0.65,
        gamma: 1.0 / 0.41,
        ..Self::FRISTON_RATE
    };

    /// Rates, with k of a field of 3 T.
    pub const FRISTON_RATE_3T: Haemodynamics = Haemodynamics {
        k: [3.72, 0.527, 0.53],
        ..Self::FRISTON_RATE
    };

    /// Names of the presets.
    pub const PRESETS: [(&'static str, Haemodynamics); 3] = [
        ("friston_rate", Self::FRISTON_RATE),
        ("deco_tau", Self::DECO_TAU),
        ("friston_rate_3t", Self::FRISTON_RATE_3T),
    ];

    /// The preset of a name.
    #[must_use]
    pub fn preset(name: &str) -> Option<Haemodynamics> {
        let mut known = Self::PRESETS.iter();
        known.find(|(of, _)| *of == name).map(|(_, preset)| *preset)
    }

    /// Derivative of (x, f, v, q), 1/s.
    fn derivative(&self, z: f64, [x, f, v, q]: [f64; 4]) -> [f64; 4] {
        let extracted = (1.0 - (1.0 - self.rho).powf(1.0 / f)) / self.rho;
        let outflow = v.powf(1.0 / self.alpha);
        [
            z - self.kappa * x - self.gamma * (f - 1.0),
            x,
            (f - outflow) / self.tau,
            (f * extracted - q * outflow / v) / self.tau,
        ]
    }

    fn signal(&self, [_, _, v, q]: [f64; 4]) -> f64 {
        let [k_1, k_2, k_3] = self.k;
        100.0 * self.v_0 * (k_1 * (1.0 - q) + k_2 * (1.0 - q / v) + k_3 * (1.0 - v))
    }

    /// BOLD signal [%] of activity `z` [1/s] sampled every `dt_ms`: as many samples, the first at rest.
    ///
    /// Each sample of `z` holds until the next; Runge-Kutta steps of at most 10 ms. Errors: `z` not finite, a step
    /// that is not above 0, activity so negative that inflow stops.
    pub fn bold(&self, z: &[f64], dt_ms: f64) -> Result<Vec<f64>, AnalysisError> {
        check_finite("activity of a BOLD signal", z)?;
        if !(dt_ms.is_finite() && dt_ms > 0.0) {
            return Err(AnalysisError::Range {
                what: "step of a BOLD signal, ms",
                value: dt_ms,
                expected: "above 0",
            });
        }
        let steps = (dt_ms * 1e-3 / LONGEST_STEP_S).ceil();
        let h = dt_ms * 1e-3 / steps;
        let along = |x: [f64; 4], k: [f64; 4], h: f64| -> [f64; 4] {
            std::array::from_fn(|i| x[i] + h * k[i])
        };
        let mut state = [0.0, 1.0, 1.0, 1.0];
        let mut out = Vec::with_capacity(z.len());
        for &z in z {
            out.push(self.signal(state));
            for _ in 0..steps as usize {
                let k1 = self.derivative(z, state);
                let k2 = self.derivative(z, along(state, k1, 0.5 * h));
                let k3 = self.derivative(z, along(state, k2, 0.5 * h));
                let k4 = self.derivative(z, along(state, k3, h));
                for (k, weight) in [(k1, 1.0), (k2, 2.0), (k3, 2.0), (k4, 1.0)] {
                    state = along(state, k, h * weight / 6.0);
                }
            }
        }
        check_finite("BOLD signal: its inflow must stay above 0", &out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Response to z = 1 for 1 s, every 1 ms: time [s] and height [%] of peak and trough. Recomputed
    /// independently of this program.
    #[test]
    fn response_to_a_second_of_activity() {
        for (h, [peak_s, peak, trough_s, trough]) in [
            (Haemodynamics::FRISTON_RATE, [3.376, 2.5235, 9.580, -0.5620]),
            (Haemodynamics::DECO_TAU, [2.174, 0.9331, 5.128, -0.0528]),
            (
                Haemodynamics::FRISTON_RATE_3T,
                [3.498, 2.0813, 9.805, -0.4400],
            ),
        ] {
            let z: Vec<f64> = (0..20_000).map(|k| f64::from(u8::from(k < 1000))).collect();
            let y = h.bold(&z, 1.0).unwrap();
            let best = |sign: f64| {
                (0..y.len())
                    .max_by(|&a, &b| (sign * y[a]).total_cmp(&(sign * y[b])))
                    .unwrap()
            };
            let (up, down) = (best(1.0), best(-1.0));
            let s = |k: usize| k as f64 * 1e-3;
            let found = [s(up), y[up], s(down), y[down]];
            let tolerance = [0.0011, 0.00006, 0.0011, 0.00006];
            for ((found, expected), within) in found
                .iter()
                .zip([peak_s, peak, trough_s, trough])
                .zip(tolerance)
            {
                assert!(
                    (found - expected).abs() <= within,
                    "{h:?}: {found}, expected {expected}"
                );
            }
        }
    }

    /// Under constant activity the closed form is reached: f = 1 + z/gamma, v = f^alpha.
    #[test]
    fn steady_state() {
        for (h, expected) in [
            (Haemodynamics::FRISTON_RATE, 1.08640),
            (Haemodynamics::DECO_TAU, 0.20852),
        ] {
            let y = h.bold(&vec![0.1; 6000], 20.0).unwrap();
            let f = 1.0 + 0.1 / h.gamma;
            let v = f.powf(h.alpha);
            let q = v * (1.0 - (1.0 - h.rho).powf(1.0 / f)) / h.rho;
            assert!((y[5999] - h.signal([0.0, f, v, q])).abs() < 1e-9);
            assert!((y[5999] - expected).abs() < 5e-6, "{}", y[5999]);
        }
    }

    #[test]
    fn rest_stays_rest_and_sampling_does_not_matter() {
        let h = Haemodynamics::FRISTON_RATE;
        assert!(h.bold(&[0.0; 100], 50.0).unwrap().iter().all(|y| *y == 0.0));
        let fine = h.bold(&vec![0.3; 10_000], 1.0).unwrap();
        let coarse = h.bold(&vec![0.3; 100], 100.0).unwrap();
        assert!((fine[9900] - coarse[99]).abs() < 1e-7);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let h = Haemodynamics::FRISTON_RATE;
        assert!(h.bold(&[0.0, f64::NAN], 1.0).is_err());
        assert!(h.bold(&[0.0], 0.0).is_err());
        assert!(h.bold(&vec![-5.0; 5000], 1.0).is_err());
    }
}
