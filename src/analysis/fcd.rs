//! How functional connectivity changes in time (Hansen, Battaglia, Spiegler, Deco & Jirsa 2015, NeuroImage
//! 105:525, doi 10.1016/j.neuroimage.2014.11.001): correlations between the connectivities of windows.

use ndarray::{Array2, ArrayView2, s};

use super::{AnalysisError, check_finite, fc, stats};

/// A matrix of more windows takes more than a gigabyte.
const MOST_WINDOWS: usize = 10_000;

/// Functional connectivity dynamics of a series `[time, area]`: the matrix `[window, window]` of Pearson's
/// correlations between the functional connectivities, pairs of areas above the diagonal, of windows of
/// `window` samples, each `step` samples after the one before. Symmetric, 1 on the diagonal.
///
/// Windows that overlap are alike for that reason alone. Errors: fewer than two windows or more than 10 000, a
/// window under two samples, a step of 0, fewer than three areas, not finite, an area that does not vary in a
/// window, connectivities that are the same for all pairs of areas.
pub fn dynamics(
    x: ArrayView2<f64>,
    window: usize,
    step: usize,
) -> Result<Array2<f64>, AnalysisError> {
    let positive = |what: &'static str, value: usize, least: usize, expected: &'static str| {
        let range = AnalysisError::Range {
            what,
            value: value as f64,
            expected,
        };
        if value < least { Err(range) } else { Ok(()) }
    };
    positive("samples of a window", window, 2, "2 or more")?;
    positive("samples between windows", step, 1, "1 or more")?;
    // With two areas there is one pair, and nothing to correlate.
    positive("areas of windowed connectivity", x.ncols(), 3, "3 or more")?;
    let windows = match x.nrows().checked_sub(window) {
        None => 0,
        Some(rest) => rest / step + 1,
    };
    if windows < 2 {
        return Err(AnalysisError::TooFew {
            what: "windows of connectivity",
            found: windows,
            expected: 2,
        });
    }
    if windows > MOST_WINDOWS {
        return Err(AnalysisError::Range {
            what: "windows of connectivity",
            value: windows as f64,
            expected: "at most 10 000",
        });
    }
    let pairs = x.ncols() * (x.ncols() - 1) / 2;
    // A column a window: their correlations are those of a series [pair, window].
    let mut all = Array2::zeros((pairs, windows));
    for (w, mut column) in all.columns_mut().into_iter().enumerate() {
        let first = w * step;
        let one = fc::correlation(x.slice(s![first..first + window, ..]))?;
        for (to, r) in column.iter_mut().zip(stats::upper_triangle(one.view())?) {
            *to = r;
        }
    }
    fc::correlation(all.view())
}

/// The Kolmogorov–Smirnov distance of two samples, 0..1: the largest difference of their cumulative
/// distributions. Errors: an empty sample, not finite.
pub fn ks_distance(x: &[f64], y: &[f64]) -> Result<f64, AnalysisError> {
    for sample in [x, y] {
        if sample.is_empty() {
            return Err(AnalysisError::TooFew {
                what: "values of a distribution",
                found: 0,
                expected: 1,
            });
        }
        check_finite("values of a distribution", sample)?;
    }
    let sorted = |sample: &[f64]| {
        let mut sorted = sample.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let (x, y) = (sorted(x), sorted(y));
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < x.len() && j < y.len() {
        // Equal values are passed together: the distributions jump at once.
        let at = x[i].min(y[j]);
        i += x[i..].iter().take_while(|v| **v <= at).count();
        j += y[j..].iter().take_while(|v| **v <= at).count();
        let (of_x, of_y) = (i as f64 / x.len() as f64, j as f64 / y.len() as f64);
        largest = largest.max((of_x - of_y).abs());
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::pearson;

    /// Three areas whose couplings change half-way: by a rule, so that there is no noise.
    fn series() -> Array2<f64> {
        Array2::from_shape_fn((400, 3), |(t, area)| {
            let (a, b) = ((t as f64 * 0.7).sin(), (t as f64 * 1.9).cos());
            match (area, t < 200) {
                (0, _) => a,
                (1, true) | (2, false) => 0.8 * a + 0.3 * b,
                _ => b - 0.2 * a,
            }
        })
    }

    #[test]
    fn agrees_with_correlations_taken_one_by_one() {
        let x = series();
        let found = dynamics(x.view(), 60, 20).unwrap();
        assert_eq!(found.dim(), (18, 18));
        let window = |w: usize| {
            let column = |a: usize| x.slice(s![20 * w..20 * w + 60, a]).to_vec();
            let r = |a, b| pearson(&column(a), &column(b)).unwrap();
            [r(0, 1), r(0, 2), r(1, 2)]
        };
        for i in 0..18 {
            for j in 0..18 {
                let expected = pearson(&window(i), &window(j)).unwrap();
                assert!((found[[i, j]] - expected).abs() < 1e-12, "{i}, {j}");
            }
        }
    }

    #[test]
    fn a_change_of_coupling_makes_blocks() {
        let found = dynamics(series().view(), 60, 20).unwrap();
        // Windows 0 to 7 end before the change, windows from 10 begin after it.
        let within = found
            .slice(s![..8, ..8])
            .iter()
            .fold(1.0, |m: f64, r| m.min(*r));
        let across = found
            .slice(s![..8, 10..])
            .iter()
            .fold(-1.0, |m: f64, r| m.max(*r));
        assert!(within > 0.9 && across < 0.0, "{within}, {across}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let x = series();
        for (window, step) in [(1, 20), (60, 0), (401, 20), (390, 20)] {
            assert!(
                dynamics(x.view(), window, step).is_err(),
                "{window}, {step}"
            );
        }
        assert!(dynamics(x.slice(s![.., ..2]), 60, 20).is_err());
    }

    #[test]
    fn distances_of_distributions() {
        assert_eq!(ks_distance(&[1.0, 2.0], &[2.0, 1.0]), Ok(0.0));
        assert_eq!(ks_distance(&[1.0, 2.0], &[3.0]), Ok(1.0));
        assert_eq!(ks_distance(&[1.0, 2.0, 3.0, 4.0], &[2.5, 9.0]), Ok(0.5));
        assert_eq!(ks_distance(&[1.0, 1.0, 2.0, 2.0], &[1.0]), Ok(0.5));
        assert!(ks_distance(&[], &[1.0]).is_err());
        assert!(ks_distance(&[f64::NAN], &[1.0]).is_err());
    }
}
