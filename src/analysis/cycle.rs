//! The frequency of an oscillation.

use super::{AnalysisError, check_finite};

/// How often a second `x` rises through the middle of its range, in Hz: whole cycles divided by the time
/// they take, rises placed linearly between samples `dt_ms` apart. None with less than two rises, which is
/// less than a cycle. A cycle that crosses the middle several times counts as often. Errors: not finite.
pub fn frequency_hz(x: &[f64], dt_ms: f64) -> Result<Option<f64>, AnalysisError> {
    check_finite("series of a frequency", x)?;
    check_finite("step of a frequency", [&dt_ms])?;
    let low = x.iter().copied().fold(f64::INFINITY, f64::min);
    let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = 0.5 * (low + high);
    let rises: Vec<f64> = (1..x.len())
        .filter(|&k| x[k - 1] < middle && x[k] >= middle)
        .map(|k| k as f64 - (x[k] - middle) / (x[k] - x[k - 1]))
        .collect();
    let (Some(first), Some(last)) = (rises.first(), rises.last()) else {
        return Ok(None);
    };
    Ok((last > first).then(|| 1e3 * (rises.len() - 1) as f64 / ((last - first) * dt_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, dt_ms: f64, samples: usize) -> Vec<f64> {
        let turn = |k: usize| std::f64::consts::TAU * hz * k as f64 * dt_ms * 1e-3;
        (0..samples).map(|k| 3.0 + 0.1 * turn(k).sin()).collect()
    }

    #[test]
    fn of_a_sine_between_samples() {
        for (hz, dt_ms) in [(10.0, 1.0), (37.3, 0.9), (2.4, 0.5)] {
            let found = frequency_hz(&sine(hz, dt_ms, 4000), dt_ms)
                .unwrap()
                .unwrap();
            assert!((found / hz - 1.0).abs() < 1e-3, "{hz}: {found}");
        }
    }

    #[test]
    fn less_than_a_cycle_has_none() {
        assert_eq!(frequency_hz(&sine(1.0, 1.0, 900), 1.0).unwrap(), None);
        assert_eq!(frequency_hz(&[2.0; 50], 1.0).unwrap(), None);
        assert_eq!(frequency_hz(&[], 1.0).unwrap(), None);
        assert!(frequency_hz(&[0.0, f64::NAN], 1.0).is_err());
    }
}
