//! The peak of a response: its largest departure from baseline.

use super::{AnalysisError, check_finite};

/// The largest departure from the baseline, either way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Above the baseline, or below if negative; unit of the series.
    pub value: f64,
    /// Sample at which it stands; the first of several equal ones.
    pub index: usize,
}

/// The largest departure of `x` from `baseline` (same unit), with its sign. Errors: empty, not finite.
pub fn peak(x: &[f64], baseline: f64) -> Result<Peak, AnalysisError> {
    check_finite("series of a peak", x)?;
    check_finite("baseline of a peak", [&baseline])?;
    let mut best: Option<Peak> = None;
    for (index, &v) in x.iter().enumerate() {
        let value = v - baseline;
        if best.is_none_or(|b: Peak| value.abs() > b.value.abs()) {
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
        assert_eq!(peak(&[9.0, 2.0, 13.0], 10.0).unwrap().value, -8.0);
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
