//! How numbers looked up by address become noise in the inputs and states of areas.
//!
//! A source adds `mean + value` to an input, or to the derivative of a state; the value is constant
//! over a step. Where it enters the equations linearly, that is the Euler–Maruyama scheme of strong
//! order 1, or stochastic Heun. Where it passes through a curve (a rate function, or a threshold
//! that is crossed), white noise has no limit as dt → 0: its effect through the curvature grows as
//! 1/dt. Use Ornstein–Uhlenbeck noise there; [`crate::network::Network::remarks`] points it out.
//! - White: value = sd sqrt(bin / dt) N. The integral over any interval then has the same variance
//!   for every dt; sd is that of the mean over one bin.
//! - Ornstein–Uhlenbeck: exact at every dt (Gillespie 1996, doi 10.1103/PhysRevE.54.2084),
//!   value' = value e^{-dt/tau} + sd sqrt(1 - e^{-2 dt/tau}) N, started from its stationary law.
//!
//! A source may be multiplied by a variable of its area. White noise then means Itô's integral with
//! Euler's method and Stratonovich's with Heun's and Runge–Kutta's.
//!
//! Numbers are looked up `per_step` times in a step. White noise takes their sum divided by
//! sqrt(per_step), Ornstein–Uhlenbeck noise moves on by each of them, so that runs whose dt is a
//! multiple of one grid meet the same paths.

use crate::ids::AreaId;
use crate::lanes::Lanes;
use crate::rng::Site;

/// A noise source.
#[derive(Debug, Clone, PartialEq)]
pub struct Noise {
    /// Name in the config; part of the address.
    pub name: String,
    /// What it is added to.
    pub target: Target,
    /// Circuit variable that multiplies it, of the same area.
    pub times: Option<usize>,
    /// Areas that receive it, each independent, with the address of its numbers.
    pub areas: Vec<(AreaId, Site)>,
    /// Constant part, unit of the target; multiplied as well.
    pub mean: f64,
    /// Standard deviation, unit of the target; see the module.
    pub sd: f64,
    /// White or coloured.
    pub memory: Memory,
}

/// What a noise source is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A circuit input, by index.
    Input(usize),
    /// The derivative of a circuit state, by index; the unit is that of the state per ms.
    State(usize),
}

/// Memory of a noise source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Memory {
    /// White; `sd` refers to the mean over this bin, ms.
    White {
        /// The bin, ms.
        bin_ms: f64,
    },
    /// Ornstein–Uhlenbeck with this time constant, ms.
    Ou {
        /// The time constant, ms.
        tau_ms: f64,
    },
}

/// What a lookup does with a standard normal number N: `value' = decay * value + amplitude * N`.
/// White noise is amplitude times the sum of the N of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Factor on the old value; 0 for white noise.
    pub decay: f64,
    /// Factor on the normal number, unit of the target.
    pub amplitude: f64,
}

impl Noise {
    /// The update of one of the `per_step` lookups of a step of length dt.
    #[must_use]
    pub fn update(&self, dt_ms: f64, per_step: u32) -> Update {
        let per_step = f64::from(per_step);
        match self.memory {
            Memory::White { bin_ms } => Update {
                decay: 0.0,
                amplitude: self.sd * (bin_ms / dt_ms / per_step).sqrt(),
            },
            Memory::Ou { tau_ms } => {
                let h = dt_ms / per_step;
                Update {
                    decay: Lanes::exp(-h / tau_ms),
                    amplitude: self.sd * (-Lanes::exp_m1(-2.0 * h / tau_ms)).sqrt(),
                }
            }
        }
    }

    /// Intensity of white noise, [unit of the target² ms]: the variance of its integral over T is
    /// intensity × T. `None` for coloured noise.
    #[must_use]
    pub fn intensity(&self) -> Option<f64> {
        match self.memory {
            Memory::White { bin_ms } => Some(self.sd * self.sd * bin_ms),
            Memory::Ou { .. } => None,
        }
    }
}

/// The address of the number that starts an Ornstein–Uhlenbeck process in its stationary law: a
/// site of its own, so that it is independent of every step.
#[must_use]
pub fn start_site(site: Site) -> Site {
    Site(site.0 ^ 0x5354_4152_545F_4F55)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Replicate;
    use crate::rng::normal;

    fn noise(memory: Memory) -> Noise {
        Noise {
            name: "n".to_owned(),
            target: Target::Input(0),
            times: None,
            areas: vec![],
            mean: 0.0,
            sd: 0.5,
            memory,
        }
    }

    #[test]
    fn white_noise_keeps_its_integral_when_dt_changes() {
        let n = noise(Memory::White { bin_ms: 0.2 });
        assert!((n.update(0.2, 1).amplitude - 0.5).abs() < 1e-15);
        for dt in [0.01, 0.1, 0.5] {
            let per_ms = n.update(dt, 1).amplitude.powi(2) * dt;
            assert!((per_ms - n.intensity().unwrap()).abs() < 1e-15);
        }
    }

    #[test]
    fn ou_is_stationary_and_composes() {
        let n = noise(Memory::Ou { tau_ms: 5.0 });
        for dt in [0.01, 0.5, 20.0] {
            let u = n.update(dt, 1);
            assert!((u.decay.powi(2) * 0.25 + u.amplitude.powi(2) - 0.25).abs() < 1e-15);
        }
        // Two half steps are one step: exactness does not depend on dt.
        let (half, whole) = (n.update(0.5, 1), n.update(1.0, 1));
        assert!((half.decay.powi(2) - whole.decay).abs() < 1e-15);
        let variance = half.amplitude.powi(2) * (1.0 + half.decay.powi(2));
        assert!((variance - whole.amplitude.powi(2)).abs() < 1e-15);
    }

    #[test]
    fn ou_path_has_the_asked_sd_and_memory() {
        let n = noise(Memory::Ou { tau_ms: 2.0 });
        let u = n.update(0.5, 1);
        let site = Site::new("n", "V1", "I_E");
        let mut x = n.sd * normal(9, 0, start_site(site), Replicate(0));
        let (mut sum, mut square, mut lagged, steps) = (0.0, 0.0, 0.0, 400_000);
        for step in 0..steps {
            let next = u.decay * x + u.amplitude * normal(9, step, site, Replicate(0));
            sum += x;
            square += x * x;
            lagged += x * next;
            x = next;
        }
        let count = steps as f64;
        // Effective sample size of an AR(1) path: count (1 - r^2) / (1 + r^2), r = decay.
        let r2 = u.decay * u.decay;
        let effective = count * (1.0 - r2) / (1.0 + r2);
        let relative = 5.0 * (2.0 / effective).sqrt();
        assert!((sum / count).abs() < 5.0 * 0.5 / effective.sqrt() * 2.0);
        assert!((square / count / 0.25 - 1.0).abs() < relative);
        assert!((lagged / square - u.decay).abs() < relative);
    }
}
