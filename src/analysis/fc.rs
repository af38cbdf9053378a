//! Functional connectivity: Pearson's correlation between areas.

use ndarray::{Array2, ArrayView2, Axis};

use super::{
    AnalysisError, check_finite,
    linalg::{check_finite_matrix, check_square, check_symmetric},
    stats::is_rounding,
};

/// Deviations from each area's mean, `[time, area]`. Errors: under two samples, no areas, not
/// finite.
fn centred(x: ArrayView2<f64>) -> Result<Array2<f64>, AnalysisError> {
    if x.nrows() < 2 {
        return Err(AnalysisError::TooFew {
            what: "time samples",
            found: x.nrows(),
            expected: 2,
        });
    }
    check_finite("series [time, area]", x.iter())?;
    // The first sample goes before the mean is taken: rates far from zero keep their digits.
    let shifted = &x - &x.row(0);
    let mean = shifted.sum_axis(Axis(0)) / x.nrows() as f64;
    Ok(shifted - mean)
}

/// Sample covariance (divisor n − 1) of the columns of `x`, `[time, area]`: `[area, area]`, in the
/// square of the unit of `x`. Errors: under two samples, not finite.
pub fn covariance(x: ArrayView2<f64>) -> Result<Array2<f64>, AnalysisError> {
    let d = centred(x)?;
    Ok(d.t().dot(&d) / (d.nrows() - 1) as f64)
}

/// Functional connectivity of a series `[time, area]`: the matrix of Pearson correlations
/// `[area, area]`, symmetric, exactly 1 on the diagonal, within −1..1. Errors: under two samples,
/// not finite, an area that does not vary (named by its index).
pub fn correlation(x: ArrayView2<f64>) -> Result<Array2<f64>, AnalysisError> {
    let d = centred(x)?;
    for (index, (deviation, series)) in d.columns().into_iter().zip(x.columns()).enumerate() {
        let largest = series.fold(0.0f64, |m, v| m.max(v.abs()));
        if is_rounding(deviation.dot(&deviation), largest, x.nrows()) {
            return Err(AnalysisError::Constant {
                what: "correlation, area",
                index,
            });
        }
    }
    from_covariance((d.t().dot(&d) / (d.nrows() - 1) as f64).view())
}

/// Functional connectivity from a covariance matrix `[area, area]`, simulated or from
/// [`super::lyapunov::covariance`] (pass the block of the excitatory populations). Errors: not
/// square, not symmetric, not finite, an area whose variance is not positive (named by its index).
pub fn from_covariance(covariance: ArrayView2<f64>) -> Result<Array2<f64>, AnalysisError> {
    const WHAT: &str = "covariance";
    check_square(WHAT, covariance)?;
    check_finite_matrix(WHAT, covariance)?;
    check_symmetric(WHAT, covariance)?;
    let n = covariance.nrows();
    let mut sd = Vec::with_capacity(n);
    for (index, &v) in covariance.diag().iter().enumerate() {
        if v <= 0.0 {
            return Err(AnalysisError::Constant {
                what: "correlation, area",
                index,
            });
        }
        sd.push(v.sqrt());
    }
    // The mean of the two triangles, so that rounding cannot make the result lopsided.
    let mean = |i: usize, j: usize| 0.5 * (covariance[[i, j]] + covariance[[j, i]]);
    Ok(Array2::from_shape_fn((n, n), |(i, j)| {
        if i == j {
            1.0
        } else {
            (mean(i, j) / (sd[i] * sd[j])).clamp(-1.0, 1.0)
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::stats::pearson;
    use ndarray::array;

    #[test]
    fn agrees_with_pairwise_pearson() {
        let x = array![
            [1.0, 4.0, 9.0],
            [2.0, 3.0, 1.0],
            [4.0, 3.5, 2.0],
            [3.0, 0.0, 7.0]
        ];
        let r = correlation(x.view()).unwrap();
        for i in 0..3 {
            assert_eq!(r[[i, i]], 1.0);
            for j in 0..3 {
                let p = pearson(&x.column(i).to_vec(), &x.column(j).to_vec()).unwrap();
                assert!((r[[i, j]] - p).abs() < 1e-14);
                assert_eq!(r[[i, j]], r[[j, i]]);
            }
        }
    }

    #[test]
    fn a_silent_area_is_named() {
        let x = array![[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]];
        assert!(matches!(
            correlation(x.view()),
            Err(AnalysisError::Constant { index: 1, .. })
        ));
        let c = array![[1.0, 0.0], [0.0, 0.0]];
        assert!(matches!(
            from_covariance(c.view()),
            Err(AnalysisError::Constant { index: 1, .. })
        ));
    }

    #[test]
    fn small_fluctuations_on_a_high_rate_survive() {
        let x = Array2::from_shape_fn((100, 2), |(t, a)| {
            1e6 + 1e-3 * (t as f64 * 0.1 + a as f64 * std::f64::consts::FRAC_PI_3).sin()
        });
        let clean = Array2::from_shape_fn((100, 2), |(t, a)| {
            (t as f64 * 0.1 + a as f64 * std::f64::consts::FRAC_PI_3).sin()
        });
        let (a, b) = (
            correlation(x.view()).unwrap(),
            correlation(clean.view()).unwrap(),
        );
        assert!((a[[0, 1]] - b[[0, 1]]).abs() < 1e-6);
    }

    #[test]
    fn covariance_of_two_columns() {
        let c = covariance(array![[0.0, 1.0], [2.0, -1.0]].view()).unwrap();
        assert_eq!(c, array![[2.0, -2.0], [-2.0, 2.0]]);
        assert!(covariance(array![[0.0, 1.0]].view()).is_err());
    }

    #[test]
    fn refuses_a_lopsided_covariance() {
        let c = array![[1.0, 0.5], [0.4, 1.0]];
        let e = from_covariance(c.view());
        assert!(matches!(e, Err(AnalysisError::NotSymmetric { .. })));
    }
}
