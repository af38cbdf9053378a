//! The latency of a response.

use super::{AnalysisError, check_finite, stats};

/// Time from `onset_ms` until `x` has covered `fraction` of the way from `baseline` to its largest
/// departure at or after the onset, in ms, linear between samples; none if `x` does not depart. A
/// crossing before the onset does not count. Errors: lengths differ, not finite.
pub fn latency(
    x: &[f64],
    time_ms: &[f64],
    baseline: f64,
    onset_ms: f64,
    fraction: f64,
) -> Result<Option<f64>, AnalysisError> {
    same_length(x, time_ms)?;
    check_finite("series of a latency", x)?;
    check_finite("baseline of a latency", [&baseline])?;
    let first = time_ms.partition_point(|t| *t < onset_ms);
    let after = &x[first..];
    let largest =
        (after.iter().map(|v| v - baseline)).fold(
            0.0,
            |most: f64, v| if v.abs() > most.abs() { v } else { most },
        );
    if stats::is_rounding(largest * largest, baseline.abs(), 1) {
        return Ok(None);
    }
    // As a share of the largest departure, which makes responses downwards like those upwards.
    let share = |k: usize| (after[k] - baseline) / largest;
    let Some(k) = (0..after.len()).find(|&k| share(k) >= fraction) else {
        return Ok(None);
    };
    let at = time_ms[first + k];
    if k == 0 {
        return Ok(Some(at - onset_ms));
    }
    let (before, now) = (share(k - 1), share(k));
    let step = at - time_ms[first + k - 1];
    Ok(Some(
        at - onset_ms - step * (now - fraction) / (now - before),
    ))
}

fn same_length(x: &[f64], time_ms: &[f64]) -> Result<(), AnalysisError> {
    if x.len() == time_ms.len() {
        return Ok(());
    }
    Err(AnalysisError::Length {
        what: "times of a series",
        found: time_ms.len(),
        expected: x.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: [f64; 6] = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0];

    #[test]
    fn latency_is_interpolated_and_counts_from_the_onset() {
        // 2 above baseline at 20 ms, 10 at 30 ms: half of 12 is reached half-way between.
        let x = [5.0, 5.0, 7.0, 15.0, 17.0, 9.0];
        assert_eq!(latency(&x, &TIME, 5.0, 10.0, 0.5).unwrap(), Some(15.0));
        assert_eq!(latency(&x, &TIME, 5.0, 10.0, 1.0).unwrap(), Some(30.0));
        // What was there before the onset is no response, but still a departure after it.
        assert_eq!(latency(&x, &TIME, 5.0, 40.0, 0.5).unwrap(), Some(0.0));
    }

    #[test]
    fn responses_downwards_and_none() {
        let x = [5.0, 5.0, 3.0, -5.0, -7.0, 1.0];
        assert_eq!(latency(&x, &TIME, 5.0, 10.0, 0.5).unwrap(), Some(15.0));
        assert_eq!(latency(&[5.0; 6], &TIME, 5.0, 10.0, 0.5).unwrap(), None);
        assert!(latency(&[f64::NAN; 6], &TIME, 5.0, 10.0, 0.5).is_err());
    }
}
