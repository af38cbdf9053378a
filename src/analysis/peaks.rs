//! The peak of a response above its baseline.

use super::{AnalysisError, check_finite};

/// The largest excursion above the baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Height above the baseline, in the unit of the series; negative if it never rises above.
    pub value: f64,
    /// Sample at which it stands; the first of several equal ones.
    pub index: usize,
}

/// The peak of `x` above `baseline` (same unit). Errors: empty, not finite.
pub fn peak(x: &[f64], baseline: f64) -> Result<Peak, AnalysisError> {
    check_finite("series of a peak", x)?;
    check_finite("baseline of a peak", [&baseline])?;
    let mut best: Option<Peak> = None;
    for (index, &v) in x.iter().enumerate() {
        let value = v - baseline;
        if best.is_none_or(|b| value > b.value) {
            best = Some(Peak { value, index });
        }
    }
    best.ok_or(AnalysisError::TooFew {
        what: "samples of a peak",
        found: 0,
        expected: 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_of_the_highest() {
        let p = peak(&[10.0, 12.0, 15.0, 15.0, 11.0], 10.0).unwrap();
        assert_eq!(
            p,
            Peak {
                value: 5.0,
                index: 2
            }
        );
    }

    #[test]
    fn below_the_baseline_is_negative() {
        assert_eq!(peak(&[1.0, 2.0], 10.0).unwrap().value, -8.0);
    }

    #[test]
    fn refuses_nothing_and_nan() {
        assert!(matches!(peak(&[], 0.0), Err(AnalysisError::TooFew { .. })));
        assert!(matches!(
            peak(&[0.0, f64::NAN], 0.0),
            Err(AnalysisError::NotFinite { index: 1, .. })
        ));
    }
}
