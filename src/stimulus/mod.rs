//! Inputs given from outside, as functions of time and place.

mod trial;

pub use trial::{Shown, Trial, Trials};

use crate::ids::AreaId;

/// A step of input to some areas: on during the half-open interval [onset, offset).
///
/// Every step from t_k to t_k+1 sees one constant value, that of its start. For an onset on the
/// grid this is the rule `onset < t <= offset` at the new time, which the published codes use.
#[derive(Debug, Clone, PartialEq)]
pub struct Stimulus {
    /// Name in the config.
    pub name: String,
    /// Index of the circuit input.
    pub input: usize,
    /// Areas that receive it.
    pub areas: Vec<AreaId>,
    /// Height, in the unit of the input.
    pub amplitude: f64,
    /// Start, ms.
    pub onset_ms: f64,
    /// End, ms.
    pub offset_ms: f64,
}

impl Stimulus {
    /// First step that sees the stimulus and first step that no longer does.
    #[must_use]
    pub fn steps(&self, dt_ms: f64) -> (u64, u64) {
        (
            nearest_step(self.onset_ms, dt_ms),
            nearest_step(self.offset_ms, dt_ms),
        )
    }
}

/// The step whose start is nearest to a time: times are rounded, never truncated, so that
/// 1.4 s at 0.5 ms is step 2800 although 1.4 / 0.0005 is a little less in floating point.
#[must_use]
pub fn nearest_step(time_ms: f64, dt_ms: f64) -> u64 {
    (time_ms / dt_ms).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pulse_of_the_paper_covers_1250_steps() {
        let pulse = Stimulus {
            name: "pulse".to_owned(),
            input: 0,
            areas: vec![AreaId(0)],
            amplitude: 1.0,
            onset_ms: 100.0,
            offset_ms: 350.0,
        };
        assert_eq!(pulse.steps(0.2), (500, 1750));
        assert_eq!(nearest_step(1400.0, 0.5), 2800);
    }
}
